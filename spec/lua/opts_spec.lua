local nj = require "nightjar"
local opts = require "nightjar.opts"

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- A function as users meet it: the error must carry the position of its caller.
local function fade(options)
  local o = opts.check("fade", options, {
    seconds = { type = "number", default = 0.5, above = 0 },
    steps = { type = "integer", min = 1, max = 8 },
    shape = { type = "string", default = "linear", one_of = { "linear", "cosine" } },
    hook = "callable",
    from = "number|string",
  })
  return o -- no tail call: the error level counts frames
end

describe("opts.check", function()
  it("fills in defaults and leaves the caller's table alone", function()
    local given = { steps = 2.0 }
    local o = fade(given)
    assert.same({ seconds = 0.5, steps = 2, shape = "linear" }, o)
    assert.equal("integer", math.type(o.steps))
    assert.same({ steps = 2.0 }, given)
    assert.same({ seconds = 0.5, shape = "linear" }, fade())
  end)

  it("keeps false apart from absent", function()
    local o = opts.check("f", { a = false }, { a = { type = "boolean", default = true } })
    assert.is_false(o.a)
  end)

  it("names the option that was meant", function()
    assert.matches("fade: unknown option 'secnods' %(did you mean 'seconds'%?%)$",
      message(fade, { secnods = 1 }))
    assert.matches("fade: unknown option 'zzzzz'$", message(fade, { zzzzz = 1 }))
    assert.matches("did you mean 'steps'", message(fade, { Step = 1 }))
  end)

  it("raises with the position of the function's caller", function()
    local text = message(function() fade { typo = 1 } end)
    local line = debug.getinfo(1, "l").currentline - 1
    assert.matches("opts_spec%.lua:" .. line .. ": fade:", text)
  end)

  it("refuses wrong types and ranges, and says what came", function()
    assert.matches("fade: option 'seconds' must be a number above 0, got 'x'$",
      message(fade, { seconds = "x" }))
    assert.matches("must be a number above 0, got 0$", message(fade, { seconds = 0 }))
    assert.matches("must be a number above 0, got %-?nan$", message(fade, { seconds = 0 / 0 }))
    assert.matches("option 'steps' must be an integer in %[1, 8%], got 2.5$",
      message(fade, { steps = 2.5 }))
    assert.matches("must be an integer in %[1, 8%], got 9$", message(fade, { steps = 9 }))
    assert.matches("must be an integer in %[1, 8%], got '3'$", message(fade, { steps = "3" }))
    assert.matches("must be one of 'linear', 'cosine', got 'cosin' %(did you mean 'cosine'%?%)$",
      message(fade, { shape = "cosin" }))
    assert.matches("must be a function, got a table$", message(fade, { hook = {} }))
    assert.matches("must be a number or a string, got true$", message(fade, { from = true }))
    assert.matches("fade: options must be a table, got 3$", message(fade, 3))
    assert.matches("fade: options are named, got key 1$", message(fade, { 5 }))
  end)

  it("knows classes by their names, callables, and required keys", function()
    local mine = setmetatable({}, { __name = "nightjar.Rng", __call = function() end })
    assert.equal(mine, opts.check("f", { r = mine }, { r = "nightjar.Rng" }).r)
    assert.equal(mine, opts.check("f", { r = mine }, { r = "callable" }).r)
    assert.matches("f: option 'r' must be a nightjar.Rng, got a table$",
      message(function() opts.check("f", { r = {} }, { r = "nightjar.Rng" }, 2) end))
    assert.matches("f: option 'r' is required %(a string%)$",
      message(function() opts.check("f", {}, { r = { type = "string", required = true } }, 2) end))
  end)
end)

describe("opts.arg", function()
  local function scale(x, by)
    x = opts.arg("scale", 1, "x", x, "number")
    return x * opts.arg("scale", 2, "by", by, { type = "integer", default = 2, min = 1 })
  end

  it("checks positional arguments", function()
    assert.equal(6, scale(3))
    assert.equal(9, scale(3, 3))
    assert.matches("scale: argument 1 %(x%) must be a number, got nothing$", message(scale))
    assert.matches("scale: argument 2 %(by%) must be an integer of at least 1, got 0$",
      message(scale, 1, 0))
  end)
end)

describe("opts.tensors", function()
  it("checks tables of tensors by name", function()
    local tensor = nj.zeros(1)
    local function check(t) opts.tensors("load: argument 1 (source)", t) end
    check { a = tensor }
    assert.matches("load: argument 1 %(source%) must be tensors by name, got 5 as 'b'$",
      message(check, { a = tensor, b = 5, c = print }))
    assert.matches("must be tensors by name, got a function as 'c'$", message(check, { c = print }))
    assert.matches("must be tensors by name, got a key that is 1$", message(check, { tensor }))
  end)
end)

describe("opts.suggest", function()
  it("finds near names only, ties by the alphabet", function()
    assert.equal("temperature", opts.suggest("temprature", { "reduction", "temperature" }))
    assert.equal("ab", opts.suggest("aa", { "ac", "ab" }))
    assert.is_nil(opts.suggest("q", { "reduction" }))
  end)

  it("names the line of the caller, for arguments as for options", function()
    local function f(x, o)
      opts.arg("f", 1, "x", x, "integer")
      opts.check("f", o, { deep = "boolean" })
    end
    for _, given in ipairs { { "no" }, { 1, { deep = 5 } }, { 1, { wide = true } } } do
      local here = debug.getinfo(1, "l").currentline + 1
      local _, text = pcall(function() f(given[1], given[2]) end)
      assert.matches(("opts_spec.lua:%d: f: "):format(here), text, 1, true)
    end
  end)
end)
