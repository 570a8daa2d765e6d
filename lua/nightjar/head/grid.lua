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

--- What every point is judged by: relevance, its complement, and which texts and clips ask at all.
---@param relevant nightjar.Tensor (texts, clips) uint8
---@return table
function grid.judge(relevant)
  local asks = { relevant:any(1), relevant:any(2) }
  local count = {}
  for dim = 1, 2 do count[dim] = math.max(1, asks[dim]:to "int64":sum():item()) end
  return { relevant = relevant, other = relevant:eq(0), asks = asks, count = count }
end

--- Mean R@1 of both directions, in percent: the share of the queries whose best relevant item is
--- above every other. A tie is a miss, so that constant scores are not the best; a query without
--- relevant items does not count.
---@param S nightjar.Tensor (texts, clips)
---@param judge table what grid.judge gave
---@return number
function grid.score(S, judge)
  local own = S:masked_fill(judge.other, -math.huge)
  local rivals = S:masked_fill(judge.relevant, -math.huge)
  local sum = 0
  for dim = 1, 2 do
    local hits = own:max(dim):gt(rivals:max(dim)) * judge.asks[dim]
    sum = sum + hits:to "int64":sum():item() / judge.count[dim]
  end
  return 100 * sum / 2
end

--- NT-Xent of both directions, over a temperature of a seventh of the scores' deviation: the same
--- for scores on any scale.
---@param S nightjar.Tensor (texts, clips)
---@param judge table what grid.judge gave
---@return number
function grid.nt_xent(S, judge)
  if S:numel() < 2 then return 0 end
  local logits = S / math.max(1e-9, S:std():item() / 7)
  local own = logits:masked_fill(judge.other, -math.huge)
  local sum = 0
  for dim = 1, 2 do
    local each = (logits:logsumexp(dim) - own:logsumexp(dim)):masked_fill(judge.asks[dim]:eq(0), 0)
    sum = sum + each:sum():item() / judge.count[dim]
  end
  return sum / 2
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

-- All weights of the grid, by sound alone; then every alpha with the best of them.
local function weights_of(names, steps, alpha, visit)
  simplex(#names, steps, function(values)
    local weights = {}
    for i, name in ipairs(names) do weights[name] = values[i] end
    visit { weights = weights, alpha = alpha }
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
  weights_of(o.names, o.steps, o.alpha and 1 or nil, visit)
  if o.alpha then
    local weights = best.weights
    for k = o.steps - 1, 0, -1 do visit { weights = weights, alpha = k / o.steps } end
  end
  for _, part in ipairs { 2, 4 } do
    neighbours(o.names, best, 1 / (o.steps * part), visit)
  end
  best.tried = tried
  return best
end

return grid
