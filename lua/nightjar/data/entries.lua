--- A folder of what was computed from sound files: one safetensors file for each, found again as long as
--- neither the sound nor that which it was computed with has changed.
---
--- An entry is named by a hash of what it was made with and of the sound file: its path, size and time, or
--- its bytes. It repeats both and holds a digest of its tensors, so that neither a hash that two share nor
--- a damaged entry is ever taken for an answer. Writers put whole files in place: several processes may use
--- one folder, and work that was interrupted is not lost.
local core = require "nightjar.core"
local fs = require "nightjar.fs"

---@class nightjar.Entries
local Entries = {}
Entries.__index = Entries

local entries = {}
local format = require("nightjar.core").system.format

--- A descriptor as one line that is the same for equal descriptors.
---@param value any
---@return string
function entries.line(value)
  if type(value) ~= "table" then
    return math.type(value) == "float" and format("%.17g", value) or tostring(value)
  end
  local keys, out = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do out[i] = format("%s=%s", key, entries.line(value[key])) end
  return "{" .. table.concat(out, ",") .. "}"
end

--- Opens a folder, making it.
---@param dir string
---@param made_with string all that an entry depends on beside the sound
---@param check "stat"|"content" how a sound file is known: path, size and time, or its bytes
---@return nightjar.Entries?
---@return string? message
---@return string? code
function entries.open(dir, made_with, check)
  local ok, message, code = fs.make_folders(dir)
  if not ok then return nil, message, code end
  return setmetatable({ dir = dir, made_with = made_with, check = check, hits = 0, misses = 0,
    damaged = 0 }, Entries)
end

--- What a sound file is known by.
---@param path string
---@return string? identity
---@return string? message
---@return string? code
function Entries:identity(path)
  if self.check == "content" then
    local bytes, message, code = fs.read(path)
    if not bytes then return nil, message, code end
    return format("%d bytes, digest %s", #bytes, core.digest(bytes))
  end
  local size, mtime, code = fs.stat(path)
  if not size then return nil, mtime, code end
  return format("%s, %d bytes, changed %d", path, size, mtime)
end

local function entry_path(self, identity)
  local name = core.digest(self.made_with, identity):sub(1, 16)
  return fs.join(self.dir, name:sub(1, 2), name .. ".safetensors")
end

local function digest_of(tensors)
  local names, parts = {}, {}
  for name in pairs(tensors) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1], parts[#parts + 2] = name, tensors[name]
  end
  return core.digest(table.unpack(parts))
end

--- Whether there is an entry, whole or not.
---@param path string the sound file
---@return boolean
function Entries:has(path)
  local identity = self:identity(path)
  return identity ~= nil and fs.kind(entry_path(self, identity)) == "file"
end

--- The tensors of an entry, when it is whole and made of what is asked for.
---@param identity string
---@return table<string, nightjar.Tensor>? tensors
---@return table<string, string>|string|nil metadata; or "damaged"
function Entries:read(identity)
  local path = entry_path(self, identity)
  if fs.kind(path) ~= "file" then return nil end
  local ok, stored = pcall(core.store.load, path)
  local metadata = ok and stored and stored.metadata
  if not metadata or metadata.made_with ~= self.made_with or metadata.sound ~= identity
    or metadata.digest ~= digest_of(stored.tensors) then
    return nil, "damaged"
  end
  return stored.tensors, metadata
end

--- Writes an entry. A full disk takes the cache away, not the answer: what went wrong is in `unwritten`.
---@param identity string
---@param tensors table<string, nightjar.Tensor> that the dtype can hold exactly
---@param metadata? table<string, string>
---@param dtype? string as nj.store.save takes it
function Entries:write(identity, tensors, metadata, dtype)
  local path = entry_path(self, identity)
  local all = { made_with = self.made_with, sound = identity, digest = digest_of(tensors) }
  for key, value in pairs(metadata or {}) do all[key] = value end
  local ok, message, code = fs.make_folders(fs.folder(path))
  if ok then
    ok, message, code = core.store.save(path, tensors, all, { dtype = dtype or "float32" })
  end
  if not ok then self.unwritten = { message = message, code = code } end
end

--- The entry of a sound file, computed when it is not there.
---@param path string
---@param compute fun(path: string): table<string, nightjar.Tensor>?, any, any tensors and metadata; or
---  nil, message, code
---@param dtype? string
---@return table<string, nightjar.Tensor>? tensors
---@return table<string, string>|string metadata or message
---@return boolean|string hit or code
function Entries:get(path, compute, dtype)
  local identity, message, code = self:identity(path)
  if not identity then return nil, message, code end
  local tensors, metadata = self:read(identity)
  if tensors then
    self.hits = self.hits + 1
    return tensors, metadata, true
  end
  if metadata == "damaged" then self.damaged = self.damaged + 1 end
  self.misses = self.misses + 1
  tensors, metadata, code = compute(path)
  if not tensors then return nil, metadata, code end
  self:write(identity, tensors, metadata, dtype)
  return tensors, metadata or {}, false
end

--- Removes every entry.
---@return integer removed
function Entries:clear()
  local removed = 0
  for _, name in ipairs(fs.files(self.dir, { extensions = { "safetensors" } }) or {}) do
    if os.remove(fs.join(self.dir, name)) then removed = removed + 1 end
  end
  return removed
end

--- What happened since the folder was opened.
---@return { hits: integer, misses: integer, damaged: integer, unwritten: table? }
function Entries:stats()
  return { hits = self.hits, misses = self.misses, damaged = self.damaged, unwritten = self.unwritten }
end

return entries
