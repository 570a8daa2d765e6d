--- The two towers of a model: front-end or tokeniser, encoder, pooling and projection.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local towers = {}

local function make_encoder(d, rng, what, kinds)
  local kind = d and d.kind
  local make = kinds[kind]
  if not make then
    local known = {}
    for name in pairs(kinds) do known[#known + 1] = name end
    table.sort(known)
    error(("model: %s.encoder.kind must be one of %s, got %s"):format(what,
      table.concat(known, ", "), tostring(kind)), 0)
  end
  local options = { rng = rng }
  for key, value in pairs(d) do options[key] = value end
  return make(options)
end

local function projection(form, input, output, rng)
  return core.encoders.projection { form = form, input = input, output = output, rng = rng }
end

-- ---------------------------------------------------------------------------------------------

local AudioTower = {}
AudioTower.__index = AudioTower

--- Kinds of audio encoders: each makes a network called with (mel, lengths, {rng}) that gives
--- frames (B, N, C), clip (B, C) and frame lengths (B), and that knows its width, its stride and how
--- it pools.
towers.audio_encoders = {
  convnet = core.encoders.convnet,
  mobilenet = core.encoders.mobilenet,
  resnet = core.encoders.resnet,
}

--- The front-end that an encoder was made for, where it is not PANNs'.
local front_ends = { mobilenet = "efficientat" }

--- What hears: front-end and encoder, without a projection.
---@param d table { front_end = options of nj.audio.mel, encoder = { kind = … } }
---@return table
function towers.listener(d, rng)
  opts.check("model: audio", d, {
    front_end = "table",
    encoder = { type = "table", required = true },
  })
  local preset = front_ends[d.encoder.kind] or "panns"
  return setmetatable({
    front_end = core.audio.mel(d.front_end or { preset = preset }),
    encoder = make_encoder(d.encoder, rng, "audio", towers.audio_encoders),
  }, AudioTower)
end

--- The same with a projection into a space of `dim`.
---@param d table as towers.listener takes it
---@return table
function towers.audio(d, dim, form, rng)
  local tower = towers.listener(d, rng)
  tower.projection = projection(form, tower.encoder:width(), dim, rng)
  return tower
end

function AudioTower:descriptor()
  return { front_end = self.front_end:descriptor(), encoder = self.encoder:descriptor() }
end

--- (B, T, M) → (B, D) of unit length.
function AudioTower:encode(mel, lengths, rng)
  local _, clip = self.encoder(mel, lengths, { rng = rng })
  return self.projection(clip, { rng = rng }):normalize(-1)
end

-- ---------------------------------------------------------------------------------------------

local TextTower = {}
TextTower.__index = TextTower

--- Kinds of text encoders: each makes a network called with (ids, mask, {rng}) that gives words
--- (B, W, C).
towers.text_encoders = { bert = core.encoders.bert }

---@param d table { vocabulary = {tokens}, encoder = {…}, sentence = "cls"|"mean", max = 48 }
---@return table
function towers.text(d, dim, form, rng)
  local t = opts.check("model: text", d, {
    vocabulary = { type = "table", required = true },
    encoder = { type = "table", required = true },
    sentence = { type = "string", default = "mean", one_of = { "cls", "mean" } },
    max = { type = "integer", default = 48 },
  })
  local tokenizer = assert(core.text.wordpiece(t.vocabulary))
  local options = { vocabulary = #t.vocabulary }
  for key, value in pairs(t.encoder) do options[key] = value end
  local encoder = make_encoder(options, rng, "text", towers.text_encoders)
  return setmetatable({
    tokenizer = tokenizer,
    vocabulary = t.vocabulary,
    encoder = encoder,
    sentence = t.sentence,
    max = t.max,
    projection = projection(form, encoder:descriptor().width, dim, rng),
  }, TextTower)
end

--- Without the vocabulary, which a file keeps beside it.
function TextTower:descriptor()
  return { encoder = self.encoder:descriptor(), sentence = self.sentence, max = self.max }
end

--- ids and mask of texts, padded to the longest.
---@return any ids int64 (B, W), any mask (B, W)
function TextTower:tokenize(texts) return self.tokenizer:batch(texts, { max = self.max }) end

--- (B, W) → (B, D) of unit length.
function TextTower:encode(ids, mask, rng)
  local words = self.encoder(ids, mask, { rng = rng })
  local sentence
  if self.sentence == "cls" then
    sentence = words[{ {}, 1 }]
  else -- padding comes last, so a sum of the mask is a length
    sentence = core.encoders.mean_pool(words, mask:to "int64":sum(2))
  end
  return self.projection(sentence, { rng = rng }):normalize(-1)
end

--- (n, D): text by text, so that no text's vector depends on its neighbours' lengths.
function TextTower:vectors(texts)
  local rows = {}
  for i, text in ipairs(texts) do
    local ids, mask = self:tokenize { text }
    rows[i] = self:encode(ids, mask)
  end
  if #rows == 0 then return core.zeros(0, self.projection:descriptor().output) end
  return core.cat(rows, 1)
end

--- Words that the vocabulary only holds in pieces, or not at all.
function TextTower:unknown_words(text)
  local pieces, unknown, seen = {}, {}, {}
  local encoded = self.tokenizer:encode(text)
  for i, word in ipairs(encoded.words) do
    if word > 0 then -- [CLS] and [SEP] belong to no word
      pieces[word] = pieces[word] or { count = 0 }
      local p = pieces[word]
      p.count = p.count + 1
      p.unk = p.unk or encoded.tokens[i] == "[UNK]"
      local from, to = encoded.offsets[i][1], encoded.offsets[i][2]
      p.from, p.to = math.min(p.from or from, from), math.max(p.to or to, to)
    end
  end
  local order = {}
  for word in pairs(pieces) do order[#order + 1] = word end
  table.sort(order)
  for _, word in ipairs(order) do
    local p = pieces[word]
    local name = text:sub(p.from, p.to)
    if (p.count > 1 or p.unk) and name:find "%w" and not seen[name] then
      seen[name] = true
      unknown[#unknown + 1] = name
    end
  end
  return unknown
end

return towers
