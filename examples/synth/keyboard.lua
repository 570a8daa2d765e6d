--- Typing: keys go down and come up, six or seven a second, with a pause now and then.
local signal = require "examples.synth.signal"

local function key(rng, db)
  local body = signal.modes(rng, 0.06, {
    { rng:uniform(180, 260), 0.008, 0.9 }, { rng:uniform(900, 1400), 0.006, 0.8 },
    { rng:uniform(1800, 2600), 0.005, 0.9 }, { rng:uniform(3000, 4200), 0.004, 0.6 },
    { rng:uniform(5000, 7000), 0.003, 0.3 },
  })
  local click = signal.burst(signal.shape(signal.noise(rng, 0.06), {
    { 150, -2 }, { 400, -9 }, { 900, -3 }, { 2100, 0 }, { 4000, -5 }, { 8000, -12 },
    { 14000, -22 },
  }), 0.0005, 0.006)
  return signal.level(body * 0.5 + click, db)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local t = rng:uniform(0.05, 0.2)
  while t < seconds - 0.1 do
    signal.add(wave, key(rng, rng:uniform(-27, -20)), t)
    signal.add(wave, key(rng, rng:uniform(-34, -27)), t + rng:uniform(0.05, 0.09))
    t = t + rng:uniform(0.09, 0.19)
    if rng:uniform() < 0.1 then t = t + rng:uniform(0.15, 0.4) end
  end
  wave = signal.room(rng, wave, 0.12, -11)
  local room = signal.shape(signal.noise(rng, seconds), {
    { 80, 4 }, { 185, 0 }, { 500, -10 }, { 4000, -20 }, { 14000, -30 },
  })
  return signal.finish(wave + signal.level(room, -46), 0.6)
end
