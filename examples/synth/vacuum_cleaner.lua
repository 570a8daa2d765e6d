--- A vacuum cleaner: rushing air and a motor's tone with its harmonics.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local air = signal.shape(signal.noise(rng, seconds), {
    { 60, -8 }, { 185, -4 }, { 400, 0 }, { 620, -3 }, { 1050, -6 }, { 1670, -8 }, { 2600, -11 },
    { 4000, -14 }, { 6400, -19 }, { 10000, -23 }, { 14000, -30 },
  })
  local motor = signal.wander(rng, seconds, 0.7, 0.995, 1.005) * rng:uniform(190, 240)
  local whine = signal.harmonics(rng, motor, seconds, 14, function(k)
    return rng:uniform(0.3, 1) * signal.gain(-2.2 * (k - 1))
  end)
  -- The fan has some nine blades: their tone and its octave stand out.
  local fan = signal.harmonics(rng, motor * 2.98, seconds, 7, function(k)
    return ({ 1, 0.8, 0.4, 0.35, 0.2, 0.15, 0.1 })[k]
  end)
  air = signal.colour(rng, air * signal.wander(rng, seconds, 8, 0.85, 1.15), 3)
  local wave = signal.level(air, -18) + signal.level(whine, -23) + signal.level(fan, -26)
  return signal.finish(wave * signal.wander(rng, seconds, 1, 0.95, 1.03), 0.5)
end
