--- Tables of metrics as text.
local report = {}

-- Width in characters, not bytes: headings hold arrows.
local function pad(text, width, left)
  local fill = (" "):rep(math.max(0, width - (utf8.len(text) or #text)))
  return left and text .. fill or fill .. text
end

local function cell(value)
  if type(value) == "table" then return ("[%s, %s]"):format(cell(value[1]), cell(value[2])) end
  if type(value) == "string" then return value end
  if not value then return "" end
  if math.type(value) == "integer" then return tostring(value) end
  return ("%.2f"):format(value)
end

--- The heading of interval columns.
---@param result { confidence: number, resamples: integer }
---@return string
function report.interval_head(result)
  if result.resamples == 0 then return "" end
  return ("[%g %% CI]"):format(result.confidence * 100)
end

--- How the intervals were made.
---@param result { confidence: number, resamples: integer, seed: integer }
---@return string
function report.interval_text(result)
  return ("%g %% intervals: percentile bootstrap, %d resamples of clips, seed %d"):format(
    result.confidence * 100, result.resamples, result.seed)
end

--- Lines of aligned cells; the first column is aligned at the left. Columns that are empty
--- throughout are left out.
---@param head string[]
---@param names string[] first cell of each row
---@param row fun(name: string): any[] the rest: numbers, { low, high }, strings, or false
---@return string
function report.table(head, names, row)
  local lines = { head }
  for i, name in ipairs(names) do
    local cells = { (name:gsub("_", " ")) }
    for c, value in ipairs(row(name)) do cells[c + 1] = cell(value) end
    lines[i + 1] = cells
  end
  local widths = {}
  for c = 1, #head do
    widths[c] = 0
    for _, cells in ipairs(lines) do
      widths[c] = math.max(widths[c], utf8.len(cells[c] or "") or #cells[c])
    end
  end
  local out = {}
  for i, cells in ipairs(lines) do
    local parts = {}
    for c = 1, #head do
      if widths[c] > 0 then parts[#parts + 1] = pad(cells[c] or "", widths[c], c == 1) end
    end
    out[i] = (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  return table.concat(out, "\n")
end

--- A copy without metatable, lists of ranks and numbers that JSON does not have (nan, inf).
---@param value any
---@return any
function report.plain(value)
  if type(value) == "table" then
    local out = {}
    for key, item in pairs(value) do
      if key ~= "ranks" then out[key] = report.plain(item) end
    end
    return out
  end
  if value ~= value or value == math.huge or value == -math.huge then return nil end
  return value
end

return report
