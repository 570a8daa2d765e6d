--- What the experiments of this folder share: arguments, data, one run by its configuration, and the
--- metrics of the tables. `lua5.4 examples/paper/01_levels.lua --help` lists the arguments.
local folder = (arg and arg[0] or ""):match "^(.*)/[^/]*$" or "."
package.path = folder .. "/?.lua;" .. package.path

local nj = require "nightjar"
local captioning = require "captioning"
local fs = require "nightjar.fs"
local json = require "dkjson"
local sounds = require "sounds"
local training = require "training"

local setting = {}

-- What every run depends on beside its configuration. A change makes all runs new.
local VERSION = 3

-- Captions of a test clip that ask. Of scenes three of five, to save time.
local QUERIES = { esc50 = 3, clotho = 5, audiocaps = 5 }

local function integer(text)
  return math.tointeger(tonumber(text)), "an integer is needed"
end

local function parse(name, description)
  local parser = require "argparse"(name, description)
  parser:option("--data", "What to train and test on."):choices { "esc50", "clotho", "audiocaps" }
    :default "esc50"
  parser:option("--root", "The folder of the data."):argname("DIR"):count(1)
  parser:option("--mn04", "Weights of EfficientAT's mn04 (mn04_as_mAP_432.pt).", nil, nil)
    :argname "FILE"
  parser:option("--encoders", "Audio encoders of experiment 1, separated by commas."):default "mn04,small"
  parser:option("--encoder", "The audio encoder of the others."):default "mn04"
  parser:option("--seeds", "Runs of every configuration."):default("5"):convert(integer)
  parser:option("--steps", "Updates of a run."):default("200"):convert(integer)
  parser:option("--dim", "Width of the shared space."):default("64"):convert(integer)
  parser:option("--batch", "Pairs in an update."):default("64"):convert(integer)
  parser:option("--train", "Training scenes (esc50)."):default("3600"):convert(integer)
  parser:option("--scenes", "Validation and test scenes, each (esc50)."):default("500"):convert(integer)
  parser:option("--captioner-steps", "Updates of the captioners."):default("1000"):convert(integer)
  parser:option("--runs", "Where features, captions and finished runs are kept."):argname("DIR")
    :default "runs/paper"
  parser:option("--out", "Where the tables go."):argname("DIR"):default "docs/results"
  parser:option("--only", "Configurations whose names hold this."):argname "TEXT"
  parser:flag("--report", "Runs nothing: tables of what was done so far.")
  return parser:parse(arg)
end

-- The pieces of words, learnt from the training captions once.
local function vocabulary(data, path)
  local text = fs.read(path)
  local found = text and json.decode(text)
  if found then return found end
  found = assert(nj.text.train_wordpiece(data.texts(), { size = 1200, min_frequency = 2 }))
  assert(fs.write(path, json.encode(found)))
  return found
end

--- The audio encoders that were asked for.
function setting.encoders()
  local list = {}
  for name in parse("01-levels", "Levels.").encoders:gmatch "[^,]+" do list[#list + 1] = name end
  return list
end

local shared -- one process may run several experiments

local function open(o)
  if shared then return shared end
  local cache = fs.join(o.runs, "cache")
  local data = sounds.open { data = o.data, root = o.root, cache = cache, mn04 = o.mn04,
    train = o.train, val = o.scenes, test = o.scenes }
  local tag = ("%s-%d"):format(o.data, o.train)
  local words = vocabulary(data, fs.join(cache, ("words-%s.json"):format(tag)))
  shared = { data = data, words = words, captions = {} }
  function shared.captions_of(source, encoder)
    local key = source .. " " .. encoder
    if not shared.captions[key] then
      shared.captions[key] = source == "oracle" and captioning.oracle(data, encoder)
        or captioning.own(data, encoder, sounds.parts, words, {
          path = fs.join(cache, ("captions-%s-%s-%d.json"):format(tag, encoder, o.captioner_steps)),
          steps = o.captioner_steps, batch = o.batch, captions = 8,
        })
    end
    return shared.captions[key]
  end
  return shared
end

--- The run function of an experiment.
function setting.runner(o)
  return function(config, seed)
    local s = open(o)
    local ac = config.ac
    local own = ac and ac.source ~= "none" and s.captions_of(ac.source or "own", config.encoder)
    return training.run(config, seed, s.data, own or nil, s.words,
      { steps = config.steps or o.steps, batch = o.batch, lr = 2e-3, dim = o.dim,
        queries = QUERIES[o.data] })
  end
end

local MAIN = "fused"

-- The columns of most tables: both directions by the fused similarity.
function setting.metrics(which)
  which = which or MAIN
  local list = { { key = which .. ".R@1", label = "mean R@1" } }
  for _, direction in ipairs { { "t2a", "text→audio" }, { "a2t", "audio→text" } } do
    for _, metric in ipairs { "R@1", "R@5", "R@10", "mAP@10" } do
      list[#list + 1] = { key = ("%s.%s.%s"):format(which, direction[1], metric),
        label = direction[2] .. " " .. metric }
    end
  end
  return list
end

local function about(o, encoders, updates)
  local lines = {}
  if o.data == "esc50" then
    lines[1] = ("Scenes of at most 10 s mixed from ESC-50: %d for training (folds 1 to 3), %d for "
      .. "validation (fold 4), %d for the test (fold 5, 397 clips), five captions each from the "
      .. "grammar of docs/data.md."):format(o.train, o.scenes, o.scenes)
  else
    lines[1] = ("%s; clip counts are in the JSON (clips, queries)."):format(o.data)
  end
  lines[2] = ("%d updates of %d pairs; test queries: %s; fusion weights fitted on validation."):format(
    updates, o.batch, o.data == "esc50" and ("%d"):format(QUERIES.esc50 * o.scenes) or "all captions")
  for _, name in ipairs(encoders) do
    if name == "small" then
      lines[#lines + 1] = "The encoder small (of nightjar-small) was itself trained on ESC-50's folds "
        .. "1 to 3, so its training frames are better than its test frames."
    end
  end
  return lines
end

-- The command that makes the tables, which is the running one but for --report.
local function command()
  local words = { "lua5.4", arg[0] }
  for _, word in ipairs(arg) do
    if word ~= "--report" then
      words[#words + 1] = word:find "^[%w%-_./=:,@+]+$" and word or ("'%s'"):format(word)
    end
  end
  return table.concat(words, " ")
end

--- Opens an experiment of this folder: { name, title, configurations = function(o) → list,
--- baseline, metrics, charts, encoders, updates = function(o) → number where not --steps }.
function setting.experiment(d)
  local o = parse(d.name, d.title)
  local seeds = {}
  for seed = 1, o.seeds do seeds[seed] = seed end
  local prefix = o.data == "esc50" and "" or o.data .. "-"
  local experiment = nj.experiment {
    name = prefix .. d.name, title = d.title, seeds = seeds, baseline = d.baseline,
    configurations = d.configurations(o), metrics = d.metrics or setting.metrics(),
    charts = d.charts, runs = fs.join(o.runs, "finished"), run = setting.runner(o),
    command = command(), about = about(o, d.encoders or { o.encoder }, d.updates and d.updates(o) or o.steps),
    setting = { version = VERSION, data = o.data, steps = o.steps, batch = o.batch, dim = o.dim,
      train = o.train, scenes = o.scenes, captioner_steps = o.captioner_steps },
  }
  local results
  if o.report then
    results = experiment:results()
  else
    open(o) -- data that is not there is an error at once, not one of every run
    results = experiment:run { only = o.only and function(config)
      return config.name:find(o.only, 1, true) ~= nil
    end or nil }
  end
  print(results)
  if not o.only then
    for _, path in ipairs(assert(results:write(o.out))) do print("wrote " .. path) end
  end
  return results
end

-- ---- configurations that several experiments share ----

--- Segments and phrases as all experiments but the second have them.
setting.segments = { kind = "cluster", tokens = 6, hidden = 64 }
setting.phrases = { kind = "cluster", tokens = 4, hidden = 64 }

-- What the levels' losses weigh when there are several. Chosen on validation scenes: with equal
-- weights the finest level, which is the best one, is worse than alone (experiment 3).
local LOSS_WEIGHTS = { clip = 0.3, segment = 0.3, frame = 1 }

--- A configuration of HCI with some levels; the same tables make the same runs everywhere. Tokens have
--- learnt weights, which validation scenes prefer by far (experiment 3).
---@param levels string[]
---@param more? table further options of hci; weights = false: every level's loss weighs 1
function setting.hci(levels, more)
  local hci = { levels = levels, interaction = "weighted" }
  for _, level in ipairs(levels) do
    if level == "segment" then hci.segments, hci.phrases = setting.segments, setting.phrases end
  end
  if #levels > 1 then hci.weights = LOSS_WEIGHTS end
  for key, value in pairs(more or {}) do hci[key] = value or nil end
  return hci
end

--- Uses of auxiliary captions, with what all experiments share. Of one training pair in four the
--- caption is a generated one.
---@param uses table augmentation, interaction, matching: true (matching: "joint" or "second", in a
---  stage of its own after the rest, or "words": the same by words, not by sentence vectors);
---  captions (4), source ("own")
function setting.ac(uses)
  return {
    source = uses.source or "own", captions = uses.captions or 4,
    augmentation = uses.augmentation and 0.25 or nil,
    interaction = uses.interaction and { layers = 1, heads = 4, hidden = 64, dropout = 0,
      positions = 128 } or nil,
    matching = uses.matching and { kind = uses.matching == "words" and "tokens" or "mean" } or nil,
    second_stage = (uses.matching == "second" or uses.matching == "words") or nil,
  }
end

setting.all_levels = { "clip", "segment", "frame" }

return setting
