--- Progress of long work: a bar that redraws itself on a terminal, plain lines now and then
--- elsewhere.
---
---     local bar = nj.progress { total = #files, label = "indexing" }
---     for i, file in ipairs(files) do … bar:update(i, { loss = 0.31 }) end
---     bar:finish()
---
--- indexing  34% ━━━━━━━━━━━╸                  341/1000  52.1/s  eta 0:12  loss 0.310
local opts = require "nightjar.opts"
local system = require("nightjar.core").system

---@class nightjar.Progress
local Progress = {}
Progress.__index = Progress
Progress.__name = "nightjar.Progress"

local progress = {}

local REDRAW = 0.1   -- seconds between redraws of the bar
local BAR_WIDTH = 24 -- characters

--- Seconds as 0:07, 12:30 or 1:02:03.
---@param seconds number
---@return string
function progress.duration(seconds)
  opts.arg("progress.duration", 1, "seconds", seconds, "number")
  if seconds ~= seconds or seconds == math.huge then return "?" end
  local s = math.floor(seconds + 0.5)
  if s < 3600 then return ("%d:%02d"):format(s // 60, s % 60) end
  return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60)
end

local RULES = {
  total = { type = "integer", min = 0 },
  label = { type = "string", default = "" },
  stream = { type = "any" },
  terminal = "boolean",
  every = { type = "number", default = 10, min = 0 },
  start = { type = "integer", default = 0, min = 0 },
  clock = { type = "callable", default = system.clock },
}

--- Starts.
---@param options? table
---  total     how many there are; without it no percentage and no time left is shown
---  label     what is being done
---  stream    default io.stderr
---  terminal  draw a bar; default: whether the stream is a terminal (and TERM is not "dumb")
---  every     seconds between plain lines where it is none; default 10
---  start     how many were done before (a resumed run); they do not count for the rate
---  clock     default nj.system.clock
---@return nightjar.Progress
function progress.new(options)
  local o = opts.check("progress", options, RULES)
  o.stream = o.stream or io.stderr
  if o.terminal == nil then
    o.terminal = io.type(o.stream) == "file" and os.getenv "TERM" ~= "dumb"
      and system.is_terminal(o.stream)
  end
  o.began = o.clock()
  o.shown_at = o.terminal and -math.huge or o.began
  o.done, o.values = o.start, {}
  return setmetatable(o, Progress)
end

local function shown(value)
  if math.type(value) ~= "float" then return tostring(value) end
  return (("%.4g"):format(value))
end

local function rate_text(rate)
  if rate >= 100 then return ("%.0f/s"):format(rate) end
  if rate >= 1 then return ("%.1f/s"):format(rate) end
  return rate > 0 and ("%.1fs each"):format(1 / rate) or "-"
end

local function bar_text(fraction)
  local filled = math.floor(fraction * BAR_WIDTH * 2)
  local whole, half = filled // 2, filled % 2
  return ("━"):rep(whole) .. (half == 1 and "╸" or "") .. (" "):rep(BAR_WIDTH - whole - half)
end

-- The characters that fit in `columns`; every code point here is one column wide.
local function fitted(text, columns)
  local length = utf8.len(text)
  if not length or length <= columns then return text end
  return text:sub(1, utf8.offset(text, columns + 1) - 1)
end

--- The line as it would be shown now.
---@return string
function Progress:text()
  local seconds = self.clock() - self.began
  local rate = seconds > 0 and (self.done - self.start) / seconds or 0
  local parts = {}
  local function add(text) parts[#parts + 1] = text end
  if self.label ~= "" then add(self.label) end
  if self.total and self.total > 0 then
    local fraction = math.min(1, self.done / self.total)
    add(("%3d%%"):format(math.floor(fraction * 100)))
    if self.terminal then add(bar_text(fraction)) end
    add(("%d/%d"):format(self.done, self.total))
  else
    add(tostring(self.done))
  end
  add(rate_text(rate))
  if self.total and self.done < self.total then
    add("eta " .. progress.duration(rate > 0 and (self.total - self.done) / rate or math.huge))
  else
    add(progress.duration(seconds))
  end
  local names = {}
  for name in pairs(self.values) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do add(name .. " " .. shown(self.values[name])) end
  return table.concat(parts, "  ")
end

local function show(self)
  self.shown_at = self.clock()
  local text = self:text()
  if self.terminal then
    local columns = io.type(self.stream) == "file" and system.columns(self.stream) or 80
    self.stream:write("\r", fitted(text, columns - 1), "\27[K")
  else
    self.stream:write(text, "\n")
  end
  self.stream:flush()
end

--- Tells how far the work is.
---@param done integer
---@param values? table<string, number|string> shown at the end of the line; kept when absent
---@return nightjar.Progress
function Progress:update(done, values)
  self.done, self.values = done, values or self.values
  if self.clock() - self.shown_at >= (self.terminal and REDRAW or self.every) then show(self) end
  return self
end

--- Writes a line above the bar.
---@param text string
---@return nightjar.Progress
function Progress:message(text)
  self.stream:write(self.terminal and "\r\27[K" or "", text, "\n")
  self.stream:flush()
  if self.terminal then self.shown_at = -math.huge end
  return self
end

--- Shows the last state and ends the line. More calls do nothing.
---@return nightjar.Progress
function Progress:finish()
  if self.finished then return self end
  self.finished = true
  show(self)
  if self.terminal then self.stream:write "\n" end
  self.stream:flush()
  return self
end

-- ---- the option of others ----

--- The rule of the option `progress`, the same for every function that takes long: nil or false says
--- nothing, true shows a bar on standard error, a function is called with (done, total), total nil where it is
--- not known. What comes behind these two is the function's own.
progress.rule = { type = "boolean|callable|nightjar.Progress" }
--- The same where a bar is shown unless it is turned off.
progress.shown = { type = "boolean|callable|nightjar.Progress", default = true }

local Report = {}
Report.__index = Report
Report.__name = "nightjar.progress.Report"

--- What a function calls with (done, total, …) as its work goes on, whatever its option `progress` was.
---@param wanted any the option
---@param options? table of the bar, as for progress.new
---@return table report callable; `report:update(done, values)`, `report:message(text)`, `report:finish()`
function progress.report(wanted, options)
  if getmetatable(wanted) == Report then return wanted end
  opts.arg("progress.report", 1, "wanted", wanted, { type = progress.rule.type, optional = true })
  opts.check("progress.report", options, RULES)
  local o = options or {}
  local self = setmetatable({ options = o, total = o.total }, Report)
  if getmetatable(wanted) == Progress then
    self.bar = wanted
  elseif wanted and wanted ~= true then
    self.call = wanted
  else
    self.wants_bar = wanted == true
  end
  return self
end

-- The bar, made when it is first needed: then the total is known.
local function bar_of(self)
  if self.wants_bar then
    self.wants_bar = false
    local o = { total = self.total }
    for key, value in pairs(self.options) do o[key] = value end
    self.bar = progress.new(o)
  end
  return self.bar
end

function Report:update(done, values)
  local bar = bar_of(self)
  if bar then bar:update(done, values) end
  if self.call then self.call(done, self.total) end
end

function Report:__call(done, total, ...)
  self.total = total or self.total
  if self.call then
    self.call(done, total, ...)
  else
    self:update(done)
    if total and done >= total then self:finish() end
  end
end

--- A line above the bar, where there is one.
function Report:message(text)
  local bar = bar_of(self)
  if bar then bar:message(text) end
end

function Report:finish()
  if self.bar then self.bar:finish() end
end

return setmetatable(progress, {
  __call = function(_, options) return progress.new(options) end,
})
