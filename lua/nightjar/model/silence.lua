--- Whether a sound is silence: nowhere louder in its log-mel than white noise of −80 dB RMS. What an encoder
--- makes of silence is a vector like any other, and near to some words: it is replaced by zeros.
local core = require "nightjar.core"

local silence = {}

local QUIET, LOUD = 1e-4, 1e-1 -- RMS of the noise, −80 dB, and of one that must stand out from it

-- The highest value of noise's log-mel.
local function highest(front_end, rms)
  local d = front_end:descriptor()
  local noise = core.randn(d.rate, { rng = core.rng(1) }) * rms
  return front_end:batch({ noise }):max():item()
end

--- The log-mel value up to which a sound is silent; −∞ for a front-end whose log-mels do not tell how loud a
--- sound is.
---@param tower table the audio tower, which remembers it
---@return number
function silence.threshold(tower)
  if not tower.silence then
    local quiet, loud = highest(tower.front_end, QUIET), highest(tower.front_end, LOUD)
    tower.silence = quiet < loud and quiet or -math.huge
  end
  return tower.silence
end

local VECTORS = { "clip", "caption", "captions", "segments", "frames" }

--- Zeros instead of vectors, whose similarity with anything is 0.
---@param a table as head:audio gives it
function silence.clear(a)
  for _, name in ipairs(VECTORS) do
    if a[name] then a[name] = core.zeros_like(a[name]) end
  end
end

return silence
