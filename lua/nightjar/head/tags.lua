--- Matching a query with a sound's tags, word by word: the names of the classes that a tagger knows are the
--- sound's auxiliary captions, and how probable each class is says how much its name counts.
---
---   similarity of word w and class c    s_wc = ½ cos(w, name of c) + ½ max over words v of the name cos(w, v)
---   which classes a word means          a_w = softmax over c of (s_wc / temperature)
---   whether the sound has them          m_w = Σ_c a_wc · tag_c
---   all words together                  Σ_w weight_w · log(floor + m_w), on a line from 0 (none of the words
---   is                                     there) to 1 (all are)
---
--- A sum of logarithms is a product: every word of weight has to be there. Weights are those of the text
--- encoder (how much a word says), to the power of `emphasis`.
---
--- A query that the levels learnt with sounds needs no tags. Where the vectors of such texts are kept
--- (`known`),
--- the similarity of a query that is nearly one of them (a cosine of `near` and more) is scaled down, to
--- `least` of it for one of them itself.
local core = require "nightjar.core"

local tags = {}

local CHUNK = 64 -- texts at a time, so that words times classes stay small

--- What ac.matching takes for kind "tags".
tags.rules = {
  temperature = { type = "number", default = 0.1, above = 0 },
  floor = { type = "number", default = 0.003, above = 0, below = 1 },
  emphasis = { type = "number", default = 0.75, min = 0 },
  near = { type = "number", default = 0.9, min = -1, below = 1 },
  least = { type = "number", default = 0.05, min = 0, max = 1 },
}

--- Gives a head the names of the classes, as the text encoder makes vectors of them.
---@param head table
---@param given fun(): table gives sentence (T, C), words (T, V, C), mask (T, V); called when first needed, and
---  anew while training
function tags.set(head, given)
  head.tag_names = given
  head.tag_vectors = nil
end

-- Names (T, D) and their words (T · V, D) in the shared space; absent words repeat the name.
local function vectors(head)
  if head.tag_vectors and not head.training then return head.tag_vectors end
  if not head.tag_names then error("head: the tags have no names yet (head:set_tags)", 0) end
  local given = head.tag_names()
  local net = head.nets["text.projection"]
  local names = net(given.sentence):normalize(-1)
  local words = net(given.words):normalize(-1)
  local there = given.mask:ne(0):unsqueeze(3)
  words = core.where(there, words, names:unsqueeze(2):expand(words.shape))
  local made = { names = names, words = words:reshape(-1, head.dim), longest = words.shape[2] }
  if not head.training then head.tag_vectors = made end
  return made
end

-- Which classes each word means: (n, T) of words (n, D).
local function meanings(head, words, temperature)
  local v = vectors(head)
  local by_name = words:matmul(v.names:t())
  local by_word = words:matmul(v.words:t()):reshape(words.shape[1], -1, v.longest):max(3)
  return ((by_name + by_word) * (0.5 / temperature)):softmax(2)
end

local function chunk_scores(head, words, weights, clips, o)
  local b, w, d = words.shape[1], words.shape[2], words.shape[3]
  local found = meanings(head, words:reshape(b * w, d), o.temperature):matmul(clips:t())
  local low, high = math.log(o.floor), math.log(1 + o.floor)
  local logs = (((found + o.floor):log() - low) / (high - low)):reshape(b, w, clips.shape[1])
  return weights:unsqueeze(2):matmul(logs):reshape(b, clips.shape[1])
end

--- What the similarities of each text are multiplied by, (Bt, 1).
---@param head table with known texts
---@param sentences any (Bt, D)
function tags.share(head, sentences)
  local o = head.o.ac.matching
  local nearest = sentences:matmul(head.known:t()):max(2)
  return ((nearest - o.near) / (1 - o.near)):clamp(0, 1):unsqueeze(2) * (o.least - 1) + 1
end

--- Similarities in [0, 1] of texts and sounds.
---@param head table
---@param t table sentence (Bt, D), tag_words (Bt, W, D), tag_weights (Bt, W), which are 0 where there is no
---  word
---@param clips any (Ba, T) tags of the sounds
---@return any (Bt, Ba)
function tags.scores(head, t, clips)
  local o, parts = head.o.ac.matching, {}
  local n = t.tag_words.shape[1]
  for first = 1, n, CHUNK do
    local last = math.min(n, first + CHUNK - 1)
    parts[#parts + 1] = chunk_scores(head, t.tag_words[{ { first, last } }],
      t.tag_weights[{ { first, last } }], clips, o)
  end
  local all = #parts == 1 and parts[1] or core.cat(parts, 1)
  return head.known and all * tags.share(head, t.sentence) or all
end

--- How much each word of texts counts; sums to 1, or is 0 throughout where a text has no word.
---@param weights any (B, W) of the text encoder
---@param mask any (B, W)
---@param emphasis number
function tags.weights(weights, mask, emphasis)
  local w = weights:maximum(1e-12):pow(emphasis) * mask:ne(0):to(weights.dtype)
  return w / w:sum(2, { keepdim = true }):maximum(1e-12)
end

--- The classes that each word of a text means most, for explanations.
---@param head table
---@param words any (W, D)
---@return any (W, T) shares that sum to 1
function tags.meanings(head, words)
  return meanings(head, words, head.o.ac.matching.temperature)
end

--- Checks a tag matrix.
function tags.check(fname, x, batch)
  if #x.shape ~= 2 or batch and x.shape[1] ~= batch then
    error(("%s: 'tags' must have shape (%s, classes), got (%s)"):format(fname, batch or "B",
      table.concat(x.shape, ", ")), 3)
  end
end

return tags
