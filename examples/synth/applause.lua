--- Applause: some dozens of people, each clapping at a pace of their own.
local signal = require "examples.synth.signal"

return function(rng, seconds)
  local wave = signal.silence(seconds)
  for _ = 1, 28 do
    local centre = rng:uniform(700, 1900)
    local clap = signal.burst(signal.shape(signal.noise(rng, 0.06), {
      { 100, -16 }, { 400, -5 }, { centre, 3 }, { 2600, -4 }, { 4000, -12 }, { 8000, -20 },
      { 14000, -32 },
    }), 0.0008, rng:uniform(0.006, 0.014))
    clap = signal.room(rng, clap, 0.04, -8)
    local pace, t = rng:uniform(3, 5), rng:uniform(0, 0.3)
    local amplitude = signal.gain(rng:uniform(-30, -12))
    while t < seconds do
      signal.add(wave, clap, t, amplitude * rng:uniform(0.7, 1.1))
      t = t + rng:uniform(0.9, 1.1) / pace
    end
  end
  local hall = signal.shape(signal.noise(rng, seconds), {
    { 100, -10 }, { 400, -4 }, { 1000, 0 }, { 2500, -5 }, { 5000, -16 }, { 14000, -32 },
  })
  local rms = wave:square():mean():sqrt():item()
  return signal.finish(wave + signal.level(hall, 20 * math.log(rms, 10) - 9), 0.6)
end
