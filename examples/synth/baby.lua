--- A baby that cries: wails of about a second, a catch of breath between them.
local signal = require "examples.synth.signal"

local function wail(rng, pitch)
  local length = rng:uniform(0.7, 1.15)
  local frequency = signal.curve({
    { 0, pitch * 0.8 }, { length * 0.2, pitch * 1.08 }, { length * 0.7, pitch },
    { length, pitch * 0.72 },
  }, length)
  frequency = frequency * (signal.tone(rng:uniform(5, 7), length) * 0.012 + 1)
  local voice = signal.harmonics(rng, frequency, length, 22, function(_, hz)
    -- A short throat: formants near 1000 and 3000 Hz.
    local formants = math.exp(-((hz - 950) / 480) ^ 2)
      + 0.35 * math.exp(-((hz - 2900) / 800) ^ 2) + 0.3 * math.exp(-((hz - 480) / 200) ^ 2)
    return (formants + 0.02) * rng:uniform(0.7, 1.2)
  end)
  local rasp = signal.shape(signal.noise(rng, length), {
    { 200, -30 }, { 900, 0 }, { 3000, -6 }, { 6000, -16 }, { 12000, -30 },
  })
  return (signal.level(voice, 0) + signal.level(rasp, -17)) * signal.curve({
    { 0, 0 }, { length * 0.1, 0.9 }, { length * 0.6, 1 }, { length * 0.9, 0.5 }, { length, 0 },
  }, length)
end

local function gasp(rng)
  local breath = signal.shape(signal.noise(rng, 0.25), {
    { 300, -20 }, { 1200, -4 }, { 2500, 0 }, { 6000, -12 }, { 12000, -26 },
  })
  return signal.level(breath, 0) * signal.curve({ { 0, 0 }, { 0.15, 1 }, { 0.25, 0 } }, 0.25)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch, t = rng:uniform(400, 480), rng:uniform(0.05, 0.2)
  while t < seconds - 0.4 do
    local cry = wail(rng, pitch * rng:uniform(0.94, 1.08))
    signal.add(wave, cry, t, rng:uniform(0.75, 1))
    t = t + cry.shape[1] / signal.rate + 0.05
    signal.add(wave, gasp(rng), t, 0.05)
    t = t + rng:uniform(0.25, 0.4)
  end
  return signal.finish(signal.room(rng, wave, 0.1, -15), 0.7)
end
