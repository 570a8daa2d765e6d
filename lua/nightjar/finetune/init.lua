--- Fine-tuning a retrieval model on sounds and captions of one's own, in minutes on a processor: the audio
--- encoder is frozen, what it makes of every file is kept on disk (nj.features), and the text encoder and
--- all that compares (nj.head) train over that.
---
---     local set = assert(nj.data.folder("sounds", { csv = "captions.csv" }))
---     local train, validation, test = assert(nj.data.split(set, { validation = 0.2 }))
---     local result = assert(nj.finetune {
---       model = "nightjar-base", train = train, validation = validation, test = test,
---       run = "runs/mine", out = "mine.safetensors",
---     })
---     print(result)
---
--- A run that was interrupted goes on where it stopped when it is started again.
local core = require "nightjar.core"
local features = require "nightjar.features"
local fit = require "nightjar.finetune.fit"
local fs = require "nightjar.fs"
local judge = require "nightjar.train.judge"
local measure = require "nightjar.finetune.measure"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local rehearsal = require "nightjar.finetune.rehearsal"
local report = require "nightjar.metrics.report"
local rows = require "nightjar.model.rows"
local settings = require "nightjar.finetune.settings"
local new_words = require "nightjar.finetune.words"
local start = require "nightjar.finetune.start"

---@class nightjar.Finetuned
local Finetuned = { __name = "nightjar.Finetuned" }
Finetuned.__index = Finetuned

local finetune = {}

local SETS = { "train", "validation", "test" }

-- ---- features ----

local function features_of(store, o)
  local sets, total, done = {}, 0, 0
  for _, name in ipairs(SETS) do total = total + (o[name] and #o[name].clips or 0) end
  local bar = progress.report(o.progress, { label = "features", total = total })
  for _, name in ipairs(SETS) do
    if o[name] then
      local before = done
      sets[name] = store:all(o[name].clips, {
        memory_mb = name == "train" and o.memory_mb or o.memory_mb / 4,
        progress = function(n)
          done = before + n
          bar:update(done, { cached = store:stats().hits })
        end,
      })
    end
  end
  bar:finish()
  return sets
end

-- A data set without the clips that nothing is said of.
local function captioned(set)
  local kept = set:subset(function(clip) return #clip.captions > 0 end)
  return #kept.clips > 0 and kept or nil, #set.clips - #kept.clips
end

-- ---- after training ----

-- Vectors of the texts that the levels have learnt beside those that they knew: tags count less for these.
local function learn_known(model, sets)
  local list, seen = {}, {}
  for _, clip in ipairs(sets.train.clips) do
    for _, caption in ipairs(clip.captions) do
      if not seen[caption] and #model:known_words(caption) > 0 then
        seen[caption] = true
        list[#list + 1] = caption
      end
    end
  end
  if #list == 0 then return end
  local new = model:text(list)
  model.head:set_known(model.head.known and core.cat({ model.head.known, new }, 1) or new)
end

-- How much each level counts, and what scores are worth as probabilities. Of a model that matches queries with
-- tags both were fitted on open queries, which a folder of few names says nothing of: they stay.
local function finish(model, sets, o, rehearsed)
  local known = rehearsed and model.calibration and model.calibration.bank
  if rows.tagged(model) then
    learn_known(model, sets)
    if known and next(o.fusion) == nil and model.head.fusion.fitted then return end
  end
  local compared = measure.compare(model, sets.validation)
  local meanings = measure.meanings(sets.validation.clips)
  if #model.head:levels() > 1 then
    local texts = {}
    for t, clip in ipairs(compared.clip_of) do texts[t] = meanings[clip] end
    model:fit_fusion(measure.levels(compared), { texts = texts, clips = meanings }, o.fusion)
    compared = measure.compare(model, sets.validation)
  end
  model.calibration = nil -- of the model as it was
  if not o.calibrate then return end
  local bank, owners = {}, {}
  for i, place in ipairs(judge.places(#sets.train)) do
    bank[i] = rows.row(model, sets.train:encode(model, place))
  end
  for t, clip in ipairs(compared.clip_of) do
    local row = compared.rows[t]
    owners[row] = owners[row] or {}
    table.insert(owners[row], clip)
  end
  local whole = core.stack(bank, 1)
  -- What the model was calibrated against stays among what queries are judged by.
  if known then whole = core.cat({ whole, known:to "float32" }, 1) end
  model.calibration = judge.calibrate(model, whole, compared.S, owners, meanings)
end

local function measure_all(model, sets, o)
  local out = {}
  for _, name in ipairs { "validation", "test" } do
    if sets[name] then
      out[name] = measure.measure(measure.compare(model, sets[name]),
        { bootstrap = o.bootstrap, seed = o.seed })
    end
  end
  return out
end

local function copy_state(parameters)
  local list = {}
  for i, p in ipairs(parameters) do list[i] = p.tensor:detach():clone() end
  return list
end

local function restore(parameters, saved)
  core.no_grad(function()
    for i, p in ipairs(parameters) do p.tensor:detach():copy_(saved[i]) end
  end)
end

-- ---- the whole ----

local RULES = {
  model = "string|nightjar.Model",
  encoder = "table",
  train = { type = "nightjar.Dataset", required = true },
  validation = { type = "nightjar.Dataset", required = true },
  test = "nightjar.Dataset",
  run = { type = "string", required = true },
  out = "string",
  dtype = { type = "string", default = "float32", one_of = { "float32", "float16" } },
  features = "string",
  memory_mb = { type = "number", default = 1024, min = 0 },
  max_seconds = { type = "number", default = 30, above = 0 },
  check = { type = "string", default = "stat", one_of = { "stat", "content" } },
  vocabulary = "integer|string|table",
  text = "table",
  hci = "table",
  dim = { type = "integer", min = 1 },
  dropout = { type = "number", default = 0.1, min = 0, below = 1 },
  unfreeze = { type = "boolean", default = false },
  extend = { type = "boolean", default = true },
  keep = { type = "number", min = 0 },
  rehearse = "table",
  epochs = { type = "integer", default = 40, min = 1 },
  batch = { type = "integer", default = 64, min = 2 },
  lr = { type = "number", above = 0 },
  weight_decay = { type = "number", default = 0.02, min = 0 },
  evaluate_every = { type = "integer", default = 1, min = 1 },
  patience = { type = "integer", default = 8, min = 0 },
  fusion = { type = "table", default = {} },
  calibrate = { type = "boolean", default = true },
  bootstrap = { type = "integer", default = 1000, min = 0 },
  seed = { type = "integer", default = 1 },
  name = "string",
  progress = progress.shown,
}

local function check(given)
  local o = opts.check("finetune", given, RULES, 3)
  o.features = o.features or fs.join(o.run, "features")
  o.name = o.name or (o.out and fs.stem(o.out)) or "finetuned"
  return o
end

-- The sets with captions, or nil and what is wrong with them.
local function check_sets(o)
  local left_out = 0
  for _, name in ipairs(SETS) do
    if o[name] then
      local given = o[name]
      local kept, without = captioned(given)
      o[name] = kept
      left_out = left_out + without
      if not o[name] and name ~= "test" then
        return nil, ("finetune: no clip of the %s set has both a sound file and a caption (%s)"):format(
          name, tostring(given)), "ENOTFOUND"
      end
    end
  end
  return left_out
end

local function provenance(o, model, sets)
  local p = {}
  for key, value in pairs(model.provenance) do p[key] = value end
  p.finetuned = {
    from = type(o.model) == "string" and o.model or o.model and o.model.name or nil,
    encoder = o.encoder and type(o.encoder.name) == "string" and o.encoder.name or nil,
    data = o.train.name, clips = #sets.train, validation = #sets.validation, seed = o.seed,
    epochs = o.epochs, text_encoder = o.with_text and "trained" or "frozen",
  }
  return p
end

-- Enough that could be read.
local function check_features(sets)
  for _, name in ipairs { "train", "validation" } do
    if #sets[name] < 2 then
      local first = sets[name].failures[1]
      return nil, ("finetune: %d clips of the %s set could be read; two are needed%s"):format(
        #sets[name], name, first and (" (%s: %s)"):format(first.id, first.message) or ""), "ENOTFOUND"
    end
  end
  if sets.test and #sets.test == 0 then sets.test = nil end
  return true
end

-- Trains; the weights as they were stay when no epoch was better on validation.
local function train_best(model, sets, o, before, rehearsed)
  local _, parameters = fit.learner(model, o.with_text)
  local saved = copy_state(parameters)
  local result = fit.run(model, sets, o, rehearsed)
  local best = result.best[1]
  if best and best.metric > before.validation.score then
    return result, { epoch = best.epoch, score = best.metric }
  end
  restore(parameters, saved)
  return result, { epoch = 0, score = before.validation.score }
end

-- Makes a result of its parts.
local function result_of(self)
  self.failures, self.clips = {}, {}
  for _, name in ipairs(SETS) do
    local set = self.sets[name]
    if set then
      self.clips[name] = #set
      for _, failure in ipairs(set.failures) do table.insert(self.failures, failure) end
    end
  end
  self.sets = nil
  return setmetatable(self, Finetuned)
end

-- What the model knows and is to keep; nil where all of it is new.
local function rehearsal_of(model, begun, o)
  local weight = o.keep or 1
  if begun.fresh_text or begun.fresh_head or weight == 0 then return nil end
  local _, parameters = fit.learner(model, o.with_text)
  return rehearsal.new(model, parameters, { texts = o.rehearse or begun.known, weight = weight,
    seed = o.seed })
end

--- Fine-tunes. Raises what is wrong with the options.
---
---   model | encoder  a model, its file or its name, to go on with; or { name =, checkpoint = }, an
---                    encoder with weights of others as nj.encoders.from takes them, to begin one with
---   train, validation, test   data sets (nj.data.folder, nj.data.split); the best epoch, the weights of
---                    the levels and the calibration come from validation, so only test is unseen
---   run              folder of checkpoints and log, and of the features when `features` is left out
---   features         folder of nj.features; several runs and encoders may share one
---   out, dtype       the model file to write, and as what: "float32" (default) or "float16"
---   vocabulary       of a new text encoder: the size of one learnt from the captions (2000), a
---                    vocab.txt or a list of words
---   text             of a new text encoder: { width (128), layers (2), heads (4), feed_forward, dropout,
---                    max }. With `encoder` there always is one; with `model` only if either is given
---   hci, dim         levels of the head, as nj.head takes them, and the width of the shared space; those
---                    of the model when left out, and of a new model one vector a clip in 256 dimensions
---   unfreeze         trains the model's text encoder, too, at a fifth of the rate; a new one always is
---   extend           false: no new words. Else words of the training captions that the model's WordPiece
---                    vocabulary has in pieces or not at all become tokens of it, and its text encoder is
---                    trained, at a fifth of the rate; those that a table of whole words lacks become rows
---                    of it, and only these are trained
---   keep             how much what the model knows counts against what is new (1; 0: not at all): texts that
---                    it knows are rehearsed. Not where its text encoder or head is new
---   rehearse         these texts, a list; else captions of everyday sounds and words that the model knows
---   epochs (40), batch (64), lr (1e-3; 5e-4 where nothing is new), weight_decay (0.02), dropout (0.1, of
---   new projections), evaluate_every (1), patience (8 evaluations without a better one), seed, bootstrap
---   max_seconds, check, memory_mb   as nj.features takes them; memory_mb (1024) of features in memory
---   fusion, calibrate   options of head:fit; false: scores are not made probabilities. A model with tags keeps
---                    both as they are where it has them, unless `fusion` has an option
---@param options table
---@return nightjar.Finetuned? result { model, before, after (validation, test: retrieval, classes, recall,
---  score), best { epoch (0: as it was), score }, steps, words (new ones),
---  kept { texts, cosine } of the rehearsed texts, seconds { features, training }, features, clips,
---  failures, uncaptioned, out }
---@return string? message
---@return string? code
function finetune.run(options)
  local o = check(options)
  local uncaptioned, message, code = check_sets(o)
  if not uncaptioned then return nil, message, code end
  local begun
  begun, message, code = start.make(o, o.train:texts())
  if not begun then return nil, message, code end
  local model, clock = begun.model, core.system.clock()
  o.fresh_text = begun.fresh_text
  o.lr = o.lr or (begun.fresh_head and 1e-3 or 5e-4)
  local ok
  ok, message, code = settings.claim(o, model)
  if not ok then return nil, message, code end
  local store
  store, message, code = features.open(o.features, { model = model, max_seconds = o.max_seconds,
    check = o.check })
  if not store then return nil, message, code end
  local sets = features_of(store, o)
  ok, message, code = check_features(sets)
  if not ok then return nil, message, code end
  local heard = core.system.clock()
  local before = measure_all(model, sets, o)
  o.with_text = start.extend(begun, o, o.train:texts())
  local rehearsed = rehearsal_of(model, begun, o)
  local result, best = train_best(model, sets, o, before, rehearsed)
  new_words.settle(model)
  model:eval() -- what was made of weights before is made anew
  finish(model, sets, o, rehearsed)
  model.name, model.provenance = o.name, provenance(o, model, sets)
  local after = measure_all(model, sets, o)
  if o.out then
    ok, message, code = model:save(o.out, { dtype = o.dtype })
    if not ok then return nil, "finetune: " .. message, code end
  end
  return result_of { model = model, before = before, after = after, best = best, steps = result.steps,
    resumed_from = result.resumed_from, words = begun.words, kept = rehearsed and rehearsed:kept(),
    out = o.out, uncaptioned = uncaptioned, sets = sets,
    features = store:stats(),
    seconds = { features = heard - clock, training = core.system.clock() - heard } }
end

-- ---- what came of it ----

--- The numbers as plain tables, for JSON.
---@return table
function Finetuned:plain()
  local out = {}
  for key, value in pairs(self) do
    if key ~= "model" then out[key] = report.plain(value) end
  end
  return out
end

function Finetuned:__tostring()
  local s, f = self.seconds, self.features
  local lines = {
    ("features: %d read from the cache, %d computed%s; %s"):format(f.hits, f.misses,
      f.damaged > 0 and (", %d of them damaged there"):format(f.damaged) or "",
      progress.duration(s.features)),
    ("training: %d steps, %s; %s"):format(self.steps, progress.duration(s.training),
      self.best.epoch == 0 and "no epoch was better on the validation set: the weights are as they were"
      or ("best on the validation set: epoch %d"):format(self.best.epoch)),
  }
  if #self.words > 0 then lines[#lines + 1] = ("new words: %d"):format(#self.words) end
  if self.kept then
    lines[#lines + 1] = ("kept: %d texts that the model knew are where they were, with a mean cosine "
      .. "of %.3f"):format(self.kept.texts, self.kept.cosine)
  end
  for _, name in ipairs { "validation", "test" } do
    if self.after[name] then
      lines[#lines + 1] = ""
      lines[#lines + 1] = measure.text(name, self.before[name], self.after[name])
    end
  end
  return table.concat(lines, "\n")
end

return setmetatable(finetune, { __call = function(_, options) return finetune.run(options) end })
