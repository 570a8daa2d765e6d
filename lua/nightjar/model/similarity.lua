--- A matrix of similarities between texts (rows) and clips (columns), labelled. Prints shaded,
--- slices, ranks, saves.
local opts = require "nightjar.opts"

local Similarity = {}
Similarity.__name = "nightjar.Similarity"

local similarity = {}

--- Shades from low to high; those without colour work on any terminal.
local RAMP = { " ", "░", "▒", "▓", "█" }

---@param scores any (texts, clips)
---@param texts string[]
---@param clips string[]
function similarity.new(scores, texts, clips)
  return setmetatable({ scores = scores, texts = texts, clips = clips }, Similarity)
end

local methods = {}

--- The row of a text, by its place or by itself.
---@param text string|integer
---@return integer
function methods:row(text)
  if math.type(text) == "integer" then
    local n = #self.texts
    local row = text < 0 and text + n + 1 or text
    if row < 1 or row > n then
      error(("similarity: row %d of a matrix with %d texts"):format(text, n), 3)
    end
    return row
  end
  for i, t in ipairs(self.texts) do
    if t == text then return i end
  end
  local guess = opts.suggest(tostring(text), self.texts)
  error(("similarity: no text '%s'%s"):format(tostring(text),
    guess and (" (did you mean '%s'?)"):format(guess) or ""), 3)
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

--- The matrix with texts and clips exchanged.
function methods:transpose()
  return similarity.new(self.scores:transpose(1, 2), self.clips, self.texts)
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
  local handle, message = io.open(path, "wb")
  if not handle then return nil, message, "EIO" end
  local ok, problem = handle:write(text)
  handle:close()
  if not ok then return nil, path .. ": " .. problem, "EIO" end
  return true
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
  if n == 0 or m == 0 then return ("[similarity of %d texts × %d clips]"):format(n, m) end
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
  lines[#lines + 1] = ("[similarity of %d texts × %d clips%s]"):format(n, m,
    (n > rows or m > columns) and (", %d × %d shown"):format(rows, columns) or "")
  return table.concat(lines, "\n")
end

function Similarity:__index(key)
  if methods[key] then return methods[key] end
  if math.type(key) == "integer" then return rawget(self, "scores")[key] end
end

function Similarity:__len() return #self.texts end

return similarity
