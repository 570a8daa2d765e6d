--- One safetensors file holds a whole model: weights by name, and as metadata the descriptor
--- (JSON), the vocabulary (one token a line) and the calibration (JSON, with its bank as a tensor).
local json = require "dkjson"
local core = require "nightjar.core"
local calibration = require "nightjar.model.calibration"

local FORMAT = "nightjar-model"
local VERSION = "1"
local BANK = "calibration.bank"

local file = {}

-- JSON with sorted keys, so that the same model is the same bytes.
local function encode(value)
  local order, seen = {}, {}
  local function walk(t)
    for key, item in pairs(t) do
      if type(key) == "string" and not seen[key] then
        seen[key] = true
        order[#order + 1] = key
      end
      if type(item) == "table" then walk(item) end
    end
  end
  walk(value)
  table.sort(order)
  return json.encode(value, { indent = false, keyorder = order })
end

--- Writes a model; see Model:save.
function file.save(model, path)
  local tensors, metadata = {}, {
    format = FORMAT,
    version = VERSION,
    descriptor = encode(model:descriptor()),
    vocabulary = table.concat(model.text_tower.vocabulary, "\n"),
  }
  for name, tensor in pairs(model:state()) do tensors[name] = tensor end
  if model.calibration then
    tensors[BANK] = model.calibration.bank
    metadata.calibration = encode(calibration.describe(model.calibration))
  end
  return core.store.save(path, tensors, metadata)
end

local function split_lines(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

local function fail(path, what) return nil, ("%s: %s"):format(path, what), "EFORMAT" end

-- The model that an archive describes; raises what is wrong with it.
local function build(archive, make)
  local metadata = archive.metadata
  local descriptor = json.decode(metadata.descriptor or "")
  if type(descriptor) ~= "table" or type(descriptor.text) ~= "table" or not metadata.vocabulary then
    error("the model's descriptor or vocabulary is missing or broken", 0)
  end
  descriptor.text.vocabulary = split_lines(metadata.vocabulary)
  local model = make(descriptor)
  model:load_state(archive.tensors)
  if metadata.calibration then
    model.calibration = calibration.restore(json.decode(metadata.calibration),
      archive.tensors[BANK], model.dim)
  end
  return model
end

local SLACK = 64 << 20

-- pcall(f) with no more memory than a model needs whose weights are those of the archive: what a
-- descriptor claims costs a few bytes of a file and could be any size.
local function within(archive, f)
  local bytes = 0
  for _, tensor in pairs(archive.tensors) do bytes = bytes + 4 * tensor:numel() end
  local before = core.memory()
  local limit = before.live + 2 * bytes + SLACK
  if before.limit > 0 then limit = math.min(limit, before.limit) end
  core.memory { limit = limit }
  local ok, result = pcall(f)
  core.memory { limit = before.limit }
  return ok, result
end

--- Reads a model written by file.save.
---@param path string
---@param make function(descriptor, options) → model
---@return table|nil model, string? message, string? code
function file.load(path, make)
  local archive, message, code = core.store.load(path)
  if not archive then return nil, message, code end
  local metadata = archive.metadata
  if metadata.format ~= FORMAT then
    return fail(path, "these are weights, but not a nightjar model (no '" .. FORMAT
      .. "' metadata)")
  end
  if metadata.version ~= VERSION then
    return fail(path, ("model version %s, this nightjar reads %s"):format(metadata.version,
      VERSION))
  end
  -- Whatever a foreign file says is wrong with the file, not with the caller.
  local ok, result = within(archive, function() return build(archive, make) end)
  if not ok then return fail(path, (tostring(result):gsub("^[^:]+:%d+: ", ""))) end
  result.path = path
  return result
end

return file
