--- Sounds of any length into vectors, the same way every time.
---
--- A sound is cut into tiles of at most TILE seconds that share OVERLAP seconds with their
--- neighbours; each tile goes through the encoder by itself, and frames inside an overlap are taken
--- from the tile in which they lie further from the edge. The clip vector pools all frames; segment
--- vectors pool windows of about SEGMENT seconds, every half of that, and tell where a sound is.
---
--- Where the front-end fills clips up to a duration, tiles are that long, and the last one is filled:
--- frames of the filling do not count, but the clip vector of a sound that fits one tile is the
--- encoder's own, of all it was given.
local core = require "nightjar.core"
local levels = require "nightjar.model.levels"
local opts = require "nightjar.opts"

local TILE, OVERLAP, SEGMENT = 30.0, 2.0, 2.0

local tiles = {}

local function waveform(tower, sound)
  if type(sound) == "string" then
    return core.audio.decode(sound, { rate = tower.front_end:descriptor().rate })
  end
  if opts.type_name(sound) ~= "nightjar.Tensor" then
    error(("model:audio: sounds are paths or waveforms, got a %s"):format(opts.type_name(sound)), 0)
  end
  if #sound.shape ~= 1 then
    error(("model:audio: a waveform has one dimension, got (%s)"):format(
      table.concat(sound.shape, ", ")), 0)
  end
  return sound
end

--- One frame of the encoder in log-mels, samples and seconds; the samples of a whole tile and of what
--- neighbours share.
local function grid(tower)
  local d, stride, longest = tower.front_end:descriptor(), tower.encoder:stride(),
    tower.encoder:longest()
  local seconds, hop = tower.frame_seconds, d.hop / d.rate
  local tile = longest and math.min(TILE, (longest - 1) * hop) or TILE
  local overlap = OVERLAP
  if tower.filled then
    tile = d.duration + 0.5 / d.rate
    overlap = math.min(overlap, d.duration / 2)
  end
  local samples = math.floor(seconds * d.rate + 0.5)
  return { mels = stride, seconds = seconds, samples = seconds * d.rate,
    tile = math.max(samples, math.floor(tile * d.rate)), overlap = overlap,
    fill = longest or stride, rate = d.rate }
end

--- Of each tile its 0-based first sample and its length. Tiles begin where frames begin, `step` frames
--- apart, so that times hold however many tiles there are.
local function cut(samples, g)
  local step = math.max(1, math.floor((g.tile / g.rate - g.overlap) / g.seconds))
  local list, start = {}, 0
  while true do
    local length = math.min(g.tile, samples - start)
    list[#list + 1] = { start = start, length = length }
    if start + length >= samples then return list, step end
    start = math.floor(#list * step * g.samples + 0.5)
  end
end

--- Frames of a clip that was stretched lie closer than the encoder's stride: n of them instead, means
--- of neighbours.
local function unstretch(frames, n)
  local most, list = frames.shape[1], {}
  for i = 1, n do
    list[i] = frames[{ { (i - 1) * most // n + 1, (i * most + n - 1) // n } }]:mean(1)
  end
  return core.stack(list, 1)
end

--- Frames (N, C) of one tile that the front-end fills up, and the encoder's clip vector (C).
local function filled_frames(tower, wave)
  local mel, own = tower.front_end:batch { wave }
  local frames, clip, left = tower:encode(mel, own)
  return frames[{ 1, { 1, left[1] } }], clip[1]
end

--- Frames (N, C) of one tile. A tile too short for the encoder (for one frame, or for one that
--- looks at a fixed length) is filled up behind its end, which the encoder is told.
local function tile_frames(tower, wave, g)
  if tower.filled then return filled_frames(tower, wave) end
  local mel = tower.front_end(wave)
  local length = mel.shape[1]
  if length >= g.fill then return (tower.encoder(mel:unsqueeze(1)))[1] end
  mel = mel:pad { { 0, g.fill - length }, { 0, 0 } }
  local frames, _, left = tower.encoder(mel:unsqueeze(1),
    core.tensor({ length }, { dtype = "int64" }))
  local n = (length + g.mels - 1) // g.mels
  frames = frames[{ 1, { 1, left[1] } }]
  return left[1] > n and unstretch(frames, n) or frames
end

--- All frames (N, C) of a waveform with overlaps resolved, seconds per frame, and the encoder's clip
--- vector (C) where it is more than what those frames pool to.
function tiles.frames(tower, wave)
  local g, parts, whole = grid(tower), {}, nil
  local list, step = cut(wave.shape[1], g)
  local half = math.floor(g.overlap / 2 / g.seconds)
  for i, tile in ipairs(list) do
    local frames, clip = tile_frames(tower,
      wave[{ { tile.start + 1, tile.start + tile.length } }], g)
    local first = i == 1 and 1 or half + 1
    local last = frames.shape[1]
    if i < #list then -- up to where the next tile's kept frames begin
      last = math.min(last, step + half)
    end
    if first <= last then parts[#parts + 1] = frames[{ { first, last } }] end
    whole = #list == 1 and clip or nil
  end
  return core.cat(parts, 1), g.seconds, whole
end

--- Overlapping windows over n frames: { first, last } each, the whole when it is short.
local function windows(n, size)
  if n <= size then return { { 1, n } } end
  local step, list = math.max(1, size // 2), {}
  for first = 1, n - size + 1, step do list[#list + 1] = { first, first + size - 1 } end
  if list[#list][2] < n then list[#list + 1] = { n - size + 1, n } end
  return list
end

local function pool(tower, frames) return tower:pool(frames:unsqueeze(1))[1] end

-- Vectors (S, D) of windows of the frames: as if each were a clip.
local function window_vectors(tower, head, frames, lifted, list)
  local net = head.nets["audio.projection"]
  if net and head.o.hci.top == "encoder" then
    local pooled = {}
    for i, w in ipairs(list) do pooled[i] = pool(tower, frames[{ { w[1], w[2] } }]) end
    return net(core.stack(pooled, 1)):normalize(-1)
  end
  local vectors = {}
  for i, w in ipairs(list) do
    vectors[i] = head:audio({ frames = lifted[{ { w[1], w[2] } }]:unsqueeze(1) }).clip
  end
  return core.cat(vectors, 1)
end

-- { from, to } seconds of n frames.
local function frame_times(n, step, duration)
  local times = {}
  for i = 1, n do times[i] = { (i - 1) * step, math.min(duration, i * step) } end
  times[n][2] = duration
  return times
end

--- Encodes one sound; see Model:audio.
---@param tower table the audio tower
---@param head table nj.head
---@param sound any
---@param captions? table what head:audio takes of one clip's captions
---@return table
function tiles.encode(tower, head, sound, captions)
  local wave, info, code = waveform(tower, sound)
  if not wave then return { error = info, code = code } end
  if wave.shape[1] == 0 then return { error = "the sound is empty", code = "EFORMAT" } end
  local rate = tower.front_end:descriptor().rate
  local frames, step, whole = tiles.frames(tower, wave)
  local duration = wave.shape[1] / rate
  local list, times = windows(frames.shape[1], math.max(1, math.floor(SEGMENT / step + 0.5))), {}
  for i, w in ipairs(list) do times[i] = { (w[1] - 1) * step, math.min(duration, w[2] * step) } end
  times[#times][2] = duration
  local lifted = tower:lift(frames)
  local clip = whole and tower:lift_clip(whole:unsqueeze(1))[1] or pool(tower, frames)
  local a, groups = levels.of_sound(head, lifted, clip, step, captions)
  local vectors = window_vectors(tower, head, frames, lifted, list)
  if not (vectors:isfinite():all() and a.clip:isfinite():all()) then
    return { error = "the sound holds values that are no numbers", code = "EFORMAT" }
  end
  return {
    vector = a.clip[1]:clone(),
    segments = vectors,
    times = times,
    frames = a.frames[1],
    frame_times = frame_times(frames.shape[1], step, duration),
    levels = a,
    groups = groups,
    seconds = duration,
  }
end

return tiles
