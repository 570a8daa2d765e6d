--- A dog: barks of some 0.2 s, a voice that jumps up and falls, with breath in it.
local signal = require "examples.synth.signal"

local function bark(rng, pitch)
  local length = rng:uniform(0.17, 0.25)
  local frequency = signal.curve({
    { 0, pitch * 0.75 }, { length * 0.25, pitch }, { length * 0.6, pitch * 0.92 },
    { length, pitch * 0.6 },
  }, length) * signal.wander(rng, length, 60, 0.97, 1.03)
  local voice = signal.harmonics(rng, frequency, length, 24, function(k, hz)
    -- Formants of a muzzle that opens near 700 and 1250 Hz.
    local formants = math.exp(-((hz - 720) / 330) ^ 2) + 0.5 * math.exp(-((hz - 1300) / 350) ^ 2)
    return (formants + 0.05) * signal.gain(-2 * (k - 1)) * rng:uniform(0.7, 1.2)
  end)
  local breath = signal.shape(signal.noise(rng, length), {
    { 150, -30 }, { 400, -10 }, { 700, 0 }, { 1300, -4 }, { 2000, -14 }, { 4000, -26 },
    { 8000, -38 },
  })
  local envelope = signal.curve({
    { 0, 0 }, { length * 0.12, 1 }, { length * 0.5, 0.7 }, { length, 0 },
  }, length)
  return (signal.level(voice, 0) + signal.level(breath, -7)) * envelope
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch = rng:uniform(430, 600)
  local t = rng:uniform(0.15, 0.4)
  while t < seconds - 0.4 do
    for _ = 1, rng:integer(1, 2) do
      local voice = bark(rng, pitch * rng:uniform(0.92, 1.08))
      signal.add(wave, voice, t, rng:uniform(0.7, 1))
      t = t + rng:uniform(0.32, 0.42)
    end
    t = t + rng:uniform(0.3, 0.9)
  end
  wave = signal.room(rng, wave * 0.2, 0.2, -13)
  local yard = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 400, -12 }, { 4000, -30 } })
  return signal.finish(wave + signal.level(yard, -60), 0.8)
end
