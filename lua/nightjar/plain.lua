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

-- Numbers before names.
local function before(a, b)
  if type(a) ~= type(b) then return type(a) == "number" end
  return a < b
end

--- JSON whose fields are in order, so that equal values are equal bytes. Bytes of strings that are not
--- UTF-8 become U+FFFD, as JSON cannot hold them.
---@param value any
---@param options? { indent?: boolean, first?: string[], bytes?: boolean } first: fields that come before
---  the others; bytes: strings stay as they are, for files that only nightjar reads and that must come
---  back exactly
---@return string
function plain.encode(value, options)
  options = options or {}
  local text = options.bytes and function(s) return s end or valid
  local first, keys, seen = options.first or {}, {}, {}
  for _, key in ipairs(first) do seen[key] = true end
  local function copy(item)
    if type(item) == "string" then return text(item) end
    if type(item) ~= "table" or item == json.null then return item end
    local out = {}
    for key, inner in pairs(item) do
      if type(key) == "string" then key = text(key) end
      if not seen[key] then
        seen[key] = true
        keys[#keys + 1] = key
      end
      out[key] = copy(inner)
    end
    return setmetatable(out, getmetatable(item))
  end
  local copied = copy(value)
  table.sort(keys, before)
  local order = table.move(first, 1, #first, 1, {})
  table.move(keys, 1, #keys, #order + 1, order)
  return json.encode(copied, { indent = options.indent or false, keyorder = order })
end

--- A field of a CSV for people: what a spreadsheet would compute (it begins with =, +, -, @, a tab or a
--- line break) gets an apostrophe in front, which makes it text; numbers stay numbers.
---@param text string
---@return string
function plain.cell(text)
  if text:find "^[=+@\t\r\n-]" and not plain.number(text) then return "'" .. text end
  return text
end

--- The number that a text is, in every locale the same: "0.5", never "0,5".
---@param text any a string, or a number
---@return number?
function plain.number(text)
  if type(text) == "string" and text:find(",", 1, true) then return nil end
  return tonumber(text) -- which takes the point, too, where the locale has a comma
end

--- Lower case of A to Z, whatever the locale: for extensions and keys.
---@param text string
---@return string
function plain.lower(text)
  return (text:gsub("[A-Z]", function(letter) return string.char(letter:byte() + 32) end))
end

return plain
