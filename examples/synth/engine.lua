--- An engine that idles: a big one, which fires some ten times a second and no two times alike,
--- with the hum of its exhaust and the clatter of its valves at each firing.
local signal = require "examples.synth.signal"

local function firing(rng)
  local exhaust = signal.shape(signal.noise(rng, 0.12), {
    { 50, 4 }, { 185, 0 }, { 400, -9 }, { 800, -14 }, { 1600, -17 }, { 3200, -23 }, { 6400, -30 },
    { 12000, -40 },
  })
  exhaust = signal.burst(exhaust, 0.006, 0.03)
  local clatter = signal.burst(signal.shape(signal.noise(rng, 0.12), {
    { 300, -24 }, { 900, -8 }, { 2200, 0 }, { 5000, -4 }, { 9000, -10 }, { 14000, -20 },
  }), 0.001, 0.012)
  return signal.level(exhaust, 0) + signal.level(clatter, -16)
end

return function(rng, seconds)
  local pace = rng:uniform(8.5, 11)
  local pulses, t = signal.silence(seconds), 0
  local sounds = { firing(rng), firing(rng), firing(rng), firing(rng) }
  local k = 0
  while t < seconds do
    -- The cylinders differ, and each turn of the crank repeats them.
    k = k % 4 + 1
    signal.add(pulses, sounds[k], t, rng:uniform(0.6, 1.1))
    t = t + rng:uniform(0.93, 1.07) / pace
  end
  local speed = signal.wander(rng, seconds, 3, 0.98, 1.02) * pace
  local hum = signal.harmonics(rng, speed * 3, seconds, 14, function(_, hz)
    return rng:uniform(0.3, 1) * signal.gain(-14 * math.max(0, math.log(hz / 90, 2)))
  end)
  local fan = signal.shape(signal.noise(rng, seconds), {
    { 60, 4 }, { 185, 0 }, { 400, -8 }, { 800, -12 }, { 1600, -15 }, { 3200, -21 }, { 6400, -30 },
    { 12000, -40 },
  })
  local wave = signal.level(pulses, -20) + signal.level(hum, -24) + signal.level(fan, -27)
  return signal.finish(signal.colour(rng, wave, 2.5), 0.6)
end
