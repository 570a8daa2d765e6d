local nj = require "nightjar"
local tagged = require "spec.support.tagged"

-- The similarity by its definition, in plain numbers.
local function by_hand(model, text, tags)
  local head, o = model.head, model.head.o.ac.matching
  local net = head.nets["text.projection"]
  local function unit(x) return net(x:unsqueeze(1)):normalize(-1)[1] end
  local function encode(t)
    local ids, mask = model.text_tower:tokenize { t }
    return model.text_tower.encoder(ids, mask)
  end
  local words, _, weights = encode(text)
  local total, sum = 0, 0
  for w = 1, words.shape[2] do
    local word, logits = unit(words[1][w]), {}
    for c, name in ipairs(tagged.names) do
      local parts, sentence = encode(name)
      local best = -math.huge
      for k = 1, parts.shape[2] do best = math.max(best, (word * unit(parts[1][k])):sum():item()) end
      logits[c] = 0.5 * ((word * unit(sentence[1])):sum():item() + best) / o.temperature
    end
    local meaning = nj.tensor(logits):softmax(1)
    local weight = weights(1, w) ^ o.emphasis
    local log = math.log(o.floor + (meaning * tags):sum():item())
    local low, high = math.log(o.floor), math.log(1 + o.floor)
    total, sum = total + weight * (log - low) / (high - low), sum + weight
  end
  return total / sum
end

describe("matching with tags", function()
  local model = tagged.model()
  local clips = model:audio { tagged.noise(1), tagged.noise(2, 3) }

  it("is what its definition says, and a level beside the others", function()
    local texts = { "a dog barks", "rain falling", "loud" }
    local S = model:similarity(texts, clips)
    for q, text in ipairs(texts) do
      for n, clip in ipairs(clips) do
        local want = by_hand(model, text, clip.levels.caption[1])
        assert.is_true(math.abs(want - S.caption(q, n)) < 1e-5)
        assert.is_true(want >= 0 and want <= 1)
      end
    end
    local mean = (S.clip + S.frame) / 2
    assert.is_true((mean * 0.4 + S.caption * 0.6):allclose(S.scores, { atol = 1e-5 }))
  end)

  it("gives a text without a known word 0 for every sound", function()
    local S = model:similarity({ "собака", "plmove" }, clips)
    assert.equal(0, S.caption:abs():max():item())
    assert.equal(0, S.clip:abs():max():item())
  end)

  it("does not depend on what other texts are asked", function()
    local texts = {}
    for i = 1, 70 do texts[i] = i % 2 == 0 and "a dog barks at the door" or "rain" end
    local many = model:similarity(texts, clips)
    local one = model:similarity({ "a dog barks at the door" }, clips)
    assert.is_true(many.scores[70]:allclose(one.scores[1], { atol = 1e-6 }))
  end)

  it("counts less for texts that the levels learnt with sounds", function()
    local before = model:similarity({ "rain", "a loud cat" }, clips).caption
    model.head:set_known(model:text { "rain" })
    local after = model:similarity({ "rain", "a loud cat" }, clips).caption
    model.head:set_known(nil)
    assert.is_true((before[1] * 0.05):allclose(after[1], { atol = 1e-5 }))
    assert.is_true(after[2]:max():item() <= before[2]:max():item())
  end)

  it("is refused without its parts", function()
    assert.error_matches(function() model.head:audio { clip = nj.zeros(1, model.audio_tower.width),
      frames = nj.zeros(1, 2, model.audio_tower.frame_width) } end, "option 'tags' is required")
    assert.error_matches(function() tagged.model { audio = { encoder = { kind = "mobilenet", width = 0.1,
      classes = 0 }, clip = "tags", tags = { names = {} } } } end, "the encoder has no classifier")
    assert.error_matches(function() tagged.model { audio = { encoder = { kind = "mobilenet", width = 0.1,
      classes = 2 }, clip = "tags", tags = { names = { "a" } } } } end, "1 names for 2 classes")
  end)
end)

describe("a model with tags", function()
  it("is its file again, bit for bit, known texts and calibration too", function()
    local path = os.tmpname()
    finally(function() os.remove(path) end)
    local model = tagged.calibrate(tagged.model())
    model.head:set_known(model:text { "rain" })
    assert(model:save(path))
    local again = assert(nj.load(path))
    local sounds, texts = { tagged.noise(4) }, { "rain falls", "a dog" }
    local a, b = model:similarity(texts, sounds), again:similarity(texts, sounds)
    assert.equal(a.scores:bytes(), b.scores:bytes())
    local t, u = model:encode_texts(texts), again:encode_texts(texts)
    assert.equal(model:probabilities(t[1], a.scores[1]):bytes(), again:probabilities(u[1], b.scores[1]):bytes())
  end)

  it("finds sounds of a library as it compares them", function()
    local folder = os.tmpname()
    os.remove(folder)
    local fs = require "nightjar.fs"
    assert(fs.make_folders(folder))
    local model = tagged.calibrate(tagged.model())
    local files = {}
    for i, seconds in ipairs { 0.3, 1, 5 } do
      files[i] = fs.join(folder, ("s%d.wav"):format(i))
      assert(nj.audio.write(files[i], tagged.noise(i, seconds), 32000))
    end
    assert(model:save(folder .. "/m.safetensors"))
    model = assert(nj.load(folder .. "/m.safetensors"))
    local lib <close> = assert(nj.library.open(fs.join(folder, "l.njl"), { model = model }))
    assert(lib:add(folder))
    local hits = assert(lib:search("a dog barks", { k = 3 }))
    local S = model:similarity({ "a dog barks" }, files)
    assert.equal(3, #hits)
    for _, hit in ipairs(hits) do
      local n = tonumber(hit.path:match "s(%d)%.wav")
      assert.is_true(math.abs(hit.similarity - S.scores(1, n)) < 0.02) -- levels are kept in eight bits
      assert.is_true(hit.score >= 0 and hit.score <= 1)
      assert.is_true(hit.from >= 0 and hit.to <= hit.seconds + 1e-6)
    end
    for _, hit in ipairs(assert(lib:like(files[2], { k = 3 }))) do
      if hit.path:find "s2.wav" then assert.is_true(math.abs(1 - hit.cosine) < 1e-4) end
      assert.is_true(hit.cosine <= 1 + 1e-5)
    end
    local by_rows = model:similarity({ "a dog barks" }, assert(lib:clips()))
    assert.is_true(by_rows.caption ~= nil)
    os.execute("rm -r '" .. folder .. "'")
  end)
end)
