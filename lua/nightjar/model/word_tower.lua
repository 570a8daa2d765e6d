--- A text tower that knows whole words: a vocabulary of tens of thousands of them, a vector for each, and
--- how much each says. A sentence is the weighted mean of its words. What a word is and which words are
--- left out (those of grammar), see words/vocabulary.lua.
local core = require "nightjar.core"
local network = require "nightjar.words.network"
local opts = require "nightjar.opts"
local vocabulary = require "nightjar.words.vocabulary"

local WordTower = {}
WordTower.__index = WordTower

local word_tower = {}

--- Makes a tower.
---@param d table { vocabulary = {words}, encoder = { kind = "words", width = 100 }, max = 48: words of a text
---  that count, drop = 0: share of words left out while training }
---@param projection fun(input: integer): any makes the projection
function word_tower.new(d, projection)
  local t = opts.check("model: text", d, {
    vocabulary = { type = "table", required = true },
    encoder = { type = "table", required = true },
    max = { type = "integer", default = 48, min = 1 },
    drop = { type = "number", default = 0, min = 0, below = 1 },
  })
  local given = { vocabulary = #t.vocabulary }
  for key, value in pairs(t.encoder) do given[key] = value end
  if given.vocabulary ~= #t.vocabulary then
    error(("model: text.vocabulary has %d words, its encoder %d"):format(#t.vocabulary, given.vocabulary), 0)
  end
  local encoder = network.new(given)
  return setmetatable({
    vocabulary = t.vocabulary, known = vocabulary.new(t.vocabulary), encoder = encoder, max = t.max,
    drop = t.drop, width = encoder.width, projection = projection(encoder.width),
  }, WordTower)
end

--- Without the vocabulary, which a file keeps beside it.
function WordTower:descriptor()
  return { encoder = self.encoder:descriptor(), max = self.max, drop = self.drop > 0 and self.drop or nil }
end

--- Takes another vocabulary, of as many words as the encoder has.
---@param list string[]
function WordTower:set_vocabulary(list)
  assert(#list == self.encoder.words, "a table has a row for every word")
  self.vocabulary, self.known = list, vocabulary.new(list)
end

-- The content words of a text that are known, with the places of their entries among its tokens.
local function content(self, text)
  local list, ids = {}, {}
  for _, word in ipairs(self.known:split(text)) do
    if #word.entries > 0 and #ids + #word.entries <= self.max then
      word.pieces = {}
      for k, entry in ipairs(word.entries) do
        ids[#ids + 1] = entry
        word.pieces[k] = #ids
      end
      list[#list + 1] = word
    end
  end
  return list, ids
end

--- ids and mask of texts, padded to the longest; of a text without a known word all of the mask is 0.
---@return any ids int64 (B, W) from 1, any mask uint8 (B, W)
function WordTower:tokenize(texts)
  local rows, most = {}, 1
  for i, text in ipairs(texts) do
    local _, ids = content(self, text)
    rows[i], most = ids, math.max(most, #ids)
  end
  local mask = {}
  for i, row in ipairs(rows) do
    mask[i] = {}
    for k = 1, most do
      mask[i][k] = row[k] and 1 or 0
      row[k] = row[k] or 1
    end
  end
  return core.tensor(rows, { dtype = "int64" }), core.tensor(mask, { dtype = "uint8" })
end

function WordTower.word_mask(_, _, mask) return mask:ne(0) end

--- What the encoder makes of tokenised texts (B, W).
---@return any words (B, W, C), any mask (B, W), any sentence (B, C), any weights (B, W)
function WordTower:features(ids, mask, rng)
  local words, sentence, weights = self.encoder(ids, mask, { rng = rng, drop = self.drop })
  return words, mask:ne(0), sentence, weights
end

--- The words of a text that count and the places of their entries among its tokens: { text, from, to
--- (bytes), pieces } each.
---@param text string
---@return table[]
function WordTower:words(text) return (content(self, text)) end

--- Words that the vocabulary lacks, in any script, as they are written.
function WordTower:unknown_words(text)
  local unknown, seen = {}, {}
  for _, word in ipairs(self.known:split(text)) do
    if #word.entries == 0 and not word.stop and not seen[word.text] then
      seen[word.text] = true
      unknown[#unknown + 1] = word.text
    end
  end
  return unknown
end

return word_tower
