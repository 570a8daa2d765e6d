-- Every metamethod and method of every class, as the registry has them, with receivers that are not of
-- that class: an error that names what was expected, never a crash.
describe("wrong receivers", function()
  local nj = require "nightjar"

  local function receivers(class)
    local list = { n = 8, nil, 1, "x", {}, print, io.stdout, coroutine.create(print) }
    list[8] = class == "nightjar.Rng" and nj.ones(2) or nj.rng(1) -- of another class
    return list
  end

  -- What must hold of a call that got a wrong receiver: it raised, and with a text.
  local function refused(where, f, ...)
    local ok, message = pcall(f, ...)
    assert(not ok, where .. " takes a receiver of another class")
    assert.equal("string", type(message), where)
  end

  -- Functions of two operands, of which either may be the object: the other is no receiver alone.
  local operators = { __add = true, __sub = true, __mul = true, __div = true, __pow = true, __mod = true,
    __idiv = true, __eq = true, __lt = true, __le = true, __concat = true, __unm = true }

  local tried = 0
  local function try(class, name, f)
    if type(f) ~= "function" then return end
    tried = tried + 1
    local list = receivers(class)
    for i = 1, list.n do
      local where = ("%s.%s, receiver %d"):format(class, name, i)
      if operators[name] then
        pcall(f, list[i], list[i])
      else
        refused(where, f, list[i])
        refused(where, f, list[i], 2, 3)
        refused(where, f, list[i], "name", {})
      end
    end
  end

  -- Internal classes too: plain debug.getregistry reaches them, by their names and by the objects that lie
  -- there.
  local classes, nameless = {}, {}
  for key, value in pairs(debug.getregistry()) do
    if type(key) == "string" and key:find "^nightjar%." and type(value) == "table" then
      classes[key] = value
    elseif type(value) == "userdata" then
      local metatable = debug.getmetatable(value)
      local name = metatable and rawget(metatable, "__name")
      -- Objects of other libraries may lie there too, but under the keys that these chose.
      if metatable and type(name) ~= "string" and type(key) == "userdata" then
        nameless[#nameless + 1] = tostring(value)
      elseif type(name) == "string" and name:find "^nightjar%." then
        classes[name] = metatable
      end
    end
  end
  for class, metatable in pairs(classes) do
    it(class, function()
      for name, f in pairs(metatable) do try(class, name, f) end
      for name, f in pairs(rawget(metatable, "__methods") or {}) do try(class, name, f) end
    end)
  end

  it("finds the classes", function()
    assert(tried > 100, tried)
    assert(classes["nightjar.Context"] and classes["nightjar.NewFile"] and classes["nightjar.Tensor"])
  end)

  it("finds no metatable without a name, which no receiver can be checked by", function()
    assert.same({}, nameless)
  end)

  it("closing the context by hand, twice, ends in errors and not in a crash", function()
    local out, code = require("spec.support.child").run("-e", [[
      local nj = require "nightjar"
      local path = os.tmpname()
      local x, file = nj.ones(2), nj.files.create(path)
      for _, value in pairs(debug.getregistry()) do
        local metatable = type(value) == "userdata" and debug.getmetatable(value)
        if metatable and metatable.__name == "nightjar.Context" then
          metatable.__gc(value)
          metatable.__gc(value)
        end
      end
      print(pcall(nj.ones, 2))
      print(pcall(x.add, x, x))
      print(pcall(file.write, file, "x"))
      file:discard()
      os.remove(path)]])
    assert.equal(0, code, out)
    assert.matches("^false\t.*the Lua state is closing\nfalse\t.*the Lua state is closing\n", out)
  end)

  it("the context of an operation written in Lua", function()
    local meta
    local f = nj.autograd.custom {
      name = "same",
      forward = function(ctx, x)
        meta = getmetatable(ctx)
        return x:clone()
      end,
      backward = function(_, g) return g end,
    }
    f(nj.ones(2))
    assert.error_matches(function() meta.__index(1, 2) end, "expected")
  end)
end)
