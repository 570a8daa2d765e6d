--- A tap that drips: each drop traps a bubble that rings, a little higher as it shrinks.
local signal = require "examples.synth.signal"

local function drop(rng, pitch)
  local length = 0.45
  local frequency = signal.curve({ { 0, pitch }, { 0.15, pitch * 1.06 }, { length, pitch * 1.08 } },
    length)
  local ring = signal.tone(frequency, length) * signal.decay(length, rng:uniform(0.035, 0.055))
  local upper = signal.tone(frequency * rng:uniform(1.9, 2.3), length)
    * signal.decay(length, 0.025)
  local splash = signal.burst(signal.shape(signal.noise(rng, length), {
    { 150, -10 }, { 600, 0 }, { 2000, -8 }, { 5000, -16 }, { 14000, -28 },
  }), 0.0008, 0.014)
  return ring + upper * 0.3 + splash * 0.6
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch, period = rng:uniform(650, 1000), rng:uniform(0.55, 0.85)
  local t = rng:uniform(0.05, 0.4)
  while t < seconds - 0.1 do
    local size = rng:uniform(0.6, 1)
    signal.add(wave, drop(rng, pitch * rng:uniform(0.94, 1.06)), t, size)
    -- What the drop throws up falls back as a smaller one.
    if rng:uniform() < 0.3 then
      signal.add(wave, drop(rng, pitch * rng:uniform(1.2, 1.8)), t + rng:uniform(0.07, 0.14),
        size * 0.25)
    end
    t = t + period * rng:uniform(0.75, 1.25)
  end
  wave = signal.room(rng, wave, 0.25, -13)
  local pipes = signal.shape(signal.noise(rng, seconds), {
    { 60, 6 }, { 150, 0 }, { 300, -14 }, { 800, -24 }, { 4000, -32 }, { 14000, -40 },
  })
  return signal.finish(signal.level(wave, -20) + signal.level(pipes, -38), 0.6)
end
