describe("nightjar", function()
  local nj = require "nightjar"
  local child = require "spec.support.child"
  local sound = require "spec.support.sound"
  local temporary = require "spec.support.temporary"

  it("tells its version", function()
    assert.matches("^nightjar %d+%.%d+%.%d+$", nj._VERSION)
  end)

  it("has no field for a name it does not know", function()
    assert.is_nil(nj.no_such_thing)
  end)

  it("leaves the globals alone", function()
    local output, code = child.run("-e", [[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      require "nightjar"
      for name in pairs(_G) do if not before[name] then print(name) end end
      print "done"]])
    assert.equal("done\n", output)
    assert.equal(0, code)
  end)

  it("does all of its work in a host that forbids new globals", function()
    local folder = temporary.folder()
    temporary.write(folder .. "/a.wav", sound.wav(sound.noise(4000, 1, 0.3), { rate = 16000 }))
    local script = temporary.write(folder .. "/host.lua", [[
      setmetatable(_G, { __newindex = function(_, name) error("new global " .. name, 2) end,
        __index = function(_, name) error("unknown global " .. tostring(name), 2) end })
      local nj = require "nightjar"
      local folder = ...
      local model = assert(nj.load "nightjar-base")
      local lib = assert(nj.library.open(folder .. "/x.njl", { model = model }))
      assert(lib:add(folder))
      assert(#assert(lib:search("a dog barks", { k = 1 })) == 1)
      lib:close()
      require("nightjar.cli").main { "info", folder .. "/a.wav" }
      for name in pairs(nj) do local _ = nj[name] end
      for _, name in ipairs { "evaluate", "finetune", "experiment", "captioner", "plot", "data" } do
        require("nightjar." .. name)
      end
      print "done"]])
    local output, code = child.run(script, folder)
    temporary.remove(folder)
    assert.matches("done\n$", output)
    assert.equal(0, code, output)
  end)
end)
