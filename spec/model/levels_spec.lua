local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE = 32000

local function make(more, seed)
  local d = tiny_model.descriptor()
  d.hci = { segments = { kind = "cluster", tokens = 3, heads = 2 },
    phrases = { kind = "cluster", tokens = 2, heads = 2 }, interaction = "weighted" }
  for key, value in pairs(more or {}) do d[key] = value end
  return nj.model(d, { rng = nj.rng(seed or 1) })
end

local AC = { interaction = { heads = 2, layers = 1 }, matching = { kind = "mean" } }

local function wave(seconds, seed)
  return sound.noise_tensor(math.floor(seconds * RATE), seed, 0.3)
end

local TEXTS = { "a dog barks", "rain falling on the roof" }

describe("a model with levels", function()
  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  it("comes back from its file with levels, captions and fusion, bit for bit", function()
    local model = make { ac = AC }
    local sounds, captions = { wave(2, 1), wave(3, 2) }, { { "a cat", "rain falls" }, {} }
    local S = model:similarity(TEXTS, sounds, { captions = captions })
    model:fit_fusion(S)
    local path = folder .. "/levels.safetensors"
    assert(model:save(path))
    local again = assert(nj.load(path))
    assert.are.same(model:descriptor(), again:descriptor())
    local want = model:similarity(TEXTS, sounds, { captions = captions })
    local got = again:similarity(TEXTS, sounds, { captions = captions })
    assert.are.equal(want.scores:bytes(), got.scores:bytes())
    for name, level in pairs(want:levels()) do
      assert.are.equal(level:bytes(), got[name]:bytes(), name)
    end
    assert(again:save(folder .. "/again.safetensors"))
    local function bytes(name) return assert(io.open(folder .. name, "rb")):read "a" end
    assert.are.equal(bytes "/levels.safetensors", bytes "/again.safetensors")
  end)

  it("has the files and the parameters of old when it has no levels", function()
    local model = tiny_model.new()
    local d = model:descriptor()
    assert.is_nil(d.hci)
    assert.is_nil(d.ac)
    assert.is_nil(d.fusion)
    local names = {}
    for _, p in ipairs(model:parameters()) do names[#names + 1] = p.name:match "^[^.]+%.?%w*" end
    local order = table.concat(names, " ")
    local at = 0
    for _, part in ipairs { "audio.encoder", "audio.projection", "text.encoder",
      "text.projection", "log_temperature" } do
      local found = assert(order:find(part, 1, true), part)
      assert.is_true(found > at, part)
      at = found
    end
  end)

  it("is not fooled by what a file says of its levels", function()
    local model = make { ac = AC }
    model:fit_fusion({ clip = nj.eye(3), segment = nj.eye(3), frame = nj.eye(3) }, nil,
      { normalize = "z" })
    local good = folder .. "/good.safetensors"
    assert(model:save(good))
    local archive = assert(nj.store.load(good))
    local function refused(text, from, to)
      local metadata, n = {}
      for key, value in pairs(archive.metadata) do metadata[key] = value end
      metadata.descriptor, n = metadata.descriptor:gsub(from, to)
      assert.are.equal(1, n, from)
      assert(nj.store.save(folder .. "/bad.safetensors", archive.tensors, metadata))
      local limit = nj.memory().limit
      local loaded, message, code = nj.load(folder .. "/bad.safetensors")
      assert.is_nil(loaded)
      assert.are.equal("EFORMAT", code)
      assert.matches(text, message, 1, true)
      assert.not_matches("%.lua:%d", message)
      assert.are.equal(limit, nj.memory().limit)
    end
    refused("head: option 'hci.levels'", '"levels":%[[^%]]*%]', '"levels":["whole"]')
    refused("head: option 'hci.levels' is empty", '"levels":%[[^%]]*%]', '"levels":[]')
    refused("option 'top' must be one of", '"top":"encoder"', '"top":"bottom"')
    refused("", '"tokens":3', '"tokens":900000000')
    refused("", '"tokens":3', '"tokens":-1')
    refused("has a width", '"segments":{', '"segments":{"kind":"cluster","width":4000000,')
    refused("option 'more'", '"ac":{', '"ac":{"more":1,')
    refused("head: option 'ac.alpha' must be", '"alpha":0.73', '"alpha":7')
    refused("option 'normalize' must be one of", '"normalize":"z"', '"normalize":"y"')
    refused("'deviation' must be a number above 0", '"clip":{"deviation":[%d.e+-]+', '"clip":{"deviation":0')
    local bytes = assert(io.open(good, "rb")):read "a"
    local mutate, rng = require "spec.support.mutate", nj.rng(4)
    for round = 1, 40 do
      local path = temporary.write(folder .. "/mutant.safetensors", mutate(bytes, rng, round))
      local loaded, message, code = nj.load(path)
      if not loaded then
        assert.are.equal("string", type(message))
        assert.are.equal("string", type(code))
      end
    end
  end)

  it("says which weights a file lacks", function()
    local model = make()
    local state = make({}, 2):state()
    state["log_temperature.frame"] = nil
    assert.error_matches(function() model:load_state(state) end,
      "model: the weights do not fit: missing log_temperature.frame", nil, true)
    state["text.phrases.slots"] = nil
    assert.error_matches(function() model:load_state(state) end,
      "model: the weights do not fit: missing text.phrases.slots", nil, true)
  end)

  it("gives frames with their seconds, however long the sound", function()
    local model = make()
    local clip = model:audio({ wave(70, 3) })[1]
    local n = #clip.frame_times
    assert.are.same({ n, 12 }, clip.frames.shape)
    assert.are.equal(0, clip.frame_times[1][1])
    assert.are.equal(70, clip.frame_times[n][2])
    for i = 2, n do assert.are.equal(clip.frame_times[i - 1][2], clip.frame_times[i][1]) end
    -- Stretches of at most 30 s have segments of their own.
    assert.are.same({ 1, 9, 12 }, clip.levels.segments.shape)
    near(1, clip.levels.segment_weights:sum():item(), { atol = 1e-5 })
    near(1, clip.levels.frame_weights:sum():item(), { atol = 1e-5 })
    assert.are.equal(3, #clip.groups)
    assert.are.equal(7, clip.groups[3].segment)
    assert.are.equal(n, clip.groups[3].first + clip.groups[3].shares.shape[1] - 1)
  end)

  it("scores a pair the same whatever stands beside it, one by one or in a batch", function()
    local model = make { ac = AC }
    local a, b = wave(2, 4), wave(6, 5)
    local captions = { { "a dog" }, { "rain falls", "the wind blows" } }
    local whole = model:similarity(TEXTS, { a, b }, { captions = captions })
    local alone = model:similarity({ TEXTS[2] }, { b }, { captions = { captions[2] } })
    near(alone.scores[1], whole.scores[{ { 2, 2 }, { 2 } }]:reshape(1), { atol = 1e-6 })
    -- In training's batches, too.
    local function mel_batch(list)
      local mels, longest = {}, 0
      for i, x in ipairs(list) do
        mels[i] = model.audio_tower.front_end(x)
        longest = math.max(longest, mels[i].shape[1])
      end
      local lengths = {}
      for i, mel in ipairs(mels) do
        lengths[i] = mel.shape[1]
        mels[i] = mel:pad { { 0, longest - lengths[i] }, { 0, 0 } }
      end
      return nj.stack(mels, 1), nj.tensor(lengths, { dtype = "int64" })
    end
    nj.no_grad(function()
      local mel, lengths = mel_batch { a, b }
      local audio = model:audio_levels(mel, lengths, { captions = model:caption_levels(captions) })
      local ids, mask = model.text_tower:tokenize(TEXTS)
      local levels = model.head:similarity(model:text_levels(ids, mask), audio)
      for name, S in pairs(whole:levels()) do near(S, levels[name], { atol = 1e-4 }, name) end
    end)
  end)

  it("gives a loss for a batch of a loader, and gradients to every parameter", function()
    local model = make { ac = AC }
    model:train()
    local ids, mask = model.text_tower:tokenize { "a dog barks", "rain falls", "the bell rings" }
    local batch = { mel = nj.randn({ 3, 48, 16 }, { rng = nj.rng(1) }), ids = ids, mask = mask,
      lengths = nj.tensor({ 48, 30, 40 }, { dtype = "int64" }), groups = { "x", "y", "z" } }
    local total, parts = model:loss(batch, { rng = nj.rng(1), distill = 0.2, hardest = 0.2,
      denoise = { margin = 0.5 }, captions = { { "a dog" }, {}, { "a bell", "wind" } } })
    total:backward()
    for _, name in ipairs { "clip", "segment", "frame", "caption", "distill" } do
      assert.is_truthy(parts[name], name)
    end
    for _, p in ipairs(model:parameters()) do
      assert(p.tensor.grad, p.name .. " has no gradient")
      assert(p.tensor.grad:isfinite():all(), p.name)
    end
    assert.is_true(model.head:is_training())
    assert.is_false(model:eval().head:is_training())
  end)

  it("encodes texts with their words, specials never among them", function()
    local model = make()
    local texts = model:encode_texts { "a dog barks, meowing", "rain" }
    assert.are.equal(2, #texts)
    assert.are.same({ 2, 12 }, texts.vectors.shape)
    assert.are.equal(model:text("rain"):bytes(), texts.vectors[{ { 2, 2 } }]:bytes())
    local names = {}
    for i, word in ipairs(texts[1].words) do names[i] = word.text end
    assert.are.same({ "a", "dog", "barks", "meowing" }, names)
    assert.are.same({ 7, 8, 9 }, texts[1].words[4].pieces) -- me ##ow ##ing
    -- [CLS] a dog bark ##s , me ##ow ##ing [SEP]
    assert.are.same({ 0, 1, 1, 1, 1, 1, 1, 1, 1, 0 },
      texts[1].levels.word_mask[1]:totable())
    assert.matches("a dog barks, meowing (4 words)", tostring(texts), 1, true)
    assert.are.same({ 2, 10, 12 }, texts:levels().words.shape)
  end)

  it("compares a text without words, and none at all", function()
    local model = make()
    local S = model:similarity({ "", "rain" }, { wave(1, 6) })
    assert.is_true(S.scores:isfinite():all())
    assert.are.same({ 0, 1 }, model:similarity({}, { wave(1, 6) }).scores.shape)
    assert.are.same({ 2, 0 }, model:similarity(TEXTS, {}).scores.shape)
  end)

  it("fuses anew, and keeps labels through it", function()
    local model = make()
    local S = model:similarity(TEXTS, { wave(2, 7), wave(2, 8) })
    assert.are.equal(S.frame:bytes(), S:fuse({ frame = 1 }).scores:bytes())
    assert.are.equal(S.scores:bytes(), S:fuse().scores:bytes())
    assert.are.equal(S.segment:bytes(), S:fuse({ segment = 2 }).scores:bytes())
    assert.are.same(S.texts, S:fuse({ clip = 1 }).texts)
    assert.has_error(function() S:fuse { caption = 1 } end,
      "head:fuse: no level 'caption' among clip, segment, frame")
    local T = S:transpose()
    near(S.frame:transpose(1, 2), T.frame, { atol = 0 })
    assert.matches("[similarity of 2 clips × 2 texts]", tostring(T), 1, true)
    assert.has_error(function() T:explain(1, 1) end,
      "similarity: only a matrix that a model made, texts × clips, can be explained")
    assert.are.equal(2, S:column "clip 2")
    assert.has_error(function() S:column "clip 3" end,
      "similarity: no clip 'clip 3' (did you mean 'clip 1'?)")
  end)

  it("compares clips known by their vectors alone at the clip level", function()
    local model = make()
    local clip = model:audio({ wave(2, 9) })[1]
    local S = model:similarity(TEXTS, { { vector = clip.vector, path = "x.wav" } })
    assert.is_nil(S.frame)
    assert.are.same({ "x.wav" }, S.clips)
    assert.error_matches(function() S:explain(1, 1) end,
      "similarity:explain: the clip was given as a vector alone")
  end)

  it("says how many captions it wants", function()
    assert.has_error(function() make({ ac = AC }):audio({ wave(1, 1) }, { captions = {} }) end,
      "model:audio: captions of 0 sounds for 1")
  end)
end)
