--- One safetensors file holds a whole model: weights by name, and as metadata the descriptor
--- (JSON), the vocabulary (one token a line), the merges of byte-level BPE (one a line) and the
--- calibration (JSON, with its bank as a tensor).
local json = require "dkjson"
local archive = require "nightjar.model.archive"
local calibration = require "nightjar.model.calibration"
local rows = require "nightjar.model.rows"

local FORMAT = "nightjar-model"
local VERSION = "1"
local BANK = "calibration.bank"
local KNOWN = "head.known"

local file = {}

--- Writes a model; see Model:save.
function file.save(model, path, options)
  local tensors, metadata = {}, {
    descriptor = archive.encode(model:descriptor()),
    vocabulary = table.concat(model.text_tower.vocabulary, "\n"),
    merges = model.text_tower.merges and table.concat(model.text_tower.merges, "\n"),
  }
  for name, tensor in pairs(model:state()) do tensors[name] = tensor end
  tensors[KNOWN] = model.head.known
  if model.calibration then
    tensors[BANK] = model.calibration.bank
    metadata.calibration = archive.encode(calibration.describe(model.calibration))
  end
  return archive.save(path, FORMAT, VERSION, tensors, metadata, options)
end

-- The model that an archive describes; raises what is wrong with it.
local function build(opened, make)
  local metadata = opened.metadata
  local descriptor = json.decode(metadata.descriptor or "")
  if type(descriptor) ~= "table" or type(descriptor.text) ~= "table" or not metadata.vocabulary then
    error("the model's descriptor or vocabulary is missing or broken", 0)
  end
  descriptor.text.vocabulary = archive.lines(metadata.vocabulary)
  descriptor.text.merges = metadata.merges and archive.lines(metadata.merges)
  local model = make(descriptor, { rng = false })
  model:load_state(opened.tensors)
  model.head:set_known(opened.tensors[KNOWN])
  if metadata.calibration then
    model.calibration = calibration.restore(json.decode(metadata.calibration),
      opened.tensors[BANK], rows.width(model))
  end
  return model
end

--- Reads a model written by file.save.
---@param path string
---@param make function(descriptor, options) → model
---@return table|nil model, string? message, string? code
function file.load(path, make)
  return archive.load(path, FORMAT, VERSION, function(opened) return build(opened, make) end)
end

return file
