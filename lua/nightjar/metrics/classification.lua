--- Clips found, or named, by the caption of their class: zero-shot classification and class-caption
--- retrieval.
---
--- Scores are (classes, clips): the similarity of each class's caption with each clip.
---   mAP       mean over the classes of the average precision with which the caption finds the
---             class's clips (whole ranking, no cut-off)
---   accuracy  share of clips whose own class scores highest; accuracy@k: among the k highest.
---             Only when every clip has exactly one class
--- All rates are percent. Intervals resample clips (both as gallery and as queries), or the
--- clusters they come from.
local average_precision = require "nightjar.metrics.average_precision"
local bootstrap = require "nightjar.metrics.bootstrap"
local chance = require "nightjar.metrics.chance"
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local ranks = require "nightjar.metrics.ranks"
local report = require "nightjar.metrics.report"

local TOP = 5

-- For each clip the list of its classes.
local function labels_of_clips(labels, classes, clips)
  if opts.type_name(labels) == "nightjar.Tensor" then labels = labels:totable() end
  if #labels ~= clips then
    error(("metrics.classification: %d labels for %d clips (columns of the scores)"):format(#labels,
      clips), 3)
  end
  local out, single = {}, true
  for clip, given in ipairs(labels) do
    local list = type(given) == "table" and given or { given }
    for _, class in ipairs(list) do
      if math.type(class) ~= "integer" or class < 1 or class > classes then
        error(("metrics.classification: clip %d has label %s, outside 1 to %d"):format(clip,
          tostring(class), classes), 3)
      end
    end
    out[clip], single = list, single and #list == 1
  end
  return out, single
end

local function clips_of_classes(labels, classes)
  local out = {}
  for class = 1, classes do out[class] = {} end
  for clip, list in ipairs(labels) do
    for _, class in ipairs(list) do table.insert(out[class], clip) end
  end
  return out
end

-- Clusters as 1-based numbers and their count; every clip its own without the option.
local function clusters_of(given, clips)
  local out, seen, count = {}, {}, 0
  if given and #given ~= clips then
    error(("metrics.classification: option 'clusters' has %d entries for %d clips"):format(#given,
      clips), 3)
  end
  for clip = 1, clips do
    local key = given and given[clip] or clip
    if not seen[key] then
      count = count + 1
      seen[key] = count
    end
    out[clip] = seen[key]
  end
  return out, count
end

-- Mean over those that are numbers: a class without clips has no average precision.
local function mean_of(values)
  local sum, count = 0, 0
  for _, value in ipairs(values) do
    if value == value then sum, count = sum + value, count + 1 end
  end
  return sum / count, count
end

local function map_interval(scores, members, clusters, counts, confidence)
  local classes, clips = scores.shape[1], scores.shape[2]
  local relevant, zero_based = {}, {}
  for class = 1, classes do
    local row = {}
    for clip = 1, clips do row[clip] = 0 end
    for _, clip in ipairs(members[class]) do row[clip] = 1 end
    relevant[class] = row
  end
  for clip, cluster in ipairs(clusters) do zero_based[clip] = cluster - 1 end
  local order = scores:argsort(2, { descending = true }) - 1
  local rows = core._rank.resampled_ap(order, core.tensor(relevant, { dtype = "uint8" }),
    core.tensor(zero_based, { dtype = "int64" }), counts):totable()
  local values = {}
  for b, row in ipairs(rows) do values[b] = 100 * mean_of(row) end
  return bootstrap.interval(values, confidence)
end

-- Adds accuracy and accuracy@5 of single-label clips.
local function add_accuracy(result, scores, labels, clusters, n_clusters, counts, o)
  local classes, clips = scores.shape[1], scores.shape[2]
  local names, ks = { "accuracy" }, { 1 }
  if classes > TOP then names[2], ks[2] = "accuracy@" .. TOP, TOP end
  local found = ranks.of(scores:transpose(1, 2), labels, { ties = o.ties })
  local sums, sizes = {}, {}
  for c = 1, n_clusters do
    sums[c], sizes[c] = {}, {}
    for m = 1, #ks do sums[c][m], sizes[c][m] = 0, 0 end
  end
  for clip, list in ipairs(found) do
    local sum, size = sums[clusters[clip]], sizes[clusters[clip]]
    for m, k in ipairs(ks) do
      sum[m] = sum[m] + (list[1] < k and 100 or 0)
      size[m] = size[m] + 1
    end
  end
  for m, name in ipairs(names) do
    local total = 0
    for c = 1, n_clusters do total = total + sums[c][m] end
    result[name] = total / clips
    result.chance[name] = 100 * chance.recall(classes, ks[m])
  end
  if counts then
    for name, interval in pairs(bootstrap.means(names, sums, sizes, counts, o.confidence)) do
      result.ci[name] = interval
    end
  end
end

-- How many clips of each class (rows) went to each class (columns). Of equal scores the first class
-- has the clip.
local function confusion_of(scores, labels)
  local counts, by_clip = {}, scores:transpose(1, 2):totable()
  for class = 1, scores.shape[1] do
    counts[class] = {}
    for other = 1, scores.shape[1] do counts[class][other] = 0 end
  end
  for clip, own in ipairs(by_clip) do
    local best = 1
    for class = 2, #own do
      if own[class] > own[best] then best = class end
    end
    local row = counts[labels[clip][1]]
    row[best] = row[best] + 1
  end
  return counts
end

local Classification = { __name = "nightjar.Classification" }
Classification.__index = Classification

--- Measures class-caption retrieval and classification.
---
--- The result prints as a table, and holds mAP, accuracy and ["accuracy@5"] (single-label clips
--- only), ap (one a class; nan for a class without clips), ci[name], chance[name], clips, classes,
--- clusters; of single-label clips also confusion[class][taken for]: numbers of clips.
---@param scores nightjar.Tensor|number[][] (classes, clips), greater is better
---@param options table
---  labels      the class of each clip (1-based row), or a list of classes
---  clusters    what each clip was cut from, when several come from one recording: these are
---              resampled, not the clips
---  names       of the classes, for printing
---  ties, bootstrap, confidence, seed   as in metrics.retrieval; the interval of mAP breaks ties by
---              index whatever `ties` says
---@return nightjar.Classification
local function classification(scores, options)
  local rules = {
    labels = { type = "table|tensor", required = true },
    clusters = "table", names = "table",
    ties = ranks.ties_rule,
  }
  for key, rule in pairs(bootstrap.rules) do rules[key] = rule end
  local o = opts.check("metrics.classification", options, rules)
  scores = ranks.matrix("metrics.classification", scores, 2)
  local classes, clips = scores.shape[1], scores.shape[2]
  local labels, single = labels_of_clips(o.labels, classes, clips)
  local members = clips_of_classes(labels, classes)
  local clusters, n_clusters = clusters_of(o.clusters, clips)
  local counts = o.bootstrap > 0 and bootstrap.counts(n_clusters, o) or nil
  local ap = average_precision.of(scores, members, { ties = o.ties })
  local map, measured = mean_of(ap)
  local by_chance = {}
  for class, list in ipairs(members) do
    by_chance[class] = #list > 0 and chance.average_precision(clips, #list) or 0 / 0
  end
  local result = {
    mAP = 100 * map, ap = ap, names = o.names, classes = classes, measured_classes = measured,
    clips = clips, clusters = n_clusters, ties = o.ties, confidence = o.confidence,
    resamples = o.bootstrap, seed = o.seed, chance = { mAP = 100 * mean_of(by_chance) },
  }
  if counts then
    result.ci = { mAP = map_interval(scores, members, clusters, counts, o.confidence) }
  end
  if single then
    add_accuracy(result, scores, labels, clusters, n_clusters, counts, o)
    result.confusion = confusion_of(scores, labels)
  end
  return setmetatable(result, Classification)
end

--- The numbers as plain tables, for JSON: without metatable, and without what is not finite.
---@return table
function Classification:plain() return report.plain(self) end

--- What is taken for what most often: clips of one class that score highest for another.
---@param k? integer how many pairs at most (10)
---@return { class: integer, taken_for: integer, clips: integer, of: integer }[] most first; with the
---  classes' names under `name` and `taken_for_name` where names are known
function Classification:confusions(k)
  opts.arg("classification:confusions", 1, "k", k, { type = "integer", min = 1, optional = true })
  if not self.confusion then
    error("classification:confusions: clips with several classes are not taken for another", 2)
  end
  local pairs_found = {}
  for class, row in ipairs(self.confusion) do
    local of = 0
    for _, count in ipairs(row) do of = of + count end
    for other, count in ipairs(row) do
      if other ~= class and count > 0 then
        pairs_found[#pairs_found + 1] = { class = class, taken_for = other, clips = count, of = of,
          name = self.names and self.names[class], taken_for_name = self.names and self.names[other] }
      end
    end
  end
  table.sort(pairs_found, function(a, b)
    if a.clips ~= b.clips then return a.clips > b.clips end
    if a.class ~= b.class then return a.class < b.class end
    return a.taken_for < b.taken_for
  end)
  return table.move(pairs_found, 1, math.min(k or 10, #pairs_found), 1, {})
end

function Classification:__tostring()
  local head = { ("%d clips, %d classes; ties: %s"):format(self.clips, self.classes,
    ranks.ties_text[self.ties]) }
  if self.clusters ~= self.clips then
    head[1] = head[1] .. ("; %d clusters"):format(self.clusters)
  end
  if self.measured_classes < self.classes then
    head[#head + 1] = ("%d classes have no clip and are left out of mAP"):format(
      self.classes - self.measured_classes)
  end
  if self.resamples > 0 then head[#head + 1] = report.interval_text(self) end
  local names = { "mAP" }
  for _, name in ipairs { "accuracy", "accuracy@" .. TOP } do
    if self[name] then names[#names + 1] = name end
  end
  local body = report.table({ "", "value", report.interval_head(self), "chance" }, names,
    function(name)
      return { self[name], self.ci and self.ci[name] or false, self.chance[name] }
    end)
  return table.concat(head, "\n") .. "\n\n" .. body
end

return classification
