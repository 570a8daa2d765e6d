--- nightjar index DIR
local common = require "nightjar.cli.library"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"
local system = require("nightjar.core").system

local command = { summary = "Index a folder of sounds; again, to take in what changed." }

function command.declare(parser)
  parser:argument("path", "A folder, or one sound file."):argname "DIR"
  parser:flag("--rebuild", "Index all sounds again, for instance with another model.")
  parser:flag("--allow-empty", "DIR has lost all its sounds: take them as missing.")
  common.declare(parser)
end

-- "7 .txt, 2 .mid": files that are no sounds, or of a kind that is not read.
local function skipped_text(skipped)
  local list, parts = {}, {}
  for extension, count in pairs(skipped) do list[#list + 1] = { extension, count } end
  table.sort(list, function(a, b)
    if a[2] ~= b[2] then return a[2] > b[2] end
    return a[1] < b[1]
  end)
  for i = 1, math.min(6, #list) do
    parts[i] = ("%d %s"):format(list[i][2], list[i][1] == "" and "without extension"
      or "." .. list[i][1])
  end
  return table.concat(parts, ", ") .. (#list > 6 and ", …" or "")
end

-- ".m4a, .wma": those of them that are sounds.
local function foreign_kinds(skipped)
  local list = {}
  for _, extension in ipairs(fs.foreign_sound_extensions) do
    if skipped[extension] then list[#list + 1] = "." .. extension end
  end
  return table.concat(list, ", ")
end

local function show(report, lib, elapsed)
  output.print(("%d added, %d updated, %d unchanged, %d moved, %d missing, %d failed"):format(report.added,
    report.updated, report.unchanged, report.moved, report.missing, #report.failed))
  if next(report.skipped) then
    output.print(output.paint("passed over: " .. skipped_text(report.skipped), "dim"))
    local foreign = foreign_kinds(report.skipped)
    if foreign ~= "" then
      output.complain(foreign .. ": sounds of a kind that is not read; convert them, for example by "
        .. "ffmpeg -i x.m4a x.flac")
    end
  end
  for _, failure in ipairs(report.failed) do output.complain(failure.error) end
  if report.seconds > 0 and elapsed > 0 then
    output.print(output.paint(("%.0f s of sound in %.1f s (%.0f times real time)"):format(report.seconds,
      elapsed, report.seconds / elapsed), "dim"))
  end
  output.print(output.paint(tostring(lib), "dim"))
end

function command.run(arguments)
  -- Before a library is made for it.
  if not fs.kind(arguments.path) then
    return output.fail(arguments.path .. ": no such file or folder")
  end
  local lib, message = common.open(arguments, common.library_path(arguments, arguments.path),
    { rebuild = arguments.rebuild })
  if not lib then return output.fail(message) end
  local bar
  local started = system.clock()
  local report
  report, message = lib:add(arguments.path, {
    allow_empty = arguments.allow_empty or false,
    waiting = common.waiting(),
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
  local fine = report.added + report.updated + report.unchanged + report.moved
  if fine + report.missing == 0 and #report.failed == 0 then
    return output.fail(arguments.path .. ": there are no sounds here")
  end
  return fine == 0 and #report.failed > 0 and 1 or 0
end

return command
