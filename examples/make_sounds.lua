-- Writes the demo's sounds, one of each kind: lua5.4 examples/make_sounds.lua DIR [SEED]
--
-- Runs from anywhere: the modules of a checkout that was built are found beside this file.
local root = (arg[0]:match "^(.*)/[^/]*$" or ".") .. "/.."
package.path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/?.lua;"):format(root, root, root) .. package.path
package.cpath = root .. "/build/?.so;" .. package.cpath

local dir, seed = arg[1], math.tointeger(tonumber(arg[2] or 1))
if not (dir and seed) then
  io.stderr:write "usage: lua5.4 examples/make_sounds.lua DIR [SEED]\n"
  os.exit(2)
end
local rows, message = require("examples.synth.sounds").write_all(dir, { seed = seed })
if not rows then
  io.stderr:write(message, "\n")
  os.exit(1)
end
print(("%d sounds in %s (what-is-what.csv tells which is which)"):format(#rows, dir))
