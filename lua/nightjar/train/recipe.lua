--- Training described by a table: what `nightjar train FILE.json` runs.
---
---     { "data": [ { "kind": "folder", "root": "sounds", "options": {}, "scenes": 1000 } ],
---       "validation": { "kind": "folder", "root": "sounds-held-out" },
---       "model": { "audio": { "front_end": {…}, "encoder": {…} }, "text": { "encoder": {…} } },
---       "vocabulary_size": 2000,
---       "loader": { "batch": 32 },
---       "loss": { "name": "nt_xent" },
---       "optimizer": { "name": "adamw", "lr": 0.001 },
---       "schedule": { "name": "cosine", "warmup": 100 },
---       "epochs": 10, "clip_grad": 2, "seed": 1, "run": "runs/mine", "out": "mine.safetensors" }
---
--- A run that was interrupted goes on where it stopped when it is started again.
local core = require "nightjar.core"
local data = require "nightjar.data"
local evaluate = require "nightjar.evaluate"
local fs = require "nightjar.fs"
local losses = require "nightjar.loss"
local models = require "nightjar.model"
local optim = require "nightjar.optim"
local opts = require "nightjar.opts"
local schedules = require "nightjar.schedule"
local train = require "nightjar.train"

local recipe = {}

local NAME = "train configuration"

local RULES = {
  data = { type = "table", required = true },
  validation = "table",
  model = { type = "table|string", required = true },
  vocabulary_size = { type = "integer", default = 2000, min = 100 },
  loader = { type = "table", default = {} },
  loss = { type = "table", default = { name = "nt_xent" } },
  optimizer = { type = "table", default = { name = "adamw" } },
  schedule = "table",
  epochs = { type = "integer", required = true, min = 1 },
  accumulate = { type = "integer", default = 1, min = 1 },
  clip_grad = "number",
  evaluate_every = { type = "integer", default = 1, min = 1 },
  metric = { type = "string", default = "text_to_audio.R@10" },
  early_stop = "table",
  checkpoint_every = { type = "integer", min = 1 },
  seed = { type = "integer", default = 1 },
  run = { type = "string", required = true },
  out = { type = "string", required = true },
  progress = { type = "boolean", default = true },
}

local KINDS = { "folder", "esc50", "audiocaps", "clotho" }
local OPTIMIZERS = { "adam", "adamw", "bert_adam", "sgd" }
local SCHEDULES = { "constant", "cosine", "linear", "step", "plateau", "bert_warmup_cosine" }

-- Takes the name off a table of options: what it chooses, and the rest.
local function named(what, given, known)
  local rest = {}
  for key, value in pairs(given) do rest[key] = value end
  local name = opts.check(NAME .. ": " .. what, { name = rest.name },
    { name = { type = "string", required = true, one_of = known } }, 0).name
  rest.name = nil
  return name, rest
end

-- One data set; nil, message when it cannot be opened.
local function open(what, given)
  local o = opts.check(NAME .. ": " .. what, given, {
    kind = { type = "string", required = true, one_of = KINDS },
    root = { type = "string", required = true },
    options = { type = "table", default = {} },
    scenes = { type = "integer", min = 1 },
  }, 0)
  local set, message, code = data[o.kind](o.root, o.options)
  return set, message, code, o.scenes
end

-- What the loader goes over: each data set, and the scenes mixed from it.
local function open_sources(o)
  local list = o.data[1] and o.data or { o.data }
  local sources, captions = {}, {}
  for i, given in ipairs(list) do
    local set, message, code, scenes = open(("data %d"):format(i), given)
    if not set then return nil, message, code end
    sources[#sources + 1] = set
    for _, clip in ipairs(set.clips) do
      for _, caption in ipairs(clip.captions) do captions[#captions + 1] = caption end
    end
    if scenes then
      local mixed = data.scenes(set, { seed = o.seed, size = scenes })
      sources[#sources + 1] = mixed
      for k = 1, math.min(scenes, 4000) do
        for _, caption in ipairs(assert(mixed:get(k)).captions) do
          captions[#captions + 1] = caption
        end
      end
    end
  end
  return sources, captions
end

local function make_model(o, captions)
  if type(o.model) == "string" then return models.load(o.model) end
  local text = {}
  for key, value in pairs(o.model.text or {}) do text[key] = value end
  if not text.vocabulary then
    local vocabulary, message, code =
      core.text.train_wordpiece(captions, { size = o.vocabulary_size, min_frequency = 1 })
    if not vocabulary then return nil, message, code end
    text.vocabulary = vocabulary
  end
  local descriptor = {}
  for key, value in pairs(o.model) do descriptor[key] = value end
  descriptor.text = text
  return models.new(descriptor, { rng = core.rng(o.seed) })
end

local function make_loader(o, model, sources)
  local options = {
    seed = o.seed, front_end = model.audio_tower.front_end,
    tokenizer = model.text_tower.tokenizer, max_tokens = model.text_tower.max,
  }
  for key, value in pairs(o.loader) do options[key] = value end
  return data.loader(sources, options)
end

-- The loss of a batch of the loader. The temperature is the model's, unless the recipe has one.
local function make_step(o, model, rng)
  local name, options = named("loss", o.loss, losses.names())
  local needs_temperature = not name:find "^triplet" and options.temperature == nil
  local loss = losses.get(name)
  return function(batch)
    local clips = model:encode_audio(batch.mel, batch.lengths, rng)
    local texts = model:encode_text(batch.ids, batch.mask, rng)
    options.ids = batch.groups
    if needs_temperature then options.temperature = model.log_temperature:exp() end
    return loss(clips:matmul(texts:transpose(1, 2)), options)
  end
end

local function make_schedule(o, steps)
  if not o.schedule then return nil end
  local name, options = named("schedule", o.schedule, SCHEDULES)
  if options.steps == nil and (name == "cosine" or name == "linear"
    or name == "bert_warmup_cosine") then
    options.steps = steps
  end
  return schedules[name](options)
end

-- Retrieval of the validation set, or nil without one.
local function make_evaluation(model, validation)
  if not validation then return nil end
  return function()
    local result, message = evaluate.run(model, validation, { bootstrap = 0 })
    if not result then error("train: the validation set: " .. message, 0) end
    return result:plain()
  end
end

local function fit(o, model, loader, validation)
  local rng = core.rng(o.seed, 2)
  local name, options = named("optimizer", o.optimizer, OPTIMIZERS)
  local steps = o.epochs * math.max(1, math.ceil(#loader / o.accumulate))
  return train.run {
    model = model, batches = loader, optimizer = optim[name](model, options),
    schedule = make_schedule(o, steps), step = make_step(o, model, rng), rngs = { dropout = rng },
    epochs = o.epochs, accumulate = o.accumulate, clip_grad = o.clip_grad,
    evaluate = make_evaluation(model, validation), evaluate_every = o.evaluate_every,
    metric = validation and o.metric or nil, keep_best = validation and 1 or 0,
    early_stop = o.early_stop, checkpoint = o.run, checkpoint_every = o.checkpoint_every,
    resume = true, log = fs.join(o.run, "log.jsonl"), progress = o.progress,
  }
end

--- Trains and writes the model: the best epoch's where there is a validation set, else the last.
--- Raises what is wrong with the configuration.
---@param configuration table see above
---@return table? result of nj.train
---@return string? message of what the world did: a data set that cannot be read, say
---@return string? code
function recipe.run(configuration)
  local o = opts.check(NAME, configuration, RULES, 0)
  -- A wrong name should be known before the data are read, not after.
  named("loss", o.loss, losses.names())
  named("optimizer", o.optimizer, OPTIMIZERS)
  if o.schedule then named("schedule", o.schedule, SCHEDULES) end
  local sources, captions, code = open_sources(o)
  if not sources then return nil, captions, code end
  local validation, message
  if o.validation then
    validation, message, code = open("validation", o.validation)
    if not validation then return nil, message, code end
  end
  local model
  model, message, code = make_model(o, captions)
  if not model then return nil, message, code end
  local result = fit(o, model, make_loader(o, model, sources), validation)
  local best = result.best[1]
  if best then assert(train.load_weights(best.path, model)) end
  model:eval()
  local ok
  ok, message, code = model:save(o.out)
  if not ok then return nil, message, code end
  return result
end

return recipe
