local nj = require "nightjar"

local function live()
  collectgarbage()
  collectgarbage()
  return nj.memory().live
end

describe("memory", function()
  it("stays constant over a loop of temporaries", function()
    local x = nj.ones(256, 64) -- 64 KiB
    local before = live()
    nj.memory{ reset_peak = true }
    for _ = 1, 100000 do x:clone() end
    assert.is_true(nj.memory().peak - before < 64 * 2 ^ 20, "peak " .. nj.memory().peak)
    assert.equal(before, live())
  end)

  it("stays constant over a loop of views and small results", function()
    local x = nj.ones(16, 4)
    local before = live()
    nj.memory{ reset_peak = true }
    for i = 1, 100000 do
      local _ = x[i % 16 + 1]:reshape(2, 2):t()
    end
    assert.is_true(nj.memory().peak - before < 64 * 2 ^ 20, "peak " .. nj.memory().peak)
    assert.equal(before, live())
  end)

  it("returns to where it began after every operation", function()
    local before = live()
    do
      local x = nj.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }, { grad = true })
      local _ = nj.cat{ x:t():reshape(6), x:flatten() }:unfold(1, 3):flip(1):pad{ 1 }
      _ = x:gather(1, nj.full({ 1, 3 }, 2, { dtype = "int64" }))
      _ = x[nj.tensor{ true, false }]
      for _ = 1, 20 do
        pcall(nj.zeros, 2 ^ 50)
        pcall(nj.tensor, { { 1, 2 }, { 3 } })
        pcall(function() return x[{ 1, 9 }] end)
        pcall(nj.cat, { x, nj.zeros(4) })
        pcall(x.index_select, x, 1, { 7 })
      end
    end
    assert.equal(before, live())
  end)

  it("survives failing allocations everywhere", function()
    local fail_after = require("nightjar.core")._fail_after
    local x = nj.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }, { grad = true })
    local index = nj.tensor({ { 1, 2, 1 } }, { dtype = "int64" })
    local row = nj.tensor({ 2, 1 }, { dtype = "int64" })
    local mask = nj.tensor{ true, false }
    local calls = {
      function() return nj.tensor{ 1, 2 } end,
      function() return x:t():reshape(6) end,
      function() return x:permute(2, 1):flip(1):roll(1) end,
      function() return nj.cat{ x, x } end,
      function() return nj.stack{ x, x } end,
      function() return x:pad({ 1 }, { mode = "reflect" }) end,
      function() return x:pad{ 1 } end,
      function() return x:tile(2, 2):repeat_interleave(2) end,
      function() return x:gather(1, index) end,
      function() return x:scatter_add(1, index, 1) end,
      function() return x:index_select(1, row) end,
      function() return x:index_add(1, row, x) end,
      function() return x[mask] end,
      function() return x:masked_select(mask:unsqueeze(2)) end,
      function() return x:to("float64"):tril() end,
      function() return tostring(x) end,
      function() return x:split(1) end,
      function() return nj.meshgrid(nj.arange(3), nj.arange(2)) end,
      function() local y = nj.zeros(2, 3) y[row] = 5 return y end,
      function() local y = nj.zeros(3, 2):t() y[mask] = { { 1, 2, 3 } } return y end,
      function() local y = nj.zeros(2, 3) y[{ {}, 1 }] = { 1, 2 } return y end,
      function() return nj.one_hot({ 1, 2 }, 3) end,
    }
    local before = live()
    for i, call in ipairs(calls) do
      local done = false
      for count = 0, 60 do
        fail_after(count)
        local ok, text = pcall(call)
        fail_after(-1)
        done = ok
        if ok then break end
        assert.matches("out of memory", text, nil, nil, "call " .. i)
      end
      assert.is_true(done, "call " .. i)
    end
    assert.equal(before, live())
  end)

  it("survives failing allocations in backward", function()
    local fail_after = require("nightjar.core")._fail_after
    local index = nj.tensor({ { 1, 2, 1 } }, { dtype = "int64" })
    local row = nj.tensor({ 2, 1 }, { dtype = "int64" })
    local functions = {
      function(x) return x:t():reshape(6) end,
      function(x) return x:permute(2, 1):flip(1):roll(1) end,
      function(x) return nj.cat{ x, x:double() } end,
      function(x) return nj.stack{ x, x } end,
      function(x) return x:pad({ 1 }, { mode = "reflect" }) end,
      function(x) return x:pad{ 1 } end,
      function(x) return x:tile(2, 2):repeat_interleave(2) end,
      function(x) return x:gather(1, index) end,
      function(x) return x:scatter_add(1, index, x[{ { 1 } }]) end,
      function(x) return x:index_select(1, row) end,
      function(x) return x:index_add(1, row, x) end,
      function(x) return x[nj.tensor{ true, false }] end,
      function(x) return x:unfold(2, 2):diagonal() end,
      function(x) return x:expand(4, 2, 3):tril() end,
    }
    local before = live()
    for i, f in ipairs(functions) do
      local done = false
      for count = 0, 60 do
        local x = nj.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }, { grad = true })
        local y = f(x):sum()
        fail_after(count)
        local ok, text = pcall(y.backward, y)
        fail_after(-1)
        done = ok
        if ok then break end
        assert.matches("out of memory", text, nil, nil, "function " .. i)
      end
      assert.is_true(done, "function " .. i)
    end
    assert.equal(before, live())
  end)
end)

describe("free and close", function()
  it("give memory back at once", function()
    local before = live()
    local x = nj.zeros(1000, 1000)
    x:free()
    assert.is_true(nj.memory().live - before < 1000)
    do
      local y <close> = nj.zeros(1000, 1000)
      assert.equal(1000, #y)
    end
    assert.is_true(nj.memory().live - before < 1000)
  end)

  it("make later use an error, as often as one likes", function()
    local x = nj.zeros(3)
    local view = x[{ { 1, 2 } }]
    x:free()
    x:free()
    getmetatable(x).__gc(x)
    assert.same({ 0, 0 }, view:totable()) -- storage lives on in its views
    for _, use in ipairs{
      function() return x[1] end, function() return #x end, function() return x:clone() end,
      function() return x.shape end, function() x[1] = 2 end, function() return x(1) end,
      function() return nj.cat{ x } end, function() return view[x] end,
      function() for _ in pairs(x) do error "no" end end,
    } do
      local ok, text = pcall(use)
      assert.is_false(ok)
      assert.matches("freed", text)
    end
  end)

  it("inside a finalizer wait for the collector", function()
    local x = nj.ones(64)
    setmetatable({}, { __gc = function() x:free() end })
    collectgarbage()
    local ok, text = pcall(x.clone, x)
    assert.is_false(ok)
    assert.matches("freed", text)
  end)

  it("hold when a finalizer frees what a running call has in hand", function()
    for _ = 1, 200 do
      local x = nj.ones(4096)
      setmetatable({}, { __gc = function() x:free() end })
      for _ = 1, 40 do
        if not pcall(x.clone, x) then break end
      end
    end
  end)
end)

describe("identity", function()
  it("is what == compares", function()
    local x, y = nj.tensor{ 1 }, nj.tensor{ 1 }
    assert.is_true(x == x)
    assert.is_false(x == y)
    assert.equal("nightjar.Tensor", getmetatable(x).__name)
  end)
end)
