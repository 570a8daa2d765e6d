--- Retrieval of a whole data set with a model: what `nightjar eval` does.
local core = require "nightjar.core"
local data = require "nightjar.data"
local encode = require "nightjar.evaluate.encode"
local metrics = require "nightjar.metrics"
local naming = require "nightjar.model.content"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local order = require "nightjar.evaluate.order"
local search = require "nightjar.evaluate.search"

local evaluate = {}

local function open_esc50(root, split)
  local fold = math.tointeger(tonumber(split))
  if fold and fold >= 1 and fold <= 5 then return data.esc50(root, { folds = { fold } }) end
  for _, known in ipairs { "train", "val", "test", "all" } do
    if split == known then return data.esc50(root, { split = split }) end
  end
  local message = "esc50: a split is train, val, test, all or a fold from 1 to 5, got '%s'"
  return nil, message:format(split), "EARG"
end

-- A folder, or the part of it that the column "split" of its CSV says.
local function open_folder(root, o)
  if o.labels and not o.captions then
    return nil, "labels are a column of a CSV of captions", "EARG"
  end
  if o.split and not o.captions then
    return nil, "a folder has splits only by the column 'split' of a CSV", "EARG"
  end
  local set, message, code = data.folder(root, { csv = o.captions, label_column = o.labels,
    split_column = o.split and "split" or nil })
  if not set or not o.split then return set, message, code end
  local parts = {}
  parts.train, parts.validation, parts.test = data.split(set)
  if not parts.train then return nil, parts.validation, parts.test end
  local part = parts[o.split]
  if not part then
    return nil, ("a folder's splits are train, validation and test, got '%s'"):format(o.split), "EARG"
  end
  return part
end

--- Opens a data set by the name of its kind.
---@param kind "folder"|"esc50"|"audiocaps"|"clotho"|"manifest"
---@param root string its folder; of a manifest the file, or the folder of a manifest.jsonl
---@param options? { split?: string, captions?: string, labels?: string } split: of audiocaps and
---  clotho; of a manifest what its lines call `split`; of esc50 train, val, test or a fold (5); of a
---  folder train, validation or test, by the column "split" of its CSV. captions: a CSV of captions, for
---  folder; labels: the column of it that names each clip's class
---@return table|nil dataset
---@return string? message
---@return string? code
function evaluate.open(kind, root, options)
  opts.arg("evaluate.open", 1, "kind", kind,
    { type = "string", one_of = { "folder", "esc50", "audiocaps", "clotho", "manifest" } })
  local o = opts.check("evaluate.open", options,
    { split = "string", captions = "string", labels = "string" })
  if kind == "folder" then return open_folder(root, o) end
  if o.captions then return nil, kind .. " has its own captions", "EARG" end
  if o.labels then return nil, kind .. " has no columns to choose labels from", "EARG" end
  if kind == "esc50" then return open_esc50(root, o.split or "5") end
  return data[kind](root, { split = o.split })
end

--- Vectors of clips as one matrix; clips whose sound cannot be read are left out.
---@param model table
---@param clips table[] with `path`
---@param report? boolean|fun(done: integer, total: integer) as the option `progress` of others
---@return any vectors (n, D), table[] kept, { id: string, error: string }[] failed
function evaluate.clips(model, clips, report)
  opts.arg("evaluate.clips", 1, "model", model, "nightjar.Model")
  opts.arg("evaluate.clips", 2, "clips", clips, "table")
  opts.arg("evaluate.clips", 3, "progress", report, { type = progress.rule.type, optional = true })
  for _, clip in ipairs(clips) do
    opts.arg("evaluate.clips", 2, "clips, an item", clip, "table")
  end
  local rows, kept, failed = {}, {}, {}
  for clip, result in encode.each(model, clips, { progress = report }) do
    if result.error then
      failed[#failed + 1] = { id = clip.id, error = result.error }
    else
      rows[#rows + 1], kept[#kept + 1] = result.vector, clip
    end
  end
  return #rows > 0 and core.stack(rows, 1) or core.zeros(0, model.dim), kept, failed
end

-- A model, and something with a list of clips.
local function check_arguments(fname, model, dataset)
  opts.arg(fname, 1, "model", model, "nightjar.Model", 4)
  opts.arg(fname, 2, "dataset", dataset, "table", 4)
  opts.arg(fname, 2, "dataset.clips", rawget(dataset, "clips"), "table", 4)
  for _, clip in ipairs(dataset.clips) do
    opts.arg(fname, 2, "dataset.clips, an item", clip, "table", 4)
    opts.arg(fname, 2, "dataset.clips, captions of an item", clip.captions, "table", 4)
  end
end

local RUN_RULES = {
  bootstrap = "integer", seed = "integer", progress = progress.rule, generated = "function",
}

-- The similarity of all captions and clips of a data set, and the clip of each caption.
local function compare(model, dataset, o)
  local sounds, kept, failed = encode.all(model, dataset.clips, o)
  local texts, clip_of = {}, {}
  for i, clip in ipairs(kept) do
    for _, caption in ipairs(clip.captions) do
      texts[#texts + 1], clip_of[#clip_of + 1] = caption, i
    end
  end
  if #texts == 0 then
    return nil, ("%s: nothing to evaluate: %d clips with sound, no captions"):format(
      dataset.name or "data set", #kept), "ENOTFOUND"
  end
  return model:similarity(texts, sounds), clip_of, failed, kept
end

--- The similarities of a data set's captions and clips, for fitting fusion weights say.
---@param model table
---@param dataset table of nj.data
---@param options? table `generated`, `progress`: as for evaluate.run
---@return any|nil similarity
---@return integer[]|string clip_of the clip of every text; or a message
---@return table|string failed; or a code
---@return table[]? clips that could be read, the columns
function evaluate.similarity(model, dataset, options)
  check_arguments("evaluate.similarity", model, dataset)
  return compare(model, dataset, opts.check("evaluate.similarity", options,
    { progress = progress.rule, generated = "function" }))
end

--- Text→audio and audio→text retrieval over all captions of a data set, by the levels' fusion.
---@param model table
---@param dataset table of nj.data
---@param options? table `bootstrap`, `seed`: see nj.metrics.retrieval; `progress`: true or
---  function(done, total); `generated`: function(clip) that gives the captions which a captioner made of a
---  clip, for models with auxiliary captions
---@return any|nil result a nj.metrics retrieval result
---@return table|string failed { id, error } of each clip that could not be read; or a message
---@return string? code
function evaluate.run(model, dataset, options)
  check_arguments("evaluate.run", model, dataset)
  local o = opts.check("evaluate", options, RUN_RULES)
  local S, clip_of, failed = compare(model, dataset, o)
  if not S then return nil, clip_of, failed end
  return metrics.retrieval(S.scores, { clip_of = clip_of, bootstrap = o.bootstrap,
    seed = o.seed }), failed
end

--- Retrieval by each level alone, and by their fusion.
---@param model table
---@param dataset table of nj.data
---@param options? table as for evaluate.run
---@return table<string, any>|nil results nj.metrics retrieval results: clip, segment, frame, caption
---  (those that the model has) and fused
---@return table|string failed; or a message
---@return string? code
function evaluate.levels(model, dataset, options)
  check_arguments("evaluate.levels", model, dataset)
  local o = opts.check("evaluate.levels", options, RUN_RULES)
  local S, clip_of, failed = compare(model, dataset, o)
  if not S then return nil, clip_of, failed end
  local results = {}
  local function add(name, scores)
    results[name] = metrics.retrieval(scores, { clip_of = clip_of, bootstrap = o.bootstrap,
      seed = o.seed })
  end
  for name, scores in pairs(S:levels()) do
    if name ~= "captioned" then add(name, scores) end
  end
  add("fused", S.scores)
  return results, failed
end

-- Rows of the words of a phrase that name something; all its words when none does.
local function content_rows(words, phrase)
  local content, all = {}, {}
  for i, word in ipairs(words) do
    if word.first >= phrase.first and word.last <= phrase.last then
      all[#all + 1] = i
      if naming.names(word.text) then content[#content + 1] = i end
    end
  end
  return #content > 0 and content or all
end

-- Adds what one caption's phrases say about a clip's seconds.
local function add_phrases(items, explanation, phrases, clip)
  for _, phrase in ipairs(phrases) do
    local rows = content_rows(explanation.words, phrase)
    if #rows > 0 then
      local index = core.tensor(rows, { dtype = "int64" })
      items[#items + 1] = { clip = clip, times = explanation.frames, intervals = phrase.intervals,
        scores = explanation.matrix:index_select(1, index):mean(1):totable() }
    end
  end
end

--- How well words point at the seconds of their sounds, over scenes, whose phrases have known
--- seconds. A phrase's score at a frame is the mean over its content words of the word × frame
--- cosine; see nj.metrics.alignment. Works for models of any levels, without the frame level through
--- the projections of clip and sentence.
---@param model table
---@param scenes table nj.data.scenes
---@param options? table `size`: scenes 1 to size (200); `captions`: of each scene (1); `bootstrap`,
---  `seed`; `progress`: true or function(done, total)
---@return any|nil result nj.metrics.alignment
---@return string? message
---@return string? code
function evaluate.alignment(model, scenes, options)
  opts.arg("evaluate.alignment", 1, "model", model, "nightjar.Model")
  opts.arg("evaluate.alignment", 2, "scenes", scenes, "nightjar.Scenes")
  local o = opts.check("evaluate.alignment", options, {
    size = { type = "integer", default = 200, min = 1 },
    captions = { type = "integer", default = 1, min = 1 },
    bootstrap = "integer", seed = "integer", progress = progress.rule,
  })
  local items, rate = {}, model.audio_tower.front_end.rate
  local report = progress.report(o.progress, { label = "scenes" })
  for i = 1, o.size do
    local scene, message, code = scenes:get(i)
    local wave
    if scene then wave, message, code = scenes:render(i, { rate = rate }) end
    if not wave then return nil, message, code end
    local texts = table.move(scene.captions, 1, math.min(o.captions, #scene.captions), 1, {})
    local S
    S, message, code = model:similarity(texts, { wave })
    if not S then return nil, message, code end
    for c = 1, #texts do add_phrases(items, S:explain(c, 1), scene.phrases[c], i) end
    report(i, o.size)
  end
  return metrics.alignment(items, { bootstrap = o.bootstrap, seed = o.seed })
end

--- Order probes over scenes of two sounds, one after the other: how often "A, then B" fits better than
--- "B, then A". A model that knows which sounds there are, and not their order, is right half of the time.
---@param model table
---@param scenes table nj.data.scenes
---@param options? table `size`: how many scenes (200), the first in which one sound follows another;
---  `template` ("{a}, then {b}"); `bootstrap`, `confidence`, `seed`; `progress`: true or function(done, total)
---@return any|nil result nightjar.OrderProbe { accuracy, ties, margin (mean difference of the similarities),
---  scenes, tried, ci, chance }; prints as a table
---@return string? message
---@return string? code
function evaluate.order(model, scenes, options)
  opts.arg("evaluate.order", 1, "model", model, "nightjar.Model")
  opts.arg("evaluate.order", 2, "scenes", scenes, "nightjar.Scenes")
  return order.run(model, scenes, options)
end

-- The places of a clip's labels among the classifier's.
local function targets_of(clip, place)
  local given = clip.labels or { clip.label }
  local list = {}
  for i, label in ipairs(given) do
    if not place[label] then
      error(("evaluate.classes: clip '%s' has the label '%s', for which there are no prompts"):format(
        tostring(clip.id or clip.path), tostring(label)), 3)
    end
    list[i] = place[label]
  end
  if #list == 0 then
    error(("evaluate.classes: clip '%s' has no label"):format(tostring(clip.id or clip.path)), 3)
  end
  return #list == 1 and list[1] or list
end

--- Zero-shot classification of clips with known labels, and text→audio with the labels' prompts: mAP
--- over labels, accuracy of clips with one label, and what is taken for what. A label's score is that
--- of the classifier; given prompts alone, the mean of theirs, fused over the model's levels.
---@param model table
---@param clips table[] with `path` and `label`, or `labels`
---@param prompts any a classifier of the model; or a table of prompts by label
---@param options? table `bootstrap`, `seed`: see nj.metrics.classification; `progress`: true or
---  function(done, total)
---@return any|nil result a nj.metrics classification result
---@return { id: string, error: string }[]|string failed clips that could not be read, which are left
---  out; or a message
---@return string? code
function evaluate.classes(model, clips, prompts, options)
  opts.arg("evaluate.classes", 1, "model", model, "nightjar.Model")
  opts.arg("evaluate.classes", 2, "clips", clips, "table")
  for _, clip in ipairs(clips) do opts.arg("evaluate.classes", 2, "clips, an item", clip, "table") end
  opts.arg("evaluate.classes", 3, "prompts", prompts, "table")
  local o = opts.check("evaluate.classes", options,
    { bootstrap = "integer", seed = "integer", progress = progress.rule })
  local asked = prompts
  if opts.type_name(prompts) ~= "nightjar.Classifier" then
    for _, list in pairs(prompts) do
      opts.arg("evaluate.classes", 3, "prompts, an item", list, "table")
    end
    asked = model:classifier(prompts, { ensemble = "scores" })
  elseif asked.model ~= model then
    error("evaluate.classes: the classifier is another model's", 2)
  end
  local place, targets = {}, {}
  for i, label in ipairs(asked.labels) do place[label] = i end
  for _, clip in ipairs(clips) do targets[clip] = targets_of(clip, place) end
  local sounds, kept, failed = encode.all(model, clips, o)
  if #kept == 0 then
    return nil, ("nothing to classify: none of %d clips could be read"):format(#clips), "ENOTFOUND"
  end
  for i, clip in ipairs(kept) do kept[i] = targets[clip] end
  return metrics.classification(asked:similarity(sounds).scores, { labels = kept,
    names = asked.labels, bootstrap = o.bootstrap, seed = o.seed }), failed
end

--- Search as a user does it: every distinct text asks over all sounds, and all sounds of which it is said
--- are relevant; texts are the same when only case and spaces differ. Sounds that nothing is said of are
--- searched, too.
---@param model table
---@param dataset table of nj.data; clips may have a `set` and a `label`
---@param options? table `bootstrap`, `seed`, `confidence`, `ties`: see nj.metrics.relevance; `sets`: false
---  for no table of each set; `classifier`: a classifier of the model, else the labels by their names, where
---  all clips have one; `generated`, `progress`: as for evaluate.run
---@return any|nil result nightjar.SearchResult { text_to_audio, audio_to_text: of nj.metrics.relevance;
---  sets: list of { name, clips, text_to_audio, audio_to_text }, each set searched by itself;
---  classes: of nj.metrics.classification; clips, captions, texts }; prints as tables
---@return table|string failed { id, error } of each clip that could not be read; or a message
---@return string? code
function evaluate.search(model, dataset, options)
  check_arguments("evaluate.search", model, dataset)
  return search.run(model, dataset, options)
end

return evaluate
