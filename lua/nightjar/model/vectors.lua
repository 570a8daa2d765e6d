--- The vectors of sounds as a file for other programs, written while they are computed: memory does
--- not grow with their number.
---
---   .npy           a float32 matrix, a row for each sound
---   .safetensors   the same as the tensor "vectors"
---   .csv           path, from, to, error and the vector's numbers
---   .jsonl         a line of JSON for each row: path, from, to, vector; or path, error, code
---
--- A matrix has a table beside it, NAME.sounds.csv (row, path, from, to, error), since neither format
--- holds names. Sounds that cannot be read have a line there, and no row.
local csv = require "nightjar.data.csv"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local stream = require "nightjar.model.stream"
local plain = require "nightjar.plain"
local format = require("nightjar.core").system.format

local vectors = {}

local formats = {}

local function number(x) return format("%.9g", x) end -- a float32 comes back from it

local function numbers(vector)
  local list = vector:totable()
  for i, x in ipairs(list) do list[i] = number(x) end
  return list
end

-- ---- text ----

formats.csv = {
  begin = function(self)
    local names = { "path", "from", "to", "error" }
    for i = 1, self.dim do names[4 + i] = "v" .. i end
    return self.file:write(csv.format(names), "\n")
  end,
  row = function(self, path, from, to, vector)
    return self.file:write(csv.format { path, number(from), number(to), "",
      table.unpack(numbers(vector)) }, "\n")
  end,
  failure = function(self, path, clip)
    local fields = { path, "", "", clip.error, n = 4 + self.dim }
    return self.file:write(csv.format(fields), "\n")
  end,
}

formats.jsonl = {
  row = function(self, path, from, to, vector)
    return self.file:write(format('{"path":%s,"from":%s,"to":%s,"vector":[%s]}\n',
      plain.json(path), number(from), number(to), table.concat(numbers(vector), ",")))
  end,
  failure = function(self, path, clip)
    return self.file:write(format('{"path":%s,"error":%s,"code":%s}\n', plain.json(path),
      plain.json(clip.error), plain.json(clip.code or "EIO")))
  end,
}

-- ---- matrices ----

-- Text padded with spaces to `size` bytes.
local function padded(text, size) return text .. (" "):rep(size - #text) end

local NPY = 128 -- bytes of the header

local function npy_header(rows, dim)
  local dict = format("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, dim)
  return string.pack("<c6BBs2", "\x93NUMPY", 1, 0, padded(dict, NPY - 11) .. "\n")
end

local function safetensors_header(self, rows)
  return format('{"__metadata__":%s,"vectors":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,%d]}}',
    self.about, rows, self.dim, rows * self.dim * 4)
end

local MOST = 10 ^ 12 // 1 | 0 -- rows that a header has room for

-- The table of names and the header's place; the header is written when the rows are counted.
local function begin_matrix(self, size)
  local message, code
  self.names, message, code = fs.writer(self.names_path)
  if not self.names then return nil, message, code end
  self.names:write "row,path,from,to,error\n"
  return self.file:write(("\0"):rep(size))
end

local function matrix_row(self, path, from, to, vector)
  local ok, message, code = self.names:write(
    csv.format { self.rows + 1, path, number(from), number(to), "" }, "\n")
  if not ok then return nil, message, code end
  return self.file:write(vector:bytes())
end

local function matrix_failure(self, path, clip)
  return self.names:write(csv.format { "", path, "", "", clip.error }, "\n")
end

formats.npy = {
  matrix = true, row = matrix_row, failure = matrix_failure,
  begin = function(self) return begin_matrix(self, NPY) end,
  finish = function(self) return self.file:patch(0, npy_header(self.rows, self.dim)) end,
}

formats.safetensors = {
  matrix = true, row = matrix_row, failure = matrix_failure,
  begin = function(self)
    self.about = plain.encode { format = "nightjar vectors", model = self.model_name,
      sounds = fs.name(self.names_path) }
    self.room = (#safetensors_header(self, MOST) + 7) // 8 * 8
    return begin_matrix(self, 8 + self.room)
  end,
  finish = function(self)
    return self.file:patch(0, string.pack("<s8", padded(safetensors_header(self, self.rows),
      self.room)))
  end,
}

-- ---- writing ----

local Output = {}
Output.__index = Output

local function open(model, path)
  local self = setmetatable({ path = path, rows = 0, dim = model.dim, model_name = model.name,
    format = formats[fs.extension(path)] }, Output)
  local message, code
  self.file, message, code = fs.writer(path)
  if not self.file then return nil, message, code end
  if self.format.matrix then
    self.names_path = fs.join(fs.folder(path), fs.stem(path) .. ".sounds.csv")
  end
  if self.format.begin then
    local ok
    ok, message, code = self.format.begin(self)
    if not ok then
      self:close()
      return nil, message, code
    end
  end
  return self
end

function Output:close()
  if self.file then self.file:discard() end
  if self.names then self.names:discard() end
end
Output.__close = Output.close

function Output:add(clip, label, segments)
  if clip.error then return self.format.failure(self, label, clip) end
  local times = segments and clip.times or { { 0, clip.seconds } }
  for i, time in ipairs(times) do
    local vector = segments and clip.segments[i] or clip.vector
    local ok, message, code = self.format.row(self, label, time[1], time[2], vector:contiguous())
    if not ok then return nil, message, code end
    self.rows = self.rows + 1
  end
  return true
end

function Output:commit()
  local ok, message, code = true, nil, nil
  if self.format.finish then ok, message, code = self.format.finish(self) end
  if ok and self.names then ok, message, code = self.names:commit() end
  if not ok then return nil, message, code end
  return self.file:commit()
end

local function rules()
  local r = { segments = { type = "boolean", default = false } }
  for name, rule in pairs(stream.rules) do r[name] = rule end
  return r
end

local function check_path(path)
  opts.arg("model:save_vectors", 1, "path", path, "string", 4)
  if formats[fs.extension(path)] then return end
  error(format("model:save_vectors: '%s' must end in .npy, .safetensors, .csv or .jsonl", path), 3)
end

--- See model:save_vectors.
---@param model table
---@param path string
---@param sounds any
---@param options? table
---@return table|nil report
---@return string? message
---@return string? code
function vectors.save(model, path, sounds, options)
  check_path(path)
  opts.arg("model:save_vectors", 2, "sounds", sounds, "table|function", 3)
  local o = opts.check("model:save_vectors", options, rules(), 3)
  local output <close>, message, code = open(model, path)
  if not output then return nil, message, code end
  local report = { sounds = 0, seconds = 0, failed = {} }
  local encoding <close> = stream.open(model, sounds, o, "model:save_vectors")
  for i, clip in encoding.next, encoding do
    local label = clip.path or format("sound %d", i)
    local ok
    ok, message, code = output:add(clip, label, o.segments)
    if not ok then return nil, message, code end
    if clip.error then
      report.failed[#report.failed + 1] = { path = label, error = clip.error, code = clip.code }
    else
      report.sounds, report.seconds = report.sounds + 1, report.seconds + clip.seconds
    end
  end
  local ok
  ok, message, code = output:commit()
  if not ok then return nil, message, code end
  report.rows, report.dim, report.names = output.rows, model.dim, output.names_path
  return report
end

return vectors
