--- nightjar embed FILE… --out VECTORS
local common = require "nightjar.cli.library"
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"
local sounds = require "nightjar.cli.sounds"
local system = require("nightjar.core").system

local command = { summary = "Write the vectors of sounds to a file for other programs." }

function command.declare(parser)
  parser:argument("files", "The sound files, or folders of them."):argname("FILE"):args "*"
  parser:option("--out", "Where: a file that ends in .npy, .safetensors, .csv or .jsonl.")
    :argname("VECTORS"):count "1"
  parser:option("--list", "Take paths from a file, one a line; - is standard input.")
    :argname "FILE"
  parser:flag("--segments", "A vector for each window of about two seconds, not for each sound.")
  parser:option("--model", "The model: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  parser:flag("--json", "Print JSON for machines.")
end

-- Lines of a file that are not empty, one a call.
local function lines(path)
  local file, message = io.stdin, nil
  if path ~= "-" then file, message = io.open(path) end
  if not file then return nil, message end
  return function()
    for line in file:lines() do
      line = line:gsub("\r$", "")
      if line ~= "" then return line end
    end
  end
end

-- What to encode, as model:stream takes it, and how many if that is known.
local function given(arguments)
  if arguments.list and #arguments.files > 0 then return nil, "give files or --list, not both" end
  if arguments.list then return lines(arguments.list) end
  if #arguments.files == 0 then return nil, "name sound files or folders, or a --list of them" end
  local files, message = sounds.files_of(arguments.files)
  return files, message or #files
end

local function show(report, path, elapsed)
  output.print(("%d vectors of %d numbers in %s%s"):format(report.rows, report.dim, path,
    report.names and ", their sounds in " .. report.names or ""))
  if report.seconds > 0 and elapsed > 0 then
    output.print(output.paint(("%d sounds, %.0f s in %.1f s (%.0f times real time)"):format(report.sounds,
      report.seconds, elapsed, report.seconds / elapsed), "dim"))
  end
end

function command.run(arguments)
  local list, total = given(arguments)
  if not list then return output.fail(total) end
  local model, message = common.load_model(arguments)
  if not model then return output.fail(message) end
  local bar = progress.new { label = "embedding", total = total }
  local started = system.clock()
  local report, why = model:save_vectors(arguments.out, list, {
    segments = arguments.segments, progress = function(done) bar:update(done) end,
  })
  bar:finish()
  if not report then return output.fail(why) end
  for _, failure in ipairs(report.failed) do output.complain(failure.error) end
  if arguments.json then
    output.print_json(report)
  else
    show(report, arguments.out, system.clock() - started)
  end
  return report.sounds == 0 and 1 or 0
end

return command
