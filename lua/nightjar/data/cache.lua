--- Features on disk: the log-mel of a file is computed once, and again when the file or the
--- front-end changes.
---
---     local cache = assert(nj.data.cache("features", { front_end = fe }))
---     local mel, hit = assert(cache:get("sounds/rain.wav"))        -- (T, M)
---
--- How entries are named and checked: entries.lua. What encoders make of sounds is kept by nj.features.
local core = require "nightjar.core"
local entries = require "nightjar.data.entries"
local opts = require "nightjar.opts"

local Cache = {}
Cache.__index = Cache
Cache.__name = "nightjar.Cache"

--- The log-mel of a sound file.
---@param path string
---@return nightjar.Tensor? mel (T, M)
---@return boolean|string hit_or_message whether it came from the disk
---@return string? code
function Cache:get(path)
  opts.arg("cache:get", 1, "path", path, "string")
  local tensors, message, hit = self.entries:get(path, function()
    local wave, why, code = core.audio.decode(path, { rate = self.front_end.rate })
    if not wave then return nil, why, code end
    return { mel = self.front_end(wave) }
  end)
  if not tensors then return nil, message, hit end
  return tensors.mel, hit
end

--- Removes every entry.
---@return integer removed
function Cache:clear() return self.entries:clear() end

--- What the cache did since it was opened.
---@return { hits: integer, misses: integer, damaged: integer, unwritten: table? }
function Cache:stats() return self.entries:stats() end

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
  local found, message, code = entries.open(dir,
    "log-mel, front-end " .. entries.line(o.front_end:descriptor()), o.check)
  if not found then return nil, "cache: " .. message, code end
  return setmetatable({ dir = dir, front_end = o.front_end, entries = found }, Cache)
end
