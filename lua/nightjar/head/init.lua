--- Everything of a retrieval model that lies behind its encoders: projections into the shared
--- space, aggregation into segments and phrases, the similarity of every level, the captions'
--- part, temperatures, losses and fusion. It takes frames and words as any encoder gives them, so
--- that it also trains on features that were computed once.
---
---     local head = nj.head {
---       audio_width = 256, text_width = 128, dim = 256,
---       hci = { levels = { "clip", "segment", "frame" }, segments = { kind = "cluster", tokens = 8 } },
---       ac = { interaction = { layers = 2 }, matching = { kind = "mean" } },
---     }
---     local a = head:audio { frames = frames, mask = mask, clip = clip }
---     local t = head:text { words = words, mask = word_mask, sentence = sentence }
---     local levels = head:similarity(t, a)       -- { clip = S, segment = S, frame = S }
---     local loss, by_level = head:loss(levels, { ids = ids })
---
--- Without `hci` and `ac` it is the plain model: one vector a clip, one a text, one cosine.
local core = require "nightjar.core"
local collate = require "nightjar.head.collate"
local encode = require "nightjar.head.encode"
local fusion = require "nightjar.head.fusion"
local networks = require "nightjar.networks"
local objective = require "nightjar.head.objective"
local options = require "nightjar.head.options"
local parts = require "nightjar.head.parts"
local scores = require "nightjar.head.scores"
local tags = require "nightjar.head.tags"

---@class nightjar.Head
local Head = {}
Head.__index = Head
Head.__name = "nightjar.Head"

local head = {}

--- Makes a head with fresh weights.
---@param given table
---  audio_width, text_width  channels of the encoders' frames and words; required
---  frame_width  channels of the frames, where they differ from a clip's (audio_width)
---  dim          width of the shared space (256)
---  projection   "mlp", "linear", "gated" or "norm_mlp"
---  temperature  that all levels start at (0.07)
---  hci          levels ({ "clip", "segment", "frame" }), segments and phrases (options of
---               nj.hci.aggregator), top ("encoder", "aggregate" or "codebook": where clip and sentence
---               vectors come from), codebook ({ codes = 4096, temperature =, word_floor = false } of
---               the last, see nj.hci.codebook; word_floor: no code's best word counts as less than 0,
---               as in MGA-CLAP's code), interaction ("weighted", "max", "attention" or
---               "weighted_attention"), attention_temperature (0.01), projections ("separate" or
---               "shared" by levels), temperature ("learn", a number, or a table of them by level),
---               weights (of the levels in the loss, 1 each)
---  ac           interaction (options of nj.ac.interaction), matching ({ kind = "mean",
---               "transformer", "best", "tokens" or "tags" (see head/tags.lua) }), alpha (0.73, or "learn")
---  frame_gain   what a frame is multiplied by before the clip's projection (1); 2 for encoders
---               whose clip vector is the maximum plus the mean of the frames
---  fusion       what head:fit gave before
---  rng          generator of the initial weights; false: they stay zero, since they are about to be
---               loaded
---@return nightjar.Head
function head.new(given)
  local o = options.check(given)
  if o.rng == nil then o.rng = core.rng(1) end
  local self = setmetatable({ o = o, dim = o.dim, list = parts.make(o), nets = {},
    scalars = parts.scalars(o), scalar = {}, training = false }, Head)
  o.rng, o.projections = nil, nil
  for _, part in ipairs(self.list) do self.nets[part.name] = part.net end
  for _, scalar in ipairs(self.scalars) do self.scalar[scalar.name] = scalar.tensor end
  self.fusion = fusion.check(self, o.fusion)
  return self
end

--- The levels that are switched on, with "caption" last.
---@return string[]
function Head:levels()
  local list = { table.unpack(self.o.hci.levels) }
  if self.o.ac and self.o.ac.matching then list[#list + 1] = "caption" end
  return list
end

--- What rebuilds the head without its weights, fusion weights included; plain values.
---@return table
function Head:descriptor()
  local o = self.o
  return {
    audio_width = o.audio_width, frame_width = o.frame_width, text_width = o.text_width, dim = o.dim,
    projection = o.projection, temperature = o.temperature, frame_gain = o.frame_gain,
    hci = o.has_hci and o.hci or nil, ac = o.ac, fusion = fusion.describe(self.fusion),
  }
end

--- The networks, with the prefixes of their parameters' names.
---@return { prefix: string, net: any }[]
function Head:parts()
  local list = {}
  for i, part in ipairs(self.list) do list[i] = { prefix = part.name .. ".", net = part.net } end
  return list
end

--- Parameters to train, in a fixed order.
---@return { name: string, tensor: nightjar.Tensor }[]
function Head:parameters()
  local list = networks.parameters(self:parts())
  for _, scalar in ipairs(self.scalars) do
    if not scalar.fixed then list[#list + 1] = { name = scalar.name, tensor = scalar.tensor } end
  end
  return list
end

--- Running statistics; a list as parameters gives one.
---@return { name: string, tensor: nightjar.Tensor }[]
function Head:buffers() return networks.buffers(self:parts()) end

--- Every tensor by name, those of fixed temperatures included; shared with the head.
---@return table<string, nightjar.Tensor>
function Head:state()
  local state = networks.state(self:parts())
  for _, scalar in ipairs(self.scalars) do state[scalar.name] = scalar.tensor end
  return state
end

--- Copies tensors into the head.
---@param state table<string, nightjar.Tensor>
---@return string[] problems "missing NAME" and "mismatched NAME"; empty when all fitted
function Head:load(state)
  self.tag_vectors = nil
  local problems = {}
  for _, part in ipairs(self.list) do
    local prefix = part.name .. "."
    local report = part.net:load(state, prefix)
    for _, kind in ipairs { "missing", "mismatched" } do
      for _, name in ipairs(report[kind]) do
        problems[#problems + 1] = kind .. " " .. prefix .. name
      end
    end
  end
  for _, name in ipairs(self:missing_scalars(state)) do
    problems[#problems + 1] = "missing " .. name
  end
  self:load_scalars(state)
  return problems
end

--- Names of the temperatures and the like that a state lacks or has in another shape.
---@param state table<string, nightjar.Tensor>
---@return string[]
function Head:missing_scalars(state)
  local names = {}
  for _, scalar in ipairs(self.scalars) do
    local from = state[scalar.name]
    if not from or from:numel() ~= 1 then names[#names + 1] = scalar.name end
  end
  return names
end

--- Copies the temperatures and the like that a state has.
---@param state table<string, nightjar.Tensor>
function Head:load_scalars(state)
  core.no_grad(function()
    for _, scalar in ipairs(self.scalars) do
      local from = state[scalar.name]
      if from and from:numel() == 1 then scalar.tensor:copy_(from:reshape(scalar.tensor.shape)) end
    end
  end)
end

--- Training mode (dropout), or with false inference mode, in which a new head is.
---@param on? boolean (true)
---@return nightjar.Head self
function Head:train(on)
  self.training = on ~= false
  self.tag_vectors = nil
  networks.train(self:parts(), on)
  return self
end

--- Inference mode.
---@return nightjar.Head self
function Head:eval() return self:train(false) end

--- Whether it is in training mode.
---@return boolean
function Head:is_training() return self.training end

--- A level's temperature as it stands.
---@param level? "clip"|"segment"|"frame"|"caption" clip when left out
---@return number
function Head:temperature(level)
  return math.exp(objective.log_temperature(self, level or "clip"):item())
end

--- Gives the head the names of the tags that queries are matched with.
---@param given fun(): table gives sentence (T, C), words (T, V, C), mask (T, V) of the text encoder
function Head:set_tags(given) tags.set(self, given) end

--- Gives the head the vectors of texts that its levels learnt with sounds, for which tags count less.
---@param known? any (n, D) of unit length; nil: tags count the same for all
function Head:set_known(known)
  if known and (#known.shape ~= 2 or known.shape[2] ~= self.dim or known.dtype ~= "float32") then
    error(("head: vectors of known texts must be float32 (n, %d)"):format(self.dim), 0)
  end
  self.known = known
end

--- The balance of sound and captions: learnt, fitted or given; nil without the caption branch.
---@return number?
function Head:alpha()
  if not (self.o.ac and self.o.ac.matching) then return nil end
  return fusion.alpha(self)
end

Head.audio, Head.text = encode.audio, encode.text
Head.collate_audio, Head.collate_text = collate.audio, collate.text
Head.similarity = scores.similarity
Head.loss, Head.positives = objective.loss, objective.positives
Head.fuse, Head.fit = fusion.fuse, fusion.fit

function Head:__tostring()
  local count = 0
  for _, p in ipairs(self:parameters()) do count = count + p.tensor:numel() end
  return ("head of %d dimensions: %s (%d parameters)"):format(self.dim,
    table.concat(self:levels(), ", "), count)
end

head.Head = Head
return setmetatable(head, { __call = function(_, given) return head.new(given) end })
