#!/usr/bin/env lua5.4
--- Trains a captioner on single clips and on scenes mixed from them, with captions from the grammar.
---
---   lua5.4 examples/train_captioner.lua --esc50 DIR [--model FILE] [--joint] [--out FILE] …
---
--- It hears with the audio encoder of a retrieval model. That is frozen, and the frames of all clips
--- and scenes are computed once and kept in memory; with --joint it is trained, too, on scenes that
--- are new in every epoch, which takes many times as long. Folds 1 to 3 of ESC-50 serve for training
--- and fold 4 for choosing the best epoch; only clips whose own licence is CC0 or CC-BY are used. A
--- run that was interrupted goes on where it stopped.
local nj = require "nightjar"

local parser = require "argparse"("train_captioner", "Train a captioner.")
parser:option("--esc50", "ESC-50's folder."):argname("DIR"):count(1)
parser:option("--model", "The retrieval model whose audio encoder is used.")
  :default "runs/nightjar-small.safetensors"
parser:flag("--joint", "Train the audio encoder, too.")
parser:option("--out", "The file to write."):default "runs/captioner/captioner.safetensors"
parser:flag("--half", "Write float16: half the size, rounded.")
parser:option("--run", "Folder of checkpoints and log."):default "runs/captioner"
parser:option("--epochs", "Passes over clips and scenes."):default("20"):convert(math.tointeger)
parser:option("--scenes", "Scenes for training."):default("3000"):convert(math.tointeger)
parser:option("--validate", "Scenes for validation."):default("200"):convert(math.tointeger)
parser:option("--batch", "Clips of a step."):default("48"):convert(math.tointeger)
parser:option("--vocabulary", "Pieces of words."):default("1000"):convert(math.tointeger)
parser:option("--width", "Of the decoder."):default("128"):convert(math.tointeger)
parser:option("--layers", "Of the decoder."):default("2"):convert(math.tointeger)
parser:option("--lr", "The highest learning rate."):default("1e-3"):convert(tonumber)
parser:option("--dropout", "Reached after a third of the steps, from 0."):default("0.2")
  :convert(tonumber)
parser:option("--seed", "Of everything random."):default("1"):convert(math.tointeger)
local options = parser:parse(arg)

local function open(split)
  return assert(nj.data.esc50(options.esc50,
    { split = split, licences = { "CC0", "CC-BY" }, strict = true, captions = "all" }))
end

local function learn_vocabulary(sources)
  local lines = {}
  for _, clip in ipairs(sources.clips.clips) do
    for _, caption in ipairs(clip.captions) do lines[#lines + 1] = caption end
  end
  for i = 1, options.scenes do
    for _, caption in ipairs(assert(sources.scenes:get(i)).captions) do lines[#lines + 1] = caption end
  end
  return assert(nj.text.train_wordpiece(lines, { size = options.vocabulary }))
end

local function make_captioner(vocabulary, model)
  local captioner = nj.captioner({
    name = "nightjar-captioner",
    vocabulary = vocabulary,
    audio = model.audio_tower:descriptor(),
    freeze_audio = not options.joint,
    decoder = { width = options.width, layers = options.layers, heads = 4,
      dropout = options.dropout },
    provenance = { trained_by = "examples/train_captioner.lua", seed = options.seed,
      epochs = options.epochs, scenes = options.scenes, ears = model.name, joint = options.joint,
      data = "ESC-50 folds 1-3, clips licensed CC0 or CC-BY" },
  }, { rng = nj.rng(options.seed) })
  return captioner:load_audio(model)
end

-- ---- frames, once ----

-- { frames (N, C), captions } of everything that a loader gives.
local function listen_to_all(captioner, source, label)
  local loader <close> = nj.data.loader(source, { batch = options.batch, shuffle = false,
    last = "keep", front_end = captioner.audio_tower.front_end, cache_mb = 1000 })
  local items, bar = {}, nj.progress.new { label = label, total = #loader }
  for batch in loader:batches(1) do
    local frames, mask = nj.no_grad(function() return captioner:listen(batch.mel, batch.lengths) end)
    local lengths = mask:to "int64":sum(2)
    for i, clip in ipairs(batch.clips) do
      items[#items + 1] = { frames = frames[{ i, { 1, lengths[i] } }]:clone(), captions = clip.captions }
    end
    bar:update(batch.number)
  end
  bar:finish()
  return items
end

-- Frames of items as a batch, padded to the longest.
local function stack(items)
  local longest, padded, masks = 0, {}, {}
  for _, item in ipairs(items) do longest = math.max(longest, item.frames.shape[1]) end
  for i, item in ipairs(items) do
    local n = item.frames.shape[1]
    padded[i] = item.frames:pad { { 0, longest - n }, { 0, 0 } }
    masks[i] = nj.arange(1, longest):le(n)
  end
  return nj.stack(padded, 1), nj.stack(masks, 1)
end

-- Batches of an epoch in an order, and with captions, that the seed and the epoch say.
local function shuffled(items)
  return function(epoch)
    local rng, order, at = nj.rng(options.seed, 1000 + epoch), {}, 0
    for i = 1, #items do order[i] = i end
    rng:shuffle(order)
    return function()
      if at + options.batch > #items then return nil end
      local chosen, captions = {}, {}
      for i = 1, options.batch do
        chosen[i] = items[order[at + i]]
        captions[i] = (rng:choice(chosen[i].captions))
      end
      at = at + options.batch
      local frames, mask = stack(chosen)
      return { frames = frames, frame_mask = mask, captions = captions }
    end
  end
end

-- ---- training ----

-- Captions of the validation scenes, compared with theirs.
local function describe_all(captioner, items)
  local texts, references = {}, {}
  for first = 1, #items, options.batch do
    local some = table.move(items, first, math.min(#items, first + options.batch - 1), 1, {})
    local frames, mask = stack(some)
    for i, list in ipairs(captioner:caption(frames, { mask = mask, beam = 3 })) do
      texts[#texts + 1], references[#references + 1] = list[1].text, some[i].captions
    end
  end
  return nj.metrics.captions(texts, references), texts
end

local function fit(captioner, sources, validation)
  local batches, per_epoch
  if options.joint then
    batches = nj.data.loader({ sources.clips, sources.scenes }, { batch = options.batch,
      seed = options.seed, fresh = true, front_end = captioner.audio_tower.front_end,
      tokenizer = captioner.tokenizer, cache_mb = 1000 })
    per_epoch = #batches
  else
    local items = listen_to_all(captioner, { sources.clips, sources.scenes }, "listening")
    batches, per_epoch = shuffled(items), #items // options.batch
  end
  local steps, rng = options.epochs * per_epoch, nj.rng(options.seed, 2)
  return nj.train {
    model = captioner,
    batches = batches,
    optimizer = nj.optim.adamw(captioner, { lr = options.lr, weight_decay = 0.01 }),
    schedule = nj.schedule.cosine { steps = steps, warmup = math.floor(steps * 0.05) },
    epochs = options.epochs,
    clip_grad = 1,
    rngs = { dropout = rng },
    step = function(batch, info)
      local rise = math.min(1, 3 * info.step / steps)
      return captioner:loss(batch, { rng = rng, dropout = options.dropout * rise })
    end,
    evaluate = function()
      local items = options.joint
        and listen_to_all(captioner, validation, "validation") or validation
      local r = describe_all(captioner, items)
      return { word_f1 = r.word_f1, bigram_f1 = r.bigram_f1, exact = r.exact }
    end,
    evaluate_every = math.max(1, options.epochs // 10),
    metric = "bigram_f1",
    keep_best = 1,
    checkpoint = options.run,
    resume = true,
    log = options.run .. "/log.jsonl",
    progress = true,
  }
end

local model = assert(nj.load(options.model))
local train, held_out = open "train", open "val"
local sources = { clips = train,
  scenes = nj.data.scenes(train, { seed = options.seed, size = options.scenes }) }
local scenes = nj.data.scenes(held_out, { seed = 77, size = options.validate })
local captioner = make_captioner(learn_vocabulary(sources), model)
print(captioner)
local validation = options.joint and scenes or listen_to_all(captioner, scenes, "validation")
local result = fit(captioner, sources, validation)
local best = result.best[1]
print(("%d steps (%s), %.0f s; best: epoch %d, bigram F1 %.1f"):format(result.steps, result.stopped,
  result.seconds, best.epoch, best.metric))
assert(nj.train.load_weights(best.path, captioner))
captioner:eval()
local items = options.joint and listen_to_all(captioner, scenes, "validation") or validation
local metrics, texts = describe_all(captioner, items)
print(metrics)
for i = 1, math.min(5, #texts) do print(("  %s\n    (%s)"):format(texts[i], items[i].captions[1])) end
assert(captioner:save(options.out, { dtype = options.half and "float16" or "float32" }))
print("wrote " .. options.out)
