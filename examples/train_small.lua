#!/usr/bin/env lua5.4
--- Trains nightjar-small, the model that ships in models/: a PANNs-style stack of ConvBlocks and a
--- two-layer text encoder, from scratch, on single clips and on scenes mixed from them.
---
---   lua5.4 examples/train_small.lua --esc50 DIR [--out FILE] [--run DIR] [--epochs N] [--scenes N]
---
--- DIR is ESC-50 (audio/ and meta/). Only clips whose own licence is CC0 or CC-BY are used: folds
--- 1 to 3 for training, fold 4 for choosing the best epoch and for calibration; fold 5 is for
--- examples/evaluate_small.lua. A run that was interrupted goes on where it stopped.
local nj = require "nightjar"

local parser = require "argparse"("train_small", "Train nightjar-small.")
parser:option("--esc50", "ESC-50's folder."):argname("DIR"):count(1)
parser:option("--out", "The model file to write."):default "models/nightjar-small.safetensors"
parser:option("--run", "Folder of checkpoints and log."):default "runs/nightjar-small"
parser:option("--epochs", "Passes over clips and scenes."):default("14"):convert(math.tointeger)
parser:option("--scenes", "Scenes in an epoch."):default("1600"):convert(math.tointeger)
parser:option("--seed", "Of everything random."):default("1"):convert(math.tointeger)
local options = parser:parse(arg)

local LICENCES = { "CC0", "CC-BY" }
local BATCH = 48

local function open(split)
  return assert(nj.data.esc50(options.esc50,
    { split = split, licences = LICENCES, strict = true, captions = "all", titles = split == "train" }))
end

-- The words of the model: pieces learnt from what the grammar can say, and from the titles.
local function learn_vocabulary(train, scenes)
  local lines = {}
  for _, clip in ipairs(train.clips) do
    for _, caption in ipairs(clip.captions) do lines[#lines + 1] = caption end
  end
  for i = 1, 4000 do
    for _, caption in ipairs(assert(scenes:get(i)).captions) do lines[#lines + 1] = caption end
  end
  return assert(nj.text.train_wordpiece(lines, { size = 2000, min_frequency = 2 }))
end

local function make_model(vocabulary)
  return nj.model({
    name = "nightjar-small",
    audio = {
      front_end = { preset = "panns", hop = 640 }, -- 20 ms, as ACT: half the cost of 10 ms
      encoder = {
        kind = "convnet", mels = 64, channels = { 16, 32, 64, 128, 256 },
        -- The last block keeps its time steps: a frame is 0.32 s.
        pool_time = { 2, 2, 2, 2, 1 }, pool_mel = { 2, 2, 2, 2, 2 },
        dropout = 0.1, time_width = 32, freq_width = 8,
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
    provenance = {
      trained_by = "examples/train_small.lua", seed = options.seed, epochs = options.epochs,
      scenes = options.scenes, data = "ESC-50 folds 1-3, clips licensed CC0 or CC-BY",
    },
  }, { rng = nj.rng(options.seed) })
end

-- R@10 of scenes of the validation fold, both directions: what the best epoch is chosen by.
local function make_evaluation(model, validation)
  local scenes = nj.data.scenes(validation, { seed = 77, size = 400 })
  local loader = nj.data.loader(scenes, { batch = 40, shuffle = false,
    front_end = model.audio_tower.front_end, tokenizer = model.text_tower.tokenizer })
  return function()
    local clips, texts = {}, {}
    for batch in loader:batches(1) do
      clips[#clips + 1] = model:encode_audio(batch.mel, batch.lengths)
      texts[#texts + 1] = model:encode_text(batch.ids, batch.mask)
    end
    local scores = nj.cat(texts, 1):matmul(nj.cat(clips, 1):transpose(1, 2))
    local r = nj.metrics.retrieval(scores, { bootstrap = 0 })
    return {
      t2a = r.text_to_audio["R@10"], a2t = r.audio_to_text["R@10"],
      both = (r.text_to_audio["R@10"] + r.audio_to_text["R@10"]) / 2,
    }
  end
end

local function fit(model, train, validation)
  local loader = nj.data.loader({ train, nj.data.scenes(train, { seed = options.seed,
    size = options.scenes }) }, {
    batch = BATCH, seed = options.seed, fresh = true, front_end = model.audio_tower.front_end,
    tokenizer = model.text_tower.tokenizer, augment = { gain = { -12, 3 } }, trim = true,
    cache_mb = 1500,
  })
  local steps = options.epochs * #loader
  local rng = nj.rng(options.seed, 2)
  return nj.train {
    model = model,
    batches = loader,
    optimizer = nj.optim.adamw(model, { lr = 1e-3, weight_decay = 0.01 }),
    schedule = nj.schedule.cosine { steps = steps, warmup = math.floor(steps * 0.08) },
    epochs = options.epochs,
    clip_grad = 2,
    rngs = { dropout = rng },
    step = function(batch)
      local clips = model:encode_audio(batch.mel, batch.lengths, rng)
      local texts = model:encode_text(batch.ids, batch.mask, rng)
      local scores = clips:matmul(texts:transpose(1, 2)) / model.log_temperature:exp()
      return nj.loss.nt_xent(scores, { temperature = 1, ids = batch.groups })
    end,
    evaluate = make_evaluation(model, validation),
    metric = "both",
    keep_best = 1,
    checkpoint = options.run,
    resume = true,
    log = options.run .. "/log.jsonl",
    progress = true,
  }
end

-- Probabilities: against a bank of training clips, on queries and clips of the validation fold. Texts
-- about sounds that are not there are the other clips' captions.
local function calibrate(model, train, validation)
  local evaluate = require "nightjar.evaluate"
  local bank = evaluate.clips(model, train:subset(function(_, i) return i % 3 == 0 end).clips)
  local vectors, kept = evaluate.clips(model, validation.clips)
  local texts, matches = {}, {}
  for class in pairs(nj.data.captions.lexicon) do
    for k, caption in ipairs(nj.data.captions.of(class)) do
      if k <= 4 then
        local row = {}
        for n, clip in ipairs(kept) do row[n] = clip.label == class end
        texts[#texts + 1], matches[#matches + 1] = caption, row
      end
    end
  end
  model.calibration = require("nightjar.model.calibration").fit(bank, model:text(texts), vectors,
    matches)
end

-- CC-BY asks for the names of those whose sounds these are; validation clips take part through
-- calibration.
local function write_attribution(sets)
  local rows = {}
  for _, set in ipairs(sets) do
    for _, clip in ipairs(set.clips) do
      rows[#rows + 1] = { clip = clip.id, author = clip.author, licence = clip.licence, url = clip.url }
    end
  end
  table.sort(rows, function(a, b) return a.clip < b.clip end)
  local path = options.out:gsub("%.safetensors$", "") .. ".attribution.csv"
  assert(require("nightjar.data.csv").write(path, rows,
    { columns = { "clip", "author", "licence", "url" } }))
end

local train, validation = open "train", open "val"
print(train)
print(validation)
local words = learn_vocabulary(train, nj.data.scenes(train, { seed = 1000 + options.seed, size = 4000 }))
print(("%d pieces of words"):format(#words))
local model = make_model(words)
print(model)
local result = fit(model, train, validation)
print(("stopped after %d steps (%s), %.0f s"):format(result.steps, result.stopped, result.seconds))
local best = result.best[1]
print(("best: epoch %d, R@10 of scenes %.1f"):format(best.epoch, best.metric))
assert(nj.train.load_weights(best.path, model))
model:eval()
calibrate(model, train, validation)
assert(model:save(options.out))
write_attribution { train, validation }
print("wrote " .. options.out)
