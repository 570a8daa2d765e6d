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
--- the bank.
local function features(background, cosines)
  local mean = background:mean():item()
  local deviation = math.max(1e-6, background:std():item())
  local list, z = cosines:totable(), {}
  for i, c in ipairs(list) do z[i] = (c - mean) / deviation end
  return z, list
end

local function sigmoid(x) return 1 / (1 + math.exp(-x)) end

--- Newton's method on the log-likelihood of a logistic regression with three weights; a small ridge
--- keeps it finite when the classes separate.
local function fit_logistic(rows, targets)
  local w, ridge = { 0, 0, 0 }, 1e-3
  for _ = 1, 50 do
    local g = { ridge * w[1], ridge * w[2], ridge * w[3] }
    local h = { { ridge, 0, 0 }, { 0, ridge, 0 }, { 0, 0, ridge } }
    for i, x in ipairs(rows) do
      local p = sigmoid(w[1] * x[1] + w[2] * x[2] + w[3])
      local v = { x[1], x[2], 1 }
      for a = 1, 3 do
        g[a] = g[a] + (p - targets[i]) * v[a]
        for b = 1, 3 do h[a][b] = h[a][b] + p * (1 - p) * v[a] * v[b] end
      end
    end
    local step = calibration.solve3(h, g)
    local size = 0
    for a = 1, 3 do
      w[a] = w[a] - step[a]
      size = size + math.abs(step[a])
    end
    if size < 1e-9 then break end
  end
  return w
end

--- Solves a 3 × 3 system by Gaussian elimination with pivoting.
function calibration.solve3(matrix, right)
  local m = {}
  for i = 1, 3 do m[i] = { matrix[i][1], matrix[i][2], matrix[i][3], right[i] } end
  for c = 1, 3 do
    local best = c
    for r = c + 1, 3 do
      if math.abs(m[r][c]) > math.abs(m[best][c]) then best = r end
    end
    m[c], m[best] = m[best], m[c]
    for r = 1, 3 do
      if r ~= c then
        local f = m[r][c] / m[c][c]
        for k = c, 4 do m[r][k] = m[r][k] - f * m[c][k] end
      end
    end
  end
  return { m[1][4] / m[1][1], m[2][4] / m[2][2], m[3][4] / m[3][3] }
end

--- Fits a calibration.
---@param bank any (M, D) vectors of background sounds, of unit length
---@param queries any (Q, D) vectors of texts
---@param clips any (N, D) vectors of sounds that training never saw
---@param matches boolean[][] matches[q][n]: sound n is what text q asks for
---@param similarities? any (Q, N) fused similarities, which then are judged instead of cosines
---@param backgrounds? any (Q, M) similarities of the texts with the bank, where these are no cosines of its
---  rows
---@return table calibration; `of` is "cosine" or "similarity"
function calibration.fit(bank, queries, clips, matches, similarities, backgrounds)
  local rows, targets, positives = {}, {}, 0
  for q = 1, queries.shape[1] do
    local query = queries[q]
    local background = backgrounds and backgrounds[q] or bank:matmul(query)
    local z, values = features(background, similarities and similarities[q]
      or clips:matmul(query))
    for n = 1, #z do
      rows[#rows + 1] = { z[n], values[n] }
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
    prevalence = positives / #targets,
    pairs = #targets,
  }
end

--- The probabilities of n sounds for one query.
---@param c table calibration
---@param query any (D)
---@param values any (n) cosines, or fused similarities, as c.of says
---@param background? any (M) similarities of the query with the bank, where these are no cosines of its rows
---@return any (n)
function calibration.apply(c, query, values, background)
  local z, list = features(background or c.bank:matmul(query), values)
  for i = 1, #z do z[i] = sigmoid(c.weights[1] * z[i] + c.weights[2] * list[i] + c.weights[3]) end
  return core.tensor(z)
end

--- The part that is JSON in a model file.
function calibration.describe(c)
  return { of = c.of, weights = c.weights, prevalence = c.prevalence, pairs = c.pairs }
end

--- From a model file; raises when it is broken.
function calibration.restore(described, bank, dim)
  local o = opts.check("calibration", described, {
    of = { type = "string", default = "cosine", one_of = { "cosine", "similarity" } },
    weights = { type = "table", required = true },
    prevalence = "number",
    pairs = "number",
  })
  for i = 1, 3 do
    if type(described.weights[i]) ~= "number" then
      error("calibration: three weights expected", 0)
    end
  end
  if not bank or #bank.shape ~= 2 or bank.shape[1] < 1 or bank.shape[2] ~= dim
    or bank.dtype ~= "float32" then
    error(("calibration: a bank of float32 vectors of %d numbers expected"):format(dim), 0)
  end
  return { of = o.of, bank = bank, weights = described.weights, prevalence = described.prevalence,
    pairs = described.pairs }
end

return calibration
