-- Libraries of models with levels below clip and sentence: what they keep, how they rank, and why.
local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE, TEXT = 16000, "a dog barks while rain falls"

-- A tiny model with the given options of nj.head.
local function model_with(hci, ac)
  local descriptor = tiny_model.descriptor()
  descriptor.hci, descriptor.ac = hci, ac
  return nj.model(descriptor, { rng = nj.rng(4) })
end

local tokens = { kind = "cluster", tokens = 3 }

describe("nj.library with levels", function()
  local folder, file, paths
  before_each(function()
    folder = temporary.folder()
    file, paths = folder .. ".njl", {}
    for i = 1, 7 do
      paths[i] = ("%s/%d.wav"):format(folder, i)
      temporary.write(paths[i], sound.wav(sound.noise(RATE // 2 * (1 + i % 3), i, 0.1 * i),
        { rate = RATE }))
    end
  end)
  after_each(function()
    temporary.remove(folder)
    for _, ending in ipairs { "", "-wal", "-shm", "-journal" } do os.remove(file .. ending) end
  end)

  local function indexed(model, options)
    local lib = assert(nj.library.open(file, { model = model }))
    local report = assert(lib:add(folder, options))
    assert.equal(7, report.added)
    return lib
  end

  -- Every sound's similarity and levels are near those that the model gives for the sounds
  -- themselves; the catalogue's bytes cost a little.
  local function compare(model, lib, captions)
    local S = model:similarity({ TEXT }, paths, { captions = captions })
    local hits = assert(lib:search(TEXT, { k = 7 }))
    assert.equal(7, #hits)
    for rank, hit in ipairs(hits) do
      local i = tonumber(hit.path:match "(%d)%.wav$")
      assert.is_near(S.scores(1, i), hit.similarity, 0.01)
      assert.equal(hit.similarity, hit.score)
      assert.is_true(rank == 1 or hits[rank - 1].similarity >= hit.similarity)
      for level, matrix in pairs(S:levels()) do
        if level ~= "captioned" then
          assert.is_near(matrix(1, i), hit.levels[level], 0.02, level)
        end
      end
      assert.is_near(hit.cosine, hit.levels.clip or hit.cosine, 1e-6)
    end
    return hits, S
  end

  it("ranks by all of them, whatever they are", function()
    for _, hci in ipairs {
      { levels = { "clip", "segment", "frame" }, segments = tokens, phrases = tokens },
      { levels = { "clip", "frame" }, interaction = "weighted" },
      { levels = { "segment" }, segments = tokens, phrases = tokens, interaction = "weighted" },
      { levels = { "frame" }, interaction = "attention" },
    } do
      local model = model_with(hci)
      local lib <close> = indexed(model)
      local hits = compare(model, lib)
      local level = hci.levels[#hci.levels]
      assert.equal(level == "frame", hits[1].words ~= nil)
      lib:close()
      os.remove(file)
    end
  end)

  it("says for each word which seconds it fits best, and how well", function()
    local model = model_with { levels = { "clip", "frame" } }
    local lib <close> = indexed(model)
    local hits, S = compare(model, lib)
    for _, hit in ipairs(hits) do
      local i = tonumber(hit.path:match "(%d)%.wav$")
      local why = S:explain(1, i)
      assert.equal(#why.links, #hit.words)
      for n, word in ipairs(hit.words) do
        assert.equal(({ "a", "dog", "barks", "while", "rain", "falls" })[n], word.word)
        assert.is_near(why.links[n].score, word.score, 0.02)
        assert.is_true(0 <= word.from and word.from < word.to and word.to <= hit.seconds)
        -- The frame is a best one, up to what a byte loses.
        local frame = math.floor(word.from / why.frames[1][2] + 0.5) + 1
        assert.is_near(why.frames[frame][1], word.from, 1e-5)
        assert.is_near(why.frames[frame][2], word.to, 1e-5)
        assert.is_near(why.matrix(n, frame), word.score, 0.02)
      end
    end
    assert.error_matches(function() lib:search "?!" end, "has no word to look for", 1, true)
  end)

  it("compares as many candidates as it is told to", function()
    local model = model_with { levels = { "clip", "frame" } }
    local lib <close> = indexed(model)
    local by_cosine = {}
    for i, hit in ipairs(assert(lib:search(TEXT, { k = 7 }))) do by_cosine[i] = hit end
    table.sort(by_cosine, function(a, b) return a.cosine > b.cosine end)
    local hits = assert(lib:search(TEXT, { k = 1, candidates = 1 }))
    assert.equal(1, #hits)
    assert.equal(by_cosine[1].path, hits[1].path)
    hits = assert(lib:search(TEXT, { k = 2, candidates = 3 }))
    assert.equal(2, #hits)
    for _, hit in ipairs(hits) do assert.is_true(hit.cosine >= by_cosine[3].cosine) end
    assert.error_matches(function() lib:search(TEXT, { candidates = 0 }) end,
      "option 'candidates' must be an integer of at least 1, got 0", nil, true)
  end)

  it("scores by probability when the model is calibrated, in the order of similarity", function()
    local model = model_with { levels = { "clip", "frame" } }
    local lib <close> = indexed(model)
    model.calibration = { bank = nj.randn({ 9, 12 }, { rng = nj.rng(1) }):normalize(-1),
      weights = { 1, 1, -1 } }
    local hits = assert(lib:search(TEXT, { k = 7 }))
    local low = 1
    for rank, hit in ipairs(hits) do
      local p = model:probabilities(model:text(TEXT)[1], nj.tensor { hit.cosine })
      assert.is_near(p(1), hit.score, 1e-6)
      assert.is_true(rank == 1 or hits[rank - 1].similarity >= hit.similarity)
      low = math.min(low, hit.score)
    end
    local some = assert(lib:search(TEXT, { k = 7, at_least = low + 1e-9 }))
    assert.is_true(#some < 7)
    for _, hit in ipairs(some) do assert.is_true(hit.score > low) end
    model.calibration.of = "similarity"
    hits = assert(lib:search(TEXT, { k = 7 }))
    for rank, hit in ipairs(hits) do
      local p = model:probabilities(model:text(TEXT)[1], nj.tensor { hit.similarity })
      assert.is_near(p(1), hit.score, 1e-6)
      assert.is_true(rank == 1 or hits[rank - 1].score >= hit.score)
    end
  end)

  it("keeps what captioners said", function()
    for _, kind in ipairs { "mean", "best" } do
      local model = model_with({ levels = { "clip", "frame" } }, { matching = { kind = kind } })
      local said = {}
      for i, path in ipairs(paths) do
        said[i] = i % 3 == 0 and {} or { "a dog barks", "rain falls on the roof" }
        said[path] = said[i]
      end
      local lib <close> = indexed(model, { captions = function(path) return said[path] end })
      local hits = assert(lib:search(TEXT, { k = 7 }))
      local S = model:similarity({ TEXT }, paths, { captions = said })
      for _, hit in ipairs(hits) do
        local i = tonumber(hit.path:match "(%d)%.wav$")
        assert.equal(i % 3 ~= 0, hit.levels.caption ~= nil)
        assert.is_near(S.scores(1, i), hit.similarity, 0.01)
      end
      lib:close()
      os.remove(file)
    end
  end)

  it("takes long sounds in little memory", function()
    temporary.write(paths[1], sound.wav(sound.noise(RATE * 65, 3, 0.2), { rate = RATE }))
    local model = model_with { levels = { "clip", "segment", "frame" }, segments = tokens,
      phrases = tokens, interaction = "weighted" }
    local lib <close> = indexed(model)
    compare(model, lib)
    local size = require("lfs").attributes(file, "size")
    assert.is_true(size < 120000, size) -- frames alone, in float32: 7 * 12 * 4 bytes a second
  end)

  it("says so when the levels of a sound are missing or damaged", function()
    local model = model_with { levels = { "clip", "frame" } }
    do
      local lib <close> = indexed(model)
      assert(lib.catalogue:put { path = paths[1], vector = nj.zeros(12), seconds = 1,
        segments = nj.zeros(1, 12), times = nj.zeros(1, 2) })
      local none, message, code = lib:search(TEXT)
      assert.same({ nil, paths[1] .. ": its frames are not in the library; index it again",
        "EFORMAT" }, { none, message, code })
    end
  end)

  it("keeps nothing more for a model of one level", function()
    local model = tiny_model.new()
    local lib <close> = indexed(model)
    local hits = assert(lib:search(TEXT))
    assert.is_nil(hits[1].words)
    assert.is_nil(hits[1].levels)
    assert.equal(0, select("#", lib.catalogue:level(hits[1].id, "frame")))
    near(model:text(TEXT)[1]:matmul(lib.catalogue:get(hits[1].id).vector), nj.tensor(hits[1].cosine))
  end)
end)
