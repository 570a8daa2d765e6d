-- Files that move, go and come back, and libraries that move with them.
local nj = require "nightjar"
local lfs = require "lfs"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local function wav(seed) return sound.wav(sound.noise(8000, seed, 0.3), { rate = 16000 }) end

describe("a library, when files move,", function()
  local model, folder, file, lib
  setup(function() model = tiny_model.new() end)
  before_each(function()
    folder = nj.files.real(temporary.folder())
    file = folder .. "/lib.njl"
    for i = 1, 4 do temporary.write(("%s/sfx/%d.wav"):format(folder, i), wav(i)) end
    lib = assert(nj.library.open(file, { model = model }))
    assert.equal(4, assert(lib:add(folder .. "/sfx")).added)
  end)
  after_each(function()
    lib:close()
    temporary.remove(folder)
  end)

  -- { added, updated, unchanged, moved, missing, failed }
  local function add(path, options)
    local r = assert(lib:add(path, options))
    return { r.added, r.updated, r.unchanged, r.moved, r.missing, #r.failed }
  end

  local function vectors()
    local by_id = {}
    for _, row in ipairs(assert(lib:sounds())) do
      by_id[row.id] = assert(lib.catalogue:get(row.id)).vector:bytes()
    end
    return by_id
  end

  local function path_of(id)
    for _, row in ipairs(assert(lib:sounds())) do
      if row.id == id then return row.path end
    end
  end

  local function id_of(name)
    for _, row in ipairs(assert(lib:sounds())) do
      if row.path == folder .. name then return row.id end
    end
  end

  it("knows a folder by another name, and one that holds another name", function()
    local before = vectors()
    assert(os.rename(folder .. "/sfx", folder .. "/moved"))
    assert.same({ 0, 0, 0, 4, 0, 0 }, add(folder .. "/moved"))
    assert.same(before, vectors())
    assert.equal(4, #assert(lib:search("a dog", { k = 9 })))
    for _, hit in ipairs(assert(lib:search("a dog", { k = 9 }))) do
      assert.equal("file", lfs.attributes(hit.path, "mode"))
    end
  end)

  it("knows renamed files, also when names are exchanged", function()
    local one, two, three = id_of "/sfx/1.wav", id_of "/sfx/2.wav", id_of "/sfx/3.wav"
    local before = vectors()
    os.rename(folder .. "/sfx/1.wav", folder .. "/sfx/t")
    os.rename(folder .. "/sfx/2.wav", folder .. "/sfx/1.wav")
    os.rename(folder .. "/sfx/t", folder .. "/sfx/2.wav")
    os.rename(folder .. "/sfx/3.wav", folder .. "/sfx/neu.wav")
    assert.same({ 0, 0, 1, 3, 0, 0 }, add(folder .. "/sfx"))
    assert.same({ folder .. "/sfx/2.wav", folder .. "/sfx/1.wav", folder .. "/sfx/neu.wav" },
      { path_of(one), path_of(two), path_of(three) })
    assert.same(before, vectors())
    assert.same({ 0, 0, 4, 0, 0, 0 }, add(folder .. "/sfx"))
    assert.same({}, assert(lib:verify()).problems)
  end)

  it("knows a file that took another one's place", function()
    local one = id_of "/sfx/1.wav"
    os.rename(folder .. "/sfx/1.wav", folder .. "/sfx/2.wav")
    assert.same({ 0, 0, 2, 1, 0, 0 }, add(folder .. "/sfx"))
    assert.equal(folder .. "/sfx/2.wav", path_of(one))
    assert.equal(3, #assert(lib:sounds()))
  end)

  it("takes a copy for a sound of its own", function()
    temporary.write(folder .. "/sfx/copy.wav", wav(1))
    assert.same({ 1, 0, 4, 0, 0, 0 }, add(folder .. "/sfx"))
  end)

  it("keeps what is gone, hidden, until it is back or pruned", function()
    local before = vectors()
    os.rename(folder .. "/sfx/1.wav", folder .. "/away")
    assert.same({ 0, 0, 3, 0, 1, 0 }, add(folder .. "/sfx"))
    assert.equal(3, #assert(lib:search("a dog", { k = 9 })))
    assert.equal(3, #assert(lib:clips()))
    assert.equal(4, #assert(lib:clips { missing = true }))
    local hits, missing = assert(lib:search("a dog", { k = 9, missing = true })), 0
    for _, hit in ipairs(hits) do missing = missing + (hit.missing and 1 or 0) end
    assert.same({ 4, 1 }, { #hits, missing })
    os.rename(folder .. "/away", folder .. "/sfx/1.wav")
    assert.same({ 0, 0, 4, 0, 0, 0 }, add(folder .. "/sfx"))
    assert.equal(4, #assert(lib:search("a dog", { k = 9 })))
    assert.same(before, vectors())
    os.remove(folder .. "/sfx/1.wav")
    assert.same({ 0, 0, 3, 0, 1, 0 }, add(folder .. "/sfx"))
    assert.same({ folder .. "/sfx/1.wav" }, assert(lib:prune { dry_run = true }))
    assert.equal(4, #assert(lib:sounds()))
    assert.same({ folder .. "/sfx/1.wav" }, assert(lib:prune()))
    assert.same({ 3, 0 }, { #assert(lib:sounds()), #assert(lib:prune()) })
  end)

  it("refuses a folder that lost all its sounds, until told to take that for true", function()
    assert(os.rename(folder .. "/sfx", folder .. "/unmounted"))
    assert(lfs.mkdir(folder .. "/sfx"))
    local none, message, code = lib:add(folder .. "/sfx")
    assert.same({ nil, "ENOTFOUND" }, { none, code })
    assert.matches("the library knows 4 of this folder: is a disk not mounted?", message, 1, true)
    assert.equal(4, #assert(lib:search("a dog", { k = 9 })))
    assert.same({ 0, 0, 0, 0, 4, 0 }, add(folder .. "/sfx", { allow_empty = true }))
    assert.same({ 0, 0, 0, 0, 0, 0 }, add(folder .. "/sfx"))
    assert.equal(4, #assert(lib:sounds()))
    assert.same({ 0, 0, 0, 4, 0, 0 }, add(folder .. "/unmounted"))
  end)

  it("goes with its folder, moved or copied", function()
    lib:close()
    local there = temporary.folder()
    lfs.rmdir(there)
    assert(os.rename(folder, there))
    lib = assert(nj.library.open(there .. "/lib.njl", { model = model }))
    local hits = assert(lib:search("a dog", { k = 9 }))
    assert.equal(4, #hits)
    for _, hit in ipairs(hits) do assert.equal("file", lfs.attributes(hit.path, "mode")) end
    assert.same({ 0, 0, 4, 0, 0, 0 }, add(there))
    folder = there
  end)

  it("names places as the system does", function()
    assert(lfs.mkdir(folder .. "/real"))
    assert(lfs.mkdir(folder .. "/real/a"))
    assert(lfs.mkdir(folder .. "/real/a/b"))
    assert(lfs.link(folder .. "/real/a/b", folder .. "/lnk", true))
    temporary.write(folder .. "/real/snd/x.wav", wav(7))
    assert.same({ 1, 0, 0, 0, 0, 0 }, add(folder .. "/lnk/../../snd"))
    assert.same({ 0, 0, 1, 0, 0, 0 }, add(folder .. "/real/snd/x.wav"))
    assert.is_true(lib:remove(folder .. "/lnk/../../snd/x.wav"))
    assert(lfs.link(folder .. "/sfx", folder .. "/again", true))
    assert.same({ 0, 0, 4, 0, 0, 0 }, add(folder .. "/again"))
  end)

  it("sees a change within the same second and size, and one that keeps all times", function()
    local path = folder .. "/sfx/1.wav"
    assert(lfs.touch(path, 5000, 5000))
    assert.same({ 0, 0, 4, 0, 0, 0 }, add(folder .. "/sfx"))
    temporary.write(path, wav(9)) -- the same inode
    assert(lfs.touch(path, 5000, 5000))
    assert.same({ 0, 1, 3, 0, 0, 0 }, add(folder .. "/sfx"))
  end)

  it("tries again what may be gone the next time, and loses no vectors by it", function()
    local stream = model.stream
    rawset(model, "stream", function(_, next_path)
      return function()
        local path = next_path()
        return path and 1, path and { error = path .. ": Permission denied", code = "EIO" }
      end
    end)
    for i = 1, 2 do temporary.write(("%s/sfx/%d.wav"):format(folder, i), wav(20 + i)) end
    temporary.write(folder .. "/sfx/new.wav", wav(30))
    local before = vectors()
    assert.same({ 0, 0, 2, 0, 0, 3 }, add(folder .. "/sfx"))
    local again = add(folder .. "/sfx")
    rawset(model, "stream", nil)
    assert.equal(stream, model.stream)
    assert.same({ 0, 0, 2, 0, 0, 3 }, again)
    assert.equal(4, #assert(lib:search("a dog", { k = 9 })))
    for id, bytes in pairs(before) do
      assert.equal(bytes, assert(lib.catalogue:get(id)).vector:bytes())
    end
    assert.equal(("sound library %s: 4 sounds, 1 that could not be read"):format(file), tostring(lib))
    assert.same({ 0, 3, 2, 0, 0, 0 }, add(folder .. "/sfx"))
  end)

  it("says what a folder holds that is no sound, and what cannot be read of it", function()
    temporary.write(folder .. "/sfx/notes.txt", "x")
    temporary.write(folder .. "/sfx/README", "x")
    assert.same({ txt = 1, [""] = 1 }, assert(lib:add(folder .. "/sfx")).skipped)
  end)

  it("brings its model along", function()
    local path = folder .. "/tiny.safetensors"
    assert(model:save(path))
    local own = folder .. "/own.njl"
    assert(nj.library.open(own, { model = path })):close()
    do
      local again <close> = assert(nj.library.open(own))
      assert.equal("tiny", again.model.name)
      assert.equal("file:tiny.safetensors", again.catalogue:meta "source")
    end
    os.remove(path)
    local none, message, code = nj.library.open(own, { create = false })
    assert.same({ nil, "ENOTFOUND" }, { none, code })
    assert.matches("it was indexed with the model " .. path, message, 1, true)
    assert(nj.library.open(own, { model = model })):close()
    assert.equal(folder .. "/.nightjar.njl: closed", (function()
      local l = assert(nj.library.open(folder .. "/.nightjar.njl", { model = model }))
      assert.equal(folder .. "/.nightjar.njl", nj.library.find(folder .. "/sfx"))
      l:close()
      return l.path .. ": " .. tostring(l):match "%((%a+)%)"
    end)())
  end)

  it("takes odd names for names", function()
    local here = lfs.currentdir()
    lfs.chdir(folder)
    for _, name in ipairs { ":memory:", "file:x?mode=memory", "file:y" } do
      local l = assert(nj.library.open(name, { model = model }))
      l:close()
      assert.equal("file", lfs.attributes(folder .. "/" .. name, "mode"), name)
    end
    lfs.chdir(here)
  end)
end)
