--- Features on disk: the log-mel of a file is computed once, and again when the file or the
--- front-end changes.
---
---     local cache = assert(nj.data.cache("features", { front_end = fe }))
---     local mel, hit = assert(cache:get("sounds/rain.wav"))        -- (T, M)
---
--- An entry is a safetensors file, named by a hash of the front-end's descriptor and of the sound
--- file: its path, size and time, or its bytes. The entry repeats what it was made of, so that
--- neither a hash that two files share nor a damaged entry is ever taken for an answer: such a one
--- is computed anew. Writers put whole files in place, so several processes may use one folder.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local random = require "nightjar.data.random"

local Cache = {}
Cache.__index = Cache
Cache.__name = "nightjar.Cache"

-- A descriptor as one line that is the same for equal descriptors.
local function line_of(value)
  if type(value) ~= "table" then
    return math.type(value) == "float" and ("%.17g"):format(value) or tostring(value)
  end
  local keys, out = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do out[i] = ("%s=%s"):format(key, line_of(value[key])) end
  return "{" .. table.concat(out, ",") .. "}"
end

-- What identifies the sound: text, or nil, message, code.
local function identity_of(self, path)
  if self.check == "content" then
    local bytes, message, code = fs.read(path)
    if not bytes then return nil, message, code end
    return ("%d bytes, hash %016x"):format(#bytes, random.hash(bytes))
  end
  local size, mtime, code = fs.stat(path)
  if not size then return nil, mtime, code end
  return ("%s, %d bytes, changed %d"):format(path, size, mtime)
end

local function entry_path(self, identity)
  local name = ("%016x"):format(random.hash(self.descriptor, identity))
  return fs.join(self.dir, name:sub(1, 2), name .. ".safetensors")
end

-- The entry's tensor when it is whole and made of what is asked for.
local function load_entry(self, path, identity)
  if fs.kind(path) ~= "file" then return nil end
  local ok, stored = pcall(core.store.load, path)
  if not ok or not stored then return nil, "damaged" end
  local mel, metadata = stored.tensors.mel, stored.metadata
  if not mel or metadata.front_end ~= self.descriptor or metadata.sound ~= identity
    or metadata.length ~= tostring(mel.shape[1]) then
    return nil, "damaged"
  end
  -- Bytes that changed on the disk. Not compared exactly: processors may add in different orders.
  local sum, want = mel:sum():item(), tonumber(metadata.sum)
  local as_written = want and math.abs(sum - want) <= 1e-5 * math.abs(want) + 1e-6
  if not as_written then return nil, "damaged" end
  return mel
end

local function compute(self, path)
  local wave, message, code = core.audio.decode(path, { rate = self.front_end.rate })
  if not wave then return nil, message, code end
  return self.front_end(wave)
end

--- The log-mel of a sound file.
---@param path string
---@return nightjar.Tensor? mel (T, M)
---@return boolean|string hit_or_message whether it came from the disk
---@return string? code
function Cache:get(path)
  opts.arg("cache:get", 1, "path", path, "string")
  local identity, message, code = identity_of(self, path)
  if not identity then return nil, message, code end
  local entry = entry_path(self, identity)
  local mel, damaged = load_entry(self, entry, identity)
  if mel then
    self.hits = self.hits + 1
    return mel, true
  end
  if damaged then self.damaged = self.damaged + 1 end
  self.misses = self.misses + 1
  mel, message, code = compute(self, path)
  if not mel then return nil, message, code end
  local ok
  ok, message, code = fs.make_folders(fs.folder(entry))
  if ok then
    ok, message, code = core.store.save(entry, { mel = mel }, {
      front_end = self.descriptor, sound = identity, length = tostring(mel.shape[1]),
      sum = ("%.17g"):format(mel:sum():item()),
    })
  end
  -- A full disk takes the cache away, not the answer.
  if not ok then self.unwritten = { message = message, code = code } end
  return mel, false
end

--- Removes every entry.
---@return integer removed
function Cache:clear()
  local removed = 0
  for _, name in ipairs(fs.files(self.dir, { extensions = { "safetensors" } }) or {}) do
    if os.remove(fs.join(self.dir, name)) then removed = removed + 1 end
  end
  return removed
end

--- What the cache did since it was opened.
---@return { hits: integer, misses: integer, damaged: integer, unwritten: table? }
function Cache:stats()
  return {
    hits = self.hits, misses = self.misses, damaged = self.damaged, unwritten = self.unwritten,
  }
end

--- Opens a cache, making its folder.
---@param dir string
---@param options table check: a file is known by its
---  path, size and time (default), or by its bytes, which finds it under any name and takes longer
---@return nightjar.Cache?
---@return string? message
---@return string? code
return function(dir, options)
  opts.arg("cache", 1, "dir", dir, "string")
  local o = opts.check("cache", options, {
    front_end = { type = "any", required = true },
    check = { type = "string", default = "stat", one_of = { "stat", "content" } },
  })
  local ok, message, code = fs.make_folders(dir)
  if not ok then return nil, "cache: " .. message, code end
  return setmetatable({
    dir = dir, front_end = o.front_end, check = o.check, hits = 0, misses = 0, damaged = 0,
    descriptor = line_of(o.front_end:descriptor()),
  }, Cache)
end
