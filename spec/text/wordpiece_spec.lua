local nj = require "nightjar"
local random_text = require "spec.support.random_text"
local shared = require "spec.support.shared"

local specials = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }

local function tokenizer(words, options)
  local list = table.move(specials, 1, #specials, 1, {})
  for word in words:gmatch "%S+" do list[#list + 1] = word end
  return assert(nj.text.wordpiece(list, options))
end

local function tokens(tok, text, options)
  options = options or {}
  options.special = options.special or false
  return table.concat(tok:tokens(text, options), " ")
end

local bert = shared.path "data/text/bert-base-uncased/vocab.txt"

describe("text.wordpiece", function()
  it("reproduces every reference tokenisation", function()
    local golden = shared.path "golden/13_tokenizer.tsv"
    if not (bert and golden) then return pending "needs ../shared" end
    local tok = assert(nj.text.wordpiece(bert))
    local lines = 0
    for line in io.lines(golden) do
      local question, ids = line:match "^(.*)\t([%d ]*)$"
      assert.equal(ids, table.concat(tok:ids(question, { special = false }), " "), question)
      lines = lines + 1
    end
    assert.equal(5285, lines)
  end)

  it("takes the longest piece first, and gives up on a word as a whole", function()
    local tok = tokenizer "un ##aff ##able ##a able unaff ##f ##b"
    assert.equal("unaff ##able", tokens(tok, "unaffable"))
    assert.equal("un ##a ##b", tokens(tok, "unab"))
    assert.equal("[UNK] able", tokens(tok, "unabx able"))
    assert.equal("[UNK]", tokens(tok, "aff"))
  end)

  it("lower-cases, strips accents and splits punctuation", function()
    local tok = tokenizer "hello ! how are you ? ' s cafe $ 5 - ς ##σ"
    assert.equal("hello ! how are you ?", tokens(tok, " \tHeLLo!how  \n Are yoU?  "))
    assert.equal("cafe ' s", tokens(tok, "Café's"))
    assert.equal("cafe", tokens(tok, "Cafe\u{301}"))
    assert.equal("$ 5 - 5", tokens(tok, "$5-5"))
    assert.equal("! ! ! !", tokens(tok, "!!\u{301}!!"))
  end)

  it("keeps case and accents when told to", function()
    local tok = tokenizer("Café café cafe Cafe", { lower = false })
    assert.equal("Café café cafe Cafe", tokens(tok, "Café café cafe Cafe"))
    tok = tokenizer("Café café cafe Cafe", { lower = false, strip_accents = true })
    assert.equal("Cafe cafe", tokens(tok, "Café café"))
    tok = tokenizer("Café café cafe Cafe", { strip_accents = false })
    assert.equal("café", tokens(tok, "CAFÉ"))
  end)

  it("lets ideographs stand alone, unless told not to", function()
    local tok = tokenizer "ah 博 推 zz 博推"
    assert.equal("ah 博 推 zz", tokens(tok, "ah\u{535A}\u{63A8}zz"))
    tok = tokenizer("ah 博 推 zz 博推", { ideographs = false })
    assert.equal("ah 博推 zz", tokens(tok, "ah 博推 zz"))
  end)

  it("drops control characters, NUL and U+FFFD, and broken UTF-8 with it", function()
    local tok = tokenizer "dog ##s bark"
    assert.equal("dog bark", tokens(tok, "do\u{AD}g\x00\x07 b\u{FFFD}ark\u{200B}"))
    assert.equal("dog bark", tokens(tok, "d\xffo\xc0\xafg\xed\xa0\x80 ba\xe2\x82rk\xf0\x9f"))
    assert.equal("dog ##s", tokens(tok, "dog\vs"))
    assert.equal("dog bark", tokens(tok, "dog\u{2028}bark"))
    assert.equal("dog bark", tokens(tok, "dog\u{3000}bark"))
  end)

  it("counts words of more than max_word characters as unknown", function()
    local tok = tokenizer("a ##a", { max_word = 5 })
    assert.equal("a ##a ##a ##a ##a", tokens(tok, "aaaaa"))
    assert.equal("[UNK] a", tokens(tok, "aaaaaa a"))
    tok = tokenizer "a ##a"
    assert.equal(100, #tok:ids(("a"):rep(100), { special = false }))
    assert.equal("[UNK]", tokens(tok, ("a"):rep(101)))
    assert.equal("[UNK]", tokens(tok, ("é"):rep(101)))
    assert.equal(100, #tok:ids(("á"):rep(100), { special = false }))
  end)

  it("encloses a text in [CLS] and [SEP], and cuts it to max", function()
    local tok = tokenizer "a b c ##x"
    local e = tok:encode "a bx c"
    assert.same({ "[CLS]", "a", "b", "##x", "c", "[SEP]" }, e.tokens)
    assert.same({ 2, 5, 6, 8, 7, 3 }, e.ids)
    assert.same({ 0, 1, 2, 2, 3, 0 }, e.words)
    assert.same({ 1, 0, 0, 0, 0, 1 }, e.special)
    assert.same({ { 1, 0 }, { 1, 1 }, { 3, 3 }, { 4, 4 }, { 6, 6 }, { 7, 6 } }, e.offsets)
    assert.same({ "[CLS]", "a", "b", "[SEP]" }, tok:tokens("a bx c", { max = 4 }))
    assert.same({ "[CLS]", "[SEP]" }, tok:tokens("a bx c", { max = 2 }))
    assert.same({ "a", "b" }, tok:tokens("a bx c", { max = 2, special = false }))
    assert.same({ "[CLS]", "[SEP]" }, tok:tokens "")
    assert.has_error(function() tok:tokens("a", { max = 1 }) end,
      "encode: max is 1, but 2 special tokens are added")
    -- an unknown word is unknown as a whole, wherever the cut falls
    assert.same({ "[UNK]" }, tok:tokens("axq", { max = 1, special = false }))
  end)

  it("reads special tokens in a text as text, unless asked to parse them", function()
    local tok = tokenizer "a [ ] mask sep b"
    assert.equal("a [ mask ] b", tokens(tok, "a [MASK] b"))
    assert.equal("a [MASK] b", tokens(tok, "a [MASK] b", { parse = true }))
    assert.equal("a [MASK] [SEP] b", tokens(tok, "a[MASK][SEP]b", { parse = true }))
    assert.equal("[ mask ]", tokens(tok, "[mask]", { parse = true }))
    local e = tok:encode("a [MASK]b", { parse = true })
    assert.same({ 0, 1, 0, 2, 0 }, e.words)
    assert.same({ 1, 0, 1, 0, 1 }, e.special)
    assert.same({ 3, 8 }, e.offsets[3])
    tok = tokenizer("a b [HUM]", { specials = { "[HUM]" } })
    assert.equal("a [HUM] b", tokens(tok, "a[HUM]b", { parse = true }))
    assert.equal("a b", tok:decode(tok:ids("a[HUM]b", { parse = true })))
  end)

  it("names the bytes each piece came from", function()
    local tok = tokenizer "naive cafe ( play ##ing ) ! 雨 ᄒ ##ᅡ ##ᆫ"
    local text = "Naïve\tcafe\u{301} (PLAY\u{AD}ing)!雨한"
    local e = tok:encode(text, { special = false })
    local spans = {}
    for i, span in ipairs(e.offsets) do spans[i] = text:sub(span[1], span[2]) end
    assert.same({ "naive", "cafe", "(", "play", "##ing", ")", "!", "雨", "ᄒ", "##ᅡ", "##ᆫ" },
      e.tokens)
    assert.same({ "Naïve", "cafe\u{301}", "(", "PLAY", "ing", ")", "!", "雨", "한", "한", "한" },
      spans)
    assert.same({ 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 8 }, e.words)
  end)

  it("gives spans that go forward and hold their piece", function()
    local list = {}
    for c = 0x20, 0x2FF do list[#list + 1] = utf8.char(c):lower() end
    local seen, vocabulary = {}, {}
    for _, token in ipairs(specials) do vocabulary[#vocabulary + 1] = token end
    for _, c in ipairs(list) do
      for _, form in ipairs { c, "##" .. c } do
        local token = nj.text.normalize(form, { lower = true })
        if not seen[token] and not token:find "^#*%s*$" then
          seen[token] = true
          vocabulary[#vocabulary + 1] = token
        end
      end
    end
    local tok = assert(nj.text.wordpiece(vocabulary))
    local fold = { lower = true, strip_accents = true, form = "NFD" }
    for _, text in ipairs(random_text.list(3, 400, 30)) do
      local e = tok:encode(text)
      local last_from, last_to, last_word = 1, 0, 0
      for i, span in ipairs(e.offsets) do
        assert.is_true(span[1] >= last_from and span[2] >= last_to, text)
        assert.is_true(span[1] >= 1 and span[2] <= #text)
        last_from, last_to = span[1], span[2]
        if e.special[i] == 0 then
          assert.is_true(e.words[i] == last_word or e.words[i] == last_word + 1)
          last_word = e.words[i]
        end
        if e.special[i] == 0 and e.tokens[i] ~= "[UNK]" then
          local source = nj.text.normalize(text:sub(span[1], span[2]), fold)
          assert.is_truthy(source:find(e.tokens[i]:gsub("^##", ""), 1, true), text)
        end
      end
    end
  end)

  it("decodes: joins pieces, leaves special tokens out, tidies spaces", function()
    local tok = tokenizer "a dog bark ##s . , ! don ' t it s"
    local ids = tok:ids "A dog barks, don't it!"
    assert.equal("a dog barks, don't it!", tok:decode(ids))
    assert.equal("a dog barks , don ' t it !", tok:decode(ids, { tidy = false }))
    assert.equal("[CLS] a dog [SEP]", tok:decode(tok:ids "a dog", { special = true }))
    assert.equal("a [UNK] dog", tok:decode(tok:ids "a zzz dog"))
    assert.equal("", tok:decode {})
    assert.has_error(function() tok:decode { 1, 99 } end, "decode: id 99 is not in 0 … 16")
    assert.has_error(function() tok:decode { -1 } end, "decode: id -1 is not in 0 … 16")
    assert.has_error(function() tok:decode { 1, "2" } end,
      "decode: item 2 must be an integer, got 2")
  end)

  it("encodes what it decoded to the same ids", function()
    if not bert then return pending "needs ../shared" end
    local tok = assert(nj.text.wordpiece(bert))
    local unknown = tok:special_ids().unk
    local checked = 0
    for _, text in ipairs(random_text.list(5, 2000, 8)) do
      local ids, known = tok:ids(text, { special = false }), true
      for _, id in ipairs(ids) do known = known and id ~= unknown end
      if known then
        checked = checked + 1
        assert.same(ids, tok:ids(tok:decode(ids, { tidy = false }), { special = false }))
      end
    end
    assert.is_true(checked > 100)
  end)

  it("knows its vocabulary, and can be made again from what it tells", function()
    local tok = tokenizer("a b ##c", { lower = false, max_word = 7, mask = false })
    assert.equal("wordpiece", tok:kind())
    assert.equal(8, tok:size())
    assert.equal(8, #tok)
    assert.equal(7, tok:id "##c")
    assert.is_nil(tok:id "zz")
    assert.equal("##c", tok:token(7))
    assert.is_nil(tok:token(8))
    assert.is_nil(tok:token(-1))
    assert.same({ pad = 0, unk = 1, cls = 2, sep = 3 }, tok:special_ids())
    assert.equal("tokenizer (wordpiece, 8 tokens)", tostring(tok))
    assert.is_nil(tok:merges())
    local again = assert(nj.text.wordpiece(tok:vocabulary(), tok:options()))
    assert.same(tok:vocabulary(), again:vocabulary())
    assert.same(tok:options(), again:options())
    assert.same({ cls = "[CLS]", ideographs = true, lower = false, mask = false, max_word = 7,
      pad = "[PAD]", prefix = "##", sep = "[SEP]", unk = "[UNK]", strip_accents = false,
      specials = { "[PAD]", "[UNK]", "[CLS]", "[SEP]" } }, tok:options())
  end)

  it("does without [CLS] and [SEP] where there are none", function()
    local tok = assert(nj.text.wordpiece { "[UNK]", "a" })
    assert.same({ "a" }, tok:tokens "a")
    tok = assert(nj.text.wordpiece({ "?", "^", "a" }, { unk = "?", cls = "^" }))
    assert.same({ "^", "a", "?" }, tok:tokens "a b")
  end)
end)

describe("vocabulary files", function()
  local path

  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function load(content, options)
    local file <close> = assert(io.open(path, "wb"))
    file:write(content)
    file:close()
    return nj.text.wordpiece(path, options)
  end

  local function fails(content, message, code, options)
    local tok, got, got_code = load(content, options)
    assert.is_nil(tok)
    assert.equal(code, got_code)
    assert.is_truthy(got:find(message, 1, true), got)
  end

  it("may end in \\n, in \\r\\n, or in nothing", function()
    for _, content in ipairs { "[UNK]\na\n##b\n", "[UNK]\r\na\r\n##b\r\n", "[UNK]\na\n##b" } do
      assert.same({ "[UNK]", "a", "##b" }, assert(load(content)):vocabulary())
    end
  end)

  it("that cannot be read give nil, a message and a code", function()
    local tok, message, code = nj.text.wordpiece "/nonexistent/vocab.txt"
    assert.is_nil(tok)
    assert.equal("wordpiece: /nonexistent/vocab.txt: No such file or directory", message)
    assert.equal("ENOTFOUND", code)
    tok, message, code = nj.text.wordpiece "/tmp"
    assert.is_nil(tok)
    assert.equal("wordpiece: /tmp: not a regular file", message)
    assert.equal("EIO", code)
    tok, message, code = nj.text.wordpiece "/dev/zero"
    assert.is_nil(tok)
    assert.equal("wordpiece: /dev/zero: not a regular file", message)
    assert.equal("EIO", code)
  end)

  it("that are wrong say in which line", function()
    fails("", ": empty file", "EFORMAT")
    fails("[UNK]\na\nb\na\n", ": line 4: token 'a' has id 1 already", "EFORMAT")
    fails("[UNK]\n\nb\n", ": line 2: empty token", "EFORMAT")
    fails("[UNK]\na\n\n", ": line 3: empty token", "EFORMAT")
    fails("[UNK]\na\n\xff\xfe\n", ": line 3: not UTF-8", "EFORMAT")
    fails("[UNK]\n" .. ("x"):rep(4097), ": line 2: token of 4097 bytes, at most 4096 are allowed",
      "EFORMAT")
    fails("a\nb\n", "wordpiece: the vocabulary lacks an unknown token ('[UNK]')", "EFORMAT")
    fails("[UNK]\na\n", "the vocabulary lacks the special token '<x>'", "EFORMAT", { cls = "<x>" })
    local many = {}
    for i = 1, 1048577 do many[i] = tostring(i) end
    fails(table.concat(many, "\n"), ": line 1048577: more than 1048576 tokens", "EFORMAT")
  end)

  it("as lists are checked alike", function()
    local tok, message, code = nj.text.wordpiece { "[UNK]", "a", "a" }
    assert.is_nil(tok)
    assert.equal("wordpiece: item 3: token 'a' has id 1 already", message)
    assert.equal("EFORMAT", code)
    assert.has_error(function() nj.text.wordpiece { "[UNK]", 1 } end,
      "wordpiece: list: item 2 must be a string, got number")
    assert.has_error(function() nj.text.wordpiece(7) end,
      "wordpiece: expected a path or a list of tokens, got number")
    assert.has_error(function() nj.text.wordpiece({ "[UNK]" }, { cls = true }) end,
      "wordpiece: option 'cls' must be a token or false, got true")
    assert.has_error(function() nj.text.wordpiece({ "[UNK]" }, { lowr = true }) end,
      "wordpiece: unknown option 'lowr' (did you mean 'lower'?)")
    assert.has_error(function() nj.text.wordpiece({ "[UNK]" }, { max_word = 0 }) end,
      "wordpiece: option 'max_word' must be an integer in [1, 1000], got 0")
  end)
end)
