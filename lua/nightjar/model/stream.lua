--- Sounds into vectors one after the other: while the network works on one, files behind it are
--- decoded, resampled and made into log-mels on threads of their own (nj.audio.reader). No more is
--- held than a number of files and bytes, however many sounds there are and however long they are.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local networks = require "nightjar.networks"
local progress = require "nightjar.progress"
local tiles = require "nightjar.model.tiles"

local stream = {}

---@class nightjar.model.Stream
local Stream = {}
Stream.__index = Stream

local AHEAD = 16

stream.rules = {
  ahead = { type = "integer", default = AHEAD, min = 1, max = 4096 },
  jobs = { type = "integer", min = 0, max = 64 },
  memory_mb = { type = "number", min = 0, max = 1e6 },
  max_seconds = { type = "number", above = 0, max = 1e6 },
  progress = progress.rule,
  captions = "table|function",
  total = { type = "integer", min = 0 },
}

-- Sounds in their order, of a list or of a function.
local function supply(sounds)
  if type(sounds) == "function" then return sounds end
  local at = 0
  return function()
    at = at + 1
    return sounds[at]
  end
end

local function check_sound(fname, sound)
  if type(sound) == "string" then return sound end
  if type(sound) == "table" and type(rawget(sound, "error")) == "string" then return sound end
  if opts.type_name(sound) ~= "nightjar.Tensor" then
    error(("%s: sounds are paths or waveforms, got a %s"):format(fname, opts.type_name(sound)), 0)
  end
  if #sound.shape ~= 1 then
    error(("%s: a waveform has one dimension, got (%s)"):format(fname,
      table.concat(sound.shape, ", ")), 0)
  end
  return sound
end

local function open_reader(self)
  local o, tower = self.options, self.model.audio_tower
  local size, step = tiles.size(tower)
  local whole = tower.fuses -- then log-mels are made of the wave, whole and in tiles
  self.reader = core.audio.reader { front_end = not whole and tower.front_end or nil,
    rate = tower.front_end.rate, tile = size, step = step,
    ahead = o.ahead, jobs = o.jobs, memory_mb = o.memory_mb, max_seconds = o.max_seconds }
end

-- Sets the reader to work on the next sounds.
local function fill(self)
  while self.supply and self.last - self.first + 1 < self.options.ahead do
    local sound = self.supply()
    if sound == nil then
      self.supply = nil
      return
    end
    check_sound(self.fname, sound)
    if type(sound) == "string" then
      if not self.reader then open_reader(self) end
      self.reader:submit(sound)
    end
    self.last = self.last + 1
    self.waiting[self.last] = sound
  end
end

-- Tiles of the oldest sound, and its log-mel as a whole, as tiles.encode takes them.
local function tiles_of(self, sound)
  local tower = self.model.audio_tower
  if type(sound) ~= "string" then
    return tiles.of_wave(tower, sound), function() return tower.front_end(sound) end
  end
  local function next_tile() return self.reader:next() end
  if tower.fuses then return tiles.of_pieces(tower, next_tile) end
  return next_tile
end

-- What head:audio takes of a sound's captions.
local function captions_of(self, sound, i)
  local captions = self.options.captions
  if not captions then return nil end
  local list
  if type(captions) == "function" then list = captions(sound, i) else list = captions[i] end
  return self.model:caption_levels { list or {} }
end

local function encode(self, sound, i)
  local model = self.model
  if type(sound) == "table" then return sound end
  if type(sound) ~= "string" and sound.shape[1] == 0 then
    return { error = "the sound is empty", code = "EFORMAT" }
  end
  local next_tile, all = tiles_of(self, sound)
  local clip = tiles.encode(model.audio_tower, model.head, next_tile, all,
    captions_of(self, sound, i))
  local by_path = type(sound) == "string"
  if clip.code == "EFORMAT" and clip.error:find "^the sound" then
    clip.error = ("%s: %s"):format(by_path and sound or ("sound %d"):format(i), clip.error)
  end
  if by_path then clip.path = sound end
  return clip
end

local function advance(self, i)
  if self.closed then return nil end
  fill(self)
  if self.first > self.last then
    self:close()
    return nil
  end
  local sound = self.waiting[self.first]
  self.waiting[self.first] = nil
  self.first = self.first + 1
  local clip = networks.infer(self.model:parts(), encode, self, sound, i)
  fill(self) -- the reader goes on while the caller works
  self.report(i, self.total)
  return clip
end

--- The next clip and its number, nil behind the last. After an error the stream is closed.
function Stream:next()
  local i = self.done + 1
  local ok, clip = pcall(advance, self, i)
  if not ok then
    self:close()
    error(clip, 0)
  end
  if not clip then return nil end
  self.done = i
  return i, clip
end

--- Ends the threads and forgets what they read. More calls do nothing.
function Stream:close()
  self.closed = true
  if self.reader then self.reader:close() end
  self.reader, self.supply, self.waiting = nil, nil, {}
  self.report:finish()
end
Stream.__close = Stream.close

--- Begins.
---@param model table
---@param sounds (string|any)[]|fun(): (string|any)?
---@param o table options by stream.rules
---@param fname string for messages
---@return table
function stream.open(model, sounds, o, fname)
  local total = o.total or type(sounds) == "table" and #sounds or nil
  return setmetatable({ model = model, options = o, fname = fname, supply = supply(sounds),
    total = total, waiting = {}, first = 1, last = 0, done = 0,
    report = progress.report(o.progress, { label = "encoding" }),
  }, Stream)
end

return stream
