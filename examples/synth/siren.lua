--- An emergency siren: a wail that rises and falls between two frequencies, in a street.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local low, high = rng:uniform(560, 660), rng:uniform(1150, 1400)
  local period = rng:uniform(2.6, 4)
  local points, t, up = {}, -rng:uniform(0, period / 2), true
  while t < seconds + period do
    points[#points + 1] = { t, up and low or high }
    t, up = t + period * (up and 0.45 or 0.55), not up
  end
  local frequency = signal.curve(points, seconds)
  local wail = signal.harmonics(rng, frequency, seconds, 8, function(k)
    return ({ 1, 0.35, 0.16, 0.06, 0.03, 0.015, 0.008, 0.004 })[k]
  end)
  wail = wail * signal.wander(rng, seconds, 2, 0.6, 1)
  wail = signal.room(rng, wail, 0.25, -9)
  local street = signal.shape(signal.noise(rng, seconds), {
    { 80, 0 }, { 200, -4 }, { 500, -14 }, { 2000, -24 }, { 8000, -44 },
  })
  return signal.finish(signal.level(wail, -14) + signal.level(street, -36), 0.6)
end
