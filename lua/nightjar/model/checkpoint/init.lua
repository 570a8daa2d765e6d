--- nightjar models out of the checkpoints of other retrieval systems.
---
---     local model, report = assert(nj.load("HTSAT-BERT-FT-Clotho.pt", { vocabulary = "vocab.txt" }))
---     assert(model:save "clotho.safetensors")
---
--- The family is told by the names of the tensors (nj.families), sizes by their shapes, and all that
--- neither tells comes with the family (systems.lua). Vocabularies are not in checkpoints: they are
--- files of their own, vocab.txt for WordPiece, vocab.json and merges.txt for byte-level BPE.
local banks = require "nightjar.model.checkpoint.bank"
local core = require "nightjar.core"
local accounts = require "nightjar.model.checkpoint.account"
local families = require "nightjar.families"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local sizes = require "nightjar.model.checkpoint.sizes"
local systems = require "nightjar.model.checkpoint.systems"
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

-- ---- what the file is ----

--- The family of tensors and its table, or nil and what is wrong.
local function recognise(tensors)
  local found = families.recognise(families.entries(tensors))
  if not found then
    return nil, "these are weights, but neither a nightjar model nor a retrieval model of a known family"
  end
  if found.decoder then
    return nil, ("this is %s, a captioner; nj.captioner.load reads it"):format(found.title)
  end
  if not found.audio then
    return nil, ("this is %s, an encoder by itself; nj.encoders.from reads it"):format(found.title)
  end
  local system = systems[found.family]
  local audio = system and system.audio[found.audio.kind]
  local text = system and system.text[found.text.kind]
  if not audio or not text then
    return nil, ("this is %s, whose way from encoders to similarity is not there yet"):format(found.title)
  end
  if audio.only and found.audio.title ~= audio.only then
    return nil, ("this is %s, whose authors' code has no frames of a %s to compare with words"):format(
      found.title, found.audio.title)
  end
  local fusion = found.audio.details.fusion
  if fusion and not (fusion == "aff_2d" and audio.fused) then
    return nil, ("this is %s; of ways to fuse several views of a long sound there is aff_2d, which the "
      .. "published checkpoints have, and not this one's %s"):format(found.title, fusion)
  end
  return found, { system = system, audio = audio, text = text }
end

-- ---- vocabularies ----

local function tokenizer_of(found, o)
  local bpe = found.text.title ~= "BERT"
  local wanted = bpe and "{ vocabulary = 'vocab.json', merges = 'merges.txt' }"
    or "{ vocabulary = 'vocab.txt' }"
  if not o.vocabulary or bpe and not o.merges then
    return nil, ("this is %s; its words are in files of their own: nj.load(path, %s)"):format(
      found.title, wanted), "EARG"
  end
  if not bpe and o.merges then
    return nil, ("this is %s, whose words are WordPiece: there are no merges"):format(found.title),
      "EARG"
  end
  if bpe then return core.text.bpe(o.vocabulary, o.merges) end
  return core.text.wordpiece(o.vocabulary)
end

-- ---- the model ----

-- The last and the first matrix of a projection.
local MATRICES = { gated = { "linear1.weight" }, mlp = { "2.weight", "0.weight" },
  norm_mlp = { "4.weight", "1.weight" } }

-- The widths of a projection's result and, of an mlp, of its hidden layer.
local function widths_of(tensors, prefix, system)
  local names = system.heads.names and { "linear2.weight", "linear1.weight" }
    or MATRICES[system.projection.form]
  local last, first = tensors[prefix .. names[1]], tensors[prefix .. (names[2] or names[1])]
  if not last or #last.shape ~= 2 or not first or #first.shape ~= 2 then
    return nil, ("'%s%s' is missing or no matrix"):format(prefix, names[1])
  end
  return last.shape[1], system.projection.form ~= "gated" and first.shape[1] or nil
end

-- Options of nj.head: those of the family, with the number of codes.
local function hci_of(tensors, prefix, system, dim)
  if not system.codebook then return system.hci end
  local name = prefix .. system.codebook.name
  local shape = tensors[name].shape
  if #shape ~= 2 or shape[1] == 0 or shape[2] ~= dim then
    return nil, ("'%s' must have shape (codes, %d), got (%s)"):format(name, dim,
      table.concat(shape, ", "))
  end
  return with(system.hci, { codebook = with(system.codebook.options, { codes = shape[1] }) })
end

local function temperature_of(tensors, prefix, wanted)
  if type(wanted) == "number" then return wanted end
  local name = prefix .. wanted.name
  local tensor = tensors[name]
  if not tensor or tensor:numel() ~= 1 then
    return nil, ("'%s' is missing or no single number"):format(name)
  end
  local value = tensor:reshape(-1)(1)
  if wanted.form == "log_inverse" then value = math.exp(-value) end
  if not (value > 0 and value < math.huge) then
    return nil, ("'%s' makes no temperature: %s"):format(name, value)
  end
  return value, name
end

-- Descriptor of the model, its encoders made, and the name that the temperature came from.
local function describe(found, own, tensors, o)
  local tokenizer, message, code = tokenizer_of(found, o)
  if not tokenizer then return nil, message, code end
  local audio, text, dim, hidden, temperature, from
  audio, message = sizes.encoder(found, found.audio, own.audio, o.audio, tensors, o.rng)
  if not audio then return nil, message end
  local text_own = own.text
  if text_own.sentence == "pooler" then
    text_own = with(text_own, { encoder = with(text_own.encoder or {}, { pooler = true }) })
  end
  text, message = sizes.encoder(found, found.text, text_own, o.text, tensors, o.rng)
  if not text then return nil, message end
  local heads = own.system.heads
  dim, hidden = widths_of(tensors, found.prefix .. heads.audio, own.system)
  if not dim then return nil, ("this is %s, but %s"):format(found.title, hidden) end
  local there, behind = widths_of(tensors, found.prefix .. heads.text, own.system)
  if there and behind ~= hidden then hidden = { audio = hidden, text = behind } end
  temperature, from = temperature_of(tensors, found.prefix, own.system.temperature)
  if not temperature then return nil, ("this is %s, but %s"):format(found.title, from) end
  local front_end = found.audio.details.fusion and own.audio.fused or own.audio.front_end
  local hci, wrong = hci_of(tensors, found.prefix, own.system, dim)
  if wrong then return nil, ("this is %s, but %s"):format(found.title, wrong) end
  local d = text:descriptor()
  local room = d.positions - (d.roberta and d.padding_id + 1 or 0)
  if #tokenizer > d.vocabulary then
    return nil, ("this is %s with %d words, but the vocabulary has %d tokens"):format(found.title,
      d.vocabulary, #tokenizer)
  end
  return {
    name = o.name, dim = dim, temperature = temperature, hci = hci, fusion = own.system.fusion,
    projection = with(own.system.projection, { hidden = hidden }),
    audio = { encoder = audio, front_end = with(front_end, o.front_end or {}),
      clip = own.audio.clip },
    text = { encoder = text, vocabulary = tokenizer:vocabulary(), merges = tokenizer:merges(),
      tokenizer = own.text.tokenizer, sentence = own.text.sentence,
      max = math.min(own.text.max, room), clean = own.text.clean, suffix = own.text.suffix,
      parse = own.text.parse },
    provenance = { family = found.family, title = found.title },
  }, from
end

-- ---- weights and the account of them ----

local function fill(model, tensors, found, system, temperature)
  local heads, account, nets = system.heads, accounts.new(tensors, found), model.head.nets
  local into = heads.into or { audio = "audio.projection", text = "text.projection" }
  account:network(model.audio_tower.encoder, found.audio.prefix)
  account:network(model.text_tower.encoder, found.text.prefix)
  account:network(nets[into.audio], found.prefix .. heads.audio, heads.names)
  account:network(nets[into.text], found.prefix .. heads.text, heads.names)
  if system.codebook then -- one tensor, whose shape made the network
    local name = found.prefix .. system.codebook.name
    nets.codebook:load { codes = tensors[name] }
    account:take(name)
  end
  if temperature then account:take(temperature) end
  -- Models that fuse views hold a bank of torchlibrosa's, which they do not use.
  local bank, differs
  if not found.audio.details.fusion then
    bank, differs = banks.compare(tensors, found.audio.prefix, model.audio_tower.front_end)
  end
  if bank then account:explain(bank, differs or "the front-end: its filter bank is nj.audio.mel's") end
  local report = account:report(system.skipped)
  report.front_end = differs
  return report
end

--- Makes a model of a checkpoint of another retrieval system.
---@param source string|table a path, or tensors by name
---@param make fun(descriptor: table, options: table): table nj.model
---@param options? table `vocabulary`: vocab.txt (WordPiece) or vocab.json (byte-level BPE), a path or
---  the tokens; `merges`: merges.txt, a path or the merges; `partial` (false): tensors may be missing
---  or have other shapes, which are drawn; `audio`, `text`: options of the encoders that replace what was found
---  (heads of unusual sizes); `front_end`: the same of nj.audio.mel; `name` of the model
---@return table|nil model
---@return table|string report { family, title, prefix, used = {names}, skipped = {{ name, why }},
---  missing = {names}, mismatched = {…}, front_end = what is wrong with its filter bank, if anything };
---  or a message
---@return string? code ENOTFOUND, EFORMAT, EARG (no vocabulary given), …
function checkpoint.load(source, make, options)
  local o = opts.check("load", options, {
    vocabulary = "string|table", merges = "string|table", audio = "table", text = "table",
    front_end = "table", partial = { type = "boolean", default = false }, name = "string",
  })
  local tensors, path = source, ""
  if type(source) == "string" then
    path = source .. ": "
    o.name = o.name or fs.stem(source)
    local file, message, code = core.store.load(source)
    if not file then return nil, message, code end
    tensors = file.tensors
  end
  tensors = wrappers.tensors(tensors)
  local found, own = recognise(tensors)
  if not found then return nil, path .. own, "EFORMAT" end
  o.rng = o.partial and core.rng(1) or false -- nothing drawn would stay
  local descriptor, from, code = describe(found, own, tensors, o)
  if not descriptor then return nil, path .. from, code or "EFORMAT" end
  local ok, model = pcall(make, descriptor, { rng = o.rng })
  if not ok then return nil, ("%sthis is %s, but %s"):format(path, found.title, model), "EFORMAT" end
  local report = fill(model, tensors, found, own.system, from)
  local problem = not o.partial and weights.problem(report)
  if problem then
    return nil, ("%sthis is %s, but its weights do not fit: %s"):format(path, found.title, problem),
      "EFORMAT"
  end
  return model, report
end

return checkpoint
