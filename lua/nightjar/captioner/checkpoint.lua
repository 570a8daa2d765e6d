--- nightjar captioners out of the checkpoints of other captioning systems.
---
---     local captioner, report = assert(nj.captioner.load("model.safetensors", { vocabulary = "config.json" }))
---     assert(captioner:save "captioner.safetensors")
---
--- The family is told by the names of the tensors (nj.families), sizes by their shapes, and all that
--- neither tells comes with the family (systems.lua), or from the settings beside the vocabulary.
local accounts = require "nightjar.model.checkpoint.account"
local core = require "nightjar.core"
local families = require "nightjar.families"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local sizes = require "nightjar.model.checkpoint.sizes"
local systems = require "nightjar.captioner.systems"
local vocabularies = require "nightjar.captioner.vocabulary"
local weights = require "nightjar.encoders.checkpoint"
local wrappers = require "nightjar.encoders.wrappers"

local checkpoint = {}

local function with(...)
  local out = {}
  for _, source in ipairs { ... } do
    for key, value in pairs(source) do out[key] = value end
  end
  return out
end

local function recognise(tensors)
  local found = families.recognise(families.entries(tensors))
  if not found then
    return nil, "these are weights, but neither a nightjar captioner nor a captioner of a known family"
  elseif not found.decoder then
    return nil, ("this is %s, no captioner; %s reads it"):format(found.title,
      found.audio and "nj.load" or "nj.encoders.from")
  end
  return found, systems[found.family]
end

-- ---- words ----

-- Tokens and settings: of the caller's file or list, or of the checkpoint itself.
local function words_of(found, o, metadata)
  local given = o.vocabulary
  if type(given) == "table" then return given, {} end
  if given then
    local tokens, settings, code = vocabularies.read(given)
    if not tokens then return nil, settings, code end
    return tokens, settings
  end
  local tokens = vocabularies.of_metadata(metadata)
  if tokens then return tokens, {} end
  return nil, ("this is %s; its words are in a file of their own: nj.captioner.load(path, { vocabulary = "
    .. "'config.json' }), or one token a line"):format(found.title), "EARG"
end

-- A setting by the name of its authors: in the file beside the vocabulary, or in the checkpoint of
-- Lightning.
local function setting(name, settings, metadata)
  local value = settings[name]
  if value == nil then value = metadata["hyper_parameters/" .. name] end
  return type(value) == "number" and value or nil
end

-- The entries of a tensor of at most n of them, or nil.
local function integers(tensor, n)
  if not tensor or tensor:numel() > n then return nil end
  return tensor:reshape(-1):to("int64"):totable()
end

-- Tokens of tasks come behind those that were learnt of captions, and may not be in their list yet.
local function add_tasks(tokens, size, ids, names)
  local all = table.move(tokens, 1, #tokens, 1, {})
  for i, id in ipairs(ids or {}) do
    if id >= #tokens and id < size and type(names[i]) == "string" then
      all[id + 1] = ("<bos_%s>"):format(names[i])
    end
  end
  return all
end

-- What nj.captioner takes as `words`, out of the tokens and what tensors say of them; the task that
-- begins captions by itself.
local function word_options(own, tokens, ids, once)
  local options = { bos = own.bos, eos = own.eos, pad = own.pad, unk = own.unk, forbid = {} }
  local first
  for i, token in ipairs(tokens) do
    local task = own.task and token:match(own.task)
    if task then
      options.tasks = options.tasks or {}
      options.tasks[task] = token
      if ids and ids[1] == i - 1 then first = task end
    end
  end
  if once then
    options.repeatable = {}
    for i, flag in ipairs(once) do
      if flag == 0 then table.insert(options.repeatable, tokens[i]) end
    end
  end
  return options, first
end

-- ---- the captioner ----

local function describe(found, own, tensors, metadata, o)
  local at = found.decoder.prefix
  for _, name in pairs(own.sizes) do
    local tensor = tensors[at .. name]
    if not tensor or #tensor.shape ~= 2 then
      return nil, ("this is %s, but '%s' is missing or no matrix"):format(found.title, at .. name)
    end
  end
  local function size(name, k) return tensors[at .. name].shape[k] end
  local tokens, settings, code = words_of(found, o, metadata)
  if not tokens then return nil, settings, code end
  local function number(name)
    return own.settings[name] and setting(own.settings[name], settings, metadata)
  end
  local function listed(name)
    return name and integers(tensors[at .. name], found.decoder.vocabulary)
  end
  local ids, once = listed(own.words.tasks), listed(own.words.once)
  if once and #once < found.decoder.vocabulary then once = nil end
  local names = type(settings.task_names) == "table" and settings.task_names or own.tasks
  tokens = add_tasks(tokens, found.decoder.vocabulary, ids, names)
  if #tokens ~= found.decoder.vocabulary then
    return nil, ("this is %s with %d words, but the vocabulary has %d tokens"):format(found.title,
      found.decoder.vocabulary, #tokens)
  end
  local words, task = word_options(own.words, tokens, ids, once)
  task = o.task or task
  if task and not (words.tasks or {})[task] then
    return nil, ("this is %s, which has no task called '%s'"):format(found.title, task), "EARG"
  end
  words.task = task
  return {
    vocabulary = tokens, words = words, name = o.name,
    max = number "max" or own.max, smoothing = number "smoothing" or own.smoothing,
    generation = with(own.generation, { beam = number "beam", min = number "min",
      repeat_words = not once }),
    decoder = with(own.decoder, { width = found.decoder.width, layers = found.decoder.layers,
      feed_forward = size(own.sizes.inner, 1), heads = number "heads" }, o.decoder or {}),
    memory_width = size(own.sizes.memory, 2),
    provenance = { family = found.family, title = found.title },
  }, { once = once and at .. own.words.once, ids = ids and at .. own.words.tasks }
end

-- The audio part: the checkpoint's, or the network of the caller.
local function add_audio(descriptor, found, own, tensors, o)
  local net = o.encoder
  if found.audio and not net then
    local made, message = sizes.encoder(found, found.audio, own.audio or {}, o.audio, tensors, o.rng)
    if not made then return nil, message end
    net = made
  end
  if not net then return descriptor end
  if net:width() ~= descriptor.memory_width then
    return nil, ("this is %s, whose decoder takes frames of width %d, but the encoder gives %d"):format(
      found.title, descriptor.memory_width, net:width())
  end
  descriptor.memory_width = nil
  descriptor.audio = { encoder = net,
    front_end = with(own.front_end, o.front_end or {}) }
  descriptor.clip_frame = own.clip_frame
  return descriptor
end

local function fill(captioner, tensors, found, own, taken, given)
  local account = accounts.new(tensors, found)
  if found.audio and not given then
    account:network(captioner.audio_tower.encoder, found.audio.prefix)
  end
  account:network(captioner.decoder, found.decoder.prefix, own.names)
  for _, name in pairs(taken) do account:take(name) end
  return account:report(own.skipped)
end

local function build(source, tensors, metadata, make, o)
  tensors = wrappers.tensors(tensors)
  local found, own = recognise(tensors)
  if not found then return nil, own end
  local descriptor, taken, code = describe(found, own, tensors, metadata, o)
  if not descriptor then return nil, taken, code end
  local message
  descriptor, message = add_audio(descriptor, found, own, tensors, o)
  if not descriptor then return nil, message end
  local ok, captioner = pcall(make, descriptor, { rng = o.rng })
  if not ok then
    local what = tostring(captioner):gsub("^[^:]+:%d+: ", "")
    return nil, ("this is %s, but %s"):format(found.title, what)
  end
  local report = fill(captioner, tensors, found, own, taken, o.encoder)
  local problem = not o.partial and weights.problem(report)
  if problem then
    return nil, ("this is %s, but its weights do not fit: %s"):format(found.title, problem)
  end
  captioner.path = type(source) == "string" and source or nil
  return captioner, report
end

--- Makes a captioner of a checkpoint of another captioning system.
---@param source string|table a path, or tensors by name
---@param make fun(descriptor: table, options: table): table nj.captioner
---@param options? table `vocabulary`: a path (one token a line, or JSON) or the tokens; of Lightning's
---  checkpoints it may be left out; `task`: what begins captions where a call does not say;
---  `encoder`: an audio encoder, for a checkpoint that has none, which takes frames otherwise; `audio`,
---  `decoder`, `front_end`: options that replace what was found; `partial` (false): tensors may be
---  missing or have other shapes; `name`
---@return table|nil captioner
---@return table|string report { family, title, prefix, used = {names}, skipped = {{ name, why }},
---  missing = {names}, mismatched = {…} }; or a message
---@return string? code ENOTFOUND, EFORMAT, EARG (no vocabulary given), …
function checkpoint.load(source, make, options)
  local o = opts.check("captioner.load", options, {
    vocabulary = "string|table", task = "string", encoder = "nightjar.Encoder", audio = "table",
    decoder = "table", front_end = "table", partial = { type = "boolean", default = false },
    name = "string",
  })
  o.rng = o.partial and core.rng(1) or false -- nothing drawn would stay
  local tensors, metadata, path = source, {}, ""
  if type(source) == "string" then
    path = source .. ": "
    o.name = o.name or fs.stem(source)
    local file, message, code = core.store.load(source)
    if not file then return nil, message, code end
    tensors, metadata = file.tensors, file.metadata
  end
  local captioner, report, code = build(source, tensors, metadata, make, o)
  if not captioner then return nil, path .. report, code or "EFORMAT" end
  return captioner, report
end

return checkpoint
