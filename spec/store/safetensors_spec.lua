local nj = require "nightjar"
local json = require "dkjson"
local shared = require "spec.support.shared"

local function temporary()
  local path = os.tmpname()
  os.remove(path)
  return path .. ".safetensors"
end

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The header text of a file with one tensor.
local function one(dtype, shape, from, to)
  return ('{"t":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}}'):format(dtype, shape, from, to)
end

--- The header text of a file with two bytes, called first and second.
local function two(first, second, from, to)
  return ('{"%s":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
    .. '"%s":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}}'):format(first, second, from, to)
end

--- A safetensors file's bytes from its header text and data.
local function container(header, data) return string.pack("<I8", #header) .. header .. (data or "") end

describe("nj.store.save and load", function()
  local path
  before_each(function() path = temporary() end)
  after_each(function() os.remove(path) end)

  it("give back every dtype, shape and note", function()
    local tensors = {
      floats = nj.tensor { { 1.5, -2 }, { 0, 1e30 } },
      doubles = nj.tensor({ 1 / 3 }, { dtype = "float64" }),
      longs = nj.tensor({ math.maxinteger, -1 }, { dtype = "int64" }),
      ints = nj.tensor({ { 7 } }, { dtype = "int32" }),
      bytes = nj.tensor({ 0, 255 }, { dtype = "uint8" }),
      scalar = nj.tensor(3),
      empty = nj.zeros(0, 4),
    }
    local notes = { author = 'a "quoted" \\ name\n', ["ключ"] = "значение" }
    assert.is_true(nj.store.save(path, tensors, notes))
    local file = assert(nj.store.load(path))
    assert.same(notes, file.metadata)
    for name, want in pairs(tensors) do
      local got = file.tensors[name]
      assert.equal(want.dtype, got.dtype, name)
      assert.same(want.shape, got.shape, name)
      assert.same(want:totable(), got:totable(), name)
    end
  end)

  it("write a strided view as what it shows", function()
    local x = nj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert(nj.store.save(path, { t = x:transpose(1, 2) }))
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, nj.store.load(path).tensors.t:totable())
  end)

  it("store floats as 16-bit floats when asked, but for what these cannot hold", function()
    local tensors = {
      fits = nj.tensor { 1 / 3, 65519, -0.0, 2 ^ -24, 2 ^ -25, 1 / 0 },
      large = nj.tensor { 1, 65520 },
      doubles = nj.tensor({ 0.5, 1 / 3 }, { dtype = "float64" }),
      huge = nj.tensor({ 1e300 }, { dtype = "float64" }),
      whole = nj.tensor({ 70000 }, { dtype = "int64" }),
      view = nj.tensor { { 1, 2, 3 }, { 4, 5, 6 } }:transpose(1, 2),
    }
    local ok, kept = nj.store.save(path, tensors, nil, { dtype = "float16" })
    assert.is_true(ok)
    table.sort(kept)
    assert.same({ "huge", "large" }, kept)
    local dtypes = {}
    for _, entry in ipairs(nj.store.info(path).entries) do dtypes[entry.name] = entry.dtype end
    assert.same({ fits = "F16", large = "F32", doubles = "F16", huge = "F64", whole = "I64", view = "F16" },
      dtypes)
    local got = nj.store.load(path).tensors
    assert.same({ 0.333251953125, 65504, 0, 2 ^ -24, 0, 1 / 0 }, got.fits:totable())
    assert.same({ 0.5, 0.333251953125 }, got.doubles:totable())
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, got.view:totable())
    ok, kept = nj.store.save(path, tensors, nil, { dtype = "bfloat16" })
    assert.is_true(ok)
    assert.same({ "huge" }, kept)
    assert.same({ 1, 65536 }, nj.store.load(path).tensors.large:totable())
    assert.same({ true, {} }, { nj.store.save(path, tensors) })
    assert.error_matches(function() nj.store.save(path, tensors, nil, { dtype = "float8" }) end,
      "save: option 'dtype' must be")
    assert.error_matches(function() nj.store.save(path, tensors, nil, { half = true }) end,
      "save: unknown option 'half'")
  end)

  it("write the same bytes for the same content", function()
    local content = { a = nj.tensor { 1 }, b = nj.tensor { 2 }, c = nj.tensor({ 3 }, { dtype = "uint8" }) }
    assert(nj.store.save(path, content, { x = "1", y = "2" }))
    local first = read(path)
    assert(nj.store.save(path, content, { y = "2", x = "1" }))
    assert.equal(first, read(path))
  end)

  it("keep the mapping private: writing to a loaded tensor leaves the file alone", function()
    assert(nj.store.save(path, { t = nj.tensor { 1, 2 } }))
    local before = read(path)
    local t = nj.store.load(path).tensors.t
    t[1] = 99
    assert.equal(99, t(1))
    assert.equal(before, read(path))
  end)

  it("leave the old file when the new one cannot be written", function()
    local ok, message, code = nj.store.save("/nonexistent/dir/x.safetensors", { t = nj.tensor { 1 } })
    assert.is_nil(ok)
    assert.matches("save: cannot write '/nonexistent/dir/x.safetensors': No such file", message, 1, true)
    assert.equal("EIO", code)
  end)

  it("refuse what no file can hold", function()
    assert.error_matches(function() nj.store.save(path, { ["\xff"] = nj.tensor { 1 } }) end,
      "save: .* is not valid UTF%-8")
    assert.error_matches(function() nj.store.save(path, { __metadata__ = nj.tensor { 1 } }) end,
      "no tensor can be called '__metadata__'")
    assert.error_matches(function() nj.store.save(path, { t = 5 }) end, "'t' must be a tensor, got number")
    assert.error_matches(function() nj.store.save(path, {}, { x = 1 }) end,
      "metadata 'x' must be a string, got number")
  end)

  it("say what is wrong with a file that is none", function()
    local cases = {
      { "", "EFORMAT", "the file is empty" },
      { "abc", "EFORMAT", "too few" },
      { "PK\3\4 and more", "EFORMAT", "a broken zip archive" },
      { "<!DOCTYPE html><html>", "EUNSUPPORTED", "HTML page" },
      { container(one("F32", "2", 0, 8), "1234"), "EFORMAT", "cut off" },
      { container(one("F32", "1", 0, 4), "12345"), "EFORMAT", "something follows" },
      { container(one("F33", "1", 0, 4), "1234"), "EFORMAT", "unknown dtype" },
      { container(one("F32", "-1", 0, 4), "1234"), "EFORMAT", "non-negative" },
      { container(one("F32", "2", 0, 4), "1234"), "EFORMAT", "size is not" },
      { container(one("U8", "4294967296,4294967296", 0, 0)), "EFORMAT", "overflows" },
      { container(two("t", "u", 0, 1), "1"), "EFORMAT", "overlap" },
      { container(two("t", "t", 1, 2), "12"), "EFORMAT", "two tensors are called 't'" },
    }
    for _, case in ipairs(cases) do
      write(path, case[1])
      local file, message, code = nj.store.load(path)
      assert.is_nil(file)
      assert.equal(case[2], code, message)
      assert.matches(case[3], message, 1, true)
      assert.matches(path, message, 1, true)
    end
    local file, message, code = nj.store.load(path .. ".missing")
    assert.is_nil(file)
    assert.equal("ENOTFOUND", code, message)
    local _, _, directory = nj.store.load "/tmp"
    assert.equal("EIO", directory)
  end)

  it("survive seeded damage to every part of a file", function()
    local tensors = { a = nj.arange(1, 12):reshape(3, 4), b = nj.tensor({ 1, 2 }, { dtype = "int64" }) }
    assert(nj.store.save(path, tensors,
      { note = "x" }))
    local good, rng = read(path), nj.rng(5)
    for _ = 1, 300 do
      local at = rng:integer(1, #good)
      local bad = rng:uniform() < 0.3 and good:sub(1, at)
        or good:sub(1, at - 1) .. string.char(rng:integer(0, 255)) .. good:sub(at + 1)
      write(path, bad)
      local file, message, code = nj.store.load(path)
      assert.is_true(file ~= nil or (type(message) == "string" and type(code) == "string"))
    end
  end)

  it("hold nothing back", function()
    assert(nj.store.save(path, { t = nj.zeros(100, 100) }))
    collectgarbage()
    collectgarbage()
    local before = nj.memory().live
    for _ = 1, 20 do nj.store.load(path) end
    nj.store.load(path .. ".missing")
    collectgarbage()
    collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)

describe("nj.store against reference files", function()
  it("reads each legal safetensors file as expected", function()
    local manifest = shared.json "golden/12_containers/manifest.json"
    if not manifest then return pending "needs ../shared" end
    local legal = { "header_order_and_whitespace", "mixed_dtypes", "no_tensors", "unaligned_header" }
    for _, name in ipairs(legal) do
      local base = "golden/12_containers/" .. name .. ".safetensors"
      local got = assert(nj.store.load(shared.path(base)))
      local want = assert(nj.store.load(shared.path(base .. ".expected.safetensors")))
      for key, tensor in pairs(want.tensors) do
        assert.is_truthy(got.tensors[key], name .. " " .. key)
        local as_double = got.tensors[key]:to "float64"
        assert.same(tensor:to("float64"):totable(), as_double:totable(), name .. " " .. key)
      end
    end
  end)

  it("refuses each hostile one, with its path", function()
    local lines = shared.read "golden/12_negative/manifest.jsonl"
    if not lines then return pending "needs ../shared" end
    local refused = 0
    for line in lines:gmatch "[^\n]+" do
      local entry = json.decode(line)
      local name = entry.file or entry.name
      local path = shared.path("golden/12_negative/" .. name)
      if name:match "^st_" and name ~= "st_nul_in_name.safetensors" then
        local file, message, code = nj.store.load(path)
        assert.is_nil(file, name)
        assert.is_truthy(code == "EFORMAT" or code == "EUNSUPPORTED", name .. " " .. tostring(code))
        assert.matches(name, message, 1, true)
        refused = refused + 1
      end
    end
    assert.is_true(refused >= 29, "only " .. refused)
  end)
end)
