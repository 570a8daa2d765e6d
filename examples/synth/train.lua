--- A train that passes: rumble of wheels, clack-clack of the joints.
local signal = require "examples.synth.signal"

local function clack(rng)
  local body = signal.modes(rng, 0.2, {
    { rng:uniform(90, 130), 0.04, 1 }, { rng:uniform(300, 420), 0.03, 0.6 },
    { rng:uniform(900, 1300), 0.02, 0.25 }, { rng:uniform(2000, 2800), 0.012, 0.1 },
  })
  local hit = signal.burst(signal.shape(signal.noise(rng, 0.2), {
    { 80, 0 }, { 400, -5 }, { 1500, -15 }, { 6000, -28 }, { 14000, -40 },
  }), 0.001, 0.025)
  return signal.level(body + hit, -16)
end

return function(rng, seconds)
  local rumble = signal.shape(signal.noise(rng, seconds), {
    { 40, 3 }, { 185, 0 }, { 400, -3 }, { 620, -7 }, { 830, -11 }, { 1340, -17 }, { 2100, -20 },
    { 3300, -25 }, { 6400, -35 }, { 12400, -46 },
  })
  local wave = signal.level(rumble, -18) * signal.wander(rng, seconds, 4, 0.5, 1.2)
  local t, period = rng:uniform(0, 0.4), rng:uniform(0.62, 0.8)
  while t < seconds do
    for k = 0, 1 do
      signal.add(wave, clack(rng), t + k * 0.15, rng:uniform(0.5, 0.8))
    end
    t = t + period
  end
  -- Steel on steel sings a little.
  local squeal = signal.band(signal.noise(rng, seconds), 2300, 2700)
  wave = wave + signal.level(squeal, -44) * signal.wander(rng, seconds, 1, 0, 1)
  local near = signal.curve({ { 0, 0.4 }, { seconds * 0.5, 1 }, { seconds, 0.5 } }, seconds)
  return signal.finish(signal.colour(rng, wave, 2.5) * near, 0.6)
end
