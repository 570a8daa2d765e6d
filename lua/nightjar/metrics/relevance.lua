--- Retrieval where a query may have several relevant items, as where many sounds are called "rain".
---
--- R@k is the share of queries with a relevant item among the first k, mAP the mean over queries of the
--- average precision over the whole ranking, mAP@k the same where positions beyond k add nothing and the
--- divisor stays the number of relevant items (DCASE's). All rates are percent.
local average_precision = require "nightjar.metrics.average_precision"
local bootstrap = require "nightjar.metrics.bootstrap"
local chance = require "nightjar.metrics.chance"
local opts = require "nightjar.opts"
local ranks = require "nightjar.metrics.ranks"
local report = require "nightjar.metrics.report"

local KS, CUTOFFS = { 1, 5, 10 }, { 10, 16 }
local NAMES = { "R@1", "R@5", "R@10", "mAP", "mAP@10", "mAP@16", "mean_rank" }

-- Average precision of each query at a cutoff; of "mean" ties the mean of the best and the worst order.
local function precisions(scores, relevant, all, ties, cutoff)
  if ties == "mean" then return average_precision.of(scores, relevant, { ties = ties, cutoff = cutoff }) end
  return average_precision.from_ranks(all, ties, cutoff)
end

-- The quantities of every query in the order of NAMES.
local function quantities(scores, relevant, ties)
  local all, rows = ranks.of(scores, relevant, { ties = ties }), {}
  local aps = { precisions(scores, relevant, all, ties) }
  for i, cutoff in ipairs(CUTOFFS) do aps[i + 1] = precisions(scores, relevant, all, ties, cutoff) end
  local best = {}
  for q, list in ipairs(all) do
    best[q] = math.min(table.unpack(list))
    local row = {}
    for _, k in ipairs(KS) do row[#row + 1] = best[q] < k and 100 or 0 end
    for _, ap in ipairs(aps) do row[#row + 1] = 100 * ap[q] end
    row[#row + 1] = best[q] + 1
    rows[q] = row
  end
  return rows, best
end

local function chances(relevant, gallery)
  local out, kinds = {}, {}
  for _, list in ipairs(relevant) do kinds[#list] = (kinds[#list] or 0) + 1 end
  local function mean(of)
    local sum = 0
    for n, count in pairs(kinds) do sum = sum + count * of(n) end
    return sum / #relevant
  end
  for _, k in ipairs(KS) do
    out["R@" .. k] = 100 * mean(function(n) return chance.hit(gallery, n, k) end)
  end
  out.mAP = 100 * mean(function(n) return chance.average_precision(gallery, n) end)
  for _, k in ipairs(CUTOFFS) do
    out["mAP@" .. k] = 100 * mean(function(n) return chance.average_precision(gallery, n, k) end)
  end
  out.mean_rank = mean(function(n) return chance.mean_rank(gallery, n) end)
  return out
end

-- The number of each query's cluster from 1, and how many there are.
local function clusters_of(given, queries)
  local numbers, number, n = {}, {}, 0
  for q = 1, queries do
    local name = given and given[q] or q
    if not numbers[name] then
      n = n + 1
      numbers[name] = n
    end
    number[q] = numbers[name]
  end
  return number, n
end

local function check_relevant(relevant, queries)
  if #relevant ~= queries then
    error(("metrics.relevance: 'relevant' has lists for %d queries, the scores %d rows"):format(#relevant,
      queries), 3)
  end
  local out = {}
  for q, list in ipairs(relevant) do
    if type(list) ~= "table" then list = { list } end
    if #list == 0 then
      error(("metrics.relevance: query %d has no relevant item"):format(q), 3)
    end
    local seen = {}
    for _, item in ipairs(list) do
      if seen[item] then
        error(("metrics.relevance: item %s is relevant twice for query %d"):format(tostring(item), q), 3)
      end
      seen[item] = true
    end
    out[q] = list
  end
  return out
end

local function add_intervals(result, rows, clusters, n, o)
  if o.bootstrap == 0 then return end
  local sums, sizes = {}, {}
  for c = 1, n do
    sums[c], sizes[c] = {}, {}
    for m = 1, #NAMES do sums[c][m], sizes[c][m] = 0, 0 end
  end
  for q, row in ipairs(rows) do
    local c = clusters[q]
    for m, value in ipairs(row) do
      sums[c][m], sizes[c][m] = sums[c][m] + value, sizes[c][m] + 1
    end
  end
  result.ci = bootstrap.means(NAMES, sums, sizes, bootstrap.counts(n, o), o.confidence)
end

local Relevance = { __name = "nightjar.Relevance" }
Relevance.__index = Relevance

--- Measures a ranking of items for queries that may have several relevant ones.
---
--- The result prints as a table, and holds ["R@1"], ["R@5"], ["R@10"], mAP, ["mAP@10"], ["mAP@16"],
--- mean_rank (of the best relevant item, 1-based), ci[name] = { low, high }, chance[name], queries,
--- gallery, relevant (the mean number of relevant items), clusters, and ranks, one a query (0-based).
---@param scores nightjar.Tensor|number[][] (queries, items), greater is better
---@param options table
---  relevant    for each query its relevant items (1-based columns): a number or a list, not empty
---  clusters    for each query the name of its cluster: these are resampled, not the queries; captions
---              of one sound belong together
---  ties, bootstrap, confidence, seed   as in metrics.retrieval
---@return nightjar.Relevance
local function relevance(scores, options)
  local rules = { relevant = { type = "table", required = true }, clusters = "table",
    ties = ranks.ties_rule }
  for key, rule in pairs(bootstrap.rules) do rules[key] = rule end
  local o = opts.check("metrics.relevance", options, rules)
  scores = ranks.matrix("metrics.relevance", scores, 2)
  local queries, gallery = scores.shape[1], scores.shape[2]
  if queries == 0 or gallery == 0 then
    error(("metrics.relevance: nothing to measure: scores have shape (%d, %d)"):format(queries, gallery), 2)
  end
  local relevant = check_relevant(o.relevant, queries)
  if o.clusters and #o.clusters ~= queries then
    error(("metrics.relevance: 'clusters' has %d entries for %d queries"):format(#o.clusters, queries), 2)
  end
  local clusters, n = clusters_of(o.clusters, queries)
  local rows, best = quantities(scores, relevant, o.ties)
  local result = { queries = queries, gallery = gallery, clusters = n, ties = o.ties,
    confidence = o.confidence, resamples = o.bootstrap, seed = o.seed, ranks = best,
    chance = chances(relevant, gallery), relevant = 0 }
  for _, list in ipairs(relevant) do result.relevant = result.relevant + #list / queries end
  for m, name in ipairs(NAMES) do
    local sum = 0
    for _, row in ipairs(rows) do sum = sum + row[m] end
    result[name] = sum / queries
  end
  add_intervals(result, rows, clusters, n, o)
  return setmetatable(result, Relevance)
end

--- The numbers as plain tables, for JSON: without metatable, and without what is not finite.
---@return table
function Relevance:plain() return report.plain(self) end

function Relevance:__tostring()
  local head = ("%d queries over %d items, %.1f of them relevant on average; ties: %s"):format(self.queries,
    self.gallery, self.relevant, ranks.ties_text[self.ties])
  if self.resamples > 0 then
    head = ("%s\n%g %% intervals: percentile bootstrap, %d resamples of %d %s, seed %d"):format(head,
      self.confidence * 100, self.resamples, self.clusters,
      self.clusters == self.queries and "queries" or "clusters of queries", self.seed)
  end
  return head .. "\n\n" .. report.table({ "", "value", report.interval_head(self), "chance" }, NAMES,
    function(name) return { self[name], self.ci and self.ci[name] or false, self.chance[name] } end)
end

return relevance
