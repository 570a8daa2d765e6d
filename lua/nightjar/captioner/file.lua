--- One safetensors file holds a whole captioner: weights by name, and as metadata the descriptor
--- (JSON) and the vocabulary (one token a line).
local json = require "dkjson"
local archive = require "nightjar.model.archive"

local FORMAT = "nightjar-captioner"
local VERSION = "1"

local file = {}

--- Writes a captioner; see Captioner:save.
function file.save(captioner, path, options)
  return archive.save(path, FORMAT, VERSION, captioner:state(), {
    descriptor = archive.encode(captioner:descriptor()),
    vocabulary = table.concat(captioner.vocabulary, "\n"),
  }, options)
end

--- Reads a captioner written by file.save.
---@param path string
---@param make function(descriptor, options) → captioner
---@return table|nil captioner, string? message, string? code
function file.load(path, make)
  return archive.load(path, FORMAT, VERSION, function(opened)
    local metadata = opened.metadata
    local descriptor = json.decode(metadata.descriptor or "")
    if type(descriptor) ~= "table" or not metadata.vocabulary then
      error("the captioner's descriptor or vocabulary is missing or broken", 0)
    end
    descriptor.vocabulary = archive.lines(metadata.vocabulary)
    return make(descriptor, { rng = false }):load_state(opened.tensors)
  end)
end

return file
