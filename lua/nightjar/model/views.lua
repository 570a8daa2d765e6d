--- The views of a long sound that LAION-CLAP's fusion takes (nj.encoders.htsat, `fusion`): its whole
--- log-mel, shrunk to the window's frames, and a piece of each third as it is.
---
--- Facts of LAION-AI/CLAP, training/data.py, and huggingface/transformers, feature_extraction_clap.py.
--- Both shrink without antialiasing (LAION's by torchvision's Resize, which antialiases from version 0.17 on;
--- the published models are older), and both take the pieces at random.
local core = require "nightjar.core"

local views = {}

-- 0-based { first, last } places of each third of n, as numpy.array_split has them: the first ones are
-- longer by one where 3 does not divide n. An empty third begins at 0.
local function thirds(n)
  local list, at = {}, 0
  for i = 1, 3 do
    local size = n // 3 + (i <= n % 3 and 1 or 0)
    list[i] = size > 0 and { at, at + size - 1 } or { 0, 0 }
    at = at + size
  end
  return list
end

--- Views (4, T, M) of a sound's log-mel, T being the frames of the front-end's window.
---@param front_end any of nj.audio.mel, with `fill`
---@param mel any (frames, M), at least a window of them
---@param rng? any where the pieces begin; without one in the middle of each third of the possible places
---@return any views
---@return boolean longer whether they differ; of a sound that fills no more than the window the four are
---  the same, and the encoder takes the first
function views.of(front_end, mel, rng)
  local window = front_end:frames(0)
  local total, bands = mel.shape[1], mel.shape[2]
  if total <= window then return core.stack({ mel, mel, mel, mel }, 1), false end
  local list = { core.nn.resize(mel:reshape(1, 1, total, bands), window, bands)[{ 1, 1 }] }
  for i, place in ipairs(thirds(total - window + 1)) do
    local from = rng and rng:integer(place[1], place[2]) or (place[1] + place[2]) // 2
    list[i + 1] = mel[{ { from + 1, from + window } }]
  end
  return core.stack(list, 1), true
end

--- What is wrong with a front-end for an encoder that fuses views, or nil. Tiles have to share enough for
--- the log-mel of the whole to be put together from them.
---@param d table its descriptor
---@return string?
function views.problem(d)
  local least = 2 * (d.n_fft + 2 * d.hop)
  if d.fill == "none" then
    return "audio.encoder fuses views of sounds that are longer than a window, but audio.front_end has none "
      .. "(fill and duration)"
  elseif d.duration * d.rate < least then
    return ("audio.encoder fuses views, which takes windows of %d samples or more; audio.front_end's has %d")
      :format(least, math.floor(d.duration * d.rate))
  elseif d.top_db > 0 or d.drop_last then
    return "audio.encoder fuses views, which takes a front-end without top_db and drop_last"
  end
end

local Whole = {}
Whole.__index = Whole

--- Puts the log-mel of a sound together from pieces of its waveform that overlap, with the bits that the
--- whole waveform gives. Of the wave nothing is kept.
---@param front_end any
---@return table whole with :add(piece, start), in order, and :finish()
function views.whole(front_end)
  local d = front_end:descriptor()
  d.fill, d.duration = "none", 0
  local before = d.center and d.n_fft // 2 or 0
  return setmetatable({ plain = core.audio.mel(d), hop = d.hop, after = d.n_fft - before, kept = {},
    next = 0 }, Whole)
end

-- Frames of the piece at hand, from the next one to `last`, counted from the sound's first, 0.
local function take(self, last)
  if last < self.next then return end
  self.kept[#self.kept + 1] = self.rows[{ { self.next - self.base + 1, last - self.base + 1 } }]
  self.next = last + 1
end

--- The next piece (n), which begins at a sample, from 0.
function Whole:add(piece, start)
  local n = piece.shape[1]
  self.base = (start + self.hop - 1) // self.hop -- its first multiple of the hop
  self.rows = self.plain(piece[{ { self.base * self.hop - start + 1, n } }])
  take(self, (start + n - self.after) // self.hop) -- what lies behind sees the next piece, too
end

--- All log-mels (frames, M).
function Whole:finish()
  take(self, self.base + self.rows.shape[1] - 1)
  return core.cat(self.kept, 1)
end

return views
