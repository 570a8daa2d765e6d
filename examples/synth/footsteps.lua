--- Footsteps on a hard floor: heel and sole about twice a second.
local signal = require "examples.synth.signal"

local function contact(rng, db, bright)
  local thump = signal.modes(rng, 0.25, {
    { rng:uniform(75, 95), 0.03, 1 }, { rng:uniform(150, 210), 0.02, 0.8 },
    { rng:uniform(280, 420), 0.014, 0.5 }, { rng:uniform(700, 1100), 0.008, 0.22 },
  })
  local scrape = signal.shape(signal.noise(rng, 0.25), {
    { 100, 0 }, { 400, -3 }, { 1000, -7 }, { 2000, -12 + bright }, { 4000, -18 + bright },
    { 8000, -24 + bright }, { 14000, -34 },
  })
  scrape = signal.burst(scrape, 0.002, 0.018)
  return signal.level(thump + scrape * 1.1, db)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local t, period = rng:uniform(0.1, 0.3), rng:uniform(0.48, 0.6)
  while t < seconds - 0.1 do
    signal.add(wave, contact(rng, rng:uniform(-20, -17), rng:uniform(0, 4)), t)
    signal.add(wave, contact(rng, rng:uniform(-28, -24), rng:uniform(2, 6)),
      t + rng:uniform(0.08, 0.11))
    t = t + period * rng:uniform(0.96, 1.04)
  end
  wave = signal.room(rng, wave, 0.18, -12)
  local floor = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 400, -10 }, { 4000, -28 } })
  return signal.finish(wave + signal.level(floor, -52), 0.7)
end
