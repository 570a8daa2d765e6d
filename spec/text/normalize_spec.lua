local nj = require "nightjar"
local random_text = require "spec.support.random_text"

local normalize = nj.text.normalize

describe("text.normalize", function()
  it("knows the four forms", function()
    -- e acute, ligature fi, Angstrom sign, Hangul ga, superscript two
    local text = "\u{E9}\u{FB01}\u{212B}\u{AC00}x\u{B2}"
    assert.equal("\u{E9}\u{FB01}\u{C5}\u{AC00}x\u{B2}", normalize(text))
    assert.equal("\u{E9}\u{FB01}\u{C5}\u{AC00}x\u{B2}", normalize(text, { form = "NFC" }))
    assert.equal("e\u{301}\u{FB01}A\u{30A}\u{1100}\u{1161}x\u{B2}",
      normalize(text, { form = "NFD" }))
    assert.equal("\u{E9}fi\u{C5}\u{AC00}x2", normalize(text, { form = "NFKC" }))
    assert.equal("e\u{301}fiA\u{30A}\u{1100}\u{1161}x2", normalize(text, { form = "NFKD" }))
    assert.equal(text, normalize(text, { form = "none" }))
  end)

  it("puts marks into canonical order and composes across them", function()
    assert.equal("a\u{316}\u{301}", normalize("a\u{301}\u{316}", { form = "NFD" }))
    assert.equal("\u{E1}\u{316}", normalize("a\u{316}\u{301}"))
    -- a mark that must not compose with its starter: U+0958 is a composition exclusion
    assert.equal("\u{915}\u{93C}", normalize("\u{958}"))
  end)

  it("lower-cases and folds", function()
    assert.equal("straße", normalize("STRAßE", { lower = true }))
    assert.equal("strasse", normalize("STRAßE", { casefold = true }))
    assert.equal("i\u{307}stanbul", normalize("\u{130}stanbul", { form = "none", lower = true }))
    assert.equal("cafe", normalize("CAFÉ", { lower = true, strip_accents = true }))
    assert.equal("Cafe", normalize("Cafe\u{301}", { strip_accents = true }))
  end)

  it("writes a final sigma where a word ends", function()
    for text, want in pairs {
      ["ΟΔΟΣ"] = "οδος", ["Σ"] = "σ", ["ΑΣ Σ"] = "ας σ", ["ΑΣΑ"] = "ασα", ["ΑΣ."] = "ας.",
      ["ΑΣ'Α"] = "ασ'α", ["'Σ"] = "'σ", ["ΑΣ\u{301}"] = "ας\u{301}", ["1Σ"] = "1σ",
    } do
      assert.equal(want, normalize(text, { form = "none", lower = true }))
    end
  end)

  it("cleans captions as WavCaps does", function()
    for text, want in pairs {
      ["A dog barks , then rain."] = "a dog barks then rain ",
      ["Wind (strong) | birds; a \"bell\"!"] = "wind strong birds a bell ",
      ["one  two   three"] = "one two three",
      ["it's 3:00, a man's voice"] = "it's 3 00 a man's voice",
      [""] = "",
      ["x . . y"] = "x y",
    } do
      -- Its second pass halves double spaces once: what is left of three is two.
      local got = normalize(text, { clean = "wavcaps" }):gsub("  +", " ")
      assert.equal(want, got)
    end
    assert.equal("a b ", normalize("A   ,b.", { clean = "wavcaps" }):gsub("  +", " "))
  end)

  it("replaces each maximal ill-formed part by U+FFFD", function()
    for text, want in pairs {
      ["a\xffb"] = "a\u{FFFD}b",
      ["\xc0\x80"] = "\u{FFFD}\u{FFFD}", -- overlong NUL
      ["\xe0\x80\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}",
      ["\xed\xa0\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}", -- a surrogate
      ["\xf4\x90\x80\x80"] = "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}", -- beyond U+10FFFF
      ["\xe2\x82"] = "\u{FFFD}", -- cut short
      ["\xf0\x9f\x98x"] = "\u{FFFD}x",
      ["\x00a\x00"] = "\x00a\x00",
    } do
      assert.equal(want, normalize(text))
    end
  end)

  it("gives valid UTF-8 and changes nothing the second time", function()
    for _, kind in ipairs { "utf8", "bytes" } do
      for i, text in ipairs(random_text.list(1, 300, 40, kind)) do
        for _, options in ipairs {
          { form = "NFC" }, { form = "NFD" }, { form = "NFKC" }, { form = "NFKD" },
          { form = "none" }, { strip_accents = true }, { lower = true, form = "NFD" },
        } do
          local once = normalize(text, options)
          assert.is_truthy(utf8.len(once))
          assert.equal(once, normalize(once, options), "text " .. i)
        end
        -- the canonical forms are two spellings of the same text
        local decomposed = normalize(text, { form = "NFD" })
        assert.equal(decomposed, normalize(normalize(text), { form = "NFD" }))
        assert.equal(normalize(text), normalize(decomposed))
      end
    end
  end)

  it("takes time linear in the length, whatever the marks", function()
    local begin = os.clock()
    local marks = "a" .. ("\u{301}\u{316}"):rep(500000)
    for _, form in ipairs { "NFC", "NFD", "NFKC", "NFKD" } do
      assert.equal(#marks, #normalize(marks, { form = form }) + (form:find "C" and 1 or 0))
    end
    normalize(("Σ'"):rep(500000), { lower = true })
    assert.is_true(os.clock() - begin < 20) -- a square of that would take hours
  end)

  it("says what is wrong", function()
    assert.has_error(function() normalize("a", { form = "NFX" }) end,
      "normalize: option 'form' must be one of none, NFC, NFD, NFKC, NFKD; got 'NFX'")
    assert.has_error(function() normalize("a", { from = "NFC" }) end,
      "normalize: unknown option 'from' (did you mean 'form'?)")
    assert.has_error(function() normalize("a", { lower = 1 }) end,
      "normalize: option 'lower' must be true or false, got 1")
    assert.has_error(function() normalize({}) end,
      "bad argument #1 to 'normalize' (string expected, got table)")
  end)
end)
