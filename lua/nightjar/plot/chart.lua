--- Means with intervals as SVG: horizontal bars for configurations, lines for a number that was
--- varied. Readable in any browser and in print; colours differ in lightness too.
local svg = require "nightjar.plot.svg"
local format = require("nightjar.core").system.format

local chart = {}

local CHARACTER, MARGIN, BAR, GAP = 6.6, 16, 18, 8
local COLOURS = { "#2a788e", "#d1603d", "#5b3a8c", "#6aa84f", "#b8860b", "#444444" }
local INK, GRID = "#222222", "#dddddd"

local escape = svg.escape

local function width_of(text) return (utf8.len(text) or #text) * CHARACTER end

local function is_number(x) return x ~= nil and x == x and math.abs(x) < math.huge end

-- Round steps, about `wanted` of them, over a range: low, high, step.
local function scale(low, high, wanted)
  if high <= low then high = low + 1 end
  local rough = (high - low) / wanted
  local power = 10 ^ math.floor(math.log(rough, 10))
  local step = power * 10
  for _, factor in ipairs { 1, 2, 5 } do
    if factor * power >= rough then
      step = factor * power
      break
    end
  end
  return math.floor(low / step) * step, math.ceil(high / step) * step, step
end

local function tick_text(value, step)
  local digits = math.max(0, math.ceil(-math.log(step, 10) - 1e-9))
  return format("%." .. digits .. "f", value + 0.0)
end

-- The extent of values with their intervals. Bars begin at 0; lines do not have to.
local function extent(points, from_zero)
  local low, high = from_zero and 0 or math.huge, from_zero and 0 or -math.huge
  for _, p in ipairs(points) do
    for _, v in ipairs { p.y, is_number(p.low) and p.low or p.y,
      is_number(p.high) and p.high or p.y } do
      if is_number(v) then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  if low > high then low, high = 0, 1 end
  return low, high
end

local function document(width, height, body) return svg.document(width, height, body, INK) end

local function text(x, y, anchor, content, more)
  return format('<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>', x, y, anchor,
    more and " " .. more or "", escape(content))
end

local function stroke(x1, y1, x2, y2, colour, thickness)
  return format('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"/>',
    x1, y1, x2, y2, colour, thickness or 1)
end

local function shown(value, shared)
  return format("%." .. (shared.digits or 1) .. "f", value)
end

local function value_text(p, shared)
  if not (is_number(p.low) and is_number(p.high)) then return shown(p.y, shared) end
  return shown(p.y, shared) .. " ± " .. shown((p.high - p.low) / 2, shared)
end

--- Horizontal bars with their intervals.
---@param bars { label: string, y: number, low?: number, high?: number, marked?: boolean }[] marked:
---  the baseline, drawn grey with a line down the chart
---@param shared { title: string, value_label: string, digits?: integer }
---@return string svg
function chart.bars(bars, shared)
  local left, room = MARGIN, 0
  for _, bar in ipairs(bars) do
    left = math.max(left, MARGIN + width_of(bar.label) + 8)
    room = math.max(room, width_of(value_text(bar, shared)) + 12)
  end
  local plot, top = 380, MARGIN + 30
  local width = math.max(left + plot + room + MARGIN, 2 * MARGIN + width_of(shared.title) * 1.2)
  local bottom = top + #bars * (BAR + GAP)
  local lowest, highest = extent(bars, true)
  local low, high, step = scale(lowest, highest, 6)
  local function at(value) return left + (value - low) / (high - low) * plot end
  local body = { text(MARGIN, MARGIN + 8, "start", shared.title, 'font-size="14"') }
  for i = 0, math.floor((high - low) / step + 0.5) do
    local value = low + i * step
    body[#body + 1] = stroke(at(value), top, at(value), bottom, GRID)
    body[#body + 1] = text(at(value), bottom + 16, "middle", tick_text(value, step))
  end
  body[#body + 1] = text(left + plot / 2, bottom + 34, "middle", shared.value_label)
  for i, bar in ipairs(bars) do
    local y = top + (i - 1) * (BAR + GAP) + GAP / 2
    local middle = y + BAR / 2
    local x0, x1 = math.min(at(0), at(bar.y)), math.max(at(0), at(bar.y))
    body[#body + 1] = text(left - 8, middle + 4, "end", bar.label)
    body[#body + 1] = format('<rect x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>', x0, y,
      x1 - x0, BAR, bar.marked and "#999999" or COLOURS[1])
    local stop = x1
    if is_number(bar.low) and is_number(bar.high) then
      stop = math.max(stop, at(bar.high))
      body[#body + 1] = stroke(at(bar.low), middle, at(bar.high), middle, INK, 1.5)
      body[#body + 1] = stroke(at(bar.low), middle - 4, at(bar.low), middle + 4, INK, 1.5)
      body[#body + 1] = stroke(at(bar.high), middle - 4, at(bar.high), middle + 4, INK, 1.5)
    end
    body[#body + 1] = text(stop + 6, middle + 4, "start", value_text(bar, shared))
    if bar.marked then
      body[#body + 1] = format('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#999999" '
        .. 'stroke-dasharray="4 3"/>', at(bar.y), top, at(bar.y), bottom)
    end
  end
  return document(width, bottom + 34 + MARGIN, body)
end

local function all_points(series)
  local points = {}
  for _, each in ipairs(series) do
    for _, p in ipairs(each.points) do points[#points + 1] = p end
  end
  return points
end

local function draw_series(body, each, colour, at_x, at_y)
  table.sort(each.points, function(a, b) return a.x < b.x end)
  local path = {}
  for i, p in ipairs(each.points) do
    local x, y = at_x(p.x), at_y(p.y)
    path[i] = format("%.1f,%.1f", x, y)
    if is_number(p.low) and is_number(p.high) then
      body[#body + 1] = stroke(x, at_y(p.low), x, at_y(p.high), colour, 1.5)
      body[#body + 1] = stroke(x - 4, at_y(p.low), x + 4, at_y(p.low), colour, 1.5)
      body[#body + 1] = stroke(x - 4, at_y(p.high), x + 4, at_y(p.high), colour, 1.5)
    end
    body[#body + 1] = format('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>', x, y, colour)
  end
  body[#body + 1] = format('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>',
    table.concat(path, " "), colour)
end

--- Lines through means, with the interval of each.
---@param series { label: string, points: { x: number, y: number, low?: number,
---  high?: number }[] }[]
---@param shared { title: string, value_label: string, digits?: integer }
---@param x_label string
---@return string svg
function chart.lines(series, shared, x_label)
  local points = all_points(series)
  local plot_w, plot_h, left, top = 400, 240, MARGIN + 54, MARGIN + 30
  local legend = 0
  for _, each in ipairs(series) do legend = math.max(legend, width_of(each.label) + 34) end
  local width = math.max(left + plot_w + legend + MARGIN, 2 * MARGIN + width_of(shared.title) * 1.2)
  local bottom = top + plot_h
  local lowest, highest = extent(points, false)
  local low, high, step = scale(lowest, highest, 6)
  local xs, seen = {}, {}
  for _, p in ipairs(points) do
    if not seen[p.x] then
      seen[p.x] = true
      xs[#xs + 1] = p.x
    end
  end
  table.sort(xs)
  local x_low, x_high = xs[1] or 0, xs[#xs] or 1
  local function at_x(x)
    return left + 16 + (x_high > x_low and (x - x_low) / (x_high - x_low) or 0.5) * (plot_w - 32)
  end
  local function at_y(y) return bottom - (y - low) / (high - low) * plot_h end
  local body = { text(MARGIN, MARGIN + 8, "start", shared.title, 'font-size="14"') }
  for i = 0, math.floor((high - low) / step + 0.5) do
    local value = low + i * step
    body[#body + 1] = stroke(left, at_y(value), left + plot_w, at_y(value), GRID)
    body[#body + 1] = text(left - 6, at_y(value) + 4, "end", tick_text(value, step))
  end
  for _, x in ipairs(xs) do
    body[#body + 1] = stroke(at_x(x), bottom, at_x(x), bottom + 4, INK)
    body[#body + 1] = text(at_x(x), bottom + 18, "middle", format("%g", x))
  end
  body[#body + 1] = text(left + plot_w / 2, bottom + 36, "middle", x_label)
  body[#body + 1] = format('<text transform="translate(%d %.1f) rotate(-90)" text-anchor="middle">%s</text>',
    MARGIN + 8, top + plot_h / 2, escape(shared.value_label))
  for i, each in ipairs(series) do
    local colour = COLOURS[(i - 1) % #COLOURS + 1]
    draw_series(body, each, colour, at_x, at_y)
    if each.label ~= "" then
      local y = top + 8 + (i - 1) * 18
      body[#body + 1] = stroke(left + plot_w + 8, y, left + plot_w + 26, y, colour, 2)
      body[#body + 1] = text(left + plot_w + 32, y + 4, "start", each.label)
    end
  end
  return document(width, bottom + 36 + MARGIN, body)
end

return chart
