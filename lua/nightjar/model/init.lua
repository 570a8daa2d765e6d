--- A retrieval model: an audio tower and a text tower that end in one space, where the cosine of a
--- clip's and a sentence's vector is their similarity.
---
---     file ─ decode ─ log-mel ─ encoder ─ frames (B, N, C) ─ pool ─ clip (B, C) ─ projection
---     text ─ tokeniser ─ encoder ─ words (B, W, C) ─ sentence (B, C) ─ projection
---
--- What lies behind the encoders is its head (nj.head), which with `hci` and `ac` compares frames
--- with words and segments with phrases, too, and lets captions of the sounds take part.
---
--- A model is made from descriptors (`nj.model{…}`) or read from one file (`nj.load(path)`), which
--- holds weights, descriptors, vocabulary and calibration.
local content = require "nightjar.model.content"
local core = require "nightjar.core"
local encode = require "nightjar.model.encode"
local families = require "nightjar.families"
local fs = require "nightjar.fs"
local head = require "nightjar.head"
local opts = require "nightjar.opts"
local networks = require "nightjar.networks"
local towers = require "nightjar.model.towers"
local rows = require "nightjar.model.rows"
local texts_of = require "nightjar.model.texts"
local vectors = require "nightjar.model.vectors"
local file = require "nightjar.model.file"
local shipped = require "nightjar.model.shipped"
local calibration = require "nightjar.model.calibration"
local classifier = require "nightjar.model.classifier"
local checkpoint = require "nightjar.model.checkpoint"

local Model = {}
Model.__index = Model
Model.__name = "nightjar.Model"

local model = {}

-- The form of `projection`: itself, or in a table with `hidden` and `dropout`.
local function projection_form(given)
  local p = opts.check("model: projection", type(given) == "table" and given or { form = given }, {
    form = { type = "string|table", default = "mlp" },
    hidden = "integer|table",
    dropout = { type = "number", min = 0, below = 1 },
  })
  local form = { type = "string", default = "mlp", one_of = { "linear", "mlp", "gated", "norm_mlp" } }
  local size = { type = "integer", min = 1 }
  local by_side = type(p.form) == "table" and p.form or { audio = p.form, text = p.form }
  by_side = opts.check("model: projection.form", by_side, { audio = form, text = form })
  if type(p.hidden) == "table" then
    opts.check("model: projection.hidden", p.hidden, { audio = size, text = size })
  else
    opts.check("model: projection", { hidden = p.hidden }, { hidden = size })
  end
  return by_side.audio
end

-- What a classifier of the model takes for its own; see classifier.lua.
local function classification_form(given)
  if given == nil then return nil end
  return opts.check("model: option 'classification'", given,
    { temperature = { type = "number", required = true, above = 0 } })
end

--- Makes a model with fresh weights.
---@param descriptor table `audio` = { front_end = {…}, encoder = {kind = "convnet", …} },
---  `text` = { vocabulary = {tokens}, merges = {…} of byte-level BPE, encoder = {kind = "bert", …},
---  sentence = "mean"|"cls"|"pooler"|"last" } (see towers.lua), `dim` (256) the shared space,
---  `projection` ("mlp", "linear", "gated", "norm_mlp", or that as `form` with `dropout` and
---  `hidden`, a width or { audio = , text = }),
---  `temperature` (0.07), `hci`, `ac` and `fusion` as nj.head takes them, `classification` =
---  { temperature = … } of classifiers, `name`, `provenance`
---@param options? table `rng`: the generator of the initial weights; false: they stay zero, since they
---  are about to be loaded
---@return table model
function model.new(descriptor, options)
  local o = opts.check("model", options, { rng = "nightjar.Rng|boolean" })
  local d = opts.check("model", descriptor, {
    audio = { type = "table", required = true },
    text = { type = "table", required = true },
    dim = { type = "integer", default = 256, min = 1, max = 65536 },
    projection = { type = "string|table", default = "mlp" },
    temperature = { type = "number", default = 0.07, above = 0 },
    hci = "table",
    ac = "table",
    fusion = "table",
    classification = "table",
    name = { type = "string", default = "unnamed" },
    provenance = "table",
  })
  local form = projection_form(d.projection)
  local rng = o.rng
  if rng == nil then rng = core.rng(1) end
  local self = {
    name = d.name,
    dim = d.dim,
    provenance = d.provenance or {},
    audio_tower = towers.audio(d.audio, d.dim, d.projection, rng),
    text_tower = towers.text(d.text, d.dim, d.projection, rng),
    projection = d.projection,
    classification = classification_form(d.classification),
  }
  self.head = head.new {
    audio_width = self.audio_tower.width, text_width = self.text_tower.width, dim = d.dim,
    frame_width = self.audio_tower.frame_width,
    projection = form, temperature = d.temperature, hci = d.hci, ac = d.ac,
    fusion = d.fusion, frame_gain = self.audio_tower.frame_gain, rng = rng,
    projections = { audio = self.audio_tower.projection, text = self.text_tower.projection },
  }
  self.log_temperature = self.head.scalar.log_temperature
  if self.audio_tower.tagger then
    self.head:set_tags(function() return texts_of.names(self.text_tower, self.audio_tower.tagger.names) end)
  end
  return setmetatable(self, Model)
end

--- Makes a model of the checkpoint of another retrieval system: WavCaps, MGA-CLAP, audio-text_retrieval,
--- LAION-CLAP, Hugging Face's ClapModel, MS-CLAP. See model/checkpoint/init.lua.
---@param source string|table a path, or tensors by name
---@param options? table vocabulary, merges, partial, audio, text, front_end, name
---@return table|nil model
---@return table|string report what became of every tensor; or a message
---@return string? code
function model.from_checkpoint(source, options)
  opts.arg("model.from_checkpoint", 1, "source", source, "string|table")
  if type(source) == "table" then opts.tensors("model.from_checkpoint: argument 1 (source)", source) end
  return checkpoint.load(source, model.new, options)
end

-- Whether a file is a whole model of others that nightjar knows, and no file of its own.
local function is_foreign(path)
  local info = core.store.info(path)
  if not info or tostring(info.metadata.format or ""):find "^nightjar" then return false end
  local found = families.recognise(info.entries)
  return found ~= nil and (found.audio or found.decoder) ~= nil
end

--- Reads a model from its file, or one that comes with nightjar by its name ("nightjar-base"). A
--- checkpoint of another retrieval system is read as from_checkpoint does.
---@param path string
---@param options? table as from_checkpoint takes them: `vocabulary`, …
---@return table|nil model
---@return table|string? report of another's checkpoint; or a message
---@return string? code ENOTFOUND, EIO, EFORMAT (no model, or a broken one), …
function model.load(path, options)
  opts.arg("load", 1, "path", path, "string")
  if not path:find "[/.]" and not fs.kind(path) then
    local found, message, code = shipped.path(path)
    if not found then return nil, message, code end
    path = found
  end
  if options ~= nil or is_foreign(path) then return checkpoint.load(path, model.new, options) end
  return file.load(path, model.new)
end

--- What rebuilds the model without its weights.
---@return table
function Model:descriptor()
  local behind = self.head:descriptor()
  return {
    name = self.name,
    dim = self.dim,
    projection = self.projection,
    temperature = math.exp(self.log_temperature:item()),
    audio = self.audio_tower:descriptor(),
    text = self.text_tower:descriptor(),
    hci = behind.hci,
    ac = behind.ac,
    fusion = behind.fusion,
    classification = self.classification,
    provenance = self.provenance,
  }
end

--- Writes the model to one safetensors file, whole or not at all.
---@param path string
---@param options? table `dtype`: "float16" halves the file, whose weights are then rounded; read back they
---  are float32 again. Default "float32"
---@return true|nil ok, string? message, string? code
function Model:save(path, options) return file.save(self, path, options) end

--- Writes the vectors of sounds to a file for other programs, as they are computed: .npy, .safetensors
--- (tensor "vectors"), .csv or .jsonl. A matrix has a table of its rows' sounds beside it,
--- NAME.sounds.csv. Cosines with model:text are sums of products, since vectors have unit length. The
--- file is there whole or not at all.
---@param path string
---@param sounds (string|any)[]|fun(): (string|any)? as model:stream takes them
---@param options? table `segments` (false): a row for each window of about two seconds; and
---  model:stream's options
---@return table|nil report { rows, dim, sounds, seconds, failed = { {path, error, code}, … }, names =
---  path of the table }
---@return string? message
---@return string? code
function Model:save_vectors(path, sounds, options)
  return vectors.save(self, path, sounds, options)
end

--- Parameters to train, in a fixed order: { {name = …, tensor = …}, … }.
---@return table[]
function Model:parameters()
  local list = networks.parameters(self:parts())
  for _, scalar in ipairs(self.head.scalars) do
    if not scalar.fixed then list[#list + 1] = { name = scalar.name, tensor = scalar.tensor } end
  end
  return list
end

--- The networks with the prefixes of their parameters' names.
---@return {prefix: string, net: any}[]
function Model:parts()
  local list = {
    { prefix = "audio.encoder.", net = self.audio_tower.encoder },
    { prefix = "text.encoder.", net = self.text_tower.encoder },
  }
  for _, part in ipairs(self.head:parts()) do
    -- Where it always stood: checkpoints list parameters in this order.
    local place = part.prefix == "audio.projection." and 2 or #list + 1
    table.insert(list, place, part)
  end
  return list
end

--- Every tensor by name: parameters and running statistics (shared with the model, not copied).
---@return table<string, any>
function Model:state()
  local state = networks.state(self:parts())
  for _, scalar in ipairs(self.head.scalars) do state[scalar.name] = scalar.tensor end
  return state
end

--- Copies tensors into the model. Raises when one is missing or has another shape.
---@param state table<string, any>
---@param options? table `missing`: "keep" leaves what the state lacks as it is (a model with levels
---  or captions that begins with the weights of one without); "raise" when left out
---@return table self
function Model:load_state(state, options)
  local o = opts.check("model:load_state", options,
    { missing = { type = "string", default = "raise", one_of = { "raise", "keep" } } })
  if o.missing == "keep" then
    local whole = self:state()
    for name, tensor in pairs(state) do
      if whole[name] then whole[name] = tensor end
    end
    state = whole
  end
  local scalars = self.head:missing_scalars(state)
  networks.load(self:parts(), state, "model")
  if #scalars > 0 then
    error("model: the weights do not fit: missing " .. table.concat(scalars, "; missing "), 2)
  end
  self.head:load_scalars(state)
  return self
end

--- Parameters whose names begin so need no gradients any more: the audio encoder's, say, while a
--- second stage trains what captions do.
---@param prefix string "audio.encoder."
---@return integer how many
function Model:freeze(prefix)
  opts.arg("model:freeze", 1, "prefix", prefix, "string")
  local count = 0
  for _, p in ipairs(self:parameters()) do
    if p.name:sub(1, #prefix) == prefix then
      p.tensor:requires_grad_(false)
      count = count + 1
    end
  end
  if count == 0 then error(("model:freeze: no parameter begins with '%s'"):format(prefix), 2) end
  return count
end

--- Running statistics, as parameters gives parameters.
---@return table[]
function Model:buffers() return networks.buffers(self:parts()) end

--- Training mode (dropout, SpecAugment, batch statistics), or with false inference mode, in which a
--- new model is.
---@param on? boolean (true)
---@return table self
function Model:train(on)
  networks.train(self:parts(), on)
  self.head.training = on ~= false
  self.head.tag_vectors = nil -- the text encoder's weights may be others now
  return self
end

--- Inference mode.
---@return table self
function Model:eval() return self:train(false) end

--- Words of a text that the model's training never showed: it can only guess at them.
---@param text string
---@return string[]
function Model:unknown_words(text) return self.text_tower:unknown_words(text) end

--- What a model knows of a text. Words of grammar ("the", "while") are neither known nor content: they name
--- no sound.
---@param text string
---@return string[] known content words that the vocabulary has, each once, in the order of the text
---@return string[] unknown as model:unknown_words gives them
function Model:known_words(text)
  opts.arg("model:known_words", 1, "text", text, "string")
  local unknown, new, known, seen = self:unknown_words(text), {}, {}, {}
  for _, word in ipairs(unknown) do new[word] = true end
  for _, word in ipairs(self.text_tower:words(text, true)) do
    if content.names(word.text) and not new[word.text] and not seen[word.text] then
      seen[word.text] = true
      known[#known + 1] = word.text
    end
  end
  return known, unknown
end

--- The probability that a sound is what a query asks for; see calibration.lua.
---@param query any (D); where the model matches queries with tags, one of Model:encode_texts or a list of them
---@param values any (n) what `model.calibration.of` names: the query's cosines with n sounds, or the
---  fused similarities
---@return any (n) values in [0, 1], or nil for a model without calibration
function Model:probabilities(query, values)
  if not self.calibration then return nil end
  if not rows.tagged(self) then return calibration.apply(self.calibration, query, values) end
  local background, scale, known = rows.background(self, query)
  return calibration.apply(self.calibration, nil, values / scale, background, known)
end

--- Labels to tell sounds apart by, encoded once; see classifier.lua.
---@param labels (string|string[])[]|table<string, string|string[]> names, which the templates make
---  into prompts ("_" is read as a space); or prompts of their own by name; or both in one table
---@param options? table
---  templates    what is asked for a label: a string with {} where the label goes, a list of these,
---               or a function(label) that gives one or several prompts; see prompts.lua
---  ensemble     of several prompts: "vectors" (default) or "scores", see classifier.lua
---  temperature  of the softmax; default: that of model.classification, else what the levels'
---               losses learnt
---  multi_label  true: every label is judged by itself, by the model's calibration
---  bias         instead of a calibration: the similarity at which a label is as likely as not
---  weights      of the levels, as similarity:fuse takes them; default: the model's
---@return table classifier with classify, similarity, labels, prompts, vectors (labels, D)
function Model:classifier(labels, options) return classifier.new(self, labels, options) end

--- Says which labels sounds have: a classifier that is used once.
---@param sounds string|any|(string|any)[] paths, waveforms (L) at the model's rate, or what
---  Model:audio gave; one of them, or a list
---@param labels table as for Model:classifier
---@param options? table those of Model:classifier and, as for classifier:classify, `top`,
---  `progress`, `captions`
---@return table predictions one for each sound, in a list
function Model:classify(sounds, labels, options)
  return classifier.classify(self, sounds, labels, options)
end

function Model:__tostring()
  return ("%s: %s and %s into %d dimensions"):format(self.name, tostring(self.audio_tower.encoder),
    tostring(self.text_tower.encoder), self.dim)
end

for name, method in pairs(encode) do Model[name] = method end

model.Model = Model
return setmetatable(model, { __call = function(_, ...) return model.new(...) end })
