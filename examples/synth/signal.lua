--- What the synthesisers are made of: noise, tones, envelopes and filters over tensors. Waves are
--- float32 tensors (samples) at signal.rate; times are in seconds, frequencies in Hz, levels in dB.
local nj = require "nightjar"

local signal = { rate = 32000 }

--- Samples in so many seconds.
function signal.samples(seconds) return math.floor(seconds * signal.rate + 0.5) end

--- The amplitude of a level.
function signal.gain(db) return 10 ^ (db / 20) end

function signal.silence(seconds) return nj.zeros(signal.samples(seconds)) end

--- White noise of amplitude 1.
function signal.noise(rng, seconds) return nj.randn(signal.samples(seconds), { rng = rng }) end

--- Seconds since the beginning, for every sample; float64, as phases need it.
function signal.time(seconds)
  local n = signal.samples(seconds)
  return nj.arange(0, n - 1, 1, { dtype = "float64" }) / signal.rate
end

--- A curve through points { time, value }, straight between them.
function signal.curve(points, seconds)
  local step = 0.002
  local values, k = {}, 1
  for i = 0, math.ceil(seconds / step) do
    local t = i * step
    while points[k + 1] and points[k + 1][1] <= t do k = k + 1 end
    local a, b = points[k], points[k + 1]
    if t <= a[1] or not b then
      values[i + 1] = a[2]
    else
      values[i + 1] = a[2] + (b[2] - a[2]) * (t - a[1]) / (b[1] - a[1])
    end
  end
  local n = signal.samples(seconds)
  local coarse = nj.tensor(values):reshape(1, 1, 1, #values)
  return nj.nn.resize(coarse, 1, n, { align_corners = true }):reshape(n)
end

--- A curve that wanders between low and high, `rate` times a second.
function signal.wander(rng, seconds, rate, low, high)
  local points = {}
  for i = 0, math.ceil(seconds * rate) + 1 do
    points[#points + 1] = { i / rate + rng:uniform(-0.3, 0.3) / rate, rng:uniform(low, high) }
  end
  points[1][1] = 0
  return signal.curve(points, seconds)
end

--- A tone whose frequency is a number or a curve.
function signal.tone(frequency, seconds, phase)
  local turns
  if type(frequency) == "number" then
    turns = signal.time(seconds) * frequency
  else
    turns = frequency:to "float64":cumsum(1) / signal.rate
  end
  turns = turns - turns:floor() -- sines of small arguments are exact in float32
  return ((turns:to "float32" * (2 * math.pi)) + (phase or 0)):sin()
end

--- A sum of harmonics of a frequency (a number or a curve): level(k, hz) gives the amplitude of
--- number k, whose mean frequency is hz; those above 15 kHz are left out.
function signal.harmonics(rng, frequency, seconds, count, level)
  local mean = type(frequency) == "number" and frequency or frequency:mean():item()
  local out = signal.silence(seconds)
  for k = 1, count do
    if k * mean > 15000 then break end
    local amplitude = level(k, k * mean)
    if amplitude > 1e-4 then
      out = out + signal.tone(frequency * k, seconds, rng:uniform(0, 6.28)) * amplitude
    end
  end
  return out
end

--- exp(-t / tau).
function signal.decay(seconds, tau)
  return (signal.time(seconds) * (-1 / tau)):exp():to "float32"
end

--- Decaying partials { hz, tau, amplitude }, struck together.
function signal.modes(rng, seconds, list)
  local out = signal.silence(seconds)
  for _, mode in ipairs(list) do
    if mode[1] < 15500 then
      local partial = signal.tone(mode[1], seconds, rng:uniform(0, 6.28))
      out = out + partial * signal.decay(seconds, mode[2]) * mode[3]
    end
  end
  return out
end

local TAPS = 1023

-- Taps of a symmetric filter whose gain at each of 512 frequencies is given.
local function design(gain_at)
  local count, half = 512, (TAPS - 1) // 2
  local gains = {}
  for i = 1, count do gains[i] = gain_at((i - 0.5) / count * signal.rate / 2) end
  local offsets = nj.arange(-half, half, 1, { dtype = "float64" }):reshape(TAPS, 1)
  local angles = (nj.arange(1, count, 1, { dtype = "float64" }) - 0.5) * (math.pi / count)
  local taps = ((offsets * angles):cos() * nj.tensor(gains, { dtype = "float64" })):mean(2)
  local window = (offsets:reshape(TAPS) * (math.pi / (half + 1))):cos() * 0.5 + 0.5
  return (taps * window):to "float32"
end

local function filter(x, taps)
  local y = nj.nn.conv2d(x:reshape(1, 1, 1, x.shape[1]), taps:reshape(1, 1, 1, TAPS), nil,
    { padding = { 0, (TAPS - 1) // 2 } })
  return y:reshape(x.shape[1])
end

-- dB at hz of a line through points { hz, dB } over the logarithm of frequency.
local function level_at(points, hz)
  if hz <= points[1][1] then return points[1][2] end
  for i = 2, #points do
    local a, b = points[i - 1], points[i]
    if hz <= b[1] then
      return a[2] + (b[2] - a[2]) * math.log(hz / a[1]) / math.log(b[1] / a[1])
    end
  end
  return points[#points][2]
end

--- x through a filter whose response goes through points { hz, dB }.
function signal.shape(x, points)
  return filter(x, design(function(hz) return signal.gain(level_at(points, hz)) end))
end

--- x as a body colours it that was not built to sound well: a response that is uneven by about so
--- many dB from one frequency to the next.
function signal.colour(rng, x, db)
  local points, hz = {}, 60
  while hz < 15000 do
    points[#points + 1] = { hz, db * rng:normal() }
    hz = math.max(hz + 70, hz * rng:uniform(1.05, 1.12))
  end
  return signal.shape(x, points)
end

--- x between two frequencies, with slopes of 24 dB an octave.
function signal.band(x, low, high)
  return filter(x, design(function(hz)
    local above = math.min(0, 24 * math.log(hz / low, 2))
    local below = math.min(0, 24 * math.log(high / hz, 2))
    return signal.gain(above + below)
  end))
end

--- x at a root mean square of so many dB below 1.
function signal.level(x, db)
  local rms = x:square():mean():sqrt():item()
  return x * (signal.gain(db or 0) / math.max(rms, 1e-9))
end

--- Adds x into a longer wave at a time, in place; what lies outside is cut.
function signal.add(wave, x, seconds, amplitude)
  local at, n = signal.samples(seconds) + 1, x.shape[1]
  local length = wave.shape[1]
  local skip = math.max(0, 1 - at)
  n = math.min(n - skip, length - at - skip + 1)
  if n < 1 then return wave end
  wave:narrow(1, at + skip, n):add_(x:narrow(1, 1 + skip, n) * (amplitude or 1))
  return wave
end

--- A short burst: x times a rise of `attack` and a decay of `tau` seconds.
function signal.burst(x, attack, tau)
  local seconds = x.shape[1] / signal.rate
  return x * signal.curve({ { 0, 0 }, { attack, 1 } }, seconds) * signal.decay(seconds, tau)
end

--- The sound in a place: echoes that arrive within `seconds` and die away by 30 dB.
function signal.room(rng, x, seconds, db)
  local out = x:clone()
  for _ = 1, 24 do
    local delay = seconds * rng:uniform() ^ 1.5 + 0.004
    local amplitude = signal.gain((db or -12) - 30 * delay / seconds)
    signal.add(out, x, delay, rng:uniform() < 0.5 and -amplitude or amplitude)
  end
  return out
end

--- Times of happenings: `rate` a second, as irregular as those of rain (regular = 0) or as those of
--- a clock (regular = 1).
function signal.times(rng, seconds, rate, regular)
  local out, t = {}, rng:uniform(0, 1 / rate)
  while t < seconds do
    out[#out + 1] = t
    local random = -math.log(1 - rng:uniform())
    t = t + ((1 - regular) * random + regular) / rate
  end
  return out
end

--- Ready to be written: without a constant part, faded at both ends, the largest sample at `peak`.
function signal.finish(x, peak)
  x = x - x:mean():item()
  local seconds = x.shape[1] / signal.rate
  x = x * signal.curve({ { 0, 0 }, { 0.01, 1 }, { seconds - 0.03, 1 }, { seconds, 0 } }, seconds)
  return x * ((peak or 0.7) / math.max(x:abs():max():item(), 1e-9))
end

return signal
