--- Birdsong: phrases of short whistles that sweep between 2.5 and 6 kHz, from two birds in a wood.
local signal = require "examples.synth.signal"

local function note(rng, from, to, length)
  local bend = rng:uniform(-0.15, 0.25)
  local frequency = signal.curve({
    { 0, from }, { length / 2, (from + to) / 2 * (1 + bend) }, { length, to },
  }, length)
  local tone = signal.tone(frequency, length) + signal.tone(frequency * 2, length) * 0.06
  return tone * signal.curve({
    { 0, 0 }, { length * 0.2, 1 }, { length * 0.7, 0.8 }, { length, 0 },
  }, length)
end

local function sing(rng, wave, seconds, centre, db)
  local t = rng:uniform(0, 0.3)
  while t < seconds do
    local notes, length = rng:integer(3, 9), rng:uniform(0.045, 0.11)
    local from, to = centre * rng:uniform(0.8, 1.35), centre * rng:uniform(0.7, 1.3)
    local gap = rng:uniform(0.02, 0.06)
    for _ = 1, notes do
      local varied = length * rng:uniform(0.85, 1.15)
      signal.add(wave, note(rng, from * rng:uniform(0.96, 1.04), to, varied), t, signal.gain(db))
      t = t + varied + gap
    end
    t = t + rng:uniform(0.3, 0.9)
  end
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  sing(rng, wave, seconds, rng:uniform(2500, 3200), -12)
  sing(rng, wave, seconds, rng:uniform(3400, 4300), -20)
  wave = signal.room(rng, wave, 0.2, -14)
  local wood = signal.shape(signal.noise(rng, seconds), {
    { 80, 2 }, { 200, 0 }, { 800, -6 }, { 2000, -10 }, { 5000, -14 }, { 9000, -25 }, { 14000, -34 },
  })
  return signal.finish(wave + signal.level(signal.colour(rng, wood, 1.5), -36), 0.5)
end
