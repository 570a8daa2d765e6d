--- A labelled matrix as CSV (RFC 4180).
local csv = {}

local function quote(text)
  text = tostring(text)
  return text:find '[",\r\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

---@param rows number[][]
---@param row_labels string[]
---@param column_labels string[]
---@return string
function csv.matrix(rows, row_labels, column_labels)
  local head = { "" }
  for j, label in ipairs(column_labels) do head[j + 1] = quote(label) end
  local lines = { table.concat(head, ",") }
  for i, row in ipairs(rows) do
    local cells = { quote(row_labels[i]) }
    for j, value in ipairs(row) do cells[j + 1] = ("%.9g"):format(value) end
    lines[i + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

return csv
