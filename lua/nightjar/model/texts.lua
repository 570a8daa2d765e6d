--- Texts at all levels, each encoded by itself, so that no text's vectors depend on its neighbours.
local core = require "nightjar.core"

---@class nightjar.Texts
---@field texts string[]
---@field vectors nightjar.Tensor (n, D) of unit length
local Texts = {}
Texts.__name = "nightjar.Texts"

local methods = {}

local texts_of = {}

--- Encodes texts; see Model:encode_texts.
---@param model table
---@param texts string[]
function texts_of.encode(model, texts)
  local items, vectors = {}, {}
  for i, text in ipairs(texts) do
    local ids, mask = model.text_tower:tokenize { text }
    local t = model:text_levels(ids, mask, { tokens = true })
    items[i] = { text = text, levels = t, words = model.text_tower:words(text) }
    vectors[i] = t.sentence
  end
  return setmetatable({
    texts = table.move(texts, 1, #texts, 1, {}), items = items, head = model.head,
    vectors = #vectors > 0 and core.cat(vectors, 1) or core.zeros(0, model.dim),
  }, Texts)
end

--- Names of tags as head:set_tags takes them: what the text encoder makes of each and of its words.
---@param tower table text tower
---@param names string[]
---@return table { sentence (T, C), words (T, V, C), mask (T, V) }
function texts_of.names(tower, names)
  return core.no_grad(function()
    local words, mask, sentence = tower:features(tower:tokenize(names))
    return { sentence = sentence, words = words, mask = mask }
  end)
end

--- All texts as one batch, as head:text gives it. Made once: the same texts meet many sounds.
---@return table t
function methods:levels()
  if not rawget(self, "batch") then
    local list = {}
    for i, item in ipairs(self.items) do list[i] = item.levels end
    self.batch = self.head:collate_text(list)
  end
  return self.batch
end

function Texts:__index(key)
  if math.type(key) == "integer" then return rawget(self, "items")[key] end
  return methods[key]
end

function Texts:__len() return #self.texts end

function Texts:__tostring()
  local lines = {}
  for i, item in ipairs(self.items) do
    lines[i] = ("%4d  %s (%d words)"):format(i, item.text, #item.words)
  end
  lines[#lines + 1] = ("[%d texts in %d dimensions]"):format(#self.texts, self.head.dim)
  return table.concat(lines, "\n")
end

return texts_of
