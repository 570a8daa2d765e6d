#!/usr/bin/env lua5.4
--- Trains nightjar-base, the model that ships in models/.
---
---   lua5.4 examples/train_base.lua --data DIR [--out FILE] [--run DIR] [--seed N] [--steps N] [--without SETS]
---
--- DIR holds what the card names: sounds with names (esc50/, sounds/, soundsearch/), captions without sounds
--- (captions/), captioned sounds to choose by (captioned_val/), AudioSet's classes and word vectors (text/),
--- and
--- EfficientAT's mn04 (weights/). The encoder's features are kept in the run's folder, where a second run finds
--- them. The same seed gives the same bits.
local nj = require "nightjar"
local fs = require "nightjar.fs"
local corpus = require "examples.base.corpus"
local features = require "examples.base.features"
local learn = require "examples.base.learn"
local measure = require "examples.base.measure"
local texts = require "examples.base.texts"

local parser = require "argparse"("train_base", "Train nightjar-base.")
parser:option("--data", "The data folder."):argname("DIR"):count(1)
parser:option("--out", "The model file to write.")
parser:option("--run", "Folder of features and logs."):default "runs/nightjar-base"
parser:option("--steps", "Updates."):default("3000"):convert(math.tointeger)
parser:option("--words", "Words of the vocabulary, the most frequent first."):default("40000")
  :convert(math.tointeger)
parser:option("--without", "Collections left out of training: esc50, cdda, sounds, captions, …"):default ""
parser:option("--levels", "Levels of the head."):default "clip,segment,frame"
parser:option("--scenes", "Scenes mixed for the token levels."):default("1500"):convert(math.tointeger)
parser:option("--results", "A JSON file for what is measured."):argname("FILE")
parser:option("--threads", "Of the computation."):default("1"):convert(math.tointeger)
parser:option("--seed", "Of everything random."):default("1"):convert(math.tointeger)
local options = parser:parse(arg)
nj.threads(options.threads)

local function set_of(list)
  local set = {}
  for name in list:gmatch "[^,]+" do set[name] = true end
  return set
end

local function list_of(list)
  local out = {}
  for name in list:gmatch "[^,]+" do out[#out + 1] = name end
  return out
end

local without = set_of(options.without)
local names = corpus.classes(options.data)
local sounds = corpus.sounds(options.data)
local train, validation = corpus.split(sounds, without)
local keep_out = {}
for _, clip in ipairs(sounds.captioned) do keep_out[clip.youtube] = true end
local groups, single = corpus.captions(options.data, keep_out)

-- ---- the model before training ----

local function all_texts()
  return coroutine.wrap(function()
    for _, clip in ipairs(train) do for _, text in ipairs(clip.texts) do coroutine.yield(text) end end
    for _, group in ipairs(groups) do for _, text in ipairs(group) do coroutine.yield(text) end end
    for _, text in ipairs(single) do coroutine.yield(text) end
    for _, name in ipairs(names) do coroutine.yield(name) end
  end)
end

local words, vectors = corpus.words(options.data)
local chosen, places, trained = texts.vocabulary(words, all_texts(), options.words)
vectors = vectors:index_select(1, nj.tensor(places, { dtype = "int64" }))
local encoder = assert(nj.encoders.from("mn04",
  { checkpoint = options.data .. "/weights/mn04_as_mAP_432.pt" }))

local model = nj.model({
  name = "nightjar-base",
  audio = {
    front_end = { preset = "efficientat", fill = "repeat", duration = 10, gap = 1 },
    encoder = encoder, clip = "tags", tags = { names = names },
  },
  text = { vocabulary = chosen, encoder = { kind = "words", width = 100 }, drop = 0.1 },
  dim = 256, projection = { form = { audio = "mlp", text = "gated" }, hidden = 512 }, temperature = 0.055,
  hci = {
    levels = list_of(options.levels), interaction = "weighted",
    segments = { kind = "window", tokens = 8 }, phrases = { kind = "window", ratio = 0.5 },
  },
  ac = { matching = { kind = "tags" } },
  provenance = { trained_by = "examples/train_base.lua", seed = options.seed, steps = options.steps },
}, { rng = nj.rng(options.seed) })
model.text_tower.encoder:set(vectors, texts.importance(chosen, single))
print(model)
print(("%d words, %d of them trained; %d clips, %d caption groups, %d single captions"):format(#chosen, trained,
  #train, #groups, #single))

-- ---- features ----

local of = {}
for name, clips in pairs(sounds) do
  of[name] = features.of(model.audio_tower, clips, options.run .. "/" .. name .. ".safetensors")
end

local at = {}
for name, clips in pairs(sounds) do
  for i, clip in ipairs(clips) do at[clip.path] = { of[name], i } end
end

local function gather(clips)
  local parts = { clip = {}, frames = {}, lengths = {}, tags = {} }
  for i, clip in ipairs(clips) do
    local where, row = at[clip.path][1], at[clip.path][2]
    for name, list in pairs(parts) do
      local x = where[name][row]
      list[i] = type(x) == "number" and nj.tensor(x, { dtype = "int64" }) or x
    end
  end
  local out = {}
  for name, list in pairs(parts) do out[name] = nj.stack(list, 1) end
  return out
end

-- ---- training ----

-- Scenes of one to four of ESC-50's clips that training may see, with the captions of a grammar.
local function scenes_of(size, seed, keep)
  local set = assert(nj.data.esc50(options.data .. "/esc50"))
  local paths = {}
  for _, clip in ipairs(sounds.esc50) do
    if keep(clip) then paths[clip.path:match "[^/]+$"] = true end
  end
  set = set:subset(function(clip) return paths[clip.path:match "[^/]+$"] end)
  return nj.data.scenes(set, { seed = seed, size = size })
end

local in_train = {}
for _, clip in ipairs(train) do in_train[clip.path] = true end
local labelled = learn.labelled(single, names)
local pool = learn.pairs(model, train, gather(train))
local levels = model.head.o.on
local scenes
if (levels.segment or levels.frame) and not without.esc50 then
  local mixed = scenes_of(options.scenes, options.seed, function(clip) return in_train[clip.path] end)
  scenes = learn.scenes(model, nj.features.collect(model.audio_tower.encoder, nj.data.loader(mixed,
    { batch = 32, shuffle = false, front_end = model.audio_tower.front_end, seed = options.seed })),
    pool.frame_scale)
end
print(#labelled .. " captions with a class in them")
local result = learn.train(model, { pool = pool, scenes = scenes, groups = groups,
  labelled = labelled, names = names, words = trained, steps = options.steps, seed = options.seed,
  losses = { captions = without.captions and 0 or 1, labels = without.captions and 0 or 1 } })
print(("trained: %d steps, %.0f s"):format(result.steps, result.seconds))

-- ---- fusion, known texts, calibration ----

local function known_texts()
  local list, seen = {}, {}
  for _, clip in ipairs(train) do
    for _, text in ipairs(clip.texts) do
      if not seen[text] and #model.text_tower:words(text) > 0 then
        seen[text] = true
        list[#list + 1] = text
      end
    end
  end
  return list
end

-- Choices are made on sounds that training did not see: recordings with captions, and names held out by source.
local chosen_clips = {}
for _, set in ipairs { sounds.captioned, validation } do
  for _, clip in ipairs(set) do chosen_clips[#chosen_clips + 1] = clip end
end
local queries, members = measure.queries(chosen_clips)
local encoded = model:encode_texts(queries)
local of_chosen = measure.encode(model, gather(chosen_clips))
if not without.known then model.head:set_known(model:text(known_texts())) end
local by_level = nj.no_grad(function() return model.head:similarity(encoded:levels(), of_chosen) end)
local fitted = measure.fit(model, by_level, members)
print(("fusion: mAP %.1f, of the levels alone %.1f, of the tags alone %.1f"):format(fitted.mAP, fitted.sound,
  fitted.tags))
print(("weights: clip %d, segment %d, frame %d; alpha %.2f"):format(fitted.weights.clip, fitted.weights.segment,
  fitted.weights.frame, fitted.alpha))
measure.calibrate(model, { bank = measure.rows(model, gather(train), 8), texts = encoded, clips = of_chosen,
  members = members })

if options.out then
  assert(model:save(options.out, { dtype = "float16" }))
  corpus.write_attribution(options.out:gsub("%.safetensors$", "") .. ".attribution.csv", train)
  print("wrote " .. options.out)
end

-- ---- measuring, on what training never saw ----

local function take(name, keep)
  local clips, rows = {}, {}
  for i, clip in ipairs(sounds[name]) do
    if keep(clip) then clips[#clips + 1], rows[#rows + 1] = clip, i end
  end
  return clips, measure.encode(model, of[name], rows)
end

local results = {}
local function report(name, asked, right, a)
  local found = measure.levels(model, asked, a)
  found.fused = nj.no_grad(function() return model.head:fuse(found) end)
  results[name] = {}
  for _, level in ipairs { "clip", "segment", "frame", "caption", "fused" } do
    if found[level] then
      local s = measure.score(found[level], right)
      results[name][level] = s
      print(measure.line(name .. ": " .. (level == "caption" and "tags" or level), s))
    end
  end
  print(name .. ": " .. measure.trust(model, asked, right, a))
end

local fold5, fold5_a = take("esc50", function(clip) return clip.fold == 5 end)
local asked, right = measure.queries(fold5, true)
report("ESC-50 fold 5", asked, right, fold5_a)
if without.esc50 then
  local all, a = take("esc50", function() return true end)
  asked, right = measure.queries(all, true)
  report("ESC-50 whole", asked, right, a)
end
if without.cdda then
  local cdda, a = take("soundsearch", function(clip) return clip.set == "cdda" end)
  asked, right = measure.queries(cdda, true)
  report("cdda", asked, right, a)
end
local captioned_a = measure.encode(model, of.captioned)
asked, right = measure.queries(sounds.captioned)
report("captioned", asked, right, captioned_a)
report("captioned among fold 5", asked, right, model.head:collate_audio { captioned_a, fold5_a })
local named = {}
for _, clip in ipairs(validation) do
  if clip.set ~= "esc50" then named[#named + 1] = clip end
end
asked, right = measure.queries(named, true)
report("named, held out", asked, right, measure.encode(model, gather(named)))

if options.results then
  local keys = { "mAP", "R1", "R5", "R10", "texts" }
  assert(fs.write(options.results, require("dkjson").encode(results, { indent = true, keyorder = keys })))
end
