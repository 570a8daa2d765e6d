local convolve = require "spec.support.convolve"
local near = require "spec.support.near"
local nj = require "nightjar"
local nn = nj.nn

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

local function mean_of_window(window)
  local sum = 0
  for _, v in ipairs(window) do sum = sum + v end
  return sum / #window
end

local function mean_of_kernel(window, count) return mean_of_window(window) * #window / count end

local rng = nj.rng(21)
local function pick(low, high) return nj.randint(low, high, { 1 }, { rng = rng })[1] end

local function random_case()
  local o = { kernel = { pick(1, 4), pick(1, 4) }, stride = { pick(1, 3), pick(1, 3) } }
  o.padding = { pick(0, o.kernel[1] // 2), pick(0, o.kernel[2] // 2) }
  local shape = { pick(1, 2), pick(1, 20), pick(o.kernel[1], 9), pick(o.kernel[2], 9) }
  return o, nj.randn(shape, { rng = rng })
end

describe("pooling", function()
  it("averages and finds the largest of random windows", function()
    for _ = 1, 60 do
      local o, x = random_case()
      local options = { stride = o.stride, padding = o.padding }
      near(convolve.pool2d(x, o, mean_of_kernel), nn.avg_pool2d(x, o.kernel, options), { atol = 1e-6 })
      near(convolve.pool2d(x, o, function(w) return math.max(table.unpack(w)) end),
        nn.max_pool2d(x, o.kernel, options))
      options.count_padding = false
      near(convolve.pool2d(x, o, mean_of_window), nn.avg_pool2d(x, o.kernel, options), { atol = 1e-6 })
    end
  end)

  it("rounds sizes down and strides by the kernel unless told otherwise", function()
    local x = nj.arange(1, 30):float():reshape(1, 1, 5, 6)
    assert.same({ { { { 4.5, 6.5, 8.5 }, { 16.5, 18.5, 20.5 } } } }, nn.avg_pool2d(x, 2):totable())
    assert.same({ { { { 8, 10, 12 }, { 20, 22, 24 } } } }, nn.max_pool2d(x, 2):totable())
    assert.same({ 1, 1, 1, 6 }, nn.avg_pool2d(x, { 4, 1 }).shape)
  end)

  it("lets NaN win, and pads the largest with -inf", function()
    local x = nj.tensor { -1, 0 / 0, -3, -4 }:reshape(1, 1, 2, 2)
    assert.equal(1, nn.max_pool2d(x, 2):isnan():sum():item())
    assert.same({ -1, -2 },
      nn.max_pool2d(nj.tensor { -1, -2 }:reshape(1, 1, 1, 2), { 1, 2 }, { padding = { 0, 1 } })
        :reshape(2):totable())
  end)

  it("covers the image with adaptive windows", function()
    local x = nj.arange(1, 7):float():reshape(1, 1, 7, 1)
    near({ 2, 4, 6 }, nn.adaptive_avg_pool2d(x, 3, 1):reshape(3))
    near(x:mean(), nn.adaptive_avg_pool2d(x, 1, 1):reshape {})
    near({ 1, 1, 2, 2 }, nn.adaptive_avg_pool2d(x[{ {}, {}, { 1, 2 } }], 4, 1):reshape(4))
  end)

  it("reads and gives channels-last memory", function()
    local x = nj.randn({ 2, 5, 6, 17 }, { rng = rng }):permute(1, 4, 2, 3)
    for _, f in ipairs { nn.avg_pool2d, nn.max_pool2d } do
      local y = f(x, 2)
      assert.is_true(y:equal(f(x:contiguous(), 2)))
      local last = y:permute(1, 3, 4, 2)
      assert.is_true((pcall(last.view, last, last:numel())))
    end
  end)

  it("takes empty batches", function()
    assert.same({ 0, 3, 2, 2 }, nn.avg_pool2d(nj.zeros(0, 3, 4, 4), 2).shape)
    assert.same({ 0, 3, 2, 2 }, nn.max_pool2d(nj.zeros(0, 3, 4, 4), 2).shape)
    assert.same({ 0, 3, 1, 1 }, nn.adaptive_avg_pool2d(nj.zeros(0, 3, 4, 4), 1, 1).shape)
  end)

  it("says what is wrong", function()
    local x = nj.zeros(1, 1, 3, 3)
    assert.matches("avg_pool2d: expected x %(B, C, H, W%), got %(3, 3%)",
      message(nn.avg_pool2d, nj.zeros(3, 3), 2))
    assert.matches("max_pool2d: the kernel spans 4 but the padded input has 3 rows: %(1, 1, 3, 3%)",
      message(nn.max_pool2d, x, { 4, 1 }))
    assert.matches("max_pool2d: padding 2 is more than half the kernel 3",
      message(nn.max_pool2d, x, 3, { padding = 2 }))
    assert.matches("avg_pool2d: expected the kernel, an integer or {vertical, horizontal}",
      message(nn.avg_pool2d, x))
    assert.matches("avg_pool2d: 'kernel' must be an integer of at least 1", message(nn.avg_pool2d, x, 0))
    assert.matches("adaptive_avg_pool2d: expected an output of at least 1 x 1, got 0 x 2",
      message(nn.adaptive_avg_pool2d, x, 0, 2))
  end)
end)
