local nj = require "nightjar"
local recipe = require "nightjar.train.recipe"
local temporary = require "spec.support.temporary"

-- Twelve short tones of three kinds, with captions.
local function write_sounds(folder)
  local lines = { "file,caption" }
  local kinds = { { "low", 200 }, { "middle", 900 }, { "high", 4000 } }
  for i = 1, 12 do
    local name, frequency = table.unpack(kinds[(i - 1) % 3 + 1])
    local phase = nj.arange(1, 16000) * (2 * math.pi * (frequency + 10 * i) / 32000)
    assert(nj.audio.write(("%s/%s%d.wav"):format(folder, name, i), phase:sin() * 0.5, 32000))
    lines[#lines + 1] = ("%s%d.wav,a %s tone"):format(name, i, name)
  end
  temporary.write(folder .. "/captions.csv", table.concat(lines, "\n") .. "\n")
end

local function configuration(folder, more)
  local c = {
    data = { kind = "folder", root = folder, options = { csv = folder .. "/captions.csv" } },
    validation = { kind = "folder", root = folder, options = { csv = folder .. "/captions.csv" } },
    model = {
      audio = {
        front_end = { preset = "panns", hop = 640 },
        encoder = { kind = "convnet", mels = 64, channels = { 4, 8 }, pool_time = { 4, 4 },
          pool_mel = { 4, 4 } },
      },
      text = { encoder = { kind = "bert", width = 16, layers = 1, heads = 2, feed_forward = 32,
        positions = 16, types = 1 } },
      dim = 16,
    },
    vocabulary_size = 100, loader = { batch = 6 }, optimizer = { name = "adamw", lr = 0.01 },
    schedule = { name = "cosine", warmup = 1 }, epochs = 2, clip_grad = 2, progress = false,
    run = folder .. "/run", out = folder .. "/model.safetensors",
  }
  for key, value in pairs(more or {}) do c[key] = value end
  return c
end

describe("train recipe", function()
  local folder
  before_each(function()
    folder = temporary.folder()
    write_sounds(folder)
  end)
  after_each(function() temporary.remove(folder) end)

  it("trains a model from a folder of sounds, and goes on where it stopped", function()
    local result = assert(recipe.run(configuration(folder)))
    assert.are.equal(4, result.steps)
    assert.are.equal(1, #result.best)
    local model = assert(nj.load(folder .. "/model.safetensors"))
    assert.are.same({ 1, 16 }, model:text("a low tone").shape)
    local entries = assert(nj.log.read(folder .. "/run/log.jsonl"))
    assert.is_truthy(entries[3].results["text_to_audio.R@10"])
    result = assert(recipe.run(configuration(folder, { epochs = 3 })))
    assert.are.equal(4, result.resumed_from)
    assert.are.equal(6, result.steps)
  end)

  it("takes a model file, and other losses, optimisers and schedules", function()
    assert(recipe.run(configuration(folder)))
    local c = configuration(folder, {
      model = folder .. "/model.safetensors", run = folder .. "/second", epochs = 1,
      loss = { name = "triplet_max", margin = 0.1 }, optimizer = { name = "sgd", lr = 0.01 },
      schedule = { name = "step", every = 1 },
    })
    c.validation = nil
    local result = assert(recipe.run(c))
    assert.are.equal(2, result.steps)
    assert.are.same({}, result.best)
  end)

  it("trains levels and captions, fits their fusion, and calibrates", function()
    local lines = { "file,caption_1,caption_2" }
    for i = 1, 12 do
      local name = ({ "low", "middle", "high" })[(i - 1) % 3 + 1]
      if i ~= 5 then lines[#lines + 1] = ("%s%d.wav,a %s sound,a tone"):format(name, i, name) end
    end
    temporary.write(folder .. "/generated.csv", table.concat(lines, "\n") .. "\n")
    local result = assert(recipe.run(configuration(folder, {
      hci = { segments = { kind = "window", tokens = 2 }, phrases = { kind = "window", tokens = 2 } },
      ac = { interaction = { layers = 1, heads = 2 }, matching = { kind = "mean" } },
      captions = { path = folder .. "/generated.csv", k = 2 },
      loss = { name = "nt_xent", distill = 0.2, hardest = 0.1, denoise = true },
      fusion = { steps = 4 },
    })))
    assert.are.equal(4, result.steps)
    local model = assert(nj.load(folder .. "/model.safetensors"))
    assert.are.same({ "clip", "segment", "frame", "caption" }, model.head:levels())
    assert.is_true(model.head.fusion.fitted)
    local clip = model:audio({ folder .. "/low1.wav" })[1]
    assert.are.equal("similarity", model.calibration.of)
    local p = model:probabilities(model:text("a low tone")[1],
      model:similarity({ "a low tone" }, { clip }).scores[1])
    assert.is_true(p(1) > 0 and p(1) < 1)
    -- Of 12 clips, with the 12 captions.
    assert.are.equal(12 * 12, model.calibration.pairs)
    assert.are.equal("similarity", model.calibration.of)
    local entries = assert(nj.log.read(folder .. "/run/log.jsonl"))
    local steps = {}
    for _, entry in ipairs(entries) do
      if entry.event == "step" then steps[#steps + 1] = entry end
    end
    assert.is_truthy(next(steps) and (steps[1].frame or (steps[1].values or {}).frame))
  end)

  it("begins a second stage with a first one's weights, and leaves what is frozen", function()
    assert(recipe.run(configuration(folder)))
    local first = assert(nj.load(folder .. "/model.safetensors"))
    assert(recipe.run(configuration(folder, {
      start = folder .. "/model.safetensors", freeze = { "audio.encoder.", "text." },
      hci = { levels = { "clip", "frame" } }, run = folder .. "/second", epochs = 1,
      out = folder .. "/second.safetensors",
    })))
    local second = assert(nj.load(folder .. "/second.safetensors"))
    assert.are.same({ "clip", "frame" }, second.head:levels())
    local before, after = first:state(), second:state()
    local function same(name) return before[name]:bytes() == after[name]:bytes() end
    assert.is_true(same "audio.encoder.conv_block1.conv1.weight")
    assert.is_true(same "text.projection.0.weight")
    assert.is_false(same "audio.projection.0.weight")
    assert.are.same(first.text_tower.vocabulary, second.text_tower.vocabulary)
    assert.error_matches(function() first:freeze "sound." end,
      "model:freeze: no parameter begins with 'sound.'", nil, true)
  end)

  it("leaves the calibration out when told to", function()
    assert(recipe.run(configuration(folder, { calibrate = false })))
    assert.is_nil(assert(nj.load(folder .. "/model.safetensors")).calibration)
  end)

  it("says what is wrong", function()
    local function raises(message, more)
      assert.error_matches(function() recipe.run(configuration(folder, more)) end, message, 1, true)
    end
    raises("train configuration: unknown option 'epoch' (did you mean 'epochs'?)", { epoch = 3 })
    raises("train configuration: loss: option 'name' must be one of",
      { loss = { name = "ntxent" } })
    raises("train configuration: data 1: option 'kind' must be one of 'folder', 'esc50', "
      .. "'audiocaps', 'clotho', got 'clothes'", { data = { kind = "clothes", root = "x" } })
    raises("train configuration: schedule: option 'name' is required", { schedule = {} })
    local result, message, code = recipe.run(configuration(folder,
      { data = { kind = "folder", root = folder .. "/none" } }))
    assert.is_nil(result)
    assert.is_truthy(message:find("/none", 1, true))
    assert.are.equal("ENOTFOUND", code)
    raises("train configuration: 'hci', 'ac' and 'start' go with a model that is made",
      { model = "nightjar-base", hci = {} })
    raises("train configuration: captions 1: option 'path' is required", { captions = { k = 2 } })
    result, message = recipe.run(configuration(folder, { captions = { path = "none.csv" } }))
    assert.is_nil(result)
    assert.is_truthy(message:find("none.csv", 1, true))
    raises("loader: 12 items do not fill a batch of 100", { loader = { batch = 100 } })
  end)
end)
