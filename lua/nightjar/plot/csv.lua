--- A labelled matrix as CSV (RFC 4180), for people: a label that a spreadsheet would take for a formula
--- gets an apostrophe in front (nightjar.plain).
local records = require "nightjar.data.csv"
local plain = require "nightjar.plain"
local format = require("nightjar.core").system.format

local csv = {}

---@param rows number[][]
---@param row_labels string[]
---@param column_labels string[]
---@return string
function csv.matrix(rows, row_labels, column_labels)
  local head = { "" }
  for j, label in ipairs(column_labels) do head[j + 1] = plain.cell(tostring(label)) end
  local lines = { records.format(head) }
  for i, row in ipairs(rows) do
    local fields = { plain.cell(tostring(row_labels[i])) }
    for j, value in ipairs(row) do fields[j + 1] = format("%.9g", value) end
    lines[i + 1] = records.format(fields)
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

return csv
