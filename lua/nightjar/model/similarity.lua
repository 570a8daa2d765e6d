--- A matrix of similarities between texts (rows) and clips (columns), labelled. Prints shaded,
--- slices, ranks, saves.
---
--- One that a model made also has the levels it was fused from, S.clip, S.segment, S.frame and
--- S.caption (tensors, those that the model has), weighs them anew (S:fuse{…}), and shows which words
--- are linked with which moments (S:explain(text, clip)).
local explanation = require "nightjar.model.explanation"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"

local Similarity = {}
Similarity.__name = "nightjar.Similarity"

local similarity = {}

--- Shades from low to high; those without colour work on any terminal.
local RAMP = { " ", "░", "▒", "▓", "█" }

---@param scores any (texts, clips)
---@param texts string[]
---@param clips string[]
---@param source? table what it was made from: levels (by name), head, encoded (texts), sounds
---@param names? { rows: string, columns: string } what rows and columns are
function similarity.new(scores, texts, clips, source, names)
  return setmetatable({ scores = scores, texts = texts, clips = clips, source = source or {},
    names = names or { rows = "texts", columns = "clips" } }, Similarity)
end

local methods = {}

-- The place of a row or column in its labels, by its number or by itself.
local function place(labels, what, plural, wanted)
  if math.type(wanted) == "integer" then
    local n = #labels
    local i = wanted < 0 and wanted + n + 1 or wanted
    if i < 1 or i > n then
      error(("similarity: %s %d of a matrix with %d %s"):format(what, wanted, n, plural), 4)
    end
    return i
  end
  for i, label in ipairs(labels) do
    if label == wanted then return i end
  end
  local names = {}
  for i, label in ipairs(labels) do names[i] = tostring(label) end
  error(("similarity: no %s '%s'%s"):format((plural:gsub("s$", "")), tostring(wanted),
    opts.hint(tostring(wanted), names)), 4)
end

--- The row of a text, by its place or by itself.
---@param text string|integer
---@return integer
function methods:row(text) return place(self.texts, "row", self.names.rows, text) end

--- The column of a clip, by its place or by its label.
---@param clip string|integer
---@return integer
function methods:column(clip) return place(self.clips, "column", self.names.columns, clip) end

--- The levels it was fused from: clip, segment, frame, caption (texts × clips), those there are.
---@return table<string, any>
function methods:levels()
  if not self.source.levels then error("similarity: this matrix has no levels", 2) end
  return self.source.levels
end

--- The same texts and clips with other weights of the levels.
---@param weights? table<string, number> by level, those left out weigh nothing; default: the model's
---@return any similarity
function methods:fuse(weights)
  opts.arg("similarity:fuse", 1, "weights", weights, { type = "table", optional = true })
  local levels, head = self:levels(), self.source.head
  return similarity.new(head:fuse(levels, weights):detach(), self.texts, self.clips, self.source,
    self.names)
end

--- Which words of a text are linked with which moments of a clip.
---@param text string|integer
---@param clip string|integer
---@return any explanation prints as a shaded map over time; see nightjar.model.explanation
function methods:explain(text, clip)
  if not self.source.encoded then
    error("similarity: only a matrix that a model made, texts × clips, can be explained", 2)
  end
  local row, column = self:row(text), self:column(clip)
  return explanation.of {
    text = self.source.encoded[row], clip = self.source.sounds[column],
    label = tostring(self.clips[column]), levels = self.source.levels, row = row,
    column = column, score = self.scores(row, column),
  }
end

--- The k clips most similar to a text: { {clip = label, index = i, score = s}, … }.
---@param text string|integer
---@param k? integer (5)
function methods:top(text, k)
  local row = self.scores[self:row(text)]
  k = math.min(k or 5, row.shape[1])
  local list = {}
  if k < 1 then return list end
  local values, indices = row:topk(k)
  for i = 1, k do
    local index = indices(i)
    list[i] = { clip = self.clips[index], index = index, score = values(i) }
  end
  return list
end

--- The matrix with texts and clips exchanged; its levels are exchanged too.
function methods:transpose()
  local levels
  for name, S in pairs(self.source.levels or {}) do
    levels = levels or {}
    levels[name] = name == "captioned" and S or S:transpose(1, 2)
  end
  return similarity.new(self.scores:transpose(1, 2), self.clips, self.texts, { shown = levels },
    { rows = self.names.columns, columns = self.names.rows })
end

--- Writes the matrix as CSV, or as an SVG heat map, by the path's ending.
---@param path string
---@return true|nil, string? message, string? code
function methods:save(path)
  local writers = { csv = "nightjar.plot.csv", svg = "nightjar.plot.svg" }
  local ending = path:match "%.(%w+)$"
  local writer = writers[(ending or ""):lower()]
  if not writer then error("similarity: save to a path that ends in .csv or .svg", 2) end
  local text = require(writer).matrix(self.scores:totable(), self.texts, self.clips)
  return fs.write(path, text) -- whole or not at all
end

local function shorten(text, width)
  local length = utf8.len(text) or #text
  if length <= width then return text .. (" "):rep(width - length) end
  local cut = utf8.offset(text, width) or width
  return text:sub(1, cut - 1) .. "…"
end

--- The range of the values shown, for the shades.
local function extent(rows)
  local low, high = math.huge, -math.huge
  for _, row in ipairs(rows) do
    for _, v in ipairs(row) do
      if v == v then low, high = math.min(low, v), math.max(high, v) end
    end
  end
  return low, high
end

local function shade(value, low, high)
  if value ~= value or high <= low then return RAMP[1] end
  return RAMP[1 + math.floor((value - low) / (high - low) * (#RAMP - 1) + 0.5)]
end

local MOST_ROWS, MOST_COLUMNS, LABEL = 30, 12, 28

function Similarity:__tostring()
  local n, m = #self.texts, #self.clips
  if n == 0 or m == 0 then return ("[similarity of %d %s × %d %s]"):format(n, self.names.rows, m,
    self.names.columns) end
  local rows, columns = math.min(n, MOST_ROWS), math.min(m, MOST_COLUMNS)
  local shown = self.scores[{ { 1, rows }, { 1, columns } }]:totable()
  local low, high = extent(shown)
  local lines = { (" "):rep(LABEL) }
  for j = 1, columns do lines[1] = lines[1] .. (" %7d"):format(j) end
  for i = 1, rows do
    local cells = { shorten(self.texts[i], LABEL) }
    for j = 1, columns do
      cells[#cells + 1] = (" %s%6.3f"):format(shade(shown[i][j], low, high), shown[i][j])
    end
    lines[#lines + 1] = table.concat(cells)
  end
  for j = 1, columns do lines[#lines + 1] = ("%4d  %s"):format(j, self.clips[j]) end
  lines[#lines + 1] = ("[similarity of %d %s × %d %s%s]"):format(n,
    self.names.rows, m, self.names.columns,
    (n > rows or m > columns) and (", %d × %d shown"):format(rows, columns) or "")
  return table.concat(lines, "\n")
end

function Similarity:__index(key)
  if methods[key] then return methods[key] end
  if math.type(key) == "integer" then return rawget(self, "scores")[key] end
  local source = rawget(self, "source") or {}
  return (source.levels or source.shown or {})[key]
end

function Similarity:__len() return #self.texts end

return similarity
