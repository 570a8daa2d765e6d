--- nightjar eval --data FOLDER
local common = require "nightjar.cli.library"
local output = require "nightjar.cli.output"

local command = { summary = "Measure retrieval on a data set: R@k, mAP@10, ranks, with intervals." }

local KINDS = { "folder", "esc50", "audiocaps", "clotho" }

function command.declare(parser)
  parser:argument("root", "The data set's folder."):argname "DIR"
  parser:option("--data", "Its kind: " .. table.concat(KINDS, ", ") .. "."):default("folder")
    :choices(KINDS)
  parser:option("--split", "Which split (audiocaps, clotho: test, evaluation …; esc50: a fold)."):argname "NAME"
  parser:option("--model", "The model file (default: the one that comes with nightjar)."):argname "FILE"
  parser:flag("--json", "Print JSON for machines.")
end

function command.run(arguments)
  local model, message = common.load_model(arguments)
  if not model then return output.fail(message) end
  local evaluate = require "nightjar.evaluate"
  local dataset
  dataset, message = evaluate.open(arguments.data, arguments.root, arguments.split)
  if not dataset then return output.fail(message) end
  local result
  result, message = evaluate.run(model, dataset)
  if not result then return output.fail(message) end
  if arguments.json then
    output.print_json(result:plain())
  else
    print(tostring(result))
  end
  return 0
end

return command
