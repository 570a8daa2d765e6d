--- From cosines to probabilities.
---
--- A cosine of 0.4 says little by itself: some queries are near everything, others near nothing. So
--- a model keeps a bank of vectors of training sounds, and a query's cosine is judged against the
--- cosines of that query with the bank: z = (cosine - mean) / deviation. A logistic regression on
--- (z, cosine), fitted on pairs of queries and sounds that training never saw, turns it into the
--- probability that the sound is what the query asks for, at the prevalence of matches in those
--- pairs (Platt scaling; Platt, "Probabilistic outputs for support vector machines", 1999).
---
--- Where a model compares several levels, what is judged is their fused similarity instead of the
--- cosine, still against the query's cosines with the bank: these say how near to everything a query is.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local calibration = {}

--- z of each cosine, and the cosines themselves, as lists of numbers. background: the query's similarities with
--- the bank; trim: the share of the highest of them that is left out.
local function features(background, cosines, trim)
  local n = background:numel()
  -- Sounds of the bank that are what the query asks for are no background.
  local kept = n - math.floor((trim or 0) * n)
  if kept < n then background = -(-background):topk(kept) end
  local mean = background:mean():item()
  local deviation = math.max(1e-6, background:std():item())
  local list, z = cosines:totable(), {}
  for i, c in ipairs(list) do z[i] = (c - mean) / deviation end
  return z, list
end

local function sigmoid(x) return 1 / (1 + math.exp(-x)) end

-- What the logistic function sums over: z, the value and 1; and where texts are told apart by how well they are
-- known (k in [0, 1]), the same times k.
local function terms(z, value, known)
  if not known then return { z, value, 1 } end
  return { z, value, 1, known * z, known * value, known }
end

local function dot(w, x)
  local sum = 0
  for i = 1, #w do sum = sum + w[i] * x[i] end
  return sum
end

--- Solves a system of linear equations by Gaussian elimination with pivoting.
---@param matrix number[][] n × n
---@param right number[] n
---@return number[]
function calibration.solve(matrix, right)
  local n, m = #right, {}
  for i = 1, n do
    m[i] = table.move(matrix[i], 1, n, 1, {})
    m[i][n + 1] = right[i]
  end
  for c = 1, n do
    local best = c
    for r = c + 1, n do
      if math.abs(m[r][c]) > math.abs(m[best][c]) then best = r end
    end
    m[c], m[best] = m[best], m[c]
    for r = 1, n do
      if r ~= c then
        local f = m[r][c] / m[c][c]
        for k = c, n + 1 do m[r][k] = m[r][k] - f * m[c][k] end
      end
    end
  end
  local x = {}
  for i = 1, n do x[i] = m[i][n + 1] / m[i][i] end
  return x
end

--- Newton's method on the log-likelihood of a logistic regression; a small ridge keeps it finite when the
--- classes separate.
local function fit_logistic(rows, targets)
  local n, ridge, w = #rows[1], 1e-3, {}
  for a = 1, n do w[a] = 0 end
  for _ = 1, 50 do
    local g, h = {}, {}
    for a = 1, n do
      g[a], h[a] = ridge * w[a], {}
      for b = 1, n do h[a][b] = a == b and ridge or 0 end
    end
    for i, x in ipairs(rows) do
      local p = sigmoid(dot(w, x))
      local curve, miss = p * (1 - p), p - targets[i]
      for a = 1, n do
        g[a] = g[a] + miss * x[a]
        local line, factor = h[a], curve * x[a]
        for b = 1, a do line[b] = line[b] + factor * x[b] end
      end
    end
    for a = 1, n do
      for b = a + 1, n do h[a][b] = h[b][a] end
    end
    local step, size = calibration.solve(h, g), 0
    for a = 1, n do
      w[a] = w[a] - step[a]
      size = size + math.abs(step[a])
    end
    if size < 1e-9 then break end
  end
  return w
end

--- Fits a calibration.
---@param bank any (M, D) vectors of background sounds, of unit length
---@param queries any (Q, D) vectors of texts
---@param clips any (N, D) vectors of sounds that training never saw
---@param matches boolean[][] matches[q][n]: sound n is what text q asks for
---@param similarities? any (Q, N) fused similarities, which then are judged instead of cosines
---@param more? table backgrounds (Q, M): similarities of the texts with the bank, where these are no cosines
---  of its
---  rows; trim: the share of the bank, of the sounds most like a query, that is left out (0); known: a number
---  in [0, 1] for each text, how well the model knows it
---@return table calibration; `of` is "cosine" or "similarity"
function calibration.fit(bank, queries, clips, matches, similarities, more)
  local rows, targets, positives = {}, {}, 0
  local backgrounds, known = more and more.backgrounds, more and more.known
  for q = 1, queries.shape[1] do
    local query = queries[q]
    local background = backgrounds and backgrounds[q] or bank:matmul(query)
    local z, values = features(background, similarities and similarities[q]
      or clips:matmul(query), more and more.trim)
    for n = 1, #z do
      rows[#rows + 1] = terms(z[n], values[n], known and known[q])
      targets[#targets + 1] = matches[q][n] and 1 or 0
      positives = positives + targets[#targets]
    end
  end
  if positives == 0 or positives == #targets then
    error("calibration: needs both matching and other pairs", 2)
  end
  return {
    of = similarities and "similarity" or "cosine",
    bank = bank:detach():clone(),
    weights = fit_logistic(rows, targets),
    trim = more and more.trim,
    prevalence = positives / #targets,
    pairs = #targets,
  }
end

--- The probabilities of n sounds for one query.
---@param c table calibration
---@param query any (D)
---@param values any (n) cosines, or fused similarities, as c.of says
---@param background? any (M) similarities of the query with the bank, where these are no cosines of its rows
---@param known? number in [0, 1], how well the model knows the query; needed where it was fitted with such
---@return any (n)
function calibration.apply(c, query, values, background, known)
  local z, list = features(background or c.bank:matmul(query), values, c.trim)
  local told = #c.weights > 3 and (known or 0) or nil
  for i = 1, #z do z[i] = sigmoid(dot(c.weights, terms(z[i], list[i], told))) end
  return core.tensor(z)
end

--- The part that is JSON in a model file.
function calibration.describe(c)
  return { of = c.of, weights = c.weights, trim = c.trim, prevalence = c.prevalence, pairs = c.pairs }
end

--- From a model file; raises when it is broken.
function calibration.restore(described, bank, dim)
  local o = opts.check("calibration", described, {
    of = { type = "string", default = "cosine", one_of = { "cosine", "similarity" } },
    weights = { type = "table", required = true },
    prevalence = "number",
    pairs = "number",
    trim = { type = "number", min = 0, below = 1 },
  })
  local n = #described.weights
  for i = 1, math.max(3, n) do
    if n ~= 3 and n ~= 6 or type(described.weights[i]) ~= "number" then
      error("calibration: three weights expected, or six", 0)
    end
  end
  if not bank or #bank.shape ~= 2 or bank.shape[1] < 1 or bank.shape[2] ~= dim
    or bank.dtype ~= "float32" then
    error(("calibration: a bank of float32 vectors of %d numbers expected"):format(dim), 0)
  end
  return { of = o.of, bank = bank, weights = described.weights, trim = o.trim,
    prevalence = described.prevalence,
    pairs = described.pairs }
end

return calibration
