--- Writes torch checkpoints, right and wrong ones: pickles by their opcodes, zip archives by their
--- records, the legacy layout.
---
---     local p = torch_file.pickle
---     torch_file.zip { ["data.pkl"] = p.file(p.dict { "w", p.tensor("0", 4, { 2, 2 }) }),
---       ["data/0"] = string.pack("<ffff", 1, 2, 3, 4) }
local torch_file = {}

-- ---- pickles, protocol 2 ----

local pickle = {}
torch_file.pickle = pickle

function pickle.text(s) return "X" .. string.pack("<s4", s) end

function pickle.integer(n)
  if n >= 0 and n < 256 then return "K" .. string.char(n) end
  if n >= -(1 << 31) and n < 1 << 31 then return "J" .. string.pack("<i4", n) end
  return "\x8a\x08" .. string.pack("<i8", n)
end

function pickle.float(x) return "G" .. string.pack(">d", x) end

pickle.none, pickle.yes, pickle.no = "N", "\x88", "\x89"

--- A Lua value that is no pickle yet: strings stand for themselves as text, numbers for numbers.
--- Pickled pieces are passed as { pickled = bytes }.
local function of(value)
  if type(value) == "table" then return value.pickled end
  if type(value) == "string" then return pickle.text(value) end
  if math.type(value) == "integer" then return pickle.integer(value) end
  if type(value) == "number" then return pickle.float(value) end
  return value and pickle.yes or pickle.no
end

local function raw(bytes) return { pickled = bytes } end
pickle.raw = raw

local function all(values)
  local parts = {}
  for i, value in ipairs(values) do parts[i] = of(value) end
  return table.concat(parts)
end

function pickle.tuple(values) return raw("(" .. all(values) .. "t") end
function pickle.list(values) return raw("](" .. all(values) .. "e") end
--- { key, value, key, value … }
function pickle.dict(values) return raw("}(" .. all(values) .. "u") end
function pickle.name(module, name) return raw("c" .. module .. "\n" .. name .. "\n") end
function pickle.call(module, name, arguments)
  return raw(pickle.name(module, name).pickled .. pickle.tuple(arguments).pickled .. "R")
end
function pickle.build(object, state) return raw(object.pickled .. of(state) .. "b") end

function pickle.storage(key, numel, kind, view)
  local arguments = { "storage", pickle.name("torch", kind or "FloatStorage"), key, "cpu", numel }
  if view ~= nil then arguments[6] = view end
  return raw(pickle.tuple(arguments).pickled .. "Q")
end

local function contiguous(shape)
  local stride, n = {}, 1
  for i = #shape, 1, -1 do
    stride[i] = n
    n = n * shape[i]
  end
  return stride, n
end

---@param o? {offset: integer, stride: integer[], kind: string, numel: integer}
function pickle.tensor(key, shape, o)
  o = o or {}
  local stride, n = contiguous(shape)
  return pickle.call("torch._utils", "_rebuild_tensor_v2", {
    pickle.storage(key, o.numel or n, o.kind), o.offset or 0, pickle.tuple(shape),
    pickle.tuple(o.stride or stride), false, pickle.call("collections", "OrderedDict", {}) })
end

function pickle.file(value) return "\x80\x02" .. of(value) .. "." end

-- ---- zip ----

local crc_table

local function crc32(bytes)
  if not crc_table then
    crc_table = {}
    for i = 0, 255 do
      local c = i
      for _ = 1, 8 do c = c & 1 == 1 and 0xedb88320 ~ (c >> 1) or c >> 1 end
      crc_table[i] = c
    end
  end
  local crc = 0xffffffff
  for i = 1, #bytes do crc = crc_table[(crc ~ bytes:byte(i)) & 0xff] ~ (crc >> 8) end
  return crc ~ 0xffffffff
end

--- A zip archive of stored entries, in the order of their names, below `root` ("archive/").
---@param entries table<string, string>
---@param root? string
---@return string
function torch_file.zip(entries, root)
  local names, parts, directory, at = {}, {}, {}, 0
  for name in pairs(entries) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local data, full = entries[name], (root or "archive/") .. name
    local crc = crc32(data)
    parts[#parts + 1] = string.pack("<I4I2I2I2I2I2I4I4I4I2I2", 0x04034b50, 20, 0, 0, 0, 33, crc,
      #data, #data, #full, 0) .. full .. data
    directory[#directory + 1] = string.pack("<I4I2I2I2I2I2I2I4I4I4I2I2I2I2I2I4I4", 0x02014b50, 20,
      20, 0, 0, 0, 33, crc, #data, #data, #full, 0, 0, 0, 0, 0, at) .. full
    at = at + #parts[#parts]
  end
  local list = table.concat(directory)
  return table.concat(parts) .. list
    .. string.pack("<I4I2I2I2I2I4I4I2", 0x06054b50, 0, 0, #names, #names, #list, at, 0)
end

-- ---- legacy ----

--- @param object any pickled
--- @param storages {[1]: string, [2]: integer, [3]: string}[] key, count, bytes
function torch_file.legacy(object, storages)
  local keys, data = {}, {}
  for i, storage in ipairs(storages) do
    keys[i] = storage[1]
    data[i] = string.pack("<i8", storage[2]) .. storage[3]
  end
  local magic = raw("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
  return pickle.file(magic) .. pickle.file(1001)
    .. pickle.file(pickle.dict { "protocol_version", 1001, "little_endian", true })
    .. pickle.file(object) .. pickle.file(pickle.list(keys)) .. table.concat(data)
end

return torch_file
