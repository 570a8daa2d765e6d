--- Tables as JSON text that come back exactly: JSON writers round floats, and a resumed run must
--- not. Floats travel as hexadecimal strings under a key of their own, integers as they are.
local json = require "dkjson"
local plain = require "nightjar.plain"
local format = require("nightjar.core").system.format

local exact = {}

local KEY = "float"

local function frozen(value, where)
  local kind = type(value)
  if kind == "table" then
    local out = {}
    for key, item in pairs(value) do
      if type(key) ~= "string" and math.type(key) ~= "integer" then
        error(format("train: state '%s' has a %s as key", where, type(key)), 0)
      end
      out[key] = frozen(item, where .. "." .. tostring(key))
    end
    return out
  end
  if math.type(value) == "float" then
    -- nan and the infinities have no hexadecimal form that tonumber reads.
    if value ~= value then return { [KEY] = "nan" } end
    if value == math.huge then return { [KEY] = "inf" } end
    if value == -math.huge then return { [KEY] = "-inf" } end
    return { [KEY] = format("%a", value) }
  end
  if kind == "number" or kind == "string" or kind == "boolean" then return value end
  error(format("train: state '%s' is a %s, which a checkpoint cannot hold", where, kind), 0)
end

local SPECIAL = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }

local function thawed(value)
  if type(value) ~= "table" then return value end
  local text = value[KEY]
  if type(text) == "string" and next(value, (next(value))) == nil then
    return SPECIAL[text] or plain.number(text)
  end
  local out = {}
  for key, item in pairs(value) do out[key] = thawed(item) end
  return out
end

--- Text of a table of strings, booleans, numbers and such tables.
---@param state table
---@return string
function exact.encode(state)
  return plain.encode(frozen(state, "state"), { bytes = true })
end

--- The table of a text, or nil and a message.
---@param text string
---@return table?
---@return string?
function exact.decode(text)
  local value, _, message = json.decode(text)
  if type(value) ~= "table" then return nil, message or "not an object" end
  return thawed(value)
end

return exact
