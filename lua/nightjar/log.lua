--- Logs: one JSON object a line (JSONL), flushed line by line, so that a killed run loses at most
--- the line it was writing. Numbers that JSON does not have (nan, inf) are written as null.
local fs = require "nightjar.fs"
local json = require "dkjson"
local plain = require "nightjar.plain"
local opts = require "nightjar.opts"

---@class nightjar.Log
---@field path string
---@field lines integer lines written so far, those of earlier runs included
local Log = {}
Log.__index = Log
Log.__name = "nightjar.Log"

local log = {}

-- The first `count` whole lines of a text (all of them for nil), and how many those are.
local function whole_lines(text, count)
  local at, lines = 1, 0
  while count == nil or lines < count do
    local newline = text:find("\n", at, true)
    if not newline then break end
    at, lines = newline + 1, lines + 1
  end
  return text:sub(1, at - 1), lines
end

--- Opens a log.
---@param path string
---@param options? { keep?: integer }
---  keep  continue an existing file after its first `keep` lines: what follows, and a line cut
---        short by a crash, is dropped, so that a resumed run repeats no line. Without it the file
---        begins anew
---@return nightjar.Log? log
---@return string? message
---@return string? code
function log.open(path, options)
  opts.arg("log.open", 1, "path", path, "string")
  local o = opts.check("log.open", options, { keep = { type = "integer", min = 0 } })
  local kept, lines = "", 0
  if o.keep and fs.kind(path) then
    local text, message, code = fs.read(path)
    if not text then return nil, message, code end
    kept, lines = whole_lines(text, o.keep)
  end
  local ok, message, code = fs.write(path, kept)
  if not ok then return nil, message, code end
  local file, why = io.open(path, "ab")
  if not file then return nil, why, "EIO" end
  return setmetatable({ path = path, file = file, lines = lines }, Log)
end

-- The keys every reader looks for come first, the rest in the alphabet's order.
local FIRST = { "event", "step", "epoch", "batch", "loss", "lr" }

--- Writes one entry.
---@param entry table<string, any> strings, numbers, booleans and tables of them
---@return nightjar.Log
function Log:write(entry)
  if not self.file then error("log:write: the log is closed", 2) end
  opts.arg("log:write", 1, "entry", entry, "table")
  local line = plain.encode(entry, { first = FIRST })
  local ok, message = self.file:write(line, "\n")
  if ok then ok, message = self.file:flush() end
  if not ok then error(("log:write: %s: %s"):format(self.path, message), 2) end
  self.lines = self.lines + 1
  return self
end

--- Closes the file; more calls do nothing.
function Log:close()
  if self.file then self.file:close() end
  self.file = nil
end

Log.__close = Log.close
Log.__gc = Log.close

function Log:__tostring()
  return ("log %s, %d lines%s"):format(self.path, self.lines, self.file and "" or " (closed)")
end

--- Reads a log back. A last line without its newline is left out: its run was cut while writing.
---@param path string
---@return table[]? entries
---@return string? message
---@return string? code
function log.read(path)
  opts.arg("log.read", 1, "path", path, "string")
  local text, message, code = fs.read(path)
  if not text then return nil, message, code end
  local entries = {}
  for line in whole_lines(text):gmatch "[^\n]+" do
    local entry, _, why = json.decode(line)
    if type(entry) ~= "table" then
      return nil, ("%s: line %d is no JSON object: %s"):format(path, #entries + 1,
        why or line:sub(1, 40)), "EFORMAT"
    end
    entries[#entries + 1] = entry
  end
  return entries
end

return log
