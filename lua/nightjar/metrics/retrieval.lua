--- Text→audio and audio→text retrieval.
---
--- Scores are (texts, clips), as model:similarity gives them. Two definitions are in use, and both
--- are computed:
---   rank-based  (Mei et al. 2022, after VSE++.) A text finds its clip at rank r; a clip finds its
---               *best* caption at rank r. R@k is the share of queries with r < k; the median rank
---               is floor(median) + 1, the mean rank mean + 1. mAP@10 of a clip is over all its
---               captions: (1/n) Σ_j j / pos_j, positions sorted, those beyond 10 adding nothing.
---   DCASE       R@k is the share of the relevant items in the first k, averaged over queries. The
---               same for text→audio, and less for audio→text, where all captions of a clip are
---               relevant.
--- All rates are percent. A clip without captions is searched, but does not query.
local average_precision = require "nightjar.metrics.average_precision"
local bootstrap = require "nightjar.metrics.bootstrap"
local chance = require "nightjar.metrics.chance"
local opts = require "nightjar.opts"
local ranks = require "nightjar.metrics.ranks"
local report = require "nightjar.metrics.report"

local KS = { 1, 5, 10, 50 }
local AP_CUTOFF = 10

-- The clip of every text, 1-based, from whichever option says so.
local function clip_of_texts(o, texts, clips)
  if o.clip_of and o.captions_per_clip then
    error("metrics.retrieval: give 'clip_of' or 'captions_per_clip', not both", 3)
  end
  if o.captions_per_clip then
    if o.captions_per_clip * clips ~= texts then
      error(("metrics.retrieval: %d captions for each of %d clips are %d texts, but scores have "
        .. "%d rows"):format(o.captions_per_clip, clips, o.captions_per_clip * clips, texts), 3)
    end
    local out = {}
    for t = 1, texts do out[t] = (t - 1) // o.captions_per_clip + 1 end
    return out
  end
  if not o.clip_of then
    if texts ~= clips then
      error(("metrics.retrieval: scores (%d, %d) are not one text per clip: say which with "
        .. "'clip_of' or 'captions_per_clip' (rows are texts, columns clips)"):format(texts,
        clips), 3)
    end
    local out = {}
    for t = 1, texts do out[t] = t end
    return out
  end
  local list = o.clip_of
  if opts.type_name(list) == "nightjar.Tensor" then list = list:totable() end
  if #list ~= texts then
    error(("metrics.retrieval: option 'clip_of' has %d entries for %d texts (rows of the scores)")
      :format(#list, texts), 3)
  end
  for t, clip in ipairs(list) do
    if math.type(clip) ~= "integer" or clip < 1 or clip > clips then
      error(("metrics.retrieval: 'clip_of' says text %d belongs to clip %s, outside 1 to %d")
        :format(t, tostring(clip), clips), 3)
    end
  end
  return list
end

-- Lists of each clip's texts.
local function texts_of_clips(clip_of, clips)
  local out = {}
  for clip = 1, clips do out[clip] = {} end
  for text, clip in ipairs(clip_of) do table.insert(out[clip], text) end
  return out
end

local function median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local n = #sorted
  return (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
end

local function least(list)
  local best = list[1]
  for i = 2, #list do best = math.min(best, list[i]) end
  return best
end

-- What the numbers of one direction are made from: for each query its best rank, the ranks of all
-- its relevant items, its average precision, and the clip it is resampled with.
local function gather(scores, relevant, clips, ties)
  local all = ranks.of(scores, relevant, { ties = ties })
  local ap = ties == "mean"
    and average_precision.of(scores, relevant, { ties = ties, cutoff = AP_CUTOFF })
    or average_precision.from_ranks(all, ties, AP_CUTOFF)
  local queries = { best = {}, all = {}, ap = {}, clip = {} }
  for q, list in ipairs(all) do
    if #list > 0 then
      local n = #queries.best + 1
      queries.best[n] = least(list)
      queries.all[n], queries.ap[n], queries.clip[n] = list, ap[q], clips[q]
    end
  end
  return queries
end

local function recall(list, k)
  local found = 0
  for _, rank in ipairs(list) do
    if rank < k then found = found + 1 end
  end
  return found / #list
end

-- The quantities of one query that are averaged, by name.
local NAMES = { "mean_rank", "mAP@10" }
for _, k in ipairs(KS) do
  NAMES[#NAMES + 1] = "R@" .. k
  NAMES[#NAMES + 1] = "dcase R@" .. k
end

local function quantities(queries, q)
  local row = { queries.best[q] + 1, 100 * queries.ap[q] }
  for _, k in ipairs(KS) do
    row[#row + 1] = queries.best[q] < k and 100 or 0
    row[#row + 1] = 100 * recall(queries.all[q], k)
  end
  return row
end

-- Sums and counts of every quantity for every clip.
local function per_clip(queries, clips)
  local sums, sizes = {}, {}
  for clip = 1, clips do
    sums[clip], sizes[clip] = {}, {}
    for m = 1, #NAMES do sums[clip][m], sizes[clip][m] = 0, 0 end
  end
  for q, clip in ipairs(queries.clip) do
    for m, value in ipairs(quantities(queries, q)) do
      sums[clip][m] = sums[clip][m] + value
      sizes[clip][m] = sizes[clip][m] + 1
    end
  end
  return sums, sizes
end

local function intervals(queries, sums, sizes, counts, confidence)
  local out = bootstrap.means(NAMES, sums, sizes, counts, confidence)
  local medians = bootstrap.medians(queries.best, queries.clip, counts)
  for b, value in ipairs(medians) do
    if value == value then medians[b] = math.floor(value) + 1 end
  end
  out.median_rank = bootstrap.interval(medians, confidence)
  return out
end

-- Chance levels of a direction: `gallery` items, and how many queries have how many relevant ones.
local function chances(queries, gallery)
  local kinds, total = {}, #queries.all
  for _, list in ipairs(queries.all) do kinds[#list] = (kinds[#list] or 0) + 1 end
  local function mean(of)
    local sum = 0
    for relevant, count in pairs(kinds) do sum = sum + count * of(relevant) end
    return sum / total
  end
  local out = {
    median_rank = chance.median_rank(gallery, kinds),
    mean_rank = mean(function(n) return chance.mean_rank(gallery, n) end),
    ["mAP@10"] = 100 * mean(function(n)
      return chance.average_precision(gallery, n, AP_CUTOFF)
    end),
  }
  for _, k in ipairs(KS) do
    out["R@" .. k] = 100 * mean(function(n) return chance.hit(gallery, n, k) end)
    out["dcase R@" .. k] = 100 * chance.recall(gallery, k)
  end
  return out
end

-- Splits "dcase R@1" from "R@1": two tables from one.
local function by_definition(flat, extra)
  local mei, dcase = {}, {}
  for name, value in pairs(flat) do
    local plain = name:match "^dcase (.*)"
    if plain then dcase[plain] = value else mei[name] = value end
  end
  dcase["mAP@10"] = flat["mAP@10"]
  for key, value in pairs(extra or {}) do mei[key], dcase[key] = value, value end
  return mei, dcase
end

-- One direction in both definitions.
local function direction(scores, relevant, clip_of_query, clips, counts, o)
  local queries = gather(scores, relevant, clip_of_query, o.ties)
  local sums, sizes = per_clip(queries, clips)
  local flat = { median_rank = math.floor(median(queries.best)) + 1 }
  for m, name in ipairs(NAMES) do
    local sum = 0
    for clip = 1, clips do sum = sum + sums[clip][m] end
    flat[name] = sum / #queries.best
  end
  local gallery = scores.shape[2]
  local mei, dcase = by_definition(flat, { queries = #queries.best, gallery = gallery })
  mei.chance, dcase.chance = by_definition(chances(queries, gallery))
  if counts then
    mei.ci, dcase.ci = by_definition(intervals(queries, sums, sizes, counts, o.confidence))
  end
  mei.ranks = queries.best
  return mei, dcase
end

local Retrieval = { __name = "nightjar.Retrieval" }
Retrieval.__index = Retrieval

--- Measures retrieval in both directions.
---
--- The result prints as a table, and holds
---   clips, captions, ties, confidence, resamples
---   text_to_audio, audio_to_text   rank-based: ["R@1"] … ["R@50"], ["mAP@10"], median_rank,
---                                  mean_rank, queries, gallery; ci[name] = { low, high };
---                                  chance[name]; ranks, one a query (0-based, of the best item)
---   dcase.text_to_audio, dcase.audio_to_text   the same by DCASE's definition, without ranks
---@param scores nightjar.Tensor|number[][] (texts, clips), greater is better
---@param options? table
---  clip_of            the clip of each text (1-based column), in any order, any number per clip
---  captions_per_clip  instead: texts are sorted by clip, so many for each
---                     (neither: as many texts as clips, pair i on the diagonal)
---  ties               "stable" (default), "optimistic", "pessimistic" or "mean"; see
---                     metrics.ranks. Under "mean", R@k compares the mean rank with k
---  bootstrap          resamples for the intervals, default 1000; 0 leaves them out
---  confidence         default 0.95
---  seed               of the resamples, default 1
---@return nightjar.Retrieval
local function retrieval(scores, options)
  local rules = {
    clip_of = "table|tensor",
    captions_per_clip = { type = "integer", min = 1 },
    ties = ranks.ties_rule,
  }
  for key, rule in pairs(bootstrap.rules) do rules[key] = rule end
  local o = opts.check("metrics.retrieval", options, rules)
  scores = ranks.matrix("metrics.retrieval", scores, 2)
  local texts, clips = scores.shape[1], scores.shape[2]
  if texts == 0 or clips == 0 then
    error(("metrics.retrieval: nothing to measure: scores have shape (%d, %d)"):format(texts,
      clips), 2)
  end
  local clip_of = clip_of_texts(o, texts, clips)
  local own = {}
  for clip = 1, clips do own[clip] = clip end
  local counts = o.bootstrap > 0 and bootstrap.counts(clips, o) or nil
  local result = {
    clips = clips, captions = texts, ties = o.ties, confidence = o.confidence,
    resamples = o.bootstrap, seed = o.seed, dcase = {},
  }
  result.text_to_audio, result.dcase.text_to_audio =
    direction(scores, clip_of, clip_of, clips, counts, o)
  result.audio_to_text, result.dcase.audio_to_text =
    direction(scores:transpose(1, 2), texts_of_clips(clip_of, clips), own, clips, counts, o)
  return setmetatable(result, Retrieval)
end

local ROWS = { "R@1", "R@5", "R@10", "R@50", "mAP@10", "median_rank", "mean_rank" }
local DCASE_ROWS = { "R@1", "R@5", "R@10", "R@50", "mAP@10" }

--- The numbers as plain tables, for JSON: without metatable, and without what is not finite.
---@return table
function Retrieval:plain() return report.plain(self) end

function Retrieval:__tostring()
  local head = { ("%d clips, %d captions; ties: %s"):format(self.clips, self.captions,
    ranks.ties_text[self.ties]) }
  if self.resamples > 0 then
    head[#head + 1] = report.interval_text(self)
  end
  local function section(title, a, b, rows)
    return report.table({ title, "text→audio", report.interval_head(self), "chance",
      "audio→text", report.interval_head(self), "chance" }, rows, function(name)
      return { a[name], a.ci and a.ci[name] or false, a.chance[name],
        b[name], b.ci and b.ci[name] or false, b.chance[name] }
    end)
  end
  return table.concat({
    table.concat(head, "\n"),
    section("rank-based", self.text_to_audio, self.audio_to_text, ROWS),
    section("DCASE", self.dcase.text_to_audio, self.dcase.audio_to_text, DCASE_ROWS),
  }, "\n\n")
end

return retrieval
