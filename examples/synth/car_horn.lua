--- A car horn: two reeds a third apart, rich in harmonics, sounded a few times.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local low = rng:uniform(380, 430)
  local wave = signal.silence(seconds)
  local t = rng:uniform(0.2, 0.5)
  while t < seconds - 0.5 do
    local length = math.min(rng:uniform(0.35, 1.1), seconds - t - 0.1)
    local sound = signal.silence(length)
    for _, ratio in ipairs { 1, 1.25 } do
      sound = sound + signal.harmonics(rng, low * ratio, length, 30, function(_, hz)
        local tail = hz > 3200 and -10 * math.log(hz / 3200, 2) or 0
        return signal.gain(-4 * math.log(hz / low, 2) + tail) * rng:uniform(0.5, 1.1)
      end)
    end
    sound = sound * signal.curve({
      { 0, 0 }, { 0.03, 1 }, { length - 0.04, 1 }, { length, 0 },
    }, length)
    signal.add(wave, sound, t)
    t = t + length + rng:uniform(0.25, 0.6)
  end
  wave = signal.room(rng, wave, 0.3, -12)
  local street = signal.shape(signal.noise(rng, seconds), {
    { 80, 0 }, { 200, -4 }, { 500, -12 }, { 2000, -22 }, { 8000, -42 },
  })
  return signal.finish(signal.level(wave, -16) + signal.level(street, -46), 0.7)
end
