--- nightjar verify [LIBRARY]
local common = require "nightjar.cli.library"
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"
local paths = require "nightjar.library.paths"
local upkeep = require "nightjar.library.upkeep"

local command = { summary = "Check every row of a sound library for damage." }

function command.declare(parser)
  parser:argument("path", "The library file, or its folder (default: the nearest from here upwards).")
    :argname("LIBRARY"):args "?"
  parser:flag("--repair", "Have sounds with damage indexed again by the next nightjar index.")
  parser:flag("--json", "Print JSON for machines.")
end

local function show(path, report, repair)
  for _, p in ipairs(report.problems) do
    output.print(p.path and ("%s: %s"):format(p.path, p.problem) or p.problem)
  end
  if #report.problems == 0 then
    output.print(path .. ": all rows are as they were written")
  elseif repair then
    output.print(("%s: repaired; %d sounds wait for nightjar index"):format(path, report.mended))
  else
    output.print(("%s: %d problems; nightjar verify --repair has what is damaged indexed again"):format(path,
      #report.problems))
  end
end

function command.run(arguments)
  local path, message = common.find(arguments)
  if not path then return output.fail(message) end
  local catalogue <close>, why = core.catalogue(path, { read_only = not arguments.repair })
  if not catalogue then return output.fail(why) end
  local report
  report, message = upkeep.verify(catalogue, paths.real(fs.folder(path)) or ".", arguments.repair)
  if not report then
    return output.fail(message .. (arguments.repair
      and "\n(what cannot be repaired is made anew: move the file away, and index its sounds again)"
      or ""))
  end
  if arguments.json then output.print_json(report) else show(path, report, arguments.repair) end
  return #report.problems > 0 and not arguments.repair and 1 or 0
end

return command
