--- Search over a data set in which several sounds may fit one text: all clips of which the same is said.
local encode = require "nightjar.evaluate.encode"
local metrics = require "nightjar.metrics"
local opts = require "nightjar.opts"
local ranks = require "nightjar.metrics.ranks"
local report = require "nightjar.metrics.report"
local progress = require "nightjar.progress"

local search = {}

local function key_of(caption) return (caption:lower():gsub("%s+", " "):match "^ ?(.-) ?$") end

-- Every distinct text once, in order of appearance; for each the clips that it is said of, and for each
-- clip its texts.
local function link(clips)
  local texts, place, of_text, of_clip = {}, {}, {}, {}
  for i, clip in ipairs(clips) do
    local own = {}
    of_clip[i] = {}
    for _, caption in ipairs(clip.captions) do
      local key = key_of(caption)
      local t = place[key]
      if not t then
        t = #texts + 1
        texts[t], place[key], of_text[t] = caption, t, {}
      end
      if not own[t] then
        own[t] = true
        table.insert(of_text[t], i)
        table.insert(of_clip[i], t)
      end
    end
  end
  return texts, of_text, of_clip
end

-- The first clip of what each clip is connected with by texts: captions of one clip are no independent
-- queries, nor are those of clips that share one.
local function clusters(of_text, n)
  local parent = {}
  for i = 1, n do parent[i] = i end
  local function root(i)
    while parent[i] ~= i do
      parent[i] = parent[parent[i]]
      i = parent[i]
    end
    return i
  end
  for _, list in ipairs(of_text) do
    local first = root(list[1])
    for k = 2, #list do parent[root(list[k])] = first end
  end
  local out = {}
  for i = 1, n do out[i] = root(i) end
  return out
end

-- Both directions over some sounds and their clips.
local function directions(model, sounds, clips, o)
  local texts, of_text, of_clip = link(clips)
  if #texts == 0 then return nil end
  local scores = model:similarity(texts, sounds).scores
  local of = clusters(of_text, #clips)
  local text_clusters, rows, row_clusters, relevant = {}, {}, {}, {}
  for t, list in ipairs(of_text) do text_clusters[t] = of[list[1]] end
  local by_clip = scores:transpose(1, 2):totable()
  for i, list in ipairs(of_clip) do
    if #list > 0 then
      rows[#rows + 1], row_clusters[#row_clusters + 1], relevant[#relevant + 1] = by_clip[i], of[i], list
    end
  end
  local function measure(matrix, wanted, groups)
    return metrics.relevance(matrix, { relevant = wanted, clusters = groups, ties = o.ties,
      bootstrap = o.bootstrap, confidence = o.confidence, seed = o.seed })
  end
  return { clips = #clips, texts = #texts, text_to_audio = measure(scores, of_text, text_clusters),
    audio_to_text = measure(rows, relevant, row_clusters) }
end

-- Names of sets in the order of the alphabet, and the places of each one's clips; nil without sets.
local function sets_of(clips)
  local names, places = {}, {}
  for i, clip in ipairs(clips) do
    local name = clip.set
    if name then
      if not places[name] then
        names[#names + 1], places[name] = name, {}
      end
      table.insert(places[name], i)
    end
  end
  table.sort(names)
  return names, places
end

local function by_set(model, sounds, clips, o)
  local out, names, places = {}, sets_of(clips)
  for _, name in ipairs(names) do
    local own, kept = {}, {}
    for k, i in ipairs(places[name]) do own[k], kept[k] = sounds[i], clips[i] end
    local measured = directions(model, own, kept, o)
    if measured then
      measured.name = name
      out[#out + 1] = measured
    end
  end
  return out
end

-- The labels in the order of the alphabet, and each clip's place there; nil where a clip has none.
local function labels_of(clips)
  local place, labels, list = {}, {}, {}
  for _, clip in ipairs(clips) do
    if not clip.label or not clip.label:find "%S" then return nil end
    if not place[clip.label] then
      place[clip.label] = true
      labels[#labels + 1] = clip.label
    end
  end
  if #labels < 2 then return nil end
  table.sort(labels)
  for i, label in ipairs(labels) do place[label] = i end
  for i, clip in ipairs(clips) do list[i] = place[clip.label] end
  return labels, list
end

local function classes_of(model, sounds, clips, o)
  local labels, own = labels_of(clips)
  if not labels then return nil end
  local classifier = o.classifier or model:classifier(labels)
  if o.classifier then
    local place = {}
    for i, label in ipairs(classifier.labels) do place[label] = i end
    for i, clip in ipairs(clips) do
      own[i] = place[clip.label]
      if not own[i] then
        error(("evaluate.search: clip '%s' has the label '%s', for which there are no prompts"):format(
          tostring(clip.id or clip.path), clip.label), 4)
      end
    end
  end
  return metrics.classification(classifier:similarity(sounds).scores, { labels = own,
    names = classifier.labels, ties = o.ties, bootstrap = o.bootstrap, confidence = o.confidence,
    seed = o.seed })
end

---@class nightjar.SearchResult
---@field clips integer
---@field captions integer
---@field texts integer distinct ones
---@field text_to_audio nightjar.Relevance
---@field audio_to_text nightjar.Relevance
---@field sets table[]
---@field classes nightjar.Classification?
local SearchResult = { __name = "nightjar.SearchResult" }
SearchResult.__index = SearchResult

local RULES = {
  bootstrap = { type = "integer", default = 1000, min = 0 },
  seed = { type = "integer", default = 1 },
  confidence = { type = "number", default = 0.95, above = 0, below = 1 },
  ties = ranks.ties_rule,
  sets = { type = "boolean", default = true },
  classifier = "nightjar.Classifier",
  generated = "function", progress = progress.rule,
}

--- See nj.evaluate.search, which checks the arguments.
function search.run(model, dataset, options)
  local o = opts.check("evaluate.search", options, RULES, 4)
  if o.classifier and o.classifier.model ~= model then
    error("evaluate.search: the classifier is another model's", 3)
  end
  local sounds, kept, failed = encode.all(model, dataset.clips, o)
  local result = #kept > 0 and directions(model, sounds, kept, o)
  if not result then
    return nil, ("%s: nothing to evaluate: %d clips with sound, no captions"):format(
      dataset.name or "data set", #kept), "ENOTFOUND"
  end
  result.captions = 0
  for _, clip in ipairs(kept) do result.captions = result.captions + #clip.captions end
  result.sets = o.sets and by_set(model, sounds, kept, o) or {}
  result.classes = classes_of(model, sounds, kept, o)
  return setmetatable(result, SearchResult), failed
end

--- The numbers as plain tables, for JSON: without metatable, and without what is not finite.
---@return table
function SearchResult:plain() return report.plain(self) end

local ROWS = { "R@1", "R@5", "R@10", "mAP", "mAP@10", "mAP@16", "mean_rank" }
local SET_COLUMNS = { "R@1", "R@5", "R@10", "mAP", "mAP@10", "mAP@16" }

local function with_interval(measured, name)
  local ci = measured.ci and measured.ci[name]
  return ci and ("%.1f [%.1f, %.1f]"):format(measured[name], ci[1], ci[2])
    or ("%.1f"):format(measured[name])
end

local function set_table(self, direction, title)
  local names, by_name = {}, {}
  for _, set in ipairs(self.sets) do
    names[#names + 1] = set.name
    by_name[set.name] = set
  end
  return report.table({ title, "clips", "texts", table.unpack(SET_COLUMNS) }, names, function(name)
    local set, row = by_name[name], {}
    row[1], row[2] = set.clips, set.texts
    for i, column in ipairs(SET_COLUMNS) do row[i + 2] = with_interval(set[direction], column) end
    return row
  end)
end

function SearchResult:__tostring()
  local a, b = self.text_to_audio, self.audio_to_text
  local out = { ("%d clips, %d captions, %d distinct texts; a text's clips are all that it is said of "
    .. "(%.1f on average); ties: %s"):format(self.clips, self.captions, self.texts, a.relevant,
    ranks.ties_text[a.ties]) }
  if a.resamples > 0 then
    out[1] = ("%s\n%g %% intervals: percentile bootstrap, %d resamples of %d groups of clips with common "
      .. "texts, seed %d"):format(out[1], 100 * a.confidence, a.resamples, a.clusters, a.seed)
  end
  local head = report.interval_head(a)
  out[2] = report.table({ "", "text→audio", head, "chance", "audio→text", head, "chance" }, ROWS,
    function(name)
      return { a[name], a.ci and a.ci[name] or false, a.chance[name], b[name],
        b.ci and b.ci[name] or false, b.chance[name] }
    end)
  if #self.sets > 0 then
    out[#out + 1] = "each set searched by itself\n" .. set_table(self, "text_to_audio", "text→audio")
    out[#out + 1] = set_table(self, "audio_to_text", "audio→text")
  end
  if self.classes then out[#out + 1] = "classes by their names\n" .. tostring(self.classes) end
  return table.concat(out, "\n\n")
end

return search
