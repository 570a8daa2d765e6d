local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local function make(hci)
  local d = tiny_model.descriptor()
  d.hci = hci
  return nj.model(d, { rng = nj.rng(1) })
end

local HCI = { segments = { kind = "window", tokens = 4 }, phrases = { kind = "window", tokens = 2 } }

local function noise(seconds) return sound.noise_tensor(seconds * 32000, 1, 0.3) end

describe("S:explain", function()
  it("links every word with its best frame, pieces joined by the best", function()
    local model = make(HCI)
    local S = model:similarity({ "a cat meows, then rain" }, { noise(4) })
    local e = S:explain(1, 1)
    local names = {}
    for i, word in ipairs(e.words) do names[i] = word.text end
    assert.are.same({ "a", "cat", "meows", "then", "rain" }, names)
    assert.are.same({ 5, #e.frames }, e.matrix.shape)
    local texts, clip = model:encode_texts "a cat meows, then rain", model:audio({ noise(4) })[1]
    -- Tokens: [CLS] a cat me ##ow ##s , then rain [SEP]
    local pieces = texts[1].levels.words[1]:matmul(clip.frames:transpose(1, 2))
    near(pieces[{ { 4, 6 } }]:max(1), e.matrix[3], { atol = 1e-6 })
    near(pieces[3], e.matrix[2], { atol = 1e-6 })
    near(pieces[9], e.matrix[5], { atol = 1e-6 })
    for i, link in ipairs(e.links) do
      assert.are.equal(names[i], link.word)
      near(e.matrix[i]:max():item(), link.score, { atol = 1e-6 })
      near(e.matrix(i, link.frame), link.score, { atol = 1e-6 })
      assert.are.same(e.frames[link.frame], { link.from, link.to })
    end
    assert.are.same({ first = 3, last = 5, text = "cat" }, e.words[2])
    near(S.frame(1, 1), e.scores.frame, { atol = 1e-6 })
    near(S.scores(1, 1), e.score, { atol = 1e-6 })
  end)

  it("says what phrases and segments were assembled from", function()
    local model = make(HCI)
    local e = model:similarity({ "a dog barks then rain falls" }, { noise(8) }):explain(1, 1)
    assert.are.equal(2, #e.phrases)
    assert.are.equal(4, #e.segments)
    assert.are.same({ 2, 4 }, e.phrase_matrix.shape)
    for _, phrase in ipairs(e.phrases) do
      local total = 0
      for _, word in ipairs(phrase.words) do total = total + word.share end
      assert.is_true(total > 0.5 and total < 1 + 1e-6)
      assert.is_true(#phrase.text > 0)
    end
    -- Windows: the segments are stretches in order that cover the sound.
    local last = 0
    for _, segment in ipairs(e.segments) do
      assert.are.equal(1, #segment.intervals)
      local interval = segment.intervals[1]
      assert.is_true(interval.from <= last + 1e-9 and interval.to > last)
      last = interval.to
      local total = 0
      for _, share in ipairs(segment.shares) do total = total + share end
      near(1, total, { atol = 1e-5 })
      assert.are.equal(#e.frames, #segment.shares)
    end
    assert.are.equal(8, last)
  end)

  it("works for a model without levels", function()
    local model = make()
    local S = model:similarity({ "a dog barks", "rain" }, { noise(2), noise(3) })
    local e = S:explain("rain", 2)
    assert.is_nil(e.phrases)
    assert.are.same({ 1, #e.frames }, e.matrix.shape)
    assert.are.equal(3, e.frames[#e.frames][2])
    -- A frame alone is a clip of one frame, and a word alone a sentence of one word.
    local clip = model:audio({ noise(3) })[1]
    local mel = model.audio_tower.front_end(noise(3))
    nj.no_grad(function()
      local frames = model.audio_tower.encoder(mel:unsqueeze(1))
      local one = model.head.nets["audio.projection"](
        model.audio_tower.encoder:pool(frames[{ {}, { 2, 2 } }])):normalize(-1)
      near(one[1], clip.frames[2], { atol = 1e-5 })
    end)
  end)

  it("prints a map with seconds along its axis", function()
    local S = make(HCI):similarity({ "a dog barks" }, { noise(4) })
    local text = tostring(S:explain(1, 1))
    local lines = {}
    for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.matches('^"a dog barks" in clip 1: %-?%d%.%d+ %(clip .*, segment .*, frame .*%)$', lines[1])
    assert.matches("^ +0%.0 .* s$", lines[2])
    assert.matches("^dog +|", lines[4])
    assert.matches("| %d%.%d%d–%d%.%d%d s +%-?%d%.%d%d%d$", lines[4])
    assert.matches("  phrase 1  ", lines[6], 1, true)
    assert.matches("no words", tostring(make(HCI):similarity({ "" }, { noise(1) }):explain(1, 1)))
  end)

  it("saves its maps", function()
    local folder = temporary.folder()
    local e = make(HCI):similarity({ "a dog barks" }, { noise(4) }):explain(1, 1)
    assert(e:save(folder .. "/e.csv"))
    local rows = assert(nj.data.csv.read(folder .. "/e.csv"))
    assert.are.equal(3, #rows)
    assert.are.equal("dog", rows[2][""])
    near(e.matrix(2, 1), tonumber(rows[2]["0.00–0.16 s"]), { atol = 1e-6 })
    assert(e:save(folder .. "/e.svg", { level = "segment" }))
    local svg = assert(io.open(folder .. "/e.svg")):read "a"
    assert.matches("^<svg", svg)
    assert.has_error(function() e:save "e.png" end,
      "explanation:save: save to a path that ends in .csv or .svg")
    local plain = make():similarity({ "rain" }, { noise(1) }):explain(1, 1)
    assert.has_error(function() plain:save("e.svg", { level = "segment" }) end,
      "explanation:save: this model has no segment level")
    local ok, message, code = e:save "/no/such/folder/e.csv"
    assert.is_nil(ok)
    assert.matches("/no/such/folder", message)
    assert.are.equal("EIO", code)
    temporary.remove(folder)
  end)
end)
