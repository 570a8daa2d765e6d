local nj = require "nightjar"
local random_text = require "spec.support.random_text"

local vocabulary = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }
for c in ("abcdefghijklmnopqrstuvwxyz"):gmatch "." do
  vocabulary[#vocabulary + 1] = c
  vocabulary[#vocabulary + 1] = "##" .. c
end

describe("Tokenizer:batch", function()
  local tok = assert(nj.text.wordpiece(vocabulary))

  it("pads to the longest, with masks of tokens and of special tokens", function()
    local ids, mask, special = tok:batch { "a b", "", "abc" }
    assert.same({ 3, 5 }, ids.shape)
    assert.equal("int64", ids.dtype)
    assert.equal("uint8", mask.dtype)
    assert.equal("uint8", special.dtype)
    assert.same({ { 2, 5, 7, 3, 0 }, { 2, 3, 0, 0, 0 }, { 2, 5, 8, 10, 3 } }, ids:totable())
    assert.same({ { 1, 1, 1, 1, 0 }, { 1, 1, 0, 0, 0 }, { 1, 1, 1, 1, 1 } }, mask:totable())
    assert.same({ { 1, 0, 0, 1, 1 }, { 1, 1, 1, 1, 1 }, { 1, 0, 0, 0, 1 } }, special:totable())
  end)

  it("pads to a width, which is a limit too", function()
    local ids, mask = tok:batch({ "a b c d e f", "a" }, { pad = 4 })
    assert.same({ { 2, 5, 7, 3 }, { 2, 5, 3, 0 } }, ids:totable())
    assert.same({ { 1, 1, 1, 1 }, { 1, 1, 1, 0 } }, mask:totable())
    ids = tok:batch({ "a b c d e f", "a" }, { pad = "longest", max = 3 })
    assert.same({ { 2, 5, 3 }, { 2, 5, 3 } }, ids:totable())
    ids = tok:batch({ "a b", "a" }, { pad = 6, max = 3 })
    assert.same({ { 2, 5, 3, 0, 0, 0 }, { 2, 5, 3, 0, 0, 0 } }, ids:totable())
    assert.has_error(function() tok:batch({ "a", "a b c" }, { pad = 4, max = 9 }) end,
      "batch: text 2 has 5 tokens, more than the width 4")
  end)

  it("marks parsed special tokens", function()
    local ids, _, special = tok:batch({ "a [MASK]" }, { parse = true, special = false })
    assert.same({ { 5, 4 } }, ids:totable())
    assert.same({ { 0, 1 } }, special:totable())
  end)

  it("takes no texts, and texts without tokens", function()
    assert.same({ 0, 0 }, tok:batch({}).shape)
    assert.same({ 0, 7 }, tok:batch({}, { pad = 7 }).shape)
    assert.same({ 2, 0 }, tok:batch({ "", " " }, { special = false }).shape)
  end)

  it("gives each row what the text alone gives, for any number of threads", function()
    local texts = random_text.list(21, 200, 40)
    local threads = nj.threads()
    local first
    for _, n in ipairs { 1, 2, 5 } do
      nj.threads(n)
      local ids, mask, special = tok:batch(texts, { max = 20 })
      local got = { ids:totable(), mask:totable(), special:totable() }
      first = first or got
      assert.same(first, got)
    end
    nj.threads(threads)
    for i, text in ipairs(texts) do
      local e = tok:encode(text, { max = 20 })
      for k = 1, 20 do
        assert.equal(e.ids[k] or 0, first[1][i][k] or 0)
        assert.equal(e.ids[k] and 1 or 0, first[2][i][k] or 0)
        assert.equal(e.special[k] or 1, first[3][i][k] or 1)
      end
    end
  end)

  it("needs a pad token only where there is something to pad", function()
    local bare = assert(nj.text.wordpiece { "[UNK]", "a", "b" })
    assert.same({ { 1, 2 }, { 2, 1 } }, (bare:batch { "a b", "b a" }):totable())
    assert.has_error(function() bare:batch { "a b", "b" } end,
      "batch: the texts differ in length and the tokenizer has no pad token")
  end)

  it("decodes tensors of ids", function()
    assert.equal("a bc", tok:decode((tok:batch { "a bc", "" })[1]))
    assert.has_error(function() tok:decode(nj.zeros(3)) end,
      "bad argument #1 to 'decode' (expected a tensor of integers)")
  end)

  it("says what is wrong", function()
    assert.has_error(function() tok:batch "a" end, "batch: expected a list of strings, got string")
    assert.has_error(function() tok:batch { "a", 3 } end,
      "batch: list: item 2 must be a string, got number")
    assert.has_error(function() tok:batch({ "a" }, { pad = 0 }) end,
      "batch: option 'pad' must be an integer in [1, 2147483647], got 0")
    assert.has_error(function() tok:batch({ "a" }, { pad = "shortest" }) end,
      "batch: option 'pad' must be one of longest; got 'shortest'")
    assert.has_error(function() tok:batch({ "a" }, { pat = 3 }) end,
      "batch: unknown option 'pat' (did you mean 'pad'?)")
    assert.has_error(function() tok:batch({ "a" }, { max = 1 }) end,
      "encode: max is 1, but 2 special tokens are added")
  end)
end)
