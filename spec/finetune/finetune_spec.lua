-- Fine-tuning over features: what is trained and what is not, the best epoch, going on after an
-- interruption, and what is refused.
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local nj = require "nightjar"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

-- Three kinds of tones, which even an encoder that never learnt tells apart.
local KINDS = {
  { text = "a bell rings", hertz = 3000 }, { text = "rain falls", hertz = 0 },
  { text = "a cat", hertz = 400 },
}

local function sound(path, kind, seed)
  local rng, n = nj.rng(seed), 16000
  local wave = nj.randn(n, { rng = rng }) * (kind.hertz == 0 and 0.2 or 0.002)
  if kind.hertz > 0 then
    local step = 2 * math.pi * kind.hertz * rng:uniform(0.9, 1.1) / 32000
    wave = wave + (nj.arange(1, n, { dtype = "float32" }) * step):sin() * 0.3
  end
  assert(nj.audio.write(path, wave, 32000))
end

describe("nj.finetune", function()
  local folder, sets
  setup(function()
    folder = temporary.folder()
    sets = {}
    for name, count in pairs { train = 12, validation = 6, test = 6 } do
      local clips = {}
      for i = 1, count do
        local kind = KINDS[i % 3 + 1]
        local id = ("%s%d.wav"):format(name, i)
        sound(fs.join(folder, id), kind, i + #name * 100)
        clips[i] = { id = id, path = fs.join(folder, id),
          captions = { kind.text, "it is " .. kind.text },
          label = kind.text }
      end
      sets[name] = dataset.new { name = "tones", split = name, clips = clips }
    end
  end)
  teardown(function() temporary.remove(folder) end)

  local runs = 0
  local function tune(more)
    runs = runs + 1
    local o = { train = sets.train, validation = sets.validation, progress = false, bootstrap = 0,
      features = folder .. "/features", run = ("%s/run%d"):format(folder, runs),
      epochs = 30, batch = 6, patience = 30,
      lr = 2e-2 }
    for key, value in pairs(more) do o[key] = value end
    return nj.finetune(o)
  end
  local function weights(model, prefix)
    local state, names, mark = model:state(), {}, ""
    for name in pairs(state) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
      if name:sub(1, #prefix) == prefix then mark = nj.digest(mark, name, state[name]) end
    end
    return mark
  end

  it("trains the head of a model and leaves its encoders as they are", function()
    local model = tiny_model.new()
    local audio, text = weights(model, "audio.encoder."), weights(model, "text.encoder.")
    local head = weights(model, "text.projection.")
    local out = folder .. "/a.safetensors"
    local result = assert(tune { model = model, test = sets.test, out = out, extend = false })
    assert.equal(model, result.model)
    assert.equal(audio, weights(model, "audio.encoder."))
    assert.equal(text, weights(model, "text.encoder."))
    assert.not_equal(head, weights(model, "text.projection."))
    assert.same({ train = 12, validation = 6, test = 6 }, result.clips)
    assert.is_true(result.after.validation.score > result.before.validation.score)
    assert.equal(result.after.validation.classes.mAP, result.after.validation.score)
    assert.is_true(result.best.epoch >= 1)
    -- The file is the model, and knows how it came about.
    local saved = assert(nj.load(out))
    assert.equal("a", saved.name)
    assert.equal(12, saved.provenance.finetuned.clips)
    assert.equal("frozen", saved.provenance.finetuned.text_encoder)
    local S = saved:similarity({ "a bell rings" }, { sets.test.clips[1].path })
    local own = model:similarity({ "a bell rings" }, { sets.test.clips[1].path })
    assert.near(own.scores(1, 1), S.scores(1, 1), 1e-6)
    assert.is_table(saved.calibration)
    -- What the table says is what nj.evaluate finds in the file.
    local found = assert(nj.evaluate.run(saved, sets.test, { bootstrap = 0 }))
    for _, key in ipairs { "R@1", "R@5", "mAP@10" } do
      assert.near(found.text_to_audio[key], result.after.test.retrieval.text_to_audio[key], 1e-9)
    end
    local shown = tostring(result)
    assert.matches("features: 0 read from the cache, 24 computed", shown, 1, true)
    assert.matches("test: 6 clips, 12 captions, 3 meanings", shown, 1, true)
    assert.matches("before +after +chance", shown)
    assert.is_nil(result:plain().model)
  end)

  it("trains the text encoder when asked, over features that are there", function()
    local model = tiny_model.new()
    local text = weights(model, "text.encoder.")
    local result = assert(tune { model = model, unfreeze = true })
    assert.equal(0, result.features.misses)
    assert.not_equal(text, weights(model, "text.encoder."))
  end)

  it("gives a model new words behind those that it has, and keeps what it knows", function()
    local model = tiny_model.new()
    local n, vectors = #model.text_tower.vocabulary, model:text { "rain", "dog and cat" }
    assert.same({ "rings" }, model:unknown_words "a bell rings")
    local out = folder .. "/words.safetensors"
    local result = assert(tune { model = model, epochs = 1, lr = 1e-12, out = out })
    table.sort(result.words)
    assert.same({ "falls", "is", "rings" }, result.words)
    assert.equal(n + 3, #model.text_tower.vocabulary)
    for i = 1, n do assert.equal(tiny_model.vocabulary[i], model.text_tower.vocabulary[i]) end
    assert.same({}, model:unknown_words "a bell rings")
    assert.near(1, (vectors * model:text { "rain", "dog and cat" }):sum(2):min():item(), 1e-5)
    assert.is_true(result.kept.texts >= 5)
    assert.near(1, result.kept.cosine, 1e-5)
    assert.matches("new words: 3\nkept: ", tostring(result))
    local saved = assert(nj.load(out))
    assert.same({}, saved:unknown_words "a bell rings")
    assert.equal(model:text("a bell rings"):bytes(), saved:text("a bell rings"):bytes())
  end)

  it("forgets less the more is kept", function()
    local cosines, texts = {}, { "rain", "dog", "the wind", "a cat and a dog" }
    for i, keep in ipairs { 0, 5 } do
      local model = tiny_model.new()
      local before = model:text(texts)
      local result = assert(tune { model = model, keep = keep, rehearse = texts, extend = false,
        epochs = 15 })
      assert.equal(keep == 0, result.kept == nil)
      cosines[i] = (before * model:text(texts)):sum(2):mean():item()
    end
    assert.is_true(cosines[2] > cosines[1], cosines[1] .. " " .. cosines[2])
  end)

  it("gives a model levels that it had not, and keeps what it had", function()
    local first = tiny_model.new()
    local result = assert(tune { model = first, extend = false, epochs = 3, fusion = { steps = 4 },
      hci = { levels = { "clip", "frame" } } })
    assert.same({ "clip", "frame" }, result.model.head:levels())
    assert.equal(weights(first, "text.encoder."), weights(result.model, "text.encoder."))
    assert.is_true(result.model.head.fusion.fitted)
    assert.equal(0, result.features.misses)
  end)

  it("replaces a text encoder", function()
    local result = assert(tune { model = tiny_model.new(), vocabulary = 60,
      text = { width = 16, layers = 1 } })
    local tower = result.model.text_tower
    assert.equal(16, tower.width)
    assert.is_true(#tower.vocabulary <= 60)
    assert.equal("trained", result.model.provenance.finetuned.text_encoder)
    assert.is_true(result.after.validation.score > result.before.validation.score)
    local words = temporary.write(folder .. "/vocab.txt",
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nbell\nrain\ncat\n")
    result = assert(tune { model = tiny_model.new(), vocabulary = words, epochs = 1,
      text = { width = 16, layers = 1 } })
    assert.equal("bell", result.model.text_tower.vocabulary[7])
  end)

  it("begins a model behind an encoder with weights", function()
    local net = nj.encoders.mobilenet { width = 0.1, rng = nj.rng(4) }
    local path = folder .. "/net.safetensors"
    assert(nj.store.save(path, net:state()))
    local result = assert(tune { encoder = { name = { encoder = { kind = "mobilenet", width = 0.1 },
      front_end = { preset = "efficientat" } }, checkpoint = path }, dim = 16,
      text = { width = 16, layers = 1 }, epochs = 2 })
    local tower = result.model.audio_tower
    assert.equal("mobilenet", tower.encoder:descriptor().kind)
    assert.equal(0, tower.encoder:descriptor().classes)
    assert.equal(128, tower.front_end:descriptor().mels)
    local mine = tower.encoder:state()
    for name, tensor in pairs(net:state()) do
      if mine[name] then assert.is_true(mine[name]:equal(tensor), name) end
    end
    assert.equal(16, result.model.dim)
  end)

  it("ends with the same weights when it was interrupted", function()
    local whole = assert(tune { model = tiny_model.new(), run = folder .. "/whole", epochs = 6 })
    local train = require "nightjar.train"
    local original, steps = train.run, 0
    train.run = function(o)
      local step = o.step
      o.step = function(...)
        steps = steps + 1
        if steps == 8 then error "interrupted!" end
        return step(...)
      end
      return original(o)
    end
    local ok, message = pcall(tune, { model = tiny_model.new(), run = folder .. "/parts", epochs = 6 })
    train.run = original
    assert.is_false(ok)
    assert.matches("interrupted!", message)
    local rest = assert(tune { model = tiny_model.new(), run = folder .. "/parts", epochs = 6 })
    assert.is_true(rest.resumed_from > 0 and rest.resumed_from < rest.steps)
    assert.equal(weights(whole.model, "text.projection."), weights(rest.model, "text.projection."))
    assert.equal(whole.after.validation.score, rest.after.validation.score)
    -- A third start has nothing left to do, and gives the same.
    rest = assert(tune { model = tiny_model.new(), run = folder .. "/parts", epochs = 6 })
    assert.equal(whole.steps, rest.steps)
    assert.equal(weights(whole.model, "text.projection."), weights(rest.model, "text.projection."))
  end)

  it("refuses the folder of another run", function()
    local run = folder .. "/taken"
    assert(tune { model = tiny_model.new(), run = run, epochs = 1 })
    local none, message, code = tune { model = tiny_model.new(), run = run, epochs = 1, seed = 2 }
    assert.is_nil(none)
    assert.equal(("finetune: %s holds another run: 'seed: 1' there, 'seed: 2' here; choose another folder or "
      .. "remove it"):format(run), message)
    assert.equal("EARG", code)
    none, message = tune { model = tiny_model.new(7), run = run, epochs = 1 }
    assert.is_nil(none)
    assert.matches("'begins with %x+' there, 'begins with %x+' here", message)
  end)

  it("keeps the weights as they were when no epoch was better", function()
    local model = tiny_model.new()
    assert(tune { model = model })
    local head = weights(model, "audio.projection.")
    local result = assert(tune { model = model, lr = 1e-12, epochs = 1 })
    assert.equal(0, result.best.epoch)
    assert.equal(head, weights(model, "audio.projection."))
    assert.matches("no epoch was better on the validation set: the weights are as they were", tostring(result))
  end)

  it("leaves out clips that it cannot read or of which nothing is said", function()
    local clips = table.move(sets.train.clips, 1, 12, 1, {})
    clips[13] = { id = "silent", path = clips[1].path, captions = {} }
    clips[14] = { id = "broken", path = temporary.write(folder .. "/broken.wav", "?"), captions = { "a" } }
    local train = dataset.new { name = "tones", split = "train", clips = clips }
    local result = assert(tune { model = tiny_model.new(), train = train, epochs = 1 })
    assert.equal(1, result.uncaptioned)
    assert.equal(12, result.clips.train)
    assert.equal("broken", result.failures[1].id)
  end)

  it("says what is missing", function()
    local empty = dataset.new { name = "none", split = "validation", clips = {} }
    local none, message, code = tune { model = tiny_model.new(), validation = empty }
    assert.is_nil(none)
    assert.equal("finetune: no clip of the validation set has both a sound file and a caption "
      .. "(none (validation): 0 clips, 0 captions)", message)
    assert.equal("ENOTFOUND", code)
    local broken = temporary.write(folder .. "/broken2.wav", "?")
    local bad = dataset.new { name = "bad", split = "validation",
      clips = { { id = "b", path = broken, captions = { "a" } } } }
    none, message = tune { model = tiny_model.new(), validation = bad }
    assert.is_nil(none)
    assert.matches("^finetune: 0 clips of the validation set could be read; two are needed %(b: .*broken2.wav",
      message)
    none, message, code = tune { model = folder .. "/none.safetensors" }
    assert.is_nil(none)
    assert.matches("none.safetensors", message)
    assert.equal("ENOTFOUND", code)
    none, message, code = tune { encoder = { name = "mn04", checkpoint = folder .. "/none.pt" } }
    assert.is_nil(none)
    assert.matches("none.pt", message)
    assert.equal("ENOTFOUND", code)
    for _, o in ipairs { {}, { model = "x", encoder = { name = "mn04" } } } do
      assert.error_matches(function() tune(o) end,
        "finetune: give either 'model' (to go on with) or 'encoder' (to begin with)", 1, true)
    end
    assert.error_matches(function() tune { encoder = { name = "mn04" } } end,
      "finetune: option 'encoder': option 'checkpoint' is required", 1, true)
  end)
end)
