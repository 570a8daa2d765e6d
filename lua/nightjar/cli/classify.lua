--- nightjar classify FILE…
local common = require "nightjar.cli.library"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"
local sounds = require "nightjar.cli.sounds"

local command = { summary = "Say which of some labels fits sound files." }

local function positive(name, convert, what)
  return function(text)
    local n = convert(tonumber(text))
    if not n or n <= 0 then return nil, ("%s takes %s, got '%s'"):format(name, what, text) end
    return n
  end
end

local function same(number) return number end

--- Options about prompts, which `nightjar eval --zero-shot` has, too.
function command.declare_prompts(parser)
  parser:option("--template", "What is asked for a label, {} standing for it; again for more than one.")
    :argname("TEXT"):count "*"
  parser:option("--ensemble", "Of several templates: the mean of their vectors, or of their scores.")
    :choices { "vectors", "scores" }
end

--- What model:classifier takes of them.
function command.prompt_options(arguments)
  return {
    templates = #arguments.template > 0 and arguments.template or nil,
    ensemble = arguments.ensemble,
  }
end

function command.declare(parser)
  parser:argument("files", "The sound files, or folders of them."):argname("FILE"):args "+"
  parser:mutex(
    parser:option("--labels", "The labels, with commas between them."):argname "LIST",
    parser:option("--labels-file",
      "A file with a label a line; what follows a tab is asked in the templates' place."):argname "FILE")
  command.declare_prompts(parser)
  parser:flag("--multi-label", "Each label by itself: any number of them may fit.")
  parser:option("-k --top", "How many labels to show of each file."):argname("K"):default("5")
    :convert(positive("-k", math.tointeger, "a number from 1"))
  parser:option("--temperature", "Of the softmax over the labels (default: what the model learnt).")
    :argname("T"):convert(positive("--temperature", same, "a number above 0"))
  parser:option("--model", "The model: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  parser:flag("--json", "Print JSON for machines.")
end

local function trimmed(text) return text:match "^%s*(.-)%s*$" end

-- { { label, prompt, … }, … }: of a list with commas, which has no prompts, or of the lines of a file.
local function rows_of(arguments)
  local rows = {}
  if arguments.labels then
    for label in arguments.labels:gmatch "[^,]+" do rows[#rows + 1] = { trimmed(label) } end
    return rows
  end
  if not arguments.labels_file then return nil, "name the labels with --labels or --labels-file" end
  local text, message = fs.read(arguments.labels_file)
  if not text then return nil, message end
  for line in text:gmatch "[^\r\n]+" do
    local row = {}
    for part in line:gmatch "[^\t]+" do row[#row + 1] = trimmed(part) end
    rows[#rows + 1] = row
  end
  return rows
end

-- Labels and, for those that have some, their own prompts, as model:classifier takes them.
local function labels_of(arguments)
  local rows, message = rows_of(arguments)
  if not rows then return nil, message end
  local labels, seen = {}, {}
  for _, row in ipairs(rows) do
    local label = row[1] or ""
    if seen[label] then return nil, ("the label '%s' comes twice"):format(label) end
    if label ~= "" then
      seen[label] = true
      if #row > 1 then
        labels[label] = { table.unpack(row, 2) }
      else
        labels[#labels + 1] = label
      end
    end
  end
  if next(seen) == nil then return nil, "there are no labels" end
  return labels
end

local function colour_of(probability)
  return probability >= 0.5 and "green" or probability >= 0.2 and "yellow" or "dim"
end

local function print_prediction(p)
  output.print(("%s  %s"):format(output.paint(p.path, "bold"),
    output.paint(("%s–%s"):format(output.time(0), output.time(p.seconds)), "dim")))
  for _, item in ipairs(p) do
    local share = item.probability == item.probability and item.probability or 0
    output.print(("  %s %4.0f %%  %s"):format(output.paint(output.bar(share), colour_of(share)), 100 * share,
      item.label))
  end
end

local function make_classifier(arguments)
  local labels, message = labels_of(arguments)
  if not labels then return nil, message end
  local model
  model, message = common.load_model(arguments)
  if not model then return nil, message end
  local options = command.prompt_options(arguments)
  options.multi_label, options.temperature = arguments.multi_label, arguments.temperature
  return model:classifier(labels, options)
end

function command.run(arguments)
  local files, message = sounds.files_of(arguments.files)
  if not files then return output.fail(message) end
  local classifier
  classifier, message = make_classifier(arguments)
  if not classifier then return output.fail(message) end
  local unknown = classifier:unknown_words()
  if #unknown > 0 then
    output.complain("words new to the model: " .. table.concat(unknown, ", "))
  end
  local bar = progress.new { label = "listening", total = #files }
  local predictions = classifier:classify(files, { top = arguments.top,
    progress = function(done) bar:update(done) end })
  bar:finish()
  local failed, all = false, {}
  for i, p in ipairs(predictions) do
    all[i] = p:plain()
    if p.error then
      failed = true
      output.complain(p.error)
    elseif not arguments.json then
      print_prediction(p)
    end
  end
  if arguments.json then output.print_json(all) end
  return failed and 1 or 0
end

return command
