--- A helicopter: blades that beat the air some thirteen times a second, and the turbine's hiss.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local blades = signal.wander(rng, seconds, 1, 0.99, 1.01) * rng:uniform(11, 15)
  -- A pulse for every blade: a raised cosine to a power is narrow and has no jumps.
  local pulse = (signal.tone(blades, seconds) * 0.5 + 0.5) ^ 3
  local thump = signal.harmonics(rng, blades, seconds, 24, function(_, hz)
    return signal.gain(-10 * math.abs(math.log(hz / 60, 2)))
  end)
  local air = signal.shape(signal.noise(rng, seconds), {
    { 40, 4 }, { 185, 0 }, { 400, -6 }, { 830, -13 }, { 1340, -18 }, { 2100, -23 }, { 3300, -29 },
    { 6400, -40 }, { 12400, -56 },
  })
  local turbine = signal.tone(rng:uniform(420, 560), seconds) * 0.02
  local near = signal.wander(rng, seconds, 0.5, 0.7, 1)
  air = signal.colour(rng, air * (pulse * 0.45 + 0.65), 2.5)
  local wave = signal.level(air, -18) + signal.level(thump, -20)
  return signal.finish((wave + signal.level(turbine, -42)) * near, 0.6)
end
