-- Every public function and method against seeded hostile arguments: clear errors, no crash, no
-- leak. Crashes show when the suite runs under the sanitizers (make asan).
describe("hostile arguments", function()
  local nj = require "nightjar"
  local live = require "spec.support.live"
  local hostile = require "spec.support.hostile"
  local stubs = require "docs.stubs"

  local CALLS = tonumber(os.getenv "NIGHTJAR_HOSTILE") or 4 -- for each function

  -- What must not be called with just anything here, and why.
  local left_out = {
    ["nightjar.memory"] = "would lift the limit that this spec sets",
    ["nightjar.repl"] = "reads from the terminal",
  }

  -- Valid objects, so that methods get past their first argument.
  local function wordpiece()
    return nj.text.wordpiece { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "##s", "bark" }
  end
  local catalogues = 0
  local factories = {
    ["nightjar.Catalogue"] = function()
      catalogues = catalogues + 1 -- a file each: one may be left in the middle of a transaction
      return nj.catalogue(("sounds%d.njl"):format(catalogues), { create = true })
    end,
    ["nightjar.FrontEnd"] = function() return nj.audio.mel { preset = "panns" } end,
    ["nightjar.Tokenizer"] = wordpiece,
    ["nightjar.Renderer"] = function()
      return nj.audio.renderer { rate = 8000, sources = { nj.zeros(800) } }
    end,
    ["nightjar.Schedule"] = function() return nj.schedule.cosine { steps = 100 } end,
    ["nightjar.Tensor"] = function() return nj.randn(3, 4, { rng = nj.rng(1) }) end,
    ["nightjar.Rng"] = function() return nj.rng(1) end,
  }

  local stub_of = {}
  for _, class in ipairs((stubs.read "types/nightjar.lua")) do
    stub_of[class.name] = {}
    for _, f in ipairs(class.functions) do
      stub_of[class.name][f.name] = f
    end
  end

  -- Classes written in Lua: that a method wants its own object is Lua's to say.
  local in_lua = {}
  for name, metatable in pairs(live.metatables()) do
    in_lua[name] = rawget(metatable, "__methods") == nil
  end

  -- Called by name, as a program does: Lua's errors about arguments then tell the function's name.
  local function by_name(owner, name)
    return assert(load(([[
      local owner = ...
      return function(...)
        local results = table.pack(owner.%s(...))
        return table.unpack(results, 1, results.n)
      end]]):format(name)))(owner)
  end

  local function targets()
    local list = {}
    local function add(owner, functions, is_class)
      for name in pairs(functions) do
        local full = owner .. "." .. name
        if not left_out[full] and not left_out[owner] then
          list[#list + 1] = { name = full, f = by_name(functions, name), owner = owner, is_class = is_class,
            stub = stub_of[owner] and stub_of[owner][name] }
        end
      end
    end
    for owner, functions in pairs(live.modules()) do
      add(owner, functions, false)
    end
    for owner, metatable in pairs(live.metatables()) do
      if not factories[owner] then
        goto continue
      end
      add(owner, live.methods(metatable), true)
      local operators = {}
      for name, f in pairs(metatable) do
        if type(f) == "function" and name ~= "__gc" and name ~= "__close" and name:find "^__" then
          operators[name] = f
        end
      end
      add(owner, operators, true)
      ::continue::
    end
    table.sort(list, function(a, b) return a.name < b.name end)
    return list
  end

  local function arguments_for(rng, target)
    local arguments = hostile.arguments(rng, target.stub, factories)
    if target.is_class and (in_lua[target.owner] or rng:uniform() < 0.9) then
      table.insert(arguments, 1, factories[target.owner]())
      arguments.n = arguments.n + 1
      if rng:uniform() < 0.3 and target.owner == "nightjar.Tensor" then
        arguments[1] = hostile.arguments(rng, { params = { { type = "nightjar.Tensor" } } }, factories)[1]
      end
    end
    return arguments
  end

  local all = targets() -- loads every module before the working directory changes
  local lfs = require "lfs"
  local here = lfs.currentdir()
  local folder
  local threads = nj.threads()

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
    package.path = package.path:gsub("%./", here .. "/")
    package.cpath = package.cpath:gsub("%./", here .. "/")
    assert(lfs.chdir(folder))
  end)

  teardown(function()
    assert(lfs.chdir(here))
    os.execute("rm -rf '" .. folder .. "'")
    nj.memory { limit = 0 }
    nj.threads(threads)
  end)

  local function campaign(seed)
    local problems, calls = {}, 0
    for i, target in ipairs(all) do
      local rng = nj.rng(seed, i)
      for _ = 1, CALLS do
        local arguments = arguments_for(rng, target)
        local text = hostile.show(arguments)
        if os.getenv "NIGHTJAR_HOSTILE_TRACE" then
          io.stderr:write(target.name, text, "\n")
        end
        local begin = os.clock()
        local problem = hostile.judge(target.f, arguments)
        if os.getenv "NIGHTJAR_HOSTILE_TIME" and os.clock() - begin > 0.02 then
          io.stderr:write(("%.3f %s%s\n"):format(os.clock() - begin, target.name, text))
        end
        calls = calls + 1
        if problem then
          problems[#problems + 1] = target.name .. text .. " " .. problem
        end
      end
      nj.threads(2)
    end
    return problems, calls
  end

  it("end in clear errors, each", function()
    local problems, calls = campaign(1)
    assert(#problems == 0, ("%d of %d calls:\n  %s"):format(#problems, calls,
      table.concat(problems, "\n  ", 1, math.min(#problems, 100))))
    assert.is_true(calls >= 1000)
  end)

  it("leave no memory behind, and recording on", function()
    campaign(2)
    collectgarbage()
    collectgarbage()
    local before = nj.memory().live
    campaign(2)
    collectgarbage()
    collectgarbage()
    assert.is_true(nj.memory().live <= before + 4096)
    local x = nj.ones(2, { grad = true })
    assert.is_true((x * 2).requires_grad)
  end)
end)
