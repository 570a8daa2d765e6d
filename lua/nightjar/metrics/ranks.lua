--- Where relevant items stand in a ranking.
---
--- Ranks are 0-based and count every other item of the row, so that the items relevant to one query
--- also stand in each other's way. Ties:
---   stable       the item with the lower index comes first (the default)
---   optimistic   a relevant item comes before all others of its score
---   pessimistic  after all others of its score
---   mean         half way between these two
--- A score that is nan is an error.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local ranks = {}

--- The tie rules.
ranks.ties = { "stable", "optimistic", "pessimistic", "mean" }

--- The rule for opts.check.
ranks.ties_rule = { type = "string", default = "stable", one_of = ranks.ties }

--- How each rule is put in words.
ranks.ties_text = {
  stable = "stable (lower index first)",
  optimistic = "optimistic (relevant first)",
  pessimistic = "pessimistic (relevant last)",
  mean = "mean of optimistic and pessimistic rank",
}

--- A (queries, items) float tensor from a tensor or a table of rows.
---@param fname string
---@param scores nightjar.Tensor|number[][]
---@param level integer error level of the caller
---@return nightjar.Tensor
function ranks.matrix(fname, scores, level)
  if type(scores) == "table" then scores = core.tensor(scores) end
  if opts.type_name(scores) ~= "nightjar.Tensor" then
    error(("%s: argument 1 (scores) must be a tensor or a table of rows, got %s"):format(fname,
      scores == nil and "nothing" or "a " .. opts.type_name(scores)), level + 1)
  end
  if #scores.shape ~= 2 then
    error(("%s: scores must have two dimensions, got shape (%s)"):format(fname,
      table.concat(scores.shape, ", ")), level + 1)
  end
  return scores:detach()
end

local function check_item(row, item, columns, level)
  if math.type(item) ~= "integer" or item < 1 or item > columns then
    error(("metrics.ranks: relevant item %s of query %d is outside 1 to %d"):format(tostring(item),
      row, columns), level + 1)
  end
end

--- Ranks of the relevant items of every query.
---@param scores nightjar.Tensor|number[][] (Q, N), greater is better
---@param relevant (integer|integer[])[] for each query its relevant item, or a list (1-based)
---@param options? { ties?: string }
---@return number[][] for each query, in the order of its list, 0-based ranks
function ranks.of(scores, relevant, options)
  local o = opts.check("metrics.ranks", options, { ties = ranks.ties_rule })
  scores = ranks.matrix("metrics.ranks", scores, 2)
  opts.arg("metrics.ranks", 2, "relevant", relevant, "table")
  local rows, columns = scores.shape[1], scores.shape[2]
  if #relevant ~= rows then
    error(("metrics.ranks: expected relevant items for each of %d queries, got %d"):format(rows,
      #relevant), 2)
  end
  local offsets, items = { 0 }, {}
  for row, list in ipairs(relevant) do
    if type(list) ~= "table" then list = { list } end
    for _, item in ipairs(list) do
      check_item(row, item, columns, 2)
      items[#items + 1] = item - 1
    end
    offsets[row + 1] = #items
  end
  local flat = core._rank.ranks(scores, core.tensor(offsets, { dtype = "int64" }),
    core.tensor(items, { dtype = "int64" }), o.ties):totable()
  local out = {}
  for row = 1, rows do
    out[row] = table.move(flat, offsets[row] + 1, offsets[row + 1], 1, {})
  end
  return out
end

--- Positions for average precision: ranks in ascending order, no two in one place. Relevant items
--- that share a rank (optimistic and pessimistic rules) stand side by side before, or after, the
--- irrelevant items of their score; without this, two ties at the top would count 1/1 + 2/1.
---@param list number[] 0-based ranks
---@param ties string
---@return number[] ascending 1-based positions
function ranks.positions(list, ties)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  if ties == "pessimistic" then
    for j = #sorted - 1, 1, -1 do sorted[j] = math.min(sorted[j], sorted[j + 1] - 1) end
  else
    for j = 2, #sorted do sorted[j] = math.max(sorted[j], sorted[j - 1] + 1) end
  end
  for j = 1, #sorted do sorted[j] = sorted[j] + 1 end
  return sorted
end

return ranks
