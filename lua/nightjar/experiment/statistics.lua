--- Means over seeds, with the interval that they are known to.
---
--- Runs that differ in the seed alone are taken for independent draws of a normal distribution, so
--- the interval of their mean is mean ± t · s / √n, with Student's t of n − 1 degrees of freedom.
--- It tells of the seed (weights, order, dropout), not of the clips: those are the same in all runs.
local opts = require "nightjar.opts"
local student = require "nightjar.experiment.student"

local statistics = {}

-- nan, infinities and what is no number are left out.
local function finite(values)
  local kept = {}
  for _, value in ipairs(values) do
    if type(value) == "number" and value == value and math.abs(value) < math.huge then
      kept[#kept + 1] = value
    end
  end
  return kept
end

---@class nightjar.Estimate
---@field n integer
---@field mean number nan without values
---@field deviation number of the values (n − 1 in the divisor); nan for fewer than two
---@field half number half the interval's width; nan for fewer than two values
---@field low number
---@field high number

--- The mean of values and its interval.
---@param values number[]
---@param confidence? number default 0.95
---@return nightjar.Estimate
function statistics.estimate(values, confidence)
  opts.arg("experiment.estimate", 1, "values", values, "table")
  confidence = opts.arg("experiment.estimate", 2, "confidence", confidence,
    { type = "number", default = 0.95, above = 0, below = 1 })
  local kept = finite(values)
  local n, sum = #kept, 0
  for _, value in ipairs(kept) do sum = sum + value end
  local mean = n > 0 and sum / n or 0 / 0
  local deviation, half = 0 / 0, 0 / 0
  if n > 1 then
    local squares = 0
    for _, value in ipairs(kept) do squares = squares + (value - mean) ^ 2 end
    deviation = math.sqrt(squares / (n - 1))
    half = student.quantile(0.5 + confidence / 2, n - 1) * deviation / math.sqrt(n)
  end
  return { n = n, mean = mean, deviation = deviation, half = half, low = mean - half,
    high = mean + half }
end

--- The mean difference of values that belong together: a configuration and a baseline under the
--- same seed.
---@param values table<any, number> by seed
---@param baseline table<any, number> by seed; seeds that only one has are left out
---@param confidence? number default 0.95
---@return nightjar.Estimate
function statistics.paired(values, baseline, confidence)
  opts.arg("experiment.paired", 1, "values", values, "table")
  opts.arg("experiment.paired", 2, "baseline", baseline, "table")
  local differences = {}
  for seed, value in pairs(values) do
    local other = baseline[seed]
    if type(value) == "number" and type(other) == "number" then
      differences[#differences + 1] = value - other
    end
  end
  table.sort(differences) -- sums do not depend on the order of `pairs`
  return statistics.estimate(differences, confidence)
end

return statistics
