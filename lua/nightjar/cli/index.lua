--- nightjar index DIR
local common = require "nightjar.cli.library"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"
local system = require("nightjar.core").system

local command = { summary = "Index a folder of sounds; again, to take in what changed." }

function command.declare(parser)
  parser:argument("path", "A folder, or one sound file."):argname "DIR"
  parser:flag("--rebuild", "Start over, for instance with another model.")
  common.declare(parser)
end

local function show(report, lib, elapsed)
  print(("%d added, %d updated, %d unchanged, %d removed, %d failed"):format(report.added,
    report.updated, report.unchanged, report.removed, #report.failed))
  for _, failure in ipairs(report.failed) do output.complain(failure.error) end
  if report.seconds > 0 and elapsed > 0 then
    print(output.paint(("%.0f s of sound in %.1f s (%.0f times real time)"):format(report.seconds,
      elapsed, report.seconds / elapsed), "dim"))
  end
  print(output.paint(tostring(lib), "dim"))
end

function command.run(arguments)
  -- Before a library is made for it.
  if not fs.kind(arguments.path) then
    return output.fail(arguments.path .. ": no such file or folder")
  end
  local lib, message = common.open(arguments, arguments.path, { rebuild = arguments.rebuild })
  if not lib then return output.fail(message) end
  local bar
  local started = system.clock()
  local report
  report, message = lib:add(arguments.path, {
    progress = function(done, total)
      if total == 0 then return end
      bar = bar or progress.new { label = "indexing", total = total }
      bar:update(done)
    end,
  })
  if bar then bar:finish() end
  if not report then return output.fail(message) end
  if arguments.json then
    output.print_json(report)
  else
    show(report, lib, system.clock() - started)
  end
  lib:close()
  return #report.failed > 0 and report.added + report.updated + report.unchanged == 0 and 1 or 0
end

return command
