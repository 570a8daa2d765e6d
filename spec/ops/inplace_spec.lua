local nj = require "nightjar"
local near = require "spec.support.near"

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("in-place operations", function()
  it("change the tensor and return it", function()
    local x = nj.tensor{ 1, 2, 3 }
    assert.equal(x, x:add_(1))
    assert.same({ 2, 3, 4 }, x:totable())
    assert.same({ 4, 6, 8 }, x:mul_(2):totable())
    assert.same({ 3, 5, 7 }, x:sub_(1):totable())
    assert.same({ 1.5, 2.5, 3.5 }, x:div_(2):totable())
    assert.same({ 3.5, 6.5, 9.5 }, x:add_(nj.tensor{ 1, 2, 3 }, 2):totable())
    assert.same({ 0, 0, 0 }, x:zero_():totable())
    assert.same({ 4, 4, 4 }, x:fill_(4):totable())
    assert.same({ 2, 2, 2 }, x:sqrt_():totable())
    assert.same({ 8, 8, 8 }, x:pow_(3):totable())
    assert.same({ 5, 5, 5 }, x:clamp_(nil, 5):totable())
    assert.same({ 6, 5, 7 }, x:maximum_(nj.tensor{ 6, 0, 7 }):totable())
    assert.same({ 6, 5, 6 }, x:minimum_(6):totable())
    assert.same({ 3, 2.5, 3 }, x:lerp_(nj.zeros(3), 0.5):totable())
    assert.same({ 7, 6, 7 }, x:affine_(2, 1):totable())
    assert.same({ 9, 6, 9 }, x:masked_fill_(x:gt(6), 9):totable())
    assert.same({ -9, -6, -9 }, x:neg_():totable())
    near({ math.exp(-9), math.exp(-6), math.exp(-9) }, x:exp_(), { rtol = 1e-6, atol = 0 })
    assert.same({ 1, 2, 3 }, x:copy_(nj.tensor({ 1, 2, 3 }, { dtype = "int32" })):totable())
  end)

  it("write through views", function()
    local x = nj.zeros(3, 4)
    x[2]:fill_(5)
    x[{ {}, 1 }]:add_(1)
    x:t()[4]:copy_(nj.tensor{ 7, 8, 9 })
    assert.same({ { 1, 0, 0, 7 }, { 6, 5, 5, 8 }, { 1, 0, 0, 9 } }, x:totable())
  end)

  it("broadcast what is read, never what is written", function()
    local x = nj.zeros(2, 3)
    x:add_(nj.tensor{ 1, 2, 3 })
    assert.same({ { 1, 2, 3 }, { 1, 2, 3 } }, x:totable())
    assert.matches("add_: shape %(2, 3%) does not broadcast to %(3%)",
      message(function() return nj.zeros(3):add_(x) end))
    assert.matches("copy: shape %(2, 3%) does not broadcast to %(3%)",
      message(function() return nj.zeros(3):copy_(x) end))
  end)

  it("are safe when what is read overlaps what is written", function()
    local x = nj.tensor{ 1, 2, 3, 4 }
    assert.same({ 2, 4, 6, 8 }, x:add_(x):totable())
    x[{ { 2, 4 } }]:add_(x[{ { 1, 3 } }])
    assert.same({ 2, 6, 10, 14 }, x:totable())
    x[{ { 1, 3 } }]:copy_(x[{ { 2, 4 } }])
    assert.same({ 6, 10, 14, 14 }, x:totable())
    local m = nj.tensor{ { 1, 2 }, { 3, 4 } }
    assert.same({ { 2, 5 }, { 5, 8 } }, m:add_(m:t()):totable())
    m:mul_(m[1][1])
    assert.same({ { 4, 10 }, { 10, 16 } }, m:totable())
    m:copy_(m[{ { 2, 2 } }])
    assert.same({ { 10, 16 }, { 10, 16 } }, m:totable())
    local long = nj.arange(1, 5000)
    long[{ { 2, 5000 } }]:copy_(long[{ { 1, 4999 } }])
    assert.equal(1, long[2])
    assert.equal(4999, long[5000])
  end)

  it("refuse expanded tensors, whose elements share memory", function()
    local x = nj.zeros(1, 3):expand(2, 3)
    assert.matches("add_: cannot write in place to an expanded tensor", message(x.add_, x, 1))
    assert.matches("exp_: cannot write in place to an expanded tensor", message(x.exp_, x))
    assert.matches("fill_: cannot write in place to an expanded tensor", message(x.fill_, x, 1))
  end)

  it("keep the dtype, and refuse what does not fit it", function()
    local i = nj.tensor({ 5, -7 }, { dtype = "int32" })
    assert.same({ 6, -6 }, i:add_(1):totable())
    assert.same({ 4, -8 }, i:add_(nj.tensor({ 1 }, { dtype = "int64" }), -2):totable())
    assert.matches("add_: the result does not fit a tensor of dtype int32", message(i.add_, i, 0.5))
    assert.matches("div_: the result does not fit a tensor of dtype int32", message(i.div_, i, 2))
    assert.matches("exp_: needs float32 or float64, got int32", message(i.exp_, i))
    assert.matches("add_: alpha must be whole for integers", message(i.add_, i, 1, 0.5))
    assert.same({ 2, -3 }, i:copy_(nj.tensor{ 2.7, -3.9 }):totable())
    local d = nj.zeros(1, { dtype = "float64" }):add_(nj.tensor{ 0.1 })
    assert.equal("float64", d.dtype)
    assert.equal(math.maxinteger,
      nj.zeros(1, { dtype = "int64" }):fill_(math.maxinteger)[1])
  end)

  it("refuse to break the graph", function()
    local w = nj.ones(2, { grad = true })
    assert.matches("add_: cannot write in place to a tensor that requires grad",
      message(w.add_, w, 1))
    nj.no_grad(function() w:add_(1) end)
    assert.same({ 2, 2 }, w:totable())
    local y = w * 2
    assert.matches("mul_: cannot write in place to the result of 'affine'", message(y.mul_, y, 2))
    local z = nj.ones(2)
    assert.matches("add_: the source requires grad", message(z.add_, z, w))
    local a, b = nj.ones(2, { grad = true }), nj.ones(2)
    local loss = (a * b):sum()
    b:add_(1)
    assert.matches("backward: a tensor that 'mul' needs was written to in place",
      message(loss.backward, loss))
  end)
end)
