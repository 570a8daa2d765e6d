-- tools/floors.lua finds what is planted: in small trees of its own, and nothing in this one.
local child = require "spec.support.child"
local temporary = require "spec.support.temporary"

local PAGE = [[
### C floors

```
 2  top/  side/
 1  low/       what all stand on
```

- circle: `low/a` `low/b`: they are one module.

### Lua floors

```
 2  high.lua
 1  deep/      below
```
]]

describe("tools/floors.lua", function()
  local folder
  before_each(function()
    folder = temporary.folder()
    temporary.write(folder .. "/docs/architecture.md", PAGE)
    temporary.write(folder .. "/csrc/nj/low/a.h", "int a;\n")
    temporary.write(folder .. "/lua/nightjar/deep/init.lua", "return {}\n")
  end)
  after_each(function() temporary.remove(folder) end)

  local function c(path, text) temporary.write(folder .. "/csrc/nj/" .. path, text) end
  local function lua(path, text) temporary.write(folder .. "/lua/nightjar/" .. path, text) end
  local function check()
    local output, code = child.run("tools/floors.lua", folder)
    return code, output
  end

  it("lets what goes down pass, and circles that the page names", function()
    c("low/a.c", '#include "low/b.h"\n')
    c("low/b.h", '#include "low/a.h"\n')
    c("top/x.c", '#include "low/a.h"\n#include <stdio.h>\n')
    lua("high.lua", 'return require "nightjar.deep"\n')
    assert.same({ 0, "" }, { check() })
  end)

  for what, case in pairs {
    ["an include upwards"] = { function() c("low/b.c", '#include "top/x.h"\n') end,
      "csrc/nj/low/b.c:1: low (floor 1) includes top (floor 2)" },
    ["an include sideways"] = { function() c("top/x.c", '#include "side/y.h"\n') end,
      "csrc/nj/top/x.c:1: top (floor 2) includes side (floor 2)" },
    ["a room that is not drawn"] = { function() c("attic/x.c", '#include "low/a.h"\n') end,
      "csrc/nj/attic/x.c:1: attic is on no floor of docs/architecture.md" },
    ["a circle of files"] = { function()
      c("top/x.h", '#include "top/y.h"\n')
      c("top/y.c", '#include "top/x.h"\n')
    end, "C: a circle of files: top/x, top/y" },
    ["a require upwards"] = { function() lua("deep/x.lua", 'local h = require("nightjar.high")\n') end,
      "lua/nightjar/deep/x.lua:1: deep (floor 1) requires high (floor 2)" },
    ["a circle of modules"] = { function()
      lua("deep/x.lua", 'local y = require "nightjar.deep.y"\n')
      lua("deep/y.lua", 'local names = { "nightjar.deep.x" } -- required when used\n')
    end, "Lua: a circle of files: deep.x, deep.y" },
  } do
    it("finds " .. what, function()
      case[1]()
      assert.same({ 1, case[2] .. "\n" }, { check() })
    end)
  end

  it("finds a call upwards that no include shows", function()
    c("low/b.c", "void nj_above(void);\nvoid nj_b(void);\nvoid nj_b(void) { nj_above(); }\n")
    c("top/x.c", "void nj_above(void);\nvoid nj_above(void) {}\n")
    for _, name in ipairs { "low/b", "top/x" } do
      local object = folder .. "/build/csrc/nj/" .. name .. ".o"
      temporary.write(object, "")
      local source = folder .. "/csrc/nj/" .. name .. ".c"
      assert.equal(0, (child.capture(("LD_PRELOAD= gcc -c -o %s %s"):format(object, source))))
    end
    assert.same({ 1, "low/b.o, nj_above: low (floor 1) calls top (floor 2)\n" }, { check() })
  end)

  it("finds nothing in nightjar itself", function()
    local output, code = child.run("tools/floors.lua", ".", os.getenv "NIGHTJAR_BUILD" or "build")
    assert.same({ 0, "" }, { code, output })
  end)
end)
