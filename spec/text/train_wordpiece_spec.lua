local nj = require "nightjar"
local reference = require "spec.support.wordpiece_reference"

-- Lines with shared stems and endings, so that merges compete.
local function corpus(n, seed)
  local rng = nj.rng(seed)
  local stems = { "walk", "talk", "run", "sing", "bark", "rain", "ring", "hum", "rumbl", "chirp" }
  local endings = { "", "s", "ing", "ed", "er", "ers", "ings" }
  local lines = {}
  for i = 1, n do
    local words = {}
    for k = 1, rng:integer(1, 9) do
      words[k] = stems[rng:integer(1, #stems)] .. endings[rng:integer(1, #endings)]
    end
    lines[i] = table.concat(words, rng:integer(1, 5) == 1 and ", " or " ") .. "."
  end
  return lines
end

describe("text.train_wordpiece", function()
  it("finds what counting everything anew after each merge finds", function()
    local specials = { "[PAD]", "[UNK]" }
    for case, options in ipairs {
      { size = 60, min_frequency = 1, alphabet = 1000, specials = specials },
      { size = 150, min_frequency = 2, alphabet = 1000, specials = specials },
      { size = 1000, min_frequency = 1, alphabet = 1000, specials = {} },
      { size = 1000, min_frequency = 7, alphabet = 12, specials = specials },
    } do
      local lines = corpus(120, case)
      lines[#lines + 1] = "aaaa aaa aaaaaaa abab ababab aabaab"
      assert.same(reference.train(lines, options), nj.text.train_wordpiece(lines, options))
    end
  end)

  it("gives the same list every time, for any number of threads", function()
    local lines = corpus(300, 9)
    local first = nj.text.train_wordpiece(lines, { size = 200 })
    local threads = nj.threads()
    nj.threads(1)
    assert.same(first, nj.text.train_wordpiece(lines, { size = 200 }))
    nj.threads(threads)
  end)

  it("puts special tokens first, then characters, then their continuations, then merges", function()
    local tokens = nj.text.train_wordpiece({ "ab ab b!" }, { size = 100, min_frequency = 2 })
    assert.same({ "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", "a", "b", "##a", "##b", "ab" },
      tokens)
  end)

  it("gives a vocabulary that encodes every word of its characters", function()
    local lines = corpus(200, 4)
    local tok = assert(nj.text.wordpiece(nj.text.train_wordpiece(lines, { size = 80 })))
    local unknown = tok:special_ids().unk
    local rng = nj.rng(11)
    for _ = 1, 300 do
      local letters = {}
      for k = 1, rng:integer(1, 12) do
        letters[k] = ("abdeghiklmnprstuw"):sub(rng:integer(1, 17))
        letters[k] = letters[k]:sub(1, 1)
      end
      for _, id in ipairs(tok:ids(table.concat(letters))) do
        assert.not_equal(unknown, id)
      end
    end
  end)

  it("learns whole words when there is room for them", function()
    local lines = corpus(400, 5)
    local learnt = nj.text.train_wordpiece(lines, { size = 2000, min_frequency = 1 })
    local tok = assert(nj.text.wordpiece(learnt))
    assert.same({ "rumbling", ",", "chirpers" },
      tok:tokens("rumbling, chirpers", { special = false }))
  end)

  it("knows accents, ideographs and case as the tokenizer does", function()
    local tokens = nj.text.train_wordpiece({ "Café 雨声 CAFÉ" }, { size = 100, specials = {} })
    assert.same({ "a", "c", "e", "f", "声", "雨", "##a", "##c", "##e", "##f", "ca", "##fe", "cafe" },
      tokens)
    tokens = nj.text.train_wordpiece({ "Éa" }, { size = 100, specials = {}, lower = false })
    assert.same({ "a", "É", "##a", "##É" }, tokens)
  end)

  it("takes no lines, empty lines and broken text", function()
    assert.same({ "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }, nj.text.train_wordpiece {})
    assert.same({}, nj.text.train_wordpiece({ "", " \n", "\xff\xfe\0" }, { specials = {} }))
    local tokens = nj.text.train_wordpiece({ ("x"):rep(5000), "ab" }, { specials = {} })
    assert.same({ "a", "b", "##a", "##b" }, tokens)
  end)

  it("says what is wrong", function()
    assert.has_error(function() nj.text.train_wordpiece({ "abc" }, { size = 7 }) end,
      "train_wordpiece: size 7 is too small: 5 special tokens and 3 characters need 11; raise size "
        .. "or lower alphabet")
    assert.has_error(function() nj.text.train_wordpiece({ "abc", 7 }) end,
      "train_wordpiece: list: item 2 must be a string, got number")
    assert.has_error(function() nj.text.train_wordpiece("abc") end,
      "train_wordpiece: expected a list of strings, got string")
    assert.has_error(function() nj.text.train_wordpiece({}, { sise = 7 }) end,
      "train_wordpiece: unknown option 'sise' (did you mean 'size'?)")
    assert.has_error(function() nj.text.train_wordpiece({}, { prefix = "" }) end,
      "train_wordpiece: prefix must have 1 to 16 bytes, got 0")
    assert.has_error(function() nj.text.train_wordpiece({}, { specials = { "" } }) end,
      "train_wordpiece: special token 1 must be UTF-8 of 1 to 4096 bytes")
  end)

  it("gives back what it used, also when memory ends on the way", function()
    local lines = corpus(50, 2)
    collectgarbage()
    collectgarbage()
    local before = nj.memory().live
    for count = 0, 200, 7 do
      nj._fail_after(count)
      local tokens, message, code = nj.text.train_wordpiece(lines, { size = 100 })
      nj._fail_after(-1)
      if not tokens then
        assert.equal("ENOMEM", code)
        assert.is_string(message)
      end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)
