local near = require "spec.support.near"
local nj = require "nightjar"

local inf = math.huge

describe("softmax", function()
  it("is exp(x) over its sum, on any dimension", function()
    local x = nj.randn({ 3, 4, 5 }, { rng = nj.rng(1) })
    for dim = 1, 3 do
      local e = x:exp()
      near(e / e:sum(dim, { keepdim = true }), x:softmax(dim), { atol = 1e-6 })
      near(x:softmax(dim):log(), x:log_softmax(dim), { atol = 1e-5 })
      assert.is_true(x:softmax(dim):equal(x:softmax(dim - 4)))
    end
    assert.is_true(x:softmax():equal(x:softmax(3)))
  end)

  it("survives large numbers", function()
    near({ 0.5, 0.5, 0 }, nj.tensor { 1e30, 1e30, -1e30 }:softmax(), { atol = 1e-7 })
    near({ 0, -1000 }, nj.tensor { 500, -500 }:log_softmax(), { atol = 1e-4 })
  end)

  it("hides -inf, and gives NaN for rows of nothing else", function()
    local x = nj.tensor { { 1, -inf, 1 }, { -inf, -inf, -inf } }
    local y = x:softmax(2)
    near({ 0.5, 0, 0.5 }, y[1])
    assert.equal(3, y[2]:isnan():sum():item())
    assert.equal(-inf, x:log_softmax(2)(1, 2))
  end)

  it("keeps NaN in its own row", function()
    local y = nj.tensor { { 1, 0 / 0 }, { 1, 1 } }:softmax(2)
    assert.equal(2, y[1]:isnan():sum():item())
    near({ 0.5, 0.5 }, y[2])
  end)

  it("takes empty tensors", function()
    assert.same({ 0, 3 }, nj.zeros(0, 3):softmax(2).shape)
    assert.same({ 3, 0 }, nj.zeros(3, 0):softmax(2).shape)
    assert.same({ 3, 0 }, nj.zeros(3, 0):log_softmax(1).shape)
  end)

  it("says what is wrong", function()
    assert.has_error(function() nj.zeros(2, 2):softmax(3) end)
    local ok, text = pcall(nj.zeros(2):long().softmax, nj.zeros(2):long(), 1)
    assert.is_false(ok)
    assert.matches("softmax: expected float32 or float64, got int64", text)
  end)
end)
