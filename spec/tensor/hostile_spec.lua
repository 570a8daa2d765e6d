-- Every method of a tensor and every function that makes or takes tensors, called with garbage: an
-- error or a result, never a crash, and nothing leaks.
local nj = require "nightjar"
local core = require "nightjar.core"

local function generator(seed)
  local state = seed
  return function(n)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return (state >> 1) % n + 1
  end
end

local function garbage()
  local freed = nj.zeros(2)
  freed:free()
  local spiteful = setmetatable({}, {
    __index = function() error("spite") end,
    __len = function() return 2 ^ 62 | 0 end,
    __tostring = function() return "spite" end,
  })
  local knot = {}
  knot[1] = knot
  return {
    n = 47,
    nil, true, false, 0, 1, -1, 2, 3, -3, 2.5, 1e300, -1e300, 1 / 0, -1 / 0, 0 / 0, 2 ^ 31, 2 ^ 53,
    math.maxinteger, math.mininteger, "", "abc", "float32", "int64", "\0\255\xc3", {}, { 1 },
    { 2, 3 }, { {} }, { { 1, 2 } }, { 1, "a" }, { -1, 0 }, { 2 ^ 40, 2 ^ 40 }, { dtype = "int32" },
    { keepdim = true }, { grad = 7 }, knot, spiteful, function() error("called") end,
    coroutine.create(function() end), io.stdout, freed, nj.tensor(3), nj.zeros(0, 3),
    nj.tensor{ { 1, 2, 3 }, { 4, 5, 6 } }, nj.tensor({ 1, 2, 3 }, { dtype = "int64" }),
    nj.tensor{ true, false, true }, nj.tensor({ { 0 / 0, 1 / 0 } }, { grad = true }),
  }
end

local function selves()
  return {
    nj.tensor(2.5), nj.zeros(0), nj.zeros(2, 0, 3), nj.tensor{ 1, 2, 3 },
    nj.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }, { grad = true }),
    nj.tensor({ { 1, -2 }, { 3, 4 } }, { dtype = "int32" }):t(), nj.ones(1, 3):expand(4, 3),
    nj.tensor{ true, false }, nj.tensor({ { { { 0 / 0, 1 / 0 } } } }, { dtype = "float64" }),
    nj.zeros(1, 1, 1, 1, 1, 1, 1, 1), nj.tensor({ math.maxinteger, 0 }, { dtype = "int64" }),
  }
end

local function sorted_names(t)
  local names = {}
  for name, value in pairs(t) do
    if type(name) == "string" and type(value) == "function" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

describe("garbage arguments", function()
  -- Seconds, not minutes, for what a large number asks for; and no thread or limit changes.
  local skip = { memory = true, threads = true, _fail_after = true }

  local function bombard(list, with_self, rounds)
    local random = generator(4711)
    nj.memory{ limit = 64 * 2 ^ 20 | 0 }
    for _, entry in ipairs(list) do
      local pool, owners = garbage(), selves()
      for _ = 1, rounds do
        local args, n = {}, random(5) - 1
        for i = 1, n do args[i] = pool[random(pool.n)] end
        if with_self and random(10) > 1 then
          table.insert(args, 1, owners[random(#owners)])
          n = n + 1
        end
        local ok, text = pcall(entry.call, table.unpack(args, 1, n))
        if not ok and type(text) ~= "string" then
          error(entry.name .. " raised a " .. type(text))
        end
      end
    end
    nj.memory{ limit = 0 }
  end

  after_each(function() nj.memory{ limit = 0 } end)

  it("to every method", function()
    local list = {}
    local methods = getmetatable(nj.zeros(1)).__methods
    for _, name in ipairs(sorted_names(methods)) do
      list[#list + 1] = { name = name, call = methods[name] }
    end
    assert.is_true(#list > 40)
    bombard(list, true, 200)
  end)

  it("to every metamethod", function()
    local list = {}
    local meta = getmetatable(nj.zeros(1))
    for _, name in ipairs(sorted_names(meta)) do
      if name ~= "__gc" and name ~= "__close" then
        list[#list + 1] = { name = name, call = meta[name] }
      end
    end
    bombard(list, true, 400)
  end)

  it("to every function of the namespace and of nn", function()
    local list = {}
    for _, name in ipairs(sorted_names(core)) do
      if not skip[name] then list[#list + 1] = { name = name, call = core[name] } end
    end
    for _, name in ipairs(sorted_names(core.nn)) do
      list[#list + 1] = { name = "nn." .. name, call = core.nn[name] }
    end
    bombard(list, false, 300)
    bombard(list, true, 200)
  end)

  it("in index expressions and assignments", function()
    local random = generator(12)
    local pool = garbage()
    for _ = 1, 4000 do
      local owners = selves()
      local x = owners[random(#owners)]
      local key = { pool[random(pool.n)], pool[random(pool.n)], pool[random(pool.n)] }
      if random(2) == 1 then key = key[1] end
      local value = pool[random(pool.n)]
      local read, why = pcall(function() return x[key] end)
      assert.is_true(read or type(why) == "string")
      local wrote, why_not = pcall(function() x[key] = value end)
      assert.is_true(wrote or type(why_not) == "string")
    end
  end)

  it("leaves nothing behind", function()
    local function live()
      collectgarbage()
      collectgarbage()
      return nj.memory().live
    end
    local methods = getmetatable(nj.zeros(1)).__methods
    local list = {}
    for _, name in ipairs(sorted_names(methods)) do
      list[#list + 1] = { name = name, call = methods[name] }
    end
    local before = live()
    bombard(list, true, 40)
    assert.equal(before, live())
  end)
end)
