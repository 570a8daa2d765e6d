--- Records out of files that other programs wrote: CSV with a header, JSONL (one JSON value a line)
--- and JSON (a list of records, or an object with one entry a file). A record is a table of fields
--- and knows the line it starts on, so that complaints about its content can name it.
local csv = require "nightjar.data.csv"
local fs = require "nightjar.fs"
local json = require "dkjson"

local records = {}

--- What a null of JSON is read as.
records.null = setmetatable({}, { __name = "null", __tostring = function() return "null" end })

--- Whether a decoded value is a JSON list (an object that is empty is none).
---@param value any
---@return boolean
function records.is_list(value)
  local meta = type(value) == "table" and getmetatable(value)
  return meta and meta.__jsontype == "array" or false
end

--- Whether a decoded value is a JSON object.
---@param value any
---@return boolean
function records.is_object(value)
  local meta = type(value) == "table" and getmetatable(value)
  return meta and meta.__jsontype == "object" or false
end

-- One JSON value of `text` from byte `at` on: value, the byte behind it; or nil, nil, message.
-- A text that nests deeper than the stack is an error like any other.
local function value_at(text, at)
  local ok, value, next_at, message = pcall(json.decode, text, at, records.null)
  if not ok then return nil, nil, "the text nests too deeply" end
  if message then return nil, nil, (message:gsub(" at line %d+, column %d+", "")) end
  return value, next_at
end

local function fail(path, line, message)
  return nil, ("%s:%d: %s"):format(path, line, message), "EFORMAT"
end

local function from_csv(path, text)
  local reader, message, code = csv.reader(function()
    local piece = text
    text = nil
    return piece
  end, { name = path })
  if not reader then return nil, (message:gsub("^csv: ", "")), code end
  local rows = { columns = reader.columns }
  while true do
    local row, line, failed = reader:read()
    if not row then
      if line then return nil, (line:gsub("^csv: ", "")), failed end
      return rows
    end
    rows[#rows + 1] = { fields = row, line = line }
  end
end

local function from_jsonl(path, text)
  local rows, line = {}, 0
  for content in (text:gsub("^\xEF\xBB\xBF", "") .. "\n"):gmatch "(.-)\r?\n" do
    line = line + 1
    if content:find "%S" then
      local value, after, message = value_at(content, 1)
      if message then return fail(path, line, message) end
      if content:find("%S", after) then
        return fail(path, line, "expected the end of the line after a JSON value")
      end
      if not records.is_object(value) then
        return fail(path, line, "expected a JSON object on every line")
      end
      rows[#rows + 1] = { fields = value, line = line }
    end
  end
  return rows
end

-- Walks over the entries of the list or object that begins at byte `at`, one decoded at a time, so
-- that each knows its line and the order of an object's keys is kept.
local Walk = {}
Walk.__index = Walk

local function walk(path, text, at)
  return setmetatable({ path = path, text = text, at = at, line = 1, counted = 1 }, Walk)
end

-- The next byte that is no space, and the line it is on.
function Walk:peek()
  self.at = self.text:find("%S", self.at) or #self.text + 1
  self.line = self.line + select(2, self.text:sub(self.counted, self.at - 1):gsub("\n", ""))
  self.counted = self.at
  return self.text:sub(self.at, self.at)
end

function Walk:fail(message) return fail(self.path, self.line, message) end

function Walk:value()
  self:peek()
  local value, after, message = value_at(self.text, self.at)
  if message then return nil, message end
  self.at = after
  return value
end

-- Calls visit(key or nil, value, line) for every entry of what begins here.
function Walk:entries(visit)
  local open = self:peek()
  local close = open == "[" and "]" or "}"
  self.at = self.at + 1
  if self:peek() == close then
    self.at = self.at + 1
    return true
  end
  while true do
    local key, value, message
    self:peek()
    local line = self.line
    if open == "{" then
      key, message = self:value()
      if message then return self:fail(message) end
      if type(key) ~= "string" then return self:fail "expected a name in quotes" end
      if self:peek() ~= ":" then return self:fail(("expected ':' after %q"):format(key)) end
      self.at = self.at + 1
    end
    value, message = self:value()
    if message then return self:fail(message) end
    visit(key, value, line)
    local mark = self:peek()
    self.at = self.at + 1
    if mark == close then return true end
    if mark ~= "," then
      return self:fail(("expected ',' or '%s', got %s"):format(close,
        mark == "" and "the end of the file" or "'" .. mark .. "'"))
    end
  end
end

-- Names under which files keep their list of records.
local containers = { "data", "annotations", "audios", "records", "items", "clips" }

local function add_entry(rows, key, value, line)
  if key == nil then
    rows[#rows + 1] = { fields = value, line = line }
  else
    rows[#rows + 1] = { key = key, fields = value, line = line }
  end
end

-- The entries of one member of the outermost object, itself a list or an object.
local function add_member(rows, value, line)
  if records.is_list(value) then
    for _, item in ipairs(value) do add_entry(rows, nil, item, line) end
  else
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do add_entry(rows, key, value[key], line) end
  end
end

local function check_rows(path, rows)
  for _, row in ipairs(rows) do
    if row.key == nil and not records.is_object(row.fields) then
      return fail(path, row.line, "expected a JSON object for every record")
    end
  end
  return rows
end

-- The member of the outermost object that holds the records: the one asked for, or the only one of
-- the usual names that is a list. nil: the members are the records.
local function container(members, wanted)
  if wanted then
    local member = members[wanted]
    return member, member == nil
  end
  for _, name in ipairs(containers) do
    if members[name] and records.is_list(members[name].value) then return members[name] end
  end
end

local function from_json(path, text, wanted)
  local walker = walk(path, text, text:sub(1, 3) == "\xEF\xBB\xBF" and 4 or 1)
  local first = walker:peek()
  if first ~= "[" and first ~= "{" then
    return walker:fail "expected a JSON list of records, or an object of them"
  end
  local rows, members = {}, {}
  local ok, message, code = walker:entries(function(key, value, line)
    add_entry(rows, key, value, line)
    if key ~= nil then members[key] = { value = value, line = line } end
  end)
  if not ok then return nil, message, code end
  if walker:peek() ~= "" then return walker:fail "expected the end of the file" end
  if first == "{" then
    local member, absent = container(members, wanted)
    if absent then return fail(path, 1, ("no '%s' in the outermost object"):format(wanted)) end
    if member then
      if type(member.value) ~= "table" or member.value == records.null then
        return fail(path, member.line, ("'%s' holds no records"):format(wanted))
      end
      rows = {}
      add_member(rows, member.value, member.line)
    end
  end
  return check_rows(path, rows)
end

local readers = { csv = from_csv, jsonl = from_jsonl, json = from_json }

--- The format of a file by its name: "csv", "jsonl" or "json"; nil when the name does not say.
---@param path string
---@return string?
function records.format_of(path)
  local extension = fs.extension(path)
  if extension == "ndjson" then return "jsonl" end
  return readers[extension] and extension or nil
end

--- Reads all records of a file.
---
--- Each is { fields=, line=, key= }: of CSV, fields keyed by column (and `columns` of the result
--- lists them); of JSON, what the record held, null as records.null. `key` is there for the entries
--- of an object, whose `fields` may be anything; else `fields` is an object.
---@param path string
---@param format "csv"|"jsonl"|"json"
---@param wanted? string JSON: the member of the outermost object that holds the records
---@return table[]? rows
---@return string? message begins with the file and the line
---@return string? code "ENOTFOUND", "EIO" or "EFORMAT"
function records.read(path, format, wanted)
  local text, message, code = fs.read(path)
  if not text then return nil, message, code end
  return readers[format](path, text, wanted)
end

return records
