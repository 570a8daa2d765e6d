--- Someone who snores: a rattling breath in, a soft one out.
local signal = require "examples.synth.signal"

local function breath_in(rng)
  local length, rattle = rng:uniform(0.9, 1.2), rng:uniform(45, 65)
  local speed = signal.wander(rng, length, 12, 0.85, 1.15) * rattle
  local voice = signal.harmonics(rng, speed, length, 40, function(_, hz)
    return rng:uniform(0.4, 1) * signal.gain(-9 * math.max(0, math.log(hz / 130, 2)))
  end)
  local air = signal.shape(signal.noise(rng, length), {
    { 80, 0 }, { 185, 0 }, { 400, -9 }, { 830, -19 }, { 1670, -28 }, { 6400, -34 },
    { 12400, -43 },
  })
  local beat = signal.tone(speed, length) * 0.6 + 0.7
  return (signal.level(voice, 0) + signal.level(air * beat, -3)) * signal.curve({
    { 0, 0 }, { length * 0.3, 0.7 }, { length * 0.75, 1 }, { length, 0 },
  }, length)
end

local function breath_out(rng)
  local air = signal.shape(signal.noise(rng, 0.9), {
    { 100, -6 }, { 400, -3 }, { 1000, -8 }, { 4000, -18 }, { 12000, -30 },
  })
  return signal.level(air, 0) * signal.curve({ { 0, 0 }, { 0.3, 1 }, { 0.9, 0 } }, 0.9)
end

return function(rng, seconds)
  local wave, t = signal.silence(seconds), rng:uniform(0.05, 0.3)
  while t < seconds do
    signal.add(wave, breath_in(rng), t, rng:uniform(0.8, 1))
    signal.add(wave, breath_out(rng), t + 1.4, 0.03)
    t = t + rng:uniform(2.3, 2.8)
  end
  -- Throat, nose and pillow: uneven, with broad peaks near 1 and 3 kHz.
  wave = signal.shape(signal.colour(rng, wave, 4), {
    { 60, 4 }, { 180, 0 }, { 400, -6 }, { 700, -8 }, { 1000, -3 }, { 1500, -8 }, { 3000, -4 },
    { 5000, -8 }, { 14000, -12 },
  })
  local room = signal.shape(signal.noise(rng, seconds), {
    { 60, 6 }, { 185, 0 }, { 400, -12 }, { 1500, -20 }, { 6000, -28 }, { 14000, -36 },
  })
  wave = signal.level(signal.room(rng, wave, 0.08, -16), -18)
  return signal.finish(wave + signal.level(room, -42), 0.6)
end
