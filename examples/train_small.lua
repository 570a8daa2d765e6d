#!/usr/bin/env lua5.4
--- Trains nightjar-small, a model of fifty classes (it came with nightjar before nightjar-base), from
--- scratch: an encoder of sounds, an encoder of
--- texts, and a head that compares them at three levels (clip and sentence, segments and phrases, frames and
--- words).
---
---   lua5.4 examples/train_small.lua --esc50 DIR [--out FILE] [--run DIR] [--seed N]
---
--- DIR is ESC-50 (audio/ and meta/). Only clips whose own licence is CC0 or CC-BY are used: folds 1 to 3 for
--- training, fold 4 for choosing epochs, for the fusion of the levels and for calibration; fold 5 is for
--- examples/evaluate_esc50.lua. A run that was interrupted goes on where it stopped.
---
--- First the sound encoder learns to hear (examples/small/hear.lua): which class sounds, and when. Then sounds
--- and sentences meet (examples/small/match.lua), by NT-Xent at every level, with the sound encoder held still.
local nj = require "nightjar"
local calibration = require "nightjar.model.calibration"
local csv = require "nightjar.data.csv"
local hear = require "examples.small.hear"
local match = require "examples.small.match"
local splits = require "examples.small.splits"

local parser = require "argparse"("train_small", "Train nightjar-small.")
parser:option("--esc50", "ESC-50's folder."):argname("DIR"):count(1)
parser:option("--out", "The model file to write."):default "runs/nightjar-small.safetensors"
parser:option("--run", "Folder of checkpoints and logs."):default "runs/nightjar-small"
parser:option("--hear", "Passes of the first stage."):default("18"):convert(math.tointeger)
parser:option("--match", "Passes of the second stage."):default("24"):convert(math.tointeger)
parser:option("--steps", "Steps in a pass of the second stage."):default("100"):convert(math.tointeger)
parser:option("--scenes", "Scenes of the second stage."):default("4000"):convert(math.tointeger)
parser:option("--threads", "Of the computation."):default("2"):convert(math.tointeger)
parser:option("--seed", "Of everything random."):default("1"):convert(math.tointeger)
local options = parser:parse(arg)

local function make_model(vocabulary)
  return nj.model({
    name = "nightjar-small",
    audio = {
      front_end = { preset = "panns", hop = 640 }, -- 20 ms, as ACT: half the cost of 10 ms
      encoder = {
        kind = "convnet", mels = 64, channels = { 16, 32, 64, 128, 256 },
        -- The last block keeps its time steps: a frame is 0.32 s.
        pool_time = { 2, 2, 2, 2, 1 }, pool_mel = { 2, 2, 2, 2, 2 },
        -- Stripes of 0.16 s: wider ones wipe out short events.
        dropout = 0.1, time_width = 8, freq_width = 8,
      },
    },
    text = {
      vocabulary = vocabulary,
      encoder = { kind = "bert", width = 128, layers = 2, heads = 4, feed_forward = 256,
        positions = 64, types = 1, dropout = 0.1 },
      sentence = "mean",
    },
    dim = 256,
    temperature = 0.07,
    hci = {
      levels = { "clip", "segment", "frame" }, interaction = "weighted",
      segments = { kind = "cluster", tokens = 8 }, phrases = { kind = "cluster", tokens = 5 },
    },
    provenance = {
      trained_by = "examples/train_small.lua", seed = options.seed, hear = options.hear,
      match = options.match, steps = options.steps, scenes = options.scenes,
      data = "ESC-50 folds 1-3, clips licensed CC0 or CC-BY",
    },
  }, { rng = nj.rng(options.seed) })
end

local function report(stage, result)
  local best = result.best[1]
  print(("%s: %d steps, %.0f s; best: epoch %d, %.1f"):format(stage, result.steps, result.seconds,
    best.epoch, best.metric))
  return best.path
end

-- How much each level counts: what finds the scenes of the validation fold.
local function fit_fusion(model, validation)
  local evaluate = require "nightjar.evaluate"
  local scenes = assert(nj.data.scenes(validation, { seed = 78, size = 500 }):dataset())
  local S, clip_of = assert(evaluate.similarity(model, scenes))
  local fitted = model:fit_fusion(S, clip_of)
  print(("fusion: R@1 %.1f, equal weights %.1f"):format(fitted.R1, fitted.before))
end

local function paths_of(clips)
  local paths = {}
  for i, clip in ipairs(clips) do paths[i] = clip.path end
  return paths
end

-- How sure a choice among labels may be: the temperature at which the validation clips' own classes are most
-- probable.
local function fit_choice(model, clips, validation)
  local labels = {}
  for i, clip in ipairs(validation.clips) do labels[i] = clip.label end
  local fitted = model:classifier((splits.classes())):fit(clips, labels)
  print(("temperature of a choice: %.4f, learnt %.4f"):format(fitted.temperature, fitted.before))
  model.classification = { temperature = fitted.temperature }
end

-- Probabilities: against a bank of training clips, on queries and clips of the validation fold. Texts about
-- sounds that are not there are the other clips' captions.
local function calibrate(model, train, validation)
  local background = model:audio(paths_of(train:subset(function(_, i) return i % 3 == 0 end).clips))
  local vectors = {}
  for i, clip in ipairs(background) do vectors[i] = clip.vector end
  local clips = model:audio(paths_of(validation.clips))
  local texts, matches = {}, {}
  for _, class in ipairs((splits.classes())) do
    for _, caption in ipairs(table.move(nj.data.captions.of(class), 1, 4, 1, {})) do
      local row = {}
      for n, clip in ipairs(validation.clips) do row[n] = clip.label == class end
      texts[#texts + 1], matches[#matches + 1] = caption, row
    end
  end
  local own = {}
  for i, clip in ipairs(clips) do own[i] = clip.vector end
  local S = model:similarity(texts, clips)
  model.calibration = calibration.fit(nj.stack(vectors, 1), model:text(texts), nj.stack(own, 1), matches,
    S.scores)
  fit_choice(model, clips, validation)
end

-- CC-BY asks for the names of those whose sounds these are; validation clips take part through calibration.
local function write_attribution(sets)
  local rows = {}
  for _, set in ipairs(sets) do
    for _, clip in ipairs(set.clips) do
      rows[#rows + 1] = { clip = clip.id, author = clip.author, licence = clip.licence, url = clip.url }
    end
  end
  table.sort(rows, function(a, b) return a.clip < b.clip end)
  local path = options.out:gsub("%.safetensors$", "") .. ".attribution.csv"
  assert(csv.write(path, rows, { columns = { "clip", "author", "licence", "url" } }))
end

nj.threads(options.threads)
local train, validation = splits.open(options.esc50, "train"), splits.open(options.esc50, "val")
print(train)
print(validation)
local model = make_model(splits.vocabulary(train, options.seed))
print(model)

local heard, hearer = hear.train(model.audio_tower.encoder, { train = train, validation = validation,
  seed = options.seed, front_end = model.audio_tower.front_end, run = options.run .. "/hear",
  epochs = options.hear })
assert(nj.train.load_weights(report("hear", heard), hearer))

local matched, matcher = match.train(model, { train = train, validation = validation, seed = options.seed,
  run = options.run .. "/match", epochs = options.match, steps = options.steps, scenes = options.scenes })
assert(nj.train.load_weights(report("match", matched), matcher))

model:eval()
fit_fusion(model, validation)
calibrate(model, train, validation)
assert(model:save(options.out, { dtype = "float16" }))
write_attribution { train, validation }
print("wrote " .. options.out)
