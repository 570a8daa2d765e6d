--- Crickets at night: each repeats a chirp of three or four pulses on a tone of its own.
local signal = require "examples.synth.signal"

local function chirp(rng, pitch)
  local pulses, pulse = rng:integer(3, 4), 0.022
  local wave = signal.silence(pulses * 0.034)
  for k = 0, pulses - 1 do
    local tone = signal.tone(pitch * rng:uniform(0.995, 1.005), pulse)
    tone = tone * signal.curve({ { 0, 0 }, { pulse * 0.4, 1 }, { pulse, 0 } }, pulse)
    signal.add(wave, tone, k * 0.034, 0.6 + 0.13 * k)
  end
  return wave
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  for i = 1, 6 do
    local sound = chirp(rng, rng:uniform(4000, 5000))
    local period, t = rng:uniform(0.3, 0.5), rng:uniform(-0.4, 0.3)
    local amplitude = signal.gain(-10 - 4 * (i - 1))
    while t < seconds do
      signal.add(wave, sound, t, amplitude * rng:uniform(0.85, 1))
      t = t + period * rng:uniform(0.97, 1.03)
    end
  end
  -- The many that are further away are one steady shimmer.
  local far = signal.band(signal.noise(rng, seconds), 3900, 5200)
  local night = signal.shape(signal.noise(rng, seconds), {
    { 80, 4 }, { 185, 0 }, { 830, -8 }, { 4000, -12 }, { 14000, -14 },
  })
  return signal.finish(wave + signal.level(far, -34) + signal.level(night, -40), 0.5)
end
