--- The two towers of a model: front-end or tokeniser, encoder, pooling and projection.
local content = require "nightjar.model.content"
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local tokens = require "nightjar.model.tokens"
local tags = require "nightjar.model.tags"
local views = require "nightjar.model.views"
local word_tower = require "nightjar.model.word_tower"

local towers = {}

local function is_network(d) return opts.type_name(d) == "nightjar.Encoder" end

--- The options of an encoder, also of one that is made already.
local function options_of(d) return is_network(d) and d:descriptor() or d end

local function make_encoder(d, rng, what, kinds)
  local kind = d and options_of(d).kind
  local make = kinds[kind]
  if not make then
    local known = {}
    for name in pairs(kinds) do known[#known + 1] = name end
    table.sort(known)
    error(("model: %s.encoder.kind must be one of %s, got %s"):format(what,
      table.concat(known, ", "), tostring(kind)), 0)
  end
  if is_network(d) then return d end
  local options = { rng = rng }
  for key, value in pairs(d) do options[key] = value end
  return make(options)
end

-- `p`: a form, or { form, hidden, dropout }; `side`: "audio" or "text", whose form and `hidden` may differ.
local function projection(p, side, input, output, rng)
  if type(p) == "string" then p = { form = p } end
  local hidden = p.hidden
  if type(hidden) == "table" then hidden = hidden[side] end
  local form = type(p.form) == "table" and (p.form[side] or "mlp") or p.form
  return core.encoders.projection { form = form, hidden = hidden, dropout = p.dropout,
    input = input, output = output, rng = rng }
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
  htsat = core.encoders.htsat,
  convnext = core.encoders.convnext,
  vit = core.encoders.vit,
}

--- The front-end that an encoder was made for, where it is not PANNs'.
local front_ends = { mobilenet = "efficientat", convnext = "convnext", vit = "act" }

-- Seconds from one frame of the encoder to the next. A clip that is padded and then stretched over
-- the encoder's image has as many frames as the image, however long it is.
local function frame_seconds(front_end, encoder)
  local d = front_end:descriptor()
  local stretched = encoder:longest() and encoder:descriptor().fit == "stretch"
  if d.fill ~= "none" and stretched then
    return d.duration / encoder:frames(encoder:longest())
  end
  return encoder:stride() * d.hop / d.rate
end

--- What hears: front-end and encoder, without a projection.
---@param d table { front_end = options of nj.audio.mel, encoder = { kind = … } or a network that is
---  made already, clip = "pool", "embedding": what the encoder's classifier makes of the pooled
---  frames before its last layer, relu(fc1(clip)), or "tags": its classes beside the pooled frames, with
---  tags = what goes with that (see model/tags.lua) }
---@return table
function towers.listener(d, rng)
  local o = opts.check("model: audio", d, {
    front_end = "table",
    encoder = { type = "table|nightjar.Encoder", required = true },
    clip = { type = "string", default = "pool", one_of = { "pool", "embedding", "tags" } },
    tags = "table",
  })
  local preset = front_ends[options_of(d.encoder).kind] or "panns"
  local front_end = core.audio.mel(d.front_end or { preset = preset })
  local encoder = make_encoder(d.encoder, rng, "audio", towers.audio_encoders)
  local fuses = encoder:descriptor().fusion ~= nil
  local problem = fuses and views.problem(front_end:descriptor())
  if problem then error("model: " .. problem, 0) end
  return setmetatable({
    front_end = front_end, encoder = encoder, clip = o.clip, fuses = fuses,
    tagger = o.clip == "tags" and tags.new(encoder, o.tags) or nil,
    filled = front_end.fill ~= "none",
    frame_seconds = frame_seconds(front_end, encoder),
  }, AudioTower)
end

-- How wide relu(fc1(clip)) is; raises when the encoder has no classifier with such a layer.
local function embedding_width(encoder, width)
  if (encoder:descriptor().classes or 0) == 0 then
    error("model: audio.clip is 'embedding', but the encoder has no classifier (classes = …)", 0)
  end
  local _, inner = encoder:logits(core.zeros(1, width))
  if not inner then
    error(("model: audio.clip is 'embedding', which a %s does not have"):format(
      encoder:descriptor().kind), 0)
  end
  return inner.shape[2]
end

--- The same with a projection into a space of `dim`.
---@param d table as towers.listener takes it
---@return table
function towers.audio(d, dim, form, rng)
  local tower = towers.listener(d, rng)
  if tower.encoder:descriptor().kind == "vit" then
    error("model: the clip vector of a vit is its class token, which no frames make: it is for captioners",
      0)
  end
  local width = tower.encoder:width()
  tower.frame_width = width
  -- What pooling makes of a single frame: a maximum plus a mean is twice the frame.
  tower.pool_gain = tower.encoder:pool(core.ones(1, 1, width))(1, 1)
  tower.frame_gain = tower.pool_gain
  if tower.clip == "embedding" then
    width = embedding_width(tower.encoder, width)
    tower.frame_width = width
    tower.frame_gain = 1 -- frames are lifted as if each were a clip
  elseif tower.tagger then
    width = tower.tagger.width
  end
  tower.width = width
  tower.projection = projection(form, "audio", width, dim, rng)
  return tower
end

function AudioTower:descriptor()
  return { front_end = self.front_end:descriptor(), encoder = self.encoder:descriptor(),
    clip = self.clip ~= "pool" and self.clip or nil, tags = self.tagger and self.tagger:descriptor() }
end

local function embed(self, clip, rng)
  return (select(2, self.encoder:logits(clip, { rng = rng })))
end

--- The clip vector (B, width) of the encoder's own frames (B, N, C).
---@param frames any
---@param lengths? any int64 (B)
function AudioTower:pool(frames, lengths)
  return self:lift_clip(self.encoder:pool(frames, lengths))
end

--- Frames as the head takes them (…, width): the encoder's own, or, where clips are embeddings, each
--- as if it were a clip.
---@param frames any (…, C)
---@param rng? any
function AudioTower:lift(frames, rng)
  if self.tagger then return self.tagger:lift_frames(frames) end
  if self.clip ~= "embedding" then return frames end
  return embed(self, frames * self.pool_gain, rng)
end

-- Valid frames of clips that were padded, of whose log-mels `lengths` are their own.
local function own_frames(self, lengths, most)
  local step = self.frame_seconds * self.front_end.rate / self.front_end.hop -- in log-mels
  -- The last log-mel is centred where the clip ends, or before.
  return ((lengths - 1):to "float64" / step):ceil():clamp(1, most):to "int64"
end

-- Clips that were padded are encoded with their padding, as the encoder's authors do; lengths then
-- tell which frames are a clip's own.
local function encode_filled(self, mel, lengths, rng)
  local window, given = self.front_end:frames(0), nil
  if lengths and mel.shape[2] > window then given = lengths:maximum(window) end
  local frames, clip, heard = self.encoder(mel, given, { rng = rng })
  return frames, clip, lengths and own_frames(self, lengths, frames.shape[2]), heard
end

--- What the encoder makes of log-mels (B, T, M): its own frames (B, N, C), clip (B, C), how many frames
--- are each clip's valid ones, int64 (B), or nil, and, where clips are padded, how many the encoder heard.
---@param mel any
---@param lengths? any int64 (B), as the front-end's batch gives them
---@param rng? any
function AudioTower:encode(mel, lengths, rng)
  if self.filled then return encode_filled(self, mel, lengths, rng) end
  return self.encoder(mel, lengths, { rng = rng })
end

--- What the encoder makes of views (B, 4, T, M): its frames (B, N, C), of the whole sounds, and clip (B, C).
---@param seen any
---@param longer? any (B) not 0 where they are fused; everywhere when left out
---@param rng? any
function AudioTower:encode_views(seen, longer, rng)
  if not self.fuses then
    error("model: views of a sound need an encoder that fuses them (fusion)", 0)
  end
  local frames, clip = self.encoder(seen, nil, { rng = rng, longer = longer })
  return frames, clip
end

--- Clip vectors of the encoder (B, C) as the head takes them.
function AudioTower:lift_clip(clip, rng)
  if self.tagger then return self.tagger:lift_clip(clip) end
  return self.clip == "embedding" and embed(self, clip, rng) or clip
end

--- What the encoder makes of log-mels (B, T, M), or of views (B, 4, T, M), as the head takes it.
---@param longer? any (B) which clips' views are fused
---@return any frames (B, N, C), any mask (B, N) or nil without lengths, any clip (B, C), any clip_mask
---  (B, N) of the frames that the clip is made of, where clips are padded; else nil
function AudioTower:features(mel, lengths, rng, longer)
  local frames, clip, frame_lengths, heard
  if mel.ndim == 4 and self.fuses or longer then
    frames, clip = self:encode_views(mel, longer, rng)
    frame_lengths = lengths and own_frames(self, lengths, frames.shape[2])
  else
    frames, clip, frame_lengths, heard = self:encode(mel, lengths, rng)
  end
  frames, clip = self:lift(frames, rng), self:lift_clip(clip, rng)
  if not (lengths and frame_lengths) then return frames, nil, clip end
  local places = core.arange(1, frames.shape[2], { dtype = "int64" }):reshape(1, -1)
  local function first(n) return places:le(n:reshape(-1, 1)) end
  return frames, first(frame_lengths), clip, heard and first(heard)
end

-- ---------------------------------------------------------------------------------------------

local TextTower = {}
TextTower.__index = TextTower

--- Kinds of text encoders: each makes a network called with (ids, mask, {rng}) that gives words
--- (B, W, C).
towers.text_encoders = { bert = core.encoders.bert, gpt2 = core.encoders.gpt2 }

-- Encoders that were made before must have room for every token.
local function check_room(encoder, vocabulary)
  local room = encoder:descriptor().vocabulary
  if room and room < #vocabulary then
    error(("model: text.vocabulary has %d tokens, its encoder has room for %d"):format(#vocabulary,
      room), 0)
  end
end

---@param d table { vocabulary = {tokens}, merges = {…} of byte-level BPE (none: WordPiece),
---  tokenizer = options of nj.text.wordpiece or nj.text.bpe, encoder = {…}, max = 48,
---  sentence = "mean", "cls" (the first token), "pooler" (what the encoder's pooler makes of it) or
---  "last" (token number n, where n tokens are not the padding's), clean = "wavcaps" (as
---  nj.text.normalize), suffix = what is put behind every text, parse = special tokens written in
---  texts and suffix are those tokens }
---@return table
function towers.text(d, dim, form, rng)
  if type(d.encoder) == "table" and d.encoder.kind == "words" then
    return word_tower.new(d, function(width) return projection(form, "text", width, dim, rng) end)
  end
  local t = opts.check("model: text", d, {
    vocabulary = { type = "table", required = true },
    merges = "table",
    tokenizer = "table",
    clean = { type = "string", one_of = { "none", "wavcaps" } },
    suffix = "string",
    parse = { type = "boolean", default = false },
    encoder = { type = "table|nightjar.Encoder", required = true },
    sentence = { type = "string", default = "mean", one_of = { "cls", "mean", "pooler", "last" } },
    max = { type = "integer", default = 48 },
  })
  local tokenizer = tokens.make(t)
  local options = t.encoder
  if is_network(options) then
    check_room(options, t.vocabulary)
  else
    options = { vocabulary = #t.vocabulary, pooler = t.sentence == "pooler" or nil }
    for key, value in pairs(t.encoder) do options[key] = value end
  end
  local encoder = make_encoder(options, rng, "text", towers.text_encoders)
  if t.sentence == "pooler" and not encoder:descriptor().pooler then
    error("model: text.sentence is 'pooler', but the encoder has none (pooler = true)", 0)
  end
  return setmetatable({
    tokenizer = tokenizer,
    vocabulary = t.vocabulary,
    merges = t.merges,
    options = t.tokenizer,
    clean = t.clean,
    suffix = t.suffix,
    parse = t.parse or nil,
    special = tokens.special_ids(tokenizer, t.vocabulary, t.tokenizer and t.tokenizer.specials),
    encoder = encoder,
    sentence = t.sentence,
    max = t.max,
    width = encoder:descriptor().width,
    projection = projection(form, "text", encoder:descriptor().width, dim, rng),
  }, TextTower)
end

--- Without vocabulary and merges, which a file keeps beside it.
function TextTower:descriptor()
  return { encoder = self.encoder:descriptor(), sentence = self.sentence, max = self.max,
    tokenizer = self.options, clean = self.clean, suffix = self.suffix, parse = self.parse }
end

--- ids and mask of texts, padded to the longest.
---@return any ids int64 (B, W), any mask (B, W)
function TextTower:tokenize(texts) return self.tokenizer:batch(texts, { max = self.max }) end

--- 1 where a token is a piece of a word: neither padding nor special.
---@param ids any int64 (B, W)
---@param mask any (B, W)
---@return any uint8 (B, W)
function TextTower:word_mask(ids, mask)
  local words = mask:ne(0)
  for _, id in ipairs(self.special) do words = words * ids:ne(id) end
  return words
end

-- The vector of token number n of each row, where n tokens are not the padding's, (B, C) of (B, W, C):
-- the last one, but where parsing finds padding in a text, which moves it to the front by as many.
local function last_of(words, mask, ids, padding)
  local b, w, c = table.unpack(words.shape)
  local counted = padding and mask:ne(0) * ids:ne(padding) or mask:ne(0)
  local lengths = counted:to "int64":sum(2):clamp(1)
  local rows = core.arange(0, b - 1, { dtype = "int64" }) * w + lengths
  return words:reshape(b * w, c):index_select(1, rows)
end

--- What the encoder makes of tokenised texts (B, W).
---@return any words (B, W, C), any mask (B, W) of words alone, any sentence (B, C)
function TextTower:features(ids, mask, rng)
  local kind = self.sentence
  if kind == "pooler" then
    local words, pooled = self.encoder(ids, mask, { rng = rng, pooled = true })
    return words, self:word_mask(ids, mask), pooled
  end
  local words = self.encoder(ids, mask, { rng = rng })
  local sentence
  if kind == "cls" then
    sentence = words[{ {}, 1 }]
  elseif kind == "last" then
    sentence = last_of(words, mask, ids, self.parse and self.tokenizer:special_ids().pad)
  else -- padding comes last, so a sum of the mask is a length
    sentence = core.encoders.mean_pool(words, mask:to "int64":sum(2))
  end
  return words, self:word_mask(ids, mask), sentence
end

--- The words of a text and the places of their pieces among its tokens: { text, from, to (bytes),
--- pieces } each, the bytes being those of the text as it was cleaned. Punctuation is no word.
---@param text string
---@param all? boolean also those behind the most tokens that the encoder takes
---@return table[]
function TextTower:words(text, all)
  local encoded, list, by_number = self.tokenizer:encode(text), {}, {}
  text = encoded.text or text -- what was tokenised, where texts are cleaned
  -- Of a text that is cut, the last token is [SEP].
  local last = (all or #encoded.words <= self.max) and #encoded.words or self.max - 1
  for i = 1, last do
    local number = encoded.words[i]
    if number > 0 then -- [CLS] and [SEP] belong to no word
      local word = by_number[number]
      local from, to = encoded.offsets[i][1], encoded.offsets[i][2]
      if not word then
        word = { from = from, to = to, pieces = {} }
        by_number[number] = word
        list[#list + 1] = word
      end
      word.from, word.to = math.min(word.from, from), math.max(word.to, to)
      word.pieces[#word.pieces + 1] = i
      word.unknown = word.unknown or encoded.tokens[i] == "[UNK]"
    end
  end
  local words = {}
  for _, word in ipairs(list) do
    word.text = text:sub(word.from, word.to)
    word.from = word.from + #word.text:match "^%s*" -- byte-level BPE has spaces in its words
    word.text = text:sub(word.from, word.to)
    if content.has_word(word.text) then words[#words + 1] = word end
  end
  return words
end

--- Words, in any script, that the vocabulary only holds in pieces, or not at all; byte-level BPE has none.
function TextTower:unknown_words(text)
  if self.merges then return {} end
  local unknown, seen = {}, {}
  for _, word in ipairs(self:words(text, true)) do
    if (#word.pieces > 1 or word.unknown) and not seen[word.text] then
      seen[word.text] = true
      unknown[#unknown + 1] = word.text
    end
  end
  return unknown
end

return towers
