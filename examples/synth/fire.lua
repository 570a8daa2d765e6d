--- A fire: crackles of all sizes over the low flutter of flames.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local flames = signal.shape(signal.noise(rng, seconds), {
    { 40, 4 }, { 185, 0 }, { 400, -15 }, { 620, -20 }, { 1050, -26 }, { 1670, -31 },
    { 12000, -35 },
  })
  flames = signal.colour(rng, flames, 2) * signal.wander(rng, seconds, 8, 0.7, 1.2)
  local wave = signal.level(flames, -24)
  for _, t in ipairs(signal.times(rng, seconds, rng:uniform(18, 26), 0)) do
    local size = rng:uniform() ^ 3
    local snap = signal.burst(signal.noise(rng, 0.03), 0.0003, 0.0008 + 0.004 * rng:uniform())
    if rng:uniform() < 0.4 then
      snap = snap + signal.modes(rng, 0.03, { { rng:uniform(700, 5000), 0.004, 1 } })
    end
    signal.add(wave, snap, t, 0.03 + 0.5 * size)
  end
  return signal.finish(wave, 0.7)
end
