-- What each of the host's two states does: trains a small network on sounds that it makes itself,
-- runs into its memory limit on purpose, and returns a digest that must be the same in both.
local nj = require "nightjar"

local limit = nj.memory().limit
assert(limit > 0, "the host sets a limit")

-- Sounds: a tone and some noise; the class is the octave of the tone.
local rate, seconds, classes = 16000, 0.5, 4
local rng = nj.rng(7)

local function tone(class)
  local time = nj.arange(0, rate * seconds - 1) * (2 * math.pi / rate)
  local pitch = 220 * 2 ^ (class - 1) * (1 + 0.1 * rng:uniform())
  return (time * pitch):sin() * 0.5 + nj.randn(rate * seconds, { rng = rng }) * 0.05
end

-- A sound goes through a file in memory, as it would come from a host's own archive.
local function wav_bytes(wave)
  local samples = {}
  for i, x in ipairs(wave:clamp(-1, 1):totable()) do
    samples[i] = string.pack("<i2", math.floor(x * 32767))
  end
  local data = table.concat(samples)
  return "RIFF" .. string.pack("<I4", 36 + #data) .. "WAVEfmt "
    .. string.pack("<I4I2I2I4I4I2I2", 16, 1, 1, rate, rate * 2, 2, 16)
    .. "data" .. string.pack("<I4", #data) .. data
end

local mel = nj.audio.mel {
  preset = "panns", rate = rate, n_fft = 512, win_length = 512, hop = 160, fmax = 8000,
}
local inputs, labels = {}, {}
for i = 1, 32 do
  local class = (i - 1) % classes + 1
  local wave = assert(nj.audio.decode_bytes(wav_bytes(tone(class)), { rate = rate }))
  inputs[i], labels[i] = mel(wave), class
end
local x = nj.stack(inputs, 1):unsqueeze(2) * 0.02 -- (sounds, 1, frames, bands)
local y = nj.tensor(labels, { dtype = "int64" })

-- A convolution, a pool, a linear layer; the gradient by hand into a plain descent step.
local weights = {
  nj.randn(8, 1, 3, 3, { rng = rng }) * 0.3,
  nj.zeros(8),
  nj.randn(classes, 8 * 4, { rng = rng }) * 0.2,
  nj.zeros(classes),
}
for _, w in ipairs(weights) do
  w:requires_grad_(true)
end

local function loss()
  local h = nj.nn.conv2d(x, weights[1], weights[2], { stride = 2, padding = 1 }):relu()
  h = nj.nn.adaptive_avg_pool2d(h, 1, 4):flatten(2)
  return nj.nn.cross_entropy(nj.nn.linear(h, weights[3], weights[4]), y)
end

local first, last
for _ = 1, 40 do
  local value = loss()
  first, last = first or value:item(), value:item()
  value:backward()
  nj.no_grad(function()
    for _, w in ipairs(weights) do
      w:sub_(w.grad * 0.5)
      w:zero_grad()
    end
  end)
end
assert(last < first, ("training does not help: %g, then %g"):format(first, last))

-- More than the limit is an error, and the state lives on.
local ok, message = pcall(nj.zeros, limit // 4 + 1)
assert(not ok and message:find "out of memory", message)
assert(nj.ones(3):sum():item() == 3)

-- So is more than the host's allocator gives to Lua itself.
local full, complaint = pcall(function()
  local hoard = {}
  for i = 1, math.huge do
    hoard[i] = ("x"):rep(1 << 16) .. i
  end
  return #hoard
end)
assert(not full and complaint:find "not enough memory", complaint)

local digest = 0
for _, w in ipairs(weights) do
  for c in w:detach():contiguous():bytes():gmatch "." do
    digest = (digest * 31 + c:byte()) % 2147483647
  end
end
return ("loss %.6f after 40 steps from %.6f, weights %08x"):format(last, first, digest)
