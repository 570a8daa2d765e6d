--- Where in a clip something sounds. Many clips are padded with silence (46 clips of ESC-50 fall
--- silent before their first second is over) and many hold several separate happenings; scenes are
--- made of the parts that sound.
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"

local activity = {}
local format = require("nightjar.core").system.format
local plain = require "nightjar.plain"

local HOP = 0.01 -- seconds a frame
local RATE = 16000 -- enough to see where sound is; decoding is most of the work

-- Everything below is in dB of a frame's RMS against full scale.
local SILENCE = -75 -- below this nothing is heard, whatever the peak
local EXTENT_RANGE = 45 -- the sounding part: from the first to the last frame this near the peak
local EVENT_RANGE = 20 -- an event: frames this near the peak …
local EVENT_OVER_FLOOR = 9 -- … and this far above what the clip is like between its events
local GAP = 0.15 -- seconds; shorter pauses do not part two events
local SHORTEST = 0.03 -- seconds; shorter events are clicks of the recording
local BEFORE, AFTER = 0.03, 0.12 -- seconds kept around an event: its attack and its decay

local function percentile(sorted, p)
  return sorted[math.max(1, math.ceil(#sorted * p))]
end

-- Runs of frames for which keep(level) is true, joined over short gaps, as { first, last } frames.
local function runs(levels, keep)
  local out, gap = {}, GAP // HOP
  for i, level in ipairs(levels) do
    if keep(level) then
      local last = out[#out]
      if last and i - last[2] <= gap then last[2] = i else out[#out + 1] = { i, i } end
    end
  end
  return out
end

local function mean_power(levels, first, last)
  local sum = 0
  for i = first, last do sum = sum + 10 ^ (levels[i] / 10) end
  return 10 * math.log(sum / (last - first + 1), 10)
end

-- The events of a clip: stretches that stand out. Where nothing does, the whole extent is one.
local function find_events(levels, first, last, peak)
  local sorted = table.move(levels, first, last, 1, {})
  table.sort(sorted)
  local threshold = math.max(peak - EVENT_RANGE, percentile(sorted, 0.1) + EVENT_OVER_FLOOR)
  local events = {}
  if threshold < peak - 3 then
    for _, run in ipairs(runs(levels, function(level) return level >= threshold end)) do
      if (run[2] - run[1] + 1) * HOP >= SHORTEST then events[#events + 1] = run end
    end
  end
  if #events == 0 then return { { first, last } } end
  local before, after = BEFORE / HOP // 1, AFTER / HOP // 1
  for k, run in ipairs(events) do
    local low = k > 1 and events[k - 1][2] + 1 or first
    local high = k < #events and events[k + 1][1] - 1 or last
    run[1], run[2] = math.max(low, run[1] - before), math.min(high, run[2] + after)
  end
  return events
end

--- The activity of a clip whose loudness is known frame by frame.
---@param levels number[] RMS of each frame of 10 ms, in dB of full scale
---@param peak_sample number? largest magnitude of a sample; default: from the loudest frame
---@return { from: number, to: number, level: number, peak: number, duration: number, events:
---  { from: number, to: number, level: number }[] }? found seconds from the start; level: dB of the
---  RMS over that part; peak: the largest magnitude of a sample; nil when the clip is silent
function activity.of_levels(levels, peak_sample)
  local peak = -math.huge
  for _, level in ipairs(levels) do peak = math.max(peak, level) end
  if peak < SILENCE then return nil end
  local audible = math.max(peak - EXTENT_RANGE, SILENCE)
  local first, last = 1, #levels
  while levels[first] < audible do first = first + 1 end
  while levels[last] < audible do last = last - 1 end
  local events, total = {}, 0
  for k, run in ipairs(find_events(levels, first, last, peak)) do
    local level = mean_power(levels, run[1], run[2])
    total = total + 10 ^ (level / 10) * (run[2] - run[1] + 1)
    events[k] = { from = (run[1] - 1) * HOP, to = run[2] * HOP, level = level }
  end
  local frames = 0
  for _, event in ipairs(events) do frames = frames + (event.to - event.from) / HOP end
  return {
    from = (first - 1) * HOP, to = last * HOP, duration = #levels * HOP,
    level = 10 * math.log(total / frames, 10), -- of what stands out, not of the pauses
    peak = peak_sample or 10 ^ (peak / 20) * 1.5,
    events = events,
  }
end

-- Loudness by frame, and the largest magnitude, of a file.
local function levels_of(path)
  local core = require "nightjar.core"
  local wave, message, code = core.audio.decode(path, { rate = RATE })
  if not wave then return nil, message, code end
  local length, hop = wave.shape[1], RATE * HOP // 1
  local whole = length // hop
  if whole == 0 then return {}, 0 end
  local peak = wave:abs():max():item()
  local frames = wave:narrow(1, 1, whole * hop):reshape(whole, hop)
  local power = frames:square():mean(2)
  local levels = power:maximum(1e-12):log10():totable()
  for i, value in ipairs(levels) do levels[i] = 10 * value end
  return levels, peak
end

-- ---- remembering ----

local Finder = {}
Finder.__index = Finder
Finder.__name = "nightjar.Activity"

local function key_of(path)
  local size, mtime, code = fs.stat(path)
  if not size then return nil, mtime, code end
  return format("%d %d", size, mtime)
end

--- The activity of a sound file; found once and remembered while the file keeps its size and time.
---@param path string
---@return table? found as in activity.of_levels; a silent clip gives false as its first value
---@return string? message
---@return string? code
function Finder:of(path)
  local known = self.known[path]
  if known then return known.found end
  local key, message, code = key_of(path)
  if not key then return nil, message, code end
  local stored = self.stored[path]
  if stored and stored.key == key then
    self.known[path] = stored
    return stored.found
  end
  local levels, peak
  levels, peak, code = levels_of(path)
  if not levels then return nil, peak, code end
  local entry = { key = key, found = activity.of_levels(levels, peak) or false }
  self.known[path] = entry
  self.changed = true
  return entry.found
end

local function number_text(x) return format("%.17g", x) end

local function entry_text(path, entry)
  local fields = { path, entry.key }
  local found = entry.found
  if found then
    for _, name in ipairs { "from", "to", "duration", "level", "peak" } do
      fields[#fields + 1] = number_text(found[name])
    end
    for _, event in ipairs(found.events) do
      fields[#fields + 1] = number_text(event.from)
      fields[#fields + 1] = number_text(event.to)
      fields[#fields + 1] = number_text(event.level)
    end
  end
  return table.concat(fields, "\t")
end

-- A line of the file; nil when it is not what entry_text writes.
local function entry_of(line)
  local path, key, rest = line:match "^([^\t]+)\t(%d+ %d+)(.*)$"
  if not path then return nil end
  if rest == "" then return path, { key = key, found = false } end
  local numbers = {}
  for field in rest:gmatch "\t([^\t]*)" do
    numbers[#numbers + 1] = plain.number(field)
    if numbers[#numbers] ~= numbers[#numbers] then return nil end
  end
  if #numbers < 8 or (#numbers - 5) % 3 ~= 0 then return nil end
  local found = {
    from = numbers[1], to = numbers[2], duration = numbers[3], level = numbers[4],
    peak = numbers[5], events = {},
  }
  for i = 6, #numbers, 3 do
    found.events[#found.events + 1] = {
      from = numbers[i], to = numbers[i + 1], level = numbers[i + 2],
    }
  end
  return path, { key = key, found = found }
end

--- Writes what was found to the finder's file, if it has one and there is anything new.
---@return true? ok
---@return string? message
---@return string? code
function Finder:save()
  if not (self.path and self.changed) then return true end
  local entries, paths = {}, {}
  for path, entry in pairs(self.stored) do entries[path] = entry end
  for path, entry in pairs(self.known) do entries[path] = entry end
  for path in pairs(entries) do
    -- A name with a tab or a line break cannot stand in the file; it is looked at anew each time.
    if not path:find "[\t\r\n]" then paths[#paths + 1] = path end
  end
  table.sort(paths)
  local lines = { activity.VERSION }
  for _, path in ipairs(paths) do lines[#lines + 1] = entry_text(path, entries[path]) end
  lines[#lines + 1] = ""
  local ok, message, code = fs.make_folders(fs.folder(self.path))
  if ok then ok, message, code = fs.write(self.path, table.concat(lines, "\n")) end
  if not ok then return nil, "activity: " .. message, code end
  self.changed = false
  return true
end

-- Changes with the constants above, so that a file made with others is not read.
activity.VERSION = "nightjar activity 1"

--- A finder, which remembers what it found; with `path` also from run to run (call save).
--- Lines of the file that are damaged are passed over, and those clips looked at anew.
---@param options? { path?: string }
---@return table finder
function activity.finder(options)
  local o = opts.check("activity.finder", options, { path = "string" })
  local stored = {}
  local text = o.path and fs.read(o.path)
  if text and text:match "^[^\n]*" == activity.VERSION then
    for line in text:gmatch "[^\n]+" do
      local path, entry = entry_of(line)
      if path then stored[path] = entry end
    end
  end
  return setmetatable({ path = o.path, known = {}, stored = stored, changed = false }, Finder)
end

return activity
