--- Wind: low noise in gusts, and a whistle that rises with them.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local gusts = signal.wander(rng, seconds, 0.9, 0.45, 1)
  local roar = signal.shape(signal.noise(rng, seconds), {
    { 50, 3 }, { 185, 0 }, { 400, -5 }, { 620, -10 }, { 830, -13 }, { 1340, -20 }, { 2100, -27 },
    { 3300, -33 }, { 5100, -41 }, { 8000, -49 }, { 14000, -56 },
  })
  local wave = signal.level(roar, -18) * gusts
  -- Noise around a wandering frequency: two tones that beat slowly with noise.
  local pitch = gusts * rng:uniform(220, 300) + rng:uniform(220, 280)
  local flutter = signal.shape(signal.noise(rng, seconds), { { 10, 0 }, { 30, -10 }, { 80, -60 } })
  local whistle = signal.tone(pitch, seconds) * signal.level(flutter, 0)
  wave = wave + signal.level(whistle * gusts * gusts, -31)
  return signal.finish(wave, 0.5)
end
