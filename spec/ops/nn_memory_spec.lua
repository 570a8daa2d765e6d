-- Network operations when memory runs out, and over many steps.
local nj = require "nightjar"
local nn = nj.nn
local fail_after = require("nightjar.core")._fail_after

local function live()
  collectgarbage()
  collectgarbage()
  return nj.memory().live
end

local function leaf(...) return nj.randn({ ... }, { rng = nj.rng(1), grad = true }) end

-- name → {function, inputs…}; each is run forward and backward.
local cases = {
  matmul = { function(a, b) return a:matmul(b) end, { 9, 3, 4 }, { 9, 4, 5 } },
  ["matmul, long"] = { function(a, b) return a:matmul(b) end, { 4, 2100 }, { 2100, 3 } },
  linear = { nn.linear, { 3, 4 }, { 5, 4 }, { 5 } },
  softmax = { function(x) return x:softmax(1) end, { 3, 4 } },
  normalize = { function(x) return x:normalize(1) end, { 3, 4 } },
  layer_norm = { nn.layer_norm, { 3, 4 }, { 4 }, { 4 } },
  batch_norm = { function(x, w, b)
    return nn.batch_norm(x, w, b, { training = true, relu = true })
  end, { 3, 4, 2 }, { 4 }, { 4 } },
  conv2d = { function(x, w, b) return nn.conv2d(x, w, b, { padding = 1, relu = true }) end,
    { 2, 3, 4, 5 }, { 4, 3, 3, 3 }, { 4 } },
  depthwise = { function(x, w) return nn.conv2d(x, w, { groups = 3 }) end, { 2, 3, 4, 5 },
    { 3, 1, 3, 3 } },
  avg_pool2d = { function(x) return nn.avg_pool2d(x, 2) end, { 2, 3, 4, 5 } },
  max_pool2d = { function(x) return nn.max_pool2d(x, 2) end, { 2, 3, 4, 5 } },
  resize = { function(x) return nn.resize(x, 3, 3) end, { 2, 3, 4, 5 } },
  attention = { function(q, k, v, mask)
    return nn.attention(q, k, v, { mask = mask, dropout = 0.2, rng = nj.rng(2) })
  end, { 2, 3, 4 }, { 2, 5, 4 }, { 2, 5, 2 }, { 3, 1 } },
  cross_entropy = { function(x, p) return nn.cross_entropy(x, p) end, { 3, 4 }, { 3, 4 } },
  ["cross_entropy, classes"] = { function(x)
    return nn.cross_entropy(x, nj.tensor({ 1, 4, 2 }, { dtype = "int64" }))
  end, { 3, 4 } },
}

local function run(case)
  local inputs = {}
  for i = 2, #case do inputs[i - 1] = leaf(table.unpack(case[i])) end
  local y = case[1](table.unpack(inputs))
  y:backward(nj.ones_like(y:detach()))
end

describe("network operations", function()
  for name, case in pairs(cases) do
    it("give memory back, and survive any failing request for it: " .. name, function()
      run(case)
      local before = live()
      run(case)
      assert.equal(before, live())
      local failures, n = 0, 0
      repeat
        fail_after(n)
        local ok, text = pcall(run, case)
        fail_after(-1)
        if not ok then
          assert.matches("out of memory", text)
          failures, n = failures + 1, n + 1 + n // 8 -- a failing request costs two full collections
        end
        assert.is_true(n < 1000)
      until ok
      assert.is_true(failures > 5)
      assert.equal(before, live())
    end)
  end

  it("leave running statistics alone when they fail", function()
    local x, mean, var = nj.randn(4, 3), nj.zeros(3), nj.ones(3)
    local o = { training = true, mean = mean, var = var }
    for n = 0, 8 do
      fail_after(n)
      local ok = pcall(nn.batch_norm, x, nil, nil, o)
      fail_after(-1)
      if ok then break end
      assert.is_true(mean:equal(nj.zeros(3)) and var:equal(nj.ones(3)))
    end
  end)

  it("do not hoard packed weights over steps", function()
    local w, v = leaf(8, 4, 3, 3), leaf(20, 30)
    local x, z = nj.randn(2, 4, 6, 6), nj.randn(5, 30)
    local function step()
      (nn.conv2d(x, w):sum() + nn.linear(z, v):sum()):backward()
      nj.no_grad(function()
        w:mul_(0.9)
        v:mul_(0.9)
      end)
      w:zero_grad()
      v:zero_grad()
    end
    step()
    step()
    local before = live()
    for _ = 1, 50 do step() end
    assert.equal(before, live())
  end)
end)
