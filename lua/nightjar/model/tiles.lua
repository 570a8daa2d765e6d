--- Sounds of any length into vectors, the same way every time.
---
--- A sound is cut into tiles of at most TILE seconds that share OVERLAP seconds with their
--- neighbours; each tile goes through the encoder by itself, and frames inside an overlap are taken
--- from the tile in which they lie further from the edge. The clip vector pools all frames; segment
--- vectors pool windows of about SEGMENT seconds, every half of that, and tell where a sound is.
---
--- Where the front-end fills clips up to a duration, tiles are that long, and the last one is filled:
--- frames of the filling do not count, but the clip vector of a sound that fits one tile is the
--- encoder's own, of all it was given. So it is where the encoder stretches a short clip, whose frames are
--- means of uneven numbers of neighbours. Where the encoder fuses views of a longer sound, that makes its
--- clip vector; frames and windows are those of tiles all the same, since they know where they are.
local core = require "nightjar.core"
local levels = require "nightjar.model.levels"
local silence = require "nightjar.model.silence"
local views = require "nightjar.model.views"

local TILE, OVERLAP, SEGMENT = 30.0, 2.0, 2.0

local tiles = {}

--- One frame of the encoder in log-mels and seconds; the samples of a whole tile, and the frames from
--- one tile to the next. Tiles begin where frames begin, so that times hold however many there are.
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
  local size = math.max(math.ceil(seconds * d.rate - 1e-6), math.floor(tile * d.rate))
  return { mels = stride, seconds = seconds, rate = d.rate, size = size,
    step = math.max(1, math.floor((size / d.rate - overlap) / seconds)),
    half = math.floor(overlap / 2 / seconds), fill = longest or stride }
end

--- How a tower's sounds are cut, in samples: tile k (from 0) begins at k * step, rounded.
---@param tower table
---@return integer size
---@return number step
function tiles.size(tower)
  local g = grid(tower)
  return g.size, math.min(g.size, g.step * g.seconds * g.rate)
end

--- The log-mels of a waveform's tiles one after the other, as nj.audio.reader gives those of a file:
--- (T, M) and how many of T are the sound's own; behind the last nil and the number of samples.
---@param tower table
---@param wave any (L)
---@return fun(): any, integer
function tiles.of_wave(tower, wave)
  local size, step = tiles.size(tower)
  local samples, count, start = wave.shape[1], 0, 0
  return function()
    if not start then return nil, samples end
    local last = math.min(start + size, samples)
    local mel, own = tower.front_end:batch { wave[{ { start + 1, last } }] }
    count = count + 1
    start = last < samples and math.floor(count * step + 0.5) or nil
    return mel[1], own(1)
  end
end

--- The same of what nj.audio.reader gives of a file whose tiles are waves; and what gives the log-mel of the
--- whole sound (frames, M) when all have been taken.
---@param tower table
---@param next_piece fun(): any, integer, string?
---@return fun(): any, integer, string?
---@return fun(): any
function tiles.of_pieces(tower, next_piece)
  local _, step = tiles.size(tower)
  local whole, count = views.whole(tower.front_end), 0
  local function next_tile()
    local piece, n, code = next_piece()
    if not piece then return nil, n, code end
    whole:add(piece, math.floor(count * step + 0.5))
    count = count + 1
    local mel, own = tower.front_end:batch { piece }
    return mel[1], own(1)
  end
  return next_tile, function() return whole:finish() end
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

--- Frames (N, C) of one tile that the front-end fills up, and all that the encoder gave: clip (C), frames.
local function filled_frames(tower, mel, own)
  local frames, clip, left = tower:encode(mel:unsqueeze(1), core.tensor({ own }, { dtype = "int64" }))
  return frames[{ 1, { 1, left[1] } }], { clip = clip[1], frames = frames[1] }
end

--- Frames (N, C) of one tile, and what the encoder gave, clip (C) and frames, where that is more. A tile
--- too short for the encoder (for one frame, or for one that looks at a fixed length) is filled up
--- behind its end, which the encoder is told.
local function tile_frames(tower, mel, own, g)
  if tower.filled then return filled_frames(tower, mel, own) end
  local length = mel.shape[1]
  if length >= g.fill then return (tower.encoder(mel:unsqueeze(1)))[1] end
  mel = mel:pad { { 0, g.fill - length }, { 0, 0 } }
  local frames, clip, left = tower.encoder(mel:unsqueeze(1),
    core.tensor({ length }, { dtype = "int64" }))
  local n = (length + g.mels - 1) // g.mels
  frames = frames[{ 1, { 1, left[1] } }]
  if left[1] <= n then return frames end
  return unstretch(frames, n), { clip = clip[1], frames = frames }
end

-- All frames (N, C) of tiles with overlaps resolved, seconds per frame, samples, and, of a sound in one
-- tile, what the encoder gave where that is more. nil, message and code where `next_tile` says that the
-- sound cannot be read.
local function gather(tower, next_tile)
  local g, parts, loudest = grid(tower), {}, -math.huge
  local first, before, whole, several = 1, nil, nil, false
  local function keep(last)
    if first <= last then parts[#parts + 1] = before[{ { first, last } }] end
  end
  while true do
    local mel, n, code = next_tile()
    if code then return nil, n, code end
    if not mel then
      keep(before.shape[1])
      return core.cat(parts, 1), g.seconds, n, not several and whole or nil, loudest
    end
    if before then -- up to where this tile's kept frames begin
      keep(math.min(before.shape[1], g.step + g.half))
      first, several = g.half + 1, true
    end
    loudest = math.max(loudest, mel:max():item())
    before, whole = tile_frames(tower, mel, n, g)
  end
end

--- All frames (N, C) of a waveform with overlaps resolved, and seconds per frame.
function tiles.frames(tower, wave)
  local frames, seconds = gather(tower, tiles.of_wave(tower, wave))
  return frames, seconds
end

--- The encoder's clip vector (C) of the views of a sound that is longer than the window, or nil.
local function fused_clip(tower, samples, all)
  if not tower.fuses or samples <= grid(tower).size then return nil end
  local seen, longer = views.of(tower.front_end, all())
  local _, clip = tower:encode_views(seen:unsqueeze(1), core.tensor { longer and 1 or 0 })
  return clip[1]
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

-- The clip vector (1, D) of all frames, those of what fills the sound up too.
local function whole_clip(head, frames, captions)
  local given = { frames = frames:unsqueeze(1) }
  for key, value in pairs(captions or {}) do given[key] = value end
  return head:audio(given).clip
end

-- Vectors (S, D) of windows of the frames: as if each were a clip.
local function window_vectors(tower, head, frames, lifted, list)
  local net = head.nets["audio.projection"]
  if net and not head.o.from_tokens then
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

--- What a tower makes of one sound, before any head.
---@param tower table the audio tower
---@param next_tile function as tiles.of_wave makes it, of a sound that is not empty
---@param all? fun(): any gives the whole sound's log-mel behind the last tile; an encoder that fuses views
---  needs it
---@return table? heard { frames (N, C): the encoder's own, lifted (N, width) and clip (width): as the head
---  takes them, whole (M, width): all frames that the clip is made of, where those are more, step: seconds
---  from frame to frame, seconds }; or nil, message, code
---@return string? message
---@return string? code
function tiles.hear(tower, next_tile, all)
  local frames, step, samples, whole, loudest = gather(tower, next_tile)
  if not frames then return nil, step, samples end
  local own = whole and whole.clip or fused_clip(tower, samples, all)
  local clip = own and tower:lift_clip(own:unsqueeze(1))[1] or pool(tower, frames)
  return { frames = frames, lifted = tower:lift(frames), clip = clip, step = step,
    whole = whole and tower:lift(whole.frames), all = whole and whole.frames or frames,
    seconds = samples / tower.front_end.rate, loudest = loudest }
end

--- Encodes one sound; see Model:audio.
---@param tower table the audio tower
---@param head table nj.head
---@param next_tile function as tiles.of_wave makes it, of a sound that is not empty
---@param all? fun(): any gives the whole sound's log-mel behind the last tile; an encoder that fuses views
---  needs it
---@param captions? table what head:audio takes of one clip's captions
---@return table
function tiles.encode(tower, head, next_tile, all, captions)
  local heard, message, code = tiles.hear(tower, next_tile, all)
  if not heard then return { error = message, code = code } end
  local frames, step, duration, lifted = heard.frames, heard.step, heard.seconds, heard.lifted
  local list, times = windows(frames.shape[1], math.max(1, math.floor(SEGMENT / step + 0.5))), {}
  for i, w in ipairs(list) do times[i] = { (w[1] - 1) * step, math.min(duration, w[2] * step) } end
  times[#times][2] = duration
  if tower.tagger then
    local given = { tags = tower.tagger:of(heard.all):unsqueeze(1) }
    for key, value in pairs(captions or {}) do given[key] = value end
    captions = given
  end
  local a, groups = levels.of_sound(head, lifted, heard.clip, step, captions)
  if heard.whole and head.o.hci.top == "codebook" then
    a.clip = whole_clip(head, heard.whole, captions)
  end
  local vectors = window_vectors(tower, head, frames, lifted, list)
  if not (vectors:isfinite():all() and a.clip:isfinite():all()) then
    return { error = "the sound holds NaN or infinite values", code = "EFORMAT" }
  end
  local silent = heard.loudest <= silence.threshold(tower) or nil
  if silent and tower.tagger then
    silence.clear(a)
    vectors = core.zeros_like(vectors)
  end
  return {
    silent = silent,
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
