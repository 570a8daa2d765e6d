--- A cat: a meow of most of a second, whose mouth opens and closes.
local signal = require "examples.synth.signal"

local function meow(rng, pitch)
  local length = rng:uniform(0.65, 0.95)
  local frequency = signal.curve({
    { 0, pitch * 0.8 }, { length * 0.3, pitch * 1.08 }, { length * 0.65, pitch },
    { length, pitch * 0.7 },
  }, length)
  -- Two voices, the closed mouth (m, w) and the open one (a), that fade into each other.
  local function voice(centre, width, upper)
    return signal.harmonics(rng, frequency, length, 16, function(k, hz)
      return math.exp(-((hz - centre) / width) ^ 2) + upper * math.exp(-((hz - 2300) / 600) ^ 2)
        + (k == 1 and 0.25 or 0.01)
    end)
  end
  local open = signal.curve({
    { 0, 0 }, { length * 0.25, 1 }, { length * 0.6, 0.9 }, { length, 0.1 },
  }, length)
  local sound = voice(1600, 500, 0.4) * open + voice(900, 350, 0.05) * (open * -1 + 1)
  return sound * signal.curve({
    { 0, 0 }, { length * 0.12, 0.7 }, { length * 0.4, 1 }, { length * 0.8, 0.5 }, { length, 0 },
  }, length)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch, t = rng:uniform(560, 700), rng:uniform(0.2, 0.5)
  while t < seconds - 0.7 do
    local sound = meow(rng, pitch * rng:uniform(0.94, 1.06))
    signal.add(wave, sound, t, rng:uniform(0.7, 1))
    t = t + sound.shape[1] / signal.rate + rng:uniform(0.5, 1.1)
  end
  wave = signal.room(rng, wave, 0.1, -15)
  local room = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 400, -12 }, { 4000, -30 } })
  return signal.finish(signal.level(wave, -18) + signal.level(room, -58), 0.7)
end
