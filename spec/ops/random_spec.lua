local nj = require "nightjar"

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("random tensors", function()
  it("are a function of the seed, whatever the shape of the request", function()
    local a = nj.randn(10, 10, { rng = nj.rng(7) })
    assert.is_true(a:equal(nj.randn(100, { rng = nj.rng(7) }):reshape(10, 10)))
    assert.is_false(a:equal(nj.randn(10, 10, { rng = nj.rng(8) })))
    local long = nj.rand(50000, { rng = nj.rng(7) })
    assert.is_true(long[{ { 1, 100 } }]:equal(nj.rand(100, { rng = nj.rng(7) })))
  end)

  it("advance the generator", function()
    local rng = nj.rng(1)
    local a, b = nj.rand(5, { rng = rng }), nj.rand(5, { rng = rng })
    assert.is_false(a:equal(b))
    assert.is_true(rng:state().counter >= 10)
    nj.seed(3)
    local c = nj.rand(4)
    nj.seed(3)
    assert.is_true(c:equal(nj.rand(4)))
  end)

  -- Means and deviations within five standard errors.
  it("have the distributions they promise", function()
    local n = 200000
    for _, dtype in ipairs { "float32", "float64" } do
      local u = nj.rand(n, { rng = nj.rng(1), dtype = dtype })
      assert.equal(dtype, u.dtype)
      assert.is_true(u:ge(0):all() and u:lt(1):all())
      assert.is_true(math.abs(u:mean():item() - 0.5) < 5 * 0.2887 / math.sqrt(n))
      assert.is_true(math.abs(u:std():item() - 0.2887) < 0.003)
      local z = nj.randn(n, { rng = nj.rng(2), dtype = dtype })
      assert.is_true(z:isfinite():all())
      assert.is_true(math.abs(z:mean():item()) < 5 / math.sqrt(n))
      assert.is_true(math.abs(z:var():item() - 1) < 5 * math.sqrt(2 / n))
      local kurtosis = (z ^ 4):mean():item()
      assert.is_true(math.abs(kurtosis - 3) < 0.15)
      -- neighbours, which share a radius, are independent
      local even, odd = z[{ { 1, -1, 2 } }], z[{ { 2, -1, 2 } }]
      assert.is_true(math.abs((even * odd):mean():item()) < 0.02)
      assert.is_true(math.abs((even:square() * odd:square()):mean():item() - 1) < 0.05)
    end
    local w = nj.randn(n, { rng = nj.rng(3), mean = -2, std = 0.5 })
    assert.is_true(math.abs(w:mean():item() + 2) < 0.01)
    assert.is_true(math.abs(w:std():item() - 0.5) < 0.01)
    local r = nj.rand(n, { rng = nj.rng(3), low = -1, high = 3 })
    assert.is_true(r:ge(-1):all() and r:lt(3):all())
    assert.is_true(math.abs(r:mean():item() - 1) < 0.02)
  end)

  it("draw integers with both bounds", function()
    local n = 60000
    local die = nj.randint(1, 6, n, { rng = nj.rng(4) })
    assert.equal("int64", die.dtype)
    for face = 1, 6 do
      local count = die:eq(face):sum():item()
      assert.is_true(math.abs(count - n / 6) < 5 * math.sqrt(n * 5 / 36))
    end
    assert.same({ 1, 6 }, { die:min():item(), die:max():item() })
    assert.equal("uint8", nj.randint(0, 255, 3, { dtype = "uint8" }).dtype)
    assert.equal(7, nj.randint(7, 7, 1)[1])
    local all = nj.randint(math.mininteger, math.maxinteger, 100, { rng = nj.rng(1) })
    assert.is_true(all:lt(0):any() and all:gt(0):any())
    assert.matches("randint: no integers between 2 and 1", message(nj.randint, 2, 1, 3))
    assert.matches("randint: uint8 does not hold all of 0 … 256",
      message(nj.randint, 0, 256, 3, { dtype = "uint8" }))
  end)

  it("permute", function()
    local p = nj.randperm(1000, { rng = nj.rng(5) })
    assert.is_true((p:sort()):equal(nj.arange(1, 1000, { dtype = "int64" })))
    assert.is_false(p:equal(nj.arange(1, 1000, { dtype = "int64" })))
    assert.same({ 0 }, nj.randperm(0).shape)
    assert.matches("randperm: %-1 is negative", message(nj.randperm, -1))
    -- every place is equally likely for the first
    local counts = { 0, 0, 0 }
    local rng = nj.rng(6)
    for _ = 1, 3000 do
      local first = nj.randperm(3, { rng = rng })[1]
      counts[first] = counts[first] + 1
    end
    for i = 1, 3 do
      assert.is_true(math.abs(counts[i] - 1000) < 130)
    end
  end)

  it("draw with given probabilities", function()
    local p = nj.tensor{ 0, 1, 0.25 }:reshape(3, 1):expand(3, 20000)
    local hits = p:bernoulli({ rng = nj.rng(7) }):mean(2)
    assert.same({ 0, 1 }, { hits[1], hits[2] })
    assert.is_true(math.abs(hits[3] - 0.25) < 0.016)
    assert.matches("bernoulli: 1.5 is not a probability",
      message(function() return nj.tensor{ 1.5 }:bernoulli() end))
    assert.matches("bernoulli: .?nan is not a probability",
      message(function() return nj.tensor{ 0 / 0 }:bernoulli() end))
  end)

  it("choose by weight, with and without replacement", function()
    local w = nj.tensor{ { 1, 0, 3 }, { 0, 5, 0 } }
    local draws = w:multinomial(20000, { replacement = true, rng = nj.rng(8) })
    assert.same({ 2, 20000 }, draws.shape)
    assert.equal(0, draws[1]:eq(2):sum():item())
    assert.is_true(math.abs(draws[1]:eq(3):mean():item() - 0.75) < 0.016)
    assert.is_true(draws[2]:eq(2):all())
    local firsts, rng = 0, nj.rng(9)
    for _ = 1, 4000 do
      local two = w[1]:multinomial(2, { rng = rng })
      assert.is_true(two[1] ~= two[2] and two[1] ~= 2 and two[2] ~= 2)
      firsts = firsts + (two[1] == 3 and 1 or 0)
    end
    assert.is_true(math.abs(firsts / 4000 - 0.75) < 0.035)
    assert.matches("multinomial: 2 draws without replacement from 1 positive weights",
      message(w.multinomial, w, 2))
    assert.matches("multinomial: a row has no positive weight",
      message(function() return nj.zeros(3):multinomial(1, { replacement = true }) end))
    assert.matches("multinomial: weights must be finite and not negative, got %-1",
      message(function() return nj.tensor{ -1, 2 }:multinomial(1) end))
  end)

  it("fill in place", function()
    local x = nj.zeros(40, 50):t()
    assert.equal(x, x:uniform_(2, 3, { rng = nj.rng(1) }))
    assert.is_true(x:ge(2):all() and x:lt(3):all())
    x:normal_(5, 0.1, { rng = nj.rng(1) })
    assert.is_true(math.abs(x:mean():item() - 5) < 0.02)
    assert.matches("uniform_: needs float32 or float64, got int64",
      message(function() return nj.zeros(2, { dtype = "int64" }):uniform_() end))
  end)

  it("say what is wrong", function()
    assert.matches("rand: needs float32 or float64, got int32",
      message(nj.rand, 3, { dtype = "int32" }))
    assert.matches("randn: unknown option 'sigma'", message(nj.randn, 3, { sigma = 2 }))
    assert.matches("sizes must not be negative", message(nj.rand, 2, -1))
    assert.matches("rand: option 'rng' must be a generator", message(nj.rand, 2, { rng = 1 }))
  end)

  it("make leaves", function()
    assert.is_true(nj.randn(2, { grad = true }).requires_grad)
  end)
end)

describe("dropout", function()
  local x = nj.ones(200, 300)

  it("drops the share it is told and scales the rest", function()
    local y = x:dropout(0.25, { rng = nj.rng(1) })
    assert.is_true(math.abs(y:eq(0):mean():item() - 0.25) < 0.01)
    assert.is_true((y:eq(0) + y:eq(nj.tensor(4) / 3)):all())
    assert.is_true(y:equal(nj.nn.dropout(x, 0.25, { rng = nj.rng(1) })))
  end)

  it("does nothing at p = 0 or outside training, and everything at p = 1", function()
    assert.is_true(x:dropout(0):equal(x))
    assert.is_true(x:dropout(0.5, { training = false }):equal(x))
    assert.is_true((nj.tensor{ 1, 0 / 0, 1 / 0 }:dropout(1)):equal(nj.zeros(3)))
    assert.matches("dropout: p must be in %[0, 1%], got 1.1", message(x.dropout, x, 1.1))
  end)

  it("does not depend on the layout", function()
    local y = nj.randn(30, 40, { rng = nj.rng(2) })
    assert.is_true(y:dropout(0.5, { rng = nj.rng(3) })
      :equal(y:t():contiguous():t():dropout(0.5, { rng = nj.rng(3) })))
  end)

  it("passes gradients where it let values through", function()
    local w = nj.ones(1000, { grad = true })
    local y = w:dropout(0.5, { rng = nj.rng(4) })
    y:sum():backward()
    assert.is_true(w.grad:equal(y:detach()))
  end)
end)
