--- Rain: a hiss that falls by some 20 dB towards 12 kHz, and single drops on leaves and stone.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local hiss = signal.shape(signal.noise(rng, seconds), {
    { 100, 0 }, { 200, -1 }, { 400, -4 }, { 1000, -5 }, { 2000, -8 }, { 4000, -11 }, { 6500, -13 },
    { 10000, -19 }, { 14000, -24 },
  })
  local wave = signal.level(hiss, -20) * signal.wander(rng, seconds, 1.5, 0.9, 1.1)
  for _, t in ipairs(signal.times(rng, seconds, rng:uniform(40, 70), 0)) do
    local drop = signal.burst(signal.noise(rng, 0.02), 0.0005, rng:uniform(0.001, 0.004))
    signal.add(wave, drop, t, signal.gain(rng:uniform(-34, -20)))
  end
  return signal.finish(wave, 0.5)
end
