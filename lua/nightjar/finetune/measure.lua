--- What a model is worth on the features of held-out clips.
local core = require "nightjar.core"
local metrics = require "nightjar.metrics"
local report = require "nightjar.metrics.report"

local measure = {}

-- Every caption once, the place of each clip's captions among them, and the clip of each.
local function captions_of(clips)
  local texts, place, rows, clip_of = {}, {}, {}, {}
  for i, clip in ipairs(clips) do
    for _, caption in ipairs(clip.captions) do
      if not place[caption] then
        texts[#texts + 1] = caption
        place[caption] = #texts
      end
      rows[#rows + 1], clip_of[#clip_of + 1] = place[caption], i
    end
  end
  return texts, rows, clip_of
end

--- What each clip means, where several mean the same: their group or label, or the caption of clips that
--- have only one. Clips of one meaning are no wrong answers for each other.
---@param clips nightjar.Clip[]
---@return string[] meanings
---@return boolean shared whether any two are the same
function measure.meanings(clips)
  local list, seen, shared = {}, {}, false
  for i, clip in ipairs(clips) do
    local one = #clip.captions == 1 and clip.captions[1]:lower()
    list[i] = clip.group or clip.label or one or clip.id
    shared = shared or seen[list[i]] ~= nil
    seen[list[i]] = true
  end
  return list, shared
end

--- The similarity of all captions and clips of a set of features.
---@param model nightjar.Model
---@param set nightjar.FeatureSet
---@return { S: nightjar.Similarity, rows: integer[], clip_of: integer[], set: nightjar.FeatureSet } rows:
---  the row of each caption in S, which has every text once
function measure.compare(model, set)
  local texts, rows, clip_of = captions_of(set.clips)
  local encoded = {}
  for i = 1, #set do encoded[i] = set:encode(model, i) end
  return { S = model:similarity(texts, encoded), rows = rows, clip_of = clip_of, set = set }
end

-- Rows of a matrix, one for each caption of each clip.
local function expand(matrix, rows)
  return matrix:index_select(1, core.tensor(rows, { dtype = "int64" }))
end

--- The levels' matrices with a row for each caption of each clip.
---@param compared table of measure.compare
---@return table<string, nightjar.Tensor>
function measure.levels(compared)
  local out = {}
  for name, matrix in pairs(compared.S:levels()) do
    out[name] = name == "captioned" and matrix or expand(matrix, compared.rows)
  end
  return out
end

-- Each meaning as a class: the mean over its captions against all clips.
local function classes(compared, meanings, options)
  local captions, names, seen = {}, {}, {}
  for t, clip in ipairs(compared.clip_of) do
    local name, row = meanings[clip], compared.rows[t]
    if not captions[name] then
      captions[name], seen[name] = {}, {}
      names[#names + 1] = name
    end
    if not seen[name][row] then
      seen[name][row] = true
      table.insert(captions[name], row)
    end
  end
  if #names < 2 then return nil end
  table.sort(names)
  local place, scores, labels = {}, {}, {}
  for k, name in ipairs(names) do
    place[name] = k
    scores[k] = expand(compared.S.scores, captions[name]):mean(1)
  end
  for i, name in ipairs(meanings) do labels[i] = place[name] end
  return metrics.classification(core.stack(scores, 1), { labels = labels, names = names,
    bootstrap = options.bootstrap, seed = options.seed })
end

local CHOOSING = { "R@1", "R@5", "R@10" }

local Measured = { __name = "nightjar.Measured" }
Measured.__index = Measured

--- Retrieval by all levels' fusion, and where clips share meanings how well each meaning finds its clips.
---@param compared table of measure.compare
---@param options { bootstrap: integer, seed: integer }
---@return table measured retrieval, classes (nil where every clip means something else), recall (the mean of
---  R@1, R@5 and R@10 both ways), score: what the best epoch is chosen by, classes' mAP or recall
function measure.measure(compared, options)
  local out = {}
  out.retrieval = metrics.retrieval(expand(compared.S.scores, compared.rows),
    { clip_of = compared.clip_of, bootstrap = options.bootstrap, seed = options.seed })
  local sum = 0
  for _, name in ipairs(CHOOSING) do
    sum = sum + out.retrieval.text_to_audio[name] + out.retrieval.audio_to_text[name]
  end
  out.recall = sum / (2 * #CHOOSING)
  local meanings, shared = measure.meanings(compared.set.clips)
  out.classes = shared and classes(compared, meanings, options) or nil
  out.score = out.classes and out.classes.mAP or out.recall
  return setmetatable(out, Measured)
end

--- The numbers as plain tables, for JSON.
---@return table
function Measured:plain() return report.plain(self) end

-- Every number of both tables beside the other and beside chance.
local function rows_of(before, after)
  local list = {}
  local function add(name, a, b, key)
    list[#list + 1] = { name, a and a[key] or false, b[key], b.ci and b.ci[key] or false,
      b.chance[key] }
  end
  for _, direction in ipairs { "text_to_audio", "audio_to_text" } do
    local title = direction == "text_to_audio" and "text→audio " or "audio→text "
    for _, key in ipairs { "R@1", "R@5", "R@10", "mAP@10" } do
      add(title .. key, before and before.retrieval[direction], after.retrieval[direction], key)
    end
  end
  if after.classes then
    for _, key in ipairs { "mAP", "accuracy" } do
      add("meanings " .. key, before and before.classes, after.classes, key)
    end
  end
  return list
end

--- A table of one set before and after.
---@param title string
---@param before table? of measure.measure
---@param after table
---@return string
function measure.text(title, before, after)
  local r = after.retrieval
  local by_name, names = {}, {}
  for i, row in ipairs(rows_of(before, after)) do names[i], by_name[row[1]] = row[1], row end
  local head = { ("%s: %d clips, %d captions"):format(title, r.clips, r.captions) }
  if after.classes then
    head[1] = ("%s, %d meanings"):format(head[1], after.classes.classes)
  end
  head[2] = report.table({ "", before and "before" or "", "after", report.interval_head(r), "chance" }, names,
    function(name) return { table.unpack(by_name[name], 2, 5) } end)
  return table.concat(head, "\n")
end

return measure
