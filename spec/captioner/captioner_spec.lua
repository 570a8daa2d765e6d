local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_captioner = require "spec.support.tiny_captioner"
local tiny_model = require "spec.support.tiny_model"

local function message(text, f)
  local ok, got = pcall(f)
  assert.is_false(ok)
  assert.equal(text, (tostring(got):gsub("^[^:]+:%d+: ", "")))
end

local function texts(clips)
  local all = {}
  for i, list in ipairs(clips) do
    all[i] = {}
    for k, caption in ipairs(list) do all[i][k] = caption.text end
  end
  return all
end

local audio = tiny_model.descriptor().audio

describe("nj.captioner", function()
  it("learns to say what comes first and what second", function()
    local captioner, rng = tiny_captioner.new { decoder = { width = 32, layers = 1, heads = 4,
      feed_forward = 64 } }, nj.rng(5)
    local optimizer = nj.optim.adam(captioner, { lr = 1e-2 })
    captioner:train()
    for _ = 1, 120 do
      optimizer:zero_grad()
      captioner:loss(tiny_captioner.batch(32, rng), { rng = rng, dropout = 0 }):backward()
      optimizer:step()
    end
    captioner:eval()
    local test, right = tiny_captioner.batch(40, nj.rng(6)), 0
    for i, list in ipairs(captioner:caption(test.frames)) do
      if list[1].text == test.captions[i] then right = right + 1 end
      assert.is_true(list[1].finished)
    end
    assert(right >= 36, right .. " of 40 captions right")
  end)

  it("has the loss of smoothed labels, ids or captions", function()
    local captioner, batch = tiny_captioner.new(), tiny_captioner.batch(3, nj.rng(1))
    batch.frame_mask = nj.tensor { { 1, 1, 1, 1 }, { 1, 1, 0, 0 }, { 1, 1, 1, 0 } }
    batch.captions[2] = "a dog"
    local got = captioner:loss(batch)
    local ids = captioner.tokenizer:batch(batch.captions)
    local logits = captioner.decoder(ids[{ {}, { 1, -2 } }], batch.frames, batch.frame_mask)
    local sum, n = 0, 0
    for b = 1, 3 do
      for t = 1, ids.shape[2] - 1 do
        local target = ids[{ b, t + 1 }]
        if target ~= 0 then
          local p = logits[{ b, t }]:log_softmax(1)
          sum = sum - 0.9 * p[target + 1]:item() - 0.1 * p:mean():item()
          n = n + 1
        end
      end
    end
    near(sum / n, got:item(), { atol = 1e-5 })
    batch.captions, batch.ids = nil, ids
    near(got:item(), captioner:loss(batch):item(), { atol = 0 })
    local plain = captioner:loss(batch, { smoothing = 0 }):item()
    assert.not_equal(plain, got:item())
  end)

  it("cuts captions that are too long", function()
    local captioner = tiny_captioner.new { max = 4 }
    local batch = tiny_captioner.batch(1, nj.rng(1))
    local long = captioner:loss(batch):item()
    batch.ids = captioner.tokenizer:batch(batch.captions, { max = 5 })
    near(long, captioner:loss(batch):item(), { atol = 0 })
    for _, caption in ipairs(captioner:caption(batch.frames)[1]) do
      assert.is_true(#caption.ids <= 4)
    end
  end)

  it("joins pieces into words", function()
    local captioner, ids = tiny_captioner.new(), {}
    for i, token in ipairs { "a", "cat", "me", "##ow", "##s", ",", "then", "a", "dog", "[SEP]" } do
      ids[i] = captioner.tokenizer:id(token)
    end
    assert.equal("a cat meows, then a dog", captioner:text(ids))
  end)

  it("gives n captions, the best first, by every method", function()
    local captioner, batch = tiny_captioner.new(), tiny_captioner.batch(3, nj.rng(1))
    for _, method in ipairs { "beam", "nucleus", "top_k" } do
      local clips = captioner:caption(batch.frames, { method = method, n = 3, rng = nj.rng(1) })
      assert.equal(3, #clips)
      for _, list in ipairs(clips) do
        assert.equal(3, #list)
        for i, caption in ipairs(list) do
          assert.equal(captioner:text(caption.ids), caption.text)
          assert.is_true(i == 1 or list[i - 1].score >= caption.score)
          near(caption.logprob / #caption.ids, caption.mean, { atol = 1e-12 })
        end
      end
    end
    assert.same(captioner:caption(batch.frames, { method = "greedy" }),
      captioner:caption(batch.frames, { beam = 1 }))
  end)

  it("says no word twice when asked, and nothing special ever", function()
    local captioner, batch = tiny_captioner.new(), tiny_captioner.batch(8, nj.rng(1))
    local function repeated(options)
      options.method, options.n, options.rng, options.temperature = "nucleus", 6, nj.rng(3), 3
      local twice = false
      for _, list in ipairs(captioner:caption(batch.frames, options)) do
        for _, caption in ipairs(list) do
          local seen = {}
          assert.is_nil(caption.text:find("[", 1, true))
          for _, id in ipairs(caption.ids) do
            local token = captioner.tokenizer:token(id)
            assert.is_true(token == "[SEP]" or not token:find "^%[")
            local content = token:find "^%w" and token ~= "a" and token ~= "then"
            twice = twice or (content and seen[id]) or false
            seen[id] = true
          end
        end
      end
      return twice
    end
    assert.is_true(repeated {})
    assert.is_false(repeated { repeat_words = false })
  end)

  it("gives texts that differ when asked", function()
    local captioner, batch = tiny_captioner.new { max = 3 }, tiny_captioner.batch(4, nj.rng(1))
    local options = { method = "nucleus", n = 8, rng = nj.rng(3), p = 0.5 }
    local function doubles()
      local n = 0
      for _, list in ipairs(texts(captioner:caption(batch.frames, options))) do
        local seen = {}
        assert.is_true(#list <= 8)
        for _, text in ipairs(list) do
          if seen[text] then n = n + 1 end
          seen[text] = true
        end
      end
      return n
    end
    assert.is_true(doubles() > 0)
    options.unique = true
    assert.equal(0, doubles())
  end)

  it("stays in training when it captions in between", function()
    local captioner, batch = tiny_captioner.new(), tiny_captioner.batch(2, nj.rng(1))
    local want = captioner:caption(batch.frames)
    captioner:train()
    assert.same(want, captioner:caption(batch.frames))
    assert.is_true(captioner.decoder:is_training())
    captioner:eval()
    assert.is_false(captioner.decoder:is_training())
  end)

  describe("with a vocabulary of whole words", function()
    local vocabulary = { "<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "barks", "then", "well", "-",
      "known", "n't", "<bos_clotho>", "<bos_audiocaps>", "," }
    local words = { bos = "<bos>", task = "clotho", eos = "<eos>", pad = "<pad>", unk = "<unk>",
      tasks = { clotho = "<bos_clotho>", audiocaps = "<bos_audiocaps>" }, repeatable = { "a", "then" } }
    local function new(options)
      local d = { vocabulary = vocabulary, words = words, memory_width = 6, max = 8,
        decoder = { width = 16, layers = 1, heads = 2, feed_forward = 32 } }
      for key, value in pairs(options or {}) do d[key] = value end
      return nj.captioner(d, { rng = nj.rng(2) })
    end
    local frames = nj.randn({ 3, 4, 6 }, { rng = nj.rng(3) })

    it("reads captions and writes them", function()
      local captioner = new()
      local ids = captioner.tokenizer:batch { "A dog, then: horses!", "dog" }
      assert.same({ { 12, 4, 5, 7, 3, 2 }, { 12, 5, 2, 0, 0, 0 } }, ids:totable())
      assert.equal("a well-known dog barks, n't", captioner:text { 12, 4, 8, 9, 10, 3, 5, 6, 14, 11, 2, 0 })
    end)

    it("begins captions with the task's token", function()
      local captioner = new()
      local loss = captioner:loss({ frames = frames, captions = { "a dog", "dog", "barks" } })
      local clotho = captioner:loss({ frames = frames, captions = { "a dog", "dog", "barks" } },
        { task = "clotho" })
      local other = captioner:loss({ frames = frames, captions = { "a dog", "dog", "barks" } },
        { task = "audiocaps" })
      assert.equal(loss:item(), clotho:item())
      assert.not_equal(loss:item(), other:item())
      local ids = nj.tensor({ { 13, 4, 5, 2 }, { 13, 5, 2, 0 }, { 13, 6, 2, 0 } }, { dtype = "int64" })
      assert.equal(other:item(), captioner:loss({ frames = frames, ids = ids }):item())
      assert.not_same(captioner:caption(frames)[1][1].logprob,
        captioner:caption(frames, { task = "audiocaps" })[1][1].logprob)
      message("captioner: no task is called 'macs'; there are audiocaps, clotho",
        function() captioner:caption(frames, { task = "macs" }) end)
      message("captioner: no task is called 'macs'; there are none",
        function() tiny_captioner.new():caption(frames, { task = "macs" }) end)
    end)

    it("repeats only what it may, and says nothing special", function()
      local captioner, twice = new(), {}
      local special = { [0] = true, [1] = true, [3] = true, [12] = true, [13] = true }
      for _, list in ipairs(captioner:caption(frames, { method = "nucleus", n = 30, rng = nj.rng(1),
        temperature = 3, repeat_words = false })) do
        for _, caption in ipairs(list) do
          local seen = {}
          for _, id in ipairs(caption.ids) do
            assert.is_nil(special[id])
            if seen[id] then twice[id] = true end
            seen[id] = true
          end
        end
      end
      assert.same({ [4] = true, [7] = true }, twice)
    end)

    it("is saved whole, and finds captions as its generation says", function()
      local generation = { beam = 3, min = 3, narrowing = true, renormalize = true, repeat_words = false }
      local captioner, folder = new { generation = generation }, temporary.folder()
      assert.same(generation, captioner:descriptor().generation)
      local path = folder .. "/c.safetensors"
      assert(captioner:save(path))
      local twin = assert(nj.captioner.load(path))
      temporary.remove(folder)
      assert.same(captioner:descriptor(), twin:descriptor())
      local want = captioner:caption(frames, { n = 2 })
      assert.same(want, twin:caption(frames, { n = 2 }))
      assert.same(want, new():caption(frames, { n = 2, beam = 3, min = 3, narrowing = true,
        renormalize = true, repeat_words = false }))
      assert.not_same(want, new():caption(frames, { n = 2 }))
      assert.equal(5, #captioner:caption(frames, { n = 5 })[1]) -- the beam grows
    end)

    it("says what is wrong with it", function()
      message("captioner: words.eos: the vocabulary has no token '<end>'",
        function() new { words = { bos = "<bos>", eos = "<end>" } } end)
      message("captioner: words.task: no task is called 'macs'",
        function() new { words = { bos = "<bos>", eos = "<eos>", task = "macs" } } end)
      message("captioner: words: option 'bos' is required (a string)",
        function() new { words = { eos = "<eos>" } } end)
      message("captioner: generation: unknown option 'beams' (did you mean 'beam'?)",
        function() new { generation = { beams = 2 } } end)
    end)

    it("needs no more than a beginning and an end", function()
      local captioner = nj.captioner { vocabulary = { "<sos>", "a", "<eos>" }, memory_width = 6,
        words = { bos = "<sos>", eos = "<eos>" }, decoder = { width = 8, layers = 1, heads = 1 } }
      assert.same({ { 0, 1, 2 }, { 0, 2, 2 } }, captioner.tokenizer:batch({ "a", "" }):totable())
      assert.equal("a a", captioner:text { 1, 1, 2 })
    end)
  end)

  it("refuses what it cannot use", function()
    message("captioner: option 'audio' or 'memory_width' is required",
      function() nj.captioner { vocabulary = tiny_captioner.vocabulary } end)
    message("captioner: the vocabulary needs the tokens [PAD], [UNK], [CLS] and [SEP]",
      function() nj.captioner { vocabulary = { "[UNK]", "a" }, memory_width = 3 } end)
    message("captioner: unknown option 'vocabular' (did you mean 'vocabulary'?)",
      function() nj.captioner { vocabular = {} } end)
    local captioner, batch = tiny_captioner.new(), tiny_captioner.batch(2, nj.rng(1))
    message("captioner:loss: the batch has neither frames nor mel",
      function() captioner:loss { captions = { "a" } } end)
    message("captioner:loss: the batch has neither captions nor ids",
      function() captioner:loss { frames = batch.frames } end)
    message("captioner: this captioner takes frames, not log-mels (no audio encoder)",
      function() captioner:loss { mel = nj.zeros(1, 8, 16), captions = { "a" } } end)
    message("captioner:caption: this captioner has no audio encoder; give frames (B, N, C), not a "
      .. "string", function() captioner:caption "x.wav" end)
    message("captioner:caption: a mask goes with frames (B, N, C)",
      function() captioner:caption({ "x.wav" }, { mask = nj.zeros(1, 1) }) end)
    message("captioner:caption: option 'method' must be one of 'greedy', 'beam', 'nucleus', 'top_k', "
      .. "got 'sample'", function() captioner:caption(batch.frames, { method = "sample" }) end)
    message("captioner:caption: unknown option 'k_best'",
      function() captioner:caption(batch.frames, { k_best = 3 }) end)
    message("generate: 9 captions need a beam of at least as many, got 4",
      function() captioner:caption(batch.frames, { n = 9, beam = 4 }) end)
    message("captioner:load_audio: this captioner takes frames",
      function() captioner:load_audio {} end)
  end)
end)

describe("nj.captioner with an audio encoder", function()
  local folder, captioner
  setup(function()
    folder = temporary.folder()
    temporary.write(folder .. "/one.wav", sound.wav(sound.noise(20000, 1), { rate = 32000 }))
    temporary.write(folder .. "/two.wav", sound.wav(sound.sine(50000, 700, 32000), { rate = 32000 }))
    temporary.write(folder .. "/none.wav", sound.wav({}, { rate = 32000 }))
    temporary.write(folder .. "/text.wav", "no sound at all")
    captioner = tiny_captioner.new { audio = audio }
    captioner:load_audio(tiny_model.new())
  end)
  teardown(function() temporary.remove(folder) end)

  it("captions files, the same alone and together", function()
    local files = { folder .. "/one.wav", folder .. "/text.wav", folder .. "/two.wav",
      folder .. "/none.wav", folder .. "/no.wav" }
    local done = 0
    local clips = captioner:caption(files, { n = 2, progress = function(i, n)
      done = i
      assert.equal(5, n)
    end })
    assert.equal(5, done)
    assert.equal(2, #clips[1])
    assert.equal(2, #clips[3])
    assert.same({ "EFORMAT", "EFORMAT", "ENOTFOUND" },
      { clips[2].code, clips[4].code, clips[5].code })
    assert.same({ error = "the sound is empty", code = "EFORMAT" },
      captioner:caption(nj.zeros(0))[1])
    assert.matches("no.wav", clips[5].error, 1, true)
    assert.same(clips[1], captioner:caption(files[1], { n = 2 })[1])
    assert.same(clips, captioner:caption(files, { n = 2, batch = 1 }))
    local waves = { nj.audio.decode(files[1]), nj.audio.decode(files[3]) }
    assert.same({ clips[1], clips[3] }, captioner:caption({ waves[1], waves[2] }, { n = 2 }))
  end)

  it("draws the same captions in any batches", function()
    local files = { folder .. "/one.wav", folder .. "/two.wav", folder .. "/one.wav" }
    local function drawn(batch)
      return captioner:caption(files, { method = "nucleus", n = 2, p = 1, rng = nj.rng(4),
        batch = batch })
    end
    assert.same(drawn(3), drawn(1))
    assert.not_same(drawn(3)[1], drawn(3)[3]) -- the same sound, drawn anew
  end)

  it("trains the encoder, unless it is frozen", function()
    local batch = { mel = nj.randn({ 2, 32, 16 }, { rng = nj.rng(3) }),
      lengths = nj.tensor({ 32, 20 }, { dtype = "int64" }), captions = { "a dog", "a cat" } }
    local free = tiny_captioner.new { audio = audio }
    free:train()
    free:loss(batch, { rng = nj.rng(1) }):backward()
    local n, first = 0, free:parameters()[1]
    for _, p in ipairs(free:parameters()) do
      assert.is_truthy(p.tensor.grad, p.name)
      n = n + 1
    end
    assert.matches("^audio%.encoder%.", first.name)
    assert.is_true(#free:buffers() > 0)

    local frozen = tiny_captioner.new { audio = audio, freeze_audio = true }
    frozen:train()
    local before = frozen.audio_tower.encoder:state()["bn0.running_mean"]:bytes()
    frozen:loss(batch, { rng = nj.rng(1) }):backward()
    assert.equal(before, frozen.audio_tower.encoder:state()["bn0.running_mean"]:bytes())
    assert.is_false(frozen.audio_tower.encoder:is_training())
    for _, p in ipairs(frozen:parameters()) do
      assert.matches("^decoder%.", p.name)
      assert.is_truthy(p.tensor.grad, p.name)
    end
    assert.is_true(#frozen:parameters() < n)
    assert.same({}, frozen:buffers())
  end)

  it("takes a retrieval model's ears only when they fit", function()
    message("captioner:load_audio: the weights do not fit: missing bn0.weight", function()
      local model = { audio_tower = { encoder = {} } }
      local state = captioner.audio_tower.encoder:state()
      state["bn0.weight"] = nil
      function model.audio_tower.encoder.state() return state end
      captioner:load_audio(model)
    end)
  end)
end)

describe("nj.captioner's file", function()
  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  it("holds all of it", function()
    for name, options in pairs {
      frames = { name = "deaf", provenance = { by = "nobody" } },
      audio = { audio = audio, freeze_audio = true, smoothing = 0.2,
        decoder = { width = 8, heads = 2, layers = 1, norm = "post", frame_positions = false } },
    } do
      local captioner, path = tiny_captioner.new(options), folder .. "/" .. name .. ".safetensors"
      assert.is_true(captioner:save(path))
      local again = assert(nj.captioner.load(path))
      assert.same(captioner:descriptor(), again:descriptor())
      assert.same(captioner.vocabulary, again.vocabulary)
      local state = again:state()
      for key, tensor in pairs(captioner:state()) do
        assert.equal(tensor:bytes(), state[key]:bytes(), key)
      end
      if name == "frames" then
        local batch = tiny_captioner.batch(2, nj.rng(1))
        assert.same(captioner:caption(batch.frames), again:caption(batch.frames))
        assert.equal("nobody", again.provenance.by)
      end
    end
  end)

  it("is no model's file, and a model's is none of it", function()
    local mine, other = folder .. "/mine.safetensors", folder .. "/model.safetensors"
    assert(tiny_captioner.new():save(mine))
    assert(tiny_model.new():save(other))
    local none, text, code = nj.load(mine)
    assert.is_nil(none)
    assert.equal("EFORMAT", code)
    assert.equal(mine .. ": this is a nightjar captioner, not a nightjar model; nj.captioner.load "
      .. "reads it", text)
    none, text, code = nj.captioner.load(other)
    assert.is_nil(none)
    assert.equal("EFORMAT", code)
    assert.equal(other .. ": this is a nightjar model, not a nightjar captioner; nj.load reads it",
      text)
  end)

  it("says what is broken", function()
    local path = folder .. "/good.safetensors"
    assert(tiny_captioner.new():save(path))
    local good = assert(nj.store.load(path))
    local function refused(text, metadata, tensors)
      local m, t = {}, {}
      for key, value in pairs(good.metadata) do m[key] = value end
      for key, value in pairs(good.tensors) do t[key] = value end
      for key, value in pairs(metadata) do m[key] = value or nil end
      for key, value in pairs(tensors or {}) do t[key] = value or nil end
      local bad = folder .. "/bad.safetensors"
      assert(nj.store.save(bad, t, m))
      local limit = nj.memory().limit
      local none, got, code = nj.captioner.load(bad)
      assert.is_nil(none)
      assert.equal("EFORMAT", code)
      assert.matches(bad .. ": ", got, 1, true)
      assert.matches(text, got, 1, true)
      assert.equal(limit, nj.memory().limit)
    end
    refused("these are weights, but not a nightjar captioner (no 'nightjar-captioner' metadata)",
      { format = false })
    refused("captioner version 9, this nightjar reads 1", { version = "9" })
    refused("the captioner's descriptor or vocabulary is missing or broken", { descriptor = "{" })
    refused("the captioner's descriptor or vocabulary is missing or broken", { vocabulary = false })
    refused("the vocabulary needs the tokens", { vocabulary = "[PAD]\n[UNK]\na" })
    refused("missing decoder.out.bias", {}, { ["decoder.out.bias"] = false })
    refused("mismatched decoder.out.bias: expected (20), got (21)", {},
      { ["decoder.out.bias"] = nj.zeros(21) })
    local claim = good.metadata.descriptor:gsub('"feed_forward":%d+', '"feed_forward":900000')
    refused("", { descriptor = claim })
    claim = good.metadata.descriptor:gsub('"layers":%d+', '"layers":"x"')
    refused("decoder: option 'layers'", { descriptor = claim })
    local none, _, code = nj.captioner.load(folder .. "/no.safetensors")
    assert.same({ nil, "ENOTFOUND" }, { none, code })
  end)
end)
