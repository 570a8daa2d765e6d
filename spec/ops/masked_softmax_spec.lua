local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local nn = nj.nn

local inf = math.huge

describe("nj.nn.masked_softmax", function()
  it("is softmax over the entries seen", function()
    local x = nj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    local mask = nj.tensor({ { 1, 0, 1 }, { 1, 1, 0 } }, { dtype = "int64" })
    local filled = x:masked_fill(mask:eq(0), -inf)
    near(filled:softmax(2), nn.masked_softmax(x, mask), { atol = 1e-7 })
    near(filled:log_softmax(2), nn.masked_log_softmax(x, mask, 2), { atol = 1e-7 })
    near(filled:softmax(1), nn.masked_softmax(x, mask, 1), { atol = 1e-7 })
  end)

  it("gives zeros where nothing is seen, and no gradient", function()
    local x = nj.tensor({ { 1, 2 }, { 3, 4 } }, { grad = true })
    local mask = nj.tensor({ { 0, 0 }, { 1, 1 } }, { dtype = "uint8" })
    local y = nn.masked_softmax(x, mask)
    assert.same({ 0, 0 }, y[1]:detach():totable())
    assert.same({ -inf, -inf }, nn.masked_log_softmax(x, mask)[1]:detach():totable());
    (y * nj.tensor { { 1, 2 }, { 3, 4 } }):sum():backward()
    assert.same({ 0, 0 }, x.grad[1]:totable())
    assert.not_equal(0, x.grad[2][1])
  end)

  it("does not read what the mask hides", function()
    local hidden = nj.tensor { 0, 1, 0, 1 }
    local a = nj.tensor { 0 / 0, 1, inf, 2 }
    local b = nj.tensor { 7, 1, -inf, 2 }
    assert.equal(nn.masked_softmax(b, hidden):bytes(), nn.masked_softmax(a, hidden):bytes())
    assert.equal(nn.masked_log_softmax(b, hidden):bytes(),
      nn.masked_log_softmax(a, hidden):bytes())
  end)

  it("broadcasts the mask, and gives a row the same bits wherever it lies", function()
    local x = nj.randn({ 3, 5, 4 }, { rng = nj.rng(1) })
    local mask = nj.tensor({ 1, 0, 1, 1 }, { dtype = "uint8" })
    local all = nn.masked_softmax(x, mask, 3)
    for i = 1, 3 do
      assert.equal(all[i]:contiguous():bytes(), nn.masked_softmax(x[i], mask, 2):bytes())
    end
    assert.same({ 3, 0, 4 }, nn.masked_softmax(nj.zeros(3, 0, 4), mask, 2).shape)
  end)

  it("gives the same bits for any number of threads, and survives failing memory", function()
    local x = nj.randn({ 300, 90 }, { rng = nj.rng(2) })
    local mask = nj.randint(0, 1, { 300, 90 }, { rng = nj.rng(3) })
    network.same_bits(function() return nn.masked_softmax(x, mask, 1):contiguous():bytes() end)
    local small = nj.randn({ 3, 4 }, { rng = nj.rng(4), grad = true })
    local see = nj.tensor({ { 1 }, { 0 }, { 1 } }, { dtype = "int64" })
    network.survives(function()
      (nn.masked_softmax(small, see, 1):square():sum()
        + nn.masked_log_softmax(small, see, 2):exp():sum()):backward()
      small:zero_grad()
    end)
  end)

  it("says what is wrong", function()
    local x = nj.zeros(2, 3)
    assert.error_matches(function() nn.masked_softmax(x, nj.ones(2)) end,
      "masked_softmax: .*%(2, 3%) and %(2%)")
    assert.error_matches(function() nn.masked_softmax(nj.zeros(3), nj.ones(2, 3)) end,
      "masked_softmax: a mask of shape %(2, 3%) does not broadcast to %(3%)")
    assert.error_matches(function() nn.masked_log_softmax(x:to "int64", nj.ones(3)) end,
      "masked_log_softmax: expected float32 or float64, got int64")
  end)
end)
