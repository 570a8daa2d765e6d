--- Training described by a table: what `nightjar train FILE.json` runs.
---
---     { "data": [ { "kind": "folder", "root": "sounds", "options": {}, "scenes": 1000 } ],
---       "validation": { "kind": "folder", "root": "sounds-held-out" },
---       "model": { "audio": { "front_end": {…}, "encoder": {…} }, "text": { "encoder": {…} } },
---       "vocabulary_size": 2000,
---       "loader": { "batch": 32 },
---       "hci": { "levels": ["clip", "segment", "frame"] },
---       "loss": { "name": "nt_xent", "distill": 0.2 },
---       "optimizer": { "name": "adamw", "lr": 0.001 },
---       "schedule": { "name": "cosine", "warmup": 100 },
---       "epochs": 10, "clip_grad": 2, "seed": 1, "run": "runs/mine", "out": "mine.safetensors" }
---
--- `hci` and `ac` are the sections of the model's head (nj.head); `loss` takes what head:loss takes
--- beside the options of the loss that it names. `captions`, { "path": FILE, "k": 5 } or a list of
--- such, are what a captioner said of the clips (nj.data.generated), for a model with `ac`. `start` is
--- a model file whose weights a new model begins with as far as they go, `freeze` a list of prefixes of
--- parameters that stay as they are: a second stage. With a
--- validation set the fusion of the levels is fitted on it, and the model calibrated (scores become
--- probabilities).
---
--- A run that was interrupted goes on where it stopped when it is started again.
local core = require "nightjar.core"
local data = require "nightjar.data"
local evaluate = require "nightjar.evaluate"
local fs = require "nightjar.fs"
local judge = require "nightjar.train.judge"
local losses = require "nightjar.loss"
local models = require "nightjar.model"
local optim = require "nightjar.optim"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local schedules = require "nightjar.schedule"
local train = require "nightjar.train"

local recipe = {}

local NAME = "train configuration"

local RULES = {
  data = { type = "table", required = true },
  validation = "table",
  model = { type = "table|string", required = true },
  hci = "table",
  ac = "table",
  captions = "table",
  start = "string",
  freeze = { type = "table", default = {} },
  fusion = { type = "table", default = {} },
  calibrate = { type = "boolean", default = true },
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
  progress = progress.shown,
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

-- What captioners said: a function from a clip to its captions; nil without any.
local function open_captions(o, sets)
  if not o.captions then return nil end
  local by_id = {}
  for i, given in ipairs(o.captions[1] and o.captions or { o.captions }) do
    local c = opts.check(("%s: captions %d"):format(NAME, i), given, {
      path = { type = "string", required = true },
      k = { type = "integer", min = 1 },
      options = { type = "table", default = {} },
    }, 0)
    for _, set in ipairs(sets) do
      local options = { dataset = set }
      for key, value in pairs(c.options) do options[key] = value end
      local found, message, code = data.generated(c.path, options)
      if not found then return nil, message, code end
      for n, list in ipairs(found:texts(set, { k = c.k, unique = true })) do
        local id = set.clips[n].id
        by_id[id] = table.move(list, 1, #list, #(by_id[id] or {}) + 1, by_id[id] or {})
      end
    end
  end
  return function(clip) return by_id[clip.id] or {} end
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
  if type(o.model) == "string" then
    if o.hci or o.ac or o.start then
      error(NAME .. ": 'hci', 'ac' and 'start' go with a model that is made, not with one that is "
        .. "loaded", 0)
    end
    return models.load(o.model)
  end
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
  descriptor.hci, descriptor.ac = o.hci or descriptor.hci, o.ac or descriptor.ac
  local first, message, code
  if o.start then
    first, message, code = models.load(o.start)
    if not first then return nil, message, code end
    local tower = first.text_tower -- words are numbered as the weights know them
    text.vocabulary, text.merges, text.tokenizer = tower.vocabulary, tower.merges, tower.options
  end
  local model = models.new(descriptor, { rng = core.rng(o.seed) })
  if first then model:load_state(first:state(), { missing = "keep" }) end
  return model
end

local function make_loader(o, model, sources)
  local options = {
    seed = o.seed, front_end = model.audio_tower.front_end,
    tokenizer = model.text_tower.tokenizer, max_tokens = model.text_tower.max,
  }
  for key, value in pairs(o.loader) do options[key] = value end
  return data.loader(sources, options)
end

-- What the recipe says of the loss: options of head:loss, and those of the loss it names.
local function split_loss(given)
  local name, options = named("loss", given, losses.names())
  local over = {}
  for _, key in ipairs { "distill", "hardest", "denoise", "weights" } do
    over[key], options[key] = options[key], nil
  end
  options.name = name
  over.loss = options
  return over
end

-- The loss of a batch of the loader, over all levels. Temperatures are the model's, unless the
-- recipe has one.
local function make_step(o, model, rng, captions_of)
  local options = split_loss(o.loss)
  options.rng = rng
  return function(batch)
    if captions_of then
      options.captions = {}
      for i, clip in ipairs(batch.clips) do options.captions[i] = captions_of(clip) end
    end
    local total, by_part = model:loss(batch, options)
    local numbers = {}
    for name, value in pairs(by_part) do numbers[name] = value:item() end
    return total, numbers
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
local function make_evaluation(model, validation, captions_of)
  if not validation then return nil end
  return function()
    local result, message = evaluate.run(model, validation, { bootstrap = 0, generated = captions_of })
    if not result then error("train: the validation set: " .. message, 0) end
    return result:plain()
  end
end

local function fit(o, model, loader, validation, captions_of)
  local rng = core.rng(o.seed, 2)
  local name, options = named("optimizer", o.optimizer, OPTIMIZERS)
  local steps = o.epochs * math.max(1, math.ceil(#loader / o.accumulate))
  return train.run {
    model = model, batches = loader, optimizer = optim[name](model, options),
    schedule = make_schedule(o, steps), step = make_step(o, model, rng, captions_of), rngs = { dropout = rng },
    epochs = o.epochs, accumulate = o.accumulate, clip_grad = o.clip_grad,
    evaluate = make_evaluation(model, validation, captions_of), evaluate_every = o.evaluate_every,
    metric = validation and o.metric or nil, keep_best = validation and 1 or 0,
    early_stop = o.early_stop, checkpoint = o.run, checkpoint_every = o.checkpoint_every,
    resume = true, log = fs.join(o.run, "log.jsonl"), progress = o.progress,
  }
end

-- Vectors of training clips that are files: what scores are judged against.
local function bank_of(model, sources)
  local clips, drawn = {}, {}
  for _, set in ipairs(sources) do
    for _, clip in ipairs(set.clips or {}) do
      if clip.path then clips[#clips + 1] = clip end
    end
  end
  for i, place in ipairs(judge.places(#clips)) do drawn[i] = clips[place] end
  return (evaluate.clips(model, drawn))
end

-- What validation data tell beyond the best epoch: how much each level counts, and probabilities.
-- A message when they cannot be read.
local function finish(o, model, sources, validation, captions_of)
  local S, clip_of, _, clips = evaluate.similarity(model, validation, { generated = captions_of })
  if not S then return clip_of end
  if #model.head:levels() > 1 then model:fit_fusion(S, clip_of, o.fusion) end
  if not o.calibrate then return end
  local meanings, owners = {}, {}
  for i, clip in ipairs(clips) do meanings[i] = judge.meaning(clip) end
  for t, clip in ipairs(clip_of) do owners[t] = { clip } end
  model.calibration = judge.calibrate(model, bank_of(model, sources), S, owners, meanings)
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
  for _, prefix in ipairs(o.freeze) do model:freeze(prefix) end
  local sets = { validation }
  for _, set in ipairs(sources) do
    if set.clips and opts.type_name(set) == "nightjar.Dataset" then sets[#sets + 1] = set end
  end
  local captions_of
  captions_of, message, code = open_captions(o, sets)
  if o.captions and not captions_of then return nil, message, code end
  local result = fit(o, model, make_loader(o, model, sources), validation, captions_of)
  local best = result.best[1]
  if best then assert(train.load_weights(best.path, model)) end
  model:eval()
  if validation then
    message = finish(o, model, sources, validation, captions_of)
    if message then error("train: the validation set: " .. message, 0) end
  end
  local ok
  ok, message, code = model:save(o.out)
  if not ok then return nil, message, code end
  return result
end

return recipe
