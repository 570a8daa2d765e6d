--- A text encoder that matches a query with the captions of a clip, at two levels.
---
--- Words have vectors and weights. Weights begin as the inverse document frequency of the training
--- captions and are learned on, apart for queries and for captions; vectors begin random, that is
--- nearly orthogonal, so that before any training a word is like itself and like nothing else. With
--- `layers` a small BERT adds what a word means in its place.
---
---   sentence   Σ_p ω_p x_p, unit length; a clip's captions are pooled (mean, best, transformer)
---   tokens     nj.hci.interact of the query's words with the words of all captions
---
--- Without layers a word is the same wherever it stands, so a clip's captions are one bag of
--- distinct words.
local nj = require "nightjar"

local Matcher = {}
Matcher.__index = Matcher

local LONGEST = 24 -- words of a text

--- Document frequencies of token ids over texts: log of log(1 + N / (n + 1)), by id + 1.
local function log_idf(tokenizer, texts, ids_of)
  local frequency = {}
  for _, text in ipairs(texts) do
    local seen = {}
    for _, id in ipairs(ids_of(text)) do
      if not seen[id] then
        seen[id] = true
        frequency[id] = (frequency[id] or 0) + 1
      end
    end
  end
  local out = {}
  for id = 0, tokenizer:size() - 1 do
    out[id + 1] = math.log(math.log(1 + #texts / ((frequency[id] or 0) + 1)))
  end
  return out
end

-- Token ids of texts, each text looked at once.
local function reader(tokenizer)
  local known, unknown = {}, tokenizer:special_ids().unk
  return function(text)
    local ids = known[text]
    if not ids then
      ids = tokenizer:ids((text:gsub("%p+", " ")), { special = false })
      if #ids > LONGEST then ids = table.move(ids, 1, LONGEST, 1, {}) end
      if #ids == 0 then ids = { unknown } end
      known[text] = ids
    end
    return ids
  end
end

--- Makes an untrained one.
---@param texts string[] training captions: the vocabulary and the first word weights are theirs
---@param o { width: integer, layers: integer, heads: integer, vocabulary: integer, dropout: number,
---  seed: integer }
function Matcher.new(texts, o)
  local rng = nj.rng(o.seed, 1)
  local tokens = assert(nj.text.train_wordpiece(texts, { size = o.vocabulary }))
  local tokenizer = assert(nj.text.wordpiece(tokens))
  local self = setmetatable({ options = o, tokenizer = tokenizer, rng = rng }, Matcher)
  self.ids = reader(tokenizer)
  local idf = log_idf(tokenizer, texts, self.ids)
  local size = tokenizer:size()
  self.vectors = (nj.randn({ size, o.width }, { rng = rng }) * o.width ^ -0.5)
    :detach():requires_grad_()
  self.query_weights = nj.tensor(idf):requires_grad_()
  self.caption_weights = nj.tensor(idf):requires_grad_()
  self.scales = nj.tensor({ math.log(20), math.log(20) }):requires_grad_()
  if o.map then self.map = nj.zeros({ o.width, o.width }):requires_grad_() end
  if o.layers > 0 then
    self.bert = nj.encoders.bert {
      vocabulary = size, width = o.width, layers = o.layers, heads = o.heads,
      feed_forward = 2 * o.width, positions = LONGEST, dropout = o.dropout, rng = rng,
    }
    self.gate = nj.tensor({ o.width ^ -0.5 }):requires_grad_()
  end
  return self
end

--- Parameters as { name, tensor }: word vectors and the network, then weights and scales, which
--- learn at other rates.
function Matcher:parameters()
  local network = {}
  if self.map then network[1] = { "map", self.map } end
  for _, p in ipairs(self.bert and self.bert:parameters() or {}) do
    network[#network + 1] = { "bert." .. p.name, p.tensor }
  end
  local rest = {
    { "query_weights", self.query_weights }, { "caption_weights", self.caption_weights },
    { "scales", self.scales }, self.gate and { "gate", self.gate } or nil,
  }
  return { { "vectors", self.vectors } }, network, rest
end

--- Dropout on or off.
function Matcher:train(on)
  if self.bert then self.bert[on and "train" or "eval"](self.bert) end
end

-- Lists of ids as (n, w) tensors: ids, padded, and which are none.
local function pack(lists)
  local width = 1
  for _, list in ipairs(lists) do width = math.max(width, #list) end
  local ids, mask = {}, {}
  for i, list in ipairs(lists) do
    local a, m = {}, {}
    for j = 1, width do a[j], m[j] = list[j] or 0, list[j] and 1 or 0 end
    ids[i], mask[i] = a, m
  end
  return nj.tensor(ids, { dtype = "int64" }), nj.tensor(mask, { dtype = "uint8" })
end

--- Words of texts. `side` says whose word weights count: "query" or "caption".
---@param lists integer[][] token ids
---@return table words { x = (n, w, D), unit = the same of unit length, mask =, weights = (n, w),
---  logits = (n, w) }
function Matcher:words(lists, side)
  local ids, mask = pack(lists)
  local x = nj.nn.embedding(self.vectors, ids, { base = 0 })
  if self.bert then x = x + self.bert(ids, mask, { rng = self.rng }) * self.gate end
  local logits = nj.nn.embedding(self[side .. "_weights"], ids, { base = 0 })
    :masked_fill(mask:eq(0), -1e9)
  return { x = x, unit = x:normalize(-1), mask = mask, logits = logits,
    weights = logits:softmax(2) }
end

--- Sentence vectors (n, D) of unit length.
function Matcher:sentences(words, side)
  local sum = (words.x * words.weights:unsqueeze(3)):sum(2):normalize(-1)
  if self.map and side == "caption" then sum = (sum + sum:matmul(self.map)):normalize(-1) end
  return sum
end

-- The distinct ids of K lists, in order of first appearance.
local function distinct(lists)
  local seen, out = {}, {}
  for _, list in ipairs(lists) do
    for _, id in ipairs(list) do
      if not seen[id] then
        seen[id] = true
        out[#out + 1] = id
      end
    end
  end
  return out
end

--- Clips as their captions: caption vectors (n, K, D) and the words of all captions together.
---@param clips integer[][][] for each clip K lists of token ids, K the same for all
---@param what { tokens: boolean, sentences: boolean }
function Matcher:captions(clips, what)
  local n, k, flat = #clips, #clips[1], {}
  for _, lists in ipairs(clips) do table.move(lists, 1, k, #flat + 1, flat) end
  local out = {}
  local words = (what.sentences or self.bert) and self:words(flat, "caption")
  if what.sentences then out.sentences = self:sentences(words, "caption"):reshape(n, k, -1) end
  if what.tokens and self.bert then
    local width = words.mask.shape[2]
    out.tokens = {
      unit = words.unit:reshape(n, k * width, -1), mask = words.mask:reshape(n, k * width),
      weights = words.logits:reshape(n, k * width):softmax(2),
    }
  elseif what.tokens then
    local bags = {}
    for i, lists in ipairs(clips) do bags[i] = distinct(lists) end
    out.tokens = self:words(bags, "caption")
  end
  return out
end

--- Pools caption vectors (n, K, D) into clip vectors of unit length.
function Matcher.mean(sentences) return sentences:mean(2):normalize(-1) end

--- Query words against clip words. The query's words decide, the captions' words a little.
---@return nightjar.Tensor (queries, clips)
function Matcher.interact(query, clip, direction)
  return nj.hci.interact(query.unit, clip.unit, {
    text_mask = query.mask, clip_mask = clip.mask, text_weights = query.weights,
    clip_weights = clip.weights, direction = direction or "both",
  })
end

return Matcher
