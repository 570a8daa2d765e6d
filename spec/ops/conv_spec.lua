local convolve = require "spec.support.convolve"
local near = require "spec.support.near"
local nj = require "nightjar"
local nn = nj.nn

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- The strides of the channels-last layout show in the bytes of the permuted view: it is contiguous.
local function is_channels_last(y)
  local last = y:permute(1, 3, 4, 2)
  return pcall(last.view, last, last:numel())
end

local rng = nj.rng(11)
local function pick(low, high) return nj.randint(low, high, { 1 }, { rng = rng })[1] end

-- A random convolution that fits, now and then one of the special kinds.
local function random_case()
  local groups = ({ 1, 1, 1, 2, 3 })[pick(1, 5)]
  local ci, co = groups * pick(1, 7), groups * pick(1, 7)
  local kind = pick(1, 6)
  if kind == 1 then
    groups = pick(2, 20)
    ci, co = groups, groups
  elseif kind == 2 then
    ci, co = groups * pick(10, 40), groups * pick(10, 80)
  end
  local kernel = pick(1, 2) == 1 and { 3, 3 } or { pick(1, 4), pick(1, 4) }
  local o = { stride = { 1, 1 }, padding = { 1, 1 }, dilation = { 1, 1 }, groups = groups }
  if pick(1, 2) == 1 then
    o.stride, o.padding = { pick(1, 3), pick(1, 2) }, { pick(0, 3), pick(0, 3) }
    o.dilation = { pick(1, 2), pick(1, 3) }
  end
  local h = pick(o.dilation[1] * (kernel[1] - 1) + 1, 11)
  local w = pick(o.dilation[2] * (kernel[2] - 1) + 1, 14)
  return { pick(1, 2), ci, h, w }, { co, ci // groups, kernel[1], kernel[2] }, o
end

describe("conv2d", function()
  it("is its definition, for random shapes and options", function()
    for i = 1, 60 do
      local xs, ws, o = random_case()
      local x, w = nj.randn(xs, { rng = rng }), nj.randn(ws, { rng = rng })
      local bias = i % 2 == 0 and nj.randn({ ws[1] }, { rng = rng }) or nil
      local want = convolve.conv2d(x, w, bias, o)
      local tolerance = { atol = 2e-5 * math.sqrt(ws[2] * ws[3] * ws[4]) }
      near(want, nn.conv2d(x, w, bias, o), tolerance, "float32 " .. i)
      near(want, nn.conv2d(x:double(), w:double(), bias and bias:double(), o), { atol = 1e-10 },
        "float64 " .. i)
    end
  end)

  it("has the gradients of float64 in float32, for random shapes and options", function()
    for i = 1, 40 do
      local xs, ws, o = random_case()
      local x, w = nj.randn(xs, { rng = rng }), nj.randn(ws, { rng = rng })
      local b, g = nj.randn({ ws[1] }, { rng = rng }), nil
      local function gradients(dtype)
        local leaves = { x:to(dtype):clone(), w:to(dtype):clone(), b:to(dtype):clone() }
        for _, leaf in ipairs(leaves) do leaf:requires_grad_(true) end
        local y = nn.conv2d(leaves[1], leaves[2], leaves[3], o)
        g = g or nj.randn(y.shape, { rng = rng })
        y:backward(g:to(dtype))
        return leaves[1].grad, leaves[2].grad, leaves[3].grad
      end
      local want, got = { gradients "float64" }, { gradients "float32" }
      for k = 1, 3 do
        local scale = 1 + want[k]:abs():max():item()
        near(want[k], got[k], { atol = 1e-5 * scale }, ("case %d, gradient %d"):format(i, k))
      end
    end
  end)

  it("takes 3x3 kernels over many channels by tiles, to float32's precision", function()
    local function rms(want, got)
      local off = (want - got:double()):square():mean():item()
      return math.sqrt(off / math.max(want:square():mean():item(), 1e-300))
    end
    for i, s in ipairs { { 16, 16, 40, 24, 1, 1 }, { 64, 64, 20, 16, 1, 1 }, { 13, 70, 23, 18, 1, 1 },
      { 40, 12, 17, 31, 0, 2 }, { 33, 35, 12, 14, 2, 1 }, { 130, 66, 13, 12, 1, 0 },
      { 20, 300, 12, 8, 1, 1 }, { 300, 20, 8, 12, 1, 1 } } do
      local ci, co, h, w, down, across = table.unpack(s)
      local x = nj.randn({ 3, ci, h, w }, { rng = rng }):relu()
      local weight = nj.randn({ co, ci, 3, 3 }, { rng = rng })
      local bias, g = nj.randn({ co }, { rng = rng }), nil
      local function results(dtype)
        local leaves = { x:to(dtype):clone(), weight:to(dtype):clone() }
        for _, leaf in ipairs(leaves) do leaf:requires_grad_(true) end
        local y = nn.conv2d(leaves[1], leaves[2], bias:to(dtype), { padding = { down, across } })
        g = g or nj.randn(y.shape, { rng = rng })
        y:backward(g:to(dtype))
        return { y:detach(), leaves[1].grad, leaves[2].grad }
      end
      local want, got = results "float64", results "float32"
      for k, what in ipairs { "result", "gradient of x", "gradient of w" } do
        local off = rms(want[k], got[k])
        assert.is_true(off < 2.5e-6, ("%s of case %d: %g"):format(what, i, off))
      end
    end
  end)

  it("reads any strides in place and gives channels-last results", function()
    local x, w = nj.randn({ 2, 5, 6, 16 }, { rng = rng }), nj.randn({ 7, 16, 3, 3 }, { rng = rng })
    local last = x:permute(1, 4, 2, 3)
    local y = nn.conv2d(last, w, { padding = 1 })
    assert.is_true(y:equal(nn.conv2d(last:contiguous(), w, { padding = 1 })))
    assert.is_true(is_channels_last(y))
    assert.is_true(is_channels_last(y:relu()))
    local part = nj.randn({ 2, 4, 12, 9 }, { rng = rng })[{ {}, { 2, 4 }, { 1, -1, 2 }, { 2, 8 } }]
    local v = nj.randn({ 5, 3, 3, 3 }, { rng = rng })
    assert.is_true(nn.conv2d(part, v):equal(nn.conv2d(part:contiguous(), v)))
    local turned = v:transpose(3, 4)
    assert.is_true(nn.conv2d(part, turned):equal(nn.conv2d(part, turned:contiguous())))
  end)

  it("keeps no stale copy of a weight that was written to", function()
    local x, w = nj.randn({ 1, 3, 5, 5 }, { rng = rng }), nj.randn({ 4, 3, 3, 3 }, { rng = rng })
    local before = nn.conv2d(x, w)
    w:mul_(2)
    near(before * 2, nn.conv2d(x, w), { atol = 1e-5 })
    w[1] = 0
    assert.equal(0, nn.conv2d(x, w)[{ 1, 1 }]:abs():max():item())
    local first = nn.conv2d(x, w[{ { 1, 2 } }])
    near(nn.conv2d(x, w)[{ {}, { 1, 2 } }], first, { atol = 1e-6 })
  end)

  it("clamps with relu in the same pass, and NaN stays NaN", function()
    local x, w = nj.randn({ 2, 3, 5, 7 }, { rng = rng }), nj.randn({ 9, 3, 3, 3 }, { rng = rng })
    assert.is_true(nn.conv2d(x, w, { relu = true }):equal(nn.conv2d(x, w):relu()))
    x[{ 1, 2, 3, 3 }] = 0 / 0
    local y = nn.conv2d(x, w, { relu = true })
    assert.is_true(y[1]:isnan():sum():item() > 0)
    assert.equal(0, y[2]:isnan():sum():item())
  end)

  it("takes empty batches", function()
    local w = nj.randn({ 4, 3, 3, 3 }, { grad = true, rng = rng })
    local y = nn.conv2d(nj.zeros(0, 3, 5, 6), w)
    assert.same({ 0, 4, 3, 4 }, y.shape)
    y:sum():backward()
    assert.equal(0, w.grad:abs():max():item())
  end)

  it("says what is wrong", function()
    local x, w = nj.zeros(1, 3, 5, 6), nj.zeros(4, 3, 3, 3)
    local function check(pattern, ...) assert.matches(pattern, message(nn.conv2d, ...)) end
    check("conv2d: expected x %(B, C, H, W%) and weight %(out, in / groups, kH, kW%), got "
      .. "%(3, 5, 6%) and %(4, 3, 3, 3%)", x[1], w)
    check("conv2d: weight has 3 input channels per group, input has 2 %(2 channels, 1 groups%)",
      nj.zeros(1, 2, 5, 6), w)
    check("conv2d: 3 input and 4 output channels cannot be cut into 2 groups", x, w, { groups = 2 })
    check("conv2d: the kernel spans 7 but the padded input has 5 rows: %(1, 3, 5, 6%) with weight "
      .. "%(4, 3, 3, 3%)", x, w, { dilation = { 3, 1 } })
    check("conv2d: expected a bias of 4 elements, got %(3%)", x, w, nj.zeros(3))
    check("conv2d: expected float32 or float64 tensors of one dtype, got float32, weight float64", x,
      w:double())
    check("conv2d: expected float32 or float64 tensors of one dtype, got int64, weight int64",
      x:long(), w:long())
    check("conv2d: unknown option 'pading' %(did you mean 'padding'%?%)", x, w, { pading = 1 })
    check("conv2d: 'stride' must be an integer of at least 1 or {vertical, horizontal}, got 0", x, w,
      { stride = 0 })
    check("conv2d: 'padding' must hold integers of at least 0, got %-1", x, w, { padding = { 0, -1 } })
    check("conv2d: the weight %(4, 3, 0, 3%) is empty", x, nj.zeros(4, 3, 0, 3))
  end)
end)
