local nj = require "nightjar"
local child = require "spec.support.child"
local lfs = require "lfs"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE = 16000

-- A WAV of half a second of noise by seed.
local function wav(seed) return sound.wav(sound.noise(RATE // 2, seed, 0.3), { rate = RATE }) end

describe("nj.library", function()
  local model, folder, file
  setup(function() model = tiny_model.new() end)
  before_each(function()
    folder = temporary.folder()
    file = folder .. ".njl"
  end)
  after_each(function()
    temporary.remove(folder)
    for _, ending in ipairs { "", "-wal", "-shm", "-journal" } do os.remove(file .. ending) end
  end)

  local function open(options)
    local o = { model = model }
    for key, value in pairs(options or {}) do o[key] = value end
    return nj.library.open(file, o)
  end

  local function counts(report)
    return { report.added, report.updated, report.unchanged, report.missing, #report.failed }
  end

  it("takes in what is new and what changed, and keeps what is gone", function()
    temporary.write(folder .. "/a.wav", wav(1))
    temporary.write(folder .. "/deep/é name.wav", wav(2))
    temporary.write(folder .. "/notes.txt", "no sound")
    temporary.write(folder .. "/.hidden.wav", wav(3))
    local lib <close> = assert(open())
    local report = assert(lib:add(folder))
    assert.same({ 2, 0, 0, 0, 0 }, counts(report))
    assert.is_near(1, report.seconds, 1e-6)
    assert.same({ 0, 0, 2, 0, 0 }, counts(assert(lib:add(folder))))
    temporary.write(folder .. "/a.wav", sound.wav(sound.noise(RATE, 4), { rate = RATE }))
    temporary.write(folder .. "/b.wav", wav(5))
    os.remove(folder .. "/deep/é name.wav")
    assert.same({ 1, 1, 0, 1, 0 }, counts(assert(lib:add(folder))))
    local list = lib:sounds()
    assert.same({ folder .. "/a.wav", folder .. "/b.wav", folder .. "/deep/é name.wav" },
      { list[1].path, list[2].path, list[3].path })
    assert.same({ [3] = true }, { list[1].missing, list[2].missing, list[3].missing })
    assert.is_near(1, list[1].seconds, 1e-6)
    -- Another time, the same bytes; then the same size and other bytes.
    assert(lfs.touch(folder .. "/b.wav", 1000, 1000))
    assert.same({ 0, 0, 2, 0, 0 }, counts(assert(lib:add(folder))))
    temporary.write(folder .. "/b.wav", wav(6))
    assert(lfs.touch(folder .. "/b.wav", 1000, 1000))
    assert.same({ 0, 1, 1, 0, 0 }, counts(assert(lib:add(folder))))
    assert.equal(("sound library %s: 2 sounds, 1 missing"):format(file), tostring(lib))
  end)

  it("holds the vectors that the model gives", function()
    temporary.write(folder .. "/a.wav", wav(1))
    local lib <close> = assert(open())
    assert(lib:add(folder))
    local clip = model:audio({ folder .. "/a.wav" })[1]
    assert.equal(clip.vector:bytes(), lib:clips()[1].vector:bytes())
    local s = model:similarity({ "a dog" }, lib:clips())
    assert.same({ "a.wav" }, s.clips)
  end)

  it("keeps what cannot be read as failed, until it changes", function()
    local good = wav(1)
    temporary.write(folder .. "/cut.wav", good:sub(1, 30))
    temporary.write(folder .. "/empty.wav", "")
    temporary.write(folder .. "/text.wav", ("not a sound\n"):rep(100))
    temporary.write(folder .. "/silent.wav", sound.wav({}, { rate = RATE }))
    temporary.write(folder .. "/fine.wav", good)
    local lib <close> = assert(open())
    local report = assert(lib:add(folder))
    assert.same({ 1, 0, 0, 0, 4 }, counts(report))
    for _, failure in ipairs(report.failed) do
      assert.equal("string", type(failure.error))
      assert.matches(folder, failure.path, 1, true)
    end
    assert.same({ 0, 0, 5, 0, 0 }, counts(assert(lib:add(folder))))
    assert.equal(1, #assert(lib:search "a dog"))
    temporary.write(folder .. "/text.wav", good)
    assert.same({ 0, 1, 4, 0, 0 }, counts(assert(lib:add(folder))))
  end)

  it("calls one place by one name", function()
    temporary.write(folder .. "/in/a.wav", wav(1))
    local lib <close> = assert(open())
    assert(lib:add(folder .. "/in"))
    for _, path in ipairs { folder, folder .. "/in/", folder .. "/in/.", folder .. "/./in",
      folder .. "/in/../in", folder .. "//in/a.wav" } do
      assert.same({ 0, 0, 1, 0, 0 }, counts(assert(lib:add(path))), path)
    end
    local here = lfs.currentdir()
    assert(lfs.chdir(folder .. "/in"))
    local report = lib:add "."
    lfs.chdir(here)
    assert.same({ 0, 0, 1, 0, 0 }, counts(report))
  end)

  it("forgets nothing of other folders", function()
    temporary.write(folder .. "/one/a.wav", wav(1))
    temporary.write(folder .. "/one more/b.wav", wav(2))
    local lib <close> = assert(open())
    assert(lib:add(folder .. "/one more"))
    assert.same({ 1, 0, 0, 0, 0 }, counts(assert(lib:add(folder .. "/one"))))
    assert.equal(2, #lib:sounds())
    assert.is_true(lib:remove(folder .. "/one/a.wav"))
    assert.is_false(lib:remove(folder .. "/one/a.wav"))
    assert.equal(1, #lib:sounds())
    assert.equal(1, #assert(lib:search "rain"))
  end)

  it("ranks", function()
    for i = 1, 7 do temporary.write(("%s/%d.wav"):format(folder, i), wav(i)) end
    local lib <close> = assert(open())
    assert(lib:add(folder))
    local hits = assert(lib:search("a dog barks", { k = 3 }))
    assert.equal(3, #hits)
    assert.same({ "barks" }, hits.unknown) -- the vocabulary has it in pieces only
    assert(hits[1].score >= hits[2].score and hits[2].score >= hits[3].score)
    local all = assert(lib:search("a dog barks", { k = 100 }))
    assert.equal(7, #all)
    local best = model:similarity({ "a dog barks" }, lib:clips()):top(1, 1)[1]
    assert.is_near(best.score, all[1].score, 1e-6)
    assert.equal(best.clip, all[1].path:match "[^/]+$")
    for _, hit in ipairs(all) do
      assert(0 <= hit.from and hit.from < hit.to and hit.to <= hit.seconds)
      assert.equal(hit.cosine, hit.score)
    end
    assert.equal(2, #assert(lib:search("a dog barks", { k = 7, at_least = all[2].score })))
    assert.equal(0, #assert(lib:search("a dog barks", { at_least = 2 })))
    local guesses = lib:search "zither"
    assert.same({ "zither" }, guesses.unknown)
    assert.matches("knows no word", guesses.note)
    assert.is_nil(lib:search("a dog and a zither").note)
    -- A probability of what is not understood would be a guess.
    local own = lib.model
    local before = own.calibration
    own.calibration = { of = "cosine", weights = { 0, 0, 5 }, bank = nj.randn(4, own.dim):normalize(-1) }
    assert.is_true(lib:search("dog")[1].score > 0.9)
    assert.equal(0, lib:search("zither")[1].score)
    assert.equal(0, #lib:search("zither", { at_least = 0.1 }))
    own.calibration = before
    for _, text in ipairs { "", "  ", "?!…" } do
      assert.error_matches(function() lib:search(text) end,
        "library:search: the text .* has no word to look for")
    end
    assert.error_matches(function() lib:search("x", { k = 0 }) end,
      "library:search: option 'k' must be an integer of at least 1, got 0", nil, true)
    assert.error_matches(function() lib:search("x", { atleast = 0 }) end,
      "did you mean 'at_least'", nil, true)
  end)

  it("finds a sound's own like first", function()
    for i = 1, 4 do temporary.write(("%s/%d.wav"):format(folder, i), wav(i)) end
    local lib <close> = assert(open())
    assert(lib:add(folder))
    local hits = assert(lib:like(folder .. "/3.wav", { k = 2 }))
    assert.equal(folder .. "/3.wav", hits[1].path)
    assert.is_near(1, hits[1].score, 1e-5)
    local none, message, code = lib:like(folder .. "/9.wav")
    assert.same({ nil, "ENOTFOUND" }, { none, code })
    assert.matches("9.wav", message)
  end)

  it("scores by probability when the model is calibrated", function()
    temporary.write(folder .. "/a.wav", wav(1))
    temporary.write(folder .. "/b.wav", wav(2))
    local lib <close> = assert(open())
    assert(lib:add(folder))
    model.calibration = { bank = nj.randn({ 9, 12 }, { rng = nj.rng(1) }):normalize(-1),
      weights = { 1, 1, -1 } }
    local hits = assert(lib:search "rain")
    local p = model:probabilities(model:text("rain")[1], nj.tensor { hits[1].cosine })
    local like = assert(lib:like(folder .. "/a.wav"))
    model.calibration = nil
    assert.is_near(p(1), hits[1].score, 1e-6)
    assert.equal(like[1].cosine, like[1].score)
  end)

  it("is searched when it is empty", function()
    local lib <close> = assert(open())
    assert.same({ 0, 0, 0, 0, 0 }, counts(assert(lib:add(folder))))
    assert.equal(0, #assert(lib:search "a dog"))
    assert.same({}, lib:clips())
  end)

  it("refuses what another model indexed, and starts over when asked to", function()
    temporary.write(folder .. "/a.wav", wav(1))
    do
      local lib <close> = assert(open())
      assert(lib:add(folder))
    end
    local other = tiny_model.new(2)
    local none, message, code = open { model = other }
    assert.is_nil(none)
    assert.equal("EFORMAT", code)
    assert.matches("indexed with another model (tiny/12/", message, 1, true)
    do
      local lib <close> = assert(open { model = other, rebuild = true })
      assert.is_true(lib:sounds()[1].stale)
      assert.equal(0, #assert(lib:search "a dog"))
      assert.same({ 0, 1, 0, 0, 0 }, counts(assert(lib:add(folder))))
      assert.equal(1, #assert(lib:search "a dog"))
    end
    assert.is_nil((open()))
    do -- the same model, too
      local lib <close> = assert(open { model = other, rebuild = true })
      assert.same({ 0, 1, 0, 0, 0 }, counts(assert(lib:add(folder))))
    end
    -- What a library of the first version says of its model.
    do
      local catalogue <close> = assert(nj.catalogue(file))
      assert(catalogue:meta("model", "tiny/12/-40.3271"))
    end
    assert.same({ nil, file .. ": indexed by an earlier version of nightjar; index it again with "
      .. "rebuild (nightjar index --rebuild)", "EFORMAT" }, { open { model = other } })
  end)

  it("knows a model by all that makes its vectors", function()
    local function opens(changed)
      local lib, _, code = open { model = changed }
      if lib then lib:close() end
      return lib ~= nil or code
    end
    assert.is_true(opens(model))
    assert.is_true(opens(tiny_model.new()))
    local descriptor = tiny_model.descriptor()
    descriptor.audio.front_end.hop = 320
    assert.equal("EFORMAT", opens(nj.model(descriptor, { rng = nj.rng(1) })))
    -- A sum would not see two numbers change places.
    local swapped = tiny_model.new()
    nj.no_grad(function()
      local w
      for _, p in ipairs(swapped:parameters()) do
        if p.tensor.ndim == 4 then w = p.tensor end
      end
      w = w:reshape(-1)
      local a, b = w[1], w[2]
      assert.not_equal(a, b)
      w[1], w[2] = b, a
    end)
    assert.equal("EFORMAT", opens(swapped))
  end)

  it("says what it cannot open or index", function()
    local none, message, code = open { create = false }
    assert.same({ nil, "ENOTFOUND" }, { none, code })
    assert.matches(file, message, 1, true)
    temporary.write(file, "not a library at all, but some text that is long enough to be read")
    none, message, code = open()
    assert.is_nil(none)
    assert.matches(file, message, 1, true)
    assert.equal("EFORMAT", code)
    os.remove(file)
    local lib <close> = assert(open())
    none, message, code = lib:add(folder .. "/nowhere")
    assert.same({ nil, folder .. "/nowhere: no such file or folder", "ENOTFOUND" },
      { none, message, code })
    for name, path in pairs { ["an empty string"] = "", ["a string with a NUL"] = "a\0b" } do
      assert.error_matches(function() nj.library.open(path) end,
        "argument 1 (path) must name a file, got " .. name, nil, true)
    end
  end)

  it("tells its progress", function()
    for i = 1, 3 do temporary.write(("%s/%d.wav"):format(folder, i), wav(i)) end
    local lib <close> = assert(open())
    local seen = {}
    assert(lib:add(folder, { progress = function(done, total, path)
      seen[#seen + 1] = ("%d/%d %s"):format(done, total, path and path:match "[^/]+$" or "-")
    end }))
    assert.same({ "0/3 1.wav", "1/3 2.wav", "2/3 3.wav", "3/3 -" }, seen)
  end)

  it("loses one batch at most when something raises or kills it", function()
    local bytes = wav(1)
    for i = 1, 70 do temporary.write(("%s/%03d.wav"):format(folder, i), bytes) end
    do
      local lib <close> = assert(open())
      assert.error_matches(function()
        lib:add(folder, { progress = function(done) if done == 50 then error "stop" end end })
      end, "stop")
      assert.equal(50, #lib:sounds()) -- all that was encoded
      for i = 1, 50 do lib:remove(("%s/%03d.wav"):format(folder, i)) end
    end
    -- Killed by the kernel, in the second batch.
    local script = temporary.write(folder .. "/run.lua", ([[
      local nj = require "nightjar"
      local model = require("spec.support.tiny_model").new()
      local lib = assert(nj.library.open(%q, { model = model }))
      lib:add(%q, { progress = function(done)
        if done == 34 then os.execute("kill -9 " .. io.open("/proc/self/stat"):read("n")) end
      end })
      print "lived"]]):format(file, folder))
    local output = child.run(script)
    assert.not_matches("lived", output)
    local lib <close> = assert(open())
    assert.equal(32, #lib:sounds())
    assert.same({ 38, 0, 32, 0, 0 }, counts(assert(lib:add(folder))))
    assert.equal(70, #assert(lib:search("rain", { k = 99 })))
  end)

  it("tries again what found no memory", function()
    for i = 1, 3 do temporary.write(("%s/%d.wav"):format(folder, i), wav(i)) end
    local lib <close> = assert(open())
    local stream = model.stream
    rawset(model, "stream", function(...)
      local next_clip, state, first, closing = stream(...)
      return function()
        local i, clip = next_clip()
        if i == 2 then clip = { error = "decode: out of memory", code = "ENOMEM" } end
        return i, clip
      end, state, first, closing
    end)
    local ok, report = pcall(lib.add, lib, folder)
    rawset(model, "stream", nil)
    assert(ok, report)
    assert.same({ 2, 0, 0, 0, 1 }, counts(report))
    assert.equal(2, #lib:sounds())
    assert.same({ 1, 0, 2, 0, 0 }, counts(assert(lib:add(folder))))
  end)

  it("leaves nothing behind when memory runs out", function()
    if not nj._fail_after then return pending "needs failing allocations" end
    temporary.write(folder .. "/a.wav", wav(1))
    local function attempt()
      for _, ending in ipairs { "", "-wal", "-shm", "-journal" } do os.remove(file .. ending) end
      local lib <close> = assert(open())
      local report = assert(lib:add(folder))
      assert(#report.failed == 0, report.failed[1] and report.failed[1].error)
      assert(#assert(lib:search "a dog") == 1)
    end
    attempt()
    local function live()
      collectgarbage()
      collectgarbage()
      return nj.memory().live
    end
    local before, n = live(), 0
    repeat
      nj._fail_after(n)
      local ok, message = pcall(attempt)
      nj._fail_after(-1)
      if not ok then assert.matches("memory", tostring(message)) end
      assert.equal(before, live(), "after failing allocation " .. n)
      n = n + 13
    until ok or n > 20000
    assert(n < 20000)
  end)
end)
