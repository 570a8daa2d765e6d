#!/usr/bin/env lua5.4
--- Measures a model on what its training never saw: ESC-50's fold 5.
---
---   lua5.4 examples/evaluate_esc50.lua --esc50 DIR [--model FILE] [--scenes N]
---
--- Six measurements, each with its 95 % bootstrap interval and with chance beside it:
---   1. text→audio with class captions on the single clips of fold 5: mAP over the 50 classes
---   2. retrieval both ways on 500 scenes mixed from clips of fold 5, by each level and by their fusion
---   3. how well words point at the seconds of their sounds, on scenes of fold 5
---   4. what the calibrated score is worth: how often hits of a given score are right
---   5. the best score of a query, where what is asked for is among the sounds and where it is not
---   6. zero-shot classification of the single clips by the classes' names: one template, and nightjar's five
local nj = require "nightjar"
local evaluate = require "nightjar.evaluate"

local parser = require "argparse"("evaluate_esc50", "Measure a model on ESC-50's fold 5.")
parser:option("--esc50", "ESC-50's folder."):argname("DIR"):count(1)
parser:option("--model", "The model: a file, or the name of a shipped one."):default "nightjar-base"
parser:option("--scenes", "How many scenes."):default("500"):convert(math.tointeger)
local options = parser:parse(arg)

local model = assert(nj.load(options.model))
local test = assert(nj.data.esc50(options.esc50, { split = "test", strict = true }))
print(model)
print(test)

-- Every class is asked for in several ways, as a user might.
local function prompts()
  local list = {}
  for class in pairs(nj.data.captions.lexicon) do
    list[class] = table.move(nj.data.captions.of(class), 1, 6, 1, {})
  end
  return list
end

print "\n1. Class captions against the clips of fold 5 (six captions a class, scores averaged)"
print((evaluate.classes(model, test.clips, prompts())))

print "\n2. Scenes mixed from the clips of fold 5, one caption each"
local scenes = nj.data.scenes(test, { seed = 555, size = options.scenes, captions = 1 })
local results = assert(evaluate.levels(model, assert(scenes:dataset())))
for _, level in ipairs { "clip", "segment", "frame", "caption", "fused" } do
  if results[level] then
    print(level)
    print(results[level])
  end
end

print "\n3. Words and seconds"
print(assert(evaluate.alignment(model, scenes, { size = options.scenes })))

print "\n4. The calibrated score, over all pairs of a class caption and a clip of fold 5"
local rows = require "nightjar.model.rows"
local function probabilities(text, judged)
  return model:probabilities(rows.tagged(model) and model:encode_texts(text)[1] or model:text(text)[1], judged)
end

local function reliability()
  local texts, classes, paths, bins = {}, {}, {}, {}
  for class, list in pairs(prompts()) do
    for k = 1, 2 do texts[#texts + 1], classes[#classes + 1] = list[k], class end
  end
  for i, clip in ipairs(test.clips) do paths[i] = clip.path end
  for b = 1, 5 do bins[b] = { n = 0, right = 0, sum = 0 } end
  local S = model:similarity(texts, paths)
  local judged = model.calibration.of == "similarity" and S.scores or S.clip
  for t, text in ipairs(texts) do
    local p = probabilities(text, judged[t])
    for i, clip in ipairs(test.clips) do
      local bin = bins[math.min(5, 1 + math.floor(p(i) * 5))]
      bin.n, bin.sum = bin.n + 1, bin.sum + p(i)
      if clip.label == classes[t] then bin.right = bin.right + 1 end
    end
  end
  print "  score          pairs   mean score   right"
  for b, bin in ipairs(bins) do
    print(("  %.1f to %.1f  %8d   %9.3f   %5.1f %%"):format((b - 1) / 5, b / 5, bin.n,
      bin.n > 0 and bin.sum / bin.n or 0, bin.n > 0 and 100 * bin.right / bin.n or 0))
  end
end
if model.calibration then reliability() end

print "\n5. The best score of a class's name among the clips of fold 5, with its clips and without them"
local function absence()
  local names, paths, there, gone = nj.data.captions.classes(), {}, {}, {}
  for i, clip in ipairs(test.clips) do paths[i] = clip.path end
  local S = model:similarity(names, paths)
  local judged = model.calibration.of == "similarity" and S.scores or S.clip
  for t, name in ipairs(names) do
    local p = probabilities(name, judged[t])
    there[t], gone[t] = 0, 0
    for i, clip in ipairs(test.clips) do
      local kind = clip.label:gsub("_", " ") == name:gsub("_", " ") and there or gone
      kind[t] = math.max(kind[t], p(i))
    end
  end
  local function share(list, holds)
    local n = 0
    for _, p in ipairs(list) do n = n + (holds(p) and 1 or 0) end
    return 100 * n / #list
  end
  print(("  present: above 0.5 for %.0f %% of %d names"):format(
    share(there, function(p) return p > 0.5 end), #names))
  print(("  absent: below 0.2 for %.0f %% of %d names"):format(
    share(gone, function(p) return p < 0.2 end), #names))
end
if model.calibration then absence() end

print "\n6. The clips of fold 5 by the names of their classes"
local function zero_shot()
  local names = nj.data.captions.classes()
  for _, templates in ipairs { "{}", false } do
    local classifier = model:classifier(names, { templates = templates or nil })
    print(("%d prompts: '%s', …"):format(#classifier.texts, classifier.prompts[1][1]))
    print((evaluate.classes(model, test.clips, classifier)))
    local sum, paths = 0, {}
    for i, clip in ipairs(test.clips) do paths[i] = clip.path end
    for _, prediction in ipairs(classifier:classify(paths)) do sum = sum + prediction.probability end
    print(("mean probability of the first label %.3f, at the temperature %.4f\n"):format(sum / #paths,
      classifier.temperature))
  end
end
zero_shot()
