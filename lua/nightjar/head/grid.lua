--- The search for fusion weights: what is tried, and what it is judged by.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local pairs_of = require "nightjar.loss.pairs"

local grid = {}

local function clip_list(fname, ids, texts, clips)
  if #ids ~= texts then
    error(("%s: expected the clip of each of %d texts, got %d"):format(fname, texts, #ids), 4)
  end
  for t, clip in ipairs(ids) do
    if math.type(clip) ~= "integer" or clip < 1 or clip > clips then
      error(("%s: text %d belongs to clip %s, outside 1 to %d"):format(fname, t, tostring(clip),
        clips), 4)
    end
  end
  return core.tensor(ids, { dtype = "int64" })
end

--- Which texts belong to which clips: (texts, clips) uint8.
---@param fname string for messages
---@param ids? integer[]|{ texts: any[], clips: any[] } see head:fit
---@param texts integer
---@param clips integer
function grid.relevance(fname, ids, texts, clips)
  local places = core.arange(1, clips, { dtype = "int64" })
  if ids == nil then
    if texts ~= clips then
      error(("%s: %d texts for %d clips: say which clip each text belongs to"):format(fname, texts,
        clips), 3)
    end
    return pairs_of.same(places, places)
  end
  if opts.type_name(ids) == "nightjar.Tensor" then ids = ids:totable() end
  if ids.texts or ids.clips then
    local o = opts.check(fname .. ": ids", ids, { texts = { type = "table", required = true },
      clips = { type = "table", required = true } }, 4)
    if #o.texts ~= texts or #o.clips ~= clips then
      error(("%s: expected ids of %d texts and %d clips, got %d and %d"):format(fname, texts, clips,
        #o.texts, #o.clips), 3)
    end
    local all = table.move(o.clips, 1, clips, texts + 1, table.move(o.texts, 1, texts, 1, {}))
    local numbers = pairs_of.numbered(fname, all, texts + clips)
    return pairs_of.same(numbers:narrow(1, 1, texts), numbers:narrow(1, texts + 1, clips))
  end
  return pairs_of.same(clip_list(fname, ids, texts, clips), places)
end

-- Share of the queries along `dim` whose best relevant item is above every other; a query without
-- relevant items does not count. A tie is a miss, so that constant scores are not the best.
local function r1(S, relevant, dim)
  local other = relevant:eq(0)
  local asks = relevant:any(dim):to "float64"
  local own = S:masked_fill(other, -math.huge):max(dim)
  local rival = S:masked_fill(relevant, -math.huge):max(dim)
  local hits = own:gt(rival):to "float64" * asks
  return 100 * hits:sum():item() / math.max(1, asks:sum():item())
end

--- Mean R@1 of both directions, in percent.
---@param S nightjar.Tensor (texts, clips)
---@param relevant nightjar.Tensor (texts, clips) uint8
---@return number
function grid.score(S, relevant) return (r1(S, relevant, 2) + r1(S, relevant, 1)) / 2 end

-- −mean log of the share of the relevant items.
local function nll(logits, relevant, dim)
  local other = relevant:eq(0)
  local asks = relevant:any(dim)
  local own = logits:masked_fill(other, -math.huge):logsumexp(dim)
  local each = (logits:logsumexp(dim) - own):masked_fill(asks:eq(0), 0)
  return each:sum():item() / math.max(1, asks:to "float64":sum():item())
end

--- NT-Xent of both directions, over a temperature of a seventh of the scores' deviation: the same
--- for scores on any scale.
---@param S nightjar.Tensor (texts, clips)
---@param relevant nightjar.Tensor (texts, clips) uint8
---@return number
function grid.nt_xent(S, relevant)
  if S:numel() < 2 then return 0 end
  local logits = S / math.max(1e-9, S:std():item() / 7)
  return (nll(logits, relevant, 2) + nll(logits, relevant, 1)) / 2
end

-- Calls f with every list of n multiples of 1/steps that sum to 1.
local function simplex(n, steps, f)
  local point = {}
  local function fill(i, left)
    if i == n then
      point[i] = left / steps
      return f(point)
    end
    for k = left, 0, -1 do
      point[i] = k / steps
      fill(i + 1, left - k)
    end
  end
  if n > 0 then fill(1, steps) else f(point) end
end

-- All points of the whole grid.
local function whole(names, with_alpha, steps, visit)
  simplex(#names, steps, function(values)
    for k = with_alpha and steps or 0, 0, -1 do
      local weights = {}
      for i, name in ipairs(names) do weights[name] = values[i] end
      visit { weights = weights, alpha = with_alpha and k / steps or nil }
    end
  end)
end

-- The neighbours of a point: a step moved from one weight to another, alpha a step up or down.
local function neighbours(names, point, step, visit)
  local function moved(from, to)
    local weights = {}
    for name, w in pairs(point.weights) do weights[name] = w end
    local amount = math.min(step, weights[from])
    weights[from], weights[to] = weights[from] - amount, weights[to] + amount
    if amount > 0 then visit { weights = weights, alpha = point.alpha } end
  end
  for _, from in ipairs(names) do
    for _, to in ipairs(names) do
      if from ~= to then moved(from, to) end
    end
  end
  if point.alpha then
    for _, sign in ipairs { 1, -1 } do
      local alpha = math.max(0, math.min(1, point.alpha + sign * step))
      if alpha ~= point.alpha then visit { weights = point.weights, alpha = alpha } end
    end
  end
end

--- The best point: { weights, alpha, score, tried }. Deterministic: points are visited in a fixed
--- order, and only a better one replaces the best.
---@param o { names: string[], alpha: boolean, steps: integer, score: function, tie: function }
function grid.search(o)
  local best, tried
  tried = 0
  local function visit(point)
    tried = tried + 1
    point.score = o.score(point)
    if best and point.score < best.score then return end
    if best and point.score == best.score then
      best.tie = best.tie or o.tie(best)
      point.tie = o.tie(point)
      if point.tie >= best.tie then return end
    end
    best = point
  end
  whole(o.names, o.alpha, o.steps, visit)
  for _, part in ipairs { 2, 4 } do
    neighbours(o.names, best, 1 / (o.steps * part), visit)
  end
  best.tried = tried
  return best
end

return grid
