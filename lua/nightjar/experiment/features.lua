--- What a frozen encoder makes of a whole data set, computed once and kept in one file, so that
--- runs that train only what lies behind the encoder need no sound.
---
---     local set = assert(nj.experiment.features("runs/train.safetensors", {
---       source = scenes, encoder = net, front_end = fe,
---     }))
---     set.frames (N, T, C), set.lengths (N), set.clip (N, C), set.ids { "train/1/1", … }
---
--- The file repeats what it was made of: front-end, encoder with a digest of its weights, and the
--- items. A file that was made of something else is made anew. The tensors are mapped, not read. Of sound
--- files that change one by one, nj.features keeps an entry each.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local json = require "dkjson"
local plain = require "nightjar.plain"
local format = require("nightjar.core").system.format
local loader = require "nightjar.data.loader"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local pool = require "nightjar.features.pool"
local random = require "nightjar.data.random"
local record = require "nightjar.experiment.record"
local towers = require "nightjar.model.towers"

-- A digest of weights that notices every change: the bits of two sums of each tensor.
local function digest(encoder)
  local parts, names = {}, {}
  local state = encoder:state()
  for name in pairs(state) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local tensor = state[name]:detach():double():reshape(-1)
    local ramp = core.arange(1, tensor.shape[1], { dtype = "float64" })
    parts[#parts + 1] = format("%s %.17g %.17g", name, tensor:sum():item(),
      (tensor * ramp):sum():item())
  end
  return format("%016x", random.hash(table.concat(parts, "\n")))
end

-- Scenes are a function of their seed and options; files are known by name, size and time.
local function identity_of_source(source)
  local parts = { source.name, source.split, tostring(#source) }
  if opts.type_name(source) == "nightjar.Scenes" then
    local given = source.options
    -- Not the captions: they are written after the sound is laid out.
    parts[#parts + 1] = record.line { seed = given.seed, sources = given.sources,
      duration = given.duration }
    local clips = {}
    for _, list in pairs(source.by_class) do
      for _, clip in ipairs(list) do clips[#clips + 1] = clip.id end
    end
    table.sort(clips)
    parts[#parts + 1] = format("%016x", random.hash(table.concat(clips, "\n")))
  else
    local list = {}
    for i, clip in ipairs(source.clips) do
      local size, time = fs.stat(clip.path or "")
      list[i] = size and format("%s %s %s", clip.id, tostring(size), tostring(time))
        or format("%s missing", clip.id)
    end
    parts[#parts + 1] = format("%016x", random.hash(table.concat(list, "\n")))
  end
  return table.concat(parts, "; ")
end

local function identity_of(o)
  return table.concat({
    "source: " .. identity_of_source(o.source),
    "front-end: " .. record.line(o.front_end:descriptor()),
    "encoder: " .. record.line(o.encoder:descriptor()) .. ", weights " .. digest(o.encoder),
    format("seconds: %g", o.max_seconds),
  }, "\n")
end

local function read(path, identity)
  if fs.kind(path) ~= "file" then return nil end
  local ok, stored = pcall(core.store.load, path)
  if not ok or not stored or stored.metadata.identity ~= identity then return nil end
  local set = stored.tensors
  if not (set.frames and set.lengths and set.clip) then return nil end
  local about = json.decode(stored.metadata.about)
  return {
    frames = set.frames, lengths = set.lengths, clip = set.clip, ids = about.ids,
    failures = about.failures, seconds_per_frame = about.seconds_per_frame, cached = true,
  }
end

local function compute(o)
  local batches = loader(o.source, {
    batch = math.min(o.batch, #o.source), shuffle = false, last = "keep",
    front_end = o.front_end, max_seconds = o.max_seconds, crop = "start",
    on_error = o.on_error,
  })
  local seconds_per_frame = towers.listener { front_end = o.front_end:descriptor(),
    encoder = o.encoder }.frame_seconds
  local report = progress.report(o.progress, { label = "features" })
  local found = pool.collect(o.encoder, batches, {
    progress = function(done) report(done, #o.source) end,
  })
  local ids = {}
  for i, clip in ipairs(found.clips) do ids[i] = clip.id end
  local failures = {}
  for id, message in pairs(batches.failures) do
    failures[#failures + 1] = { id = id, message = message }
  end
  table.sort(failures, function(a, b) return a.id < b.id end)
  batches:close()
  return {
    frames = found.frames, clip = found.clip, lengths = found.lengths, ids = ids,
    failures = failures, seconds_per_frame = seconds_per_frame, cached = false,
  }
end

---@class nightjar.Features
---@field frames nightjar.Tensor (N, T, C); nothing that means anything behind a clip's length
---@field clip nightjar.Tensor (N, C) the encoder's own vector of the clip
---@field lengths nightjar.Tensor int64 (N)
---@field ids string[] the clips, in order
---@field failures { id: string, message: string }[] clips that could not be read
---@field seconds_per_frame number
---@field cached boolean whether they came from the file

--- Frames and clip vectors of every item of a data set or of scenes.
---@param path string the file; its folder is made
---@param options table
---  source       a data set, or scenes (items 1 to size)
---  encoder      a network called with (mel, lengths) that gives frames, clip, lengths
---  front_end    of nj.audio.mel
---  batch        items at a time; default 25
---  max_seconds  longer clips are cut; default 30
---  on_error     "skip" (default) or "raise", for files that cannot be read
---  progress     true, or function(done, total)
---@return nightjar.Features? features
---@return string? message
---@return string? code
return function(path, options)
  opts.arg("experiment.features", 1, "path", path, "string")
  local o = opts.check("experiment.features", options, {
    source = { type = "any", required = true },
    encoder = { type = "any", required = true },
    front_end = { type = "any", required = true },
    batch = { type = "integer", default = 25, min = 1 },
    max_seconds = { type = "number", default = 30, above = 0 },
    on_error = { type = "string", default = "skip", one_of = { "skip", "raise" } },
    progress = progress.rule,
  })
  local kind = opts.type_name(o.source)
  if kind ~= "nightjar.Dataset" and kind ~= "nightjar.Scenes" then
    error(format("experiment.features: option 'source' must be a data set or scenes, got a %s",
      kind), 2)
  end
  local identity = identity_of(o)
  local found = read(path, identity)
  if found then return found end
  local ok, message, code = fs.make_folders(fs.folder(path))
  if not ok then return nil, "experiment.features: " .. message, code end
  local set = compute(o)
  local about = plain.encode({ ids = set.ids, failures = set.failures,
    seconds_per_frame = set.seconds_per_frame }, { bytes = true })
  ok, message, code = core.store.save(path,
    { frames = set.frames, clip = set.clip, lengths = set.lengths },
    { identity = identity, about = about })
  if not ok then return nil, "experiment.features: " .. message, code end
  return set
end
