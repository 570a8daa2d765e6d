--- Sounds of any length into vectors, the same way every time.
---
--- A sound is cut into tiles of at most TILE seconds that share OVERLAP seconds with their
--- neighbours; each tile goes through the encoder by itself, and frames inside an overlap are taken
--- from the tile in which they lie further from the edge. The clip vector pools all frames; segment
--- vectors pool windows of about SEGMENT seconds, every half of that, and tell where a sound is.
local core = require "nightjar.core"

local TILE, OVERLAP, SEGMENT = 30.0, 2.0, 2.0

local tiles = {}

local function waveform(tower, sound)
  if type(sound) ~= "string" then return sound end
  return core.audio.decode(sound, { rate = tower.front_end:descriptor().rate })
end

--- 0-based first sample and length of each tile.
local function cut(samples, rate)
  local size, step = math.floor(TILE * rate), math.floor((TILE - OVERLAP) * rate)
  local list, start = {}, 0
  while true do
    local length = math.min(size, samples - start)
    list[#list + 1] = { start = start, length = length }
    if start + length >= samples then return list end
    start = start + step
  end
end

--- Frames (N, C) of one tile, and the seconds from one frame to the next. A tile too short for one
--- frame is filled up with silence behind its end.
local function tile_frames(tower, wave)
  local encoder, fe = tower.encoder, tower.front_end
  local mel = fe(wave)
  local stride = 1
  for _, pool in ipairs(encoder:descriptor().pool_time) do stride = stride * pool end
  local length = mel.shape[1]
  local lengths
  if length < stride then
    mel = mel:pad({ 0, stride - length, 0, 0 }, { value = 0 })
    lengths = core.tensor({ length }, { dtype = "int64" })
  end
  local frames = encoder(mel:unsqueeze(1), lengths)
  return frames[1], stride * (fe:seconds(2) - fe:seconds(1))
end

--- All frames (N, C) of a waveform with overlaps resolved, and seconds per frame.
function tiles.frames(tower, wave)
  local rate = tower.front_end:descriptor().rate
  local parts, seconds = {}, nil
  local list = cut(wave.shape[1], rate)
  for i, tile in ipairs(list) do
    local frames
    frames, seconds = tile_frames(tower, wave[{ { tile.start + 1, tile.start + tile.length } }])
    local half = math.floor(OVERLAP / 2 / seconds + 0.5)
    local first = i == 1 and 1 or half + 1
    local last = frames.shape[1]
    if i < #list then -- up to where the next tile's kept frames begin
      last = math.min(last, math.floor((list[i + 1].start - tile.start) / rate / seconds + 0.5) + half)
    end
    if first <= last then parts[#parts + 1] = frames[{ { first, last } }] end
  end
  return core.cat(parts, 1), seconds
end

--- Overlapping windows over n frames: { first, last } each, the whole when it is short.
local function windows(n, size)
  if n <= size then return { { 1, n } } end
  local step, list = math.max(1, size // 2), {}
  for first = 1, n - size + 1, step do list[#list + 1] = { first, first + size - 1 } end
  if list[#list][2] < n then list[#list + 1] = { n - size + 1, n } end
  return list
end

local function pool(frames) return frames:max(1) + frames:mean(1) end

--- Encodes one sound; see Model:audio.
---@return table
function tiles.encode(tower, sound)
  local wave, info, code = waveform(tower, sound)
  if not wave then return { error = info, code = code } end
  if wave.shape[1] == 0 then return { error = "the sound is empty", code = "EFORMAT" } end
  local rate = tower.front_end:descriptor().rate
  local frames, step = tiles.frames(tower, wave)
  local duration = wave.shape[1] / rate
  local pooled, times = { pool(frames) }, {}
  for i, w in ipairs(windows(frames.shape[1], math.max(1, math.floor(SEGMENT / step + 0.5)))) do
    pooled[i + 1] = pool(frames[{ { w[1], w[2] } }])
    times[i] = { (w[1] - 1) * step, math.min(duration, w[2] * step) }
  end
  times[#times][2] = duration
  local vectors = tower.projection(core.stack(pooled, 1)):normalize(-1)
  return {
    vector = vectors[1]:clone(),
    segments = vectors[{ { 2, -1 } }]:clone(),
    times = times,
    seconds = duration,
  }
end

return tiles
