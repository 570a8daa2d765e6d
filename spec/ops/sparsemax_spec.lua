local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local nn = nj.nn

local inf = math.huge

-- The nearest point of the simplex to a list of numbers: bisection for the t at which what lies above it
-- adds up to 1.
local function projection(x)
  local low, high = math.min(table.unpack(x)) - 1, math.max(table.unpack(x))
  for _ = 1, 200 do
    local t, sum = (low + high) / 2, 0
    for _, v in ipairs(x) do sum = sum + math.max(v - t, 0) end
    if sum > 1 then low = t else high = t end
  end
  local y = {}
  for i, v in ipairs(x) do y[i] = math.max(v - low, 0) end
  return y
end

describe("x:sparsemax", function()
  for _, dtype in ipairs { "float32", "float64" } do
    it("is the nearest point of the simplex: " .. dtype, function()
      local tolerance = { atol = dtype == "float32" and 1e-6 or 1e-13 }
      for i, case in ipairs { { 1, 1 }, { 2, 1 }, { 7, 1 }, { 40, 0.01 }, { 200, 0.1 }, { 5, 100 },
        { 4096, 1e-3 } } do
        local n, scale = case[1], case[2]
        local x = nj.randn({ n }, { dtype = dtype, rng = nj.rng(i) }) * scale
        local y = x:sparsemax()
        assert.equal(dtype, y.dtype)
        near(projection(x:totable()), y, tolerance)
        near(1, y:sum():item(), { atol = dtype == "float32" and 1e-5 or 1e-12 })
        assert(y:min():item() >= 0)
      end
    end)
  end

  it("is exact where it is easy, and zero for what is far below", function()
    assert.same({ 0.25, 0.25, 0.25, 0.25 }, nj.full({ 4 }, 7):sparsemax():totable())
    assert.same({ 0, 1, 0 }, nj.tensor({ 1, 2, 1 }):sparsemax():totable())
    assert.same({ 0.25, 0.75, 0 }, nj.tensor({ 0.5, 1, -4 }):sparsemax():totable())
    assert.same({ 1 }, nj.tensor({ -3 }):sparsemax():totable())
    assert.same({ 0, 1, 0 }, nj.tensor({ -inf, 3, -1e30 }):sparsemax():totable())
  end)

  it("does not change when a row is shifted", function()
    local x = nj.randn({ 6, 9 }, { dtype = "float64", rng = nj.rng(1) }) * 0.3
    near(x:sparsemax(2), (x + 1000):sparsemax(2), { atol = 1e-12 })
    near(x:to "float32":sparsemax(2), (x - 12):to "float32":sparsemax(2), { atol = 1e-5 })
  end)

  it("keeps points of the simplex as they are", function()
    local x = nj.rand({ 5, 8 }, { dtype = "float64", rng = nj.rng(2) })
    local y = x / x:sum(2, { keepdim = true })
    near(y, y:sparsemax(2), { atol = 1e-14 })
  end)

  it("makes rows with NaN or +inf, or with nothing but -inf, NaN, as softmax does", function()
    for _, row in ipairs { { 0 / 0, 1, 2 }, { 2, 1, 0 / 0 }, { inf, 0, 1 }, { -inf, -inf, -inf } } do
      local x = nj.tensor({ row, { 1, 1, 1 } }, { grad = true })
      local y = x:sparsemax()
      near(x:softmax(2)[1]:detach(), y[1]:detach())
      near({ 1 / 3, 1 / 3, 1 / 3 }, y[2]:detach(), { atol = 1e-7 });
      (y * nj.tensor { 1, 2, 3 }):sum():backward()
      near({ { 0 / 0, 0 / 0, 0 / 0 }, { -1, 0, 1 } }, x.grad, { atol = 1e-6 })
    end
  end)

  it("goes along any dimension, and takes no rows at all", function()
    local x = nj.randn({ 3, 4, 5 }, { rng = nj.rng(3) })
    assert.equal(x:transpose(1, 3):sparsemax(3):contiguous():bytes(),
      x:sparsemax(1):transpose(1, 3):contiguous():bytes())
    assert.equal(x:sparsemax():contiguous():bytes(), x:sparsemax(-1):contiguous():bytes())
    for i = 1, 3 do
      assert.equal(x[i]:sparsemax(2):bytes(), x:sparsemax(3)[i]:contiguous():bytes())
    end
    assert.same({ 0, 3 }, nj.zeros(0, 3):sparsemax(2).shape)
    assert.same({ 3, 0 }, nj.zeros(3, 0):sparsemax(2).shape)
  end)

  it("gives gradients to what counts alone, and none in all", function()
    local x = nj.tensor({ 0.5, 1, -4 }, { grad = true })
    x:sparsemax():backward(nj.tensor { 1, 5, 100 })
    assert.same({ -2, 2, 0 }, x.grad:totable())
  end)

  it("says what is wrong", function()
    assert.error_matches(function() nj.ones({ 3 }, { dtype = "int64" }):sparsemax() end,
      "sparsemax: expected float32 or float64, got int64", nil, true)
    assert.error_matches(function() nj.ones(3):sparsemax(2) end, "dimension 2", nil, true)
    assert.error_matches(function() nj.tensor(1.5):sparsemax() end,
      "sparsemax: dimension -1 of a tensor with 0 dimensions", nil, true)
  end)
end)

describe("nj.nn.masked_sparsemax", function()
  it("is sparsemax over the entries seen", function()
    local x = nj.tensor { { 1, 2, 1.5 }, { 0.4, 0.5, 0.6 } }
    local mask = nj.tensor({ { 1, 0, 1 }, { 1, 1, 0 } }, { dtype = "int64" })
    near(x:masked_fill(mask:eq(0), -inf):sparsemax(2), nn.masked_sparsemax(x, mask), { atol = 0 })
    near({ { 0.25, 0, 0.75 }, { 0.45, 0.55, 0 } }, nn.masked_sparsemax(x, mask, 2), { atol = 1e-7 })
    near({ { 0.8, 0, 1 }, { 0.2, 1, 0 } }, nn.masked_sparsemax(x, mask, 1), { atol = 1e-7 })
  end)

  it("gives zeros where nothing is seen, and no gradient", function()
    local x = nj.tensor({ { 1, 2 }, { 3, 3.5 } }, { grad = true })
    local mask = nj.tensor({ { 0, 0 }, { 1, 1 } }, { dtype = "uint8" })
    local y = nn.masked_sparsemax(x, mask)
    assert.same({ 0, 0 }, y[1]:detach():totable());
    (y * nj.tensor { { 1, 2 }, { 3, 4 } }):sum():backward()
    assert.same({ { 0, 0 }, { -0.5, 0.5 } }, x.grad:totable())
  end)

  it("does not read what the mask hides", function()
    local see = nj.tensor { 0, 1, 0, 1 }
    local a, b = nj.tensor { 0 / 0, 1, inf, 1.5 }, nj.tensor { 7, 1, -inf, 1.5 }
    assert.same({ 0, 0.25, 0, 0.75 }, nn.masked_sparsemax(a, see):totable())
    assert.equal(nn.masked_sparsemax(b, see):bytes(), nn.masked_sparsemax(a, see):bytes())
    near({ 0, 0 / 0, 0, 0 / 0 }, nn.masked_sparsemax(nj.tensor { 1, 0 / 0, 1, 2 }, see))
  end)

  it("gives the same bits for any number of threads, and survives failing memory", function()
    local x = nj.randn({ 300, 90 }, { rng = nj.rng(2) })
    local mask = nj.randint(0, 1, { 300, 90 }, { rng = nj.rng(3) })
    network.same_bits(function() return nn.masked_sparsemax(x, mask, 1):contiguous():bytes() end)
    local small = nj.randn({ 3, 4 }, { rng = nj.rng(4), grad = true })
    local see = nj.tensor({ { 1 }, { 0 }, { 1 } }, { dtype = "int64" })
    network.survives(function()
      (nn.masked_sparsemax(small, see, 1):square():sum() + small:sparsemax():square():sum())
        :backward()
      small:zero_grad()
    end)
  end)

  it("says what is wrong", function()
    local x = nj.zeros(2, 3)
    assert.error_matches(function() nn.masked_sparsemax(x, nj.ones(2)) end,
      "masked_sparsemax: .*%(2, 3%) and %(2%)")
    assert.error_matches(function() nn.masked_sparsemax(nj.zeros(3), nj.ones(2, 3)) end,
      "masked_sparsemax: a mask of shape %(2, 3%) does not broadcast to %(3%)")
    assert.error_matches(function() nn.masked_sparsemax(x:to "int64", nj.ones(3)) end,
      "masked_sparsemax: expected float32 or float64, got int64")
  end)
end)
