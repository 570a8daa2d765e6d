--- Do words point at the right seconds? Two numbers over phrases whose sound is known in time:
---
---   pointing  the share of phrases whose best frame lies where their sound is (its middle in one
---             of the intervals); after the pointing game of Zhang et al. 2018
---   AP        frame-level average precision: frames ranked by how well they agree with the phrase,
---             relevant where the sound is; the mean over phrases
---
--- Each with what chance gives on the same phrases: the mean share of frames in which the sound is,
--- and the expected average precision of a random order. Phrases that sound in all frames or in none
--- say nothing and are left out. Rates are percent. Intervals resample clips, not phrases.
local average_precision = require "nightjar.metrics.average_precision"
local bootstrap = require "nightjar.metrics.bootstrap"
local chance = require "nightjar.metrics.chance"
local opts = require "nightjar.opts"

local NAMES = { "pointing", "AP" }

---@class nightjar.Alignment
---@field pointing number percent
---@field AP number percent
---@field chance { pointing: number, AP: number }
---@field ci { pointing: number[], AP: number[] }
---@field phrases integer that count
---@field skipped integer that sound in all frames or in none
---@field clips integer
local Alignment = {}
Alignment.__index = Alignment
Alignment.__name = "nightjar.Alignment"

--- Which frames lie in the intervals: those whose middle does.
---@param times number[][] { from, to } of each frame, seconds
---@param intervals table[] { from, to } or { from = , to = }, seconds
---@return boolean[] active, integer count
local function active_frames(times, intervals)
  local active, count = {}, 0
  for i, time in ipairs(times) do
    local middle = (time[1] + time[2]) / 2
    active[i] = false
    for _, interval in ipairs(intervals) do
      local from, to = interval.from or interval[1], interval.to or interval[2]
      if middle >= from and middle < to then active[i] = true end
    end
    if active[i] then count = count + 1 end
  end
  return active, count
end

-- One phrase: whether its best frame is right, and its average precision; ties go to the earlier.
local function judge(scores, active)
  local relevant, best = {}, 1
  for i, is_active in ipairs(active) do
    if is_active then relevant[#relevant + 1] = i end
    if scores[i] > scores[best] then best = i end
  end
  return active[best] and 1 or 0,
    average_precision.of({ scores }, { relevant }, { ties = "mean" })[1]
end

local function check_item(i, item)
  local o = opts.check(("metrics.alignment: phrase %d"):format(i), item, {
    scores = { type = "table|tensor", required = true },
    times = { type = "table", required = true },
    intervals = { type = "table", required = true },
    clip = "any",
  }, 4)
  if opts.type_name(o.scores) == "nightjar.Tensor" then o.scores = o.scores:totable() end
  if #o.scores ~= #o.times then
    error(("metrics.alignment: phrase %d has scores of %d frames and times of %d"):format(i,
      #o.scores, #o.times), 4)
  end
  return o
end

-- Sums over phrases by clip: hits, AP, and what chance gives for both; and the number of phrases.
local function add(rows, number, item, active, count)
  local hit, ap = judge(item.scores, active)
  local row = rows[number]
  row.n = row.n + 1
  row.pointing, row.AP = row.pointing + hit, row.AP + ap
  row.by_chance.pointing = row.by_chance.pointing + count / #active
  row.by_chance.AP = row.by_chance.AP + chance.average_precision(#active, count)
end

local function fresh_row()
  return { n = 0, pointing = 0, AP = 0, by_chance = { pointing = 0, AP = 0 } }
end

local function intervals_of(rows, o)
  local sums, sizes = {}, {}
  for i, row in ipairs(rows) do
    sums[i], sizes[i] = { 100 * row.pointing, 100 * row.AP }, { row.n, row.n }
  end
  if o.bootstrap == 0 or #rows == 0 then return {} end
  return bootstrap.means(NAMES, sums, sizes, bootstrap.counts(#rows, o), o.confidence)
end

--- Judges maps of phrases over time.
---@param phrases table[] { scores (one for each frame), times ({ from, to } of each frame, seconds),
---  intervals ({ from, to } in which the phrase's sound is), clip (what resampling draws; default:
---  each phrase by itself) }
---@param options? table bootstrap (1000 resamples, 0: no intervals), confidence, seed
---@return nightjar.Alignment
local function alignment(phrases, options)
  opts.arg("metrics.alignment", 1, "phrases", phrases, "table")
  local o = opts.check("metrics.alignment", options, bootstrap.rules)
  local rows, number_of, skipped = {}, {}, 0
  for i, given in ipairs(phrases) do
    local item = check_item(i, given)
    local active, count = active_frames(item.times, item.intervals)
    if count == 0 or count == #active then
      skipped = skipped + 1
    else
      local key = item.clip == nil and given or item.clip
      if not number_of[key] then
        number_of[key] = #rows + 1
        rows[#rows + 1] = fresh_row()
      end
      add(rows, number_of[key], item, active, count)
    end
  end
  local total = fresh_row()
  for _, row in ipairs(rows) do
    total.n = total.n + row.n
    for _, name in ipairs(NAMES) do
      total[name] = total[name] + row[name]
      total.by_chance[name] = total.by_chance[name] + row.by_chance[name]
    end
  end
  local result = { phrases = total.n, skipped = skipped, clips = #rows, chance = {},
    ci = intervals_of(rows, o) }
  for _, name in ipairs(NAMES) do
    result[name] = 100 * total[name] / total.n -- nan without phrases
    result.chance[name] = 100 * total.by_chance[name] / total.n
  end
  return setmetatable(result, Alignment)
end

--- Numbers alone, for JSON.
---@return table
function Alignment:plain()
  return { pointing = self.pointing, AP = self.AP, chance = self.chance, ci = self.ci,
    phrases = self.phrases, skipped = self.skipped, clips = self.clips }
end

function Alignment:__tostring()
  local lines = {}
  for _, name in ipairs(NAMES) do
    local ci = self.ci[name]
    lines[#lines + 1] = ("%-9s %6.2f %s  (chance %.2f)"):format(name, self[name],
      ci and ("[%.2f, %.2f]"):format(ci[1], ci[2]) or "", self.chance[name])
  end
  lines[#lines + 1] = ("%d phrases of %d clips; %d sound throughout or not at all"):format(
    self.phrases, self.clips, self.skipped)
  return table.concat(lines, "\n")
end

return alignment
