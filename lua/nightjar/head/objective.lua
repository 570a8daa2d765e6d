--- The loss of a head: that of every level, weighted, with the options that go over levels.
local core = require "nightjar.core"
local losses = require "nightjar.loss"
local opts = require "nightjar.opts"

local objective = {}

-- From the coarsest to the finest; the order of sums, too.
local ORDER = { "clip", "segment", "frame" }

--- The logarithm of a level's temperature, a tensor.
---@param self table head
---@param level string
function objective.log_temperature(self, level)
  local name = (level == "clip" or level == "fused") and "log_temperature"
    or "log_temperature." .. level
  local tensor = self.scalar[name]
  if not tensor then
    error(("head: no level '%s' in a %s"):format(level, tostring(self)), 3)
  end
  return tensor
end

local function temperature(self, level) return objective.log_temperature(self, level):exp() end

local DISTILL = {
  weight = { type = "number", default = 0.2, min = 0 },
  from = { type = "string", default = "finest", one_of = { "finest", "next" } },
}

local HARDEST = {
  margin = { type = "number", default = 0.2, min = 0 },
  weight = { type = "number", default = 1, min = 0 },
}

-- A number, which stands for the option that matters most, or a table of options.
local function number_or_table(name, given, key, rules)
  if given == nil then return nil end
  if type(given) == "number" then given = { [key] = given } end
  return opts.check("head:loss: option '" .. name .. "'", given, rules, 4)
end

local function check(options)
  local o = opts.check("head:loss", options, {
    ids = "table|tensor",
    loss = { type = "string|table", default = "nt_xent" },
    distill = "number|table",
    denoise = "tensor",
    hardest = "number|table",
    weights = "table",
  }, 4)
  o.distill = number_or_table("distill", o.distill, "weight", DISTILL)
  o.hardest = number_or_table("hardest", o.hardest, "margin", HARDEST)
  local more = {}
  for key, value in pairs(type(o.loss) == "table" and o.loss or {}) do more[key] = value end
  o.name = type(o.loss) == "table" and more.name or o.loss
  if type(o.name) ~= "string" then
    error("head:loss: option 'loss' needs a name, as in { name = \"nt_xent\" }", 3)
  end
  more.name = nil
  o.more, o.loss = more, losses.get(o.name)
  if o.denoise and o.name ~= "nt_xent" and o.name ~= "info_nce" then
    error(("head:loss: option 'denoise' goes with the loss 'nt_xent', not with '%s'"):format(
      o.name), 3)
  end
  return o
end

-- Options of the loss of one level. The temperature is the level's, unless the caller has one.
local function level_options(self, o, level, ids, denoise)
  local out = { ids = ids }
  for key, value in pairs(o.more) do out[key] = value end
  if not o.name:find "^triplet" and out.temperature == nil then
    out.temperature = temperature(self, level)
  end
  out.positives = denoise
  return out
end

-- Rows audio, columns text, as losses have them.
local function loss_of(self, o, level, S, ids, denoise)
  local transposed = S:transpose(1, 2)
  local total = o.loss(transposed, level_options(self, o, level, ids, denoise))
  if o.hardest then
    local mined = losses.triplet_max(transposed, { margin = o.hardest.margin, ids = ids })
    total = total + mined * o.hardest.weight
  end
  return total
end

-- Places of the clips with captions, and nil when all have them.
local function captioned_places(levels)
  if not levels.captioned then return nil end
  local places = {}
  for i, there in ipairs(levels.captioned:totable()) do
    if there ~= 0 then places[#places + 1] = i end
  end
  return places
end

-- The caption level over the clips that have captions. nil when fewer than two have.
local function caption_loss(self, o, levels)
  local S, ids, denoise, places = levels.caption, o.ids, o.denoise, captioned_places(levels)
  if not S then return nil end
  if places then
    if #places < 2 then return nil end
    local index = core.tensor(places, { dtype = "int64" })
    S = S:index_select(1, index):index_select(2, index)
    denoise = denoise and denoise:index_select(1, index):index_select(2, index)
    if opts.type_name(ids) == "nightjar.Tensor" then
      ids = ids:index_select(1, index)
    elseif ids then
      local kept = {}
      for i, place in ipairs(places) do kept[i] = ids[place] end
      ids = kept
    end
  end
  return loss_of(self, o, "caption", S, ids, denoise)
end

-- { teacher, student } pairs of the levels present.
local function distillations(levels, from)
  local present, out = {}, {}
  for _, name in ipairs(ORDER) do
    if levels[name] then present[#present + 1] = name end
  end
  for i = 1, #present - 1 do
    out[i] = { student = present[i], teacher = present[from == "next" and i + 1 or #present] }
  end
  return out
end

local function distill_loss(self, o, levels)
  local total
  for _, pair in ipairs(distillations(levels, o.distill.from)) do
    local term = losses.distill(levels[pair.student]:transpose(1, 2),
      levels[pair.teacher]:transpose(1, 2), { temperature = temperature(self, pair.student),
      teacher_temperature = temperature(self, pair.teacher) })
    total = total and total + term or term
  end
  return total
end

--- The loss of a batch: Σ weight · loss over the levels,
---
---   clip, segment, frame, caption   NT-Xent of the level's similarities over its temperature
---   fused     with a learnt alpha: that of α · (the levels' weighted mean) + (1 − α) · caption
---   distill   the coarse levels' KL from a finer one
---
---@param levels table what head:similarity gave for a batch; row i and column i are a pair
---@param options? table
---  ids      the clip of each pair, as losses take them: pairs of one clip are no negatives
---  loss     name of a loss of nj.loss, or { name = …, its options }; "nt_xent"
---  distill  weight (0.2 is HBI's), or { weight = , from = "finest" or "next" }
---  denoise  (B, B) mask of clips that count as each other: what head:positives gave
---  hardest  margin, or { margin = , weight = }: adds the triplet loss of the hardest negative of
---           every row and column, over cosines, to each level
---  weights  of the levels, instead of hci.weights
---@return nightjar.Tensor total scalar
---@return table<string, nightjar.Tensor> parts each level's loss before its weight
function objective.loss(self, levels, options)
  opts.arg("head:loss", 1, "levels", levels, "table")
  local o = check(options)
  local weights = self.o.hci.weights
  if o.weights then
    weights = require("nightjar.head.options").level_weights("head:loss: option 'weights'",
      o.weights)
  end
  local by_part, total = {}, nil
  local function add(name, value, weight)
    if not value then return end
    by_part[name] = value
    if weight == 0 then return end
    local term = weight == 1 and value or value * weight
    total = total and total + term or term
  end
  for _, name in ipairs(ORDER) do
    if levels[name] then
      add(name, loss_of(self, o, name, levels[name], o.ids, o.denoise), weights[name])
    end
  end
  add("caption", caption_loss(self, o, levels), weights.caption)
  if self.scalar.alpha_logit and levels.caption then
    add("fused", loss_of(self, o, "fused", self:fuse(levels), o.ids, o.denoise), 1)
  end
  if o.distill then add("distill", distill_loss(self, o, levels), o.distill.weight) end
  if not total then error("head:loss: there is no level with a weight above 0", 2) end
  return total, by_part
end

-- The mean of a random half of each clip's frames, of unit length.
local function view(frames, mask, rng)
  local order = core.rand({ frames.shape[1], frames.shape[2] }, { rng = rng })
  if mask then order = order:masked_fill(mask:eq(0), math.huge) end
  local n = mask and mask:ne(0):to "int64":sum(2, { keepdim = true }) or nil
  -- The rank of every frame in a random order; the first half of the valid ones is in the view.
  local rank = order:argsort(2):argsort(2)
  local first = rank:min():item()
  local half = n and (n + 1):floor_div(2) or (frames.shape[2] + 1) // 2
  local inside = (rank - first):lt(half)
  return frames:masked_fill(inside:eq(0):unsqueeze(3), 0):sum(2):normalize(-1)
end

--- Clips of a batch that are more like each other than one clip is like itself: label denoising.
---
--- Two views of every clip are drawn, each the mean of a random half of its frames. Clip j counts as
--- clip i when view 1 of i is nearer to view 2 of j than to view 2 of i, by more than the margin.
--- This is our reading of one sentence about HunYuan_tvr's adaptive label denoising; no code of it
--- is public.
---@param a table what head:audio gave, with frames
---@param options? { margin?: number, rng?: nightjar.Rng } margin: 0
---@return nightjar.Tensor (B, B) uint8, for head:loss{ denoise = … }; 1 on the diagonal
function objective.positives(_, a, options)
  opts.arg("head:positives", 1, "clips", a, "table")
  local o = opts.check("head:positives", options, {
    margin = { type = "number", default = 0 }, rng = "nightjar.Rng",
  })
  if not a.frames then
    error("head:positives: needs frames (head:audio{ frames = …, tokens = true })", 2)
  end
  return core.no_grad(function()
    local frames = a.frames:detach()
    local one, two = view(frames, a.frame_mask, o.rng), view(frames, a.frame_mask, o.rng)
    local S = one:matmul(two:transpose(1, 2))
    local own = S:diagonal():reshape(-1, 1)
    local same = S:gt(own + o.margin)
    local size = S.shape[1]
    local index = core.arange(1, size, { dtype = "int64" })
    return same:logical_or(index:reshape(-1, 1):eq(index:reshape(1, -1))):to "uint8"
  end)
end

return objective
