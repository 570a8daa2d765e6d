--- Thunder: a crack, then rolls that come and go and sink in pitch, over rain.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local rumble = signal.shape(signal.noise(rng, seconds), {
    { 30, 4 }, { 80, 4 }, { 185, 0 }, { 400, -7 }, { 620, -13 }, { 830, -18 }, { 1340, -28 },
    { 2600, -46 }, { 5000, -64 }, { 14000, -80 },
  })
  local start = rng:uniform(0.2, 0.5)
  local points = { { 0, 0.05 }, { start, 0.06 }, { start + 0.04, 1 } }
  local t, level = start + 0.3, 0.8
  while t < seconds do
    points[#points + 1] = { t, level * rng:uniform(0.35, 1) }
    t, level = t + rng:uniform(0.12, 0.4), level * 0.9
  end
  local wave = signal.level(rumble, -12) * signal.curve(points, seconds)
  local crack = signal.shape(signal.noise(rng, 0.9), {
    { 60, 0 }, { 400, -6 }, { 1500, -22 }, { 5000, -44 }, { 12000, -64 },
  })
  crack = signal.burst(crack, 0.01, 0.14) * signal.wander(rng, 0.9, 30, 0.3, 1)
  signal.add(wave, signal.level(crack, -15), start)
  local rain = signal.shape(signal.noise(rng, seconds), {
    { 200, 0 }, { 1000, -3 }, { 3000, -8 }, { 6000, -14 }, { 12000, -24 },
  })
  return signal.finish(signal.colour(rng, wave, 2) + signal.level(rain, -51), 0.8)
end
