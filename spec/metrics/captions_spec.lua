local captions = require("nightjar").metrics.captions

local function close(want, got) assert.is_true(math.abs(want - got) < 1e-9, want .. " " .. got) end

describe("nj.metrics.captions", function()
  it("counts words and pairs of words against the best reference", function()
    local r = captions({ "a dog barks", "rain" },
      { { "a cat", "a dog barks loudly" }, { "wind", "snow falls" } })
    close((100 * 2 * 3 / 7 + 0) / 2, r.word_f1)
    close((100 * 2 * 2 / 5 + 0) / 2, r.bigram_f1)
    assert.same({ 2, 0, 2.0, 2 }, { r.n, r.exact, r.words, r.distinct })
  end)

  it("counts a word no more often than the reference has it", function()
    local r = captions({ "dog dog dog" }, { { "a dog" } })
    close(100 * 2 * 1 / 5, r.word_f1)
  end)

  it("takes no notice of case and punctuation", function()
    local r = captions({ "A dog barks, then a cat's bell rings." },
      { { "a dog barks then a cat's bell rings" } })
    assert.same({ 100.0, 100.0, 100.0 }, { r.word_f1, r.bigram_f1, r.exact })
    assert.equal("1 captions: word F1 100.0, bigram F1 100.0, word for word a reference 100.0 %; "
      .. "8.0 words, 1 different captions", tostring(r))
  end)

  it("takes empty captions, and none", function()
    local r = captions({ "" }, { { "a dog" } })
    assert.same({ 0.0, 0.0, 0.0 }, { r.word_f1, r.bigram_f1, r.words })
    assert.is_true(captions({}, {}).word_f1 ~= captions({}, {}).word_f1)
  end)

  it("says what does not fit", function()
    local function fails(text, ...)
      local ok, message = pcall(captions, ...)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
    fails("metrics.captions: 1 captions, references of 2 clips", { "a" }, { { "a" }, { "b" } })
    fails("metrics.captions: clip 1 needs a caption and a list of references", { "a" }, { "a" })
    fails("metrics.captions: clip 1 needs a caption and a list of references", { "a" }, { {} })
    fails("metrics.captions: argument 1 (captions) must be a table", "a", {})
  end)
end)
