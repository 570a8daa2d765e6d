--- Texts from outside (names of files, labels, captions) as they may stand in what nightjar writes.
local json = require "dkjson"

local plain = {}

local UNKNOWN = "\u{FFFD}"

-- Valid UTF-8: every byte that belongs to none becomes U+FFFD.
local function valid(text)
  if utf8.len(text) then return text end
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    if not bad then break end
    parts[#parts + 1] = text:sub(at, bad - 1)
    parts[#parts + 1] = UNKNOWN
    at = bad + 1
  end
  parts[#parts + 1] = text:sub(at)
  return table.concat(parts)
end

-- Escape sequences begin with a control character of ASCII, or with one of U+0080 to U+009F.
local function without_controls(text)
  return (text:gsub("[\0-\31\127]", UNKNOWN):gsub("\xC2[\x80-\x9F]", UNKNOWN))
end

--- Valid UTF-8 without control characters, line breaks included: for one line of a terminal, and for XML.
---@param text string
---@return string
function plain.text(text)
  text = valid(text)
  return without_controls(text)
end

--- The same, but line breaks and tabs stay: for messages.
---@param text string
---@return string
function plain.lines(text)
  return (valid(text):gsub("[^\n\t]+", without_controls))
end

--- A JSON string.
---@param text string
---@return string
function plain.json(text) return json.quotestring(valid(text)) end

--- A value with valid strings throughout, and the names of its fields in order.
---@param value any
---@return any copy, string[] keys
function plain.tree(value)
  local keys, seen = {}, {}
  local function copy(item)
    if type(item) == "string" then return valid(item) end
    if type(item) ~= "table" or item == json.null then return item end
    local out = {}
    for key, inner in pairs(item) do
      if type(key) == "string" then key = valid(key) end
      if type(key) == "string" and not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
      end
      out[key] = copy(inner)
    end
    return setmetatable(out, getmetatable(item))
  end
  local out = copy(value)
  table.sort(keys)
  return out, keys
end

return plain
