--- Vocabularies of whole words, as captioners of others keep them.
local fs = require "nightjar.fs"
local json = require "dkjson"
local plain = require "nightjar.plain"

local vocabulary = {}

-- Tokens out of number → token, counted from 0, whatever the keys are written as.
local function in_order(by_id)
  local tokens, n = {}, 0
  for key, token in pairs(by_id) do
    local id = math.tointeger(plain.number(key))
    if not id or id < 0 or type(token) ~= "string" then return nil end
    tokens[id + 1], n = token, n + 1
  end
  return n > 0 and #tokens == n and tokens or nil
end

local function turned(by_token)
  local by_id = {}
  for token, id in pairs(by_token) do
    if math.type(id) ~= "integer" or by_id[id] then return nil end
    by_id[id] = token
  end
  return by_id
end

-- A JSON value: a list of tokens; token → id; or a tokeniser's state, below "tokenizer_state" or by
-- itself, with id → token as "itos".
local function of_json(value)
  local state = type(value.tokenizer_state) == "table" and value.tokenizer_state or value
  state = type(state.tokenizer) == "table" and state.tokenizer or state
  if type(state.itos) == "table" then value = state.itos end
  if #value > 0 and value[1] ~= nil then
    for _, token in ipairs(value) do
      if type(token) ~= "string" then return nil end
    end
    return value
  end
  return in_order(value) or in_order(turned(value) or {})
end

local function of_text(text)
  local tokens = {}
  for line in text:gmatch "([^\n]*)\n?" do tokens[#tokens + 1] = (line:gsub("\r$", "")) end
  while tokens[#tokens] == "" do tokens[#tokens] = nil end
  return tokens
end

--- Reads a file: one token a line, or JSON: a list, token → id, or a tokeniser's state such as
--- config.json beside CoNeTTE's checkpoints has.
---@param path string
---@return string[]|nil tokens
---@return table|string settings what else the JSON holds, or {}; or a message
---@return string? code
function vocabulary.read(path)
  local text, message, code = fs.read(path)
  if not text then return nil, message, code end
  if not text:find "^%s*[%[{]" then return of_text(text), {} end
  local value, _, problem = json.decode(text)
  if type(value) ~= "table" then
    return nil, ("%s: this is no JSON: %s"):format(path, tostring(problem)), "EFORMAT"
  end
  local tokens = of_json(value)
  if not tokens then
    return nil, ("%s: there is no vocabulary in it: neither a list of tokens, nor token to id, nor "
      .. "tokenizer_state.tokenizer.itos"):format(path), "EFORMAT"
  end
  return tokens, value
end

--- The vocabulary that a Lightning checkpoint holds as plain values, or nil.
---@param metadata table<string, any> of nj.store.load
---@return string[]?
function vocabulary.of_metadata(metadata)
  local by_id, any = {}, false
  for key, value in pairs(metadata) do
    local id = key:match "_extra_state/tokenizer/itos/(%d+)$"
    if id then by_id[id], any = value, true end
  end
  return any and in_order(by_id) or nil
end

return vocabulary
