--- Waves on a beach: swells of noise some five seconds apart, brightest as they break.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local period, points = rng:uniform(3.2, 4.4), { { 0, rng:uniform(0.2, 0.35) } }
  local t = rng:uniform(0.4, 1)
  while t < seconds do
    points[#points + 1] = { t + period * 0.22, 0.7 }
    points[#points + 1] = { t + period * 0.33, 1 }
    points[#points + 1] = { t + period * 0.55, 0.55 }
    points[#points + 1] = { t + period * 0.95, 0.22 }
    t = t + period
  end
  local swell = signal.curve(points, seconds)
  local deep = signal.shape(signal.noise(rng, seconds), {
    { 60, 0 }, { 200, -1 }, { 620, -2 }, { 1050, -5 }, { 2000, -13 }, { 4000, -20 },
    { 8000, -30 }, { 14000, -38 },
  })
  local foam = signal.shape(signal.noise(rng, seconds), {
    { 100, -12 }, { 500, -4 }, { 1500, -2 }, { 3000, -6 }, { 6000, -11 }, { 14000, -24 },
  })
  local wave = signal.level(deep, -18) * (swell * 0.8 + 0.2)
    + signal.level(foam, -18) * swell * swell
  return signal.finish(wave * signal.wander(rng, seconds, 6, 0.85, 1.1), 0.5)
end
