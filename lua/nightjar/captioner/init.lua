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
local generation = require "nightjar.captioner.generation"
local opts = require "nightjar.opts"
local networks = require "nightjar.networks"
local shipped = require "nightjar.model.shipped"
local towers = require "nightjar.model.towers"
local words = require "nightjar.captioner.words"

local Captioner = {}
Captioner.__index = Captioner
Captioner.__name = "nightjar.Captioner"

local captioner = {}

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
    generation = opts.check("captioner: generation", d.generation, generation.DEFAULTS),
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
function Captioner:parameters() return networks.parameters(trained(self)) end

--- Running statistics that training changes.
---@return table[]
function Captioner:buffers() return networks.buffers(trained(self)) end

--- Every tensor by name: parameters and running statistics (shared with the captioner, not copied).
---@return table<string, any>
function Captioner:state() return networks.state(self:parts()) end

--- Copies tensors into the captioner. Raises when one is missing or has another shape.
---@param state table<string, any>
---@return table self
function Captioner:load_state(state)
  networks.load(self:parts(), state, "captioner")
  return self
end

--- Copies the audio encoder's weights from a retrieval model with the same one.
---@param model table what nj.load gave
---@return table self
function Captioner:load_audio(model)
  if not self.audio_tower then error("captioner:load_audio: this captioner takes frames", 2) end
  networks.load({ { prefix = "", net = self.audio_tower.encoder } }, model.audio_tower.encoder:state(),
    "captioner:load_audio")
  return self
end

--- Training mode (dropout, and what the encoder does unless it is frozen), or with false inference
--- mode, in which a new captioner is.
---@param on? boolean (true)
---@return table self
function Captioner:train(on)
  networks.train(trained(self), on)
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

-- ids of captions, from [CLS] to [SEP], padded; cut at the captioner's `max`.
local function encode_captions(self, captions, task)
  local ids = self.tokenizer:batch(captions, { max = self.max + 1 })
  if task then ids[{ {}, 1 }] = words.begins(self.words, task) end
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

function Captioner:__tostring()
  return ("captioner %s: %s and %s, %d tokens"):format(self.name,
    self.audio_tower and tostring(self.audio_tower.encoder) or "frames", tostring(self.decoder),
    #self.vocabulary)
end

for name, method in pairs(generation.methods) do Captioner[name] = method end

captioner.Captioner = Captioner
return setmetatable(captioner, { __call = function(_, ...) return captioner.new(...) end })
