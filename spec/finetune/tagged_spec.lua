-- Fine-tuning a model of whole words that matches queries with tags: new words, what stays, what is kept.
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local nj = require "nightjar"
local tagged = require "spec.support.tagged"
local temporary = require "spec.support.temporary"

local KINDS = { { "zlorp zlorp door", 3000 }, { "a rain", 0 }, { "Квак dog", 400 }, { "wood2 zlorp", 900 } }

describe("nj.finetune of a model with tags", function()
  local folder, sets
  setup(function()
    folder, sets = temporary.folder(), {}
    for name, count in pairs { train = 16, validation = 8 } do
      local clips = {}
      for i = 1, count do
        local kind = KINDS[i % 4 + 1]
        local wave = tagged.noise(i + #name * 50, 0.6) * (kind[2] == 0 and 2 or 0.05)
        if kind[2] > 0 then
          local t = nj.arange(1, wave.shape[1], { dtype = "float32" })
          wave = wave + (t * (2 * math.pi * kind[2] / 32000)):sin() * 0.3
        end
        local path = fs.join(folder, name .. i .. ".wav")
        assert(nj.audio.write(path, wave, 32000))
        clips[i] = { id = name .. i, path = path, captions = { kind[1] }, label = kind[1] }
      end
      sets[name] = dataset.new { name = "tones", split = name, clips = clips }
    end
  end)
  teardown(function() temporary.remove(folder) end)

  local runs = 0
  local function tune(more)
    runs = runs + 1
    local o = { train = sets.train, validation = sets.validation, progress = false, bootstrap = 0,
      features = folder .. "/features", run = folder .. "/run" .. runs, epochs = 12, batch = 8, lr = 2e-2,
      keep = 0.05 }
    for key, value in pairs(more) do o[key] = value end
    return assert(nj.finetune(o))
  end

  it("gives it new words before those that it has, which keep their bits, and learns", function()
    local model = tagged.calibrate(tagged.model())
    model.head.fusion.fitted = true
    model.head:set_known(model:text { "rain" })
    local before, calibration = model.text_tower.encoder:state(), model.calibration
    local out = folder .. "/tuned.safetensors"
    local result = tune { model = model, out = out }
    assert.same({ "zlorp", "квак" }, result.words)
    assert.same({ "zlorp", "квак", "dog" }, table.move(model.text_tower.vocabulary, 1, 3, 1, {}))
    local after = model.text_tower.encoder:state()
    for name, tensor in pairs(before) do
      assert.equal(nj.digest(tensor), nj.digest(after[name][{ { 3, #tagged.words + 2 } }]:contiguous()))
    end
    assert.is_true(result.after.validation.score > result.before.validation.score)
    assert.same({}, model:unknown_words "a ZLORP3 and квак")
    -- The names are known now; fusion and calibration were fitted on open queries and stay.
    assert.equal(1 + #KINDS, model.head.known.shape[1])
    assert.equal(calibration, model.calibration)
    assert.equal(0.4, model.head:alpha())
    local saved = assert(nj.load(out))
    local path = sets.validation.clips[1].path
    local texts = { "zlorp", "квак dog", "rain" }
    assert.near(0, (model:similarity(texts, { path }).scores - saved:similarity(texts, { path }).scores)
      :abs():max():item(), 1e-6)
  end)

  it("hears tags in features as in sounds, computed or read", function()
    local model = tagged.model()
    local store = assert(nj.features(folder .. "/other", { model = model }))
    local path = sets.train.clips[1].path
    local S = model:similarity({ "rain", "dog" }, { path })
    for _ = 1, 2 do
      local set = store:all { sets.train.clips[1] }
      local own = model:similarity({ "rain", "dog" }, { set:encode(model, 1) })
      for _, level in ipairs { "clip", "frame", "caption" } do
        assert.near(0, (own[level] - S[level]):abs():max():item(), 2e-3)
      end
      assert.same({ 1, #tagged.names }, set:take({ 1 }).tags.shape)
    end
  end)

  it("fits a calibration where the model has none", function()
    local model = tagged.model()
    local result = tune { model = model, epochs = 2 }
    assert.equal("similarity", model.calibration.of)
    assert.same({ 16, 8 + #tagged.names }, model.calibration.bank.shape)
    local p = model:similarity({ "rain" }, { sets.train.clips[1].path })
    assert.is_true(model:probabilities(p.source.encoded[1], p.scores[1])(1) <= 1)
    assert.is_table(result.kept)
  end)

  it("trains no word when it is not to", function()
    local model = tagged.model()
    local before = nj.digest(model.text_tower.encoder:state().vectors)
    local result = tune { model = model, extend = false, epochs = 2 }
    assert.same({}, result.words)
    assert.equal(before, nj.digest(model.text_tower.encoder:state().vectors))
    local all = tagged.model()
    tune { model = all, extend = false, unfreeze = true, keep = 0, epochs = 4, patience = 4 }
    assert.same(#tagged.words, all.text_tower.encoder:state().vectors.shape[1])
  end)
end)
