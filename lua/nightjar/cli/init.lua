--- The command line: `nightjar COMMAND …`. Results go to standard output, everything else to
--- standard error. Exit status: 0 done, 1 it failed or found nothing, 2 the command line is wrong,
--- 130 it was interrupted.
local argparse = require "argparse"
local output = require "nightjar.cli.output"

local cli = {}

local commands = { "index", "search", "train", "eval", "classify", "caption", "embed", "finetune", "info",
  "convert", "verify", "prune" }

local function make_parser()
  local parser = argparse("nightjar", "Find sounds with words, and words with sounds.")
    :epilog [[
Try it on the sounds that the project makes itself:
  make demo
Index a folder once, then ask:
  nightjar index ~/sounds
  nightjar search "a dog barks while it rains" ~/sounds
The index is the file .nightjar.njl in that folder (choose another with --library).]]
    :command_target "command"
    :add_help_command()
  parser:flag("--version", "Print the version and exit."):action(function()
    output.print(require("nightjar")._VERSION)
    os.exit(0, true)
  end)
  parser:require_command(true)
  for _, name in ipairs(commands) do
    local command = require("nightjar.cli." .. name)
    command.declare(parser:command(name, command.summary))
  end
  return parser
end

-- The arguments by name; or nil, and what is wrong with the usage of the command that it is wrong with.
-- argparse calls the `error` of the parser that was asked, with the command that was being read.
local function parse(arguments)
  local parser, wrong = make_parser(), nil
  function parser.error(command, message)
    wrong = { message = message, usage = command:get_usage() }
    error(wrong, 0)
  end
  local ok, parsed = pcall(parser.parse, parser, arguments)
  if ok then return parsed end
  if parsed ~= wrong then error(parsed, 0) end
  return nil, wrong
end

--- Runs a command line; gives the exit status.
---@param arguments string[]
---@return integer
function cli.main(arguments)
  local parsed, wrong = parse(arguments)
  if not parsed then
    output.complain(wrong.message)
    io.stderr:write(wrong.usage, "\n")
    return 2
  end
  local command = require("nightjar.cli." .. parsed.command)
  local done, status = xpcall(command.run, function(problem)
    if os.getenv "NIGHTJAR_TRACE" then return debug.traceback(problem, 2) end
    return problem
  end, parsed)
  if not done then
    return output.fail((tostring(status):gsub("^.-:%d+: ", "")))
  end
  return status or 0
end

return cli
