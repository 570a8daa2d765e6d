--- SVG: what all drawings have in common, and a labelled matrix as a heat map, readable in any browser and
--- in print.
local svg = {}
local format = require("nightjar.core").system.format
local plain = require "nightjar.plain"

local CELL, LABEL_CHARACTER, MARGIN = 26, 7, 16

-- Five stops of a perceptually even scale from dark blue to yellow, so that it survives grey
-- printing.
local STOPS = {
  { 48, 18, 100 }, { 52, 88, 150 }, { 42, 140, 140 }, { 110, 190, 90 }, { 248, 225, 60 },
}

local UNKNOWN = "#cccccc" -- cells that hold no number

local function colour(t)
  t = math.max(0, math.min(1, t)) * (#STOPS - 1)
  local i = math.min(math.floor(t), #STOPS - 2)
  local a, b, f = STOPS[i + 1], STOPS[i + 2], t - i
  local c = {}
  for k = 1, 3 do c[k] = math.floor(a[k] + (b[k] - a[k]) * f + 0.5) end
  return format("#%02x%02x%02x", c[1], c[2], c[3]), t > 2.6
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }
--- A text as it stands in an element or an attribute. What XML cannot hold, control characters and bytes
--- that are not UTF-8, becomes U+FFFD.
local escape = function(text) return (plain.text(tostring(text)):gsub('[&<>"]', ENTITIES)) end
svg.escape = escape

--- A whole file: a white page with what is on it.
---@param width number pixels
---@param height number
---@param body string[] elements
---@param ink? string colour of text; black when left out
---@return string
function svg.document(width, height, body, ink)
  width, height = math.ceil(width), math.ceil(height)
  return format('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
    .. 'font-family="sans-serif" font-size="12"%s>\n<rect width="%d" height="%d" '
    .. 'fill="white"/>\n%s\n</svg>\n', width, height, width, height,
    ink and format(' fill="%s"', ink) or "", width, height, table.concat(body, "\n"))
end

local function longest(labels)
  local most = 0
  for _, label in ipairs(labels) do most = math.max(most, utf8.len(label) or #label) end
  return most
end

local function extent(rows)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(rows) do
    for _, v in ipairs(row) do
      if v == v then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  return low, math.max(high, low + 1e-12)
end

-- One cell with its upper left corner at (x, y): a square that names itself, and its value.
local function cell(x, y, value, t, label)
  local known = value == value
  local fill, dark_text = colour(known and t or 0)
  local ink = (dark_text or not known) and "black" or "white"
  return format('<rect x="%d" y="%d" width="%d" height="%d" fill="%s"><title>%s: %s</title></rect>\n'
    .. '<text x="%.1f" y="%.1f" text-anchor="middle" font-size="8" fill="%s">%s</text>',
    x, y, CELL, CELL, known and fill or UNKNOWN, label, known and format("%.4f", value) or "none",
    x + CELL / 2, y + CELL / 2 + 3, ink, known and format("%.2f", value) or "–")
end

---@param rows number[][]
---@param row_labels string[]
---@param column_labels string[]
---@return string
function svg.matrix(rows, row_labels, column_labels)
  local left = MARGIN + longest(row_labels) * LABEL_CHARACTER + 8
  local top = MARGIN + longest(column_labels) * LABEL_CHARACTER + 8
  local width = left + #column_labels * CELL + MARGIN
  local height = top + #rows * CELL + MARGIN
  local low, high = extent(rows)
  local out = {}
  for j, label in ipairs(column_labels) do
    local x = left + (j - 0.5) * CELL + 4
    out[#out + 1] = format('<text transform="translate(%.1f %d) rotate(-90)">%s</text>', x,
      top - 6,
      escape(label))
  end
  for i, row in ipairs(rows) do
    local y = top + (i - 1) * CELL
    out[#out + 1] = format('<text x="%d" y="%.1f" text-anchor="end">%s</text>', left - 6,
      y + CELL / 2 + 4, escape(row_labels[i]))
    for j, value in ipairs(row) do
      out[#out + 1] = cell(left + (j - 1) * CELL, y, value, (value - low) / (high - low),
        escape(row_labels[i]) .. " × " .. escape(column_labels[j]))
    end
  end
  return svg.document(width, height, out)
end

return svg
