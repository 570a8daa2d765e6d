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

--- Views (4, T, M) of a waveform, T being the frames of the front-end's window.
---@param front_end any of nj.audio.mel, with `fill`
---@param wave any (samples)
---@param rng? any where the pieces begin; without one in the middle of each third of the possible places
---@return any views
---@return boolean longer whether they differ; of a sound that fills no more than the window the four are
---  the same, and the encoder takes the first
function views.of(front_end, wave, rng)
  local mel, window = front_end(wave), front_end:frames(0)
  local total, bands = mel.shape[1], mel.shape[2]
  if total <= window then return core.stack({ mel, mel, mel, mel }, 1), false end
  local list = { core.nn.resize(mel:reshape(1, 1, total, bands), window, bands)[{ 1, 1 }] }
  for i, place in ipairs(thirds(total - window + 1)) do
    local from = rng and rng:integer(place[1], place[2]) or (place[1] + place[2]) // 2
    list[i + 1] = mel[{ { from + 1, from + window } }]
  end
  return core.stack(list, 1), true
end

return views
