--- What a run is known by, and the file it leaves behind.
---
--- A run is known by what it computes: the configuration without its name, the seed, and the
--- setting that all runs of an experiment share. Experiments that ask for the same run under other
--- names find it.
local fs = require "nightjar.fs"
local json = require "dkjson"
local plain = require "nightjar.plain"
local format = require("nightjar.core").system.format
local random = require "nightjar.data.random"

local record = {}

--- A plain value as one line that is the same for equal values, whatever the order of keys.
---@param value any tables (no cycles), strings, numbers, booleans
---@return string
function record.line(value)
  if type(value) ~= "table" then
    if type(value) == "string" then return format("%q", value) end
    return math.type(value) == "float" and format("%.17g", value) or tostring(value)
  end
  local keys, out = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if math.type(a) and math.type(b) then return a < b end
    return type(a) == type(b) and tostring(a) < tostring(b) or type(a) < type(b)
  end)
  for i, key in ipairs(keys) do out[i] = format("%s=%s", key, record.line(value[key])) end
  return "{" .. table.concat(out, ",") .. "}"
end

-- What only names a configuration does not change its result.
local function substance(config)
  local copy = {}
  for key, value in pairs(config) do
    if key ~= "name" and key ~= "label" then copy[key] = value end
  end
  return copy
end

--- The key of a run: 16 hexadecimal digits.
---@param config table
---@param seed integer
---@param setting any what all runs share
---@return string
function record.key(config, seed, setting)
  local text = table.concat({ record.line(substance(config)), tostring(seed),
    record.line(setting) }, "\n")
  return format("%016x", random.hash(text))
end

---@param folder string
---@param key string
---@return string
function record.path(folder, key) return fs.join(folder, key .. ".json") end

--- A run's record; nil when there is none, or none that is whole.
---@param folder string
---@param key string
---@return table?
function record.read(folder, key)
  local text = fs.read(record.path(folder, key))
  local found = text and json.decode(text)
  if type(found) ~= "table" or found.key ~= key then return nil end
  return found
end

-- JSON has no nan and no infinities; the statistics leave a missing number out.
local function finite(value)
  if type(value) == "number" then
    if value ~= value or value == math.huge or value == -math.huge then return json.null end
    return value
  end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = finite(item) end
  return copy
end

record.plain = finite

--- Writes a record, whole or not at all.
---@param folder string
---@param run table
---@return true? ok
---@return string? message
---@return string? code
function record.write(folder, run)
  local ok, message, code = fs.make_folders(folder)
  if not ok then return nil, message, code end
  return fs.write(record.path(folder, run.key), plain.encode(finite(run), { indent = true }) .. "\n")
end

return record
