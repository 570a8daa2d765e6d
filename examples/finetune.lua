#!/usr/bin/env lua5.4
--- Fine-tunes a retrieval model on a folder of sounds and a CSV of captions.
---
---   lua5.4 examples/finetune.lua --model nightjar-base --sounds DIR --captions FILE --out mine.safetensors
---   lua5.4 examples/finetune.lua --encoder mn04 --checkpoint mn04_as_mAP_432.pt --sounds DIR --captions FILE \
---     --out mine.safetensors
---
--- The first goes on with a model. The second makes a new one behind an encoder that its authors trained
--- (nj.encoders.names() lists those that nightjar knows): a text encoder and a head that know nothing yet.
---
--- A row of the CSV names a file below DIR and says a caption of it; many rows may name one file, and columns
--- caption_1 … caption_n are read as Clotho has them. A column `split` says train, validation or test; without
--- one, clips are drawn for validation, and --run keeps who went where.
---
--- The audio encoder is frozen. What it makes of every file is computed once and kept in --features, so that
--- another run with other settings begins to train at once. A run that was interrupted goes on.
local nj = require "nightjar"
local csv = require "nightjar.data.csv"
local fs = require "nightjar.fs"
local json = require "dkjson"

local parser = require "argparse"("finetune", "Fine-tune a model on a folder of sounds and a CSV.")
parser:option("--model", "The model to go on with: a file, or the name of one that comes with nightjar.")
  :argname "FILE"
parser:option("--encoder", "Instead: the audio encoder to begin a model with, mn04 say."):argname "NAME"
parser:option("--checkpoint", "Its weights."):argname "FILE"
parser:option("--sounds", "The folder of sounds."):argname "DIR":count(1)
parser:option("--captions", "The CSV; without one, file names are the captions."):argname "CSV"
parser:option("--label-column", "Clips of one label mean the same."):argname "NAME"
parser:option("--split-column", "Who is for training, validation and test (split, if there is such a column).")
  :argname "NAME"
parser:option("--validation", "Without that column: the share drawn for validation."):default "0.2"
  :convert(tonumber)
parser:option("--test", "And for the test."):default("0"):convert(tonumber)
parser:option("--out", "The model file to write."):argname "FILE":count(1)
parser:flag("--half", "Write float16: half the size, rounded.")
parser:option("--run", "Folder of checkpoints, log and split (beside --out when left out)."):argname "DIR"
parser:option("--features", "Folder of the features (inside --run when left out)."):argname "DIR"
parser:option("--max-seconds", "Longer sounds are cut."):default("30"):convert(tonumber)
parser:option("--hci", "Levels of the head, as clip,segment,frame; clip alone compares one vector a clip.")
  :argname "LEVELS"
parser:option("--segments", "Of a clip."):default("8"):convert(math.tointeger)
parser:option("--phrases", "Of a caption."):default("5"):convert(math.tointeger)
parser:option("--dim", "Width of the shared space."):convert(math.tointeger)
parser:option("--vocabulary", "A new text encoder: the size of a vocabulary learnt from the captions, or a "
  .. "vocab.txt."):argname "N|FILE"
parser:option("--text-width", "Of a new text encoder."):convert(math.tointeger)
parser:option("--text-layers", "Of a new text encoder."):convert(math.tointeger)
parser:flag("--unfreeze", "Train the model's text encoder, too.")
parser:option("--epochs", "Passes over the clips, at most."):default("40"):convert(math.tointeger)
parser:option("--batch", "Clips of a step."):default("64"):convert(math.tointeger)
parser:option("--lr", "The highest learning rate."):convert(tonumber)
parser:option("--patience", "Passes without a better one that are borne."):default("8"):convert(math.tointeger)
parser:option("--seed", "Of everything random."):default("1"):convert(math.tointeger)
parser:option("--threads", "Of the computation."):convert(math.tointeger)
parser:option("--report", "Also write the figures as JSON."):argname "FILE"
local options = parser:parse(arg)

local function fail(message)
  io.stderr:write("finetune: ", (tostring(message):gsub("^finetune: ", "")), "\n")
  os.exit(1, true)
end

local function check(value, message, ...)
  if not value then fail(message) end
  return value, message, ...
end

-- The column that splits: the one named, or "split" where there is one.
local function split_column()
  if options.split_column or not options.captions then return options.split_column end
  local reader <close> = check(csv.open(options.captions))
  for _, name in ipairs(reader.columns) do
    if name:lower() == "split" then return name end
  end
end

local function open_sets()
  local set = check(nj.data.folder(options.sounds, { csv = options.captions,
    label_column = options.label_column, split_column = split_column() }))
  print(set)
  for i, clip in ipairs(set.missing) do
    if i > 5 then
      print(("  and %d more without a sound file"):format(#set.missing - 5))
      break
    end
    print(("  %s:%d: no sound file '%s'"):format(options.captions, clip.line, clip.id))
  end
  if #set.clips == 0 then fail "no clip has a sound file" end
  return check(nj.data.split(set, { validation = options.validation, test = options.test,
    seed = options.seed }))
end

-- Who went where, as a CSV that --captions and `nightjar eval` read.
local function write_split(path, sets)
  local rows = {}
  for _, set in ipairs(sets) do
    for _, clip in ipairs(set.clips) do
      for _, caption in ipairs(clip.captions) do
        rows[#rows + 1] = { file = clip.id, caption = caption, label = clip.label, split = set.split }
      end
    end
  end
  local columns = { "file", "caption", "split", options.label_column and "label" or nil }
  check(csv.write(path, rows, { columns = columns }))
end

local function head_options()
  if not options.hci then return nil end
  local levels = {}
  for level in options.hci:gmatch "[^,%s]+" do levels[#levels + 1] = level end
  return { levels = levels, interaction = "weighted",
    segments = { kind = "cluster", tokens = options.segments },
    phrases = { kind = "cluster", tokens = options.phrases } }
end

local function text_options()
  if not (options.text_width or options.text_layers) then return nil end
  return { width = options.text_width, layers = options.text_layers }
end

local function quoted(path) return path:find "[^%w_./-]" and "'" .. path:gsub("'", "'\\''") .. "'" or path end

if options.threads then nj.threads(options.threads) end
if (options.model == nil) == (options.encoder == nil) then
  fail "give either --model, to go on with, or --encoder with its --checkpoint, to begin with"
end
if options.encoder and not options.checkpoint then
  fail "--encoder needs --checkpoint: a frozen encoder that was never trained hears nothing"
end
local run = options.run or options.out:gsub("%.safetensors$", "") .. "-run"
local train, validation, test = open_sets()

local ok, result, message = pcall(nj.finetune, {
  model = options.model,
  encoder = options.encoder and { name = options.encoder, checkpoint = options.checkpoint } or nil,
  train = train, validation = validation, test = #test.clips > 0 and test or nil,
  run = run, features = options.features, max_seconds = options.max_seconds,
  out = options.out, dtype = options.half and "float16" or "float32",
  hci = head_options(), dim = options.dim,
  vocabulary = math.tointeger(options.vocabulary) or options.vocabulary, text = text_options(),
  unfreeze = options.unfreeze, epochs = options.epochs, batch = options.batch, lr = options.lr,
  patience = options.patience, seed = options.seed,
})
if not ok then fail(result) end
check(result, message)
local split_path = fs.join(run, "split.csv")
write_split(split_path, { train, validation, test })

for _, failure in ipairs(result.failures) do
  io.stderr:write(("left out: %s: %s\n"):format(failure.id, failure.message))
end
if result.uncaptioned > 0 then
  print(("%d clips without a caption were left out"):format(result.uncaptioned))
end
print(result)
if options.report then
  check(fs.write(options.report, json.encode(result:plain(), { indent = true }) .. "\n"))
end

local out, sounds = quoted(options.out), quoted(options.sounds)
print(("\nwrote %s; now\n"):format(options.out))
print(("  nightjar index %s --model %s"):format(sounds, out))
local query = validation.clips[1].captions[1] or "a sound"
print(("  nightjar search %s %s --model %s"):format(quoted(query), sounds, out))
print(("  nightjar eval %s --captions %s --split %s --model %s"):format(sounds, quoted(split_path),
  result.after.test and "test" or "validation", out))
