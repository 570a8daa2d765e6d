local nj = require "nightjar"

describe("nj.bm25", function()
  local documents = { "a dog barks", { "rain falls on a roof", "Rain, rain!" }, "the dog sleeps" }

  -- The formula, document by document.
  local function plain(query, k1, b)
    local words = {
      { "a", "dog", "barks" }, { "rain", "falls", "on", "a", "roof", "rain", "rain" },
      { "the", "dog", "sleeps" },
    }
    local mean, out = 13 / 3, {}
    for d, document in ipairs(words) do
      out[d] = 0
      for word in query:gmatch "%S+" do
        local f, n = 0, 0
        for _, other in ipairs(document) do f = f + (other == word and 1 or 0) end
        for _, other in ipairs(words) do
          for _, w in ipairs(other) do
            if w == word then n = n + 1 break end
          end
        end
        if f > 0 then
          out[d] = out[d] + math.log(1 + (3 - n + 0.5) / (n + 0.5)) * f * (k1 + 1)
            / (f + k1 * (1 - b + b * #document / mean))
        end
      end
    end
    return out
  end

  it("is Robertson's formula", function()
    local index = nj.bm25(documents)
    local queries = { "rain on a dog", "dog dog", "cat" }
    local S = index:scores(queries)
    assert.same({ 3, 3 }, S.shape)
    for q, query in ipairs(queries) do
      local expected = plain(query, 1.2, 0.75)
      for d = 1, 3 do assert.near(expected[d], S[{ q, d }], 1e-5) end
    end
    assert.equal("bm25: 3 documents, 9 words, 4.3 words a document (k1 1.2, b 0.75)",
      tostring(index))
    assert.equal(3, #index)
  end)
  it("takes k1 and b", function()
    local S = nj.bm25(documents, { k1 = 2, b = 0.3 }):scores { "rain roof" }
    assert.near(plain("rain roof", 2, 0.3)[2], S[{ 1, 2 }], 1e-5)
    -- Without b a document's length is nothing; with k1 = 0 a second occurrence is nothing.
    local flat = nj.bm25({ "x", "x y z", "y x x" }, { b = 0, k1 = 0 }):scores { "x" }
    assert.equal(flat[{ 1, 1 }], flat[{ 1, 2 }])
    assert.equal(flat[{ 1, 1 }], flat[{ 1, 3 }])
  end)
  it("finds", function()
    local index = nj.bm25(documents)
    local found = index:search "dog"
    assert.equal(2, #found)
    -- Equal in every respect: the lower number first.
    assert.same({ 1, 3 }, { found[1].document, found[2].document })
    assert.equal(found[1].score, found[2].score)
    assert.equal(1, #index:search("dog", 1))
    assert.same({}, index:search "cat")
    assert.same({}, index:search "")
  end)
  it("reads words as people write them", function()
    local index = nj.bm25 { "It's raining; ÜBER-loud", "it s" }
    assert.equal(1, index:search("IT'S")[1].document)
    assert.equal(1, index:search("über")[1].document)
    assert.equal(2, #nj.bm25({ "A-b", "c" }, {
      tokenize = function(text) return { text:sub(1, 1):lower(), "always" } end,
    }):search "apple")
  end)
  it("knows no documents, no words and no queries", function()
    assert.same({ 1, 0 }, nj.bm25({}):scores({ "x" }).shape)
    assert.same({ 0, 2 }, nj.bm25({ "a", "b" }):scores({}).shape)
    assert.same({ { 0, 0 } }, nj.bm25({ "", {} }):scores({ "x" }):totable())
  end)
  it("leaves no word out, and counts none against a document", function()
    local S = nj.bm25({ "a a", "a b", "a c" }):scores { "a" }
    for d = 1, 3 do assert.is_true(S[{ 1, d }] > 0) end
  end)
  it("refuses what is no text", function()
    assert.has_error(function() nj.bm25 { "a", { "b", 3 } } end,
      "bm25: document 2 holds a integer, expected texts")
    assert.has_error(function() nj.bm25 { 1 } end,
      "bm25: document 1 holds a integer, expected texts")
    assert.has_error(function() nj.bm25() end,
      "bm25: argument 1 (documents) must be a table, got nothing")
    assert.has_error(function() nj.bm25({}, { b = 2 }) end,
      "bm25: option 'b' must be a number in [0, 1], got 2")
    assert.has_error(function() nj.bm25({ "x" }, { tokenize = function() return "x" end }) end,
      "bm25: option 'tokenize' must give a list of words, gave a string for document 1")
    assert.has_error(function() nj.bm25({ "x" }):scores { "x", 2 } end,
      "scores: argument 1 (queries[2]) must be a string, got 2")
    assert.has_error(function() nj.bm25({ "x" }):search("x", 0) end,
      "search: argument 2 (k) must be an integer of at least 1, got 0")
  end)

  it("agrees with the matrix of all scores", function()
    local words, rng = { "a", "dog", "rain", "barks", "siren", "and", "wind" }, nj.rng(3)
    local function text()
      local list = {}
      for i = 1, rng:integer(1, 9) do list[i] = (rng:choice(words)) end
      return table.concat(list, " ")
    end
    local texts = {}
    for i = 1, 40 do texts[i] = { text(), text() } end
    local index = nj.bm25(texts)
    local queries = { text(), text(), text() }
    local S = index:scores(queries)
    for q, query in ipairs(queries) do
      local row = nj.zeros({ 40 })
      for _, found in ipairs(index:search(query, 40)) do row[found.document] = found.score end
      assert.is_true(nj.allclose(S[q], row))
    end
  end)
end)
