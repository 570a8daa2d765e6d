--- A model's methods that encode: batches for training, sounds and texts for everything else. They
--- become methods of nightjar.Model.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local networks = require "nightjar.networks"
local rows_of = require "nightjar.model.rows"
local similarity = require "nightjar.model.similarity"
local stream = require "nightjar.model.stream"
local texts_of = require "nightjar.model.texts"
local views = require "nightjar.model.views"

local encode = {}

-- ---- training ----

--- For training: vectors of a batch of log-mels. Differentiable.
---@param mel any (B, T, M); of a model that fuses views (LAION-CLAP's) also (B, 4, T, M), as model:views
---  gives them
---@param lengths? any int64 (B)
---@param rng? any generator for dropout and SpecAugment
---@return any clip (B, D), unit length
function encode:encode_audio(mel, lengths, rng)
  return self:audio_levels(mel, lengths, { rng = rng }).clip
end

--- For training: vectors of a batch of tokenised texts. Differentiable.
---@param ids any int64 (B, W)
---@param mask any (B, W)
---@param rng? any
---@return any sentence (B, D), unit length
function encode:encode_text(ids, mask, rng)
  return self:text_levels(ids, mask, { rng = rng }).sentence
end

--- For training: all levels of a batch of log-mels. Differentiable.
---@param mel any (B, T, M)
---@param lengths? any int64 (B)
---@param options? table `rng`; `captions`: what caption_levels gave; `tokens`: frames even if no
---  level needs them; `longer` (B): mel are views (B, 4, T, M), fused where it is not 0
---@return table a as head:audio gives it
function encode:audio_levels(mel, lengths, options)
  local o = opts.check("model:audio_levels", options,
    { rng = "nightjar.Rng", captions = "table", tokens = "boolean", longer = "tensor" })
  local frames, mask, clip, clip_mask = self.audio_tower:features(mel, lengths, o.rng, o.longer)
  local given = { frames = frames, mask = mask, clip = clip, clip_mask = clip_mask, tokens = o.tokens,
    rng = o.rng }
  for key, value in pairs(o.captions or {}) do given[key] = value end
  return self.head:audio(given)
end

--- For training: all levels of a batch of tokenised texts. Differentiable.
---@param ids any int64 (B, W)
---@param mask any (B, W)
---@param options? table `rng`; `tokens`: words even if no level needs them
---@return table t as head:text gives it
function encode:text_levels(ids, mask, options)
  local o = opts.check("model:text_levels", options,
    { rng = "nightjar.Rng", tokens = "boolean" })
  local words, word_mask, sentence, weights = self.text_tower:features(ids, mask, o.rng)
  return self.head:text { words = words, mask = word_mask, sentence = sentence, weights = weights,
    tokens = o.tokens, rng = o.rng }
end

-- Texts of all lists one after the other, and the row of `texts` in each place of (lists, most).
local function flatten(lists)
  local flat, rows, most = {}, {}, 1
  for i, list in ipairs(lists) do
    rows[i] = {}
    for _, text in ipairs(list) do
      flat[#flat + 1] = text
      rows[i][#rows[i] + 1] = #flat
    end
    most = math.max(most, #list)
  end
  return flat, rows, most
end

-- (lists, most) places in the flat list, 1 where there is none, and the mask of those there are.
local function places(rows, most)
  local index, mask = {}, {}
  for i, row in ipairs(rows) do
    index[i], mask[i] = {}, {}
    for k = 1, most do
      index[i][k], mask[i][k] = row[k] or 1, row[k] and 1 or 0
    end
  end
  return core.tensor(index, { dtype = "int64" }), core.tensor(mask, { dtype = "uint8" })
end

--- The captions of clips as audio_levels takes them: sentence vectors, and words where the head
--- matches by words. Differentiable; nil when no clip has a caption.
---@param lists string[][] for each clip its captions; empty where there are none
---@param options? table `rng`; `detach`: no gradients into the text encoder
---@return table? captions { captions (B, K, D), caption_mask (B, K), caption_words,
---  caption_word_mask }
function encode:caption_levels(lists, options)
  local o = opts.check("model:caption_levels", options,
    { rng = "nightjar.Rng", detach = "boolean" })
  local flat, rows, most = flatten(lists)
  if #flat == 0 then return nil end
  local ids, mask = self.text_tower:tokenize(flat)
  local function run()
    return self:text_levels(ids, mask, { rng = o.rng })
  end
  local t
  if o.detach then t = core.no_grad(run) else t = run() end
  local index, there = places(rows, most)
  local flat_index, n = index:reshape(-1), #lists
  local out = {
    captions = t.sentence:index_select(1, flat_index):reshape(n, most, self.dim),
    caption_mask = there,
  }
  if self.head.o.ac and self.head.o.ac.matching and self.head.o.ac.matching.kind == "tokens" then
    local width = t.words.shape[2]
    out.caption_words = t.words:index_select(1, flat_index):reshape(n, most * width, self.dim)
    out.caption_word_mask = (t.word_mask:to "uint8":index_select(1, flat_index)
      :reshape(n, most, width) * there:unsqueeze(3)):reshape(n, most * width)
  end
  return out
end

--- For training: the loss of a batch of nj.data.loader, over all levels of the head.
---@param batch table mel, lengths, ids, mask; groups, unless `ids` are given; `longer` where mel are views
---@param options? table
---  rng       generator for dropout and SpecAugment
---  captions  string[][]: captions of the batch's clips from a captioner, for a head with `ac`
---  ids       default: batch.groups
---  denoise   true, or { margin = }: clips more like each other than one is like itself count as one
---  detach_captions  no gradients through the captions' encoder
---  loss, distill, hardest, weights  as head:loss takes them
---@return any total scalar
---@return table<string, any> parts by level
function encode:loss(batch, options)
  local o = opts.check("model:loss", options, {
    rng = "nightjar.Rng", captions = "table", ids = "table|tensor", denoise = "boolean|table",
    detach_captions = "boolean", loss = "string|table", distill = "number|table",
    hardest = "number|table", weights = "table",
  })
  local captions = o.captions
    and self:caption_levels(o.captions, { rng = o.rng, detach = o.detach_captions })
  local a = self:audio_levels(batch.mel, batch.lengths,
    { rng = o.rng, captions = captions, tokens = o.denoise and true or nil, longer = batch.longer })
  local t = self:text_levels(batch.ids, batch.mask, { rng = o.rng })
  local denoise
  if o.denoise then
    denoise = self.head:positives(a, { rng = o.rng,
      margin = type(o.denoise) == "table" and o.denoise.margin or nil })
  end
  return self.head:loss(self.head:similarity(t, a), { ids = o.ids or batch.groups,
    loss = o.loss, distill = o.distill, hardest = o.hardest, weights = o.weights,
    denoise = denoise })
end

-- ---- inference ----

local function infer(self, f, ...) return networks.infer(self:parts(), f, ...) end

local function check_captions(captions, sounds)
  if captions and #captions ~= #sounds then
    error(("model:audio: captions of %d sounds for %d"):format(#captions, #sounds), 3)
  end
end

--- Vectors of sounds. Long ones are tiled; the same sound gives the same bits whatever stands
--- beside it. Files are read ahead as model:stream does, which holds one clip at a time.
---@param sounds (string|any)[] paths, or waveforms (L) at the model's rate
---@param options? table `progress`: true for a bar on standard error, or function(done, total),
---  called after every sound; `captions`:
---  string[][], what a captioner says of each sound, for a head with `ac` (an empty list: nothing)
---@return table[] clips { vector = (D), segments = (S, D), times = {{from, to}, …}, frames = (N, D),
---  frame_times, levels = what head:audio gave, seconds, path } or { error = message, code = …, path }
---  for a sound that could not be read, in the order given
function encode:audio(sounds, options)
  local o = opts.check("model:audio", options, { progress = stream.rules.progress, captions = "table" })
  if type(sounds) ~= "table" then sounds = { sounds } end
  check_captions(o.captions, sounds)
  local clips = {}
  local encoding <close> = stream.open(self, sounds, opts.check("model:audio", o, stream.rules),
    "model:audio")
  for i, clip in encoding.next, encoding do clips[i] = clip end
  return clips
end

--- Vectors of any number of sounds, for a loop: `for i, clip in model:stream(paths) do … end`. While
--- the network works on a sound, the files behind it are decoded and made into log-mels on threads of
--- their own; what waits is bounded by `ahead` and `memory_mb`. Each clip has the bits that
--- model:audio gives. A file that cannot be read gives { error, code, path } in its place. However the
--- loop ends, the threads end with it.
---@param sounds (string|any)[]|fun(): (string|any)? paths or waveforms (L) at the model's rate; or a
---  function that gives the next each time, nil at the end. A table with `error` comes out in its place
---@param options? table `ahead` (16): files begun before their turn; `jobs`: threads that read (as many
---  as the pool has, at most 8; 0: none); `memory_mb` (32): of log-mels that wait; `max_seconds`
---  (14400): a longer file is an error; `progress`: function(done, total), called after every sound, or
---  true for a bar on standard error; `total`: how many sounds a function will give; `captions`: a list
---  for each sound as for model:audio, or function(sound, i) that gives it
---@return fun(): integer?, table? next for a loop: i, clip as model:audio gives it
---@return nil
---@return nil
---@return table closing what ends the threads, closed by the loop
function encode:stream(sounds, options)
  opts.arg("model:stream", 1, "sounds", sounds, "table|function")
  local o = opts.check("model:stream", options, stream.rules)
  if type(o.captions) == "table" and type(sounds) == "table" and #o.captions ~= #sounds then
    error(("model:stream: captions of %d sounds for %d"):format(#o.captions, #sounds), 2)
  end
  local s = stream.open(self, sounds, o, "model:stream")
  return function() return s:next() end, nil, nil, s
end

local function waveform(tower, sound)
  if type(sound) == "string" then
    return core.audio.decode(sound, { rate = tower.front_end.rate })
  end
  if opts.type_name(sound) ~= "nightjar.Tensor" or #sound.shape ~= 1 then
    error(("model:views: a sound is a path or a waveform of one dimension, got a %s"):format(
      opts.type_name(sound)), 3)
  end
  return sound
end

--- The views of a sound, which a model that fuses them (LAION-CLAP's) takes in training; model:audio makes
--- its own.
---@param sound string|any a path, or a waveform (L) at the model's rate
---@param options? table `rng`: where the pieces begin, as the authors draw them; without one in the middle
---  of each third
---@return any|nil views (4, T, M); or nil, message, code
---@return boolean|string longer whether they are fused: the sound is longer than the window
---@return string? code
function encode:views(sound, options)
  local o = opts.check("model:views", options, { rng = "nightjar.Rng" })
  if not self.audio_tower.fuses then
    error("model:views: this model's encoder fuses no views", 2)
  end
  local wave, message, code = waveform(self.audio_tower, sound)
  if not wave then return nil, message, code end
  local front_end = self.audio_tower.front_end
  return views.of(front_end, front_end(wave), o.rng)
end

local function list_of(fname, texts)
  if type(texts) == "string" then texts = { texts } end
  return opts.arg(fname, 1, "texts", texts, "table", 4)
end

--- Vectors of texts, (n, D), of unit length. Each is computed by itself: batching changes no bit.
---@param texts string|string[]
---@return any
function encode:text(texts)
  texts = list_of("model:text", texts)
  return infer(self, function()
    local rows = {}
    for i, text in ipairs(texts) do
      local ids, mask = self.text_tower:tokenize { text }
      rows[i] = self:text_levels(ids, mask).sentence
    end
    if #rows == 0 then return core.zeros(0, self.dim) end
    return core.cat(rows, 1)
  end)
end

--- Texts at all levels: words, phrases and sentence, each text by itself.
---@param texts string|string[]
---@return any texts an object with `vectors` (n, D) and, by texts[i], words and levels
function encode:encode_texts(texts)
  texts = list_of("model:encode_texts", texts)
  return infer(self, texts_of.encode, self, texts)
end

local function is_encoded(item)
  return type(item) == "table" and (item.vector ~= nil or item.error ~= nil)
end

-- Clips as Model:audio gives them, and what each is called; nil, message, code when one cannot be read.
local function clips_of(self, given, options)
  local labels, clips = {}, given
  if #given > 0 and not is_encoded(given[1]) then
    table.move(given, 1, #given, 1, labels)
    clips = self:audio(given, options)
  end
  for i, clip in ipairs(clips) do
    if clip.error then return nil, "similarity: " .. clip.error, clip.code or "EIO" end
    local label = labels[i]
    labels[i] = type(label) == "string" and label or clip.label or clip.path
      or ("clip %d"):format(i)
  end
  return clips, labels
end

local function have_levels(clips)
  for _, clip in ipairs(clips) do
    if not clip.levels then return false end
  end
  return #clips > 0
end

-- Level by level. Clips that are known by their vectors alone, from a library's index say, have
-- the clip level only, and that of their tags.
local function compare(self, texts, clips)
  if #clips == 0 then return { clip = core.zeros(#texts, 0) } end
  if #texts == 0 then return { clip = core.zeros(0, #clips) } end
  if not have_levels(clips) then
    local vectors, tags = {}, {}
    for i, clip in ipairs(clips) do vectors[i], tags[i] = clip.vector, clip.tags end
    return rows_of.levels(self, texts:levels(), { clip = core.stack(vectors, 1),
      caption = #tags == #clips and core.stack(tags, 1) or nil })
  end
  local list = {}
  for i, clip in ipairs(clips) do list[i] = clip.levels end
  return self.head:similarity(texts:levels(), self.head:collate_audio(list))
end

--- The similarity of texts and sounds, as an object that prints, slices, fuses, explains and saves.
---@param texts string[]|any or what encode_texts gave
---@param clips (string|any)[]|table[] sounds as for Model:audio, or what it gave
---@param options? table `captions`: of the sounds, see Model:audio
---@return any? similarity nil when a sound cannot be read
---@return string? message
---@return string? code
function encode:similarity(texts, clips, options)
  local o = opts.check("model:similarity", options, { captions = "table" })
  if opts.type_name(texts) ~= "nightjar.Texts" then texts = self:encode_texts(texts) end
  local labels, code
  clips, labels, code = clips_of(self, clips, { captions = o.captions })
  if not clips then return nil, labels, code end
  local by_level = infer(self, compare, self, texts, clips)
  local fused = infer(self, self.head.fuse, self.head, by_level)
  return similarity.new(fused, texts.texts, labels, { levels = by_level, head = self.head,
    encoded = texts, sounds = clips })
end

--- Finds how much each level counts, and captions beside them, on validation data; kept in the
--- model, and in its file. See head:fit.
---@param levels table|any S_l by level, or a similarity that holds them
---@param ids? integer[]|table the clip of every text
---@param options? table normalize, steps
---@return table result
function encode:fit_fusion(levels, ids, options)
  if opts.type_name(levels) == "nightjar.Similarity" then levels = levels:levels() end
  return self.head:fit(levels, ids, options)
end

return encode
