--- The levels' similarities as one.
---
---   S_at = Σ_l w_l · f_l(S_l) / Σ_l w_l                over clip, segment and frame
---   S    = α · S_at + (1 − α) · f_caption(S_caption)   for clips with captions, else S_at
---
--- f_l puts the levels on one scale:
---   none         S_l as it is (cosines, and means of cosines)
---   z            (S_l − mean_l) / deviation_l, of the validation data that head:fit saw; of the
---                matrix at hand while nothing was fitted
---   temperature  S_l / τ_l, what the level's loss saw
--- Each is a line for the whole level, so that the order of clips for a text never depends on which
--- other texts are asked.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local options = require "nightjar.head.options"
local grid = require "nightjar.head.grid"

local fusion = {}

local AUDIO = options.LEVELS

--- Checks a fusion from a descriptor; without one every level weighs the same.
---@param self table head
---@param given? table
---@return table fusion
function fusion.check(self, given)
  local o = opts.check("head: option 'fusion'", given, {
    normalize = { type = "string", default = "none", one_of = { "none", "z", "temperature" } },
    weights = { type = "table", default = {} },
    alpha = { type = "number", min = 0, max = 1 },
    statistics = { type = "table", default = {} },
    fitted = { type = "boolean", default = false },
  }, 0)
  o.weights = options.level_weights("head: option 'fusion.weights'", o.weights)
  for level, s in pairs(o.statistics) do
    opts.check("head: option 'fusion.statistics." .. tostring(level) .. "'", s,
      { mean = { type = "number", required = true },
        deviation = { type = "number", required = true, above = 0 } }, 0)
  end
  local sum = 0
  for _, level in ipairs(self.o.hci.levels) do sum = sum + o.weights[level] end
  if sum == 0 then error("head: option 'fusion.weights' gives every level the weight 0", 0) end
  return o
end

--- For a descriptor; nil where nothing differs from a fresh head.
function fusion.describe(f)
  if not f.fitted and f.normalize == "none" and f.alpha == nil then
    local even = true
    for _, w in pairs(f.weights) do even = even and w == 1 end
    if even then return nil end
  end
  return { normalize = f.normalize, weights = f.weights, alpha = f.alpha,
    statistics = next(f.statistics) and f.statistics or nil, fitted = f.fitted }
end

--- The weight of sound against captions, as a number.
function fusion.alpha(self)
  if self.fusion.alpha then return self.fusion.alpha end
  local learnt = self.scalar.alpha_logit
  if learnt then return learnt:sigmoid():item() end
  return self.o.ac.alpha
end

-- Twelve digits, which JSON keeps: a model read from its file gives the same bits.
local function rounded(x) return tonumber(("%.12g"):format(x)) end

local function statistics_of(S)
  local flat = S:detach()
  return { mean = rounded(flat:mean():item()),
    deviation = math.max(1e-6, rounded(flat:std():item())) }
end

-- A level's matrix on the scale of the fusion.
local function scaled(self, level, S, f)
  if f.normalize == "z" then
    local s = f.statistics[level] or statistics_of(S)
    return (S - s.mean) / s.deviation
  elseif f.normalize == "temperature" then
    return S / self:temperature(level)
  end
  return S
end

local function present(levels)
  local names = {}
  for _, name in ipairs(AUDIO) do
    if levels[name] then names[#names + 1] = name end
  end
  if #names == 0 and not levels.caption then
    error("head:fuse: there are no levels to fuse", 3)
  end
  return names
end

-- Σ w_l S_l / Σ w_l; nil when no level weighs anything.
local function mix(matrices, names, weights)
  local sum, total = nil, 0
  for _, name in ipairs(names) do total = total + (weights[name] or 0) end
  for _, name in ipairs(names) do
    local w = (weights[name] or 0) / math.max(total, 1e-300)
    if w > 0 then
      local term = w == 1 and matrices[name] or matrices[name] * w
      sum = sum and sum + term or term
    end
  end
  return sum
end

-- α is a number or a tensor of one element.
local function with_captions(sound, caption, captioned, alpha)
  if not sound then return caption end
  local whole
  if type(alpha) == "number" then
    if alpha == 1 then return sound end
    whole = sound * alpha + caption * (1 - alpha)
  else
    whole = sound * alpha + caption * (-alpha + 1)
  end
  if not captioned then return whole end
  return core.where(captioned:ne(0):reshape(1, -1), whole, sound)
end

-- Weights that a caller gave: what is left out weighs nothing.
local function check_weights(levels, weights)
  local sum = 0
  for level, w in pairs(weights) do
    if levels[level] == nil or level == "captioned" then
      local names = present(levels)
      if levels.caption then names[#names + 1] = "caption" end
      error(("head:fuse: no level '%s' among %s"):format(tostring(level),
        table.concat(names, ", ")), 3)
    end
    local fits = type(w) == "number" and w >= 0 and w < math.huge
    if not fits then
      error(("head:fuse: the weight of '%s' must be a number of at least 0, got %s"):format(level,
        tostring(w)), 3)
    end
    sum = sum + w
  end
  if sum == 0 then error("head:fuse: the weights are all 0", 3) end
end

--- One matrix out of the levels'. Differentiable, in a learnt alpha too.
---@param levels table what head:similarity gave
---@param weights? table<string, number> by level, "caption" among them; those left out weigh
---  nothing. Default: what head:fit found, else the mean of the levels and the head's alpha
---@return nightjar.Tensor (Bt, Ba)
function fusion.fuse(self, levels, weights)
  opts.arg("head:fuse", 1, "levels", levels, "table")
  opts.arg("head:fuse", 2, "weights", weights, { type = "table", optional = true })
  local names, f = present(levels), self.fusion
  if weights then check_weights(levels, weights) end
  local matrices = {}
  for _, name in ipairs(names) do matrices[name] = scaled(self, name, levels[name], f) end
  local sound = mix(matrices, names, weights or f.weights)
  if not levels.caption then return sound end
  local caption = scaled(self, "caption", levels.caption, f)
  local alpha
  if weights then
    local share, all = weights.caption or 0, 0
    for _, w in pairs(weights) do all = all + w end
    alpha = 1 - share / all
    -- Clips without captions go by sound, whatever the weights; by the fitted ones if by none.
    if not sound and levels.captioned then sound, alpha = mix(matrices, names, f.weights), 0 end
  else
    alpha = f.alpha or self.scalar.alpha_logit and self.scalar.alpha_logit:sigmoid()
      or self.o.ac.alpha
  end
  return with_captions(sound, caption, levels.captioned, alpha)
end

-- The validation matrices, detached and scaled, and their statistics.
local function prepare(self, levels, normalize)
  local f = { normalize = normalize, statistics = {} }
  local matrices, names = {}, present(levels)
  local all = { table.unpack(names) }
  if levels.caption then all[#all + 1] = "caption" end
  for _, name in ipairs(all) do
    if normalize == "z" then f.statistics[name] = statistics_of(levels[name]) end
    matrices[name] = scaled(self, name, levels[name]:detach(), f)
  end
  return matrices, names, f
end

--- Finds the weights of the levels, and alpha, that are best on validation data, and keeps them:
--- fuse uses them, and a model's file holds them.
---
--- Weights go over all multiples of 1/steps that sum to 1, then alpha over as many with the best of
--- them; then both around the best in steps of a half and of a quarter. Best is the highest mean R@1
--- of both directions; among equals the least NT-Xent, and then the first: the same data give the
--- same weights.
---@param levels table what head:similarity gave for all texts and clips of the validation data
---@param ids? integer[]|table the clip (column) of every text, as metrics' clip_of; or { texts =
---  ids, clips = ids }, where equal ids belong together. Default: text i belongs to clip i
---@param given? { normalize?: string, steps?: integer } normalize: "none", "z" or "temperature",
---  see above ("none"); steps: 10
---@return table result weights, alpha, R1 (percent, mean of both directions), nt_xent, before (R1 of
---  the mean of the levels), tried
function fusion.fit(self, levels, ids, given)
  opts.arg("head:fit", 1, "levels", levels, "table")
  local o = opts.check("head:fit", given, {
    normalize = { type = "string", default = "none", one_of = { "none", "z", "temperature" } },
    steps = { type = "integer", default = 10, min = 1, max = 100 },
  })
  return core.no_grad(function()
    local matrices, names, f = prepare(self, levels, o.normalize)
    local has_caption = levels.caption ~= nil
    local first = matrices[names[1] or "caption"]
    local judge = grid.judge(grid.relevance("head:fit", ids, first.shape[1], first.shape[2]))
    local function matrix(point)
      local sound = mix(matrices, names, point.weights)
      if not has_caption then return sound end
      return with_captions(sound, matrices.caption, levels.captioned, point.alpha)
    end
    local best = grid.search {
      names = names, alpha = has_caption and #names > 0, steps = o.steps,
      score = function(point) return grid.score(matrix(point), judge) end,
      tie = function(point) return grid.nt_xent(matrix(point), judge) end,
    }
    for name, w in pairs(best.weights) do best.weights[name] = rounded(w) end
    best.alpha = best.alpha and rounded(best.alpha)
    local weights = { clip = 0, segment = 0, frame = 0, caption = 1 }
    for name, w in pairs(best.weights) do weights[name] = w end
    f.weights, f.alpha, f.fitted = weights, best.alpha, true
    local even = {}
    for _, name in ipairs(names) do even[name] = 1 end
    local before = grid.score(matrix { weights = even,
      alpha = has_caption and fusion.alpha(self) or nil }, judge)
    self.fusion = f
    return { weights = best.weights, alpha = best.alpha, R1 = best.score,
      nt_xent = grid.nt_xent(matrix(best), judge), before = before, tried = best.tried,
      normalize = o.normalize }
  end)
end

return fusion
