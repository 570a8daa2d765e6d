local nj = require "nightjar"

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("nj.tensor", function()
  it("takes nested tables, numbers and booleans", function()
    local a = nj.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ 2, 3 }, a.shape)
    assert.equal("float32", a.dtype)
    assert.same({ { 1, 2, 3 }, { 4, 5, 6 } }, a:totable())
    assert.same({}, nj.tensor(3.5).shape)
    assert.equal(3.5, nj.tensor(3.5):item())
    assert.equal("uint8", nj.tensor{ true, false }.dtype)
    assert.same({ 1, 0 }, nj.tensor{ true, false }:totable())
    assert.same({ 0 }, nj.tensor{}.shape)
    assert.same({ 2, 0 }, nj.tensor{ {}, {} }.shape)
  end)

  it("keeps integers exactly and gives integers back", function()
    local big = nj.tensor({ math.maxinteger, math.mininteger, 2 ^ 53 + 0.0 }, { dtype = "int64" })
    assert.same({ math.maxinteger, math.mininteger, 2 ^ 53 | 0 }, big:totable())
    assert.equal("integer", math.type(big[1]))
    assert.equal("float", math.type(nj.tensor{ 1 }[1]))
  end)

  it("copies a tensor", function()
    local a = nj.tensor{ 1, 2 }
    local b = nj.tensor(a, { dtype = "float64" })
    b[1] = 9
    assert.equal(1, a[1])
    assert.equal("float64", b.dtype)
  end)

  it("names the place where a table is ragged or wrong", function()
    assert.matches("tensor: ragged table: element %[2%] has 1 entries, those before it have 2$",
      message(nj.tensor, { { 1, 2 }, { 3 } }))
    assert.matches("tensor: element %[2%] must be a table of 2, got number$",
      message(nj.tensor, { { 1, 2 }, 3 }))
    assert.matches("tensor: element %[1%]%[2%] must be a number, got string$",
      message(nj.tensor, { { 1, "2" } }))
    assert.matches("tensor: element %[1%] must be a number, got function$",
      message(nj.tensor, { print, 1 }))
    assert.matches("element %[1%] must be a number, got a tensor %(nj.stack joins tensors%)$",
      message(nj.tensor, { nj.zeros(2) }))
    assert.matches("tensor: element %[2%] = 300 does not fit uint8$",
      message(nj.tensor, { 1, 300 }, { dtype = "uint8" }))
    assert.matches("tensor: element %[1%] = 2.5 does not fit int64$",
      message(nj.tensor, { 2.5 }, { dtype = "int64" }))
    assert.matches("tensor: expected a table, number or tensor, got string$",
      message(nj.tensor, "abc"))
    assert.matches("unknown dtype 'float16'", message(nj.tensor, { 1 }, { dtype = "float16" }))
    assert.matches("tensor: unknown option 'dtpe' %(did you mean 'dtype'%?%)$",
      message(nj.tensor, { 1 }, { dtpe = "int32" }))
  end)

  it("ends with an error on a table that contains itself", function()
    local knot = {}
    knot[1] = knot
    assert.matches("nested more than 8 deep", message(nj.tensor, knot))
  end)

  it("makes leaves that require grad", function()
    assert.is_true(nj.tensor({ 1 }, { grad = true }).requires_grad)
    assert.is_false(nj.tensor{ 1 }.requires_grad)
    assert.has_error(function() nj.tensor({ 1 }, { grad = true, dtype = "int64" }) end)
  end)
end)

describe("filled tensors", function()
  it("take a shape as integers or a table, then options", function()
    assert.same({ 2, 3 }, nj.zeros(2, 3).shape)
    assert.same({ 2, 3 }, nj.zeros({ 2, 3 }, { dtype = "int32" }).shape)
    assert.equal("int32", nj.zeros(2, 3, { dtype = "int32" }).dtype)
    assert.same({ { 1, 1 } }, nj.ones(1, 2):totable())
    assert.same({ 7, 7 }, nj.full({ 2 }, 7):totable())
    assert.same({ 7, 7 }, nj.full(2, 7):totable())
    assert.equal(math.maxinteger, nj.full({ 1 }, math.maxinteger, { dtype = "int64" })[1])
    assert.same({}, nj.zeros({}).shape)
    assert.same({ 0, 4 }, nj.empty(0, 4).shape)
    assert.is_true(nj.ones(2, { grad = true }).requires_grad)
  end)

  it("are alike", function()
    local x = nj.tensor({ { 1, 2 } }, { dtype = "int32" })
    local alike = { nj.zeros_like(x), nj.ones_like(x), nj.full_like(x, 3), x:empty_like() }
    for _, like in ipairs(alike) do
      assert.same({ 1, 2 }, like.shape)
      assert.equal("int32", like.dtype)
    end
    assert.same({ { 3.5, 3.5 } }, nj.full_like(x, 3.5, { dtype = "float64" }):totable())
  end)

  it("refuse impossible shapes", function()
    assert.matches("size 2 must be a non%-negative integer, got 2.5", message(nj.zeros, 1, 2.5))
    assert.matches("dimension 1 has size %-1", message(nj.zeros, -1))
    assert.matches("too many elements", message(nj.zeros, 2 ^ 40, 2 ^ 40))
    assert.matches("at most 8 dimensions are possible, got 9",
      message(nj.zeros, 1, 1, 1, 1, 1, 1, 1, 1, 1))
    assert.matches("zeros: expected a shape", message(nj.zeros))
    assert.matches("out of memory", message(nj.zeros, 2 ^ 50))
  end)
end)

describe("counted tensors", function()
  it("arange counts as a for loop does", function()
    assert.same({ 1, 2, 3 }, nj.arange(3):totable())
    assert.same({ 3, 4, 5 }, nj.arange(3, 5):totable())
    assert.same({ 5, 3, 1 }, nj.arange(5, 1, -2):totable())
    assert.same({}, nj.arange(5, 1):totable())
    assert.equal("int64", nj.arange(3).dtype)
    assert.equal("float32", nj.arange(0, 1, 0.25).dtype)
    assert.same({ 0, 0.25, 0.5, 0.75, 1 }, nj.arange(0, 1, 0.25):totable())
    assert.equal("float64", nj.arange(3, { dtype = "float64" }).dtype)
    assert.equal(11, #nj.arange(0, 1, 0.1))
    assert.same({ math.mininteger, -1, math.maxinteger - 1 },
      nj.arange(math.mininteger, math.maxinteger, math.maxinteger):totable())
    assert.matches("step must not be 0", message(nj.arange, 1, 2, 0))
    assert.has_error(function() nj.arange(1, math.huge) end)
  end)

  it("linspace, eye and one_hot", function()
    assert.same({ 0, 0.5, 1 }, nj.linspace(0, 1, 3):totable())
    assert.same({ 4 }, nj.linspace(4, 9, 1):totable())
    assert.same({ { 1, 0, 0 }, { 0, 1, 0 } }, nj.eye(2, 3):totable())
    assert.same({ { 0, 1, 0 }, { 0, 0, 1 } }, nj.one_hot({ 2, -1 }, 3):totable())
    assert.matches("one_hot: index 4 is out of range", message(nj.one_hot, { 4 }, 3))
    assert.matches("one_hot: index 0 is out of range", message(nj.one_hot, { 0 }, 3))
  end)
end)

describe("bytes", function()
  it("go out and come back", function()
    local x = nj.linspace(-1, 1, 6):reshape(2, 3)
    local y = nj.frombytes(x:bytes(), { shape = { 2, 3 } })
    assert.same(x:totable(), y:totable())
    assert.same(x:t():totable(), nj.frombytes(x:t():bytes(), { shape = { 3, 2 } }):totable())
    assert.equal(string.pack("=i8i8", 5, -6), nj.tensor({ 5, -6 }, { dtype = "int64" }):bytes())
    assert.matches("frombytes: 5 bytes do not make a float32 tensor",
      message(nj.frombytes, "12345"))
    assert.matches("frombytes: 8 bytes do not make a float32 tensor of shape %(3%)",
      message(nj.frombytes, "12345678", { shape = { 3 } }))
  end)
end)

describe("totable and item", function()
  it("give plain Lua values", function()
    assert.equal(5, nj.tensor(5):totable())
    assert.same({ {}, {} }, nj.zeros(2, 0):totable())
    assert.equal(2, nj.tensor{ { 2 } }:item())
    assert.matches("item: needs a tensor of one element, got shape %(2%)",
      message(nj.tensor{ 1, 2 }.item, nj.tensor{ 1, 2 }))
  end)
end)
