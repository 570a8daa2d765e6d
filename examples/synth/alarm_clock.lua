--- An electronic alarm clock: four short beeps, a pause, and again.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local pitch, length = rng:uniform(1950, 2150), rng:uniform(0.06, 0.08)
  local beep = signal.harmonics(rng, pitch, length, 7, function(k)
    return ({ 0.6, 1, 0.35, 0.3, 0.12, 0.1, 0.05 })[k]
  end)
  beep = beep * signal.curve({
    { 0, 0 }, { 0.003, 1 }, { length - 0.005, 1 }, { length, 0 },
  }, length)
  local t = rng:uniform(0.05, 0.3)
  while t < seconds - 0.5 do
    for k = 0, 3 do signal.add(wave, beep, t + k * length * 1.9) end
    t = t + 1
  end
  wave = signal.room(rng, wave, 0.06, -16)
  local room = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 500, -8 }, { 4000, -20 } })
  return signal.finish(signal.level(wave, -18) + signal.level(room, -64), 0.6)
end
