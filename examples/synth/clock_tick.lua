--- A clock: tick and tock, a few times a second.
local signal = require "examples.synth.signal"

local function tick(rng, pitch, db)
  local list = {}
  for _, ratio in ipairs { 0.3, 0.55, 1, 1.43, 1.9, 2.6, 3.7, 5.1 } do
    list[#list + 1] = {
      pitch * ratio * rng:uniform(0.95, 1.05), rng:uniform(0.003, 0.009), rng:uniform(0.4, 1),
    }
  end
  local body = signal.modes(rng, 0.12, list)
  local click = signal.burst(signal.shape(signal.noise(rng, 0.12), {
    { 200, 0 }, { 3000, -3 }, { 6000, -10 }, { 14000, -22 },
  }), 0.0004, 0.004)
  return signal.level(body + click * 1.5, db)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch, period = rng:uniform(1300, 1900), 1 / rng:integer(2, 4)
  local sounds = { tick(rng, pitch, -18), tick(rng, pitch * 0.82, -20) }
  local t, k = rng:uniform(0.05, 0.2), 1
  while t < seconds - 0.05 do
    signal.add(wave, sounds[k], t, rng:uniform(0.9, 1.05))
    -- The wheel settles shortly after each tick.
    signal.add(wave, sounds[k], t + 0.034, 0.18)
    t, k = t + period, 3 - k
  end
  wave = signal.room(rng, wave, 0.05, -15)
  local room = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 500, -10 }, { 4000, -22 } })
  return signal.finish(wave + signal.level(room, -56), 0.6)
end
