local nj = require "nightjar"

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- A generator of its own (xorshift), so that cases do not depend on Lua's seed.
local function generator(seed)
  local state = seed
  return function(low, high)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return low + (state >> 1) % (high - low + 1)
  end
end

-- Plain Lua model: nested tables of numbers counted 1, 2, 3 … in row-major order.
local function counted(shape)
  local n = 0
  local function build(depth)
    if depth > #shape then
      n = n + 1
      return n
    end
    local t = {}
    for i = 1, shape[depth] do t[i] = build(depth + 1) end
    return t
  end
  return build(1)
end

local function tensor_of(shape, dtype)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return nj.arange(1, n):to(dtype):reshape(shape)
end

-- One entry of an index expression for a dimension: what is handed to the tensor, and the list of
-- 1-based places it stands for (a number where the dimension is dropped).
local function random_entry(random, size)
  local kind = size == 0 and 2 or random(1, 6)
  if kind == 1 then
    local i = random(1, size)
    return random(0, 1) == 0 and i or i - size - 1, i
  elseif kind == 2 then
    local all = {}
    for i = 1, size do all[i] = i end
    return {}, all
  end
  local first = random(1, size)
  local last = random(first, size)
  local step = kind == 4 and random(1, 3) or 1
  local places = {}
  for i = first, last, step do places[#places + 1] = i end
  if kind == 5 then -- an index tensor, in any order, with repeats
    places = {}
    for i = 1, random(1, 4) do places[i] = random(1, size) end
    return nj.tensor(places, { dtype = random(0, 1) == 0 and "int64" or "int32" }), places
  elseif kind == 6 then -- a mask
    local mask = {}
    places = {}
    for i = 1, size do
      mask[i] = random(0, 1) == 1
      if mask[i] then places[#places + 1] = i end
    end
    return nj.tensor(mask), places
  end
  if random(0, 1) == 0 then first = first - size - 1 end
  if random(0, 1) == 0 then last = last - size - 1 end
  if step ~= 1 then return { first, last, step }, places end
  if #places == 1 and random(0, 1) == 0 then return { first }, places end
  return { first, last }, places
end

local function take(model, places, depth)
  if depth > #places then return model end
  local at = places[depth]
  if type(at) == "number" then return take(model[at], places, depth + 1) end
  local out = {}
  for i, place in ipairs(at) do out[i] = take(model[place], places, depth + 1) end
  return out
end

local function put(model, places, depth, value)
  local at = places[depth]
  if type(at) == "number" then at = { at } end
  for _, place in ipairs(at) do
    if depth == #places then
      model[place] = value
    else
      put(model[place], places, depth + 1, value)
    end
  end
end

local function plain(x) return type(x) == "userdata" and x:totable() or x end

-- A random index expression for a shape: the expression, its places, how many index tensors.
local function random_expression(random, shape)
  local expression, places, picks = {}, {}, 0
  for d = 1, #shape do
    expression[d], places[d] = random_entry(random, shape[d])
    if type(expression[d]) == "userdata" then picks = picks + 1 end
  end
  local keep = random(1, #shape) -- leave trailing dimensions out of the expression
  for d = keep + 1, #shape do
    if type(expression[d]) == "userdata" then picks = picks - 1 end
    expression[d] = nil
    places[d] = {}
    for i = 1, shape[d] do places[d][i] = i end
  end
  return expression, places, picks
end

local function random_shape(random)
  local shape = {}
  for d = 1, random(1, 4) do shape[d] = random(1, 5) end
  return shape
end

describe("indexing", function()
  it("agrees with plain Lua tables on random expressions", function()
    local random = generator(20230601)
    for case = 1, 600 do
      local shape = random_shape(random)
      local x, model = tensor_of(shape, "float32"), counted(shape)
      if random(0, 2) == 0 then -- through a view that is not contiguous
        x = tensor_of(shape, "float32"):unsqueeze(1):expand(2, table.unpack(shape))[2]
      elseif #shape == 2 and random(0, 1) == 0 then
        x = x:t():contiguous():t()
      end
      local expression, places = random_expression(random, shape)
      local want = take(model, places, 1)
      assert.same(want, plain(x[expression]), "case " .. case)
      assert.same(want, plain(x(table.unpack(expression))), "call, case " .. case)
    end
  end)

  it("assigns through random expressions", function()
    local random = generator(7)
    for case = 1, 400 do
      local shape = random_shape(random)
      local x, model = tensor_of(shape, "float64"), counted(shape)
      local expression, places, picks = random_expression(random, shape)
      if picks <= 1 then
        x[expression] = -case
        put(model, places, 1, -case)
        assert.same(model, x:totable(), "case " .. case)
      end
    end
  end)

  it("assigns tensors element for element", function()
    local random = generator(99)
    for case = 1, 300 do
      local shape = random_shape(random)
      local x = tensor_of(shape, "int64")
      local expression, _, picks = random_expression(random, shape)
      local part = x[expression]
      if picks == 0 and type(part) == "userdata" then
        local value = part:flip(1)
        local before = x:clone()
        x[expression] = value
        assert.same(value:totable(), x[expression]:totable(), "case " .. case)
        x[expression] = before[expression]
        assert.same(before:totable(), x:totable(), "case " .. case)
      end
    end
  end)

  it("reads numbers and makes views", function()
    local a = nj.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }
    assert.equal(6, a[2][3])
    assert.equal(6, a(2, 3))
    assert.equal(4, a(-1, 1))
    assert.same({ 4, 5, 6 }, a[-1]:totable())
    assert.same({ 3, 6 }, a[{ { 1, 2 }, 3 }]:totable())
    assert.same({ { 1, 3 } }, a[{ { 1 }, { 1, -1, 2 } }]:totable())
    assert.same({ 1, 2 }, a(1, { 1, 2 }):totable())
    assert.same({ { 1, 2, 3 } }, a[{ { 1, 1 } }]:totable())
    assert.equal(5, a[2.0][2.0])
    a[2][3] = 60
    assert.equal(60, a(2, 3))
    a[1] = { 7, 8, 9 }
    assert.same({ 7, 8, 9 }, a[1]:totable())
  end)

  it("gives empty views for empty ranges", function()
    local x = nj.arange(5)
    assert.same({ 0 }, x[{ { 1, 0 } }].shape)
    assert.same({ 0 }, x[{ { 6, 5 } }].shape)
    assert.same({ 0 }, nj.zeros(0)[{ { 1, -1 } }].shape)
    assert.same({ 0, 3 }, nj.zeros(0, 3)[{ {} }].shape)
  end)

  it("takes masks over leading dimensions and index tensors of any shape", function()
    local x = tensor_of({ 2, 3, 2 }, "float32")
    local mask = nj.tensor{ { true, false, true }, { false, true, false } }
    assert.same({ { 1, 2 }, { 5, 6 }, { 9, 10 } }, x[mask]:totable())
    x[mask] = 0
    assert.same({ { { 0, 0 }, { 3, 4 }, { 0, 0 } }, { { 7, 8 }, { 0, 0 }, { 11, 12 } } },
      x:totable())
    x[mask] = nj.tensor{ { 1, 2 }, { 5, 6 }, { 9, 10 } }
    assert.same(tensor_of({ 2, 3, 2 }, "float32"):totable(), x:totable())
    local rows = nj.arange(10):float()[nj.tensor({ { 1, -1 }, { 3, 3 } }, { dtype = "int32" })]
    assert.same({ { 1, 10 }, { 3, 3 } }, rows:totable())
    assert.same({ 0, 2 }, nj.zeros(3, 2)[nj.tensor{ false, false, false }].shape)
  end)

  it("assigns through an index tensor, the last of several writes staying", function()
    local x = nj.zeros(4)
    x[nj.tensor({ 2, 4, 2 }, { dtype = "int64" })] = nj.tensor{ 5, 6, 7 }
    assert.same({ 0, 7, 0, 6 }, x:totable())
  end)

  it("assigns an overlapping part of itself", function()
    local x = nj.arange(6)
    x[{ { 2, 6 } }] = x[{ { 1, 5 } }]
    assert.same({ 1, 1, 2, 3, 4, 5 }, x:totable())
    local m = tensor_of({ 3, 3 }, "float32")
    m[{}] = m:t()
    assert.same({ { 1, 4, 7 }, { 2, 5, 8 }, { 3, 6, 9 } }, m:totable())
  end)

  it("keeps the graph where a number would lose it", function()
    local x = nj.tensor({ 1, 2, 3 }, { grad = true })
    assert.equal("userdata", type(x[2]))
    assert.equal("number", type(x(2)))
    assert.equal("number", type(nj.tensor(x)[2]))
  end)

  it("says what is out of range", function()
    local x = nj.zeros(2, 3)
    assert.matches("index 3 is out of range for dimension 1 of size 2$",
      message(function() return x[3] end))
    assert.matches("index %-4 is out of range for dimension 2 of size 3$",
      message(function() return x(1, -4) end))
    assert.matches("index 0 is out of range for dimension 1 of size 2$",
      message(function() return x[0] end))
    assert.matches("index 4 is out of range for dimension 2 of size 3$",
      message(function() return x[{ 1, { 2, 4 } }] end))
    assert.matches("index 9 is out of range for dimension 1 of size 2$",
      message(function() return x[nj.tensor({ 9 }, { dtype = "int64" })] end))
    assert.matches("3 indices for a tensor of 2 dimensions$",
      message(function() return x(1, 1, 1) end))
    assert.matches("index of dimension 1 must be an integer, got 1.5$",
      message(function() return x[1.5] end))
    assert.matches("a tensor is indexed by .*got boolean$", message(function() return x[true] end))
    assert.matches("step of dimension 1 must be positive, got %-1 %(use flip%)$",
      message(function() return x[{ { 2, 1, -1 } }] end))
    assert.matches("range {3, 1} of dimension 2 of size 3 ends before it begins$",
      message(function() return x[{ 1, { 3, 1 } }] end))
    assert.matches("a mask of shape %(3%) does not fit",
      message(function() return x[nj.tensor{ true, true, true }] end))
    assert.matches("the index must be int32 or int64, got float32$",
      message(function() return x[nj.tensor{ 1.0 }] end))
    assert.matches("a tensor of 0 dimensions cannot be indexed$",
      message(function() return nj.tensor(1)[1] end))
    assert.matches("index of dimension 2 must be an integer, a range",
      message(function() return x[{ 1, "a" }] end))
  end)

  it("says what cannot be assigned", function()
    local x = nj.zeros(2, 3)
    assert.matches("a value of shape %(2%) does not fit a place of shape %(3%)$",
      message(function() x[1] = nj.zeros(2) end))
    assert.matches("the value must be a number, a tensor or a table, got string$",
      message(function() x[1] = "a" end))
    assert.matches("the value = 1.5 does not fit int32$",
      message(function() nj.zeros(2, { dtype = "int32" })[1] = 1.5 end))
    assert.matches("the value = 256 does not fit uint8$",
      message(function() nj.zeros(2, { dtype = "uint8" })[1] = 256 end))
    assert.matches("tensor has no field 'foo'$", message(function() x.foo = 1 end))
    assert.matches("field 'shape' of a tensor cannot be assigned$",
      message(function() x.shape = { 6 } end))
    assert.has_error(function() x[{ nj.tensor{ 1 }:long(), nj.tensor{ 1 }:long() }] = 1 end)
    assert.has_error(function() nj.ones(3, { grad = true })[1] = 2 end)
    assert.has_error(function() nj.zeros(3)[1] = nj.ones(1, { grad = true }):sum() end)
    local wide = nj.zeros(3):expand(2, 3)
    assert.matches("share memory", message(function() wide[{}] = 1 end))
    assert.matches("share memory", message(function()
      wide[nj.tensor{ true, false }] = 1
    end))
    wide[1] = 5 -- one row alone is as good as any other
    assert.same({ 5, 5, 5 }, wide[2]:totable())
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, x:totable())
  end)
end)

describe("iteration", function()
  it("runs over rows and ends", function()
    local seen = {}
    for i, row in nj.tensor{ { 1, 2 }, { 3, 4 } }:rows() do seen[i] = row:totable() end
    assert.same({ { 1, 2 }, { 3, 4 } }, seen)
    local sum = 0
    for _, v in pairs(nj.arange(4)) do sum = sum + v end
    assert.equal(10, sum)
    for _ in nj.zeros(0, 3):rows() do error("no rows expected") end
  end)

  it("with ipairs ends in an error, not never", function()
    local seen = 0
    assert.matches("index 4 is out of range for dimension 1 of size 3", message(function()
      for _ in ipairs(nj.arange(3)) do seen = seen + 1 end
    end))
    assert.equal(3, seen)
  end)

  it("knows its length", function()
    assert.equal(2, #nj.zeros(2, 3))
    assert.matches("a tensor of 0 dimensions has no length", message(function()
      return #nj.tensor(1)
    end))
  end)
end)
