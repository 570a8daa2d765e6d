local nj = require "nightjar"
local random_text = require "spec.support.random_text"
local reference = require "spec.support.bpe_reference"
local shared = require "spec.support.shared"

local char = reference.alphabet()

-- A vocabulary of the 256 bytes, the results of the merges, and more.
local function tokenizer(merges, more, options)
  local vocabulary, seen = {}, {}
  local function add(token)
    if not seen[token] then
      seen[token] = true
      vocabulary[#vocabulary + 1] = token
    end
  end
  for byte = 0, 255 do add(char[byte]) end
  for _, merge in ipairs(merges) do add((merge:gsub(" ", ""))) end
  for _, token in ipairs(more or {}) do add(token) end
  return assert(nj.text.bpe(vocabulary, merges, options))
end

local function gpt2(options)
  local vocab = shared.path "data/text/gpt2/encoder.json"
  local merges = shared.path "data/text/gpt2/vocab.bpe"
  return vocab and merges and assert(nj.text.bpe(vocab, merges, options))
end

-- The words of a text: with no merges, tokens are bytes, and `words` tells where they end.
local function split(tok, text)
  local e = tok:encode(text)
  local parts = {}
  for i, word in ipairs(e.words) do
    parts[word] = (parts[word] or "") .. text:sub(e.offsets[i][1], e.offsets[i][2])
  end
  return parts
end

describe("text.bpe", function()
  it("reproduces the reference encoding of GPT-2", function()
    local tok, fixture = gpt2(), shared.json "data/text/fixtures/gpt2_encoded_tokens.json"
    if not (tok and fixture) then return pending "needs ../shared" end
    assert.same(fixture.token_ids, tok:ids(fixture.text))
    assert.same(fixture.bpe_tokens, tok:tokens(fixture.text))
    assert.equal(fixture.text, tok:decode(fixture.token_ids))
    assert.equal(50257, tok:size())
    assert.equal(50000, #tok:merges())
    assert.same({ 31373, 995 }, tok:ids "hello world")
  end)

  it("cuts a text into words as GPT-2's regular expression does", function()
    local tok = tokenizer {}
    for text, want in pairs {
      ["hello world"] = { "hello", " world" },
      ["it's they'll I've we'd you're I'm don't"] = { "it", "'s", " they", "'ll", " I", "'ve",
        " we", "'d", " you", "'re", " I", "'m", " don", "'t" },
      ["IT'S"] = { "IT", "'", "S" },
      ["'sup"] = { "'s", "up" },
      [" 'sup"] = { " '", "sup" },
      ["''s"] = { "''", "s" },
      ["a  b"] = { "a", " ", " b" },
      ["a   b"] = { "a", "  ", " b" },
      ["a\n\nb"] = { "a", "\n", "\n", "b" },
      ["a\n b"] = { "a", "\n", " b" },
      ["a \nb"] = { "a", " ", "\n", "b" },
      ["a \t"] = { "a", " \t" },
      ["   "] = { "   " },
      [" "] = { " " },
      ["3:00pm, 12½²!"] = { "3", ":", "00", "pm", ",", " 12½²", "!" },
      ["c'est l'été"] = { "c", "'", "est", " l", "'", "été" },
      ["日本語123 한국어"] = { "日本語", "123", " 한국어" },
      ["x\u{3000}\u{3000}y\u{A0}z"] = { "x", "\u{3000}", "\u{3000}", "y", "\u{A0}", "z" },
      ["e\u{301}a"] = { "e", "\u{301}", "a" }, -- a mark is no letter
      ["\x1cx"] = { "\x1c", "x" }, -- a separator is no white space here
      ["a\xff\xfeb"] = { "a", "\xff\xfe", "b" },
      [""] = {},
    } do
      assert.same(want, split(tok, text))
    end
  end)

  it("merges as looking at every pair again and again does", function()
    local rng = nj.rng(17)
    for _ = 1, 60 do
      -- Merges in no order that training could have given.
      local parts, merges, rank = { "a", "b", "c" }, {}, {}
      for _ = 1, rng:integer(1, 30) do
        local left, right = parts[rng:integer(1, #parts)], parts[rng:integer(1, #parts)]
        local merge = left .. " " .. right
        if not rank[merge] and #left + #right <= 9 then
          merges[#merges + 1] = merge
          rank[merge] = #merges
          parts[#parts + 1] = left .. right
        end
      end
      for i = #merges, 2, -1 do
        local j = rng:integer(1, i)
        merges[i], merges[j] = merges[j], merges[i]
      end
      for i, merge in ipairs(merges) do rank[merge] = i end
      local tok = tokenizer(merges)
      for _, length in ipairs { 1, 2, 7, 30, 48, 49, 50, 120, 300 } do
        local symbols = {}
        for i = 1, length do symbols[i] = ("abc"):sub(rng:integer(1, 3)):sub(1, 1) end
        local word = table.concat(symbols)
        assert.same(reference.merge(symbols, rank), tok:tokens(word))
      end
    end
  end)

  it("gives back every text, byte by byte", function()
    local tok = gpt2() or tokenizer { "a b", "ab c", "Ġ a" }
    for _, kind in ipairs { "utf8", "bytes" } do
      for _, text in ipairs(random_text.list(7, 400, 60, kind)) do
        local e = tok:encode(text)
        assert.equal(text, tok:decode(e.ids))
        local at = 1
        for i, span in ipairs(e.offsets) do
          assert.equal(at, span[1])
          assert.equal(text:sub(span[1], span[2]), tok:decode { e.ids[i] })
          at = span[2] + 1
        end
        assert.equal(#text + 1, at)
      end
    end
  end)

  it("keeps special tokens out of a text, unless asked to parse them", function()
    local tok = tokenizer({}, { "<|endoftext|>" })
    local id = tok:size() - 1
    assert.equal(13, #tok:ids "<|endoftext|>")
    assert.same({ id }, tok:ids("<|endoftext|>", { parse = true }))
    assert.same({ 97, id, id, 98 }, tok:ids("a<|endoftext|><|endoftext|>b", { parse = true }))
    assert.equal("ab", tok:decode { 97, id, 98 })
    assert.equal("a<|endoftext|>b", tok:decode({ 97, id, 98 }, { special = true }))
    assert.same({ pad = id }, tok:special_ids())
  end)

  it("encloses texts in <s> and </s> where the vocabulary has them", function()
    local tok = tokenizer({}, { "<s>", "<pad>", "</s>", "<unk>", "<mask>" })
    assert.same({ "<s>", "h", "i", "</s>" }, tok:tokens "hi")
    assert.same({ cls = 256, pad = 257, sep = 258, unk = 259, mask = 260 }, tok:special_ids())
    assert.equal("hi", tok:decode(tok:ids "hi"))
    assert.same({ "<s>", "<mask>", "</s>" }, tok:tokens("<mask>", { parse = true }))
    tok = tokenizer({}, { "<s>", "</s>" }, { cls = false, sep = false })
    assert.same({ "h", "i" }, tok:tokens "hi")
  end)

  it("puts a space before a text when told to", function()
    local tok = tokenizer({ "Ġ a", "Ġ '" }, {}, { prefix_space = true })
    assert.same({ "Ġa" }, tok:tokens "a")
    assert.same({ "Ġa" }, tok:tokens " a")
    assert.same({ "Ċ", "a" }, tok:tokens "\na")
    assert.same({ "Ġ'", "s" }, tok:tokens "'s")
    assert.same({ "Ġ'", "!", "s" }, tok:tokens "'!s")
    assert.same({ { 1, 1 }, { 2, 2 } }, tok:encode("ab").offsets)
    assert.same({ "Ġ", "b" }, tok:tokens "b")
    assert.same({ { 1, 0 }, { 1, 1 } }, tok:encode("b").offsets)
    assert.same({}, tok:tokens "")
  end)

  it("can be made again from what it tells", function()
    local tok = tokenizer({ "a b", "ab c" }, { "<|endoftext|>" }, { prefix_space = true })
    local again = assert(nj.text.bpe(tok:vocabulary(), tok:merges(), tok:options()))
    assert.same({ "a b", "ab c" }, again:merges())
    assert.same(tok:vocabulary(), again:vocabulary())
    assert.same(tok:options(), again:options())
    assert.same(tok:ids "abcabx", again:ids "abcabx")
    assert.equal("bpe", again:kind())
  end)

  it("encodes a word of ten megabytes in time", function()
    local tok = gpt2() or tokenizer { "a a", "aa aa" }
    local begin = os.clock()
    local text = ("a"):rep(10 * 2 ^ 20 // 1)
    assert.equal(text, tok:decode(tok:ids(text)))
    assert.is_true(os.clock() - begin < 60)
  end)
end)

describe("BPE files", function()
  local vocab_path, merges_path

  before_each(function() vocab_path, merges_path = os.tmpname(), os.tmpname() end)
  after_each(function()
    os.remove(vocab_path)
    os.remove(merges_path)
  end)

  local function write(path, content)
    local file <close> = assert(io.open(path, "wb"))
    file:write(content)
  end

  -- The 256 bytes as JSON members, escaped where JSON wants it, then more.
  local function vocabulary(more)
    local members = {}
    for byte = 0, 255 do
      members[byte + 1] = ("%q: %d"):format(char[byte], byte):gsub("\\\n", "\\n")
    end
    members[#members + 1] = more
    return "{" .. table.concat(members, ", ") .. "}"
  end

  local function load(vocab, merges)
    write(vocab_path, vocab)
    write(merges_path, merges)
    return nj.text.bpe(vocab_path, merges_path)
  end

  local function fails(vocab, merges, message, code)
    local tok, got, got_code = load(vocab, merges)
    assert.is_nil(tok)
    assert.is_truthy(got:find(message, 1, true), got)
    assert.equal(code or "EFORMAT", got_code)
  end

  it("are read with and without a version line, with \\n and \\r\\n", function()
    for _, merges in ipairs { "#version: 0.2\na b\n", "a b", "#version: 0.2\r\na b\r\n" } do
      local tok = assert(load(vocabulary '"ab": 256', merges))
      assert.same({ "ab" }, tok:tokens "ab")
    end
    local tok = assert(load(vocabulary '"##": 256', "# #\n"))
    assert.same({ "##" }, tok:tokens "##")
  end)

  it("that are wrong say where", function()
    local good = vocabulary '"ab": 256'
    fails("", "", ": byte 1: the text ends where a value is expected")
    fails("{}", "", ": no tokens")
    fails("[1]", "", "expected an object")
    fails('{"a": "b"}', "", "expected a number")
    fails('{"a": 1.5}', "", "an id must be an integer from 0 to 1048575")
    fails('{"a": -1}', "", "an id must be an integer from 0 to 1048575")
    fails('{"a": 1}', "", ": id 1, but there are 1 tokens: ids have holes")
    fails('{"a": 0, "b": 0}', "", ": id 0 occurs twice")
    fails('{"a": 0, "a": 1}', "", ": id 1: token 'a' has id 0 already")
    fails('{"": 0}', "", "a token must have 1 to 4096 bytes")
    fails('{"a": 0}', "", "the vocabulary lacks 'Ā', the token of byte 0x00")
    fails(good .. "x", "", "something follows the value")
    fails(good, "#version: 0.2\nab\n", ": line 2: expected two tokens with a space between")
    fails(good, "a b c\n", ": line 1: expected two tokens with a space between")
    fails(good, "a b\n\n", ": line 2: expected two tokens with a space between")
    fails(good, "xy a\n", ": line 1: the vocabulary lacks the first token")
    fails(good, "a xy\n", ": line 1: the vocabulary lacks the second token")
    fails(good, "b a\n", ": line 1: the vocabulary lacks the two tokens merged")
    fails(good, "a b\na b\n", ": line 2: this merge occurs twice")
    local tok, message, code = nj.text.bpe("/nonexistent/encoder.json", "/nonexistent/vocab.bpe")
    assert.is_nil(tok)
    assert.equal("bpe: /nonexistent/encoder.json: No such file or directory", message)
    assert.equal("ENOTFOUND", code)
    assert.has_error(function() nj.text.bpe(vocab_path) end,
      "bpe: expected a path or a list of merges, got nil")
  end)
end)
