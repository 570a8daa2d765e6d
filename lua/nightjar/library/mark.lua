--- Which model a library was indexed with: a mark that tells models apart by all that makes their
--- vectors, and where that model lies.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local paths = require "nightjar.library.paths"

local mark = {}

-- A number as text with a point, whatever the locale.
local function number(value, format) return ((format:format(value)):gsub(",", ".")) end

-- Values that say of an option that it is not used. Options that come later begin with one of these,
-- and must not make a model another one.
local function is_neutral(value)
  return value == false or value == 0 or value == "none"
end

-- Plain values as text, keys in order, without what is neutral.
local function plain(value)
  if type(value) == "number" then return number(value, "%.17g") end
  if type(value) ~= "table" then return ("%s:%s"):format(type(value), value) end
  local keys, parts = {}, {}
  for key, item in pairs(value) do
    if type(key) == "number" or not is_neutral(item) then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = ("%s=%s"):format(key, plain(value[key])) end
  return "{" .. table.concat(parts, ",") .. "}"
end

-- Options that came after marks were made of all values, neutral ones too.
local LATER = { gap = true }

-- As marks were made up to version 2 of the library file.
local function plain_then(value)
  if type(value) ~= "table" then
    local text = math.type(value) and number(value, math.type(value) == "integer" and "%d" or "%.14g")
      or tostring(value)
    if math.type(value) == "float" and text:find "^%-?%d+$" then text = text .. ".0" end
    return ("%s:%s"):format(math.type(value) or type(value), text)
  end
  local keys, parts = {}, {}
  for key, item in pairs(value) do
    if not (LATER[key] and is_neutral(item)) then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = ("%s=%s"):format(key, plain_then(value[key])) end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- A short name for what makes a model's vectors: libraries made with other weights, or with
--- another front-end, hold other vectors.
---@param model table
---@param then_ boolean? as marks were made up to version 2 of the library file
---@return string
function mark.of(model, then_)
  local d, names = model:descriptor(), {}
  local text = then_ and plain_then or plain
  local parts = { text { d.audio, d.dim, d.projection, d.hci or false, d.ac or false } }
  local state = model:state()
  for name in pairs(state) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1] = name
    parts[#parts + 1] = state[name]
  end
  return ("%s/%d/%s"):format(model.name, model.dim, core.digest(table.unpack(parts)))
end

-- The first version's mark was a sum instead of 32 digits.
local function refusal(path, known)
  if not known then
    return path .. ": does not say which model indexed it: the file is damaged; nightjar index "
      .. "--rebuild indexes all its sounds again"
  end
  local hash = known:match "/(%x+)$"
  if not (hash and #hash == 32) then
    return path .. ": indexed by an earlier version of nightjar; index it again with rebuild "
      .. "(nightjar index --rebuild)"
  end
  return ("%s: indexed with another model (%s); open it with that one (--model), or index it again "
    .. "with rebuild (nightjar index --rebuild)"):format(path, known)
end

--- true when a catalogue is a model's. A mark that is missing, odd or cannot be read is an error,
--- never a reason to write one.
---@param catalogue any
---@param path string for messages
---@param model table
---@return string? mark of the model, string? message, string? code
function mark.check(catalogue, path, model)
  local known, message, code = catalogue:meta "model"
  if not known and code then
    if code == "EFORMAT" then message = refusal(path) end
    return nil, message, code
  end
  local own = mark.of(model)
  if known == own or known == mark.of(model, true) then return own end
  return nil, refusal(path, known), "EFORMAT"
end

--- How the library remembers where its model lies: the name of one that comes with nightjar, or a
--- path, relative when it lies below the library's folder. nil for a model that was never a file.
---@param model table
---@param folder string the library's
---@return string?
function mark.source(model, folder)
  local path = rawget(model, "path")
  local real = path and paths.real(path)
  if not real then return nil end
  local shipped = require "nightjar.model.shipped"
  local name = fs.stem(real)
  local there = shipped.path(name)
  if there and paths.real(there) == real then return "name:" .. name end
  return "file:" .. paths.stored(folder, real)
end

--- What nj.load takes for a source.
---@param source string
---@param folder string
---@return string
function mark.load_name(source, folder)
  local kind, what = source:match "^(%l+):(.*)$"
  if kind == "file" then return paths.absolute(folder, what) end
  return what or source
end

return mark
