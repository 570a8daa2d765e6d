--- The ways of scoring that experiment 6 compares, and what each finds.
local nj = require "nightjar"
local bootstrap = require "nightjar.metrics.bootstrap"
local scoring = require "scoring"

local rows = {}

local KS = { 1, 5, 10 }

--- Text → clip: R@1, R@5, R@10, mAP@10 in percent and the median rank; ties count by their mean
--- rank. As nj.metrics.retrieval, one direction alone. With `resamples`, ci["R@k"] over clips.
function rows.retrieval(S, clip_of, resamples)
  local ranks = nj.metrics.ranks(S, clip_of, { ties = "mean" })
  local sums, sizes, flat, precision = {}, {}, {}, 0
  for clip = 1, S.shape[2] do sums[clip], sizes[clip] = { 0, 0, 0 }, { 0, 0, 0 } end
  for q, list in ipairs(ranks) do
    local rank, clip = list[1], clip_of[q]
    flat[q] = rank
    if rank < 10 then precision = precision + 100 / (rank + 1) end
    for i, k in ipairs(KS) do
      sums[clip][i] = sums[clip][i] + (rank < k and 100 or 0)
      sizes[clip][i] = sizes[clip][i] + 1
    end
  end
  table.sort(flat)
  local n = #flat
  local out = {
    ["mAP@10"] = precision / n,
    median_rank = math.floor((flat[(n + 1) // 2] + flat[n // 2 + 1]) / 2) + 1,
  }
  for i, k in ipairs(KS) do
    local sum = 0
    for _, row in ipairs(sums) do sum = sum + row[i] end
    out["R@" .. k] = sum / n
  end
  if resamples then
    local counts = bootstrap.counts(#sums, { seed = 1, bootstrap = resamples })
    out.ci = bootstrap.means({ "R@1", "R@5", "R@10" }, sums, sizes, counts, 0.95)
  end
  return out
end

--- "R@1/R@5/R@10", for logs.
function rows.recall(S, clip_of)
  local r = rows.retrieval(S, clip_of)
  return ("%.1f/%.1f/%.1f"):format(r["R@1"], r["R@5"], r["R@10"])
end

--- Scores of a set by each level: mean, best (of K), transformer (where there is a pool), words,
--- bm25.
---@param set { queries: string[], documents: string[][] }
---@return table<string, nightjar.Tensor> each (queries, clips)
function rows.scores(matcher, pool, set)
  local queries = scoring.encode_queries(matcher, set.queries)
  local clips = scoring.encode_clips(matcher, set.documents)
  return {
    mean = scoring.by_sentence(queries, clips, "mean"),
    best = scoring.by_sentence(queries, clips, "best"),
    transformer = pool and scoring.by_sentence(queries, clips, pool) or nil,
    words = scoring.by_tokens(queries, clips),
    bm25 = nj.bm25(set.documents):scores(set.queries),
  }
end

--- The sum of levels with weights.
---@param S table<string, nightjar.Tensor>
---@param weights table<string, number> what is not named has no part
function rows.fuse(S, weights)
  local sum
  for _, name in ipairs { "mean", "best", "transformer", "words", "bm25" } do
    local w = weights[name]
    if w and w ~= 0 then
      local part = S[name] * w
      sum = sum and sum + part or part
    end
  end
  return sum
end

local grids = {
  words = { 0, 0.125, 0.25, 0.5, 1, 2, 4 }, bm25 = { 0, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08 },
}

-- `base` with the weight of one level added that gives the highest mAP@10.
local function add_level(S, set, base, name)
  local best, found = -1, nil
  for _, w in ipairs(grids[name]) do
    local weights = { [name] = w }
    for key, value in pairs(base) do weights[key] = value end
    local value = rows.retrieval(rows.fuse(S, weights), set.clip_of)["mAP@10"]
    if value > best then best, found = value, weights end
  end
  return found
end

--- Fusion weights fitted on a set: { words = sentence and words, bm25 = these and BM25 }.
function rows.fit(S, set)
  local words = add_level(S, set, { mean = 1 }, "words")
  return { words = words, bm25 = add_level(S, set, words, "bm25") }
end

--- What the rows are called in the results, in their order.
rows.names = {
  { "bm25", "BM25" },
  { "untrained", "untrained (random word vectors, IDF weights), words × words" },
  { "mean", "sentence, mean of K" },
  { "best", "sentence, best of K" },
  { "transformer", "sentence, transformer mean of K" },
  { "words", "words × words of all captions" },
  { "fused", "sentence (mean) + words" },
  { "fused_bm25", "sentence (mean) + words + BM25" },
}

--- Every row of one test set. The untrained one is measured where all captions are used, once.
---@return table[] { set=, captions=, k=, clips=, queries=, row=, ["R@1"]= …, ci = (seed 1 alone) }
function rows.measure(matcher, pool, untrained, set, weights, seed)
  local S = rows.scores(matcher, pool, set)
  if seed == 1 and set.all then S.untrained = rows.scores(untrained, nil, set).words end
  S.fused, S.fused_bm25 = rows.fuse(S, weights.words), rows.fuse(S, weights.bm25)
  -- With one caption its mean and its best are the caption.
  if set.k == 1 then S.best = nil end
  local out = {}
  for _, name in ipairs(rows.names) do
    if S[name[1]] then
      local row = rows.retrieval(S[name[1]], set.clip_of, seed == 1 and 1000 or nil)
      row.set, row.captions, row.k, row.clips = set.name, set.captions, set.k, set.clips
      row.queries, row.row = #set.queries, name[1]
      out[#out + 1] = row
    end
  end
  return out
end

return rows
