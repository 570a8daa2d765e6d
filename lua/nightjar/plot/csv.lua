--- A labelled matrix as CSV (RFC 4180).
local records = require "nightjar.data.csv"
local format = require("nightjar.core").system.format

local csv = {}

---@param rows number[][]
---@param row_labels string[]
---@param column_labels string[]
---@return string
function csv.matrix(rows, row_labels, column_labels)
  local lines = { records.format(table.move(column_labels, 1, #column_labels, 2, { "" })) }
  for i, row in ipairs(rows) do
    local fields = { row_labels[i] }
    for j, value in ipairs(row) do fields[j + 1] = format("%.9g", value) end
    lines[i + 1] = records.format(fields)
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

return csv
