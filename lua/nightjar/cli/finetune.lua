--- nightjar finetune DIR
local common = require "nightjar.cli.library"
local csv = require "nightjar.data.csv"
local fs = require "nightjar.fs"
local output = require "nightjar.cli.output"
local shipped = require "nightjar.model.shipped"

local command = { summary = "Teach a model more sounds and words: those of a folder of yours." }

local function number(name, low)
  return function(text)
    local value = tonumber(text)
    if not value or value < low then
      return nil, ("%s takes a number from %g, got '%s'"):format(name, low, text)
    end
    return value
  end
end

local function whole(name, low)
  return function(text)
    local value = math.tointeger(tonumber(text))
    if not value or value < low then
      return nil, ("%s takes a whole number from %d, got '%s'"):format(name, low, text)
    end
    return value
  end
end

local function share(name)
  return function(text)
    local value = tonumber(text)
    if not value or value < 0 or value >= 1 then
      return nil, ("%s takes a share from 0 to below 1, got '%s'"):format(name, text)
    end
    return value
  end
end

function command.declare(parser)
  parser:argument("root", "The folder of sounds."):argname "DIR"
  parser:option("--captions", "A CSV of files and captions, with a column 'split' if wanted (without one, "
    .. "file names are the captions)."):argname "CSV"
  parser:option("--label-column", "Of that CSV: clips of one label mean the same."):argname "NAME"
  parser:option("--model", "The model to go on with: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  parser:option("--out", "The model file to write (default: DIR's name, here)."):argname "FILE"
  parser:option("--run", "Folder of checkpoints, log, features and split (default: beside the model file).")
    :argname "DIR"
  parser:option("--validation", "The share drawn for choosing; takes of one sound stay together.")
    :default "0.2":convert(share "--validation")
  parser:option("--test", "The share drawn for the table of what is unseen."):default("0.2")
    :convert(share "--test")
  parser:option("--keep", "How much counts what the model knows (1; 0: not at all).")
    :convert(number("--keep", 0))
  parser:option("--epochs", "Passes over the clips, at most."):default("40"):convert(whole("--epochs", 1))
  parser:option("--patience", "Passes without a better one before it stops."):default("8")
    :convert(whole("--patience", 0))
  parser:option("--batch", "Clips of a step."):default("64"):convert(whole("--batch", 2))
  parser:option("--lr", "The highest learning rate."):convert(number("--lr", 1e-12))
  parser:option("--seed", "Of everything random."):default("1"):convert(whole("--seed", 0))
  parser:flag("--json", "Print JSON for machines.")
end

local function has_split(path)
  local reader <close> = csv.open(path, { separator = csv.separator(path) })
  for _, name in ipairs(reader and reader.columns or {}) do
    if name == "split" then return true end
  end
  return false
end

-- The parts of the folder; nil and a message.
local function open_sets(arguments)
  local data = require "nightjar.data"
  local captions = arguments.captions
  local split = captions
    and has_split(fs.kind(captions) == "file" and captions or fs.join(arguments.root, captions))
  local set, message = data.folder(arguments.root, { csv = captions, label_column = arguments.label_column,
    split_column = split and "split" or nil })
  if not set then return nil, message end
  for _, clip in ipairs(set.missing) do output.complain(("no sound file '%s'"):format(clip.id)) end
  if #set.clips == 0 then return nil, arguments.root .. ": no clip has a sound file" end
  return data.split(set, { validation = arguments.validation, test = arguments.test, seed = arguments.seed })
end

-- Who went where, as a CSV that `nightjar eval --captions` reads.
local function write_split(path, sets)
  local rows = {}
  for _, set in ipairs(sets) do
    for _, clip in ipairs(set.clips) do
      for _, caption in ipairs(clip.captions) do
        rows[#rows + 1] = { file = clip.id, caption = caption, split = set.split }
      end
    end
  end
  return csv.write(path, rows, { columns = { "file", "caption", "split" } })
end

local function tell(result, arguments, split)
  for _, failure in ipairs(result.failures) do
    output.complain(("left out: %s: %s"):format(failure.id, failure.message))
  end
  if arguments.json then
    output.print_json(result:plain())
    return
  end
  print(result)
  print(("\nwrote %s; who went where: %s; now\n  nightjar index %s --model %s"):format(arguments.out, split,
    arguments.root, arguments.out))
end

function command.run(arguments)
  local train, validation, test = open_sets(arguments)
  if not train then return output.fail(validation) end
  arguments.out = arguments.out or fs.name((arguments.root:gsub("/+$", ""))) .. ".safetensors"
  local run = arguments.run or arguments.out:gsub("%.safetensors$", "") .. "-run"
  local model, message = common.load_model { model = arguments.model or shipped.default }
  if not model then return output.fail(message) end
  local result
  result, message = require "nightjar.finetune" { model = model, train = train, validation = validation,
    test = #test.clips > 0 and test or nil, run = run, out = arguments.out, keep = arguments.keep,
    epochs = arguments.epochs, patience = arguments.patience, batch = arguments.batch, lr = arguments.lr,
    seed = arguments.seed, progress = not arguments.json }
  if not result then return output.fail(message) end
  local path = fs.join(run, "split.csv")
  local ok
  ok, message = write_split(path, { train, validation, test })
  if not ok then return output.fail(message) end
  tell(result, arguments, path)
  return 0
end

return command
