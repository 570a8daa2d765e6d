--- Fuzz target: a command line, run in this process. The input is the words, a line each, then an empty
--- line, then the bytes of a file. In words @F is that file, @L a library, @M a model, @S a sound, @D the
--- folder of all; @O is a name to write to. A command may do its work or refuse it; it does not raise,
--- and what it reads stays.
package.path = "./lua/?.lua;./lua/?/init.lua;./?.lua;" .. package.path
local fs = require "nightjar.fs"
local lfs = require "lfs"
local suite = require "spec.torture.suite"
local temporary = require "spec.support.temporary"

-- Modules are found from here, also when a command asks for them later from another folder.
local here = lfs.currentdir()
package.path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;"):format(here, here, here) .. package.path

local world = suite.world(2)
local lib = assert(world:open())
assert(lib:add(world.sounds))
lib:close()
local library = fs.read(world.path)
local model = "../tiny.safetensors"
assert(world.model:save(world.folder .. "/tiny.safetensors"))
assert(lfs.mkdir(world.folder .. "/here"))
assert(lfs.chdir(world.folder .. "/here"))

local places = { F = "../file", L = "../sounds/.nightjar.njl", M = model, S = "../sounds/01.wav",
  D = "../sounds", O = "out" }

local function leave() error "it left" end
rawset(os, "exit", leave)

-- `train` runs any script that it is given, so it is not here; and no word leads out of the folder.
local function words_of(text)
  local words = {}
  for word in text:gmatch "[^\n]+" do
    if #words == 16 then break end
    if word:find("^%-?%-?/") or word:find("..", 1, true) or word:find("=/", 1, true) then return nil end
    words[#words + 1] = (word:gsub("@(%u)", places))
  end
  if not words[1] or ("train"):find(words[1], 1, true) then return nil end
  return words
end

local function clear()
  for name in lfs.dir "." do
    if name ~= "." and name ~= ".." then temporary.remove(name) end
  end
end

return function(input)
  local head, file = input:match "^(.-)\n\n(.*)$"
  local words = words_of(head or input)
  if not words then return end
  file = file or ""
  suite.put("../file", file)
  suite.put(places.L, library)
  local done, status = pcall(suite.nightjar, "../file", table.unpack(words))
  local left = not done and tostring(status):find("it left", 1, true)
  assert(left or done, status)
  assert(left or status == 0 or status == 1 or status == 2, ("exit status %s"):format(status))
  assert(fs.read "../file" == file, "the file that was read changed")
  if words[1] ~= "index" then assert(fs.read(places.L) == library, "the library changed") end
  clear()
end
