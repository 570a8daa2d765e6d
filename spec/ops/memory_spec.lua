-- When memory runs out in the middle of an operation, forward or backward: an error that says so,
-- nothing lost, and the next call works. NJL_CALL collects and tries once more, so a failure is
-- seen from the second request that fails on: _fail_after makes all later ones fail.
local nj = require "nightjar"

local function input(shape, seed)
  return nj.randn(shape, { rng = nj.rng(seed) }):abs():add_(0.1)
end

local cases = {
  { "exp", { { 3, 4 } }, function(x) return x:exp() end },
  { "gelu of a transpose", { { 3, 4 } }, function(x) return x:t():gelu() end },
  { "add with broadcasting", { { 3, 4 }, { 4 } }, function(a, b) return a + b end },
  { "div with broadcasting", { { 3, 4 }, { 3, 1 } }, function(a, b) return a / b end },
  { "pow", { { 3, 4 }, { 4 } }, function(a, b) return a ^ b end },
  { "maximum", { { 3, 4 }, { 4 } }, function(a, b) return a:maximum(b) end },
  { "atan2", { { 3 }, { 3 } }, function(a, b) return a:atan2(b) end },
  { "%", { { 3 }, { 3 } }, function(a, b) return a % b end },
  { "where", { { 3, 4 }, { 4 } }, function(a, b) return nj.where(a:gt(0.5), a, b) end },
  { "masked_fill", { { 3, 4 } }, function(a) return a:masked_fill(a:lt(0.5), 1) end },
  { "sum", { { 3, 4, 5 } }, function(x) return x:sum{ 1, 3 } end },
  { "sum of long rows", { { 2, 70000 } }, function(x) return x:sum(2) end },
  { "sum of long columns", { { 3000, 2 } }, function(x) return x:sum(1) end },
  { "mean", { { 3, 4 } }, function(x) return x:mean(1) end },
  { "var", { { 3, 4, 5 } }, function(x) return x:var{ 1, 3 } end },
  { "std", { { 3, 4 } }, function(x) return x:std(2) end },
  { "prod", { { 3, 4 } }, function(x) return x:prod(1) end },
  { "norm", { { 3, 4 } }, function(x) return x:norm(1) end },
  { "norm 3", { { 3, 4 } }, function(x) return x:norm(1, { p = 3 }) end },
  { "norm inf", { { 3, 4 } }, function(x) return x:norm(1, { p = math.huge }) end },
  { "logsumexp", { { 3, 4 } }, function(x) return x:logsumexp(1) end },
  { "max", { { 3, 4 } }, function(x) return (x:max(1)) end },
  { "min of all", { { 3, 4 } }, function(x) return (x:min()) end },
  { "argmax", { { 3, 4 } }, function(x) return x * x:argmax(1):to "float32" end },
  { "cumsum", { { 3, 4 } }, function(x) return x:cumsum(1) end },
  { "cumprod", { { 3, 4 } }, function(x) return x:cumprod(1) end },
  { "sort", { { 3, 4 } }, function(x) return (x:sort(1)) end },
  { "topk", { { 3, 40 } }, function(x) return (x:topk(2)) end },
  { "dropout", { { 3, 4 } }, function(x) return x:dropout(0.5, { rng = nj.rng(1) }) end },
  { "add_", { { 3, 4 } }, function(x) return x:detach():clone():add_(x:detach():sum()) + x end },
  { "masked_fill_", { { 3, 4 } }, function(x)
    local y = x:detach():clone()
    return y:masked_fill_(y:gt(0.5), 0) + x
  end },
  { "all, any, isfinite", { { 3, 4 } }, function(x)
    return x * (x:isfinite():all() and x:isnan():logical_not():any() and 1 or 0)
  end },
  { "allclose", { { 3, 4 } }, function(x) return x * (x:allclose(x) and x:equal(x) and 1 or 0) end },
  { "random", { { 3, 4 } }, function(x)
    local rng = nj.rng(2)
    return x + nj.randn(3, 4, { rng = rng }) + nj.randint(0, 3, 3, 4, { rng = rng })
      + nj.randperm(4, { rng = rng }) + x:detach():clamp(0, 1):bernoulli{ rng = rng }
      + x:detach():multinomial(4, { rng = rng }) + x:detach():multinomial(4, { replacement = true })
  end },
  { "adam", { { 3, 4 } }, function(x)
    local p, m, v = x:detach():clone(), nj.zeros(3, 4), nj.zeros(3, 4)
    nj.optim_kernels.adam(p, p:t():contiguous():t(), m, v, nil, {})
    nj.optim_kernels.sgd(p:t():contiguous():t(), p, nil, {})
    return x * nj.optim_kernels.grad_norm{ p, m }
  end },
}

describe("an operation out of memory", function()
  for _, case in ipairs(cases) do
    it(case[1], function()
      local leaves = {}
      for i, shape in ipairs(case[2]) do
        leaves[i] = input(shape, i):requires_grad_(true)
      end
      local function work()
        case[3](table.unpack(leaves)):sum():backward()
        for _, leaf in ipairs(leaves) do
          leaf:zero_grad()
        end
      end
      work()
      collectgarbage() collectgarbage()
      local before, failures = nj.memory().live, 0
      local count = 0
      while true do
        nj._fail_after(count)
        local ok, text = pcall(work)
        nj._fail_after(-1)
        if not ok then
          failures = failures + 1
          assert.matches("memory", tostring(text))
          for _, leaf in ipairs(leaves) do
            leaf:zero_grad()
          end
        end
        text = nil -- luacheck: ignore
        collectgarbage() collectgarbage()
        assert.equal(before, nj.memory().live)
        if ok then
          break
        end
        assert.is_true(count < 400)
        count = count + 1 + count // 8 -- a failing request costs two full collections
      end
      assert.is_true(failures > 2)
      work()
    end)
  end
end)
