describe("nightjar", function()
  local nj = require "nightjar"

  it("tells its version", function()
    assert.matches("^nightjar %d+%.%d+%.%d+$", nj._VERSION)
  end)

  it("has no field for a name it does not know", function()
    assert.is_nil(nj.no_such_thing)
  end)

  it("leaves the globals alone", function()
    local pipe = assert(io.popen([[lua5.4 -e '
      local before = {} for k in pairs(_G) do before[k] = true end
      require "nightjar"
      for k in pairs(_G) do if not before[k] then print(k) end end']]))
    assert.equal("", pipe:read "a")
    pipe:close()
  end)
end)
