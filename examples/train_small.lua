#!/usr/bin/env lua5.4
--- Trains nightjar-small, the model that ships in models/: a PANNs-style stack of ConvBlocks and a
--- two-layer text encoder, from scratch, on single clips and on scenes mixed from them.
---
---   lua5.4 examples/train_small.lua --esc50 DIR [--out FILE] [--run DIR] [--epochs N] [--scenes N]
---
--- DIR is ESC-50 (audio/ and meta/). Only clips whose own licence is CC0 or CC-BY are used: folds
--- 1 to 3 for training, fold 4 for choosing the best epoch and for calibration; fold 5 is for
--- examples/evaluate_small.lua. A run that was interrupted goes on where it stopped.
---
--- Two stages. The first learns from single clips and scenes together by NT-Xent over the batch. The
--- second sharpens what scenes alone leave vague, which of two similar sounds it is: mostly single
--- clips with noise under them, each of which must also pick its class among captions of all 50.
local nj = require "nightjar"

local parser = require "argparse"("train_small", "Train nightjar-small.")
parser:option("--esc50", "ESC-50's folder."):argname("DIR"):count(1)
parser:option("--out", "The model file to write."):default "models/nightjar-small.safetensors"
parser:option("--run", "Folder of checkpoints and log."):default "runs/nightjar-small"
parser:option("--epochs", "Passes over clips and scenes."):default("16"):convert(math.tointeger)
parser:option("--refine", "Passes of the second stage."):default("24"):convert(math.tointeger)
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

-- time_width: SpecAugment's stripes while training, in frames of 20 ms.
local function make_model(vocabulary, time_width)
  return nj.model({
    name = "nightjar-small",
    audio = {
      front_end = { preset = "panns", hop = 640 }, -- 20 ms, as ACT: half the cost of 10 ms
      encoder = {
        kind = "convnet", mels = 64, channels = { 16, 32, 64, 128, 256 },
        -- The last block keeps its time steps: a frame is 0.32 s.
        pool_time = { 2, 2, 2, 2, 1 }, pool_mel = { 2, 2, 2, 2, 2 },
        dropout = 0.1, time_width = time_width, freq_width = 8,
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
      refine = options.refine, scenes = options.scenes, data = "ESC-50 folds 1-3, clips licensed CC0 or CC-BY",
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

-- The second stage is chosen by the mean of that and of the mAP of class captions on single clips.
local function make_refined_evaluation(model, validation)
  local of_scenes, evaluate = make_evaluation(model, validation), require "nightjar.evaluate"
  local prompts = {}
  for class in pairs(nj.data.captions.lexicon) do
    prompts[class] = table.move(nj.data.captions.of(class), 1, 6, 1, {})
  end
  return function()
    local scenes = of_scenes().both
    local classes = evaluate.classes(model, validation.clips, prompts)
    return { scenes = scenes, mAP = classes.mAP, accuracy = classes.accuracy,
      both = (scenes + classes.mAP) / 2 }
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
    evaluate_every = 2,
    metric = "both",
    keep_best = 1,
    checkpoint = options.run,
    resume = true,
    log = options.run .. "/log.jsonl",
    progress = true,
  }
end

-- One caption of each class, drawn anew for each step, and the place of each class among them.
local function make_class_captions()
  local classes, place = {}, {}
  for class in pairs(nj.data.captions.lexicon) do classes[#classes + 1] = class end
  table.sort(classes)
  for i, class in ipairs(classes) do place[class] = i end
  return place, function(rng)
    local list = {}
    for i, class in ipairs(classes) do list[i] = (rng:choice(nj.data.captions.of(class))) end
    return list
  end
end

-- Batches of single clips, and after every fourth of them one of scenes.
local function interleave(singles, scenes)
  return function(epoch)
    local next_single, next_scene, n = singles:batches(epoch), scenes:batches(epoch), 0
    return function()
      n = n + 1
      if n % 5 == 0 then
        local batch = next_scene()
        if batch then return batch end
      end
      return next_single()
    end
  end
end

local function refine(model, train, validation)
  -- Whole clips, silence included: a search meets them so.
  local shared = { seed = options.seed + 100, front_end = model.audio_tower.front_end,
    tokenizer = model.text_tower.tokenizer, cache_mb = 1500 }
  local function loader(source, more)
    for key, value in pairs(shared) do more[key] = value end
    return nj.data.loader(source, more)
  end
  local singles = loader(train, { batch = BATCH, augment = { gain = { -12, 3 }, noise = { 5, 30 },
    noise_rate = 0.4 } })
  local scenes = loader(nj.data.scenes(train, { seed = options.seed + 100, size = 200 }),
    { batch = BATCH // 2, fresh = true })
  local steps = options.refine * (#singles + #singles // 4)
  local rng = nj.rng(options.seed, 3)
  local place, captions = make_class_captions()
  local function class_loss(clips, batch)
    local targets = {}
    for i, clip in ipairs(batch.clips) do
      if not place[clip.label] then return nil end -- a batch of scenes
      targets[i] = place[clip.label]
    end
    local ids, mask = model.text_tower:tokenize(captions(rng))
    local texts = model:encode_text(ids, mask, rng)
    local scores = clips:matmul(texts:transpose(1, 2)) / model.log_temperature:exp()
    return nj.nn.cross_entropy(scores, nj.tensor(targets, { dtype = "int64" }))
  end
  return nj.train {
    model = model,
    batches = interleave(singles, scenes),
    optimizer = nj.optim.adamw(model, { lr = 1e-3, weight_decay = 0.01 }),
    schedule = nj.schedule.cosine { steps = steps, warmup = math.floor(steps * 0.05) },
    epochs = options.refine,
    clip_grad = 2,
    rngs = { dropout = rng },
    step = function(batch)
      local clips = model:encode_audio(batch.mel, batch.lengths, rng)
      local texts = model:encode_text(batch.ids, batch.mask, rng)
      local scores = clips:matmul(texts:transpose(1, 2)) / model.log_temperature:exp()
      local loss = nj.loss.nt_xent(scores, { temperature = 1, ids = batch.groups })
      local classes = class_loss(clips, batch)
      return classes and loss + classes or loss
    end,
    evaluate = make_refined_evaluation(model, validation),
    evaluate_every = 6,
    metric = "both",
    keep_best = 1,
    checkpoint = options.run .. "/refine",
    resume = true,
    log = options.run .. "/refine/log.jsonl",
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
local function run_stage(stage, model)
  local result = stage(model, train, validation)
  local best = result.best[1]
  print(("%d steps (%s), %.0f s; best: epoch %d, %.1f"):format(result.steps, result.stopped,
    result.seconds, best.epoch, best.metric))
  assert(nj.train.load_weights(best.path, model))
  return model
end

print(make_model(words, 32))
local first = run_stage(fit, make_model(words, 32))
-- Short events would vanish under stripes of 0.6 s, so the second stage has shorter ones.
local model = run_stage(refine, make_model(words, 8):load_state(first:state()))
model:eval()
calibrate(model, train, validation)
assert(model:save(options.out))
write_attribution { train, validation }
print("wrote " .. options.out)
