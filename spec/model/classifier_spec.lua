local nj = require "nightjar"
local near = require "spec.support.near"
local temporary = require "spec.support.temporary"
local sound = require "spec.support.sound"
local tiny_model = require "spec.support.tiny_model"

local HCI = { segments = { kind = "window", tokens = 2 }, phrases = { kind = "window", tokens = 2 } }

local function make(more)
  local d = tiny_model.descriptor()
  for key, value in pairs(more or {}) do d[key] = value end
  return nj.model(d, { rng = nj.rng(1) })
end

local function wave(seed, seconds) return sound.noise_tensor(32000 * (seconds or 1), seed, 0.3) end

local LABELS = { "dog", "rain", "church_bells" }

describe("zero-shot classification", function()
  it("fills templates, default ones too, and takes prompts of one's own", function()
    local model = tiny_model.new()
    local c = model:classifier({ "dog", "church_bells" }, { templates = { "the {}", "{} and {}" } })
    assert.are.same({ "dog", "church_bells" }, c.labels)
    assert.are.same({ { "the dog", "dog and dog" },
      { "the church bells", "church bells and church bells" } }, c.prompts)
    assert.are.same({ { "a 100% {%1} b" } },
      model:classifier({ "{%1}" }, { templates = "a 100% {} b" }).prompts)
    local plain = model:classifier { "rain" }
    assert.are.equal("rain", plain.prompts[1][1])
    assert.is_true(#plain.prompts[1] > 1)
    local own = model:classifier({ "wind", rain = { "it rain", "rain fall" }, cat = "meow" },
      { templates = function(label) return { label .. " loud", "a " .. label } end })
    assert.are.same({ "wind", "cat", "rain" }, own.labels)
    assert.are.same({ { "wind loud", "a wind" }, { "meow" }, { "it rain", "rain fall" } }, own.prompts)
    assert.are.equal(3, #own)
    assert.are.same({ 3, 12 }, own.vectors.shape)
    near(nj.ones(3), own.vectors:square():sum(2), { atol = 1e-5 })
  end)

  it("is a softmax over what model:similarity says, at the temperature", function()
    for _, hci in ipairs { false, HCI } do
      local model = make { hci = hci or nil }
      local clips = { wave(1), wave(2, 2) }
      local S = model:similarity({ "a dog", "a rain", "a church bells" }, clips)
      for _, ensemble in ipairs { "vectors", "scores" } do
        local got = model:classify(clips, LABELS,
          { templates = "a {}", temperature = 0.2, ensemble = ensemble })
        assert.are.equal(2, #got)
        for i, p in ipairs(got) do
          local want = (S.scores / 0.2):softmax(1)
          assert.are.equal(3, #p)
          local sum = 0
          for k, item in ipairs(p) do
            local row = S:row("a " .. item.label:gsub("_", " "))
            near(want(row, i), item.probability, { atol = 1e-5 })
            near(S.scores(row, i), item.score, { atol = 1e-5 })
            for name, level in pairs(S:levels()) do
              near(level(row, i), item.levels[name], { atol = 1e-5 })
            end
            assert.is_true(k == 1 or p[k - 1].probability >= item.probability)
            sum = sum + item.probability
          end
          near(1, sum, { atol = 1e-5 })
          assert.are.equal(p[1].label, p.label)
          assert.are.equal(p[1].probability, p.probability)
        end
        near(2, got[2].seconds, { atol = 1e-6 })
      end
    end
  end)

  it("takes prompts together by vectors, or by scores", function()
    local templates = { "{}", "the {} ring", "loud {} and {}" }
    for _, hci in ipairs { false, HCI } do
      local model = make { hci = hci or nil }
      local clips = model:audio { wave(3), wave(4) }
      -- As many prompts for each label, and not as many.
      for _, labels in ipairs { LABELS, { "dog", "rain", church_bells = { "bell", "bell ring" } } } do
        local texts, span = {}, {}
        local c = model:classifier(labels, { templates = templates })
        for i, prompts in ipairs(c.prompts) do
          span[i] = { #texts + 1, #texts + #prompts }
          for _, p in ipairs(prompts) do texts[#texts + 1] = p end
        end
        local S = model:similarity(texts, clips)
        local by_scores = model:classifier(labels, { templates = templates, ensemble = "scores" })
          :similarity(clips)
        local by_vectors = c:similarity(clips)
        local vectors = model:text(texts)
        for i = 1, 3 do
          near(S.scores[{ span[i] }]:mean(1), by_scores[i], { atol = 1e-5 })
          local mean = vectors[{ span[i] }]:mean(1):normalize(-1)
          near(mean, c.vectors[i], { atol = 1e-6 })
          for n, clip in ipairs(clips) do
            near(mean:matmul(clip.vector):item(), by_vectors.clip(i, n), { atol = 1e-6 })
          end
          if hci then
            near(S.frame[{ span[i] }]:mean(1), by_vectors.frame[i], { atol = 1e-5 })
            near((by_vectors.clip[i] + by_vectors.segment[i] + by_vectors.frame[i]) / 3, by_vectors[i],
              { atol = 1e-5 })
          end
        end
        assert.are.same(c.labels, by_vectors.texts)
        assert.matches("3 labels × 2 clips", tostring(by_vectors))
      end
    end
  end)

  it("says the same of a sound alone, among others, encoded before, and from a file", function()
    local folder = temporary.folder()
    local model = make { hci = HCI }
    local c = model:classifier(LABELS)
    local waves = { wave(5), wave(6, 3), wave(7) }
    local together = c:classify(waves)
    for i, w in ipairs(waves) do
      local alone = c:classify(w)
      assert.are.equal(1, #alone)
      assert.are.same(together[i]:plain(), alone[1]:plain())
      assert.are.same(alone[1]:plain(), c:classify(model:audio { w })[1]:plain())
      assert.are.same(alone[1]:plain(), c:classify(model:audio({ w })[1])[1]:plain())
      near(c:similarity({ w }).scores:reshape(-1):max():item(), alone[1][1].score, { atol = 0 })
    end
    local path = folder .. "/x.wav"
    assert(nj.audio.write(path, waves[1], 32000))
    local seen = {}
    local p = c:classify({ path, folder .. "/none.wav", path }, { top = 2,
      progress = function(done, total) seen[#seen + 1] = done .. "/" .. total end })
    assert.are.same({ "1/3", "2/3", "3/3" }, seen)
    assert.are.equal(path, p[1].path)
    assert.are.equal(2, #p[1])
    assert.are.equal(3, p[1].labels)
    assert.are.equal("ENOTFOUND", p[2].code)
    assert.matches("none.wav", p[2].error, 1, true)
    assert.are.same({ file = p[2].path, error = p[2].error, code = "ENOTFOUND" }, p[2]:plain())
    assert.are.same(p[1]:plain(), p[3]:plain())
    temporary.remove(folder)
  end)

  it("judges labels by themselves: by a bias, or by the calibration", function()
    local model = tiny_model.new()
    local clips = model:audio { wave(8), wave(9) }
    local c = model:classifier(LABELS, { multi_label = true, bias = 0.1, temperature = 0.5 })
    local S = c:similarity(clips)
    local got = c:classify(clips)
    for i, p in ipairs(got) do
      for _, item in ipairs(p) do
        near(1 / (1 + math.exp(-(S.scores(S:row(item.label), i) - 0.1) / 0.5)), item.probability,
          { atol = 1e-5 })
      end
    end
    assert.has_error(function() model:classifier(LABELS, { multi_label = true }) end,
      "model:classifier: multi_label asks for a calibrated model, or for 'bias', the similarity at "
      .. "which a label is as likely as not")
    local calibration = require "nightjar.model.calibration"
    for _, by_similarity in ipairs { false, true } do
      local cases = make { hci = by_similarity and HCI or nil }
      local some = cases:audio { wave(8), wave(9), wave(10) }
      local vectors = nj.stack({ some[1].vector, some[2].vector, some[3].vector }, 1)
      local texts = { "dog", "rain" }
      cases.calibration = calibration.fit(vectors, cases:text(texts), vectors,
        { { true, false, false }, { false, true, false } },
        by_similarity and cases:similarity(texts, some).scores or nil)
      local judge = cases:classifier(LABELS, { multi_label = true, templates = "{}" })
      local scores = judge:similarity(some)
      for i, p in ipairs(judge:classify(some)) do
        for _, item in ipairs(p) do
          local row = scores:row(item.label)
          local want = cases:probabilities(judge.vectors[row],
            (by_similarity and scores.scores or scores.clip)[row])
          near(want(i), item.probability, { atol = 1e-5 })
        end
      end
    end
  end)

  it("weighs levels as asked, and takes the temperature that the losses learnt", function()
    local model = make { hci = HCI, temperature = 0.05 }
    local clips = model:audio { wave(1), wave(2) }
    local c = model:classifier(LABELS, { weights = { frame = 1 } })
    near(c:similarity(clips).frame, c:similarity(clips).scores, { atol = 1e-6 })
    near(model.head:temperature "frame", c.temperature, { rtol = 1e-6 })
    local learnt = model.head.scalar["log_temperature.segment"]
    nj.no_grad(function() learnt:copy_(nj.tensor { math.log(0.4) }:reshape(learnt.shape)) end)
    local t = (model.head:temperature "clip" + 0.4 + model.head:temperature "frame") / 3
    near(t, model:classifier(LABELS).temperature, { rtol = 1e-5 })
    near(0.5 * model.head:temperature "frame" + 0.5 * 0.4,
      model:classifier(LABELS, { weights = { frame = 2, segment = 2 } }).temperature, { rtol = 1e-5 })
    -- On the scales of the fusion.
    model:fit_fusion(model:similarity({ "a dog", "rain" }, clips), nil, { normalize = "temperature" })
    near(1, model:classifier(LABELS).temperature, { atol = 1e-9 })
    model:fit_fusion(model:similarity({ "a dog", "rain" }, clips), nil, { normalize = "z" })
    local f, want, total = model.head.fusion, 0, 0
    for _, level in ipairs { "clip", "segment", "frame" } do
      want = want + f.weights[level] * model.head:temperature(level) / f.statistics[level].deviation
      total = total + f.weights[level]
    end
    near(want / total, model:classifier(LABELS).temperature, { rtol = 1e-6 })
  end)

  it("finds the temperature at which known labels are most probable", function()
    local model = tiny_model.new()
    local clips, labels = {}, {}
    for i = 1, 6 do
      clips[i] = model:audio({ wave(20 + i) })[1]
      labels[i] = LABELS[(i - 1) % 3 + 1]
    end
    local c = model:classifier(LABELS)
    local columns = c:similarity(clips).scores
    local function nll(temperature)
      local log_p, sum = (columns / temperature):log_softmax(1), 0
      for i = 1, 6 do sum = sum - log_p((i - 1) % 3 + 1, i) end
      return sum / 6
    end
    local r = c:fit(clips, labels)
    assert.are.equal(r.temperature, c.temperature)
    near(nll(r.before), r.nll_before, { rtol = 1e-4 })
    near(nll(r.temperature), r.nll, { rtol = 1e-4 })
    for _, factor in ipairs { 0.01, 0.5, 0.9, 1.1, 2, 100 } do
      local other = r.before * factor
      if other >= r.before / 100 and other <= r.before * 100 then
        assert.is_true(r.nll <= nll(other) + 1e-5, factor)
      end
    end
  end)

  it("begins with the temperature that the model keeps, in its file too", function()
    local folder = temporary.folder()
    local model = make { hci = HCI, classification = { temperature = 0.3 } }
    assert.are.equal(0.3, model:classifier(LABELS).temperature)
    assert.are.equal(0.2, model:classifier(LABELS, { temperature = 0.2 }).temperature)
    near(model.head:temperature "clip", model:classifier(LABELS, { weights = { clip = 1 } }).temperature,
      { rtol = 1e-6 })
    model.classification = { temperature = 0.125 }
    assert(model:save(folder .. "/m.safetensors"))
    local again = assert(nj.load(folder .. "/m.safetensors"))
    assert.are.equal(0.125, again:classifier(LABELS).temperature)
    assert.has_error(function() make { classification = { temperature = 0 } } end,
      "model: option 'classification': option 'temperature' must be a number above 0, got 0")
    temporary.remove(folder)
  end)

  it("uses captions of sounds where the model does", function()
    local model = make { hci = HCI, ac = { matching = { kind = "best" } } }
    local c = model:classifier(LABELS)
    local w = wave(30)
    local with = c:classify({ w, w }, { captions = { { "a dog bark" }, {} } })
    assert.is_number(with[1][1].levels.caption)
    assert.is_nil(with[2][1].levels.caption)
    assert.are.same(c:classify(w)[1]:plain(), with[2]:plain())
    assert.are_not.same(with[1]:plain(), with[2]:plain())
    assert.has_error(function() c:classify({ w }, { captions = {} }) end,
      "classifier:classify: captions of 0 sounds for 1")
  end)

  it("prints", function()
    local model = tiny_model.new()
    local c = model:classifier(LABELS, { templates = { "{}", "a {}" } })
    assert.are.equal(table.concat({ "   1  dog           dog (and 1 more)",
      "   2  rain          rain (and 1 more)", "   3  church_bells  church bells (and 1 more)",
      "[3 labels, 6 prompts, mean of vectors; one of them, temperature 0.07]" }, "\n"), tostring(c))
    local many = {}
    for i = 1, 30 do many[i] = "label " .. i end
    assert.matches("[30 labels, 20 shown, 30 prompts, mean of scores; each by itself]",
      tostring(model:classifier(many, { templates = "{}", ensemble = "scores", multi_label = true,
        bias = 0 })), 1, true)
    local p = c:classify { wave(1), "/no/such.wav" }
    local lines = {}
    for line in tostring(p):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.are.equal("sound (1.0 s)", lines[1])
    assert.are.equal(("  %5.1f %%  %s"):format(100 * p[1].probability, p[1].label), lines[2])
    assert.matches("^/no/such.wav: ", lines[5])
    assert.are.equal(tostring(p[1]), table.concat(lines, "\n", 1, 4))
    local short = c:classify(wave(1), { top = 1 })[1]
    assert.matches("  [1 of 3 labels]", tostring(short), 1, true)
    assert.are.equal("[no predictions]", tostring(c:classify {}))
    assert.are.same({ "theremin" }, model:classifier({ "theremin", "dog" },
      { templates = { "{}", "a {}" } }):unknown_words())
  end)

  it("leaves the model training when it was, and records no gradients", function()
    local model = tiny_model.new():train()
    local a = model:classify(wave(1), LABELS)
    assert.are.same(a[1]:plain(), model:eval():classify(wave(1), LABELS)[1]:plain())
    local c = model:classifier(LABELS)
    assert.is_false(c.vectors.requires_grad)
    assert.is_false(c:similarity({ wave(1) }).scores.requires_grad)
  end)

  it("says what is wrong", function()
    local model = tiny_model.new()
    for message, call in pairs {
      ["model:classifier: there are no labels"] = function() model:classifier {} end,
      ["model:classifier: the label 'dog' comes twice"] = function() model:classifier { "dog", "dog" } end,
      ["model:classifier: label 2 must be a string, got number"] =
        function() model:classifier { "dog", 3 } end,
      ["model:classifier: a label is empty"] = function() model:classifier { "dog", " " } end,
      ["model:classifier: prompts of 'dog' must be a text or a list of texts, got an empty table"] =
        function() model:classifier { dog = {} } end,
      ["model:classifier: prompts of 'dog': item 2 must be a string, got boolean"] =
        function() model:classifier { dog = { "dog", false } } end,
      ["model:classifier: the template 'a sound' has no {} for the label"] =
        function() model:classifier({ "dog" }, { templates = { "{}", "a sound" } }) end,
      ["model:classifier: what templates gave for 'dog' must be a text or a list of texts, got nil"] =
        function() model:classifier({ "dog" }, { templates = function() end }) end,
      ["model:classifier: unknown option 'template' (did you mean 'templates'?)"] =
        function() model:classifier({ "dog" }, { template = "{}" }) end,
      ["model:classifier: option 'ensemble' must be one of 'vectors', 'scores', got 'score' (did you mean "
        .. "'scores'?)"] = function() model:classifier({ "dog" }, { ensemble = "score" }) end,
      ["model:classifier: option 'temperature' must be a number above 0, got 0"] =
        function() model:classifier({ "dog" }, { temperature = 0 }) end,
      ["model:classifier: 'bias' goes with multi_label; labels that exclude each other have none"] =
        function() model:classifier({ "dog" }, { bias = 0 }) end,
      ["model:classifier: labels are a list, or prompts by label; got key 5"] =
        function() model:classifier { "dog", [5] = "cat" } end,
      ["model:classifier: argument 1 (labels) must be a table, got 'dog'"] =
        function() model:classifier "dog" end,
      ["model:classify: argument 2 (labels) must be a table, got nothing"] =
        function() model:classify("x.wav") end,
      ["model:classify: argument 1 (sounds) must be anything, got nothing"] =
        function() model:classify(nil, { "dog" }) end,
      ["model:classify: there are no labels"] = function() model:classify({}, {}) end,
      ["model:classify: option 'top' must be an integer of at least 1, got 0"] =
        function() model:classify({}, { "dog" }, { top = 0 }) end,
      ["head:fuse: no level 'frame' among clip"] =
        function() model:classify(wave(1), { "dog" }, { weights = { frame = 1 } }) end,
      ["classifier:fit: 1 labels for 0 sounds"] =
        function() model:classifier({ "dog" }):fit({}, { "dog" }) end,
      ["classifier:fit: label 1, 'cat', is none of the classifier's"] =
        function() model:classifier({ "dog" }):fit({ wave(1) }, { "cat" }) end,
    } do
      local ok, got = pcall(call)
      assert.is_false(ok, message)
      assert.are.equal(message, (tostring(got):gsub("^[^:]*classifier_spec.lua:%d+: ", "")
        :gsub("^[^:]*%.lua:%d+: ", "")))
    end
    for _, call in ipairs { "similarity", "fit" } do
      local classifier = model:classifier { "dog" }
      local none, message, code = classifier[call](classifier, { "/no/such.wav" }, { "dog" })
      assert.is_nil(none)
      assert.matches("/no/such.wav", message, 1, true)
      assert.equal("ENOTFOUND", code)
    end
  end)
end)
