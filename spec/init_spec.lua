describe("nightjar", function()
  local nj = require "nightjar"
  local child = require "spec.support.child"

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
end)
