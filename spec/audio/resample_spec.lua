local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"

local function level(values, from, to)
  local sum = 0
  for i = from, to do sum = sum + values[i] ^ 2 end
  return 10 * math.log(2 * sum / (to - from + 1) + 1e-30, 10)
end

describe("nj.audio.resample", function()
  it("keeps tones within 120 dB", function()
    for _, rates in ipairs { { 44100, 32000 }, { 48000, 32000 }, { 16000, 32000 }, { 44100,
      16000 } } do
      local from, to = rates[1], rates[2]
      for _, hz in ipairs { 50, 997, 0.08 * math.min(from, to) } do
        local got = nj.audio.resample(nj.tensor(sound.sine(2 * from, hz, from, 1)), from,
          to):totable()
        local want, rest = sound.sine(2 * to, hz, to, 1), {}
        for i = 1, #want do rest[i] = want[i] - got[i] end
        assert.is_true(level(rest, to // 2, 3 * to // 2) < -120)
      end
    end
  end)

  it("is flat within 0.01 dB up to 90 % of the band", function()
    local got = nj.audio.resample(nj.tensor(sound.sine(88200, 14400, 44100, 1)), 44100,
      32000):totable()
    assert.near(0, level(got, 16000, 47999), 0.01)
  end)

  it("lets no alias through", function()
    local got = nj.audio.resample(nj.tensor(sound.sine(44100, 17000, 44100, 1)), 44100,
      32000):totable()
    assert.is_true(level(got, 8000, 24000) < -110)
  end)

  it("is linear, and rows are independent", function()
    local a, b, sum = sound.noise(4410, 1), sound.noise(4410, 2), {}
    for i = 1, 4410 do sum[i] = a[i] + b[i] end
    local y = nj.audio.resample(nj.tensor { a, b, sum }, 44100, 32000)
    assert.same({ 3, 3200 }, y.shape)
    assert.is_true(sound.same(y:select(1, 2):contiguous(), nj.audio.resample(nj.tensor(b), 44100,
      32000)))
    local rows = y:totable()
    for i = 1, 3200 do rows[1][i] = rows[1][i] + rows[2][i] end
    near(rows[1], rows[3], { atol = 2e-6 })
  end)

  it("gives ceil(n * to / from) samples, and what came when the rates agree", function()
    for _, n in ipairs { 0, 1, 2, 441, 442, 1000 } do
      assert.equal(math.ceil(n * 32000 / 44100), nj.audio.resample(nj.zeros(n), 44100,
        32000):numel())
    end
    local x = sound.noise_tensor(100, 1)
    assert.is_true(sound.same(x, nj.audio.resample(x, 16000, 16000)))
  end)

  it("says what is wrong", function()
    assert.has_error(function() nj.audio.resample(nj.zeros(9), 10, 32000) end,
      "resample: rates must be in [1000, 1000000] Hz, got 10 and 32000")
    assert.has_error(function() nj.audio.resample(nj.zeros(9, { dtype = "int32" }), 16000,
      32000) end,
      "resample: expected float samples, got int32")
    assert.has_error(function() nj.audio.resample(nj.tensor(1), 16000, 32000) end,
      "resample: expected (…, samples), got ()")
  end)
end)
