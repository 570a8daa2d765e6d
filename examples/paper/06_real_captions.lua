#!/usr/bin/env lua5.4
--- Experiment 6: text → clip through generated captions alone, on Clotho's evaluation split and
--- AudioCaps' test split, with a text encoder trained here on captions of the training splits.
---
---   lua5.4 examples/paper/06_real_captions.lua --root DIR [--seeds N] [--run DIR] [--out STEM]
---
--- DIR holds clotho/{development,validation,evaluation}_captions.csv, audiocaps/{train,test}.csv
--- and generated/ with what captioners wrote (conette_clotho_eval.jsonl,
--- conette_audiocaps_test.jsonl, jku_whisper_clotho_{validation,evaluation}.jsonl,
--- clotho_dev_plus_phi4.csv). No sound is read. The captioners were trained on the training splits of
--- the same corpora.
---
--- Everything is chosen on 400 clips of Clotho's validation split: hyper-parameters (by hand, with
--- --pilot) and fusion weights (by grid, here). The other 645 are training data, with the captions
--- that a captioner wrote about them: the only place where the encoder sees how captioners write.
---
--- A run that was interrupted goes on with the seeds that are missing in --run.
local folder = arg[0]:match "^(.*)/" or "."
package.path = folder .. "/real_captions/?.lua;" .. package.path

local fs = require "nightjar.fs"
local json = require "dkjson"
local nj = require "nightjar"

local corpora = require "corpora"
local Matcher = require "matcher"
local pooling = require "pooling"
local rows = require "rows"
local scoring = require "scoring"
local summary = require "summary"
local training = require "training"

local parser = require "argparse"("06_real_captions", "Text → clip through generated captions.")
parser:option("--root", "The folder of captions."):argname("DIR"):count(1)
parser:option("--seeds", "How many encoders."):default("5"):convert(math.tointeger)
parser:option("--run", "Folder of what each seed gave."):default "runs/06_real_captions"
parser:option("--out", "Results: STEM.json, STEM.md."):argname("STEM")
  :default "docs/results/06_real_captions"
parser:option("--threads", "Threads."):default("1"):convert(math.tointeger)
parser:option("--steps", "Training steps."):default("600"):convert(math.tointeger)
parser:option("--mix", "Kinds of batches, in turn."):argname("KINDS")
  :default "development development validation audiocaps"
parser:flag("--pilot", "Train seed 1 and measure on the clips kept for choosing alone.")
local options = parser:parse(arg)
nj.threads(options.threads)

local HELD = 400 -- clips of Clotho's validation split that choose

local MODEL = { width = 128, layers = 0, heads = 4, vocabulary = 6000, dropout = 0.1 }
local TRAINING = {
  batch = 256, steps = options.steps, warmup = 20, rate = 3e-3, weight_rate = 5e-3,
  network_rate = 5e-4, decay = 0.01, most = 5, thin = 0.1, shared = 0.3, sentences = 1, tokens = 1,
  token_batch = 64,
  mix = options.mix, every = 100,
}
local POOL = { steps = 300, batch = 256, rate = 5e-4, most = 6 }

local function log(text) io.stderr:write(text, "\n") end

-- ---- data ----

local function load_data()
  local data = {
    development = corpora.development(options.root),
    audiocaps = corpora.audiocaps_train(options.root), validation = {}, held = {}, texts = {},
  }
  local all, order = corpora.validation(options.root), {}
  for i = 1, #all do order[i] = i end
  nj.rng(7):shuffle(order)
  for place, i in ipairs(order) do
    local part = place <= HELD and data.held or data.validation
    part[#part + 1] = all[i]
  end
  for _, groups in ipairs { data.development, data.audiocaps } do
    for _, group in ipairs(groups) do
      table.move(group.texts, 1, #group.texts, #data.texts + 1, data.texts)
    end
  end
  return data
end

-- What is searched: groups, and which of their captions, with the number of validation captions that
-- fusion weights are fitted with.
local function load_tests()
  local evaluation = corpora.evaluation(options.root)
  local test, listed = corpora.audiocaps_test(options.root)
  local function set(name, groups, captions, last, fitted, all)
    local texts, clip_of = scoring.queries(groups)
    return {
      name = name, captions = captions, clip_of = clip_of, queries = texts, clips = #groups,
      documents = scoring.documents(groups, 1, last), fitted = fitted, k = last, all = all,
    }
  end
  return {
    set("Clotho evaluation", evaluation, "CoNeTTE, the best", 1, 1),
    set("Clotho evaluation", evaluation, "CoNeTTE, 3 beams", 3, 3),
    set("Clotho evaluation", evaluation, "CoNeTTE's 3, JKU's 6", 9, 6, true),
    set("AudioCaps test", test, "CoNeTTE, the best", 1, 1),
    set("AudioCaps test", test, "CoNeTTE, 3 beams", 3, 3, true),
  }, listed
end

-- The clips that choose, by the number of captions.
local function choosing(data)
  local texts, clip_of = scoring.queries(data.held)
  local out = {}
  for _, k in ipairs { 1, 3, 6 } do
    out[k] = {
      queries = texts, clip_of = clip_of, clips = #data.held, k = k,
      documents = scoring.documents(data.held, 1, k),
    }
  end
  return out
end

-- ---- one seed ----

local function train_seed(data, seed, evaluate)
  local model, plan = { seed = seed }, { seed = seed, evaluate = evaluate }
  for key, value in pairs(MODEL) do model[key] = value end
  for key, value in pairs(TRAINING) do plan[key] = value end
  local matcher = Matcher.new(data.texts, model)
  if evaluate then evaluate(0, matcher) end
  plan.evaluate = evaluate and function(step) evaluate(step, matcher) end
  local seconds = training.run(matcher, data, plan, log)
  local began = os.clock()
  local pool = pooling.train(matcher, data, {
    steps = POOL.steps, batch = POOL.batch, rate = POOL.rate, most = POOL.most, seed = seed,
  })
  return matcher, pool, seconds + os.clock() - began
end

local function run_seed(data, tests, seed)
  local path = fs.join(options.run, ("seed-%d.json"):format(seed))
  local saved = fs.read(path)
  if saved then return assert(json.decode(saved)) end
  log(("seed %d"):format(seed))
  local result = { seed = seed, rows = {}, weights = {} }
  local untrained = Matcher.new(data.texts, setmetatable({ seed = seed }, { __index = MODEL }))
  local matcher, pool, seconds = train_seed(data, seed)
  result.train_seconds = seconds
  nj.no_grad(function()
    local weights = {}
    for k, set in pairs(choosing(data)) do
      weights[k] = rows.fit(rows.scores(matcher, pool, set), set)
      result.weights[tostring(k)] = weights[k]
    end
    for _, set in ipairs(tests) do
      for _, row in ipairs(rows.measure(matcher, pool, untrained, set, weights[set.fitted], seed)) do
        result.rows[#result.rows + 1] = row
      end
      log(("seed %d: %s, %s"):format(seed, set.name, set.captions))
    end
  end)
  assert(fs.make_folders(options.run))
  assert(fs.write(path, json.encode(result, { indent = true })))
  return result
end

-- ---- all ----

local data = load_data()
if options.pilot then
  local sets = choosing(data)
  local bm25 = rows.recall(nj.bm25(sets[6].documents):scores(sets[6].queries), sets[6].clip_of)
  log("BM25, 6 captions: " .. bm25)
  local matcher, pool = train_seed(data, 1, function(step, matcher)
    nj.no_grad(function()
      for name, S in pairs(rows.scores(matcher, nil, sets[6])) do
        log(("  %d %s %s"):format(step, name, rows.recall(S, sets[6].clip_of)))
      end
    end)
  end)
  nj.no_grad(function()
    local S = rows.scores(matcher, pool, sets[6])
    log("transformer " .. rows.recall(S.transformer, sets[6].clip_of))
    local weights = rows.fit(S, sets[6])
    log(json.encode(weights) .. " " .. rows.recall(rows.fuse(S, weights.words), sets[6].clip_of))
  end)
  return
end

local tests, listed = load_tests()
local results = {}
for seed = 1, options.seeds do results[seed] = run_seed(data, tests, seed) end
summary.write(options.out, {
  results = results, listed = listed, model = MODEL, training = TRAINING, pool = POOL,
  counts = {
    development = #data.development, audiocaps = #data.audiocaps, validation = #data.validation,
    held = #data.held,
  },
  command = ("lua5.4 examples/paper/06_real_captions.lua --root DIR --seeds %d --steps %d "
    .. "--mix '%s'"):format(options.seeds, options.steps, options.mix),
})
log(("%s.json, %s.md"):format(options.out, options.out))
