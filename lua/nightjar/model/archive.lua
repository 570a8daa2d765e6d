--- What the files of models and captioners share: a safetensors archive of weights by name, whose
--- metadata says of which format and version it is and holds descriptors (JSON) and vocabularies (one
--- token a line).
local core = require "nightjar.core"
local plain = require "nightjar.plain"

local archive = {}

-- What is said of each format to a reader that expected another.
local known = {
  ["nightjar-model"] = { name = "a nightjar model", reader = "nj.load" },
  ["nightjar-captioner"] = { name = "a nightjar captioner", reader = "nj.captioner.load" },
}

--- JSON with sorted keys, so that the same value is the same bytes.
---@param value table
---@return string
function archive.encode(value) return plain.encode(value, { bytes = true }) end

--- The lines of a text, without their ends.
---@param text string
---@return string[]
function archive.lines(text)
  local lines = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines
end

local function fail(path, what) return nil, ("%s: %s"):format(path, what), "EFORMAT" end

local function wrong_format(path, want, got)
  if known[got] then
    return fail(path, ("this is %s, not %s; %s reads it"):format(known[got].name,
      known[want].name, known[got].reader))
  end
  return fail(path, ("these are weights, but not %s (no '%s' metadata)"):format(known[want].name,
    want))
end

local SLACK = 64 << 20

-- pcall(f) with no more memory than a network needs whose weights are those of the file: what a
-- descriptor claims costs a few bytes of a file and could be any size.
local function within(tensors, f)
  local bytes = 0
  for _, tensor in pairs(tensors) do bytes = bytes + 4 * tensor:numel() end
  local before = core.memory()
  local limit = before.live + 2 * bytes + SLACK
  if before.limit > 0 then limit = math.min(limit, before.limit) end
  core.memory { limit = limit }
  local ok, result = pcall(f)
  core.memory { limit = before.limit }
  return ok, result
end

-- The first tensor by name with NaN or infinite numbers.
local function not_finite(tensors)
  local worst
  for name, tensor in pairs(tensors) do
    if tensor.dtype:find "^float" and not tensor:isfinite():all() and (not worst or name < worst) then
      worst = name
    end
  end
  return worst
end

--- Reads a file of a format and version. What build raises is wrong with the file, not with the
--- caller.
---@param path string
---@param format string "nightjar-model", "nightjar-captioner"
---@param version string
---@param build fun(opened: table): table of { tensors, metadata }
---@return table|nil what build made, with its path
---@return string? message
---@return string? code
function archive.load(path, format, version, build)
  local opened, message, code = core.store.load(path)
  if not opened then return nil, message, code end
  local metadata = opened.metadata
  if metadata.format ~= format then return wrong_format(path, format, metadata.format) end
  if metadata.version ~= version then
    return fail(path, ("%s version %s, this nightjar reads %s"):format(
      format:match "%-(.*)", metadata.version, version))
  end
  local name = not_finite(opened.tensors)
  if name then
    return fail(path, ("its weights are damaged: '%s' holds NaN or infinity"):format(name))
  end
  local ok, result = within(opened.tensors, function() return build(opened) end)
  if not ok then return fail(path, (tostring(result):gsub("^[^:]+:%d+: ", ""))) end
  result.path = path
  return result
end

--- Writes a file, whole or not at all.
---@param path string
---@param format string
---@param version string
---@param tensors table<string, any>
---@param metadata table<string, string>
---@param options? table `dtype`: as nj.store.save takes it
---@return true|nil ok, string? message, string? code
function archive.save(path, format, version, tensors, metadata, options)
  local all = { format = format, version = version }
  for key, value in pairs(metadata) do all[key] = value end
  local ok, message, code = core.store.save(path, tensors, all, options)
  if not ok then return nil, message, code end
  return true
end

return archive
