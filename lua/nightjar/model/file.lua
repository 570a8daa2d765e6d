--- One safetensors file holds a whole model: weights by name, and as metadata the descriptor (JSON),
--- the vocabulary (one token a line) and the calibration (JSON, with its bank as a tensor).
local json = require "dkjson"
local core = require "nightjar.core"
local calibration = require "nightjar.model.calibration"

local FORMAT = "nightjar-model"
local VERSION = "1"
local BANK = "calibration.bank"

local file = {}

--- Writes a model; see Model:save.
function file.save(model, path)
  local tensors, metadata = {}, {
    format = FORMAT,
    version = VERSION,
    descriptor = json.encode(model:descriptor(), { indent = false }),
    vocabulary = table.concat(model.text_tower.vocabulary, "\n"),
  }
  for name, tensor in pairs(model:state()) do tensors[name] = tensor end
  if model.calibration then
    tensors[BANK] = model.calibration.bank
    metadata.calibration = json.encode(calibration.describe(model.calibration))
  end
  return core.store.save(path, tensors, metadata)
end

local function split_lines(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

local function fail(path, what) return nil, ("%s: %s"):format(path, what), "EFORMAT" end

--- Reads a model written by file.save.
---@param path string
---@param make function(descriptor, options) → model
---@return table|nil model, string? message, string? code
function file.load(path, make)
  local archive, message, code = core.store.load(path)
  if not archive then return nil, message, code end
  local metadata = archive.metadata
  if metadata.format ~= FORMAT then
    return fail(path, "these are weights, but not a nightjar model (no '" .. FORMAT .. "' metadata)")
  end
  if metadata.version ~= VERSION then
    return fail(path, ("model version %s, this nightjar reads %s"):format(metadata.version, VERSION))
  end
  local descriptor = json.decode(metadata.descriptor or "")
  if type(descriptor) ~= "table" or type(descriptor.text) ~= "table" or not metadata.vocabulary then
    return fail(path, "the model's descriptor or vocabulary is missing or broken")
  end
  descriptor.text.vocabulary = split_lines(metadata.vocabulary)
  -- Whatever a foreign file says is wrong with the file, not with the caller.
  local ok, result = pcall(function()
    local model = make(descriptor)
    model:load_state(archive.tensors)
    if metadata.calibration then
      model.calibration = calibration.restore(json.decode(metadata.calibration),
        archive.tensors[BANK])
    end
    model.path = path
    return model
  end)
  if not ok then return fail(path, tostring(result)) end
  return result
end

return file
