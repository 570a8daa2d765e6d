--- Glass that breaks: a bright burst, then shards that ring and fall for a second.
local signal = require "examples.synth.signal"

local function shard(rng)
  local list = {}
  for _ = 1, 5 do
    list[#list + 1] = {
      rng:uniform(2000, 12000), rng:uniform(0.01, 0.06), rng:uniform(0.2, 1),
    }
  end
  return signal.modes(rng, 0.25, list)
end

return function(rng, seconds)
  local wave = signal.silence(seconds)
  local start = rng:uniform(0.2, 0.5)
  local smash = signal.shape(signal.noise(rng, 0.6), {
    { 100, -4 }, { 500, -6 }, { 2000, -4 }, { 5000, -2 }, { 10000, -5 }, { 14000, -10 },
  })
  signal.add(wave, signal.level(signal.burst(smash, 0.001, 0.06), -16), start, 2)
  for k = 1, 60 do
    -- Many at once, then fewer and fewer.
    local t = start + 0.01 + 1.5 * rng:uniform() ^ 2.2
    local amplitude = signal.gain(rng:uniform(-36, -20) - 6 * (t - start))
    signal.add(wave, shard(rng), t, k < 12 and amplitude * 1.6 or amplitude)
  end
  wave = signal.room(rng, wave, 0.15, -14)
  local room = signal.shape(signal.noise(rng, seconds), { { 80, 0 }, { 400, -12 }, { 4000, -30 } })
  return signal.finish(wave + signal.level(room, -78), 0.8)
end
