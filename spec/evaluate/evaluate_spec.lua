local nj = require "nightjar"
local dataset = require "nightjar.data.dataset"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE = 32000

local function make(more)
  local d = tiny_model.descriptor()
  for key, value in pairs(more or {}) do d[key] = value end
  return nj.model(d, { rng = nj.rng(1) })
end

local HCI = { segments = { kind = "window", tokens = 2 }, phrases = { kind = "window", tokens = 2 } }

describe("nj.evaluate", function()
  local folder, set
  setup(function()
    folder = temporary.folder()
    local clips = {}
    for i, label in ipairs { "dog", "rain", "cat", "wind" } do
      for k = 1, 2 do
        local id = label .. k
        local path = ("%s/%s.wav"):format(folder, id)
        -- A burst in silence, so that scenes know where it sounds.
        local wave = nj.zeros(3 * RATE)
        local from = math.floor((0.3 + 0.2 * k) * RATE)
        local length = label == "rain" and 2 * RATE or RATE // 2
        wave[{ { from, from + length - 1 } }] = sound.noise_tensor(length, 10 * i + k, 0.5)
        assert(nj.audio.write(path, wave, RATE))
        clips[#clips + 1] = { id = id, path = path, label = label,
          captions = { "a " .. label, label .. " loud" } }
      end
    end
    clips[#clips + 1] = { id = "gone", path = folder .. "/gone.wav", label = "dog",
      captions = { "a dog" } }
    set = dataset.new { name = "Tiny", split = "test", clips = clips }
  end)
  teardown(function() temporary.remove(folder) end)

  it("measures the fused scores, and says which clips it could not read", function()
    local model = make { hci = HCI }
    local result, failed = nj.evaluate.run(model, set, { bootstrap = 0 })
    assert.are.equal(1, #failed)
    assert.are.equal("gone", failed[1].id)
    local S, clip_of = nj.evaluate.similarity(model, set)
    assert.are.same({ 16, 8 }, S.scores.shape)
    assert.are.same({ 1, 1, 2, 2 }, table.move(clip_of, 1, 4, 1, {}))
    local want = nj.metrics.retrieval(S.scores, { clip_of = clip_of, bootstrap = 0 })
    assert.are.same(want:plain(), result:plain())
  end)

  it("measures every level", function()
    local model = make { hci = HCI, ac = { matching = { kind = "best" } } }
    local results = nj.evaluate.levels(model, set, { bootstrap = 0,
      generated = function(clip) return clip.label == "dog" and { "a dog barks" } or {} end })
    local names = {}
    for name in pairs(results) do names[#names + 1] = name end
    table.sort(names)
    assert.are.same({ "caption", "clip", "frame", "fused", "segment" }, names)
    for _, result in pairs(results) do
      assert.is_true(result.text_to_audio["R@10"] == 100)
    end
  end)

  it("is for the plain model what vectors alone give", function()
    local model = make()
    local vectors, kept = nj.evaluate.clips(model, set.clips)
    local texts, clip_of = {}, {}
    for i, clip in ipairs(kept) do
      for _, caption in ipairs(clip.captions) do
        texts[#texts + 1], clip_of[#clip_of + 1] = caption, i
      end
    end
    local want = nj.metrics.retrieval(model:text(texts):matmul(vectors:transpose(1, 2)),
      { clip_of = clip_of, bootstrap = 0 })
    assert.are.same(want:plain(), nj.evaluate.run(model, set, { bootstrap = 0 }):plain())
  end)

  it("says that there is nothing to evaluate", function()
    local empty = dataset.new { name = "Empty", split = "test", clips = {} }
    local result, message, code = nj.evaluate.run(make(), empty)
    assert.is_nil(result)
    assert.are.equal("Empty: nothing to evaluate: 0 clips with sound, no captions", message)
    assert.are.equal("ENOTFOUND", code)
    result, message = nj.evaluate.levels(make(), empty)
    assert.is_nil(result)
    assert.matches("nothing to evaluate", message)
  end)

  it("tells classes by their prompts, with a classifier or without", function()
    local model = make { hci = HCI }
    local prompts = { dog = { "a dog", "dog bark" }, rain = { "rain", "rain fall" }, cat = { "cat" },
      wind = { "wind blow" } }
    local done = {}
    local result, failed = nj.evaluate.classes(model, set.clips, prompts,
      { bootstrap = 20, seed = 3, progress = function(n, total) done[#done + 1] = n .. "/" .. total end })
    assert.are.equal("gone", failed[1].id)
    assert.are.equal("9/9", done[9])
    assert.are.same({ "cat", "dog", "rain", "wind" }, result.names)
    local paths, labels = {}, {}
    for i = 1, 8 do
      paths[i] = set.clips[i].path
      labels[i] = ({ dog = 2, rain = 3, cat = 1, wind = 4 })[set.clips[i].label]
    end
    local S = model:similarity({ "cat", "a dog", "dog bark", "rain", "rain fall", "wind blow" }, paths)
    local rows = { S.scores[1], S.scores[{ { 2, 3 } }]:mean(1), S.scores[{ { 4, 5 } }]:mean(1),
      S.scores[6] }
    local want = nj.metrics.classification(nj.stack(rows, 1),
      { labels = labels, names = result.names, bootstrap = 20, seed = 3 })
    assert.are.same(want:plain(), result:plain())

    local classifier = model:classifier({ "wind", "rain", "dog", "cat", "bell" }, { templates = "a {}" })
    local by_classifier = nj.evaluate.classes(model, set.clips, classifier, { bootstrap = 0 })
    assert.are.equal(5, by_classifier.classes)
    local right = 0
    for i, p in ipairs(classifier:classify(paths)) do
      if p.label == set.clips[i].label then right = right + 1 end
    end
    assert.are.equal(100 * right / 8, by_classifier.accuracy)
    local several = nj.evaluate.classes(model, { { path = paths[1], labels = { "dog", "rain" } },
      { path = paths[5], labels = { "cat" } } }, classifier, { bootstrap = 0 })
    assert.is_nil(several.accuracy)
    assert.is_number(several.mAP)

    assert.has_error(function() nj.evaluate.classes(model, set.clips, { dog = { "dog" } }) end,
      "evaluate.classes: clip 'rain1' has the label 'rain', for which there are no prompts")
    assert.has_error(function() nj.evaluate.classes(model, { { path = "x.wav" } }, classifier) end,
      "evaluate.classes: clip 'x.wav' has no label")
    assert.has_error(function() nj.evaluate.classes(make(), set.clips, classifier) end,
      "evaluate.classes: the classifier is another model's")
  end)

  it("searches with every text once, and all sounds of which it is said are relevant", function()
    local model = make { hci = HCI }
    local clips = {}
    for i, clip in ipairs(set.clips) do
      clips[i] = { id = clip.id, path = clip.path, label = clip.label, set = i <= 4 and "a" or "b",
        captions = { i % 2 == 1 and "A  " .. clip.label or "a " .. clip.label:upper() } }
    end
    table.insert(clips[3].captions, "cat")
    clips[1].captions[2], clips[8].captions = "a dog", {}
    local some = dataset.new { name = "Search", split = "test", clips = clips }
    local result, failed = nj.evaluate.search(model, some, { bootstrap = 20 })
    assert.same({ "gone", 8, 4 + 1, 9 }, { failed[1].id, result.clips, result.texts, result.captions })
    local paths = {}
    for i = 1, 8 do paths[i] = clips[i].path end
    local S = model:similarity({ "A  dog", "A  rain", "cat", "A  cat", "A  wind" }, paths).scores
    local want = nj.metrics.relevance(S, { relevant = { { 1, 2 }, { 3, 4 }, 3, { 5, 6 }, 7 },
      clusters = { 1, 2, 2, 3, 4 }, bootstrap = 20 })
    assert.same(want:plain(), result.text_to_audio:plain())
    assert.same({ 7, 5 }, { result.audio_to_text.queries, result.audio_to_text.gallery })
    assert.same({ "a", "b", 4, 4, 3, 2 }, { result.sets[1].name, result.sets[2].name,
      result.sets[1].clips, result.sets[2].clips, result.sets[1].texts, result.sets[2].texts })
    local alone = some:subset(function(clip) return clip.set == "a" end)
    local one = nj.evaluate.search(model, alone, { bootstrap = 20, sets = false })
    assert.same({}, one.sets)
    assert.same(one.text_to_audio:plain(), result.sets[1].text_to_audio:plain())
    local classes = nj.evaluate.classes(model, clips, model:classifier { "dog", "rain", "cat", "wind" },
      { bootstrap = 0 })
    assert.near(classes.mAP, result.classes.mAP, 1e-9)
    assert.equal(classes.accuracy, result.classes.accuracy)
    assert.matches("each set searched by itself.*classes by their names", tostring(result))
    clips[1].label = nil
    assert.is_nil(nj.evaluate.search(model, some, { bootstrap = 0 }).classes)
    local nothing, message = nj.evaluate.search(model, dataset.new { name = "Empty", split = "x", clips = {} })
    assert.is_nil(nothing)
    assert.matches("Empty: nothing to evaluate", message, 1, true)
  end)

  it("asks whether words point at the seconds of their sounds", function()
    local sounding = set:subset(function(clip) return clip.id ~= "gone" end)
    local scenes = nj.data.scenes(sounding, { seed = 1, sources = { 1, 1 }, duration = 6 })
    for _, hci in ipairs { false, HCI } do
      local model = make { hci = hci or nil }
      local result = assert(nj.evaluate.alignment(model, scenes,
        { size = 6, captions = 2, bootstrap = 50 }))
      assert.is_true(result.phrases >= 6 and result.phrases + result.skipped <= 24)
      assert.is_true(result.pointing >= 0 and result.pointing <= 100)
      assert.is_true(result.chance.pointing > 0 and result.chance.pointing < 100)
      assert.is_true(result.clips <= 6)
      assert.are.same(result:plain(),
        nj.evaluate.alignment(model, scenes, { size = 6, captions = 2, bootstrap = 50 }):plain())
    end
  end)

  it("probes whether a model hears order", function()
    local sounding = set:subset(function(clip) return clip.id ~= "gone" end)
    local scenes = nj.data.scenes(sounding, { seed = 1, sources = { 0, 1 } })
    local model, asked = make(), {}
    local result = assert(nj.evaluate.order(model, scenes, { size = 4, bootstrap = 20 }))
    assert.same({ 4, 50 }, { result.scenes, result.chance.accuracy })
    assert.is_true(result.tried >= 4 and result.ci.accuracy[1] <= result.accuracy)
    assert.matches("4 scenes of two sounds", tostring(result), 1, true)
    -- One that always prefers the first text is always right: the first says what is heard.
    local similarity = model.similarity
    function model:similarity(texts, sounds)
      asked[#asked + 1] = texts
      local S = similarity(self, texts, sounds)
      return { scores = nj.tensor { { 1 }, { 0 } }, S = S }
    end
    result = assert(nj.evaluate.order(model, scenes, { size = 4, bootstrap = 0, progress = false,
      template = "{a} | {b}" }))
    assert.same({ 100, 1, 0 }, { result.accuracy, result.margin, result.ties })
    for i, texts in ipairs(asked) do
      local a, b = texts[1]:match "^(.*) | (.*)$"
      assert.equal(b .. " | " .. a, texts[2])
      assert.not_equal(a, b, i)
    end
    local alone = nj.data.scenes(sounding, { sources = { 1 } })
    local none, message = nj.evaluate.order(model, alone, { size = 1 })
    assert.is_nil(none)
    assert.matches("in none of 50 scenes one sound follows another", message, 1, true)
    assert.error_matches(function() nj.evaluate.order(model, scenes, { template = "{a}" }) end,
      "needs {a}", 1, true)
  end)

  it("points right when frames say where a sound is", function()
    -- A model whose frames are made to agree with every word where there is sound.
    local sounding = set:subset(function(clip) return clip.label == "dog" and clip.id ~= "gone" end)
    local scenes = nj.data.scenes(sounding, { seed = 2, sources = { 1 } })
    local model = make { hci = { levels = { "frame" } } }
    local audio = model.audio
    function model:audio(sounds, options)
      local clips = audio(self, sounds, options)
      for i, clip in ipairs(clips) do
        local rows = {}
        for k, time in ipairs(clip.frame_times) do
          local from = math.floor(time[1] * RATE) + 1
          local to = math.min(sounds[i].shape[1], math.floor(time[2] * RATE))
          local loud = to >= from and sounds[i][{ { from, to } }]:abs():mean():item() or 0
          rows[k] = { loud, math.sqrt(math.max(0, 1 - loud ^ 2)) }
          for j = 3, 12 do rows[k][j] = 0 end
        end
        clip.frames = nj.tensor(rows)
        clip.levels.frames = clip.frames:unsqueeze(1)
      end
      return clips
    end
    local encode = model.encode_texts
    function model:encode_texts(texts)
      local out = encode(self, texts)
      for _, item in ipairs(out.items) do
        local words = nj.zeros_like(item.levels.words)
        words[{ {}, {}, 1 }] = 1
        item.levels.words = words
      end
      return out
    end
    local result = assert(nj.evaluate.alignment(model, scenes, { size = 5, bootstrap = 0 }))
    assert.is_true(result.phrases >= 3)
    assert.are.equal(100, result.pointing)
    assert.is_true(result.AP > 80, result.AP)
  end)
end)
