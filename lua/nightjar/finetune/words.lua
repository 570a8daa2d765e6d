--- New words for a text encoder that keeps what it knows. Of WordPiece: tokens behind its last, whose vectors
--- begin as the mean of those of the pieces that each word was read as before. Of a table of whole words: rows
--- before its first, which begin as the mean of the known words that stand beside the new one; only these rows
--- are trained.
local content = require "nightjar.model.content"
local core = require "nightjar.core"
local tokens = require "nightjar.model.tokens"
local towers = require "nightjar.model.towers"

local words = {}

local MOST, LONGEST = 5000, 40 -- new words; bytes of one

-- As the tokeniser looks a word up.
local function normal(tower, word)
  local o = tower.options or {}
  local lower, strip = o.lower ~= false, o.strip_accents
  if strip == nil then strip = lower end
  return core.text.normalize(word, { form = strip and "NFD" or "NFC", lower = lower, strip_accents = strip })
end

-- The most frequent first, as many as are taken.
local function by_count(list, count)
  table.sort(list, function(a, b)
    if count[a] ~= count[b] then return count[a] > count[b] end
    return a < b
  end)
  return table.move(list, 1, math.min(MOST, #list), 1, {})
end

-- Words of the texts that the vocabulary has in pieces or not at all, the most frequent first.
local function new_words(tower, texts)
  local known, count, list = {}, {}, {}
  for _, token in ipairs(tower.vocabulary) do known[token] = true end
  for _, text in ipairs(texts) do
    for _, word in ipairs(tower:words(text, true)) do
      local form = (#word.pieces > 1 or word.unknown) and normal(tower, word.text)
      if form and #form <= LONGEST and not known[form] and not form:find "[%s%c]" then
        if not count[form] then list[#list + 1] = form end
        count[form] = (count[form] or 0) + 1
      end
    end
  end
  return by_count(list, count)
end

-- The vector that each new word begins with, (n, C).
local function vectors_of(tower, list, weight)
  local rows, mean = {}, weight:mean(1)
  for i, word in ipairs(list) do
    local encoded, ids = tower.tokenizer:encode(word), {}
    for k, token in ipairs(encoded.tokens) do
      if encoded.words[k] > 0 and token ~= "[UNK]" then ids[#ids + 1] = encoded.ids[k] + 1 end
    end
    rows[i] = #ids > 0 and weight:index_select(1, core.tensor(ids, { dtype = "int64" })):mean(1) or mean
  end
  return core.stack(rows, 1)
end

local EMBEDDINGS = "embeddings.word_embeddings.weight"

--- Encoders that take new words, by kind: each gives a network with room for them and the weights of the old.
words.kinds = {}

function words.kinds.bert(tower, list)
  local old, options = tower.encoder, tower.encoder:descriptor()
  options.vocabulary, options.rng = options.vocabulary + #list, core.rng(1)
  local state = old:state()
  local weight = state[EMBEDDINGS]:detach()
  local vocabulary = table.move(list, 1, #list, #tower.vocabulary + 1,
    table.move(tower.vocabulary, 1, #tower.vocabulary, 1, {}))
  -- Rows that the encoder has beyond its vocabulary stay behind the words.
  local all = { weight[{ { 1, #tower.vocabulary } }], vectors_of(tower, list, weight) }
  local rows = weight.shape[1]
  if rows > #tower.vocabulary then all[3] = weight[{ { #tower.vocabulary + 1, rows } }] end
  state[EMBEDDINGS] = core.cat(all, 1)
  local net = towers.text_encoders.bert(options)
  local report = net:load(state, "")
  assert(#report.missing == 0 and #report.mismatched == 0, "a text encoder takes its own weights")
  return net, vocabulary
end

-- ---- whole words ----

-- New words of the texts, the most frequent first, and for each the entries of the known words beside it.
local function beside(tower, texts)
  local count, near, list = {}, {}, {}
  for _, text in ipairs(texts) do
    local new, entries = {}, {}
    for _, word in ipairs(tower.known:split(text)) do
      table.move(word.entries, 1, #word.entries, #entries + 1, entries)
      local key = #word.entries == 0 and not word.stop and tower.known.key(word)
      if key and #key <= LONGEST and not tower.known.place[key] then new[#new + 1] = key end
    end
    for _, key in ipairs(new) do
      if not count[key] then list[#list + 1], near[key] = key, {} end
      count[key] = (count[key] or 0) + 1
      table.move(entries, 1, #entries, #near[key] + 1, near[key])
    end
  end
  return by_count(list, count), near
end

-- A table of whole words. How much a new word says is the mean of the table's: all but few of its words are
-- rare, as a new one is.
local function extend_table(model, texts)
  local tower = model.text_tower
  local list, near = beside(tower, texts)
  if #list == 0 then return list end
  core.no_grad(function()
    local rows = {}
    for i, word in ipairs(list) do
      local ids = near[word]
      rows[i] = #ids > 0 and tower.encoder:rows(core.tensor(ids, { dtype = "int64" })):mean(1)
        or core.zeros(tower.width)
    end
    local says = tower.encoder.table.weight:to "float32":mean():item()
    tower.encoder:extend(core.stack(rows, 1), core.full({ #list }, says))
  end)
  tower:set_vocabulary(table.move(tower.vocabulary, 1, #tower.vocabulary, #list + 1,
    table.move(list, 1, #list, 1, {})))
  model:eval()
  return list
end

--- Makes what of a table of whole words is to be trained so: its new words, or all.
---@param model nightjar.Model
---@param count integer words from the first on
function words.adapt(model, count)
  local encoder = model.text_tower.encoder
  if count > 0 and words.is_table(model) then encoder:adapt(count) end
end

--- Puts what was trained of a table into it.
function words.settle(model)
  if words.is_table(model) then model.text_tower.encoder:settle() end
end

--- Whether the text encoder is a table of whole words.
function words.is_table(model) return model.text_tower.encoder:descriptor().kind == "words" end

--- Gives a model the words of texts that it has in pieces or not at all. Byte-level BPE has all words; other
--- kinds of encoders stay as they are.
---@param model nightjar.Model whose text tower is changed
---@param texts string[]
---@return string[] added
function words.extend(model, texts)
  if words.is_table(model) then return extend_table(model, texts) end
  local tower = model.text_tower
  local extend = words.kinds[tower.encoder:descriptor().kind]
  if tower.merges or not extend then return {} end
  local list = new_words(tower, texts)
  if #list == 0 then return list end
  core.no_grad(function()
    local net, vocabulary = extend(tower, list)
    local special = tokens.special_ids(tower.tokenizer, vocabulary, tower.options and tower.options.specials)
    tower.tokenizer = tokens.make { vocabulary = vocabulary, tokenizer = tower.options, clean = tower.clean,
      suffix = tower.suffix, parse = tower.parse }
    tower.encoder, tower.vocabulary, tower.special = net, vocabulary, special
  end)
  model:eval()
  return list
end

--- Content words that a model has whole, the first of its vocabulary first.
---@param model nightjar.Model
---@param most integer
---@return string[]
function words.known(model, most)
  local list = {}
  for _, token in ipairs(model.text_tower.vocabulary) do
    if #list >= most then break end
    if #token > 2 and token:find "^%a+$" and content.names(token) then list[#list + 1] = token end
  end
  return list
end

return words
