local english = require "nightjar.data.esc50_grammar.english"

describe("english.present", function()
  for _, case in ipairs {
    { "bark", "barks" }, { "go off", "goes off" }, { "wash ashore", "washes ashore" },
    { "buzz", "buzzes" }, { "hiss open", "hisses open" }, { "fly by", "flies by" },
    { "moo", "moos" }, { "echo", "echoes" }, { "be opened", "is opened" },
    { "play", "plays" }, { "cry", "cries" }, { "burn and crackle", "burns and crackles" },
    { "breathe in and out", "breathes in and out" }, { "have", "has" },
  } do
    it("says " .. case[2], function() assert.equal(case[2], english.present(case[1], false)) end)
  end
  it("keeps the base form for plural subjects", function()
    assert.equal("go off", english.present("go off", true))
    assert.equal("are brushed", english.present("be brushed", true))
  end)
end)

describe("english.participle", function()
  for _, case in ipairs {
    { "bark", "barking" }, { "breathe", "breathing" }, { "run", "running" }, { "die", "dying" },
    { "whir", "whirring" }, { "sip a drink", "sipping a drink" }, { "be opened", "being opened" },
    { "see", "seeing" }, { "lap on the shore", "lapping on the shore" }, { "cry", "crying" },
    { "inhale and exhale", "inhaling and exhaling" }, { "step along", "stepping along" },
    { "creak", "creaking" }, { "yap", "yapping" }, { "scrub", "scrubbing" },
  } do
    it("says " .. case[2], function() assert.equal(case[2], english.participle(case[1])) end)
  end
  it("doubles the last consonant of every short verb of the lexicon that needs it", function()
    local checked = 0
    for _, entry in pairs(require "nightjar.data.esc50_grammar.lexicon") do
      for _, say in ipairs(entry.say) do
        for i = 2, #say do
          local verb = say[i]:match "^%S+"
          -- One vowel between consonants, and no w, x or y at the end: these double.
          if verb:find "^[^aeiou]*[aeiou][^aeiouwxy]$" then
            checked = checked + 1
            assert.equal(verb .. verb:sub(-1) .. "ing", english.participle(verb))
          end
        end
      end
    end
    assert.is_true(checked > 10)
  end)
end)

describe("english.article", function()
  for word, article in pairs {
    dog = "a", engine = "an", alarm = "an", hour = "an", unit = "a", user = "a", uproar = "an",
    one = "a", orchestra = "an", ["once-heard"] = "a", Infant = "an", umbrella = "an",
    unimportant = "an", ["old engine"] = "an", heirloom = "an", uninvited = "an",
  } do
    it(("says %s %s"):format(article, word), function()
      assert.equal(article, english.article(word))
    end)
  end
end)

describe("english.with_adjective", function()
  it("puts the adjective behind the article and corrects the article", function()
    assert.equal("a loud engine", english.with_adjective("an engine", "loud"))
    assert.equal("an old dog", english.with_adjective("a dog", "old"))
    assert.equal("the faint hum of a motor", english.with_adjective("the hum of a motor", "faint"))
    assert.equal("loud barking", english.with_adjective("barking", "loud"))
    assert.equal("an engine", english.with_adjective("a engine"))
  end)
end)

describe("english.number", function()
  it("is in words up to ten", function()
    assert.equal("three", english.number(3))
    assert.equal("ten", english.number(10))
    assert.equal("11", english.number(11))
  end)
end)
