--- nightjar eval DIR
local common = require "nightjar.cli.library"
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"

local command = { summary = "Measure retrieval on a data set: R@k, mAP@10, ranks, with intervals." }

local KINDS = { "folder", "esc50", "audiocaps", "clotho" }

function command.declare(parser)
  parser:argument("root", "The data set's folder."):argname "DIR"
  parser:option("--data", "Its kind: " .. table.concat(KINDS, ", ") .. "."):default("folder")
    :choices(KINDS)
  parser:option("--split", "Which split (audiocaps, clotho: test, evaluation …; esc50: train, val, "
    .. "test, all or a fold, 5 by default)."):argname "NAME"
  parser:option("--captions", "Of a folder: a CSV of files and captions (without one, file names "
    .. "are the captions)."):argname "CSV"
  parser:option("--model", "The model: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  parser:flag("--levels", "Also by each level of the model alone.")
  parser:flag("--json", "Print JSON for machines.")
end

local LEVELS = { "clip", "segment", "frame", "caption" }

-- The results of evaluate.run and of each level; what evaluate gives when it cannot.
local function measure(evaluate, model, dataset, with_levels, options)
  if not with_levels then return evaluate.run(model, dataset, options) end
  local results, failed = evaluate.levels(model, dataset, options)
  if not results then return nil, failed end
  return results.fused, failed, results
end

function command.run(arguments)
  local model, message = common.load_model(arguments)
  if not model then return output.fail(message) end
  local evaluate = require "nightjar.evaluate"
  local dataset
  dataset, message = evaluate.open(arguments.data, arguments.root,
    { split = arguments.split, captions = arguments.captions })
  if not dataset then return output.fail(message) end
  local bar = progress.new { label = "encoding", total = #dataset.clips }
  local result, failed, levels = measure(evaluate, model, dataset, arguments.levels,
    { progress = function(done) bar:update(done) end })
  bar:finish()
  if not result then return output.fail(failed) end
  for _, failure in ipairs(failed) do output.complain(failure.error) end
  if arguments.json then
    local out = result:plain()
    out.data, out.split, out.failed = dataset.name, dataset.split, failed
    for _, name in ipairs(LEVELS) do
      if levels and levels[name] then
        out.levels = out.levels or {}
        out.levels[name] = levels[name]:plain()
      end
    end
    output.print_json(out)
  else
    print(dataset)
    print(result)
    for _, name in ipairs(LEVELS) do
      if levels and levels[name] then print(("\nby the %s level alone\n%s"):format(name, levels[name])) end
    end
  end
  return 0
end

return command
