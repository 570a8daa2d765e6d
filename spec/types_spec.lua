-- types/nightjar.lua against what is really there: every public function has a stub, every stub is
-- real, and each says what it does and what its parameters are.
describe("types/nightjar.lua", function()
  local stubs = require "docs.stubs"
  local live = require "spec.support.live"

  local stub_of, problems = {}, nil
  for _, class in ipairs(stubs.read "types/nightjar.lua") do
    local by_name = {}
    for _, f in ipairs(class.functions) do
      by_name[f.name] = f
    end
    stub_of[class.name] = { class = class, functions = by_name }
  end

  it("declares nothing twice", function()
    for _, class in ipairs((stubs.read "types/nightjar.lua")) do
      local seen = {}
      for _, f in ipairs(class.functions) do
        assert(not seen[f.name], ("%s.%s is declared in lines %s and %d"):format(class.name, f.name,
          seen[f.name], f.line))
        seen[f.name] = f.line
      end
    end
  end)

  before_each(function()
    problems = {}
  end)

  local function problem(format, ...)
    problems[#problems + 1] = format:format(...)
  end

  local function no_problem()
    table.sort(problems)
    assert(#problems == 0, "\n  " .. table.concat(problems, "\n  "))
  end

  local function compare(name, functions)
    local stub = stub_of[name]
    if not stub then
      if next(functions) then
        problem("%s: no ---@class", name)
      end
      return
    end
    for f in pairs(functions) do
      if f ~= "__call" and not stub.functions[f] then
        problem("%s.%s has no stub", name, f)
      end
    end
    for f in pairs(stub.functions) do
      if not functions[f] then
        problem("%s.%s has a stub, and does not exist", name, f)
      end
    end
  end

  it("has a stub for each function of the namespace, and no other", function()
    for name, functions in pairs(live.modules()) do
      compare(name, functions)
    end
    no_problem()
  end)

  it("has a stub for each method of each class, and no other", function()
    for name, metatable in pairs(live.metatables()) do
      compare(name, live.methods(metatable))
    end
    no_problem()
  end)

  it("describes no class with functions that does not exist", function()
    local modules, metatables = live.modules(), live.metatables()
    for name, stub in pairs(stub_of) do
      if next(stub.functions) and not modules[name] and not metatables[name] then
        problem("%s does not exist", name)
      end
    end
    no_problem()
  end)

  it("says what each function does, and what its parameters are", function()
    for name, stub in pairs(stub_of) do
      for f_name, f in pairs(stub.functions) do
        if not f.text:find "%w" then
          problem("%s.%s: no prose", name, f_name)
        end
        for _, param in ipairs(f.params) do
          if not param.type then
            problem("%s.%s: parameter %s has no ---@param", name, f_name, param.name)
          end
        end
      end
    end
    no_problem()
  end)

  it("is Lua", function()
    assert(loadfile "types/nightjar.lua")()
  end)
end)
