local nj = require "nightjar"
local near = require "spec.support.near"

local inf, nan = math.huge, 0 / 0

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- Every value once more in another place, length and layout: bits must not change.
local function bits(t)
  return t:contiguous():bytes()
end

describe("functions of one tensor", function()
  local reference = {
    neg = function(x) return -x end,
    abs = math.abs,
    exp = math.exp,
    log = math.log,
    sqrt = math.sqrt,
    sin = math.sin,
    cos = math.cos,
    floor = function(x) return x == x and math.abs(x) < inf and math.floor(x) or x end,
    ceil = function(x) return x == x and math.abs(x) < inf and math.ceil(x) or x end,
    square = function(x) return x * x end,
    reciprocal = function(x) return 1 / x end,
    sigmoid = function(x) return 1 / (1 + math.exp(-x)) end,
    relu = function(x) return x ~= x and x or math.max(x, 0) end,
    softplus = function(x) return x > 30 and x or math.log(1 + math.exp(x)) end,
    silu = function(x) return x / (1 + math.exp(-x)) end,
    hardswish = function(x) return x * math.min(math.max(x + 3, 0), 6) / 6 end,
    tanh = function(x) return x > 20 and 1 or x < -20 and -1
      or (math.exp(x) - math.exp(-x)) / (math.exp(x) + math.exp(-x)) end,
  }
  local values = { 0, -0.0, 1, -1, 0.5, -0.5, 2.5, -2.5, 3, -3, 1e-3, -1e-3, 17.25, -17.25, 1e-20 }

  for name, f in pairs(reference) do
    it(name .. " agrees with Lua's arithmetic in float32 and float64", function()
      local want = {}
      for i, v in ipairs(values) do
        want[i] = f(v)
      end
      for _, dtype in ipairs { "float32", "float64" } do
        local x = nj.tensor(values, { dtype = dtype })
        local got = x[name](x)
        assert.equal(dtype, got.dtype)
        near(want, got, { atol = 1e-12, rtol = dtype == "float32" and 3e-7 or 1e-13 }, name)
      end
    end)
  end

  it("knows erf and gelu", function()
    near({ 0, 0.5204998778, -0.8427007929, 0.9953222650, 0.0112834156 },
      nj.tensor({ 0, 0.5, -1, 2, 0.01 }):erf(), { rtol = 3e-7, atol = 0 })
    near({ 0, 0.8413447461, -0.1586552539, 1.954499736 }, nj.tensor({ 0, 1, -1, 2 }):gelu(),
      { rtol = 1e-6, atol = 0 })
    near({ 0, 0.8411919906, -0.1588080094, 1.954597694 }, nj.tensor({ 0, 1, -1, 2 }):gelu_tanh(),
      { rtol = 1e-6, atol = 0 })
  end)

  it("carries infinities and NaN where the mathematics does", function()
    local x = nj.tensor{ inf, -inf, nan }
    local want = {
      exp = { inf, 0, nan }, log = { inf, nan, nan }, sqrt = { inf, nan, nan },
      tanh = { 1, -1, nan },
      sigmoid = { 1, 0, nan }, erf = { 1, -1, nan }, relu = { inf, 0, nan },
      abs = { inf, inf, nan },
      sign = { 1, -1, nan }, softplus = { inf, 0, nan }, floor = { inf, -inf, nan },
      round = { inf, -inf, nan }, reciprocal = { 0, 0, nan }, rsqrt = { 0, nan, nan },
      expm1 = { inf, -1, nan }, log1p = { inf, nan, nan }, hardsigmoid = { 1, 0, nan },
    }
    for name, values_want in pairs(want) do
      near(values_want, x[name](x), { atol = 0 }, name)
      local wide = x:to "float64"
      near(values_want, wide[name](wide), { atol = 0 }, name .. " in float64")
    end
    near({ -inf, nan }, nj.tensor{ 0, -1 }:log(), { atol = 0 })
    near({ inf, 0 }, nj.tensor{ 89, -120 }:exp(), { atol = 0 })
  end)

  it("keeps small numbers: subnormal results of exp and sigmoid, sinh-free tanh", function()
    near({ math.exp(-100), 1 / (1 + math.exp(95)) },
      nj.stack{ nj.tensor(-100):exp(), nj.tensor(-95):sigmoid() }, { atol = 1.5e-45 })
    near({ 1e-30, -1e-30 }, nj.tensor{ 1e-30, -1e-30 }:tanh(), { atol = 0, rtol = 1e-7 })
  end)

  it("rounds half to even", function()
    assert.same({ 0, 2, 2, -0.0, -2, 4 },
      nj.tensor{ 0.5, 1.5, 2.5, -0.5, -1.5, 3.5 }:round():totable())
    assert.same({ -1, 0, 2 }, nj.tensor{ -1.7, 0.9, 2.1 }:trunc():totable())
  end)

  it("gives the same bits wherever a value stands", function()
    local x = nj.randn(3, 67, { rng = nj.rng(5) })
    for _, name in ipairs { "exp", "log", "tanh", "sigmoid", "erf", "gelu", "gelu_tanh", "silu",
      "softplus", "hardswish", "sqrt", "rsqrt" } do
      local whole = x[name](x)
      for row = 1, 3 do
        assert.equal(bits(whole[row]), bits(x[row][name](x[row])), name)
      end
      assert.equal(bits(whole), bits(x:t()[name](x:t()):t()), name .. " transposed")
      local tail = x[{ {}, { 3, 20 } }]
      assert.equal(bits(whole[{ {}, { 3, 20 } }]), bits(tail[name](tail)), name .. " of a part")
    end
  end)

  it("takes integers: kept where the function has them, float32 elsewhere", function()
    local x = nj.tensor({ -2, 0, 3 }, { dtype = "int32" })
    for name, want in pairs { neg = { 2, 0, -3 }, abs = { 2, 0, 3 }, sign = { -1, 0, 1 },
      square = { 4, 0, 9 }, relu = { 0, 0, 3 }, floor = { -2, 0, 3 }, round = { -2, 0, 3 } } do
      local y = x[name](x)
      assert.equal("int32", y.dtype)
      assert.same(want, y:totable())
    end
    assert.equal("float32", x:exp().dtype)
    assert.equal("float32", x:to("int64"):sqrt().dtype)
    local least = nj.tensor({ math.mininteger }, { dtype = "int64" })
    assert.same({ math.mininteger }, (-least):totable())
    assert.same({ 254 }, (-nj.tensor({ 2 }, { dtype = "uint8" })):totable())
  end)

  it("keeps the layout of permuted memory", function()
    local x = nj.rand(2, 3, 4, 5):permute(1, 4, 2, 3)
    local y = x:relu()
    assert.same(x.strides, y.strides)
    assert.same({ 2, 5, 3, 4 }, y.shape)
    assert.same(x.strides, (x + y).strides)
    assert.is_true(x:equal(y))
    assert.is_true(x[{ {}, {}, {}, { 1, 3 } }]:exp().is_contiguous)
  end)

  it("clamps", function()
    local x = nj.tensor{ -2, -0.5, 0.5, 2, nan }
    near({ -1, -0.5, 0.5, 1, nan }, x:clamp(-1, 1), { atol = 0 })
    near({ 0, 0, 0.5, 2, nan }, x:clamp(0), { atol = 0 })
    near({ -2, -0.5, 0, 0, nan }, x:clamp(nil, 0), { atol = 0 })
    near({ -1, -1, -1, -1, nan }, x:clamp(1, -1), { atol = 0 })
    local i = nj.tensor({ -5, 0, 7 }, { dtype = "int64" }):clamp(-1.5, 4.5)
    assert.same({ -1, 0, 4 }, i:totable())
    assert.equal("int64", i.dtype)
    assert.matches("clamp: a bound is NaN", message(x.clamp, x, nan, 1))
  end)
end)

describe("operators", function()
  local x = nj.tensor{ { 1, 2 }, { 3, 4 } }

  it("take numbers on either side", function()
    assert.same({ { 3, 4 }, { 5, 6 } }, (x + 2):totable())
    assert.same({ { 3, 4 }, { 5, 6 } }, (2 + x):totable())
    assert.same({ { 1, 0 }, { -1, -2 } }, (2 - x):totable())
    assert.same({ { -1, 0 }, { 1, 2 } }, (x - 2):totable())
    near({ { 2, 1 }, { 2 / 3, 0.5 } }, 2 / x, { atol = 1e-7 })
    assert.same({ { 2, 4 }, { 8, 16 } }, (2 ^ x):totable())
    assert.same({ { 1, 4 }, { 9, 16 } }, (x ^ 2):totable())
    assert.same({ { 1, 0 }, { 1, 0 } }, (x % 2):totable())
    assert.same({ { 0, 1 }, { 1, 2 } }, (x // 2):totable())
    assert.same({ { -1, -2 }, { -3, -4 } }, (-x):totable())
  end)

  it("multiply by a number as they multiply by a tensor, signed zeros included", function()
    local zeros = nj.tensor{ 0, -0.0, 1, nan, inf }
    for _, factor in ipairs { -1, 0, 2.5, -0.0, inf } do
      assert.equal(bits(zeros * nj.tensor(factor)), bits(zeros * factor))
    end
  end)

  it("round down like Lua's // and %, while fmod keeps the sign", function()
    local a = nj.tensor{ 7, -7, 7, -7, 0 }
    local b = nj.tensor{ 3, 3, -3, -3, 3 }
    assert.same({ 2, -3, -3, 2, 0 }, (a // b):totable())
    assert.same({ 1, 2, -2, -1, 0 }, (a % b):totable())
    assert.same({ 1, -1, 1, -1, 0 }, a:fmod(b):totable())
    local i, j = a:to "int32", b:to "int32"
    assert.same({ 2, -3, -3, 2, 0 }, (i // j):totable())
    assert.same({ 1, 2, -2, -1, 0 }, (i % j):totable())
    assert.same({ 1, -1, 1, -1, 0 }, i:fmod(j):totable())
    assert.equal("int32", (i % j).dtype)
    near({ inf, -1 % inf }, nj.tensor{ -1, -1 } % nj.tensor{ inf, inf }, { atol = 0 })
  end)

  it("promote: integers to the wider, to float32 with a float number", function()
    local u8 = nj.tensor({ 250, 3 }, { dtype = "uint8" })
    local i32 = nj.tensor({ 10, -1 }, { dtype = "int32" })
    local f64 = nj.tensor({ 0.5, 1.5 }, { dtype = "float64" })
    assert.equal("int32", (u8 + i32).dtype)
    assert.same({ 260, 2 }, (u8 + i32):totable())
    assert.equal("uint8", (u8 + 3).dtype)
    assert.equal("float32", (u8 + 0.5).dtype)
    assert.equal("float32", (u8 / u8).dtype)
    assert.equal("float64", (i32 * f64).dtype)
    assert.equal("float64", (f64 + 1).dtype)
    assert.equal("float32", (nj.tensor{ 1 } * i32[1]).dtype)
  end)

  it("wrap integers without a trap", function()
    local big = nj.tensor({ math.maxinteger }, { dtype = "int64" })
    assert.same({ math.mininteger }, (big + 1):totable())
    assert.same({ -2 }, (big * 2):totable())
    assert.same({ 4 }, (nj.tensor({ 250 }, { dtype = "uint8" }) + 10):totable())
    assert.same({ -2147483648 }, (nj.tensor({ 2147483647 }, { dtype = "int32" }) + 1):totable())
    assert.same({ math.mininteger },
      (nj.tensor({ math.mininteger }, { dtype = "int64" }) // -1):totable())
    assert.same({ 0 }, (nj.tensor({ math.mininteger }, { dtype = "int64" }) % -1):totable())
    assert.same({ 1 << 40 }, (nj.tensor({ 2 }, { dtype = "int64" }) ^ 40):totable())
  end)

  it("refuse what has no answer among integers", function()
    local i = nj.tensor({ 1, 2 }, { dtype = "int32" })
    assert.matches("floor_div: division by zero among integers",
      message(function() return i // 0 end))
    assert.matches("mod: division by zero among integers",
      message(function() return i % nj.tensor({ 1, 0 }, { dtype = "int32" }) end))
    assert.matches("pow: an integer to a negative power is no integer",
      message(function() return i ^ -1 end))
    near({ inf, inf }, i / 0, { atol = 0 })
  end)

  it("broadcast", function()
    local row, column = nj.tensor{ 1, 2, 3 }, nj.tensor{ { 10 }, { 20 } }
    assert.same({ { 11, 12, 13 }, { 21, 22, 23 } }, (row + column):totable())
    assert.same({ 2, 3 }, (nj.zeros(2, 3) + nj.tensor(1)).shape)
    assert.same({ 2, 0 }, (nj.zeros(2, 0) + nj.zeros(1)).shape)
    assert.same({ 0, 3 }, (nj.zeros(0, 1) * nj.zeros(3)).shape)
    assert.matches("add: shapes %(2, 2%) and %(3%) do not broadcast",
      message(function() return x + row end))
  end)

  it("say what they cannot take", function()
    assert.matches("tensor", message(function() return x + "1" end))
    assert.matches("tensor", message(function() return {} * x end))
  end)

  it("agree over all layouts and many sizes", function()
    for _, size in ipairs { 1, 3, 15, 16, 17, 31, 33, 100, 1025, 5000 } do
      local a = nj.randn(size, 3, { rng = nj.rng(size) })
      local b = nj.randn(size, 3, { rng = nj.rng(size + 1) })
      local want = bits(a * b + a)
      local at, bt = a:t():contiguous():t(), b:t():contiguous():t()
      assert.equal(want, bits(at * b + a))
      assert.equal(want, bits(a * bt + at))
      assert.equal(want, bits(at * bt + at))
      local wide = nj.cat({ a, b }, 2)
      local left, right = wide[{ {}, { 1, 3 } }], wide[{ {}, { 4, 6 } }]
      assert.equal(want, bits(left * right + left))
    end
  end)

  it("give the same bits for any number of threads", function()
    local before = nj.threads()
    local a, b = nj.randn(300, 517, { rng = nj.rng(1) }), nj.randn(517, { rng = nj.rng(2) })
    local results = {}
    for _, n in ipairs { 1, 2, 3 } do
      nj.threads(n)
      results[#results + 1] = bits((a * b):tanh()) .. bits(a:sum()) .. bits(a:sum(1))
        .. bits(a:var(2)) .. bits(nj.randn(100001, { rng = nj.rng(9) }))
        .. bits(a:dropout(0.3, { rng = nj.rng(4) }))
    end
    nj.threads(before)
    assert.equal(results[1], results[2])
    assert.equal(results[1], results[3])
  end)
end)

describe("comparison and choice", function()
  local a, b = nj.tensor{ 1, 2, 3, nan }, nj.tensor{ 2, 2, 2, nan }

  it("makes masks", function()
    assert.same({ 0, 1, 0, 0 }, a:eq(b):totable())
    assert.same({ 1, 0, 1, 1 }, a:ne(b):totable())
    assert.same({ 1, 0, 0, 0 }, a:lt(b):totable())
    assert.same({ 1, 1, 0, 0 }, a:le(b):totable())
    assert.same({ 0, 0, 1, 0 }, a:gt(2):totable())
    assert.same({ 0, 1, 1, 0 }, a:ge(2):totable())
    assert.equal("uint8", a:eq(b).dtype)
    local i = nj.tensor({ 2 ^ 53 | 0, (2 ^ 53 | 0) + 1 }, { dtype = "int64" })
    assert.same({ 1, 0 }, i:eq(2 ^ 53 | 0):totable())
  end)

  it("combines them", function()
    local p, q = nj.tensor{ 0, 0, 2, nan }, nj.tensor({ 0, 5, 0, 5 }, { dtype = "int32" })
    assert.same({ 0, 0, 0, 1 }, p:logical_and(q):totable())
    assert.same({ 0, 1, 1, 1 }, p:logical_or(q):totable())
    assert.same({ 0, 1, 1, 0 }, p:logical_xor(q):totable())
    assert.same({ 1, 1, 0, 0 }, p:logical_not():totable())
  end)

  it("finds what is not finite", function()
    local x = nj.tensor{ 1, inf, -inf, nan }
    assert.same({ 0, 0, 0, 1 }, x:isnan():totable())
    assert.same({ 0, 1, 1, 0 }, x:isinf():totable())
    assert.same({ 1, 0, 0, 0 }, x:isfinite():totable())
    assert.same({ 1 }, nj.tensor({ 5 }, { dtype = "int64" }):isfinite():totable())
  end)

  it("chooses, with numbers on either side and masks of any dtype", function()
    near({ 1, 2, 0, 0 }, nj.where(a:le(2), a, 0), { atol = 0 })
    near({ 9, 9, 3, nan }, nj.where(a:le(2), 9, a), { atol = 0 })
    assert.same({ 1, 0 }, nj.where(nj.tensor{ 0.5, 0 }, nj.tensor{ 1, 1 }, 0):totable())
    assert.same({ { 1, 20 }, { 10, 2 } },
      nj.where(nj.tensor{ { true, false }, { false, true } }, nj.tensor{ 1, 2 },
        nj.tensor{ 10, 20 }):totable())
    assert.equal("int64", nj.where(a:gt(0), nj.tensor({ 1 }, { dtype = "int64" }), 2).dtype)
    assert.matches("where: shapes", message(nj.where, a:gt(0), nj.zeros(3), 0))
  end)

  it("keeps NaN of the side not chosen out of the gradient", function()
    local x = nj.tensor({ 0, 4 }, { grad = true })
    nj.where(x:gt(0), x:sqrt(), 0):sum():backward()
    assert.equal(0.25, x.grad[2])
    local w = nj.tensor({ 1, 2 }, { grad = true })
    nj.where(w:gt(1), w, w:detach() * nan):sum():backward()
    assert.same({ 0, 1 }, w.grad:totable())
  end)

  it("fills under a mask", function()
    near({ -inf, -inf, 3, nan }, a:masked_fill(a:le(2), -inf), { atol = 0 })
    assert.matches("masked_fill: a mask of shape %(2, 4%) does not broadcast to %(4%)",
      message(a.masked_fill, a, nj.zeros(2, 4), 0))
  end)

  it("compares whole tensors", function()
    local x = nj.tensor{ 1, 2 }
    assert.is_true(x:equal(nj.tensor{ 1, 2 }))
    assert.is_false(x:equal(nj.tensor{ 1, 3 }))
    assert.is_false(x:equal(nj.tensor{ { 1, 2 } }))
    assert.is_false(nj.tensor{ nan }:equal(nj.tensor{ nan }))
    assert.is_true(nj.zeros(0):equal(nj.zeros(0)))
    assert.is_true(x:allclose(x + 1e-7))
    assert.is_false(x:allclose(x + 1e-3))
    assert.is_true(x:allclose(x + 1e-3, { atol = 1e-2 }))
    assert.is_false(nj.tensor{ nan }:allclose(nj.tensor{ nan }))
    assert.is_true(nj.tensor{ nan, inf }:allclose(nj.tensor{ nan, inf }, { equal_nan = true }))
    assert.is_false(nj.tensor{ inf }:allclose(nj.tensor{ 1 }))
    assert.matches("allclose: unknown option 'tol'", message(x.allclose, x, x, { tol = 1 }))
  end)

  it("takes the larger and the smaller, NaN winning", function()
    near({ 2, 2, 3, nan }, a:maximum(b), { atol = 0 })
    near({ 1, 2, 2, nan }, nj.minimum(a, b), { atol = 0 })
    near({ nan, nan }, nj.tensor{ nan, 1 }:maximum(nj.tensor{ 1, nan }), { atol = 0 })
    local x = nj.tensor({ 1, 2 }, { grad = true })
    x:maximum(nj.tensor{ 1, 5 }):sum():backward()
    assert.same({ 0.5, 0 }, x.grad:totable())
  end)
end)

describe("memory of elementwise operations", function()
  it("returns to where it began", function()
    local function work()
      local x = nj.randn(20, 30, { grad = true, rng = nj.rng(1) })
      local y = ((x * 2 + x:t():contiguous():t():tanh()) / (x:square() + 1)):gelu()
      nj.where(y:gt(0), y, 0):sum():backward()
      pcall(function() return x + nj.zeros(7) end)
    end
    work()
    collectgarbage() collectgarbage()
    local before = nj.memory().live
    for _ = 1, 20 do
      work()
    end
    collectgarbage() collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)
