local near = require "spec.support.near"
local nj = require "nightjar"
local nn = nj.nn

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

local rng = nj.rng(9)
local function random(...) return nj.randn({ ... }, { rng = rng }) end

describe("layer_norm", function()
  it("normalises the last dimension", function()
    local x, w, b = random(4, 3, 37) * 5 + 100, random(37), random(37)
    local wide = x:double()
    local mean = wide:mean(3, { keepdim = true })
    local var = (wide - mean):square():mean(3, { keepdim = true })
    local plain = (wide - mean) / (var + 1e-5):sqrt()
    near(plain, nn.layer_norm(x), { atol = 2e-5 })
    near(plain * w:double() + b:double(), nn.layer_norm(x, w, b), { atol = 2e-5 })
    near(plain + b:double(), nn.layer_norm(x, nil, b), { atol = 2e-5 })
  end)

  it("takes constant rows, no rows and empty rows", function()
    assert.equal(0, nn.layer_norm(nj.full({ 2, 3 }, 7)):abs():max():item())
    assert.same({ 0, 3 }, nn.layer_norm(nj.zeros(0, 3)).shape)
    assert.same({ 3, 0 }, nn.layer_norm(nj.zeros(3, 0)).shape)
  end)

  it("says what is wrong", function()
    assert.matches("layer_norm: expected a weight of 3 elements, got %(2%)",
      message(nn.layer_norm, nj.zeros(2, 3), nj.zeros(2)))
    assert.matches("layer_norm: bias is float64, the input float32",
      message(nn.layer_norm, nj.zeros(2, 3), nil, nj.zeros(3):double()))
  end)
end)

-- Mean and variances of each channel (dimension 2) in float64.
local function statistics(x)
  local rows = x:double():transpose(1, 2):flatten(2)
  local n = rows.shape[2]
  local mean = rows:mean(2)
  local squares = (rows - mean:unsqueeze(2)):square():sum(2)
  return mean, squares / n, squares / (n - 1)
end

local function by_channel(v, ndim)
  local shape = { 1, v.shape[1] }
  for i = 3, ndim do shape[i] = 1 end
  return v:reshape(shape)
end

describe("batch_norm", function()
  it("normalises by the batch and keeps running statistics", function()
    for _, shape in ipairs { { 5, 3 }, { 4, 7, 6 }, { 3, 20, 5, 4 }, { 40, 33, 9, 9 } } do
      local x, c = random(table.unpack(shape)) * 3 + 50, shape[2]
      local w, b = random(c), random(c)
      local running_mean, running_var = random(c), nj.rand({ c }, { rng = rng })
      local mean, biased, unbiased = statistics(x)
      local want_mean = running_mean:double() * 0.7 + mean * 0.3
      local want_var = running_var:double() * 0.7 + unbiased * 0.3
      local y = nn.batch_norm(x, w, b, { training = true, mean = running_mean, var = running_var,
        momentum = 0.3 })
      local plain = (x:double() - by_channel(mean, #shape))
        / by_channel((biased + 1e-5):sqrt(), #shape)
      near(plain * by_channel(w:double(), #shape) + by_channel(b:double(), #shape), y,
        { atol = 1e-4 })
      near(want_mean, running_mean, { atol = 1e-4 })
      near(want_var, running_var, { atol = 1e-4 })
    end
  end)

  it("normalises by the running statistics otherwise, and leaves them alone", function()
    local x, mean, var = random(3, 4, 5), random(4), nj.rand({ 4 }, { rng = rng }) + 0.5
    local before = mean:clone()
    local y = nn.batch_norm(x, nil, nil, { mean = mean, var = var, eps = 0.1 })
    near((x - by_channel(mean, 3)) / by_channel((var + 0.1):sqrt(), 3), y, { atol = 1e-5 })
    assert.is_true(mean:equal(before))
  end)

  it("has the same bits for an image alone and in a batch when evaluating", function()
    local x, mean, var = random(6, 19, 5, 3), random(19), nj.rand({ 19 }, { rng = rng }) + 0.5
    local w, b = random(19), random(19)
    local y = nn.batch_norm(x, w, b, { mean = mean, var = var })
    for i = 1, 6 do
      local alone = nn.batch_norm(x[{ { i, i } }], w, b, { mean = mean, var = var })
      assert.is_true(y[{ { i, i } }]:equal(alone))
    end
  end)

  it("clamps with relu in the same pass", function()
    local x, w, b = random(3, 18, 4), random(18), random(18)
    local plain = nn.batch_norm(x, w, b, { training = true })
    assert.is_true(plain:relu():equal(nn.batch_norm(x, w, b, { training = true, relu = true })))
  end)

  it("reads channels-last memory and other channel dimensions alike", function()
    local x = random(3, 6, 5, 4)
    local last = x:permute(1, 3, 4, 2):contiguous():permute(1, 4, 2, 3)
    local o = { training = true }
    assert.is_true(nn.batch_norm(x, nil, nil, o):equal(nn.batch_norm(last, nil, nil, o)))
    local moved = nn.batch_norm(x:transpose(2, 4), nil, nil, { training = true, dim = -1 })
    near(nn.batch_norm(x, nil, nil, o), moved:transpose(2, 4), { atol = 1e-6 })
  end)

  it("takes empty batches when evaluating", function()
    local mean, var = nj.zeros(3), nj.ones(3)
    assert.same({ 0, 3, 2 }, nn.batch_norm(nj.zeros(0, 3, 2), nil, nil, { mean = mean, var = var }).shape)
  end)

  it("says what is wrong", function()
    local x = nj.zeros(2, 3, 4)
    local function check(pattern, ...) assert.matches(pattern, message(nn.batch_norm, ...)) end
    check("batch_norm: expected a weight of 3 elements, one per channel, got %(4%)", x, nj.zeros(4))
    check("batch_norm: running mean is float64, the input float32", x, nil, nil,
      { mean = nj.zeros(3):double() })
    check("batch_norm: training needs more than one value per channel, got %(1, 3%)", nj.zeros(1, 3),
      nil, nil, { training = true })
    check("batch_norm: dimension 4 of a tensor with 3 dimensions", x, nil, nil, { dim = 4 })
    check("batch_norm: option 'mean' must be a tensor, got table", x, nil, nil, { mean = {} })
    check("batch_norm: cannot write in place to a tensor that requires grad", x, nil, nil,
      { training = true, mean = nj.zeros({ 3 }, { grad = true }) })
  end)
end)

describe("normalize", function()
  it("divides by the length, but never by less than eps", function()
    local x = random(4, 5, 6)
    for dim = 1, 3 do
      local length = x:square():sum(dim, { keepdim = true }):sqrt()
      near(x / length, x:normalize(dim), { atol = 1e-6 })
    end
    assert.is_true(x:normalize():equal(x:normalize(3)))
    near({ 0.03, 0.04 }, nj.tensor { 3, 4 }:normalize(1, { eps = 100 }), { atol = 1e-7 })
    assert.same({ 0, 0 }, nj.zeros(2):normalize():totable())
    assert.same({ 2, 0 }, nj.zeros(2, 0):normalize(2).shape)
  end)
end)
