--- A captioner: it hears a sound and says in words what is in it.
---
---     file ─ decode ─ log-mel ─ encoder ─ frames (B, N, C) ─ decoder ─ tokens ─ text
---
--- With an audio tower it takes sound files. Without one it takes frames, so that it trains on those
--- that a frozen encoder gave once.
local checkpoint = require "nightjar.captioner.checkpoint"
local core = require "nightjar.core"
local families = require "nightjar.families"
local file = require "nightjar.captioner.file"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local parts = require "nightjar.model.parts"
local shipped = require "nightjar.model.shipped"
local tiles = require "nightjar.model.tiles"
local towers = require "nightjar.model.towers"
local words = require "nightjar.captioner.words"

local Captioner = {}
Captioner.__index = Captioner
Captioner.__name = "nightjar.Captioner"

local captioner = {}

-- How captions are found; what a captioner's descriptor may hold of it.
local defaults = {
  method = { type = "string", one_of = { "greedy", "beam", "nucleus", "top_k" } },
  beam = { type = "integer", min = 1 },
  groups = { type = "integer", min = 1 },
  diversity = { type = "number", min = 0 },
  length_penalty = { type = "number", min = 0 },
  p = { type = "number", above = 0, max = 1 },
  k = { type = "integer", min = 1 },
  temperature = { type = "number", above = 0 },
  min = { type = "integer", min = 0 },
  max = { type = "integer", min = 1 },
  no_repeat = { type = "integer", min = 0 },
  repeat_words = "boolean",
  renormalize = "boolean",
  narrowing = "boolean",
}

local generation = {
  n = { type = "integer", min = 1 },
  unique = "boolean",
  task = "string",
  rng = "nightjar.Rng",
  mask = "tensor",
  batch = { type = "integer", min = 1 },
  progress = "function",
}
for key, rule in pairs(defaults) do generation[key] = rule end

local function decoder_of(d, vocabulary, memory_width, rng)
  local options = { frame_positions = true }
  for key, value in pairs(d.decoder) do options[key] = value end
  options.positions = options.positions or math.max(64, d.max)
  options.vocabulary, options.memory_width, options.rng = #vocabulary, memory_width, rng or nil
  return core.ac.decoder(options)
end

--- Makes a captioner with fresh weights.
---@param descriptor table `vocabulary` = {tokens}, as nj.text.train_wordpiece gives them;
---  `audio` = { front_end = {…}, encoder = {kind = …} } as in nj.model, or `memory_width`, the width
---  of the frames; `freeze_audio` (false): the encoder is not trained; `clip_frame` (false): the
---  encoder's clip vector stands in front of its frames, which are all that it gives, those of what
---  fills a sound up among them; `decoder` = options of nj.ac.decoder (frame_positions is true when
---  left out); `max` (30) tokens of a caption, its end among them; `smoothing` (0.1) of labels;
---  `words`: what a vocabulary of whole words needs, see captioner/words.lua; `generation`: options of
---  Captioner:caption that hold where a call has none; `name`, `provenance`
---@param options? table `rng`: the generator of the initial weights; false: they stay zero, since they
---  are about to be loaded
---@return table captioner
function captioner.new(descriptor, options)
  local o = opts.check("captioner", options, { rng = "nightjar.Rng|boolean" })
  local d = opts.check("captioner", descriptor, {
    vocabulary = { type = "table", required = true },
    audio = "table",
    memory_width = { type = "integer", min = 1 },
    freeze_audio = { type = "boolean", default = false },
    decoder = { type = "table", default = {} },
    max = { type = "integer", default = 30, min = 2 },
    smoothing = { type = "number", default = 0.1, min = 0, max = 1 },
    words = "table",
    clip_frame = { type = "boolean", default = false },
    generation = { type = "table", default = {} },
    name = { type = "string", default = "unnamed" },
    provenance = "table",
  })
  local rng = o.rng
  if rng == nil then rng = core.rng(1) end
  local tower = d.audio and towers.listener(d.audio, rng)
  local width = tower and tower.encoder:width() or d.memory_width
  if not width then
    error("captioner: option 'audio' or 'memory_width' is required", 2)
  end
  local self = setmetatable({
    name = d.name, provenance = d.provenance or {}, max = d.max, smoothing = d.smoothing,
    vocabulary = d.vocabulary, words = words.new(d.vocabulary, d.words), word_options = d.words,
    generation = opts.check("captioner: generation", d.generation, defaults),
    audio_tower = tower, freeze_audio = d.freeze_audio, clip_frame = d.clip_frame,
    decoder = decoder_of(d, d.vocabulary, width, rng),
  }, Captioner)
  self.tokenizer = self.words.tokenizer
  if tower and d.freeze_audio then tower.encoder:freeze() end
  return self
end

--- Makes a captioner of the checkpoint of another captioning system: CoNeTTE, ACT. See
--- captioner/checkpoint.lua.
---@param source string|table a path, or tensors by name
---@param options? table vocabulary, task, encoder, decoder, audio, front_end, partial, name
---@return table|nil captioner
---@return table|string report what became of every tensor; or a message
---@return string? code
function captioner.from_checkpoint(source, options)
  opts.arg("captioner.from_checkpoint", 1, "source", source, "string|table")
  if type(source) == "table" then opts.tensors("captioner.from_checkpoint: argument 1 (source)", source) end
  return checkpoint.load(source, captioner.new, options)
end

-- Whether a file is a captioner of others that nightjar knows, and no file of its own.
local function is_foreign(path)
  local info = core.store.info(path)
  if not info or tostring(info.metadata.format or ""):find "^nightjar" then return false end
  local found = families.recognise(info.entries)
  return found ~= nil and found.decoder ~= nil
end

--- Reads a captioner from its file, or one that comes with nightjar by its name. A checkpoint of
--- another captioning system is read as from_checkpoint does.
---@param path string
---@param options? table as from_checkpoint takes them: `vocabulary`, `task`, …
---@return table|nil captioner
---@return table|string? report of another's checkpoint; or a message
---@return string? code ENOTFOUND, EIO, EFORMAT (no captioner, or a broken one), …
function captioner.load(path, options)
  opts.arg("captioner.load", 1, "path", path, "string")
  if not path:find "[/.]" and not fs.kind(path) then
    local found, message, code = shipped.path(path)
    if not found then return nil, message, code end
    path = found
  end
  if options ~= nil or is_foreign(path) then
    return checkpoint.load(path, captioner.new, options)
  end
  return file.load(path, captioner.new)
end

--- What rebuilds the captioner without its weights and its vocabulary, which a file keeps beside it.
---@return table
function Captioner:descriptor()
  local decoder = self.decoder:descriptor()
  local d = {
    name = self.name, provenance = self.provenance, max = self.max, smoothing = self.smoothing,
    decoder = decoder, freeze_audio = self.freeze_audio, words = self.word_options,
    clip_frame = self.clip_frame or nil,
    generation = next(self.generation) and self.generation or nil,
  }
  if self.audio_tower then
    d.audio = self.audio_tower:descriptor()
  else
    d.memory_width = decoder.memory_width
  end
  return d
end

--- Writes the captioner to one safetensors file, whole or not at all.
---@param path string
---@param options? table `dtype`: "float16" halves the file, whose weights are then rounded; read back they
---  are float32 again. Default "float32"
---@return true|nil ok, string? message, string? code
function Captioner:save(path, options) return file.save(self, path, options) end

--- The networks with the prefixes of their parameters' names.
---@return {prefix: string, net: any}[]
function Captioner:parts()
  local list = { { prefix = "decoder.", net = self.decoder } }
  if self.audio_tower then
    table.insert(list, 1, { prefix = "audio.encoder.", net = self.audio_tower.encoder })
  end
  return list
end

-- Those that training changes.
local function trained(self)
  return (self.audio_tower and not self.freeze_audio) and self:parts()
    or { { prefix = "decoder.", net = self.decoder } }
end

--- Parameters to train, in a fixed order: { {name = …, tensor = …}, … }. Not those of a frozen encoder.
---@return table[]
function Captioner:parameters() return parts.parameters(trained(self)) end

--- Running statistics that training changes.
---@return table[]
function Captioner:buffers() return parts.buffers(trained(self)) end

--- Every tensor by name: parameters and running statistics (shared with the captioner, not copied).
---@return table<string, any>
function Captioner:state() return parts.state(self:parts()) end

--- Copies tensors into the captioner. Raises when one is missing or has another shape.
---@param state table<string, any>
---@return table self
function Captioner:load_state(state)
  parts.load(self:parts(), state, "captioner")
  return self
end

--- Copies the audio encoder's weights from a retrieval model with the same one.
---@param model table what nj.load gave
---@return table self
function Captioner:load_audio(model)
  if not self.audio_tower then error("captioner:load_audio: this captioner takes frames", 2) end
  parts.load({ { prefix = "", net = self.audio_tower.encoder } }, model.audio_tower.encoder:state(),
    "captioner:load_audio")
  return self
end

--- Training mode (dropout, and what the encoder does unless it is frozen), or with false inference
--- mode, in which a new captioner is.
---@param on? boolean (true)
---@return table self
function Captioner:train(on)
  parts.train(trained(self), on)
  return self
end

--- Inference mode.
---@return table self
function Captioner:eval() return self:train(false) end

-- ---------------------------------------------------------------------------------------------

--- Frames (B, N, C) and their mask of log-mels (B, T, M). Nothing is recorded of a frozen encoder.
---@param mel any (B, T, M)
---@param lengths? any int64 (B)
---@param rng? any for dropout and SpecAugment
---@return any frames, any mask or nil
function Captioner:listen(mel, lengths, rng)
  if not self.audio_tower then
    error("captioner: this captioner takes frames, not log-mels (no audio encoder)", 2)
  end
  local function encode()
    if self.clip_frame and self.audio_tower.filled then lengths = nil end
    local heard, mask, clip = self.audio_tower:features(mel, lengths, rng)
    if not self.clip_frame then return heard, mask end
    mask = mask and core.cat({ mask[{ {}, { 1, 1 } }]:ones_like(), mask }, 2)
    return core.cat({ clip:unsqueeze(2), heard }, 2), mask
  end
  if self.freeze_audio then return core.no_grad(encode) end
  return encode()
end

-- The token that begins a caption.
local function bos_of(self, task)
  if not task then return self.words.bos end
  local id = (self.words.tasks or {})[task]
  if id then return id end
  local names = {}
  for name in pairs(self.words.tasks or {}) do names[#names + 1] = name end
  table.sort(names)
  error(("captioner: no task is called '%s'; there are %s"):format(task,
    #names > 0 and table.concat(names, ", ") or "none"), 0)
end

-- ids of captions, from [CLS] to [SEP], padded; cut at the captioner's `max`.
local function encode_captions(self, captions, task)
  local ids = self.tokenizer:batch(captions, { max = self.max + 1 })
  if task then ids[{ {}, 1 }] = bos_of(self, task) end
  return ids
end

--- The loss of a batch, to be minimised: the mean over tokens of the cross-entropy against smoothed
--- labels.
---@param batch table `frames` (B, N, C) with `frame_mask` (B, N) or nil, or `mel` (B, T, M) with
---  `lengths` (B) or nil; and `captions`, B texts, or `ids`, int64 (B, W), as the captioner's
---  tokeniser makes them. What a loader gives with the captioner's front-end and tokeniser fits.
---@param options? table `rng`; `smoothing` and `dropout` (of the decoder) in place of the captioner's
---  own, for schedules; `task`: what begins the captions, of a captioner that has tasks
---@return any loss
function Captioner:loss(batch, options)
  local o = opts.check("captioner:loss", options, {
    rng = "nightjar.Rng",
    smoothing = { type = "number", default = self.smoothing, min = 0, max = 1 },
    dropout = { type = "number", min = 0, below = 1 },
    task = "string",
  })
  opts.arg("captioner:loss", 1, "batch", batch, "table")
  local frames, mask = batch.frames, batch.frame_mask
  if not frames then
    if not batch.mel then error("captioner:loss: the batch has neither frames nor mel", 2) end
    frames, mask = self:listen(batch.mel, batch.lengths, o.rng)
  end
  local ids = batch.ids
  if not ids then
    if not batch.captions then error("captioner:loss: the batch has neither captions nor ids", 2) end
    ids = encode_captions(self, batch.captions, o.task)
  end
  if ids.shape[2] > self.max + 1 then ids = ids[{ {}, { 1, self.max + 1 } }] end
  local logits = self.decoder(ids[{ {}, { 1, -2 } }], frames, mask,
    { rng = o.rng, dropout = o.dropout })
  return core.nn.cross_entropy(logits:reshape(-1, #self.vocabulary),
    ids[{ {}, { 2, -1 } }]:reshape(-1),
    { base = 0, ignore = self.words.pad, smoothing = o.smoothing })
end

-- ---------------------------------------------------------------------------------------------

-- What a call says, then what the captioner says, then this.
local usual = { method = "beam", n = 1, min = 1, repeat_words = true, unique = false, batch = 16 }

local function settings(self, options)
  local o = opts.check("captioner:caption", options, generation)
  local beam = o.beam
  for _, source in ipairs { self.generation, usual } do
    for key, value in pairs(source) do
      if o[key] == nil then o[key] = value end
    end
  end
  if not beam and o.beam then o.beam = math.max(o.beam, o.n) end
  return o
end

-- What decoder:generate takes.
local function generate_options(self, o)
  local bos = bos_of(self, o.task)
  local forbid = table.move(self.words.forbid, 1, #self.words.forbid, 2, { bos })
  local options = {
    bos = bos, eos = self.words.eos, forbid = forbid, max = o.max or self.max,
    once = not o.repeat_words and self.words.content or nil,
  }
  for _, key in ipairs { "method", "n", "beam", "groups", "diversity", "length_penalty", "p", "k",
    "temperature", "min", "no_repeat", "renormalize", "narrowing", "rng" } do
    options[key] = o[key]
  end
  if not o.unique or o.n == 1 then return options end
  options.n = 2 * o.n -- some will say the same
  if options.beam then options.beam = math.max(options.beam, options.n) end
  return options, o.n
end

--- The text of token ids: pieces joined, special tokens left out, no space before punctuation.
---@param ids integer[]
---@return string
function Captioner:text(ids)
  if self.words.text then return self.words.text(ids) end
  return self.tokenizer:decode(ids)
end

-- The first n captions of a list with texts that differ.
local function distinct(list, n)
  local seen, kept = {}, {}
  for _, caption in ipairs(list) do
    if not seen[caption.text] and #kept < n then
      seen[caption.text] = true
      kept[#kept + 1] = caption
    end
  end
  return kept
end

-- Captions of frames (B, N, C).
local function describe(self, frames, mask, options, unique)
  local clips = self.decoder:generate(frames, mask, options)
  for b, list in ipairs(clips) do
    for _, caption in ipairs(list) do caption.text = self:text(caption.ids) end
    if unique then clips[b] = distinct(list, unique) end
  end
  return clips
end

-- All that the encoder gives of a waveform: clip vector and frames of each tile.
local function heard_of(self, wave)
  local heard = {}
  for mel, own in tiles.of_wave(self.audio_tower, wave) do
    local lengths = core.tensor({ own }, { dtype = "int64" })
    heard[#heard + 1] = self:listen(mel:unsqueeze(1), lengths)[1]
  end
  return core.cat(heard, 1)
end

-- Frames (N, C) of a path or waveform, or nil, message, code.
local function frames_of(self, sound)
  local wave = sound
  if type(sound) == "string" then
    local message, code
    wave, message, code = core.audio.decode(sound, { rate = self.audio_tower.front_end.rate })
    if not wave then return nil, message, code end
  elseif opts.type_name(sound) ~= "nightjar.Tensor" or #sound.shape ~= 1 then
    error("captioner:caption: sounds are paths or waveforms (one dimension), got a "
      .. opts.type_name(sound), 0)
  end
  if wave.shape[1] == 0 then return nil, "the sound is empty", "EFORMAT" end
  local frames = self.clip_frame and heard_of(self, wave) or tiles.frames(self.audio_tower, wave)
  if not frames:isfinite():all() then
    return nil, "the sound holds values that are no numbers", "EFORMAT"
  end
  return frames
end

-- Frames of several lengths as one tensor (B, N, C) with its mask.
local function stack(list)
  local longest, lengths = 0, {}
  for i, frames in ipairs(list) do
    lengths[i] = frames.shape[1]
    longest = math.max(longest, lengths[i])
  end
  local padded = {}
  for i, frames in ipairs(list) do
    padded[i] = frames:pad { { 0, longest - lengths[i] }, { 0, 0 } }
  end
  local places = core.arange(1, longest, { dtype = "int64" }):reshape(1, -1)
  local ends = core.tensor(lengths, { dtype = "int64" }):reshape(-1, 1)
  return core.stack(padded, 1), places:le(ends)
end

local function caption_sounds(self, sounds, o, options, unique)
  local results, waiting, places = {}, {}, {}
  local function flush()
    if #waiting == 0 then return end
    local frames, mask = stack(waiting)
    for i, list in ipairs(describe(self, frames, mask, options, unique)) do results[places[i]] = list end
    waiting, places = {}, {}
  end
  for i, sound in ipairs(sounds) do
    local frames, message, code = frames_of(self, sound)
    if frames then
      waiting[#waiting + 1], places[#places + 1] = frames, i
    else
      results[i] = { error = message, code = code }
    end
    if #waiting == o.batch then flush() end
    if o.progress then o.progress(i, #sounds) end
  end
  flush()
  return results
end

--- Captions of sounds, the best of each first.
---@param input any frames (B, N, C) with option `mask` (B, N); or a path, a waveform (L) at the
---  front-end's rate, or a list of these, for a captioner with an audio encoder
---@param options? table `method` ("beam"), `n` (1) captions a sound, `beam`, `groups`, `diversity`,
---  `length_penalty`, `p`, `k`, `temperature`, `min` (1) and `max` tokens, `no_repeat`,
---  `renormalize`, `narrowing`, `rng` as in decoder:generate; `repeat_words` (true): false lets no word
---  come twice but articles, prepositions and the like; `task`: what begins the captions, of a
---  captioner that has tasks; `unique` (false): captions of a sound differ in their texts (sampling
---  draws some twice; there may be fewer than n); `batch` (16) sounds at a time, which changes no
---  result; `progress`: function(done, total). A captioner's `generation` comes before these defaults
---@return table[] for each sound a list of { text, logprob (the sum over tokens), mean (per token),
---  score, finished, ids }, or { error = message, code = … } for one that could not be read
function Captioner:caption(input, options)
  local o = settings(self, options)
  local generate, unique = generate_options(self, o)
  if opts.type_name(input) == "nightjar.Tensor" and #input.shape == 3 then
    return parts.infer(self:parts(), describe, self, input, o.mask, generate, unique)
  end
  if o.mask then error("captioner:caption: a mask goes with frames (B, N, C)", 2) end
  if not self.audio_tower then
    error("captioner:caption: this captioner has no audio encoder; give frames (B, N, C), not a "
      .. opts.type_name(input), 2)
  end
  if type(input) ~= "table" then input = { input } end
  return parts.infer(self:parts(), caption_sounds, self, input, o, generate, unique)
end

function Captioner:__tostring()
  return ("captioner %s: %s and %s, %d tokens"):format(self.name,
    self.audio_tower and tostring(self.audio_tower.encoder) or "frames", tostring(self.decoder),
    #self.vocabulary)
end

captioner.Captioner = Captioner
return setmetatable(captioner, { __call = function(_, ...) return captioner.new(...) end })
