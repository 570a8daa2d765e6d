--- nightjar eval DIR
local classify = require "nightjar.cli.classify"
local common = require "nightjar.cli.library"
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"

local command = { summary = "Measure retrieval on a data set: R@k, mAP@10, ranks, with intervals." }

local KINDS = { "folder", "esc50", "audiocaps", "clotho", "manifest" }

local function count(text)
  local n = math.tointeger(tonumber(text))
  if not n or n < 1 then return nil, ("--order takes a number from 1, got '%s'"):format(text) end
  return n
end

function command.declare(parser)
  parser:argument("root", "The data set's folder; of a manifest the file, or its folder."):argname "DIR"
  parser:option("--data", "Its kind: " .. table.concat(KINDS, ", ") .. " (folder when left out; of a "
    .. "file FILE.jsonl, manifest). A manifest is JSON lines: file, captions or text, set, label.")
    :choices(KINDS)
  parser:option("--split", "Which split (audiocaps, clotho: test, evaluation …; esc50: train, val, "
    .. "test, all or a fold, 5 by default; a folder: train, validation or test, by the column 'split' "
    .. "of its CSV; a manifest: lines of this 'split')."):argname "NAME"
  parser:option("--captions", "Of a folder: a CSV of files and captions (without one, file names "
    .. "are the captions)."):argname "CSV"
  parser:option("--label-column", "Of that CSV: the column that names each file's class.")
    :argname "NAME"
  parser:option("--model", "The model: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  parser:flag("--levels", "Also by each level of the model alone.")
  parser:flag("--zero-shot", "Instead of retrieval: tell the clips' classes by their names.")
  parser:option("--order", "Instead: order probes on N scenes mixed of the clips, whose labels must be those "
    .. "of ESC-50: \"A, then B\" against \"B, then A\"."):argname "N":convert(count)
  classify.declare_prompts(parser)
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

-- The clips' labels, each once, in the order of the alphabet; nil when a clip has none.
local function labels_of(dataset)
  local seen, labels = {}, {}
  for _, clip in ipairs(dataset.clips) do
    if not clip.label or clip.label == "" then return nil end
    if not seen[clip.label] then labels[#labels + 1] = clip.label end
    seen[clip.label] = true
  end
  table.sort(labels)
  return #labels > 0 and labels or nil
end

local function zero_shot(evaluate, model, dataset, arguments)
  local labels = labels_of(dataset)
  if not labels then
    return output.fail(("%s: its clips have no classes%s"):format(dataset.name,
      arguments.data == "folder" and "; name the column with --label-column" or ""))
  end
  local classifier = model:classifier(labels, classify.prompt_options(arguments))
  local bar = progress.new { label = "encoding", total = #dataset.clips }
  local result, failed = evaluate.classes(model, dataset.clips, classifier,
    { progress = function(done) bar:update(done) end })
  bar:finish()
  if not result then return output.fail(failed) end
  for _, failure in ipairs(failed) do output.complain(failure.error) end
  if arguments.json then
    local out = result:plain()
    out.data, out.split, out.failed = dataset.name, dataset.split, failed
    out.prompts = {}
    for i, label in ipairs(classifier.labels) do out.prompts[label] = classifier.prompts[i] end
    output.print_json(out)
    return 0
  end
  output.print(dataset)
  output.print(classifier)
  output.print(result)
  local confused = result:confusions()
  if #confused > 0 then print "\ntaken for another most often" end
  for _, c in ipairs(confused) do
    output.print(("  %d of %d  %s as %s"):format(c.clips, c.of, c.name, c.taken_for_name))
  end
  return 0
end

local function probe_order(evaluate, model, dataset, arguments)
  local scenes = require "nightjar.data.scenes"(dataset, { sources = { 0, 1 }, size = arguments.order })
  local bar = progress.new { label = "scenes", total = arguments.order }
  local result, message = evaluate.order(model, scenes,
    { size = arguments.order, progress = function(done) bar:update(done) end })
  bar:finish()
  if not result then return output.fail(message) end
  if arguments.json then
    local out = result:plain()
    out.data, out.split = dataset.name, dataset.split
    output.print_json(out)
    return 0
  end
  output.print(dataset)
  output.print(result)
  return 0
end

-- Texts that several clips share, sets, classes: what a manifest may hold.
local function search(evaluate, model, dataset, arguments)
  local bar = progress.new { label = "encoding", total = #dataset.clips }
  local result, failed = evaluate.search(model, dataset,
    { progress = function(done) bar:update(done) end })
  bar:finish()
  if not result then return output.fail(failed) end
  for _, failure in ipairs(failed) do output.complain(failure.error) end
  if arguments.json then
    local out = result:plain()
    out.data, out.split, out.failed = dataset.name, dataset.split, failed
    output.print_json(out)
    return 0
  end
  output.print(dataset)
  output.print(result)
  return 0
end

function command.run(arguments)
  arguments.data = arguments.data or (arguments.root:find "%.jsonl$" and "manifest" or "folder")
  local model, message = common.load_model(arguments)
  if not model then return output.fail(message) end
  local evaluate = require "nightjar.evaluate"
  local dataset
  dataset, message = evaluate.open(arguments.data, arguments.root,
    { split = arguments.split, captions = arguments.captions, labels = arguments.label_column })
  if not dataset then return output.fail(message) end
  if arguments.zero_shot then return zero_shot(evaluate, model, dataset, arguments) end
  if arguments.order then return probe_order(evaluate, model, dataset, arguments) end
  if arguments.data == "manifest" and not arguments.levels then
    return search(evaluate, model, dataset, arguments)
  end
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
    output.print(dataset)
    output.print(result)
    for _, name in ipairs(LEVELS) do
      if levels and levels[name] then
        output.print(("\nby the %s level alone\n%s"):format(name, levels[name]))
      end
    end
  end
  return 0
end

return command
