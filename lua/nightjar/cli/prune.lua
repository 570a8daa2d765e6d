--- nightjar prune [LIBRARY]
local common = require "nightjar.cli.library"
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"
local paths = require "nightjar.library.paths"
local upkeep = require "nightjar.library.upkeep"

local command = { summary = "Forget the sounds whose files are missing." }

function command.declare(parser)
  parser:argument("path", "The library file, or its folder (default: the nearest from here upwards).")
    :argname("LIBRARY"):args "?"
  parser:flag("-n --dry-run", "Only say which.")
  parser:flag("--json", "Print JSON for machines.")
end

function command.run(arguments)
  local path, message = common.find(arguments)
  if not path then return output.fail(message) end
  local dry = arguments.dry_run or false
  local catalogue <close>, why = core.catalogue(path, { read_only = dry })
  if not catalogue then return output.fail(why) end
  local gone
  gone, message = upkeep.prune(catalogue, paths.real(fs.folder(path)) or ".", { dry_run = dry })
  if not gone then return output.fail(message) end
  if arguments.json then
    output.print_json(gone)
    return 0
  end
  for _, sound in ipairs(gone) do output.print(sound) end
  output.print(("%d missing sounds %s"):format(#gone, dry and "would be forgotten" or "are forgotten"))
  return 0
end

return command
