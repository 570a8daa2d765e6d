--- What keeps a model's knowledge while it learns more: texts that it knows are rehearsed, and have to stay
--- where they are, in the shared space and against the training sounds, as the model was before; and weights
--- are drawn back to where they were.
local captions = require "nightjar.data.captions"
local core = require "nightjar.core"
local models = require "nightjar.model"
local words = require "nightjar.finetune.words"

local rehearsal = {}

local Rehearsal = {}
Rehearsal.__index = Rehearsal

local WORDS, TEXTS = 2000, 32 -- at most so many of the vocabulary; texts of a step
local SCORES, DRAW = 20, 2 -- weights of the scores' part and of the weights' beside that of the texts'

-- A model as another is now, over the same audio encoder.
local function copy_of(model)
  local d = model:descriptor()
  d.audio.encoder = model.audio_tower.encoder -- frozen: shared
  d.text.vocabulary, d.text.merges = model.text_tower.vocabulary, model.text_tower.merges
  local copy = models.new(d, { rng = core.rng(1) })
  copy:load_state(model:state())
  copy:eval()
  return copy
end

--- Captions of everyday sounds and the words of the vocabulary, where a model knows all their words.
---@param model nightjar.Model
---@return string[]
function rehearsal.texts(model)
  local list, seen = {}, {}
  local function add(text)
    if seen[text] then return end
    seen[text] = true
    local known, unknown = model:known_words(text)
    if #known > 0 and #unknown == 0 then list[#list + 1] = text end
  end
  local tagger = model.audio_tower.tagger
  for _, name in ipairs(tagger and tagger.names or {}) do add(name) end
  for _, class in ipairs(captions.classes()) do
    for _, text in ipairs(captions.of(class)) do add(text) end
  end
  for _, word in ipairs(words.known(model, WORDS)) do add(word) end
  return list
end

--- Remembers a model.
---@param model nightjar.Model before training
---@param parameters { name: string, tensor: nightjar.Tensor }[] that will be trained
---@param o { texts: string[], weight: number, seed: integer }
---@return table? rehearsal nil where there is nothing to rehearse
function rehearsal.new(model, parameters, o)
  if o.weight == 0 or #o.texts == 0 then return nil end
  local self = setmetatable({ texts = o.texts, weight = o.weight, model = model, before = copy_of(model),
    parameters = parameters, start = {}, size = 0 }, Rehearsal)
  for i, p in ipairs(parameters) do
    self.start[i] = p.tensor:detach():clone()
    self.size = self.size + self.start[i]:square():sum():item()
  end
  return self
end

-- Texts of a step, and what both models make of them.
local function drawn(self, rng, encode)
  local texts = {}
  for i = 1, math.min(TEXTS, #self.texts) do texts[i] = self.texts[rng:integer(1, #self.texts)] end
  local old = core.no_grad(function()
    local ids, mask = self.before.text_tower:tokenize(texts)
    return self.before:text_levels(ids, mask)
  end)
  return encode(texts), old
end

-- How far the levels' similarities have moved, squared.
local function moved(now, before)
  local total
  for name, S in pairs(now) do
    if before[name] and name ~= "captioned" then
      local part = (S - before[name]):square():mean()
      total = total and total + part or part
    end
  end
  return total
end

local function drift(self)
  local total
  for i, p in ipairs(self.parameters) do
    local part = (p.tensor - self.start[i]):square():sum()
    total = total and total + part or part
  end
  return total / math.max(self.size, 1e-12)
end

--- The loss of a step.
---@param given table features of the batch, as head:audio takes them
---@param a table what the model's head makes of them
---@param rng nightjar.Rng
---@param encode fun(texts: string[]): table the model's texts at all levels
---@return nightjar.Tensor
function Rehearsal:loss(given, a, rng, encode)
  local t, old = drawn(self, rng, encode)
  local old_scores = core.no_grad(function()
    local heard = self.before.head:audio { frames = given.frames, mask = given.mask, clip = given.clip,
      tags = given.tags }
    if given.tags then heard.caption = nil end -- as in the step
    return self.before.head:similarity(old, heard)
  end)
  local total = (1 - (t.sentence * old.sentence):sum(2)):mean()
  local scores = moved(self.model.head:similarity(t, a), old_scores)
  if scores then total = total + scores * SCORES end
  return (total + drift(self) * DRAW) * self.weight
end

--- How near the rehearsed texts are to where they were: the mean cosine.
---@return { texts: integer, cosine: number }
function Rehearsal:kept()
  local sum = 0
  for first = 1, #self.texts, 64 do
    local some = table.move(self.texts, first, math.min(#self.texts, first + 63), 1, {})
    sum = sum + (self.model:text(some) * self.before:text(some)):sum():item()
  end
  return { texts = #self.texts, cosine = sum / #self.texts }
end

return rehearsal
