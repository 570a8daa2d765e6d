#!/usr/bin/env lua5.4
--- The demo: makes two dozen sounds, or takes a folder of yours, indexes them, and answers queries.
---
---   lua5.4 examples/demo.lua [DIR]
local nj = require "nightjar"
local cli = require "nightjar.cli"
local fs = require "nightjar.fs"

local own = arg[1]
local folder = own or "demo-sounds"

-- What is among the made sounds and may be among yours.
local QUERIES = {
  "siren",
  "chirping birds",
  "helicopter",
  "dog barking",
  "wind",
  "glass breaking",
  "rain",
  "clock tick",
}
local ABSENT = { "brushing teeth", "pig", "a lecture on quantum physics" }

-- One command, shown as a person would type it.
local function run(command, ...)
  local shown = {}
  for i, word in ipairs { ... } do shown[i] = word:find "[^%w%-_./]" and ('"%s"'):format(word) or word end
  print(("\n$ nightjar %s %s"):format(command, table.concat(shown, " ")))
  return cli.main { command, ... }
end

local function make_sounds()
  print(("Making sounds in %s/ with examples/synth (nothing is downloaded) …"):format(folder))
  assert(require("examples.synth.sounds").write_all(folder))
end

if own and fs.kind(own) ~= "directory" then
  io.stderr:write(own, ": no such folder\n")
  os.exit(1)
end
print(nj._VERSION)
if not own and fs.kind(folder) ~= "directory" then make_sounds() end
if run("index", folder) ~= 0 then os.exit(1) end
for _, query in ipairs(QUERIES) do run("search", query, folder, "--top", "3") end
if not own then
  print "\nAnd what is not there:"
  for _, query in ipairs(ABSENT) do run("search", query, folder, "--top", "2") end
end
print(("\nAsk your own: bin/nightjar search \"…\" %s"):format(folder))
