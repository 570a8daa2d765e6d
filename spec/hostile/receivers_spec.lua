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

  -- Internal classes too: plain debug.getregistry reaches them.
  for class, metatable in pairs(debug.getregistry()) do
    local methods = type(class) == "string" and class:find "^nightjar%." and type(metatable) == "table"
      and rawget(metatable, "__methods")
    if methods then
      it(class, function()
        for name, f in pairs(metatable) do try(class, name, f) end
        for name, f in pairs(methods) do try(class, name, f) end
      end)
    end
  end

  it("finds the classes", function() assert(tried > 100, tried) end)

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
