--- A retrieval model: an audio tower and a text tower that end in one space, where the cosine of a
--- clip's and a sentence's vector is their similarity.
---
---     file ─ decode ─ log-mel ─ encoder ─ frames (B, N, C) ─ pool ─ clip (B, C) ─ projection
---     text ─ tokeniser ─ encoder ─ words (B, W, C) ─ sentence (B, C) ─ projection
---
--- A model is made from descriptors (`nj.model{…}`) or read from one file (`nj.load(path)`), which
--- holds weights, descriptors, vocabulary and calibration.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local towers = require "nightjar.model.towers"
local tiles = require "nightjar.model.tiles"
local similarity = require "nightjar.model.similarity"
local file = require "nightjar.model.file"
local shipped = require "nightjar.model.shipped"
local calibration = require "nightjar.model.calibration"

local Model = {}
Model.__index = Model
Model.__name = "nightjar.Model"

local model = {}

--- Makes a model with fresh weights.
---@param descriptor table `audio` = { front_end = {…}, encoder = {kind = "convnet", …} },
---  `text` = { vocabulary = {tokens}, encoder = {kind = "bert", …}, sentence = "cls"|"mean" },
---  `dim` (256) the shared space, `projection` ("mlp"), `temperature` (0.07), `name`, `provenance`
---@param options? table `rng`: the generator of the initial weights
---@return table model
function model.new(descriptor, options)
  local o = opts.check("model", options, { rng = "nightjar.Rng" })
  local d = opts.check("model", descriptor, {
    audio = { type = "table", required = true },
    text = { type = "table", required = true },
    dim = { type = "integer", default = 256, min = 1, max = 65536 },
    projection = { type = "string", default = "mlp", one_of = { "linear", "mlp", "gated" } },
    temperature = { type = "number", default = 0.07, above = 0 },
    name = { type = "string", default = "unnamed" },
    provenance = "table",
  })
  local rng = o.rng or core.rng(1)
  local self = {
    name = d.name,
    dim = d.dim,
    provenance = d.provenance or {},
    audio_tower = towers.audio(d.audio, d.dim, d.projection, rng),
    text_tower = towers.text(d.text, d.dim, d.projection, rng),
    -- The logarithm, so that training keeps the temperature positive.
    log_temperature = core.tensor(math.log(d.temperature)):requires_grad_(),
    projection = d.projection,
  }
  return setmetatable(self, Model)
end

--- Reads a model from its file, or one that comes with nightjar by its name ("nightjar-small").
---@param path string
---@return table|nil model
---@return string? message
---@return string? code ENOTFOUND, EIO, EFORMAT (no model, or a broken one), …
function model.load(path)
  opts.arg("load", 1, "path", path, "string")
  if not path:find "[/.]" and not fs.kind(path) then
    local found, message, code = shipped.path(path)
    if not found then return nil, message, code end
    path = found
  end
  return file.load(path, model.new)
end

--- What rebuilds the model without its weights.
---@return table
function Model:descriptor()
  return {
    name = self.name,
    dim = self.dim,
    projection = self.projection,
    temperature = math.exp(self.log_temperature:item()),
    audio = self.audio_tower:descriptor(),
    text = self.text_tower:descriptor(),
    provenance = self.provenance,
  }
end

--- Writes the model to one safetensors file, whole or not at all.
---@param path string
---@return true|nil ok, string? message, string? code
function Model:save(path) return file.save(self, path) end

--- Parameters to train, in a fixed order: { {name = …, tensor = …}, … }.
---@return table[]
function Model:parameters()
  local list = {}
  for _, part in ipairs(self:parts()) do
    for _, p in ipairs(part.net:parameters()) do
      list[#list + 1] = { name = part.prefix .. p.name, tensor = p.tensor }
    end
  end
  list[#list + 1] = { name = "log_temperature", tensor = self.log_temperature }
  return list
end

--- The networks with the prefixes of their parameters' names.
---@return {prefix: string, net: any}[]
function Model:parts()
  return {
    { prefix = "audio.encoder.", net = self.audio_tower.encoder },
    { prefix = "audio.projection.", net = self.audio_tower.projection },
    { prefix = "text.encoder.", net = self.text_tower.encoder },
    { prefix = "text.projection.", net = self.text_tower.projection },
  }
end

--- Every tensor by name: parameters and running statistics (shared with the model, not copied).
---@return table<string, any>
function Model:state()
  local state = { log_temperature = self.log_temperature }
  for _, part in ipairs(self:parts()) do
    for name, tensor in pairs(part.net:state()) do state[part.prefix .. name] = tensor end
  end
  return state
end

--- Copies tensors into the model. Raises when one is missing or has another shape.
---@param state table<string, any>
---@return table self
function Model:load_state(state)
  local problems = {}
  local function note(kind, names, prefix)
    for _, name in ipairs(names) do problems[#problems + 1] = kind .. " " .. prefix .. name end
  end
  for _, part in ipairs(self:parts()) do
    local report = part.net:load(state, part.prefix)
    note("missing", report.missing, part.prefix)
    note("mismatched", report.mismatched, part.prefix)
  end
  if not state.log_temperature then problems[#problems + 1] = "missing log_temperature" end
  if #problems > 0 then
    error("model: the weights do not fit: " .. table.concat(problems, "; ", 1,
      math.min(5, #problems))
      .. (#problems > 5 and (" and %d more"):format(#problems - 5) or ""), 2)
  end
  core.no_grad(function() self.log_temperature:copy_(state.log_temperature) end)
  return self
end

--- Running statistics, as parameters gives parameters.
---@return table[]
function Model:buffers()
  local list = {}
  for _, part in ipairs(self:parts()) do
    for _, b in ipairs(part.net:buffers()) do
      list[#list + 1] = { name = part.prefix .. b.name, tensor = b.tensor }
    end
  end
  return list
end

--- Training mode (dropout, SpecAugment, batch statistics), or with false inference mode, in which a
--- new model is.
---@param on? boolean (true)
---@return table self
function Model:train(on)
  for _, part in ipairs(self:parts()) do
    if on == false then part.net:eval() else part.net:train() end
  end
  return self
end

--- Inference mode.
---@return table self
function Model:eval() return self:train(false) end

--- For training: vectors of a batch of log-mels. Differentiable.
---@param mel any (B, T, M)
---@param lengths? any int64 (B)
---@param rng? any generator for dropout and SpecAugment
---@return any clip (B, D), unit length
function Model:encode_audio(mel, lengths, rng) return self.audio_tower:encode(mel, lengths, rng) end

--- For training: vectors of a batch of tokenised texts. Differentiable.
---@param ids any int64 (B, W)
---@param mask any (B, W)
---@param rng? any
---@return any sentence (B, D), unit length
function Model:encode_text(ids, mask, rng) return self.text_tower:encode(ids, mask, rng) end

-- Runs f(…) without recording gradients and with the networks in inference mode, in which the same
-- input always gives the same bits; training goes on as it was.
local function infer(self, f, ...)
  local training = {}
  for i, part in ipairs(self:parts()) do
    training[i] = part.net:is_training()
    part.net:eval()
  end
  local result = table.pack(pcall(core.no_grad, f, ...))
  for i, part in ipairs(self:parts()) do
    if training[i] then part.net:train() end
  end
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

--- Vectors of sounds. Long ones are tiled; the same sound gives the same bits whatever stands
--- beside it.
---@param sounds (string|any)[] paths, or waveforms (L) at the model's rate
---@param options? table `progress`: function(done, total), called after every sound
---@return table[] clips { vector = (D), segments = (S, D), times = {{from, to}, …}, seconds } or
---  { error = message, code = … } for a sound that could not be read, in the order given
function Model:audio(sounds, options)
  local o = opts.check("model:audio", options, { progress = "function" })
  if type(sounds) ~= "table" then sounds = { sounds } end
  local clips = {}
  for i, sound in ipairs(sounds) do
    clips[i] = infer(self, tiles.encode, self.audio_tower, sound)
    if o.progress then o.progress(i, #sounds) end
  end
  return clips
end

--- Vectors of texts, (n, D), of unit length. Each is computed by itself: batching changes no bit.
---@param texts string|string[]
---@return any
function Model:text(texts)
  if type(texts) == "string" then texts = { texts } end
  opts.arg("model:text", 1, "texts", texts, "table")
  return infer(self, self.text_tower.vectors, self.text_tower, texts)
end

--- Words of a text that the model's training never showed: it can only guess at them.
---@param text string
---@return string[]
function Model:unknown_words(text) return self.text_tower:unknown_words(text) end

--- The similarity of texts and sounds, as an object that prints, slices and saves.
---@param texts string[]
---@param clips (string|any)[]|table[] sounds as for Model:audio, or what it gave
---@return any similarity
function Model:similarity(texts, clips)
  local labels, vectors = {}, {}
  if #clips > 0 and not (type(clips[1]) == "table" and clips[1].vector) then
    labels = clips
    clips = self:audio(clips)
  end
  for i, clip in ipairs(clips) do
    if clip.error then error("similarity: " .. clip.error, 2) end
    vectors[i] = clip.vector
    labels[i] = labels[i] or clip.label or clip.path or ("clip %d"):format(i)
  end
  local scores = #clips > 0 and self:text(texts):matmul(core.stack(vectors, 1):transpose(1, 2))
    or core.zeros(#texts, 0)
  return similarity.new(scores, texts, labels)
end

--- The probability that a sound is what a query asks for; see calibration.lua.
---@param query any (D)
---@param cosines any (n) similarities of the query with n sounds
---@return any (n) values in [0, 1], or nil for a model without calibration
function Model:probabilities(query, cosines)
  if not self.calibration then return nil end
  return calibration.apply(self.calibration, query, cosines)
end

function Model:__tostring()
  return ("%s: %s and %s into %d dimensions"):format(self.name, tostring(self.audio_tower.encoder),
    tostring(self.text_tower.encoder), self.dim)
end

model.Model = Model
return setmetatable(model, { __call = function(_, ...) return model.new(...) end })
