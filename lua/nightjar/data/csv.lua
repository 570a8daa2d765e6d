--- Comma-separated values as RFC 4180 describes them: quoted fields, doubled quotes, line breaks
--- inside quotes, CRLF or LF or CR between rows, a byte-order mark in front.
---
---     for _, row in ipairs(assert(csv.read("captions.csv"))) do print(row.file, row.caption) end
---
---     local reader = assert(csv.open("huge.csv", { header = true }))   -- one row at a time
---     while true do
---       local row, message = reader:read()
---       if not row then assert(not message, message) break end
---     end
---
--- A quote inside an unquoted field is taken as it stands (`5" disk`), as spreadsheets write it.
--- Everything else that is malformed is an error which names the file and the line.
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local format = require("nightjar.core").system.format

local csv = {}

local BLOCK = 64 * 1024

local Reader = {}
Reader.__index = Reader
Reader.__name = "nightjar.CsvReader"

local function fail(self, line, text)
  return nil, ("csv: %s:%d: %s"):format(self.name, line, text), "EFORMAT"
end

-- Appends what comes next to the buffer and drops what was consumed. False at the end. Reads at
-- least as much as is left, so that a source of tiny pieces costs no more than one of large ones.
local function more(self)
  if self.ended then return false end
  local rest = self.buffer:sub(self.at)
  local pieces, gathered = { rest }, 0
  repeat
    local block, message = self.source()
    if message then self.broken = message end
    if not block or block == "" then
      self.ended = true
    elseif type(block) ~= "string" then
      error("csv: the source must give strings, got a " .. type(block), 0)
    else
      pieces[#pieces + 1], gathered = block, gathered + #block
    end
  until self.ended or gathered >= #rest
  if gathered == 0 then return false end
  self.buffer = table.concat(pieces)
  self.at = 1
  return true
end

-- The first match of a one-character class at or after `from`, reading on as needed. The second
-- value is where the search ended when nothing was found, relative to the buffer as it is then.
local function seek(self, class, from)
  while true do
    local found = self.buffer:find(class, from)
    if found then return found end
    local length = #self.buffer - self.at + 1
    if length > self.max_field then return nil end
    local offset = #self.buffer + 1 - self.at
    if not more(self) then return nil end
    from = self.at + offset
  end
end

-- Consumes the line break at self.at, if there is one, and counts it. True when there was.
local function line_break(self)
  local byte = self.buffer:byte(self.at)
  if byte == 13 then
    if self.at == #self.buffer then more(self) end
    self.at = self.at + (self.buffer:byte(self.at + 1) == 10 and 2 or 1)
  elseif byte == 10 then
    self.at = self.at + 1
  else
    return false
  end
  self.line = self.line + 1
  return true
end

local function count_breaks(text)
  local n, at = 0, 1
  while true do
    local first, last = text:find("\r?\n", at)
    if not first then
      -- Lone CRs are the line breaks of old Macintosh files.
      return n > 0 and n or select(2, text:gsub("\r", ""))
    end
    n, at = n + 1, last + 1
  end
end

-- A quoted field whose opening quote is at self.at. Returns its text, or nil, message, code.
local function quoted(self)
  local opened = self.line
  local pieces, size = {}, 0
  self.at = self.at + 1
  while true do
    local close = seek(self, '"', self.at)
    if not close then
      if not self.ended then
        return fail(self, opened, ("a field is longer than %d bytes (is a quote missing?)")
          :format(self.max_field))
      end
      return fail(self, opened, "a quoted field opens here and never closes")
    end
    local piece = self.buffer:sub(self.at, close - 1)
    size = size + #piece + 1
    if size > self.max_field then
      return fail(self, opened, ("a field is longer than %d bytes (is a quote missing?)")
        :format(self.max_field))
    end
    self.line = self.line + count_breaks(piece)
    pieces[#pieces + 1] = piece
    self.at = close + 1
    if self.at > #self.buffer then more(self) end
    if self.buffer:byte(self.at) ~= 34 then return table.concat(pieces) end
    pieces[#pieces + 1] = '"'
    self.at = self.at + 1
  end
end

-- The fields of one row.
local function row_fields(self)
  local row, n = {}, 0
  while true do
    if self.at > #self.buffer then more(self) end
    n = n + 1
    if self.buffer:byte(self.at) == 34 then
      local text, message, code = quoted(self)
      if not text then return nil, message, code end
      row[n] = text
      local after = self.buffer:sub(self.at, self.at)
      if after ~= "" and after ~= self.separator and after ~= "\r" and after ~= "\n" then
        return fail(self, self.line, ("expected '%s' or the end of the line after a closing quote, "
          .. "got %q"):format(self.separator, after))
      end
    else
      local stop = seek(self, self.field_end, self.at)
      if not stop then
        if not self.ended then
          return fail(self, self.line, ("a field is longer than %d bytes"):format(self.max_field))
        end
        stop = #self.buffer + 1
      end
      row[n] = self.buffer:sub(self.at, stop - 1)
      self.at = stop
    end
    if self.buffer:sub(self.at, self.at) ~= self.separator then
      line_break(self)
      return row
    end
    self.at = self.at + 1
  end
end

-- One row as an array, or nil at the end, or nil, message, code. Blank lines are skipped.
local function raw_row(self)
  while true do
    if self.at > #self.buffer and not more(self) then
      if self.broken then return nil, ("csv: %s: %s"):format(self.name, self.broken), "EIO" end
      return nil
    end
    if not line_break(self) then break end
  end
  self.row_line = self.line
  return row_fields(self)
end

local function check_columns(self)
  local seen = {}
  for i, name in ipairs(self.columns) do
    if seen[name] then
      return fail(self, self.row_line or 1, ("columns %d and %d are both called '%s'")
        :format(seen[name], i, name))
    end
    seen[name] = i
  end
  for _, name in ipairs(self.required or {}) do
    if not seen[name] then
      return fail(self, self.row_line or 1, ("no column '%s' (there are: '%s')")
        :format(name, table.concat(self.columns, "', '")))
    end
  end
  return true
end

--- The next row: a table keyed by column name (an array when the reader has no columns) and the
--- line it starts on. nil at the end; nil, message, code when the file is malformed.
---@return table<string|integer, string>? row
---@return integer|string|nil line_or_message
---@return string? code
function Reader:read()
  local row, message, code = raw_row(self)
  if not row then return nil, message, code end
  local columns = self.columns
  if not columns then return row, self.row_line end
  if #row ~= #columns then
    return fail(self, self.row_line, ("expected %d fields, got %d"):format(#columns, #row))
  end
  local keyed = {}
  for i, name in ipairs(columns) do keyed[name] = row[i] end
  return keyed, self.row_line
end

--- Closes the file, if the reader opened one.
function Reader:close()
  if self.file then
    self.file:close()
    self.file = nil
  end
  self.ended, self.buffer, self.at = true, "", 1
end

Reader.__close = Reader.close
Reader.__gc = Reader.close

local reader_options = {
  header = { type = "boolean", default = true },
  columns = "table",
  required = "table",
  separator = { type = "string", default = "," },
  max_field = { type = "integer", default = 1024 * 1024, min = 1 },
  name = "string",
}

local function check_reader_options(fname, options)
  local o = opts.check(fname, options, reader_options, 4)
  if #o.separator ~= 1 or o.separator:find '[\r\n"%w]' then
    error(fname .. ": option 'separator' must be one character that is no letter, digit, quote or "
      .. "line break", 3)
  end
  return o
end

-- Takes the byte-order mark off and reads the header.
local function start(self, o)
  more(self)
  while #self.buffer < 3 and more(self) do end
  if self.broken then return nil, ("csv: %s: %s"):format(self.name, self.broken), "EIO" end
  if self.buffer:sub(1, 3) == "\xEF\xBB\xBF" then
    self.at = 4
  elseif self.buffer:find "^\xFF\xFE" or self.buffer:find "^\xFE\xFF" then
    return fail(self, 1, "the text is UTF-16; save it as UTF-8")
  end
  if o.columns then
    self.columns = table.move(o.columns, 1, #o.columns, 1, {})
  elseif o.header then
    local row, message, code = raw_row(self)
    if not row then
      if message then return nil, message, code end
      return fail(self, 1, "the file is empty; expected a header line")
    end
    self.columns = row
  end
  if self.columns then
    local ok, message, code = check_columns(self)
    if not ok then return nil, message, code end
  end
  return self
end

local function new_reader(source, file, name, o)
  return setmetatable({
    source = source, file = file, name = name, buffer = "", at = 1, line = 1,
    separator = o.separator, field_end = "[" .. "%" .. o.separator .. "\r\n]",
    max_field = o.max_field, required = o.required, columns = nil,
  }, Reader)
end

--- A reader over text that a function hands out piece by piece (nil or "" at the end, or nil and a
--- message when reading failed).
---@param source fun(): string?, string?
---@param options? { header?: boolean, columns?: string[], required?: string[], separator?: string,
---  max_field?: integer, name?: string } header: the first row names the columns (default true);
---  columns: the names, for a file without a header; required: names that must be there;
---  max_field: bytes a single field may have (default 1 MiB)
---@return table? reader
---@return string? message
---@return string? code
function csv.reader(source, options)
  opts.arg("csv.reader", 1, "source", source, "callable")
  local o = check_reader_options("csv.reader", options)
  return start(new_reader(source, nil, o.name or "input", o), o)
end

--- A reader over a file. Options as in csv.reader.
---@param path string
---@param options? table
---@return table? reader
---@return string? message
---@return string? code "ENOTFOUND", "EIO" or "EFORMAT"
function csv.open(path, options)
  opts.arg("csv.open", 1, "path", path, "string")
  local o = check_reader_options("csv.open", options)
  local file, message, errno = io.open(path, "rb")
  if not file then return nil, "csv: " .. message, errno == 2 and "ENOTFOUND" or "EIO" end
  local function source() return file:read(BLOCK) end
  local reader, text, code = start(new_reader(source, file, o.name or path, o), o)
  if not reader then
    file:close()
    return nil, text, code
  end
  return reader
end

--- What separates the fields of a file, by its header line: a semicolon or a tab where the line has no
--- comma outside quotes, as spreadsheets write where the comma is the decimal point; else a comma.
---@param path string
---@return string
function csv.separator(path)
  opts.arg("csv.separator", 1, "path", path, "string")
  local file <close> = io.open(path, "rb")
  local line = (file and file:read(BLOCK) or ""):match "^[^\r\n]*":gsub('"[^"]*"', "")
  if line:find(",", 1, true) then return "," end
  return line:match "[;\t]" or ","
end

local function read_all(reader)
  local rows, n = {}, 0
  while true do
    local row, message, code = reader:read()
    if not row then
      reader:close()
      if message then return nil, message, code end
      return rows, reader.columns
    end
    n = n + 1
    rows[n] = row
  end
end

--- Every row of a file, and the column names. Options as in csv.reader.
---@param path string
---@param options? table
---@return table[]? rows
---@return string[]|string|nil columns_or_message
---@return string? code
function csv.read(path, options)
  opts.arg("csv.read", 1, "path", path, "string")
  check_reader_options("csv.read", options)
  local reader, message, code = csv.open(path, options)
  if not reader then return nil, message, code end
  return read_all(reader)
end

--- Every row of a text, and the column names. Options as in csv.reader.
---@param text string
---@param options? table
---@return table[]? rows
---@return string[]|string|nil columns_or_message
---@return string? code
function csv.parse(text, options)
  opts.arg("csv.parse", 1, "text", text, "string")
  check_reader_options("csv.parse", options)
  local given = false
  local reader, message, code = csv.reader(function()
    if given then return nil end
    given = true
    return text
  end, options)
  if not reader then return nil, message, code end
  return read_all(reader)
end

local function quote(field, separator)
  local text = type(field) == "number" and format("%s", field) or tostring(field) -- numbers with a point
  if text:find('[\r\n"]') or text:find(separator, 1, true) or text:find "^%s" or text:find "%s$"
    or text:find "^\xEF\xBB\xBF" then
    return '"' .. text:gsub('"', '""') .. '"'
  end
  return text
end

--- One row as CSV text without a line break. Fields are turned into text by tostring.
---@param row any[] `row.n` or #row fields
---@param separator? string default ","
---@return string
function csv.format(row, separator)
  opts.arg("csv.format", 1, "row", row, "table")
  opts.arg("csv.format", 2, "separator", separator, { type = "string", optional = true })
  separator = separator or ","
  local fields = {}
  for i = 1, row.n or #row do
    fields[i] = quote(row[i] == nil and "" or row[i], separator)
  end
  -- A row of one empty field would be a blank line, which readers skip.
  if #fields == 1 and fields[1] == "" then return '""' end
  return table.concat(fields, separator)
end

--- Writes a file: to a temporary name first, then renamed. Rows are arrays, or tables keyed by the
--- names in `columns`, which then also make the header line.
---@param path string
---@param rows table[]
---@param options? { columns?: string[], separator?: string, header?: boolean }
---@return true? ok
---@return string? message
---@return string? code
function csv.write(path, rows, options)
  opts.arg("csv.write", 1, "path", path, "string")
  opts.arg("csv.write", 2, "rows", rows, "table")
  local o = opts.check("csv.write", options, {
    columns = "table",
    separator = { type = "string", default = "," },
    header = { type = "boolean", default = true },
  })
  local lines = {}
  if o.columns and o.header then lines[1] = csv.format(o.columns, o.separator) end
  for _, row in ipairs(rows) do
    local fields = row
    if o.columns then
      fields = { n = #o.columns }
      for i, name in ipairs(o.columns) do fields[i] = row[name] end
    end
    lines[#lines + 1] = csv.format(fields, o.separator)
  end
  lines[#lines + 1] = ""
  local ok, message, code = fs.write(path, table.concat(lines, "\r\n"))
  if not ok then return nil, "csv: " .. message, code end
  return true
end

return csv
