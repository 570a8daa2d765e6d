--- Why a text and a clip are similar: how much every word agrees with every moment.
---
---     local e = S:explain("a dog barks, then rain", "x.wav")
---     print(e)                    a shaded map, words down, seconds across
---     e.matrix                    (words, frames) cosines
---     e.links[2]                  { word = "dog", from = 1.28, to = 1.6, score = 0.47, frame = 5 }
---     e.phrases[1].words          the words that a phrase was assembled from, with their shares
---     e.segments[1].intervals     the seconds that a segment was assembled from
---     e:save "why.svg"
---
--- A model with the frame level shows its frames and words. One without compares a single frame and
--- a single word through the projections of clip and sentence, as if each were a whole.
local format = require("nightjar.core").system.format
local core = require "nightjar.core"

local Explanation = {}
Explanation.__name = "nightjar.Explanation"

local methods = {}

local explanation = {}

-- Rows of pieces of words joined to rows of words: the best piece counts.
local function join_pieces(matrix, words)
  local rows = {}
  for i, word in ipairs(words) do
    rows[i] = matrix:index_select(1, core.tensor(word.pieces, { dtype = "int64" })):max(1)
  end
  return #rows > 0 and core.stack(rows, 1) or core.zeros(0, matrix.shape[2])
end

-- Runs of frames whose share is at least half of the largest, as seconds.
local function intervals_of(shares, times)
  local most, list = 0, {}
  for _, share in ipairs(shares) do most = math.max(most, share) end
  for i, share in ipairs(shares) do
    if most > 0 and share >= most / 2 then
      local last = list[#list]
      if last and last.frame == i - 1 then
        last.to, last.frame = times[i][2], i
      else
        list[#list + 1] = { from = times[i][1], to = times[i][2], frame = i }
      end
    end
  end
  for _, interval in ipairs(list) do interval.frame = nil end
  return list
end

-- Columns of an assignment as shares that sum to 1 over the tokens.
local function composition(assignment)
  local total = assignment:sum(1, { keepdim = true })
  return assignment / total:maximum(1e-12)
end

-- Segments in order, each with the share of every frame and the seconds of those that matter.
local function segments_of(clip)
  local list, n = {}, #clip.frame_times
  for _, group in ipairs(clip.groups) do
    local columns = composition(group.shares):transpose(1, 2):totable()
    for m, column in ipairs(columns) do
      local shares = {}
      for i = 1, n do shares[i] = 0.0 end
      for i, share in ipairs(column) do shares[group.first + i - 1] = share end
      list[group.segment + m - 1] = { shares = shares,
        intervals = intervals_of(shares, clip.frame_times) }
    end
  end
  return list
end

-- A word's share of a phrase is that of its pieces.
local LEAST_SHARE = 0.05

local function phrase_of(column, words)
  local phrase = { words = {} }
  for _, word in ipairs(words) do
    local share = 0
    for _, piece in ipairs(word.pieces) do share = share + (column[piece] or 0) end
    if share >= LEAST_SHARE then
      phrase.words[#phrase.words + 1] = { text = word.text, share = share }
    end
  end
  local names = {}
  for i, word in ipairs(phrase.words) do names[i] = word.text end
  phrase.text = table.concat(names, " ") -- in the text's order
  table.sort(phrase.words, function(a, b) return a.share > b.share end)
  return phrase
end

local function phrases_of(t, words)
  local list = {}
  local columns = composition(t.phrase_assignment[1]):transpose(1, 2):totable()
  for m, column in ipairs(columns) do list[m] = phrase_of(column, words) end
  return list
end

local function valid_places(mask)
  local places = {}
  for i, there in ipairs(mask[1]:totable()) do
    if there ~= 0 then places[#places + 1] = i end
  end
  return places
end

local function pick(list, places)
  local out = {}
  for i, place in ipairs(places) do out[i] = list[place] end
  return out
end

-- Phrase × segment similarities of those that are there.
local function add_segments(e, t, a, clip, words)
  if not (t.phrases and a.segments and t.phrase_assignment) then return end
  local matrix = t.phrases[1]:matmul(a.segments[1]:transpose(1, 2))
  e.phrases, e.segments = phrases_of(t, words), segments_of(clip)
  if t.phrase_mask then
    local places = valid_places(t.phrase_mask)
    matrix = matrix:index_select(1, core.tensor(places, { dtype = "int64" }))
    e.phrases = pick(e.phrases, places)
  end
  if a.segment_mask then
    local places = valid_places(a.segment_mask)
    matrix = matrix:index_select(2, core.tensor(places, { dtype = "int64" }))
    e.segments = pick(e.segments, places)
  end
  e.phrase_matrix = matrix
end

local function links_of(matrix, words, times)
  local links = {}
  if #words == 0 then return links end
  local best, at = matrix:max(2)
  for i, word in ipairs(words) do
    local frame = at(i)
    links[i] = { word = word.text, frame = frame, from = times[frame][1], to = times[frame][2],
      score = best(i) }
  end
  return links
end

--- The explanation of one pair.
---@param o table text (item of nightjar.Texts), clip (of Model:audio), label, levels, row, column,
---  score
function explanation.of(o)
  local t, clip = o.text.levels, o.clip
  if not (clip.levels and clip.frames) then
    error("similarity:explain: the clip was given as a vector alone; explaining needs its sound", 3)
  end
  return core.no_grad(function()
    local words = o.text.words
    local pieces = t.words[1]:matmul(clip.frames:transpose(1, 2))
    local e = {
      text = o.text.text, clip = o.label, score = o.score, scores = {}, seconds = clip.seconds,
      words = {}, frames = clip.frame_times, matrix = join_pieces(pieces, words),
    }
    for name, S in pairs(o.levels or {}) do
      if name ~= "captioned" then e.scores[name] = S(o.row, o.column) end
    end
    for i, word in ipairs(words) do
      e.words[i] = { text = word.text, first = word.from, last = word.to }
    end
    e.links = links_of(e.matrix, words, e.frames)
    add_segments(e, t, clip.levels, clip, words)
    return setmetatable(e, Explanation)
  end)
end

-- ---- showing ----

local RAMP = { " ", "░", "▒", "▓", "█" }
local COLUMNS, LABEL = 64, 16

local function shorten(text, width)
  local length = utf8.len(text) or #text
  if length <= width then return text .. (" "):rep(width - length) end
  local cut = utf8.offset(text, width) or width
  return text:sub(1, cut - 1) .. "…"
end

-- Rows with at most `most` columns, each the largest of those it stands for; and { first, last }.
local function narrowed(rows, n, most)
  local columns = math.min(n, most)
  local spans, out = {}, {}
  for c = 1, columns do spans[c] = { (c - 1) * n // columns + 1, c * n // columns } end
  for i, row in ipairs(rows) do
    out[i] = {}
    for c, span in ipairs(spans) do
      local best = row[span[1]]
      for k = span[1] + 1, span[2] do best = math.max(best, row[k]) end
      out[i][c] = best
    end
  end
  return out, spans
end

local function extent(rows)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(rows) do
    for _, v in ipairs(row) do low, high = math.min(low, v), math.max(high, v) end
  end
  return low, high
end

local function shade(v, low, high)
  if high <= low then return RAMP[1] end
  return RAMP[1 + math.floor((v - low) / (high - low) * (#RAMP - 1) + 0.5)]
end

-- A line with the seconds of every eighth character of the map.
local function time_axis(times, spans, wide)
  local line, width = "", 0
  for at = 0, #spans * wide - 1, 8 do
    local time = times[spans[at // wide + 1][1]]
    local label = format("%.1f", time[1] + (time[2] - time[1]) * (at % wide) / wide)
    line = line .. (" "):rep(at - width) .. label
    width = math.max(width, at) + #label
  end
  return line .. " s"
end

local function level_text(scores)
  local parts = {}
  for _, name in ipairs { "clip", "segment", "frame", "caption" } do
    if scores[name] then parts[#parts + 1] = ("%s %.3f"):format(name, scores[name]) end
  end
  return table.concat(parts, ", ")
end

local function seconds_text(intervals)
  local parts = {}
  for i, interval in ipairs(intervals) do
    parts[i] = format("%.1f–%.1f", interval.from, interval.to)
  end
  return table.concat(parts, ", ") .. " s"
end

local function add_map(lines, e)
  local rows, spans = narrowed(e.matrix:totable(), #e.frames, COLUMNS)
  local low, high = extent(rows)
  local wide = math.max(1, COLUMNS // #spans) -- few frames are drawn wider
  lines[#lines + 1] = (" "):rep(LABEL) .. " " .. time_axis(e.frames, spans, wide)
  for i, row in ipairs(rows) do
    local cells, link = {}, e.links[i]
    for c, v in ipairs(row) do cells[c] = shade(v, low, high):rep(wide) end
    lines[#lines + 1] = ("%s|%s| %.2f–%.2f s %6.3f"):format(shorten(e.words[i].text, LABEL),
      table.concat(cells), link.from, link.to, link.score)
  end
end

local function add_phrases(lines, e)
  local best, at = e.phrase_matrix:max(2)
  for i, phrase in ipairs(e.phrases) do
    lines[#lines + 1] = ("  phrase %d  %s  best in segment %d (%s) %6.3f"):format(i,
      shorten(phrase.text, 28), at(i), seconds_text(e.segments[at(i)].intervals), best(i))
  end
end

function Explanation:__tostring()
  local lines = { ("\"%s\" in %s: %.3f (%s)"):format(self.text, self.clip, self.score,
    level_text(self.scores)) }
  if #self.words == 0 then
    lines[2] = "no words"
  else
    add_map(lines, self)
  end
  if self.phrase_matrix then add_phrases(lines, self) end
  return table.concat(lines, "\n")
end

local MOST_SVG = 200

local function table_of(e, level, most)
  if level == "segment" then
    if not e.phrase_matrix then
      error("explanation:save: this model has no segment level", 3)
    end
    local rows, columns = {}, {}
    for i, phrase in ipairs(e.phrases) do rows[i] = phrase.text end
    for i, segment in ipairs(e.segments) do columns[i] = seconds_text(segment.intervals) end
    return e.phrase_matrix:totable(), rows, columns
  end
  local values, spans = narrowed(e.matrix:totable(), #e.frames, most)
  local rows, columns = {}, {}
  for i, word in ipairs(e.words) do rows[i] = word.text end
  for c, span in ipairs(spans) do
    columns[c] = format("%.2f–%.2f s", e.frames[span[1]][1], e.frames[span[2]][2])
  end
  return values, rows, columns
end

--- Writes the word × frame map, or the phrase × segment one, as CSV or SVG by the path's ending.
---@param path string
---@param options? { level?: "frame"|"segment" } frame when left out
---@return true|nil ok, string? message, string? code
function methods:save(path, options)
  local fs = require "nightjar.fs"
  local opts = require "nightjar.opts"
  opts.arg("explanation:save", 1, "path", path, "string")
  local o = opts.check("explanation:save", options, {
    level = { type = "string", default = "frame", one_of = { "frame", "segment" } },
  })
  local writers = { csv = "nightjar.plot.csv", svg = "nightjar.plot.svg" }
  local ending = (path:match "%.(%w+)$" or ""):lower()
  if not writers[ending] then
    error("explanation:save: save to a path that ends in .csv or .svg", 2)
  end
  local text = require(writers[ending]).matrix(table_of(self, o.level,
    ending == "svg" and MOST_SVG or math.maxinteger))
  return fs.write(path, text) -- whole or not at all
end

Explanation.__index = methods

return explanation
