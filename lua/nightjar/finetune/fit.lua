--- Training of what lies behind a frozen audio encoder, over its features.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local measure = require "nightjar.finetune.measure"
local optim = require "nightjar.optim"
local schedule = require "nightjar.schedule"
local train = require "nightjar.train"

local fit = {}

-- An epoch goes over all clips once, each with one of its captions; what it holds is a function of the
-- epoch and the seed. The rest that does not fill a batch is left for another epoch.
local function batches_of(set, meanings, o)
  local size = math.min(o.batch, #set)
  return function(epoch)
    local rng, order, at = core.rng(o.seed, 100 + epoch), {}, 0
    for i = 1, #set do order[i] = i end
    rng:shuffle(order)
    return function()
      if at + size > #order then return nil end
      local batch = { rows = {}, texts = {}, ids = {} }
      for b = 1, size do
        local i = order[at + b]
        local clip = set.clips[i]
        batch.rows[b], batch.texts[b] = i, (rng:choice(clip.captions))
        -- Clips that mean the same are no negatives, nor is one that the same is said of.
        batch.ids[b] = meanings[i] ~= clip.id and meanings[i] or batch.texts[b]:lower()
      end
      at = at + size
      return batch
    end
  end
end

--- What is trained: everything but the audio encoder and, unless it is to be, the text encoder.
---@param model nightjar.Model
---@param with_text boolean
---@return table learner as nj.train takes a model
---@return { name: string, tensor: nightjar.Tensor }[] parameters
function fit.learner(model, with_text)
  local parameters = {}
  for _, p in ipairs(model:parameters()) do
    local frozen = p.name:find "^audio%.encoder%." or not with_text and p.name:find "^text%.encoder%."
    if not frozen then parameters[#parameters + 1] = p end
  end
  local learner = { parameters = function() return parameters end, buffers = function() return {} end }
  function learner.train(_, on)
    model:train(on)
    model.audio_tower.encoder:eval()
    if not with_text then model.text_tower.encoder:eval() end
  end
  function learner.eval(self) self:train(false) end
  return learner, parameters
end

-- A text encoder that knows its words already moves more slowly than what is new.
local function optimizer_of(parameters, o, fresh_text)
  if fresh_text then
    return optim.adamw(parameters, { lr = o.lr, weight_decay = o.weight_decay })
  end
  local known, new = {}, {}
  for _, p in ipairs(parameters) do
    -- The rows of a table of words that are trained are mostly new.
    local list = p.name:find "^text%.encoder%." and p.name ~= "text.encoder.delta" and known or new
    list[#list + 1] = p
  end
  local groups = { { params = new } }
  if #known > 0 then groups[2] = { params = known, lr = o.lr / 5 } end
  return optim.adamw(groups, { lr = o.lr, weight_decay = o.weight_decay })
end

-- The text encoder without gradients, where it stays as it is.
local function text_levels(model, texts, rng, with_text)
  local ids, mask = model.text_tower:tokenize(texts)
  if with_text then return model:text_levels(ids, mask, { rng = rng }) end
  local words, word_mask, sentence, weights = core.no_grad(function()
    return model.text_tower:features(ids, mask)
  end)
  return model.head:text { words = words, mask = word_mask, sentence = sentence, weights = weights, rng = rng }
end

--- Trains a model on a set of features and leaves it with the weights of the best epoch.
---@param model nightjar.Model
---@param sets { train: nightjar.FeatureSet, validation: nightjar.FeatureSet }
---@param o table of nj.finetune, with fresh_text and with_text
---@param rehearsed? table of finetune/rehearsal.lua: what is to be kept
---@return table result of nj.train
function fit.run(model, sets, o, rehearsed)
  local learner, parameters = fit.learner(model, o.with_text)
  local source = batches_of(sets.train, (measure.meanings(sets.train.clips)), o)
  local steps = o.epochs * (#sets.train // math.min(o.batch, #sets.train))
  local rng = core.rng(o.seed, 2)
  local result = train.run {
    model = learner, batches = source, epochs = o.epochs, clip_grad = 2, rngs = { dropout = rng },
    optimizer = optimizer_of(parameters, o, o.fresh_text),
    schedule = schedule.cosine { steps = steps, warmup = math.min(steps // 10, 100) },
    step = function(batch)
      local a = sets.train:take(batch.rows)
      a.rng = rng
      local heard = model.head:audio(a)
      if a.tags then heard.caption = nil end -- nothing of the tags' level is trained by itself
      local function encode(texts) return text_levels(model, texts, rng, o.with_text) end
      local loss = model.head:loss(model.head:similarity(encode(batch.texts), heard), { ids = batch.ids })
      if not rehearsed then return loss end
      return loss + rehearsed:loss(a, heard, rng, encode)
    end,
    evaluate = function()
      local m = measure.measure(measure.compare(model, sets.validation), { bootstrap = 0, seed = 1 })
      return { score = m.score, recall = m.recall, mAP = m.classes and m.classes.mAP }
    end,
    evaluate_every = o.evaluate_every, metric = "score", keep_best = 1,
    early_stop = o.patience and { patience = o.patience } or nil, checkpoint = o.run, resume = true,
    log = fs.join(o.run, "log.jsonl"), progress = o.progress,
  }
  if result.best[1] then assert(train.load_weights(result.best[1].path, learner)) end
  model:eval()
  return result
end

return fit
