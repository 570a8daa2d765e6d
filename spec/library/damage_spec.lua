-- A library that was flipped or cut says so, or gives what it gave before.
local nj = require "nightjar"
local fs = require "nightjar.fs"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

-- How many damaged copies; more for a long run.
local ROUNDS = tonumber(os.getenv "NIGHTJAR_FLIPS") or 150

describe("a damaged library", function()
  local model, folder, file, whole, answers
  setup(function()
    local descriptor = tiny_model.descriptor()
    descriptor.hci = { levels = { "clip", "frame" } }
    model = nj.model(descriptor, { rng = nj.rng(4) })
    folder = temporary.folder()
    file = folder .. "/lib.njl"
    for i = 1, 6 do
      temporary.write(("%s/%d.wav"):format(folder, i), sound.wav(sound.noise(6000 + 1000 * i, i, 0.3),
        { rate = 16000 }))
    end
    local lib <close> = assert(nj.library.open(file, { model = model }))
    assert(lib:add(folder))
    answers = assert(lib:search("a dog barks", { k = 9 }))
    assert.equal(6, #answers)
    lib:close()
    whole = assert(fs.read(file))
  end)
  teardown(function() temporary.remove(folder) end)

  local function search()
    local lib, message, code = nj.library.open(file, { model = model, read_only = true })
    if not lib then return nil, message, code end
    local _ <close> = lib
    return lib:search("a dog barks", { k = 9 })
  end

  local function is_right(hits)
    if #hits ~= #answers then return false end
    for i, hit in ipairs(hits) do
      local want = answers[i]
      for _, key in ipairs { "path", "score", "cosine", "from", "to", "seconds", "id" } do
        if hit[key] ~= want[key] then return false end
      end
      for w, word in ipairs(hit.words) do
        if word.score ~= want.words[w].score or word.from ~= want.words[w].from then return false end
      end
    end
    return true
  end

  it("is refused, or gives the right answers", function()
    local rng, refused = nj.rng(11), 0
    for round = 1, ROUNDS do
      local bytes
      local at = rng:integer(1, #whole)
      if round % 10 == 0 then
        bytes = whole:sub(1, at)
      else
        local bit = 1 << rng:integer(0, 7)
        bytes = whole:sub(1, at - 1) .. string.char(whole:byte(at) ~ bit) .. whole:sub(at + 1)
      end
      temporary.write(file, bytes)
      local hits, message, code = search()
      if hits then
        assert(is_right(hits), ("round %d, byte %d: a wrong answer"):format(round, at))
      else
        refused = refused + 1
        assert.is_string(message)
        assert.is_string(code)
        assert.matches(file, message, 1, true)
      end
      assert.equal(bytes, fs.read(file))
    end
    assert.is_true(refused > ROUNDS / 10)
  end)

  it("says which sound is damaged, and is repaired", function()
    temporary.write(file, whole)
    local vector
    do
      local catalogue <close> = assert(nj.catalogue(file, { read_only = true }))
      vector = assert(catalogue:get(3)).vector:bytes()
    end
    local at = assert(whole:find(vector, 1, true))
    for _, damage in ipairs { "\x7f\x7f\x7f\x7f", "\xff\xff\xff\xff" } do -- large, and no number
      temporary.write(file, whole:sub(1, at - 1) .. damage .. whole:sub(at + 4))
      local none, message, code = search()
      assert.same({ nil, file .. ": the vector of sound 3 (3.wav) is damaged; nightjar verify --repair "
        .. "has it indexed again", "EFORMAT" }, { none, message, code })
      local lib <close> = assert(nj.library.open(file, { model = model }))
      local report = assert(lib:verify())
      assert.same({ 1, 3, folder .. "/3.wav", 0 }, { #report.problems, report.problems[1].id,
        report.problems[1].path, report.mended })
      assert.equal(1, assert(lib:verify { repair = true }).mended)
      assert.same({}, assert(lib:verify()).problems)
      assert.equal(5, #assert(lib:search("a dog barks", { k = 9 })))
      local added = assert(lib:add(folder))
      assert.same({ 0, 1, 5 }, { added.added, added.updated, added.unchanged })
      assert.is_true(is_right(assert(lib:search("a dog barks", { k = 9 }))))
    end
  end)
end)
