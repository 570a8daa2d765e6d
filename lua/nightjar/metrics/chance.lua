--- What a system that ranks at random would score, computed and not simulated: all orders of the N
--- items are equally likely. Rates are fractions, not percent.
local opts = require "nightjar.opts"

local chance = {}

local COUNT = { type = "integer", min = 1, max = 100000000 } -- loops run over them

local LENGTH = { type = "integer", min = 0 }

local function check(name, items, relevant)
  opts.arg("chance." .. name, 1, "items", items, COUNT, 4)
  opts.arg("chance." .. name, 2, "relevant", relevant, LENGTH, 4)
end

--- P(none of n relevant items among N stands in the first k places) = C(N − n, k) / C(N, k).
---@param items integer N
---@param relevant integer n
---@param k integer
---@return number
function chance.none_in_first(items, relevant, k)
  check("none_in_first", items, relevant)
  opts.arg("chance.none_in_first", 3, "k", k, LENGTH)
  local p = 1
  for i = 0, math.min(k, items) - 1 do
    p = p * (items - relevant - i) / (items - i)
    if p <= 0 then return 0 end
  end
  return p
end

--- P(at least one relevant item in the first k).
---@param items integer
---@param relevant integer
---@param k integer
---@return number
function chance.hit(items, relevant, k)
  check("hit", items, relevant)
  opts.arg("chance.hit", 3, "k", k, LENGTH)
  return 1 - chance.none_in_first(items, relevant, k)
end

--- Expected share of the relevant items in the first k.
---@param items integer
---@param k integer
---@return number
function chance.recall(items, k)
  opts.arg("chance.recall", 1, "items", items, COUNT)
  opts.arg("chance.recall", 2, "k", k, LENGTH)
  return math.min(k, items) / items
end

--- Expected average precision with positions beyond `cutoff` adding nothing. A relevant item stands
--- at position p with probability n/N, and then (p − 1)(n − 1)/(N − 1) others are expected before
--- it:
---   E = (1/N) Σ_p (1 + (p − 1)(n − 1)/(N − 1)) / p
---@param items integer
---@param relevant integer at least 1
---@param cutoff? integer
---@return number
function chance.average_precision(items, relevant, cutoff)
  check("average_precision", items, relevant)
  opts.arg("chance.average_precision", 3, "cutoff", cutoff, { type = "integer", optional = true })
  local sum, density = 0, items > 1 and (relevant - 1) / (items - 1) or 0
  for p = 1, math.min(cutoff or items, items) do sum = sum + (1 + (p - 1) * density) / p end
  return sum / items
end

--- Expected 1-based rank of the best of n relevant items: (N + 1)/(n + 1).
---@param items integer
---@param relevant integer
---@return number
function chance.mean_rank(items, relevant)
  check("mean_rank", items, relevant)
  return (items + 1) / (relevant + 1)
end

--- The median, as floor(median) + 1 of 0-based ranks, of the best rank over queries that have
--- different numbers of relevant items: the first rank that at least half of the probability lies
--- at or before.
---@param items integer
---@param queries table<integer, integer> number of relevant items → number of such queries
---@return integer 1-based
function chance.median_rank(items, queries)
  opts.arg("chance.median_rank", 1, "items", items, COUNT)
  opts.arg("chance.median_rank", 2, "queries", queries, "table")
  local total, above = 0, {}
  for relevant, count in pairs(queries) do
    opts.arg("chance.median_rank", 2, "queries, a key", relevant, { type = "integer", min = 1 })
    opts.arg("chance.median_rank", 2, "queries, a value", count, "number")
    total = total + count
    above[relevant] = 1
  end
  for rank = 0, items - 1 do
    local beyond = 0
    for relevant, count in pairs(queries) do
      above[relevant] = math.max(0, above[relevant] * (items - relevant - rank) / (items - rank))
      beyond = beyond + count * above[relevant]
    end
    -- The tolerance lets an exact half, spoilt by rounding, count as a half.
    if beyond <= total * (0.5 + 1e-12) then return rank + 1 end
  end
  return items
end

return chance
