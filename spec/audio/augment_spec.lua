local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"

local function power(values, from, to)
  local sum = 0
  for i = from or 1, to or #values do sum = sum + values[i] ^ 2 end
  return sum / ((to or #values) - (from or 1) + 1)
end

describe("nj.audio.spec_augment", function()
  -- The 1-based stripes [from, to] of zeros in a list of booleans.
  local function covered(x, dim)
    local rows, n = x:totable(), dim == 1 and x.shape[1] or x.shape[2]
    local all = {}
    for i = 1, n do
      all[i] = true
      for j = 1, dim == 1 and x.shape[2] or x.shape[1] do
        if (dim == 1 and rows[i][j] or dim == 2 and rows[j][i]) ~= 0 then all[i] = false end
      end
    end
    local count = 0
    for i = 1, n do if all[i] then count = count + 1 end end
    return count
  end

  it("covers whole frames and bands, each item its own, and is repeatable", function()
    local x = nj.ones(16, 200, 64)
    local a = nj.audio.spec_augment(x, { rng = nj.rng(3) })
    assert.is_true(sound.same(a, nj.audio.spec_augment(x, { rng = nj.rng(3) })))
    assert.is_false(sound.same(a, nj.audio.spec_augment(x, { rng = nj.rng(4) })))
    assert.equal(1, x:totable()[1][1][1])
    local frames, bands, different = 0, 0, 0
    for i = 1, 16 do
      local item = a:select(1, i)
      local t, f = covered(item, 1), covered(item, 2)
      assert.is_true(t <= 126 and f <= 14)
      frames, bands = frames + t, bands + f
      if i > 1 and item:bytes() ~= a:select(1, 1):bytes() then different = different + 1 end
    end
    assert.equal(15, different)
    assert.is_true(frames > 16 * 25 and bands > 16 * 3)
  end)

  it("stripes have the drawn widths: uniform in {0 … width-1}", function()
    local counts, n = {}, 4000
    local y = nj.audio.spec_augment(nj.ones(n, 30, 4),
      { time_stripes = 1, time_width = 5, freq_stripes = 0, rng = nj.rng(1) }):totable()
    for i = 1, n do
      local zeros = 0
      for t = 1, 30 do if y[i][t][1] == 0 then zeros = zeros + 1 end end
      counts[zeros] = (counts[zeros] or 0) + 1
    end
    for w = 0, 4 do assert.near(n / 5, counts[w], 5 * math.sqrt(n / 5)) end
    assert.is_nil(counts[5])
  end)

  it("stays inside the lengths, and keeps to short clips", function()
    local x = nj.ones(4, 50, 8)
    local lengths = nj.tensor({ 50, 10, 1, 0 }, { dtype = "int64" })
    for seed = 1, 30 do
      local y = nj.audio.spec_augment(x, { lengths = lengths, rng = nj.rng(seed) }):totable()
      for i, length in ipairs { 50, 10, 1, 0 } do
        for t = length + 1, 50 do for b = 1, 8 do assert.equal(1, y[i][t][b]) end end
      end
    end
  end)

  it("takes a value, any leading dimensions, float64; lets gradients through the rest", function()
    local options = { value = -100, rng = nj.rng(9), time_width = 20 }
    local x = nj.tensor({ sound.noise(30 * 8, 1) }, { dtype = "float64" }):reshape(1, 1, 30, 8)
    x:requires_grad_(true)
    local y = nj.audio.spec_augment(x, options)
    local seed = nj.tensor({ sound.noise(30 * 8, 2) }, { dtype = "float64" }):reshape(1, 1, 30, 8)
    y:backward(seed)
    local ys, xs = y:reshape(-1):totable(), x:reshape(-1):totable()
    local gs, ss = x.grad:reshape(-1):totable(), seed:reshape(-1):totable()
    local hidden = 0
    for i = 1, #ys do
      if ys[i] == -100 then
        hidden = hidden + 1
        assert.equal(0, gs[i])
      else
        assert.equal(xs[i], ys[i])
        assert.equal(ss[i], gs[i])
      end
    end
    assert.is_true(hidden > 0 and hidden < #ys)
  end)

  it("says what is wrong", function()
    local function fails(text, ...)
      local ok, message = pcall(nj.audio.spec_augment, ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    fails("spec_augment: expected (…, frames, bands), got (5)", nj.zeros(5))
    fails("spec_augment: expected a float tensor, got int64", nj.zeros(5, 5, { dtype = "int64" }))
    fails("spec_augment: expected int64 lengths for 2 items, got float32 of (2)", nj.zeros(2, 5, 5),
      { lengths = nj.zeros(2) })
    fails("unknown option 'time_stripe' (did you mean 'time_stripes'?)", nj.zeros(5, 5),
      { time_stripe = 3 })
    fails("time_width", nj.zeros(5, 5), { time_width = 0 })
  end)
end)

describe("nj.audio.gain, mix, shift, crop", function()
  it("gain is in decibels", function()
    near({ 10, -20 }, nj.audio.gain(nj.tensor { 1, -2 }, 20), { atol = 1e-5 })
    near({ 0.5, 1 }, nj.audio.gain(nj.tensor({ 1, 2 }, { dtype = "float64" }), -20 * math.log(2,
      10)), { atol = 1e-12 })
    assert.has_error(function() nj.audio.gain(nj.tensor { 1 }, math.huge) end,
      "gain: expected finite dB, got inf")
  end)

  it("mix reaches the ratio asked for", function()
    local s, n = sound.noise(8000, 1, 0.7), sound.noise(3000, 2, 0.01)
    for _, snr in ipairs { -5, 0, 12.5 } do
      local y, gain = nj.audio.mix(nj.tensor(s), nj.tensor(n), snr)
      local rest = y:totable()
      for i = 1, #rest do rest[i] = rest[i] - s[i] end
      assert.near(snr, 10 * math.log(power(s) / power(rest), 10), 1e-3)
      assert.near(gain * n[1], rest[3001], 1e-6) -- repeated
    end
    local y, gain = nj.audio.mix(nj.tensor(s), nj.tensor(n), 3, { offset = 1000, loop = false })
    local rest = y:totable()
    for i = 1, #rest do rest[i] = rest[i] - s[i] end
    assert.near(gain * n[5], rest[1005], 1e-6)
    assert.near(0, rest[1000], 1e-7)
    assert.near(0, rest[4001], 1e-7)
    assert.near(3, 10 * math.log(power(s, 1001, 4000) / power(rest, 1001, 4000), 10), 1e-3)
  end)

  it("mix leaves levels alone where one side is silent or absent", function()
    local s, silence = sound.noise_tensor(100, 1), nj.zeros(50)
    assert.is_true(sound.same(s, (nj.audio.mix(s, silence, 0))))
    near(sound.noise_tensor(50, 3), (nj.audio.mix(silence, sound.noise_tensor(50, 3), 40)),
      { atol = 0 })
    assert.is_true(sound.same(s, (nj.audio.mix(s, nj.zeros(0), 0))))
    assert.is_true(sound.same(s, (nj.audio.mix(s, s, 0, { offset = 1000 }))))
    assert.has_error(function() nj.audio.mix(s, nj.zeros(2, 2), 0) end,
      "mix: expected two waves (samples), got (100) and (2, 2)")
    assert.has_error(function() nj.audio.mix(s, s, math.huge) end,
      "mix: expected a finite signal-to-noise ratio in dB, got inf")
  end)

  it("shift rolls or fills with zeros, along the last dimension", function()
    local x = nj.tensor { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } }
    assert.same({ { 0, 1, 2, 3 }, { 0, 5, 6, 7 } }, nj.audio.shift(x, 1):totable())
    assert.same({ { 3, 4, 0, 0 }, { 7, 8, 0, 0 } }, nj.audio.shift(x, -2):totable())
    assert.same({ { 4, 1, 2, 3 }, { 8, 5, 6, 7 } }, nj.audio.shift(x, 1, { roll = true }):totable())
    assert.same({ { 2, 3, 4, 1 }, { 6, 7, 8, 5 } }, nj.audio.shift(x, -5,
      { roll = true }):totable())
    for _, by in ipairs { 4, 9, -9, math.maxinteger, math.mininteger } do
      assert.same({ { 0, 0, 0, 0 }, { 0, 0, 0, 0 } }, nj.audio.shift(x, by):totable())
      assert.is_true(pcall(nj.audio.shift, x, by, { roll = true }))
    end
    assert.same({ 0 }, nj.audio.shift(nj.zeros(0), 3, { roll = true }).shape)
    assert.same({ { 5, 0 }, { 6, 0 }, { 7, 0 }, { 8, 0 } }, nj.audio.shift(x:t(), -1):totable())
  end)

  it("crop takes a random piece, or puts a short wave among zeros", function()
    local values, seen, rng = {}, {}, nj.rng(5)
    for i = 1, 10 do values[i] = i end
    for _ = 1, 200 do
      local y, start = nj.audio.crop(nj.tensor(values), 4, { rng = rng })
      assert.same({ start, start + 1, start + 2, start + 3 }, y:totable())
      seen[start] = true
    end
    for start = 1, 7 do assert.is_true(seen[start]) end
    local places = {}
    for _ = 1, 100 do
      local y, start = nj.audio.crop(nj.tensor { 1, 2 }, 4, { rng = rng })
      local want = { 0, 0, 0, 0 }
      want[2 - start], want[3 - start] = 1, 2
      assert.same(want, y:totable())
      places[start] = true
    end
    assert.is_true(places[1] and places[0] and places[-1])
    assert.same({ 1, 2 }, nj.audio.crop(nj.tensor { 1, 2 }, 2):totable())
    assert.has_error(function() nj.audio.crop(nj.tensor { 1 }, 0) end,
      "crop: expected a length of at least 1 sample (and below 2^59), got 0")
  end)

  it("waves are not differentiated, and say so", function()
    local x = nj.zeros(4, { grad = true })
    assert.has_error(function() nj.audio.gain(x, 1) end,
      "gain: waves are not differentiated; detach the wave")
    assert.has_error(function() nj.audio.shift(x, 1) end,
      "shift: waves are not differentiated; detach the wave")
  end)
end)
