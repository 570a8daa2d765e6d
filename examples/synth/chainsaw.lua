--- A chainsaw: a two-stroke engine that is revved, with the noise of its chain.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local points, t = {}, 0
  local idle, full = rng:uniform(75, 90), rng:uniform(135, 165)
  while t < seconds + 1 do
    points[#points + 1] = { t, idle }
    points[#points + 1] = { t + rng:uniform(0.15, 0.3), full }
    t = t + rng:uniform(0.7, 1.6)
    points[#points + 1] = { t, full * rng:uniform(0.9, 1) }
    t = t + rng:uniform(0.25, 0.5)
  end
  local speed = signal.curve(points, seconds)
  local firing = speed * signal.wander(rng, seconds, 40, 0.98, 1.02)
  local roar = signal.harmonics(rng, firing, seconds, 70, function(_, hz)
    return signal.gain(-3.5 * math.log(hz / 100, 2)) * rng:uniform(0.5, 1.2)
  end)
  local chain = signal.shape(signal.noise(rng, seconds), {
    { 80, 0 }, { 185, 0 }, { 620, -6 }, { 1340, -11 }, { 2100, -14 }, { 4000, -19 },
    { 7900, -27 }, { 14000, -35 },
  })
  local load = ((speed - idle) / (full - idle)) * 0.75 + 0.25
  local beat = signal.tone(firing, seconds) * 0.4 + 1
  local wave = signal.level(roar * load, -19) + signal.level(chain * beat * load * load, -22)
  return signal.finish(signal.colour(rng, wave, 2.5), 0.6)
end
