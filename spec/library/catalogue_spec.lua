local nj = require "nightjar"

local function sound(path, value)
  return {
    path = path, size = 10, mtime = 20, seconds = 1.5,
    vector = nj.tensor { value, 0, 0 },
    segments = nj.tensor { { value, 0, 0 }, { 0, value, 0 } },
    times = nj.tensor { { 0, 1 }, { 0.5, 1.5 } },
  }
end

describe("nj.catalogue", function()
  local path
  before_each(function()
    path = os.tmpname()
    os.remove(path)
  end)
  after_each(function() os.remove(path) end)

  it("keeps sounds, vectors and notes across openings", function()
    do
      local c <close> = assert(nj.catalogue(path, { create = true }))
      assert(c:put(sound("b.wav", 2)))
      assert(c:put(sound("a.wav", 1)))
      assert(c:put { path = "c.wav", error = "broken", size = 3 })
      assert(c:meta("model", "m1"))
    end
    local c <close> = assert(nj.catalogue(path))
    assert.equal("m1", c:meta "model")
    assert.is_nil(c:meta "absent")
    local list = c:list()
    assert.same({ "a.wav", "b.wav", "c.wav" }, { list[1].path, list[2].path, list[3].path })
    assert.equal("broken", list[3].error)
    local vectors, ids = c:vectors()
    assert.same({ 2, 3 }, vectors.shape)
    local got = assert(c:get(ids(1)))
    assert.equal("b.wav", got.path)
    assert.same({ { 2, 0, 0 }, { 0, 2, 0 } }, got.segments:totable())
    assert.same({ { 0, 1 }, { 0.5, 1.5 } }, got.times:totable())
  end)

  it("replaces a sound of the same path, and forgets vectors that became an error", function()
    local c <close> = assert(nj.catalogue(path, { create = true }))
    assert(c:put(sound("a.wav", 1)))
    assert(c:put(sound("a.wav", 5)))
    assert.equal(5, c:vectors()(1, 1))
    assert(c:put { path = "a.wav", error = "gone bad" })
    assert.equal(1, #c:list())
    assert.same({ 0, 0 }, { #c:vectors(), #select(2, c:vectors()) })
  end)

  it("shows a transaction whole or not at all", function()
    local c <close> = assert(nj.catalogue(path, { create = true }))
    assert(c:begin())
    assert(c:put(sound("a.wav", 1)))
    assert(c:rollback())
    assert.equal(0, #c:list())
    assert(c:begin())
    assert.error_matches(function() c:begin() end, "a transaction is already open")
    assert(c:put(sound("a.wav", 1)))
    assert(c:commit())
    assert.equal(1, #c:list())
    assert.is_true(c:remove "a.wav")
    assert.is_false(c:remove "a.wav")
  end)

  it("keeps levels, 8-bit quantised", function()
    local rng = nj.rng(5)
    local frames = nj.randn({ 70, 33 }, { rng = rng }):normalize(2)
    frames[4] = 0
    frames[5] = frames[5] * 1e-30
    local record = sound("a.wav", 1)
    record.levels = {
      frame = { vectors = frames, step = 0.32, weights = nj.rand({ 70 }, { rng = rng }) },
      segment = { vectors = nj.randn({ 3, 66 }, { rng = rng })[{ {}, { 1, -1, 2 } }] },
      caption = { vectors = nj.zeros(0, 33) },
    }
    local c <close> = assert(nj.catalogue(path, { create = true }))
    assert(c:put(record))
    assert(c:put(sound("b.wav", 1)))
    local vectors, weights, step = c:level(1, "frame")
    assert.same({ 70, 33 }, vectors.shape)
    local bound = frames:abs():max(2, { keepdim = true }) / 253
    assert.equal(0, (vectors - frames):abs():gt(bound):sum():item())
    assert.is_true(weights:equal(record.levels.frame.weights))
    assert.equal(0.32, step)
    vectors, weights, step = c:level(1, "segment")
    assert.same({ 3, 33 }, vectors.shape)
    assert.same({ nil, 0.0 }, { weights, step })
    assert.same({ 0, 0 }, c:level(1, "caption").shape)
    assert.equal(0, select("#", c:level(1, "word")))
    assert.equal(0, select("#", c:level(2, "frame")))
    -- Others take their place; an error, or going, takes them away.
    record.levels = { frame = { vectors = nj.ones(2, 3) } }
    assert(c:put(record))
    assert.same({ { 1, 1, 1 }, { 1, 1, 1 } }, c:level(1, "frame"):totable())
    assert.equal(0, select("#", c:level(1, "segment")))
    assert(c:put { path = "a.wav", error = "gone bad" })
    assert.equal(0, select("#", c:level(1, "frame")))
    assert(c:put(record))
    assert(c:remove "a.wav")
    assert.equal(0, select("#", c:level(1, "frame")))
  end)

  it("checks the levels it is given, and then puts nothing", function()
    local c <close> = assert(nj.catalogue(path, { create = true }))
    local function refused(pattern, levels)
      local record = sound("a.wav", 1)
      record.levels = levels
      assert.error_matches(function() c:put(record) end, pattern)
      assert.equal(0, #c:list())
    end
    refused("put: field 'levels' must be a table, got number", 3)
    refused("put: 'levels' must hold tables by name", { 3 })
    refused("put: 'vectors' of level 'frame' must be a tensor, got nil", { frame = {} })
    refused("put: level 'frame' must have vectors %(N, D%), got %(3%)", { frame = { vectors = nj.ones(3) } })
    refused("put: level 'frame' must be of float32 tensors", { frame = { vectors = nj.ones(3, 2):double() } })
    refused("put: level 'frame' must have weights %(3%), got %(2%)",
      { frame = { vectors = nj.ones(3, 2), weights = nj.ones(2) } })
    for _, bad in ipairs { 0 / 0, math.huge, -math.huge } do
      refused("put: level 'frame' holds NaN or infinite values",
        { frame = { vectors = nj.tensor { { 1, bad, 3 } } } })
    end
    local many = {}
    for i = 1, 9 do many["l" .. i] = { vectors = nj.ones(1, 1) } end
    refused("put: more than 8 levels", many)
  end)

  -- The number of the schema lies in the header of an SQLite file.
  local function set_version(version)
    local file = assert(io.open(path, "r+b"))
    file:seek("set", 60)
    file:write((">I4"):pack(version))
    file:close()
  end

  it("reads none of a later version", function()
    assert(nj.catalogue(path, { create = true })):close()
    set_version(4)
    local none, message, code = nj.catalogue(path)
    assert.same({ nil, path .. ": sound library of version 4, this nightjar reads versions up to 3",
      "EUNSUPPORTED" }, { none, message, code })
  end)

  it("tells a locked library from a broken one", function()
    local c <close> = assert(nj.catalogue(path, { create = true }))
    assert(c:begin())
    local other <close> = assert(nj.catalogue(path, { wait = 0.05 }))
    local ok, message, code = other:begin()
    assert.same({ nil, path .. ": another process is writing to it (waited 0.1 s)", "EBUSY" },
      { ok, message, code })
    assert(c:rollback())
  end)

  it("refuses files of another kind", function()
    local file = io.open(path, "wb")
    file:write(("not a database "):rep(100))
    file:close()
    local c, message, code = nj.catalogue(path, { create = true })
    assert.is_nil(c)
    assert.equal("EFORMAT", code)
    assert.matches(path, message, 1, true)
    local none, _, missing = nj.catalogue(path .. ".missing")
    assert.is_nil(none)
    assert.equal("ENOTFOUND", missing)
    local directory, _, kind = nj.catalogue "/tmp"
    assert.is_nil(directory)
    assert.equal("EIO", kind)
  end)

  it("checks what it is given", function()
    local c = assert(nj.catalogue(path, { create = true }))
    assert.error_matches(function() c:put { path = "x" } end, "a sound needs a vector or an error")
    assert.error_matches(function() c:put { vector = nj.zeros(3) } end, "field 'path' is required")
    local bad = sound("a.wav", 1)
    bad.times = nj.zeros(3, 2)
    assert.error_matches(function() c:put(bad) end, "expected vector %(D%), segments %(S, E%)")
    c:close()
    assert.error_matches(function() c:list() end, "was closed")
    c:close()
  end)

  it("survives a damaged file", function()
    do
      local c <close> = assert(nj.catalogue(path, { create = true }))
      for i = 1, 50 do
        local record = sound("s" .. i, i)
        record.levels = { frame = { vectors = nj.ones(5, 3), weights = nj.ones(5) } }
        assert(c:put(record))
      end
    end
    local file = assert(io.open(path, "rb"))
    local good = file:read "a"
    file:close()
    local rng = nj.rng(3)
    for _ = 1, 40 do
      local at = rng:integer(1, #good)
      local out = io.open(path, "wb")
      out:write(good:sub(1, at - 1), string.char(rng:integer(0, 255)):rep(8), good:sub(at + 8))
      out:close()
      local c, message = nj.catalogue(path)
      if c then
        local list = c:list()
        local vectors = c:vectors()
        for id = 1, 50 do c:level(id, "frame") end
        assert.is_true(list == nil or type(list) == "table")
        assert.is_true(vectors == nil or vectors.dtype == "float32")
        c:close()
      else
        assert.is_string(message)
      end
    end
  end)
end)
