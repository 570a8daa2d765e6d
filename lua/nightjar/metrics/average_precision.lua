--- Average precision: the mean, over the relevant items, of the precision at each one's position.
---
--- The divisor is the number of relevant items, also of those beyond the cut-off. The positions are
--- sorted before j / pos_j is summed: LAION-CLAP's code pairs 1, 2, … with positions in caption
--- order, and can exceed 1.
local opts = require "nightjar.opts"
local ranks = require "nightjar.metrics.ranks"

local average_precision = {}

--- From ascending positions.
---@param positions number[] 1-based positions of all relevant items, ascending
---@param cutoff? integer positions beyond it add nothing
---@return number in [0, 1]; nan without relevant items
function average_precision.from_positions(positions, cutoff)
  local sum = 0
  for j, position in ipairs(positions) do
    if cutoff and position > cutoff then break end
    sum = sum + j / position
  end
  return sum / #positions
end

--- From the ranks of each query's relevant items under one tie rule (not "mean").
---@param lists number[][] what metrics.ranks gives
---@param ties string
---@param cutoff? integer
---@return number[]
function average_precision.from_ranks(lists, ties, cutoff)
  local out = {}
  for q, list in ipairs(lists) do
    out[q] = average_precision.from_positions(ranks.positions(list, ties), cutoff)
  end
  return out
end

--- The average precision of each query.
---@param scores nightjar.Tensor|number[][] (Q, N)
---@param relevant (integer|integer[])[] for each query its relevant items (1-based)
---@param options? { ties?: string, cutoff?: integer }
---  ties    see nightjar.metrics.ranks; "mean" here is the mean of the optimistic and the
---          pessimistic average precision
---  cutoff  10 for AP@10; default none
---@return number[] one a query, in [0, 1]; nan for a query without relevant items
function average_precision.of(scores, relevant, options)
  local o = opts.check("metrics.average_precision", options, {
    ties = ranks.ties_rule, cutoff = { type = "integer", min = 1 },
  })
  local function under(ties)
    return average_precision.from_ranks(ranks.of(scores, relevant, { ties = ties }), ties, o.cutoff)
  end
  if o.ties ~= "mean" then return under(o.ties) end
  local high, low = under "optimistic", under "pessimistic"
  for q = 1, #high do high[q] = (high[q] + low[q]) / 2 end
  return high
end

return average_precision
