local captions = require "nightjar.data.captions"
local core = require "nightjar.core"
local english = require "nightjar.data.esc50_grammar.english"
local lexicon = captions.lexicon

-- What every caption must be like, whatever made it.
local function assert_well_formed(text)
  local function complain(what) error(("%s: '%s'"):format(what, text), 3) end
  if text:find "  " or text:find "^%s" or text:find "%s$" then complain "stray spaces" end
  if text:find "[^%a%d ,'%-]" then complain "stray characters" end
  if text:find "%u" then complain "a capital letter" end
  if text:find " ," or text:find ",%S" or text:find "^," or text:find ",$" then
    complain "a comma out of place"
  end
  for article, word in text:gmatch "%f[%a](an?) (%a[%w%-]*)" do
    if english.article(word) ~= article then complain(article .. " " .. word) end
  end
  if text:find "%f[%a]an?%f[^%a],?$" then complain "an article at the end" end
  for word, again in text:gmatch "%f[%a](%a+) (%a+)%f[%A]" do
    if word == again then complain("'" .. word .. "' twice") end
  end
end

local function random_event(rng, classes)
  local class = rng:choice(classes)
  local event = { class = class }
  local dice = rng:uniform()
  if dice < 0.2 then event.level = "loud" elseif dice < 0.4 then event.level = "faint" end
  if lexicon[class].count then
    if dice > 0.8 then event.count = rng:integer(2,
      5) elseif dice > 0.7 then event.single = true end
  end
  return event
end

local function random_description(rng, classes)
  local function event() return random_event(rng, classes) end
  local kind = rng:integer(1, 9)
  if kind == 1 then return event() end
  if kind == 2 then return { kind = "then", event(), event() } end
  if kind == 3 then return { kind = "with", background = rng:uniform() < 0.5, event(), event() } end
  if kind == 4 then return { kind = "then", event(), event(), event() } end
  if kind == 5 then return { kind = "then", event(), event(), event(), event() } end
  if kind == 6 then
    return { kind = "over", background = rng:uniform() < 0.5, event(),
      { kind = "then", event(), event() } }
  end
  if kind == 7 then return { kind = "then", { kind = "with", event(), event() }, event() } end
  if kind == 8 then
    return { kind = "over", event(), { kind = "then", event(), event(), event() } }
  end
  return { kind = "then", event(), { kind = "with", background = true, event(), event() } }
end

local function events_of(description, out)
  out = out or {}
  if description.kind then
    for _, part in ipairs(description) do events_of(part, out) end
  else
    out[#out + 1] = description
  end
  return out
end

describe("the lexicon", function()
  local classes = captions.classes()

  it("has an entry for each class of ESC-50", function() assert.equal(50, #classes) end)

  for _, class in ipairs(classes) do
    it("is whole for " .. class, function()
      local entry = lexicon[class]
      assert.is_truthy(({ event = true, series = true, steady = true })[entry.kind])
      assert.is_boolean(entry.far)
      assert.is_true(#entry.names >= 2 and #entry.tags >= 3)
      assert.is_true(entry.count == nil or entry.kind == "event")
      local clauses, bare = 0, 0
      for _, say in ipairs(entry.say) do
        assert.is_true(#say >= 2)
        clauses = clauses + #say - 1
        local article, word = say[1]:match "^(an?) (%a+)"
        if article then assert.equal(english.article(word), article) end
      end
      assert.is_true(clauses >= 3)
      for _, name in ipairs(entry.names) do
        if not name:find "^the " then bare = bare + 1 end
        local article, word = name:match "^(an?) (%a+)"
        if article then assert.equal(english.article(word), article) end
      end
      -- "the sound of …" and "there is …" need a name without "the".
      assert.is_true(bare >= 1)
    end)
  end

  it("knows the words that people search with", function()
    local words = {}
    for _, line in ipairs(captions.vocabulary()) do
      for word in line:gmatch "%a+" do words[word] = true end
    end
    local wanted = "rain siren bell engine footsteps bird wind alarm dog cat baby clock "
      .. "keyboard train helicopter fire thunder waves sea door glass car horn "
      .. "airplane plane typing walking crowd applause laughter water drip vacuum "
      .. "saw chainsaw fireworks cow sheep pig hen rooster crow frog insects "
      .. "crickets snoring sneeze cough breathing toilet washing machine can mouse "
      .. "loud faint quiet distant heavy light twice three times then before after "
      .. "while followed background sound police ambulance motor chopper storm "
      .. "ocean"
    for word in wanted:gmatch "%a+" do
      assert.is_true(words[word], word)
    end
  end)
end)

describe("captions.of", function()
  it("starts with the usual caption and repeats none", function()
    assert.equal("a dog barks", captions.of("dog")[1])
    assert.equal("rain falls", captions.of("rain")[1])
    assert.equal("church bells ring", captions.of("church_bells")[1])
    for _, class in ipairs(captions.classes()) do
      local seen = {}
      local all = captions.of(class)
      assert.is_true(#all >= 8, class)
      for _, text in ipairs(all) do
        assert_well_formed(text)
        assert.is_nil(seen[text])
        seen[text] = true
      end
    end
  end)
  it("gives no caption to two classes, but for words that truly are both", function()
    local owner, shared = {}, {}
    for _, class in ipairs(captions.classes()) do
      for _, text in ipairs(captions.of(class)) do
        if owner[text] then shared[#shared + 1] = text end
        owner[text] = class
      end
    end
    assert.same({}, shared)
  end)
  it("suggests the class that was meant", function()
    assert.has_error(function() captions.of "dgo" end,
      "captions.of: no class 'dgo' (did you mean 'dog'?)")
  end)
end)

describe("captions.describe", function()
  local classes = captions.classes()

  it("is well formed and finds each phrase where it says, for 5000 random descriptions", function()
    local rng = core.rng(17)
    for _ = 1, 5000 do
      local description = random_description(rng, classes)
      local text, phrases = captions.describe(description, rng)
      assert_well_formed(text)
      local events = events_of(description)
      assert.equal(#events, #phrases)
      local known, last = {}, 0
      for _, event in ipairs(events) do known[event] = true end
      for _, phrase in ipairs(phrases) do
        assert.equal(phrase.text, text:sub(phrase.first, phrase.last))
        assert.is_true(phrase.first > last and phrase.last >= phrase.first)
        last = phrase.last
        assert.is_true(known[phrase.event])
        known[phrase.event] = nil
        assert.equal(phrase.event.class, phrase.class)
      end
      assert.is_nil(next(known))
    end
  end)

  it("is a function of the description and the generator", function()
    local description = { kind = "then", { class = "dog", count = 2 }, { class = "rain" } }
    local a, b = {}, {}
    local one, two = core.rng(3), core.rng(3)
    for i = 1, 50 do
      a[i], b[i] = captions.describe(description, one), captions.describe(description, two)
    end
    assert.same(a, b)
  end)

  it("says counts", function()
    local rng, said = core.rng(1), {}
    for _ = 1, 300 do
      local text = captions.describe({ class = "dog", count = 2 }, rng)
      assert.is_truthy(text:find "twice" or text:find "two" or text:find "a couple of", text)
      said[text] = true
      text = captions.describe({ class = "dog", count = 3 }, rng)
      assert.is_truthy(text:find "three", text)
    end
    assert.is_true(said["a dog barks twice"])
    assert.is_true(said["two dog barks"])
  end)

  it("says loudness, and distance only where it may be", function()
    local rng, distant = core.rng(2), 0
    for _ = 1, 300 do
      local text = captions.describe({ class = "dog", level = "faint" }, rng)
      local found = text:find "faint" or text:find "quiet" or text:find "soft"
        or text:find "distan" or text:find "far"
      assert.is_truthy(found, text)
      if text:find "distan" or text:find "far" then distant = distant + 1 end
      text = captions.describe({ class = "mouse_click", level = "faint" }, rng)
      assert.is_falsy(text:find "distan" or text:find "far", text)
      text = captions.describe({ class = "rain", level = "loud" }, rng)
      assert.is_truthy(text:find "heav" or text:find "hard" or text:find "loud", text)
    end
    assert.is_true(distant > 50)
  end)

  it("keeps the order of what is said one after the other", function()
    local rng = core.rng(4)
    local later_first = 0
    for _ = 1, 500 do
      local text, phrases =
        captions.describe({ kind = "then", { class = "dog" }, { class = "rain" } }, rng)
      if phrases[1].class == "rain" then
        later_first = later_first + 1
        assert.is_truthy(text:find " after " or text:find "^before " or text:find " preceded by ",
          text)
      else
        assert.is_truthy(text:find "then" or text:find "followed by" or text:find "before"
          or text:find "after" or text:find "later", text)
      end
    end
    assert.is_true(later_first > 20)
  end)

  it("can write sentences", function()
    local rng = core.rng(6)
    local text, phrases = captions.describe({ kind = "with", { class = "dog" },
      { class = "wind" } },
      rng, { style = "sentence" })
    assert.matches("^%u.*%.$", text)
    for _, phrase in ipairs(phrases) do
      assert.equal(phrase.text, text:sub(phrase.first, phrase.last))
    end
  end)

  it("says what is wrong with a description", function()
    local rng = core.rng(1)
    for _, case in ipairs {
      { { class = "sirne" }, "captions.describe: no class 'sirne' (did you mean 'siren'?)" },
      { { class = "dog", level = "loudest" },
        "captions.describe: a level must be 'loud' or 'faint', got 'loudest'" },
      { { kind = "then", { class = "dog" } }, "captions.describe: no structure 'then' of 1 parts" },
      { { kind = "with", { class = "dog" }, { class = "rain" }, { class = "wind" } },
        "captions.describe: 'with' takes two parts, got 3" },
      { { kind = "when", { class = "dog" } }, "captions.describe: no structure 'when' of 1 parts" },
      { { kind = "then", { class = "dog" }, 7 },
        "captions.describe: a description must be a table, got number" },
    } do
      assert.has_error(function() captions.describe(case[1], rng) end, case[2])
    end
  end)
end)

describe("captions.several", function()
  it("gives as many as asked, all different", function()
    local rng = core.rng(9)
    for _, class in ipairs(captions.classes()) do
      local texts, phrases = captions.several({ class = class }, 5, rng)
      assert.equal(5, #texts)
      assert.equal(5, #phrases)
      local seen = {}
      for _, text in ipairs(texts) do
        assert.is_nil(seen[text])
        seen[text] = true
      end
    end
  end)
end)
