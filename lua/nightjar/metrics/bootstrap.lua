--- Confidence intervals by the percentile bootstrap over clips: whole clips, with all their
--- captions, are drawn with replacement, because captions of one clip are not independent of each
--- other. What is searched (the gallery) stays as it is; the clips that ask are resampled.
local core = require "nightjar.core"

local bootstrap = {}

--- The options every metric with intervals takes; for opts.check.
bootstrap.rules = {
  bootstrap = { type = "integer", default = 1000, min = 0 },
  confidence = { type = "number", default = 0.95, above = 0, below = 1 },
  seed = { type = "integer", default = 1 },
}

--- How often each clip was drawn in each resample.
---@param clips integer
---@param o table checked options
---@return nightjar.Tensor (resamples, clips) int32
function bootstrap.counts(clips, o)
  return core._rank.resample_counts(core.rng(o.seed), clips, o.bootstrap)
end

-- The value at quantile q of a sorted list, between neighbours in proportion.
local function quantile(sorted, q)
  local at = 1 + q * (#sorted - 1)
  local low = math.floor(at)
  local high = math.min(low + 1, #sorted)
  return sorted[low] + (at - low) * (sorted[high] - sorted[low])
end

--- The interval that holds `confidence` of the values; nan ones are left out.
---@param values number[]
---@param confidence number
---@return { [1]: number, [2]: number }
function bootstrap.interval(values, confidence)
  local sorted = {}
  for _, value in ipairs(values) do
    if value == value then sorted[#sorted + 1] = value end
  end
  if #sorted == 0 then return { 0 / 0, 0 / 0 } end
  table.sort(sorted)
  local tail = (1 - confidence) / 2
  return { quantile(sorted, tail), quantile(sorted, 1 - tail) }
end

local function column(rows, m)
  local values = {}
  for b, row in ipairs(rows) do values[b] = row[m] end
  return values
end

--- Intervals of means. Each quantity has a sum and a size for each clip; its value is the ratio of
--- the totals.
---@param names string[] M
---@param sums number[][] (clips, M)
---@param sizes number[][] (clips, M)
---@param counts nightjar.Tensor (resamples, clips) int32
---@param confidence number
---@return table<string, { [1]: number, [2]: number }>
function bootstrap.means(names, sums, sizes, counts, confidence)
  local f64 = { dtype = "float64" }
  local rows = core._rank.resampled_mean(core.tensor(sums, f64), core.tensor(sizes, f64), counts)
    :totable()
  local out = {}
  for m, name in ipairs(names) do out[name] = bootstrap.interval(column(rows, m), confidence) end
  return out
end

--- Medians of values that belong to clips, under each resample.
---@param values number[]
---@param clips integer[] 1-based clip of each value
---@param counts nightjar.Tensor (resamples, clips) int32
---@return number[] one a resample
function bootstrap.medians(values, clips, counts)
  local order = {}
  for i = 1, #values do order[i] = i end
  table.sort(order, function(a, b)
    if values[a] ~= values[b] then return values[a] < values[b] end
    return a < b
  end)
  local sorted, clusters = {}, {}
  for position, i in ipairs(order) do
    sorted[position], clusters[position] = values[i], clips[i] - 1
  end
  return core._rank.resampled_median(core.tensor(sorted, { dtype = "float64" }),
    core.tensor(clusters, { dtype = "int64" }), counts):totable()
end

return bootstrap
