--- Second stage of nightjar-small: sounds and sentences meet.
---
--- The encoder of the first stage is held still and what it makes of single clips and scenes is computed once.
--- The text encoder and the head (projections, segments and phrases, the similarity of every level) learn from
--- pairs by NT-Xent at all levels; single clips must also pick their class among captions of all 50.
local nj = require "nightjar"
local evaluate = require "nightjar.evaluate"
local splits = require "examples.small.splits"

local match = {}

local SCENES, SINGLES = 40, 24 -- of a batch

-- An endless walk over 1 … n in a new order each time.
local function walk(n, rng)
  local order, at = {}, n
  for i = 1, n do order[i] = i end
  return function()
    if at == n then
      rng:shuffle(order)
      at = 0
    end
    at = at + 1
    return order[at]
  end
end

local function draw(next_row, count)
  local rows = {}
  for i = 1, count do rows[i] = next_row() end
  return rows
end

-- Batches: rows of the pools, a caption for each. A step of training is a function of its number and the seed.
local function batches(pools, steps_an_epoch, seed)
  return function(epoch)
    local rng = nj.rng(seed, 100 + epoch)
    local next_scene, next_single = walk(#pools.scenes.clips, rng), walk(#pools.singles.clips, rng)
    local n = 0
    return function()
      n = n + 1
      if n > steps_an_epoch then return nil end
      local batch = { texts = {}, ids = {}, scenes = draw(next_scene, SCENES),
        singles = draw(next_single, SINGLES), rng = rng }
      local function add(clip)
        batch.texts[#batch.texts + 1] = (rng:choice(clip.captions))
        batch.ids[#batch.ids + 1] = clip.group or clip.label
      end
      for _, row in ipairs(batch.scenes) do add(pools.scenes.clips[row]) end
      for _, row in ipairs(batch.singles) do add(pools.singles.clips[row]) end
      return batch
    end
  end
end

local function encode_texts(model, texts, rng)
  local ids, mask = model.text_tower:tokenize(texts)
  return model:text_levels(ids, mask, { rng = rng })
end

-- Each single clip among one caption of every class, at every level.
local function class_loss(model, singles, clips, classes, place, rng)
  local captions, targets = {}, {}
  for i, class in ipairs(classes) do captions[i] = (rng:choice(nj.data.captions.of(class))) end
  for i, clip in ipairs(clips) do targets[i] = place[clip.label] end
  targets = nj.tensor(targets, { dtype = "int64" })
  local levels = model.head:similarity(encode_texts(model, captions, rng), singles)
  local total
  for _, level in ipairs(model.head:levels()) do
    local scores = levels[level]:transpose(1, 2) / model.head:temperature(level)
    local term = nj.nn.cross_entropy(scores, targets)
    total = total and total + term or term
  end
  return total
end

-- Scenes of the validation fold in both directions, and class captions on its single clips.
local function make_evaluation(model, o)
  local scenes = assert(nj.data.scenes(o.validation, { seed = 77, size = 400 }):dataset())
  local prompts = {}
  for class in pairs(nj.data.captions.lexicon) do
    prompts[class] = table.move(nj.data.captions.of(class), 1, 6, 1, {})
  end
  local pool = nj.features.collect(model.audio_tower.encoder, nj.data.loader(scenes,
    { batch = 40, shuffle = false, front_end = model.audio_tower.front_end }))
  local texts = {}
  for i, clip in ipairs(pool.clips) do texts[i] = clip.captions[1] end
  return function()
    local rows = {}
    for i = 1, #pool.clips do rows[i] = i end
    local a = model.head:audio(pool:take(rows))
    local levels = model.head:similarity(encode_texts(model, texts), a)
    local fused = model.head:fit(levels, nil, { steps = 5 })
    local r = nj.metrics.retrieval(model.head:fuse(levels), { bootstrap = 0 })
    local classes = evaluate.classes(model, o.validation.clips, prompts)
    local scenes_mean = (r.text_to_audio["R@10"] + r.audio_to_text["R@10"]) / 2
    return { scenes = scenes_mean, R1 = fused.R1, mAP = classes.mAP, accuracy = classes.accuracy,
      both = (scenes_mean + classes.mAP) / 2 }
  end
end

local function make_pools(model, o)
  local shared = { batch = 32, shuffle = false, front_end = model.audio_tower.front_end, seed = o.seed,
    fresh = true, cache_mb = 1200, augment = { gain = { -12, 3 }, noise = { 8, 30 }, noise_rate = 0.3 } }
  local scenes = nj.data.scenes(o.train, { seed = o.seed + 100, size = o.scenes })
  local encoder = model.audio_tower.encoder
  return {
    scenes = nj.features.collect(encoder, nj.data.loader(scenes, shared)),
    singles = nj.features.collect(encoder, nj.data.loader(o.train, shared), { epochs = 3 }),
  }
end

--- Trains everything but the sound encoder, in place; gives nj.train's result.
---@param model any nightjar.Model whose sound encoder has learnt to hear
---@param o table train, validation (data sets), run (folder), seed, epochs, steps (of an epoch), scenes
function match.train(model, o)
  model:eval()
  local pools = make_pools(model, o)
  local evaluation = make_evaluation(model, o)
  local classes, place = splits.classes()
  local rng = nj.rng(o.seed, 3)
  local parameters = {}
  for _, p in ipairs(model:parameters()) do
    if not p.name:find "^audio%.encoder%." then parameters[#parameters + 1] = p end
  end
  local learner = {
    parameters = function() return parameters end, buffers = function() return model:buffers() end,
    train = function(_, on)
      model:train(on)
      model.audio_tower.encoder:eval()
    end,
  }
  learner.eval = function(self) self:train(false) end
  local steps = o.epochs * o.steps
  return nj.train {
    model = learner, batches = batches(pools, o.steps, o.seed), epochs = o.epochs, clip_grad = 2,
    rngs = { dropout = rng },
    optimizer = nj.optim.adamw(parameters, { lr = 1e-3, weight_decay = 0.02 }),
    schedule = nj.schedule.cosine { steps = steps, warmup = math.floor(steps * 0.05) },
    step = function(batch)
      local scenes = pools.scenes:take(batch.scenes)
      local singles = pools.singles:take(batch.singles)
      scenes.rng, singles.rng = rng, rng
      local of_singles = model.head:audio(singles)
      local a = model.head:collate_audio { model.head:audio(scenes), of_singles }
      local levels = model.head:similarity(encode_texts(model, batch.texts, rng), a)
      local loss, by_level = model.head:loss(levels, { ids = batch.ids })
      local clips = {}
      for i, row in ipairs(batch.singles) do clips[i] = pools.singles.clips[row] end
      local picks = class_loss(model, of_singles, clips, classes, place, rng)
      by_level.classes = picks
      return loss + 0.5 * picks, by_level
    end,
    evaluate = evaluation, evaluate_every = 2, metric = "both", keep_best = 1,
    early_stop = { patience = 1, min_delta = 0.2 }, checkpoint = o.run,
    resume = true, log = o.run .. "/log.jsonl", progress = true,
  }, learner
end

return match
