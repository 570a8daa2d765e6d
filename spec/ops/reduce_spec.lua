local nj = require "nightjar"
local near = require "spec.support.near"

local inf, nan = math.huge, 0 / 0

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("reductions", function()
  local x = nj.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }

  it("take all dimensions, one, or a list, with keepdim", function()
    assert.equal(21, x:sum():item())
    assert.same({ 5, 7, 9 }, x:sum(1):totable())
    assert.same({ 6, 15 }, x:sum(-1):totable())
    assert.same({ { 6 }, { 15 } }, x:sum(2, { keepdim = true }):totable())
    assert.same({ { 21 } }, x:sum({ 1, 2 }, { keepdim = true }):totable())
    assert.same({ 1, 1 }, x:sum({ keepdim = true }).shape)
    assert.same({}, x:sum({ 2, 1 }).shape)
    assert.equal(3.5, x:mean():item())
    assert.equal(720, x:prod():item())
  end)

  it("say what is wrong", function()
    assert.matches("dimension 3 is out of range for 2 dimensions", message(x.sum, x, 3))
    assert.matches("sum: dimension 1 is named twice", message(x.sum, x, { 1, -2 }))
    assert.matches("3 dimensions named, the tensor has 2", message(x.sum, x, { 1, 2, 1 }))
    assert.matches("sum: unknown option 'keepdims' %(did you mean 'keepdim'%?%)",
      message(x.sum, x, 1, { keepdims = true }))
    assert.matches("norm: option 'p'", message(x.norm, x, 1, { p = -1 }))
  end)

  it("agree with a float64 loop over every layout and choice of dimensions", function()
    local base = nj.randn(3, 4, 5, 6, { rng = nj.rng(3) })
    local views = { base, base:permute(4, 2, 3, 1), base[{ {}, { 2, 3 }, { 1, -1, 2 }, {} }],
      base:permute(2, 1, 4, 3)[{ {}, {}, {}, { 1, -1, 2 } }], base:expand(2, 3, 4, 5, 6)[1],
      base[{ {}, { 1, 1 } }]:expand(3, 4, 5, 6) }
    local choices = { { 1 }, { 2 }, { 3 }, { 4 }, { 1, 2 }, { 1, 3 }, { 1, 4 }, { 2, 4 }, { 3, 4 },
      { 1, 2, 3 }, { 1, 3, 4 }, { 2, 3, 4 }, { 1, 2, 3, 4 } }
    for v, view in ipairs(views) do
      local wide = view:to "float64"
      for _, dims in ipairs(choices) do
        local label = "view " .. v .. " over " .. table.concat(dims, ",")
        -- One dimension after the other, from the last: another way through the kernels.
        local want = wide
        for i = #dims, 1, -1 do
          want = want:sum(dims[i])
        end
        near(want, view:sum(dims), { atol = 2e-5 }, label)
        near(want, wide:sum(dims), { atol = 1e-12 }, label .. " in float64")
        local largest = view
        for i = #dims, 1, -1 do
          largest = (largest:max(dims[i]))
        end
        near(largest, (view:max(dims)), { atol = 0 }, label .. " max")
        near(wide:square():sum(dims):sqrt(), view:norm(dims), { atol = 1e-5 }, label .. " norm")
        near(wide:exp():sum(dims):log(), view:logsumexp(dims), { atol = 1e-5 }, label .. " lse")
      end
    end
  end)

  it("sum long rows and columns as exactly as pairwise addition should", function()
    local n = 300001
    local ramp = nj.arange(1, n, { dtype = "float64" })
    local want = n * (n + 1) / 2
    assert.is_true(math.abs(ramp:to("float32"):sum():item() / want - 1) < 2e-7)
    local ones = nj.ones(1 << 25)
    assert.equal(1 << 25, ones:sum():item()) -- a running float32 sum would stop at 2^24
    local columns = nj.ones(70000, 3)
    assert.same({ 70000, 70000, 70000 }, columns:sum(1):totable())
    assert.same({ 70000, 70000, 70000 }, columns:t():contiguous():sum(2):totable())
    assert.same({ 210000 }, columns:sum({ 1, 2 }):reshape(1):totable())
  end)

  it("give each row of a batch the bits it has alone", function()
    local batch = nj.randn(5, 70001, { rng = nj.rng(8) })
    local sums, lse, var = batch:sum(2), batch:logsumexp(2), batch:var(2)
    for row = 1, 5 do
      assert.equal(sums[row], batch[row]:sum():item())
      assert.equal(lse[row], batch[row]:logsumexp():item())
      assert.equal(var[row], batch[row]:var():item())
    end
    local maps = nj.randn(4, 33, 7, { rng = nj.rng(8) })
    local over_time = maps:sum(2)
    for i = 1, 4 do
      assert.equal(over_time[i]:bytes(), maps[{ { i, i } }]:sum(2)[1]:bytes())
    end
  end)

  it("never share memory with their input", function()
    local y = nj.ones(3, 1)
    local s = y:sum(2)
    s[1] = 7
    assert.equal(1, y[1][1])
    local m = y:max({ 2 })
    m[1] = 9
    assert.equal(1, y[1][1])
  end)

  it("know what empty means", function()
    local e = nj.zeros(2, 0)
    assert.equal(0, e:sum():item())
    assert.same({ 0, 0 }, e:sum(2):totable())
    assert.same({ 0 }, e:sum(1).shape)
    assert.equal(1, e:prod():item())
    near(nan, e:mean(), { atol = 0 })
    near({ nan, nan }, e:mean(2), { atol = 0 })
    near({ nan, nan }, e:var(2), { atol = 0 })
    near(nan, nj.tensor{ 5 }:var(), { atol = 0 })
    assert.equal(0, nj.tensor{ 5 }:var({ unbiased = false }):item())
    assert.equal(0, e:norm():item())
    near({ -inf, -inf }, e:logsumexp(2), { atol = 0 })
    assert.is_true(e:all())
    assert.is_false(e:any())
    assert.same({ 1, 1 }, e:all(2):totable())
    assert.same({ 0, 0 }, e:any(2):totable())
    assert.matches("max: nothing to choose from in a tensor of shape %(2, 0%)", message(e.max, e))
    assert.matches("min: nothing to choose from", message(e.min, e, 2))
    assert.matches("argmax: nothing to choose from", message(e.argmax, e, 2))
    assert.same({ 0 }, (e:max(1)).shape)
  end)

  it("let NaN win max and min, and spoil sums", function()
    local y = nj.tensor{ { 1, nan, 3 }, { 4, 5, 6 } }
    near({ nan, 6 }, (y:max(2)), { atol = 0 })
    near({ nan, 4 }, (y:min(2)), { atol = 0 })
    near({ nan, 6 }, y:max({ 2 }), { atol = 0 })
    near(nan, y:max(), { atol = 0 })
    assert.same({ 2, 3 }, y:argmax(2):totable())
    near({ nan, 15 }, y:sum(2), { atol = 0 })
    near({ 4, nan, 6 }, (y:max(1)), { atol = 0 })
    near({ 4, nan, 6 }, y:max({ 1 }), { atol = 0 })
  end)

  it("find the first of equals, 1-based", function()
    local y = nj.tensor{ { 3, 1, 3 }, { 2, 2, 1 } }
    local values, indices = y:max(2)
    assert.same({ 3, 2 }, values:totable())
    assert.same({ 1, 1 }, indices:totable())
    assert.equal("int64", indices.dtype)
    values, indices = y:min(1, { keepdim = true })
    assert.same({ { 2, 1, 1 } }, values:totable())
    assert.same({ { 2, 1, 2 } }, indices:totable())
    assert.equal(1, y:argmax():item())
    assert.equal(2, y:argmin():item())
    assert.same({ 1, 2, 1 }, y:argmax(1):totable())
  end)

  it("send the gradient of equals to the first", function()
    local y = nj.tensor({ { 3, 1, 3 }, { 2, 2, 1 } }, { grad = true })
    y:max():backward()
    assert.same({ { 1, 0, 0 }, { 0, 0, 0 } }, y.grad:totable())
    y:zero_grad();
    (y:max(2)):sum():backward()
    assert.same({ { 1, 0, 0 }, { 1, 0, 0 } }, y.grad:totable())
  end)

  it("work on integers: sums in int64, extremes in their dtype", function()
    local i = nj.tensor({ { 200, 100 }, { 50, 250 } }, { dtype = "uint8" })
    assert.equal("int64", i:sum().dtype)
    assert.equal(600, i:sum():item())
    assert.same({ 250, 350 }, i:sum(1):totable())
    assert.equal("uint8", i:max().dtype)
    assert.same({ 200, 250 }, (i:max(2)):totable())
    assert.same({ 100, 50 }, i:min({ 2 }):totable())
    assert.equal(200 * 100 * 50 * 250, i:prod():item())
    assert.equal("float32", i:mean().dtype)
    assert.equal(150, i:mean():item())
    assert.equal("float32", i:norm().dtype)
    local big = nj.tensor({ math.maxinteger, 1 }, { dtype = "int64" })
    assert.equal(math.mininteger, big:sum():item())
  end)

  it("compute spread, with and without Bessel's correction", function()
    local y = nj.tensor{ 2, 4, 4, 4, 5, 5, 7, 9 }
    near(4, y:var({ unbiased = false }), { atol = 1e-6 })
    near(32 / 7, y:var(), { atol = 1e-6 })
    near(2, y:std({ unbiased = false }), { atol = 1e-6 })
    -- a large mean must not drown the variance
    near(32 / 7, (y + 10000):var(), { rtol = 1e-4 })
  end)

  it("compute norms", function()
    local y = nj.tensor{ { 3, -4 }, { 0, 0 } }
    assert.same({ 5, 0 }, y:norm(2):totable())
    assert.same({ 7, 0 }, y:norm(2, { p = 1 }):totable())
    assert.same({ 4, 0 }, y:norm(2, { p = inf }):totable())
    assert.same({ 2, 0 }, y:norm(2, { p = 0 }):totable())
    near({ (27 + 64) ^ (1 / 3), 0 }, y:norm(2, { p = 3 }), { atol = 1e-5 })
    local z = nj.zeros(2, 2, { grad = true })
    z:norm():backward()
    assert.same({ { 0, 0 }, { 0, 0 } }, z.grad:totable())
  end)

  it("compute logsumexp of extremes", function()
    local y = nj.tensor{ { -inf, -inf }, { inf, 0 }, { 1000, 1000 }, { -inf, 3 } }
    near({ -inf, inf, 1000 + math.log(2), 3 }, y:logsumexp(2), { atol = 0, rtol = 1e-7 })
    local z = nj.tensor({ { -inf, -inf }, { 0, 0 } }, { grad = true })
    z:logsumexp(2):sum():backward()
    assert.same({ { 0, 0 }, { 0.5, 0.5 } }, z.grad:totable())
  end)

  it("answer all and any", function()
    assert.is_true(x:all())
    assert.is_false(nj.tensor{ 1, 0 }:all())
    assert.is_true(nj.tensor{ 0, nan }:any())
    assert.same({ 1, 0 }, nj.tensor{ { 1, 2 }, { 0, 1 } }:all(2):totable())
    assert.same({ 1, 1 }, nj.tensor{ { 1, 2 }, { 0, 1 } }:any(2):totable())
  end)
end)

describe("scans", function()
  it("run along a dimension", function()
    local x = nj.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ { 1, 3, 6 }, { 4, 9, 15 } }, x:cumsum(2):totable())
    assert.same({ { 1, 2, 3 }, { 5, 7, 9 } }, x:cumsum(1):totable())
    assert.same({ { 1, 2, 6 }, { 4, 20, 120 } }, x:cumprod(-1):totable())
    assert.equal("int64", x:to("int32"):cumsum(1).dtype)
    assert.same({ 0 }, nj.zeros(0):cumsum(1).shape)
    assert.equal(3, nj.tensor(3):cumsum(1):item())
    assert.matches("dimension 3 is out of range", message(x.cumsum, x, 3))
  end)

  it("accumulate float32 in double", function()
    local ones = nj.full({ 1 << 18 }, 0.1)
    local last = ones:cumsum(1)[1 << 18]
    assert.is_true(math.abs(last / (ones[1] * (1 << 18)) - 1) < 1e-7)
  end)
end)

describe("sorting", function()
  it("is stable, upwards and downwards, with NaN the greatest", function()
    local x = nj.tensor{ 2, nan, 1, 2, -inf, 1, -0.0, 0 }
    local values, indices = x:sort()
    near({ -inf, -0.0, 0, 1, 1, 2, 2, nan }, values, { atol = 0 })
    assert.same({ 5, 7, 8, 3, 6, 1, 4, 2 }, indices:totable())
    values, indices = x:sort(1, { descending = true })
    near({ nan, 2, 2, 1, 1, -0.0, 0, -inf }, values, { atol = 0 })
    assert.same({ 2, 1, 4, 3, 6, 7, 8, 5 }, indices:totable())
    assert.same({ 5, 7, 8, 3, 6, 1, 4, 2 }, x:argsort():totable())
  end)

  it("sorts every dtype along every dimension", function()
    for _, dtype in ipairs { "uint8", "int32", "int64", "float32", "float64" } do
      local x = nj.randint(0, 200, 4, 5, 3, { rng = nj.rng(2) }):to(dtype)
      for dim = 1, 3 do
        local values, indices = x:sort(dim)
        assert.equal(dtype, values.dtype)
        assert.is_true(values:equal(x:gather(dim, indices)), dtype .. " along " .. dim)
        local n = x.shape[dim]
        assert.is_true(values:narrow(dim, 1, n - 1):le(values:narrow(dim, 2, n - 1)):all())
      end
    end
  end)

  it("sorts many", function()
    local x = nj.randn(20011, { rng = nj.rng(3) })
    local list = x:totable()
    table.sort(list)
    assert.is_true((x:sort()):equal(nj.tensor(list)))
    assert.is_true((x:topk(777)):equal(nj.tensor(list)[{ { 20011 - 776, -1 } }]:flip(1)))
    assert.is_true((x:topk(5000, { largest = false })):equal(nj.tensor(list)[{ { 1, 5000 } }]))
  end)

  it("takes the k largest or smallest, the lowest index first among equals", function()
    local x = nj.tensor{ { 5, 1, 5, 3, 5, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5 } }
    local values, indices = x:topk(2)
    assert.same({ { 5, 5 } }, values:totable())
    assert.same({ { 1, 3 } }, indices:totable())
    indices = select(2, x:topk(2, 2, { largest = false }))
    assert.same({ { 6, 2 } }, indices:totable())
    indices = select(2, x:topk(16))
    assert.same({ { 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 4, 2 } }, indices:totable())
    near({ nan, 2 }, (nj.tensor{ 1, 2, nan }:topk(2)), { atol = 0 })
    assert.same({ 1, 0 }, (x:topk(0)).shape)
    assert.matches("topk: k = 18 of a dimension of size 17", message(x.topk, x, 18))
    assert.matches("topk: k = %-1", message(x.topk, x, -1))
    assert.same({ 0 }, (nj.zeros(0):sort()).shape)
    assert.equal(4, (nj.tensor(4):sort()):item())
  end)
end)

describe("memory of reductions", function()
  it("returns to where it began", function()
    local function work()
      local x = nj.randn(20, 30, { grad = true, rng = nj.rng(1) })
      local y = x:sum(1) + x:t():mean(1, { keepdim = true })[1]:sum() + (x:max(1)) + x:logsumexp(1)
      local z = (y:sort()):cumsum(1) * y:var() + x:norm() + x:prod(1) + (y:topk(3)):sum()
      z:sum():backward()
      pcall(x.sum, x, { 1, 1 })
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
