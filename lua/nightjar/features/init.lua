--- What a frozen audio encoder makes of sound files, computed once and kept on disk: what lies behind the
--- encoder then trains in minutes.
---
---     local store = assert(nj.features("runs/features", { model = model }))
---     local set = store:all(dataset.clips, { progress = function(done, total) … end })
---     local a = model.head:audio(set:take { 1, 7, 3 })      -- frames, mask and clip vectors of a batch
---     local S = model:similarity(texts, { set:encode(model, 1) })
---
--- Frames and clip vectors are those of model:audio: long sounds go through the encoder in tiles, and
--- nothing depends on which sounds stand beside. Each file has an entry of its own (see data/entries.lua):
--- work that was interrupted goes on where it stopped; a file that changed, another encoder, other weights or
--- another front-end are computed anew; a damaged entry is noticed. Entries hold float16, and what is
--- computed is rounded the same way before it is used: the first run has the numbers of all later ones.
local core = require "nightjar.core"
local entries = require "nightjar.data.entries"
local half = require "nightjar.features.half"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"
local progress = require "nightjar.progress"
local networks = require "nightjar.networks"
local pool = require "nightjar.features.pool"
local set = require "nightjar.features.set"
local tiles = require "nightjar.model.tiles"
local towers = require "nightjar.model.towers"

---@class nightjar.FeatureStore
local Store = {}
Store.__index = Store
Store.__name = "nightjar.FeatureStore"

local features = {}

-- 32 digits of a network's weights and running statistics.
local function digest_of(encoder)
  local state, names, list = encoder:state(), {}, {}
  for name in pairs(state) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    list[#list + 1] = name
    list[#list + 1] = state[name]
  end
  return core.digest(table.unpack(list))
end

-- All that an entry depends on beside the sound. A change of what is kept changes the first line.
local function made_with(tower, o)
  local tags = tower.tagger and tower.tagger:descriptor()
  return table.concat({
    "nightjar features 1, " .. o.dtype,
    "front-end: " .. entries.line(tower.front_end:descriptor()),
    "encoder: " .. entries.line(tower.encoder:descriptor()) .. ", weights " .. digest_of(tower.encoder),
    core.system.format("clip: %s; at most %g seconds", tower.clip or "pool", o.max_seconds),
    tags and core.system.format("tags: window %d, step %d, power %.17g", tags.window, tags.step, tags.power),
  }, "\n")
end

local function tower_of(o)
  if o.model then
    if o.encoder or o.front_end then
      error("features: give 'model', or 'encoder' and 'front_end', not both", 3)
    end
    local tower = o.model.audio_tower
    if not tower then
      error(("features: option 'model' must have an audio tower, a %s has none"):format(
        opts.type_name(o.model)), 3)
    end
    return tower
  end
  if not o.encoder then error("features: option 'model' is required (or 'encoder')", 3) end
  return towers.listener { encoder = o.encoder, front_end = o.front_end and o.front_end:descriptor() }
end

--- Opens a store, making its folder. Several encoders may share one.
---@param dir string
---@param options table
---  model        whose audio tower is used: a nightjar.Model or a captioner; or
---  encoder      an audio encoder, with front_end (of nj.audio.mel), by default that which goes with it
---  max_seconds  longer sounds are cut (30)
---  dtype        "float16" (default: half the space, eleven bits) or "float32"
---  check        a file is known by its path, size and time ("stat", default) or by its bytes ("content",
---               which finds it under any name, and reads every file)
---@return nightjar.FeatureStore?
---@return string? message
---@return string? code
function features.open(dir, options)
  opts.arg("features", 1, "dir", dir, "string")
  local o = opts.check("features", options, {
    model = "any", encoder = "nightjar.Encoder", front_end = "any",
    max_seconds = { type = "number", default = 30, above = 0, below = math.huge },
    dtype = { type = "string", default = "float16", one_of = { "float16", "float32" } },
    check = { type = "string", default = "stat", one_of = { "stat", "content" } },
  })
  local tower = tower_of(o)
  local found, message, code = entries.open(dir, made_with(tower, o), o.check)
  if not found then return nil, "features: " .. message, code end
  return setmetatable({ dir = dir, tower = tower, entries = found, max_seconds = o.max_seconds,
    round = o.dtype == "float16" and half or nil, dtype = o.dtype }, Store)
end

-- What the encoder makes of a sound, tile by tile: tensors and metadata, or nil, message, code.
local function hear(self, path, next_tile, all)
  return networks.infer({ { net = self.tower.encoder } }, function()
    local heard, message, code = tiles.hear(self.tower, next_tile, all)
    if not heard then return nil, message, code end
    local frames, clip = heard.lifted, heard.clip
    if not (frames:isfinite():all() and clip:isfinite():all()) then
      return nil, path .. ": the sound holds NaN or infinite values", "EFORMAT"
    end
    local tags = self.tower.tagger and self.tower.tagger:of(heard.all)
    if self.round then
      frames, clip, tags = self.round(frames), self.round(clip), tags and self.round(tags)
    end
    return { frames = frames, clip = clip, tags = tags },
      { step = core.system.format("%.17g", heard.step), seconds = core.system.format("%.17g", heard.seconds) }
  end)
end

-- The same of a file, which is cut where it is too long.
local function listen(self, path)
  local wave, message, code = core.audio.decode(path,
    { rate = self.tower.front_end.rate, to = self.max_seconds })
  if not wave then return nil, message, code end
  if wave.shape[1] == 0 then return nil, path .. ": the sound is empty", "EFORMAT" end
  return hear(self, path, tiles.of_wave(self.tower, wave),
    function() return self.tower.front_end(wave) end)
end

-- The features of a file by their entry, or by what `compute` gives.
local function find(self, path, compute)
  local tensors, metadata, hit = self.entries:get(path, compute, self.dtype)
  if not tensors then return nil, metadata, hit end
  return { frames = tensors.frames, clip = tensors.clip, tags = tensors.tags,
    step = plain.number(metadata.step), seconds = plain.number(metadata.seconds) }, hit
end

--- What the encoder makes of a sound file.
---@param path string
---@return { frames: nightjar.Tensor, clip: nightjar.Tensor, tags?: nightjar.Tensor, step: number,
---  seconds: number }? found frames (N, C), clip (C) and, of a tagger, tags (T), as the head takes them;
---  seconds from frame to frame, and of the sound
---@return boolean|string hit_or_message whether it came from the disk
---@return string? code
function Store:get(path)
  opts.arg("features:get", 1, "path", path, "string")
  return find(self, path, function() return listen(self, path) end)
end

-- Files behind the one at work are read on threads of their own (nj.audio.reader), those that have no entry;
-- of an encoder that fuses views, which needs whole waves, none.
local AHEAD = 16

local Ahead = {}
Ahead.__index = Ahead

local function read_ahead(store, clips)
  local size, step = tiles.size(store.tower)
  return setmetatable({ store = store, clips = clips, submitted = {}, last = 0,
    reader = core.audio.reader { front_end = store.tower.front_end, tile = size, step = step,
      ahead = AHEAD, max_seconds = store.max_seconds } }, Ahead)
end

function Ahead:__close() self.reader:close() end

-- Sets the reader to work on what comes behind clip i.
function Ahead:fill(i)
  while self.last < math.min(#self.clips, i + AHEAD - 1) do
    self.last = self.last + 1
    local path = self.clips[self.last].path
    if path and not self.store.tower.fuses and not self.store.entries:has(path) then
      self.reader:submit(path)
      self.submitted[self.last] = true
    end
  end
end

-- The features of clip i. What the reader cannot read, as it is too long for one, is read here.
function Ahead:get(i)
  local path, waiting = self.clips[i].path, self.submitted[i]
  local function next_tile()
    local mel, n, code = self.reader:next()
    waiting = mel ~= nil
    return mel, n, code
  end
  local found, message, code = find(self.store, path, function()
    if waiting then
      local tensors, metadata = hear(self.store, path, next_tile)
      if tensors then return tensors, metadata end
    end
    return listen(self.store, path)
  end)
  while waiting do next_tile() end -- of a file whose entry appeared in the meantime
  return found, message, code
end

--- The features of a list of clips. Those whose sound cannot be read are left out and listed.
---@param clips nightjar.Clip[] with `path`, `id` and what else they have
---@param options? table memory_mb: what stays in memory (512); progress: true or function(done, total)
---@return nightjar.FeatureSet
function Store:all(clips, options)
  opts.arg("features:all", 1, "clips", clips, "table")
  local o = opts.check("features:all", options, {
    memory_mb = { type = "number", default = 512, min = 0 }, progress = progress.rule,
  })
  local out = set.new(self, math.floor(o.memory_mb * (1 << 20)))
  local report = progress.report(o.progress, { label = "features" })
  local ahead <close> = read_ahead(self, clips)
  for i, clip in ipairs(clips) do
    local found, message = nil, "no sound file"
    ahead:fill(i)
    if clip.path then found, message = ahead:get(i) end
    if found then
      set.add(out, clip, found)
    else
      out.failures[#out.failures + 1] = { id = clip.id or ("clip %d"):format(i), message = message }
    end
    report(i, #clips)
  end
  return out
end

--- Removes every entry, those of other encoders too.
---@return integer removed
function Store:clear() return self.entries:clear() end

--- What happened since the store was opened: `unwritten` is what went wrong when an entry could not be
--- written, on a full disk say.
---@return { hits: integer, misses: integer, damaged: integer, unwritten: table? }
function Store:stats() return self.entries:stats() end

features.collect, features.join = pool.collect, pool.join

return setmetatable(features, { __call = function(_, ...) return features.open(...) end })
