local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE = 32000

local function wave(seconds, seed)
  return sound.noise_tensor(math.floor(seconds * RATE), seed, 0.3)
end

describe("nj.model", function()
  local folder, model
  setup(function()
    folder = temporary.folder()
    model = tiny_model.new()
  end)
  teardown(function() temporary.remove(folder) end)

  it("halves its file when asked, at the price of rounding", function()
    local whole, half = folder .. "/whole.safetensors", folder .. "/half.safetensors"
    assert(model:save(whole))
    assert.equal(true, model:save(half, { dtype = "float16" }))
    local fs = require "nightjar.fs"
    assert.is_true(fs.stat(half) < fs.stat(whole))
    local again = assert(nj.load(half))
    near(model:text { "a dog barks" }, again:text { "a dog barks" }, { atol = 5e-3 })
    assert.has_error(function() model:save(half, { dtype = "int4" }) end)
  end)

  it("comes back from its file bit for bit", function()
    local path = folder .. "/m.safetensors"
    model.calibration = nil
    assert(model:save(path))
    local again = assert(nj.load(path))
    assert.same(model:descriptor(), again:descriptor())
    assert.equal(tostring(model), tostring(again))
    local x, texts = wave(3, 1), { "a dog barks", "rain falling on the roof" }
    assert.equal(model:text(texts):bytes(), again:text(texts):bytes())
    local a, b = model:audio({ x })[1], again:audio({ x })[1]
    assert.equal(a.vector:bytes(), b.vector:bytes())
    assert.equal(a.segments:bytes(), b.segments:bytes())
    assert.same(a.times, b.times)
    assert(again:save(folder .. "/again.safetensors"))
    local function bytes(name) return assert(io.open(folder .. name, "rb")):read "a" end
    assert.equal(bytes "/m.safetensors", bytes "/again.safetensors")
  end)

  it("takes a path or its waveform", function()
    local x = wave(2, 3)
    local path = folder .. "/x.wav"
    assert(nj.audio.write(path, x, RATE))
    local decoded = assert(nj.audio.decode(path, { rate = RATE }))
    assert.equal(model:audio({ decoded })[1].vector:bytes(), model:audio(path)[1].vector:bytes())
  end)

  it("gives vectors of unit length, and a vector and two times for each segment", function()
    local clip = model:audio({ wave(9, 4) })[1]
    assert.equal(9, clip.seconds)
    near(1, clip.vector:norm():item(), { atol = 1e-6 })
    assert.equal(#clip.times, clip.segments.shape[1])
    assert.equal(12, clip.segments.shape[2])
    near(nj.ones(#clip.times), clip.segments:square():sum(2), { atol = 1e-5 })
    assert.equal(0, clip.times[1][1])
    assert.equal(9, clip.times[#clip.times][2])
    for i, t in ipairs(clip.times) do
      assert(t[1] < t[2])
      if i > 1 then assert(t[1] <= clip.times[i - 1][2] and t[1] > clip.times[i - 1][1]) end
    end
  end)

  it("tells where in a sound something is", function()
    -- Noise of another loudness from 20 s to 24 s: the segments whose vectors differ are there.
    local quiet = wave(40, 5) * 0.01
    local x = quiet:clone()
    x[{ { 20 * RATE + 1, 24 * RATE } }] = wave(4, 6)
    local a, b = model:audio({ quiet, x })[1], model:audio({ quiet, x })[2]
    for i, t in ipairs(a.times) do
      local far = near.max_abs(a.segments[i], b.segments[i])
      if t[2] < 19.2 or t[1] > 24.8 then assert(far < 1e-6, ("%g s: %g"):format(t[1], far)) end
      if t[1] > 20.2 and t[2] < 23.8 then assert(far > 1e-4, ("%g s: %g"):format(t[1], far)) end
    end
  end)

  it("tiles long sounds without a seam", function()
    local x = wave(70, 7)
    local clip = model:audio({ x })[1]
    local tiles = require "nightjar.model.tiles"
    local frames, seconds = nj.no_grad(tiles.frames, model.audio_tower, x)
    near(0.16, seconds, { atol = 1e-9 })
    assert.equal((RATE * 70 // 640 + 1) // 8, frames.shape[1]) -- as one tile would give
    assert.equal(70, clip.times[#clip.times][2])
    -- The frames are those of the whole sound at once, wherever a tile's edge is far enough.
    local mel = model.audio_tower.front_end(x)
    local whole = nj.no_grad(function() return (model.audio_tower.encoder(mel:unsqueeze(1)))[1] end)
    near(whole, frames, { atol = 1e-4 })
    assert.equal(clip.vector:bytes(), model:audio({ x })[1].vector:bytes())
  end)

  it("tiles for encoders of other strides, with times that hold", function()
    local d = tiny_model.descriptor()
    d.audio = { encoder = { kind = "mobilenet", width = 0.1, classes = 0 } }
    local other = nj.model(d, { rng = nj.rng(3) })
    assert.equal(0.97, other.audio_tower.front_end:descriptor().preemphasis) -- EfficientAT's
    local x = wave(40, 12)
    local tiles = require "nightjar.model.tiles"
    local frames, seconds = nj.no_grad(tiles.frames, other.audio_tower, x)
    near(0.32, seconds, { atol = 1e-9 })
    assert.same({ 125, 96 }, frames.shape)
    local clip = other:audio({ x })[1]
    assert.equal(40, clip.times[#clip.times][2])
    assert.equal(#clip.times, clip.segments.shape[1])
    assert.same({ { 0, 0.1 } }, other:audio({ wave(0.1, 13) })[1].times)
  end)

  it("takes networks that are made already, weights and all", function()
    local d = tiny_model.descriptor()
    local heard = nj.encoders.from({ encoder = { kind = "mobilenet", width = 0.1, classes = 0 } },
      { rng = nj.rng(4) })
    local read = nj.encoders.bert { vocabulary = 300, width = 8, layers = 1, heads = 1,
      rng = nj.rng(5) }
    d.audio = { encoder = heard }
    d.text.encoder = read
    local made = nj.model(d, { rng = nj.rng(3) })
    assert.equal(heard, made.audio_tower.encoder)
    assert.equal(0.97, made.audio_tower.front_end:descriptor().preemphasis)
    local path = folder .. "/made.safetensors"
    assert(made:save(path))
    local again = assert(nj.load(path))
    assert.same(made:descriptor(), again:descriptor())
    local x = wave(3, 16)
    assert.equal(made:audio({ x })[1].vector:bytes(), again:audio({ x })[1].vector:bytes())
    assert.equal(made:text("rain"):bytes(), again:text("rain"):bytes())
    d.text.encoder = nj.encoders.bert { vocabulary = 3, width = 8, layers = 1, heads = 1 }
    assert.error_matches(function() nj.model(d) end,
      "tokens, its encoder has room for 3", nil, true)
    d.text.encoder = heard
    assert.error_matches(function() nj.model(d) end,
      "model: text.encoder.kind must be one of bert, gpt2, got mobilenet", nil, true)
  end)

  it("tiles for encoders that look at a fixed length", function()
    local tiles = require "nightjar.model.tiles"
    local function listener(fit)
      local d = tiny_model.descriptor()
      d.audio = { encoder = { kind = "htsat", width = 2, heads = { 1, 1, 1, 1 },
        depths = { 1, 1, 1, 1 }, fit = fit } }
      return nj.model(d, { rng = nj.rng(3) })
    end
    for _, fit in ipairs { "stretch", "repeat", "zero" } do
      local other = listener(fit)
      for seconds, frames in pairs { [0.1] = 1, [3] = 10, [10] = 32, [15] = 47 } do
        local got, step = nj.no_grad(tiles.frames, other.audio_tower, wave(seconds, 14))
        near(0.32, step, { atol = 1e-9 })
        assert.equal(frames, got.shape[1], fit .. " " .. seconds)
      end
      local clip = other:audio({ wave(15, 15) })[1]
      assert.equal(15, clip.times[#clip.times][2])
    end
  end)

  it("gives a sound the same bits whatever stands beside it", function()
    local x = wave(4, 8)
    local alone = model:audio({ x })[1].vector:bytes()
    assert.equal(alone, model:audio({ wave(1, 9), x, wave(33, 10) })[2].vector:bytes())
    local text = model:text("a cat meows"):bytes()
    local texts = model:text { "rain", "a cat meows",
      "the wind blows loud and the bell rings two times" }
    assert.equal(text, texts[2]:bytes())
    assert.same({ 0, 12 }, model:text({}).shape)
  end)

  it("infers the same way while it is being trained", function()
    local x = wave(2, 11)
    local vector, text = model:audio({ x })[1].vector:bytes(), model:text("a dog"):bytes()
    model:train()
    assert.equal(vector, model:audio({ x })[1].vector:bytes())
    assert.equal(text, model:text("a dog"):bytes())
    assert.is_true(model.audio_tower.encoder:is_training())
    model:eval()
    assert.is_false(model.audio_tower.encoder:is_training())
  end)

  it("takes sounds shorter than a frame, and says of empty ones that they are", function()
    for _, n in ipairs { 1, 2, 500, 640, 3000, 5119 } do
      local clip = model:audio({ sound.noise_tensor(n, n) })[1]
      assert.is_nil(clip.error, n .. " samples: " .. tostring(clip.error))
      near(1, clip.vector:norm():item(), { atol = 1e-5 })
      assert.same({ { 0, n / RATE } }, clip.times)
    end
    assert.same({ { error = "the sound is empty", code = "EFORMAT" } }, model:audio { nj.zeros(0) })
  end)

  it("says what it cannot read, and goes on", function()
    local clips = model:audio { folder .. "/none.wav", wave(1, 1), wave(1, 1) * (0 / 0) }
    assert.equal("ENOTFOUND", clips[1].code)
    assert.matches("none.wav", clips[1].error)
    assert.is_nil(clips[2].error)
    assert.same({ error = "sound 3: the sound holds NaN or infinite values", code = "EFORMAT" },
      clips[3])
  end)

  it("counts its progress", function()
    local seen = {}
    model:audio({ wave(0.5, 1), wave(0.5, 2) },
      { progress = function(done, total) seen[#seen + 1] = done .. "/" .. total end })
    assert.same({ "1/2", "2/2" }, seen)
  end)

  it("names the words it does not know", function()
    assert.same({}, model:unknown_words "A dog, and rain.")
    assert.same({ "zither" }, model:unknown_words "a zither and a zither")
    assert.same({ "barking" }, model:unknown_words "the dog barking")
    assert.same({}, model:unknown_words "")
    -- Whatever the script; punctuation is no word.
    assert.same({ "собака", "лает" }, model:unknown_words "a dog, собака лает!")
    assert.same({ "🐕" }, model:unknown_words "a dog 🐕 … — ¿")
    assert.same({ "犬" }, model:unknown_words "犬。")
  end)

  it("names the content words that it knows", function()
    assert.same({ { "dog", "rain" }, { "zither" } },
      { model:known_words "The dog, a zither and the rain on a dog" })
    assert.same({ {}, { "собака" } }, { model:known_words "a собака, and then it" })
    assert.same({ {}, {} }, { model:known_words "" })
  end)

  it("trains both towers and the temperature", function()
    local mel = model.audio_tower.front_end(wave(1, 1)):unsqueeze(1)
    local ids, mask = model.text_tower:tokenize { "a dog barks" }
    local score = (model:encode_audio(mel) * model:encode_text(ids, mask)):sum();
    (score / model.log_temperature:exp()):backward()
    for _, p in ipairs(model:parameters()) do
      if not p.name:find "word_embeddings" then
        assert(p.tensor.grad, p.name .. " has no gradient")
      end
      p.tensor:zero_grad()
    end
  end)

  it("says what is wrong with a descriptor", function()
    local function message(text, change)
      local d = tiny_model.descriptor()
      change(d)
      assert.error_matches(function() nj.model(d) end, text, nil, true)
    end
    message("model: unknown option 'txt' (did you mean 'text'?)", function(d) d.txt = 1 end)
    message("model: option 'audio' is required", function(d) d.audio = nil end)
    message("model: option 'temperature' must be a number above 0",
      function(d) d.temperature = 0 end)
    message("model: audio.encoder.kind must be one of convnet, ",
      function(d) d.audio.encoder.kind = "nothing" end)
    message("model: text.encoder.kind must be one of bert, gpt2, got nil",
      function(d) d.text.encoder.kind = nil end)
    message("'mean'", function(d) d.text.sentence = "man" end)
    assert.error_matches(function() model:audio { 5 } end,
      "model:audio: sounds are paths or waveforms, got a integer", nil, true)
    assert.error_matches(function() model:audio { nj.zeros(2, 5) } end,
      "model:audio: a waveform has one dimension, got (2, 5)", nil, true)
  end)

  it("says which weights do not fit", function()
    local state = model:state()
    state["audio.encoder.bn0.weight"], state["text.projection.0.bias"] = nil, nj.zeros(3)
    assert.error_matches(function() tiny_model.new():load_state(state) end,
      "model: the weights do not "
      .. "fit: missing audio.encoder.bn0.weight; mismatched text.projection.0.bias: expected (12), "
      .. "got (3)", nil, true)
  end)
end)

describe("nj.load", function()
  local folder, good
  setup(function()
    folder = temporary.folder()
    assert(tiny_model.new():save(folder .. "/good.safetensors"))
    good = assert(nj.store.load(folder .. "/good.safetensors"))
  end)
  teardown(function() temporary.remove(folder) end)

  -- Loads the good file with changes to its metadata and tensors.
  local function load_with(metadata, tensors)
    local m, t = {}, {}
    for key, value in pairs(good.metadata) do m[key] = value end
    for key, value in pairs(good.tensors) do t[key] = value end
    for key, value in pairs(metadata) do m[key] = value or nil end
    for key, value in pairs(tensors or {}) do t[key] = value or nil end
    local path = folder .. "/bad.safetensors"
    assert(nj.store.save(path, t, m))
    return nj.load(path)
  end

  local function refused(text, ...)
    local limit = nj.memory().limit
    local model, message, code = load_with(...)
    assert.is_nil(model)
    assert.equal("EFORMAT", code)
    assert.matches(text, message, 1, true)
    assert.matches(folder .. "/bad.safetensors: ", message, 1, true)
    assert.not_matches("%.lua:%d", message)
    assert.equal(limit, nj.memory().limit)
  end

  it("says what is missing or broken in a file", function()
    assert(load_with {})
    refused("not a nightjar model", { format = false })
    refused("model version 2, this nightjar reads 1", { version = "2" })
    refused("descriptor or vocabulary is missing or broken", { descriptor = "{" })
    refused("descriptor or vocabulary is missing or broken", { descriptor = "[1]" })
    refused("descriptor or vocabulary is missing or broken", { vocabulary = false })
    refused("", { descriptor = ("["):rep(100000) })
    refused("missing log_temperature", {}, { log_temperature = false })
    refused("mismatched audio.projection.0.bias: expected (12), got (13)", {},
      { ["audio.projection.0.bias"] = nj.zeros(13) })
    refused("", { vocabulary = "[PAD]" })
    refused("", { vocabulary = "" })
    refused("calibration", { calibration = "{}" })
    refused("calibration: a bank of float32 vectors of 12 numbers expected",
      { calibration = '{"weights":[1,2,3]}' })
    refused("calibration: a bank of float32 vectors of 12 numbers expected",
      { calibration = '{"weights":[1,2,3]}' }, { ["calibration.bank"] = nj.zeros(4, 13) })
  end)

  it("does not let a descriptor claim the machine's memory", function()
    local function claim(from, to)
      local text, n = good.metadata.descriptor:gsub(from, to)
      assert.equal(1, n, from)
      return { descriptor = text }
    end
    refused("", claim('"vocabulary":%d+', '"vocabulary":900000000'))
    refused("", claim('"channels":%[4,6,8%]', '"channels":[40000,60000,80000]'))
    refused("", claim('"feed_forward":%d+', '"feed_forward":1000000'))
    refused("", claim('"dim":12', '"dim":65000'))
    refused("", claim('"dim":12', '"dim":-1'))
    refused("", claim('"dim":12', '"dim":"x"'))
    refused("", claim('"pool_time":%[2,2,2%]', '"pool_time":[2,2]'))
    refused("", claim('"front_end":{', '"front_end":{"fft":1,'))
  end)

  it("survives damaged files", function()
    local bytes = assert(io.open(folder .. "/good.safetensors", "rb")):read "a"
    local mutate, rng = require "spec.support.mutate", nj.rng(4)
    for round = 1, 60 do
      local path = temporary.write(folder .. "/mutant.safetensors", mutate(bytes, rng, round))
      local model, message, code = nj.load(path)
      if not model then
        assert.equal("string", type(message))
        assert.equal("string", type(code))
      end
    end
  end)

  it("refuses weights that are NaN or infinite", function()
    for _, bad in ipairs { 0 / 0, math.huge } do
      local broken = tiny_model.new()
      local parameter = broken:parameters()[1]
      nj.no_grad(function() parameter.tensor:reshape(-1)[1] = bad end)
      local path = os.tmpname()
      assert(broken:save(path))
      local none, message, code = nj.load(path)
      os.remove(path)
      assert.same({ nil, ("%s: its weights are damaged: '%s' holds NaN or infinity"):format(
        path, parameter.name), "EFORMAT" }, { none, message, code })
    end
  end)

  it("finds models that come with nightjar by name, and says where it looked", function()
    local model, message, code = nj.load "no-such-model"
    assert.is_nil(model)
    assert.equal("ENOTFOUND", code)
    assert.matches("no shipped model called 'no%-such%-model' "
      .. "%(looked at .*no%-such%-model%.safetensors",
      message)
    local path = require("nightjar.model.shipped").path()
    if not path then return pending "needs models/nightjar-base.safetensors" end
    assert.equal("nightjar-base", assert(nj.load "nightjar-base").name)
  end)

  it("says what to do without a model that came with nightjar before", function()
    local model, message, code = nj.load "nightjar-small"
    assert.is_nil(model)
    assert.equal("ENOTFOUND", code)
    assert.matches("'nightjar%-base' took its place.*index %-%-rebuild", message)
  end)

  it("says of a file that is not there that it is not", function()
    local model, message, code = nj.load(folder .. "/none.safetensors")
    assert.is_nil(model)
    assert.matches("none.safetensors", message)
    assert.equal("ENOTFOUND", code)
  end)
end)
