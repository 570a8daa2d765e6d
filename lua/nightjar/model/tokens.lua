--- The tokeniser of a text tower: WordPiece or byte-level BPE, with what is done to texts before.
local core = require "nightjar.core"

local tokens = {}

-- ---- texts that are cleaned, or get something behind them, or have their special tokens parsed, on
-- their way to the tokeniser ----

local Prepared = {}
local methods = {}

local function prepare(self, text)
  local clean = rawget(self, "clean")
  if clean then text = core.text.normalize(text, { form = "none", clean = clean }) end
  return text .. rawget(self, "suffix")
end

local function with_parse(self, options)
  if not rawget(self, "parse") then return options end
  local o = { parse = true }
  for key, value in pairs(options or {}) do o[key] = value end
  return o
end

function methods:encode(text, options)
  local prepared = prepare(self, text)
  local encoded = rawget(self, "inner"):encode(prepared, with_parse(self, options))
  encoded.text = prepared
  return encoded
end

function methods:ids(text, options)
  return rawget(self, "inner"):ids(prepare(self, text), with_parse(self, options))
end

function methods:tokens(text, options)
  return rawget(self, "inner"):tokens(prepare(self, text), with_parse(self, options))
end

function methods:batch(texts, options)
  local list = {}
  for i, text in ipairs(texts) do list[i] = prepare(self, text) end
  return rawget(self, "inner"):batch(list, with_parse(self, options))
end

-- Everything else is the tokeniser's own.
function Prepared:__index(name)
  if methods[name] then return methods[name] end
  local inner = rawget(self, "inner")
  local method = inner[name]
  if type(method) ~= "function" then return method end
  return function(_, ...) return method(inner, ...) end
end

function Prepared:__len() return #rawget(self, "inner") end

function Prepared:__tostring() return tostring(rawget(self, "inner")) end

-- ---- making ----

local function has_newline(list)
  for _, token in ipairs(list) do
    if type(token) == "string" and token:find("\n", 1, true) then return token end
  end
end

--- Makes the tokeniser of a text tower's options; raises when they make none.
---@param t table { vocabulary, merges, tokenizer, clean, suffix, parse }
---@return any tokenizer nj.text.wordpiece or nj.text.bpe, or the same behind a preparation of texts
function tokens.make(t)
  if has_newline(t.vocabulary) or t.merges and has_newline(t.merges) then
    error("model: text.vocabulary: a token has a line break, which no file of a model can hold", 0)
  end
  local inner
  if t.merges then
    inner = assert(core.text.bpe(t.vocabulary, t.merges, t.tokenizer))
  else
    inner = assert(core.text.wordpiece(t.vocabulary, t.tokenizer))
  end
  local clean = t.clean ~= "none" and t.clean or nil
  if not clean and (t.suffix or "") == "" and not t.parse then return inner end
  return setmetatable({ inner = inner, clean = clean, suffix = t.suffix or "", parse = t.parse },
    Prepared)
end

-- ---- tokens that stand for no word ----

local SPECIAL = { ["[PAD]"] = true, ["[CLS]"] = true, ["[SEP]"] = true, ["[MASK]"] = true }

--- Their ids, from 0. Padding of byte-level BPE may be an ordinary token, and is masked anyway.
---@param tokenizer any
---@param vocabulary string[]
---@param specials? string[] more such tokens of byte-level BPE
---@return integer[]
function tokens.special_ids(tokenizer, vocabulary, specials)
  local ids = {}
  if tokenizer:kind() == "bpe" then
    local roles = tokenizer:special_ids()
    for _, role in ipairs { "cls", "sep", "mask" } do ids[#ids + 1] = roles[role] end
    local more = {}
    for _, token in ipairs(specials or {}) do more[token] = true end
    for i, token in ipairs(vocabulary) do
      if more[token] then ids[#ids + 1] = i - 1 end
    end
    return ids
  end
  for i, token in ipairs(vocabulary) do
    if SPECIAL[token] then ids[#ids + 1] = i - 1 end
  end
  return ids
end

return tokens
