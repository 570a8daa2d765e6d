local nj = require "nightjar"

local function leaf(values, dtype)
  return nj.tensor(values, { dtype = dtype or "float64", grad = true })
end

describe("backward", function()
  it("gathers gradients over shared uses", function()
    local x = leaf { 2, 3 }
    local y = (x * x + x):sum()
    y:backward()
    assert.same({ 5, 7 }, x.grad:totable())
  end)

  it("accumulates over calls until zero_grad", function()
    local x = leaf { 1 }
    for _ = 1, 3 do (x * 2):sum():backward() end
    assert.same({ 6 }, x.grad:totable())
    x:zero_grad()
    assert.is_nil(x.grad)
  end)

  it("takes a gradient to start from", function()
    local x = leaf { 1, 2 }
    ;(x * x):backward(nj.tensor({ 1, 10 }, { dtype = "float64" }))
    assert.same({ 2, 40 }, x.grad:totable())
  end)

  it("gives two leaves of one sum gradients of their own", function()
    local a, b = leaf { 1, 1 }, leaf { 1, 1 }
    ;(a + b):sum():backward()
    a.grad:fill_(7)
    assert.same({ 1, 1 }, b.grad:totable())
  end)

  it("explains what cannot be done", function()
    local x = leaf { 1, 2 }
    assert.error_matches(function() nj.tensor({ 1 }):backward() end, "does not require grad")
    assert.error_matches(function() (x * 2):backward() end, "needs a gradient to start from")
    assert.error_matches(function() (x * 2):backward(nj.zeros(3)) end, "gradient of shape %(3%)")
    local y = (x * x):sum()
    y:backward()
    assert.error_matches(function() y:backward() end, "freed by an earlier backward")
    assert.error_matches(function() y:backward { retain_grap = true } end,
      "unknown option 'retain_grap' %(did you mean 'retain_graph'%?%)")
  end)

  it("keeps the graph when asked", function()
    local x = leaf { 3 }
    local y = (x * x):sum()
    y:backward { retain_graph = true }
    y:backward()
    assert.same({ 12 }, x.grad:totable())
  end)

  it("walks and frees a chain of 200,000 operations without recursion", function()
    local x = leaf { 1 }
    local y = x
    for _ = 1, 200000 do y = y + x end
    y:sum():backward()
    assert.same({ 200001 }, x.grad:totable())
  end)

  it("notices a saved tensor that was overwritten", function()
    local x, w = leaf { 1, 2 }, leaf { 3, 4 }
    local y = (x * w):sum()
    nj.no_grad(function() w:add_(1) end)
    assert.error_matches(function() y:backward() end, "a tensor that 'mul' needs was written to in place")
  end)

  it("refuses in-place writes that the graph could not follow", function()
    local x = leaf { 1 }
    assert.error_matches(function() x:add_(1) end, "cannot write in place to a tensor that requires grad")
    local y = x * x
    assert.error_matches(function() y:add_(1) end, "result of 'mul'")
    local z = nj.zeros(1, { dtype = "float64" })
    assert.error_matches(function() z:add_(x) end, "the source requires grad")
  end)
end)

describe("nj.no_grad", function()
  it("records nothing, gives results through, and ends with an error too", function()
    local x = leaf { 1 }
    local y, z = nj.no_grad(function(k) return x * k, "z" end, 3)
    assert.is_false(y.requires_grad)
    assert.equal("z", z)
    assert.is_false(pcall(nj.no_grad, error, "oops"))
    assert.is_true(nj.grad_enabled())
    nj.no_grad(function() assert.is_true(nj.enable_grad(function() return (x * 2).requires_grad end)) end)
  end)

  it("detach cuts off and shares", function()
    local x = leaf { 1, 2 }
    local d = x:detach()
    assert.is_false(d.requires_grad)
    d[1] = 9
    assert.equal(9, x(1))
  end)
end)

describe("register_hook", function()
  it("sees and replaces the arriving gradient", function()
    local x, seen = leaf { 1, 2 }, nil
    x:register_hook(function(g)
      seen = g:totable()
      return g * 10
    end)
    ;(x * 3):sum():backward()
    assert.same({ 3, 3 }, seen)
    assert.same({ 30, 30 }, x.grad:totable())
    x:register_hook(nil)
    x:zero_grad()
    ;(x * 3):sum():backward()
    assert.same({ 3, 3 }, x.grad:totable())
  end)

  it("reports what goes wrong inside, and leaves the graph usable", function()
    local x = leaf { 1 }
    x:register_hook(function() error "hook failed" end)
    assert.error_matches(function() (x * 2):sum():backward() end, "hook failed")
    x:register_hook(function() return nj.zeros(5) end)
    assert.error_matches(function() (x * 2):sum():backward() end, "hook: expected a float64 gradient")
    x:register_hook(nil)
    ;(x * 2):sum():backward()
    assert.same({ 2 }, x.grad:totable())
  end)
end)

describe("nj.autograd.custom", function()
  local cube = nj.autograd.custom {
    name = "cube",
    forward = function(ctx, x, scale)
      ctx:save(x)
      ctx.scale = scale
      return x * x * x * scale
    end,
    backward = function(ctx, g)
      local x = ctx:saved()
      return g * 3 * x * x * ctx.scale
    end,
  }

  it("runs forward unrecorded and backward in Lua", function()
    local x = leaf { 2, -1 }
    local y = cube(x, 2)
    assert.same({ 16, -2 }, y:totable())
    y:sum():backward()
    assert.same({ 24, 6 }, x.grad:totable())
  end)

  it("guards what it saved", function()
    local x = leaf { 2 }
    local y = cube(x, 1):sum()
    nj.no_grad(function() x:add_(1) end)
    assert.error_matches(function() y:backward() end, "a tensor that 'cube' needs was written to")
  end)

  it("names itself in errors", function()
    local bad = nj.autograd.custom {
      name = "bad", forward = function(_, x) return x * 1 end, backward = function() return "no" end,
    }
    assert.error_matches(function() bad(leaf { 1 }):sum():backward() end,
      "bad: backward must give a tensor or nil for tensor argument 1, got string")
    local wrong = nj.autograd.custom {
      name = "wrong", forward = function(_, x) return x * 1 end,
      backward = function() return nj.zeros(7, { dtype = "float64" }) end,
    }
    local x = leaf { 1 }
    assert.error_matches(function() wrong(x * 1):sum():backward() end, "'wrong' gave its input 1")
    local none = nj.autograd.custom { forward = function() end, backward = function() end }
    assert.error_matches(function() none(leaf { 1 }) end, "forward must give one tensor, got nil")
    assert.error_matches(function() nj.autograd.custom { forward = print } end, "must be functions")
  end)

  it("gives a leaf no gradient when backward gives nil", function()
    local half = nj.autograd.custom {
      forward = function(_, a, b) return a + b end, backward = function(_, g) return g, nil end,
    }
    local a, b = leaf { 1 }, leaf { 1 }
    half(a, b):sum():backward()
    assert.same({ 1 }, a.grad:totable())
    assert.is_nil(b.grad)
  end)

  it("holds nothing once the graph is gone", function()
    local function run()
      local x = leaf { 1, 2, 3 }
      local y = cube(x, 1)
      y:sum():backward()
      local _ = cube(x, 1) -- never walked
    end
    run()
    collectgarbage()
    collectgarbage()
    local before = nj.memory().live
    for _ = 1, 50 do run() end
    collectgarbage()
    collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)
