--- nightjar train SCRIPT|CONFIG
local json = require "dkjson"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"

local command = { summary = "Run a training script, or train what a JSON file describes." }

function command.declare(parser)
  parser:argument("script", "A Lua script (see examples/), or a .json configuration.")
    :argname "FILE"
  parser:argument("arguments", "Passed on to the script."):args "*"
end

--- Arguments after -- reach the script as its `arg` and `...`.
local function run_script(path, arguments)
  local chunk, message = loadfile(path)
  if not chunk then return output.fail(message) end
  _G.arg = { [0] = path, table.unpack(arguments) }
  chunk(table.unpack(arguments))
  return 0
end

function command.run(arguments)
  if fs.extension(arguments.script) ~= "json" then
    return run_script(arguments.script, arguments.arguments)
  end
  local text, message = fs.read(arguments.script)
  if not text then return output.fail(message) end
  local configuration, _, problem = json.decode(text)
  if not configuration then return output.fail(arguments.script .. ": " .. problem) end
  local result
  result, message = require("nightjar.train.recipe").run(configuration)
  if not result then return output.fail(message) end
  output.print(("%d updates (%s); wrote %s"):format(result.steps, result.stopped, configuration.out))
  return 0
end

return command
