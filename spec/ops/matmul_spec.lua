local near = require "spec.support.near"
local nj = require "nightjar"
local nn = nj.nn

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

local rng = nj.rng(5)
local function random(...) return nj.randn({ ... }, { rng = rng }) end

-- (m, k) x (k, n) by the definition, in Lua's own doubles.
local function product(a, b)
  local m, k, n = a.shape[1], a.shape[2], b.shape[2]
  local x, y, out = a:totable(), b:totable(), {}
  for i = 1, m do
    out[i] = {}
    for j = 1, n do
      local sum = 0
      for l = 1, k do sum = sum + x[i][l] * y[l][j] end
      out[i][j] = sum
    end
  end
  return nj.tensor(out, { dtype = "float64" })
end

describe("matmul", function()
  it("multiplies matrices of awkward sizes", function()
    for _, s in ipairs { { 1, 1, 1 }, { 2, 3, 4 }, { 7, 5, 17 }, { 13, 31, 66 }, { 6, 300, 64 }, { 97, 2, 65 },
      { 5, 9, 130 }, { 1, 40, 33 } } do
      local m, k, n = table.unpack(s)
      local a, b = random(m, k), random(k, n)
      near(product(a, b), a:matmul(b), { atol = 1e-5 * math.sqrt(k) })
      near(product(a, b), a:double():matmul(b:double()), { atol = 1e-10 })
    end
  end)

  it("reads transposed, strided and expanded operands", function()
    local a, b = random(5, 4), random(6, 5)
    near(product(a:t():contiguous(), b:t():contiguous()), a:t():matmul(b:t()), { atol = 1e-5 })
    local wide = random(8, 10)
    local part = wide[{ { 1, -1, 2 }, { 2, -1, 3 } }]
    near(product(part, random(3, 2)):mul(0), part:matmul(nj.zeros(3, 2)))
    local c = random(3, 4)
    near(product(part:contiguous(), c), part:matmul(c), { atol = 1e-5 })
    local row = random(1, 4):expand { 3, 4 }
    near(product(row:contiguous(), a:t():contiguous()), row:matmul(a:t()), { atol = 1e-5 })
    near(product(a:contiguous(), row:t():contiguous()), a:matmul(row:t()), { atol = 1e-5 })
  end)

  it("treats vectors and batches as NumPy does", function()
    local v, m = random(4), random(4, 5)
    assert.same({}, v:matmul(v).shape)
    assert.same({ 5 }, v:matmul(m).shape)
    assert.same({ 4 }, m:matmul(random(5)).shape)
    local a, b = random(2, 1, 3, 4), random(5, 4, 6)
    local y = a:matmul(b)
    assert.same({ 2, 5, 3, 6 }, y.shape)
    for i = 1, 2 do
      for j = 1, 5 do
        near(product(a[i][1], b[j]), y[i][j], { atol = 1e-5 })
      end
    end
    assert.same({ 2, 3 }, random(2, 3, 4):matmul(v).shape)
    assert.same({ 2, 5 }, v:matmul(random(2, 4, 5)).shape)
  end)

  it("takes empty operands", function()
    assert.same({ { 0, 0 }, { 0, 0 }, { 0, 0 } }, nj.zeros(3, 0):matmul(nj.zeros(0, 2)):totable())
    assert.same({ 0, 2 }, nj.zeros(0, 3):matmul(nj.zeros(3, 2)).shape)
    assert.same({ 0, 4, 2 }, nj.zeros(0, 4, 3):matmul(nj.zeros(3, 2)).shape)
    assert.equal(0, nj.zeros(0):matmul(nj.zeros(0)):item())
  end)

  it("carries NaN and infinities", function()
    local y = nj.tensor { { 1, 0 / 0 }, { 1, 1 } }:matmul(nj.tensor { { 1 }, { 0 } })
    assert.is_true(y(1, 1) ~= y(1, 1))
    assert.equal(1, y(2, 1))
    assert.equal(math.huge, nj.tensor { { math.huge, 1 } }:matmul(nj.ones(2, 1)):item())
  end)

  it("says what is wrong", function()
    local function check(pattern, a, b) assert.matches(pattern, message(a.matmul, a, b)) end
    check("matmul: inner sizes differ: %(3, 4%) x %(5, 2%)", nj.zeros(3, 4), nj.zeros(5, 2))
    check("matmul: inner sizes differ: %(3%) x %(4%)", nj.zeros(3), nj.zeros(4))
    check("matmul: batch sizes do not broadcast: %(2, 3, 4%) x %(5, 4, 2%)", nj.zeros(2, 3, 4),
      nj.zeros(5, 4, 2))
    check("matmul: expected tensors of at least 1 dimension, got %(%) x %(2%)", nj.zeros {},
      nj.zeros(2))
    check("matmul: expected two float32 or two float64 tensors, got float32 and float64",
      nj.zeros(2, 2), nj.zeros(2, 2):double())
    check("matmul: expected two float32 or two float64 tensors, got int64 and int64",
      nj.zeros(2, 2):long(), nj.zeros(2, 2):long())
  end)
end)

describe("linear", function()
  it("is x · wᵀ + b", function()
    local x, w, b = random(3, 2, 70), random(130, 70), random(130)
    local want = x:matmul(w:t()) + b
    near(want, nn.linear(x, w, b), { atol = 1e-4 })
    near(x:matmul(w:t()), nn.linear(x, w), { atol = 1e-4 })
    near(want[1][2], nn.linear(x[1][2], w, b), { atol = 1e-4 })
    local wt = random(70, 130)
    assert.is_true(nn.linear(x, wt:t()):equal(nn.linear(x, wt:t():contiguous())))
  end)

  it("keeps no stale copy of a weight that was written to", function()
    local x, w = random(2, 8), random(4, 8)
    local before = nn.linear(x, w)
    w:mul_(-1)
    assert.is_true(nn.linear(x, w):equal(-before))
  end)

  it("says what is wrong", function()
    local x, w = nj.zeros(2, 3), nj.zeros(4, 3)
    local function check(pattern, ...) assert.matches(pattern, message(nn.linear, ...)) end
    check("linear: expected x %(…, in%) and weight %(out, in%), got %(2, 3%) and %(3, 4%)", x, w:t())
    check("linear: expected a bias of 4 elements, got %(3%)", x, w, nj.zeros(3))
    check("linear: expected float32 or float64 tensors of one dtype, got float32, weight float32, "
      .. "bias float64", x, w, nj.zeros(4):double())
  end)
end)
