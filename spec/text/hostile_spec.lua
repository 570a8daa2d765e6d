-- Nothing that is handed to the text room may crash, hang or leak.
local nj = require "nightjar"
local random_text = require "spec.support.random_text"

local function wordpiece()
  return assert(nj.text.wordpiece { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##a", "b", "é", "雨" })
end

local function bpe()
  local vocabulary = {}
  local char = require("spec.support.bpe_reference").alphabet()
  for byte = 0, 255 do vocabulary[byte + 1] = char[byte] end
  vocabulary[257], vocabulary[258], vocabulary[259] = "aa", "aaaa", "<|endoftext|>"
  return assert(nj.text.bpe(vocabulary, { "a a", "aa aa" }))
end

local function settle()
  collectgarbage()
  collectgarbage()
  return nj.memory().live
end

describe("hostile text", function()
  local texts = random_text.list(31, 250, 60, "bytes")
  for _, text in ipairs {
    "", "\0", ("\0"):rep(1000), "\xff", "\xed\xa0\x80", "\xc0\x80", "\xf0\x80\x80\x80",
    "\xef\xbb\xbf",
    "\xf4\x8f\xbf\xbf", ("\u{301}"):rep(1000), ("\u{200D}"):rep(1000), ("[MASK]"):rep(100),
    ("<|endoftext|>"):rep(100), "[", "[[[[[[", ("Σ"):rep(1000), ("İ"):rep(1000), ("."):rep(1000),
    ("雨"):rep(1000), ("\u{1F468}\u{200D}"):rep(300), "'", "''''", "'ll'll'll",
  } do
    texts[#texts + 1] = text
  end

  it("goes through every function", function()
    for _, tok in ipairs { wordpiece(), bpe() } do
      for _, text in ipairs(texts) do
        for _, options in ipairs { {}, { parse = true }, { max = 2 }, { special = false } } do
          local e = tok:encode(text, options)
          assert.equal(#e.ids, #e.tokens)
          assert.equal(#e.ids, #e.offsets)
          for _, span in ipairs(e.offsets) do
            assert.is_true(span[1] >= 1 and span[2] <= #text and span[1] <= span[2] + 1)
          end
          assert.is_string(tok:decode(e.ids))
        end
      end
      assert.equal(#texts, tok:batch(texts, { max = 50 }).shape[1])
    end
    for _, text in ipairs(texts) do
      for _, form in ipairs { "NFC", "NFKD" } do
        assert.is_truthy(utf8.len(nj.text.normalize(text, { form = form, casefold = true,
          strip_accents = true, lower = true, clean = "wavcaps" })))
      end
    end
    assert.is_table(nj.text.train_wordpiece(texts, { size = 100000, min_frequency = 1 }))
  end)

  it("of ten megabytes without a space is one unknown word", function()
    local big = ("a"):rep(10 * 2 ^ 20 // 1)
    local e = wordpiece():encode(big, { special = false })
    assert.same({ 1 }, e.ids)
    assert.same({ { 1, #big } }, e.offsets)
    assert.equal(#big // 4, #bpe():ids(big))
    assert.equal(big, nj.text.normalize(big))
    assert.is_table(nj.text.train_wordpiece { big })
  end)

  it("in the files of a vocabulary ends in an error or a tokenizer", function()
    local vocab, merges = os.tmpname(), os.tmpname()
    local function write(path, content)
      local file <close> = assert(io.open(path, "wb"))
      file:write(content)
    end
    local members, char = {}, require("spec.support.bpe_reference").alphabet()
    for byte = 0, 255 do
      local escaped = char[byte]:gsub('[\\"]', "\\%0")
      members[byte + 1] = ('"%s": %d'):format(escaped, byte)
    end
    local json = "{" .. table.concat(members, ", ") .. ', "aa": 256}'
    local lines = "[UNK]\na\n##b\n\u{96E8}\n"
    local rng = nj.rng(77)
    local function damaged(text)
      local kind, at = rng:integer(1, 3), rng:integer(1, #text)
      if kind == 1 then return text:sub(1, at) end
      if kind == 2 then return text:sub(1, at - 1) .. text:sub(at + rng:integer(1, 9)) end
      return text:sub(1, at - 1) .. string.char(rng:integer(0, 255)) .. text:sub(at + 1)
    end
    write(vocab, json)
    write(merges, "#version: 0.2\na a\n")
    assert(nj.text.bpe(vocab, merges))
    local refused = 0
    for _ = 1, 300 do
      write(vocab, damaged(json))
      write(merges, damaged "#version: 0.2\na a\n")
      local tok, message, code = nj.text.bpe(vocab, merges)
      if not tok then
        refused = refused + 1
        assert.equal("EFORMAT", code)
        assert.is_string(message)
      end
      write(vocab, damaged(lines))
      tok, message, code = nj.text.wordpiece(vocab)
      assert.is_true(tok ~= nil or code == "EFORMAT" and type(message) == "string")
    end
    assert.is_true(refused > 100)
    os.remove(vocab)
    os.remove(merges)
  end)

  it("raises for wrong types everywhere", function()
    local tok = wordpiece()
    for _, wrong in ipairs { {}, true, print, io.stdout } do
      for _, call in ipairs {
        function() nj.text.normalize(wrong) end,
        function() tok:encode(wrong) end,
        function() tok:ids(wrong) end,
        function() tok:tokens(wrong) end,
        function() tok:id(wrong) end,
        function() tok:token(wrong) end,
        function() tok:encode("a", { max = wrong }) end,
        function() tok:decode({ wrong }) end,
        function() tok:batch({ wrong }) end,
        function() nj.text.wordpiece({ wrong }) end,
        function() nj.text.bpe({ wrong }, {}) end,
        function() nj.text.bpe({ "a" }, { wrong }) end,
        function() nj.text.train_wordpiece({ wrong }) end,
        function() tok.encode(wrong, "a") end,
        function() tok.size(wrong) end,
      } do
        local ok, message = pcall(call)
        assert.is_false(ok)
        assert.is_string(message)
      end
    end
    assert.has_error(function() tok:encode("a", "b") end)
    assert.has_error(function() tok:encode("a", { Max = 3 }) end,
      "encode: unknown option 'Max' (did you mean 'max'?)")
  end)

  it("a closed tokenizer says so", function()
    local tok
    do
      local closed <close> = wordpiece()
      tok = closed
    end
    assert.has_error(function() tok:ids "a" end,
      "calling 'ids' on bad self (this nightjar.Tokenizer was closed)")
    assert.equal("tokenizer (closed)", tostring(tok))
  end)

  it("leaves no memory behind, whatever fails on the way", function()
    local vocabulary, merges
    do
      local tok = bpe()
      vocabulary, merges = tok:vocabulary(), tok:merges()
    end
    local some = table.move(texts, 1, 40, 1, {})
    local calls = {
      function() return nj.text.wordpiece { "[PAD]", "[UNK]", "a", "b" } end,
      function() return nj.text.bpe(vocabulary, merges) end,
      function(tok) return tok:batch(some) end,
      function(tok) return tok:encode(("aé"):rep(50)) end,
      function(tok) return tok:decode { 4, 5, 6 } end,
      function() return nj.text.normalize("ae\u{301}" .. ("\u{301}\u{316}"):rep(40)) end,
    }
    for _, make in ipairs { wordpiece, bpe } do
      local tok = make()
      for _, call in ipairs(calls) do
        local before = settle()
        local failed = 0
        for count = 0, 60 do
          nj._fail_after(count)
          local ok, value, message, code = pcall(call, tok)
          nj._fail_after(-1)
          if not ok then
            failed = failed + 1
            assert.is_truthy(tostring(value):find "memory", tostring(value))
          elseif value == nil then
            failed = failed + 1
            assert.equal("ENOMEM", code)
            assert.is_string(message)
          end
          value = nil -- luacheck: ignore
          assert.equal(before, settle())
        end
        assert.is_true(failed > 0)
      end
    end
  end)

  it("keeps memory constant over many calls", function()
    local tok = wordpiece()
    tok:encode("a b")
    local before = settle()
    for _ = 1, 2000 do
      tok:encode "a aa b"
      nj.text.normalize "é"
      tok:batch { "a", "b b" }
    end
    assert.equal(before, settle())
  end)
end)
