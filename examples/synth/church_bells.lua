--- Church bells: the partials of a bell (hum, prime, tierce, quint, nominal …), struck again and
--- again; three bells, each swinging at its own pace.
local signal = require "examples.synth.signal"

-- Ratios to the prime, seconds of decay, amplitudes.
local partials = {
  { 0.5, 3.5, 0.5 }, { 1, 2.2, 1 }, { 1.19, 1.8, 0.9 }, { 1.5, 1.2, 0.4 }, { 2, 1.3, 0.8 },
  { 2.51, 0.8, 0.35 }, { 2.66, 0.7, 0.3 }, { 3.01, 0.6, 0.4 }, { 4.17, 0.4, 0.25 },
  { 5.43, 0.25, 0.14 }, { 6.8, 0.15, 0.08 }, { 8.2, 0.1, 0.04 },
}

local function strike(rng, prime)
  local list = {}
  for i, p in ipairs(partials) do
    list[i] = { prime * p[1] * rng:uniform(0.998, 1.002), p[2], p[3] * rng:uniform(0.7, 1.2) }
  end
  local bell = signal.modes(rng, 5, list)
  local clapper = signal.burst(signal.band(signal.noise(rng, 0.05), 800, 5000), 0.001, 0.008)
  return signal.add(bell, clapper, 0, 0.4)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local prime = rng:uniform(380, 520)
  for _, ratio in ipairs { 1, 1.2 * rng:uniform(0.98, 1.02), 0.75 } do
    local bell = strike(rng, prime * ratio)
    local period, t = rng:uniform(1.1, 1.7), rng:uniform(-1.2, 0.4)
    while t < seconds do
      signal.add(wave, bell, t, rng:uniform(0.5, 0.9))
      t = t + period * rng:uniform(0.98, 1.02)
    end
  end
  wave = signal.room(rng, wave, 0.4, -12)
  local air = signal.shape(signal.noise(rng, seconds), { { 100, 0 }, { 500, -10 }, { 4000, -30 } })
  return signal.finish(signal.level(wave, -16) + signal.level(air, -48), 0.7)
end
