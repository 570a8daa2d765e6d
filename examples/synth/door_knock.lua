--- Knocking on a wooden door: groups of three to five.
local signal = require "examples.synth.signal"

local function knock(rng, pitch)
  local body = signal.modes(rng, 0.3, {
    { pitch, 0.045, 1 }, { pitch * 1.7, 0.035, 0.7 }, { pitch * 2.6, 0.025, 0.45 },
    { pitch * 4.1, 0.016, 0.25 }, { pitch * 6.3, 0.01, 0.13 }, { pitch * 9, 0.006, 0.06 },
  })
  local hit = signal.burst(signal.shape(signal.noise(rng, 0.3), {
    { 100, 0 }, { 400, -5 }, { 1000, -14 }, { 3000, -32 }, { 8000, -48 },
  }), 0.0008, 0.008)
  return body + signal.level(hit, -18) * 3
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch, t = rng:uniform(110, 170), rng:uniform(0.2, 0.5)
  while t < seconds - 0.8 do
    local gap = rng:uniform(0.17, 0.24)
    for _ = 1, rng:integer(3, 5) do
      signal.add(wave, knock(rng, pitch * rng:uniform(0.97, 1.03)), t, rng:uniform(0.7, 1))
      t = t + gap * rng:uniform(0.94, 1.06)
    end
    t = t + rng:uniform(0.9, 1.5)
  end
  wave = signal.room(rng, wave * 0.2, 0.15, -12)
  local room = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 400, -12 }, { 4000, -30 } })
  return signal.finish(wave + signal.level(room, -76), 0.8)
end
