--- Sounds made for specs: waves as tables or tensors, and WAV bytes written by hand.
local nj = require "nightjar"

local sound = {}

--- A sine of amplitude `a` (default 0.5).
---@return number[]
function sound.sine(n, hz, rate, a)
  local t = {}
  for i = 1, n do t[i] = (a or 0.5) * math.sin(2 * math.pi * hz * (i - 1) / rate) end
  return t
end

--- White noise of amplitude `a` (default 0.5), by seed.
---@return number[]
function sound.noise(n, seed, a)
  local rng, t = nj.rng(seed or 1), {}
  a = a or 0.5
  for i = 1, n do t[i] = rng:uniform(-a, a) end
  return t
end

function sound.noise_tensor(n, seed, a) return nj.tensor(sound.noise(n, seed, a)) end

--- A WAV file. `format`: "i2", "f" or "d" (string.pack) of interleaved values.
---@param values number[] floats in [-1, 1], interleaved
---@param options? table {rate=, channels=, format=, claim= (bytes the data chunk says it has)}
function sound.wav(values, options)
  options = options or {}
  local rate, channels, format = options.rate or 32000, options.channels or 1, options.format
    or "i2"
  local size = string.packsize("<" .. format)
  local parts = {}
  for i, v in ipairs(values) do
    if format == "i2" then v = math.floor(math.max(-32768, math.min(32767, v * 32768))) end
    parts[i] = string.pack("<" .. format, v)
  end
  local data = table.concat(parts)
  local header = string.pack("<c4I4I2I2I4I4I2I2", "fmt ", 16, format == "i2" and 1 or 3, channels,
    rate,
    rate * channels * size & 0xffffffff, channels * size & 0xffff, 8 * size)
  local chunk = "data" .. string.pack("<I4", options.claim or #data) .. data
  return "RIFF" .. string.pack("<I4", 4 + #header + #chunk) .. "WAVE" .. header .. chunk
end

--- A BW64 file (64-bit sizes in a ds64 chunk) of 16-bit samples.
---@param values number[]
---@param rate integer
function sound.bw64(values, rate)
  local wav = sound.wav(values, { rate = rate })
  local size = 2 * #values
  return "BW64\xff\xff\xff\xffWAVEds64" .. string.pack("<I4I8I8I8I4", 28, #wav + 28, size, #values, 0)
    .. wav:sub(13, 36) .. "data\xff\xff\xff\xff" .. wav:sub(45)
end

--- The frames of an MP3 file inside a WAV file.
---@param mp3 string
---@param rate integer
function sound.mp3_in_wav(mp3, rate)
  local header = "fmt " .. string.pack("<I4I2I2I4I4I2I2I2I2I4I2I2I2", 30, 0x55, 1, rate, 8000, 1, 0, 12, 1, 2,
    576, 1, 1393)
  local chunk = "data" .. string.pack("<I4", #mp3) .. mp3
  return "RIFF" .. string.pack("<I4", 4 + #header + #chunk) .. "WAVE" .. header .. chunk
end

--- Equal shapes and equal bits.
function sound.same(a, b)
  return table.concat(a.shape, ",") == table.concat(b.shape, ",") and a:bytes() == b:bytes()
end

return sound
