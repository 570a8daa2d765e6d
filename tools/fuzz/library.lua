--- Fuzz target: a library's file is opened, searched, listed and indexed again. It is refused, or its
--- answers are right.
package.path = "./lua/?.lua;./lua/?/init.lua;./?.lua;" .. package.path
local suite = require "spec.torture.suite"

local world = suite.world(4)
local lib = assert(world:open())
assert(lib:add(world.sounds))
local state = world:state(lib)
lib:close()

local function refused(what, message, code)
  assert(type(message) == "string" and type(code) == "string", what .. " was refused without a reason")
end

return function(bytes)
  world:restore { [""] = bytes }
  local opened <close>, message, code = world:open { read_only = true }
  if not opened then return refused("opening", message, code) end
  world:search(opened, state) -- raises when an answer is wrong
  for _, method in ipairs { "sounds", "clips", "verify" } do
    if opened[method] then
      local list, why, kind = opened[method](opened)
      if not list then refused(method, why, kind) end
    end
  end
  assert(type(tostring(opened)) == "string")
  opened:close()
  assert(world:files()[""] == bytes, "reading wrote")
end
