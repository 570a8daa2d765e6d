-- Nothing but an explicit command clears a library, and reading writes nothing.
local nj = require "nightjar"
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local lfs = require "lfs"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE = 16000

local function wav(seed) return sound.wav(sound.noise(RATE // 2, seed, 0.3), { rate = RATE }) end

describe("a library", function()
  local model, folder, file
  setup(function() model = tiny_model.new() end)
  before_each(function()
    folder = temporary.folder()
    file = folder .. "/lib.njl"
  end)
  after_each(function() temporary.remove(folder) end)

  local function make(count)
    for i = 1, count do temporary.write(("%s/sounds/%d.wav"):format(folder, i), wav(i)) end
    local lib <close> = assert(nj.library.open(file, { model = model }))
    assert.equal(count, assert(lib:add(folder .. "/sounds")).added)
  end

  local function sounds()
    local catalogue <close> = assert(nj.catalogue(file, { read_only = true }))
    return #assert(catalogue:list())
  end

  it("refuses a mark that is missing or odd, and clears nothing", function()
    make(3)
    local whole = assert(fs.read(file))
    local at = assert(whole:find("modeltiny/12/", 1, true))
    for _, damage in ipairs { "model", "mndel" } do
      temporary.write(file, whole:sub(1, at - 1) .. damage .. whole:sub(at + 5))
      local before = fs.read(file)
      for _, options in ipairs { {}, { create = false }, { read_only = true } } do
        options.model = model
        local lib, message, code = nj.library.open(file, options)
        if damage == "model" then
          assert(lib, message):close()
        else
          assert.is_nil(lib)
          assert.equal("EFORMAT", code)
          assert.matches("nightjar", message)
        end
        assert.equal(before, fs.read(file))
      end
      assert.equal(3, sounds())
    end
  end)

  it("is not cleared when its mark cannot be read for a lock", function()
    make(2)
    local writer <close> = assert(nj.catalogue(file))
    assert(writer:begin())
    -- A mark that cannot be read, by the very call that reads it.
    local meta = getmetatable(writer).__index.meta
    getmetatable(writer).__index.meta = function() return nil, "database is locked", "EBUSY" end
    local done, lib, message, code = pcall(nj.library.open, file, { model = model })
    getmetatable(writer).__index.meta = meta
    assert(done, lib)
    assert.same({ nil, "database is locked", "EBUSY" }, { lib, message, code })
    assert(writer:rollback())
    assert.equal(2, sounds())
  end)

  it("is not made of a file that is opened to be read", function()
    local empty = temporary.write(folder .. "/empty.wav", "")
    for _, options in ipairs { { create = false }, { read_only = true } } do
      options.model = model
      local lib, message, code = nj.library.open(empty, options)
      assert.same({ nil, empty .. ": an empty file, not a sound library", "EFORMAT" },
        { lib, message, code })
      assert.equal(0, lfs.attributes(empty, "size"))
    end
    local status, out, err = child.capture(child.command("bin/nightjar", "info", empty))
    assert.same({ 1, "", 0 }, { status, out, lfs.attributes(empty, "size") })
    assert.matches("empty.wav", err, 1, true)
    assert.is_nil(nj.library.open(folder .. "/none.njl", { model = model, read_only = true }))
    assert.is_nil(fs.kind(folder .. "/none.njl"))
  end)

  it("is the same, and alone in its folder, after it was read", function()
    make(2)
    local before = fs.read(file)
    do
      local lib <close> = assert(nj.library.open(file, { model = model, read_only = true }))
      assert.equal(2, #assert(lib:search "a dog"))
      assert.equal(2, #assert(lib:like(folder .. "/sounds/1.wav")))
    end
    assert.equal(before, fs.read(file))
    local names = {}
    for name in lfs.dir(folder) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ ".", "..", "lib.njl", "sounds" }, names)
    assert.error_matches(function()
      nj.library.open(file, { model = model, read_only = true, rebuild = true })
    end, "exclude each other")
  end)

  it("is put in order after a process was killed in the middle of writing", function()
    make(2)
    local before = fs.read(file)
    -- Enough that pages go to the disk before the commit that never comes.
    local script = temporary.write(folder .. "/run.lua", ([[
      local nj = require "nightjar"
      local catalogue = assert(nj.catalogue(%q))
      assert(catalogue:begin())
      for i = 1, 400 do
        assert(catalogue:put { path = "x" .. i, vector = nj.ones(4096), seconds = 1,
          segments = nj.ones(1, 4096), times = nj.ones(1, 2) })
      end
      os.execute("kill -9 " .. io.open("/proc/self/stat"):read("n"))]]):format(file))
    child.run(script)
    assert.is_true(lfs.attributes(file .. "-journal", "size") > 0)
    assert.not_equal(before, fs.read(file))
    do
      local lib <close> = assert(nj.library.open(file, { model = model, read_only = true }))
      assert.equal(2, #assert(lib:search("a dog", { k = 9 })))
    end
    assert.equal(before, fs.read(file))
    assert.is_nil(fs.kind(file .. "-journal"))
  end)

  it("fails a file for which memory runs out, and goes on", function()
    for i = 1, 4 do
      temporary.write(("%s/sounds/%d.wav"):format(folder, i),
        sound.wav(sound.noise(i == 2 and RATE * 60 or 4000, i, 0.3), { rate = RATE }))
    end
    local lib <close> = assert(nj.library.open(file, { model = model }))
    collectgarbage()
    local before, n = nj.memory(), 0
    for extra = 0, 8000000, 400000 do
      collectgarbage()
      nj.memory { limit = nj.memory().live + extra }
      local ok, report, message = pcall(lib.add, lib, folder .. "/sounds")
      nj.memory { limit = before.limit }
      assert(ok, report)
      if report then
        for _, failure in ipairs(report.failed) do
          assert.equal("ENOMEM", failure.code)
          n = n + 1
        end
      else
        assert.matches("out of memory", message)
      end
    end
    assert.is_true(n > 0)
    assert(lib:add(folder .. "/sounds"))
    assert.equal(4, #assert(lib:search("a dog", { k = 9 })))
  end)

  it("is searched from the folder that one stands in", function()
    temporary.write(folder .. "/a.wav", wav(1))
    local path = folder .. "/tiny.nj"
    assert(model:save(path))
    local index = child.command(lfs.currentdir() .. "/bin/nightjar", "index", "--model", path, ".")
    local search = child.command(lfs.currentdir() .. "/bin/nightjar", "search", "--model", path, "dog")
    local there = "cd " .. child.quoted(folder) .. " && "
    assert.equal(0, (child.capture(there .. index)))
    local status, out, err = child.capture(there .. search)
    assert.equal(0, status, err)
    assert.matches("a.wav", out, 1, true)
  end)
end)
