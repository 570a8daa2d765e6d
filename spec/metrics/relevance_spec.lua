local nj = require "nightjar"

-- Scores and relevant items by a formula; the figures below are those of numpy (stable argsort).
local function case()
  local scores, relevant = {}, {}
  for i = 0, 11 do
    local row, list = {}, {}
    for j = 0, 39 do
      row[j + 1] = (i * 37 + j * 101 + i * j * 13) % 997 / 997
      if (i * 7 + j * 3) % 11 < 1 + i % 3 then list[#list + 1] = j + 1 end
    end
    scores[i + 1], relevant[i + 1] = row, list
  end
  return scores, relevant
end

describe("nj.metrics.relevance", function()
  it("is what numpy makes of the definitions", function()
    local v = nj.metrics.relevance({ { .9, .1, .8, .3, .2 }, { .2, .7, .1, .6, .5 }, { .4, .3, .2, .1, 0 } },
      { relevant = { { 1, 4 }, 4, { 2, 3, 5 } }, bootstrap = 0 })
    assert.near(64.07407407407408, v.mAP, 1e-9)
    assert.near(100 / 3, v["R@1"], 1e-9)
    assert.equal(2, v.relevant)
    local scores, relevant = case()
    v = nj.metrics.relevance(scores, { relevant = relevant, bootstrap = 50 })
    for name, want in pairs { mAP = 22.237158231609975, ["mAP@10"] = 6.649095117845118,
      ["mAP@16"] = 11.397207154918194, ["R@1"] = 100 / 12, ["R@5"] = 58.333333333333336,
      ["R@10"] = 83.33333333333334, mean_rank = 7.25 } do
      assert.near(want, v[name], 1e-9, name)
      assert.is_true(v.ci[name][1] <= want and want <= v.ci[name][2], name)
      assert.is_true(v.chance[name] > 0, name)
    end
    assert.same({ 12, 40, 12 }, { v.queries, v.gallery, v.clusters })
    assert.matches("12 queries over 40 items", tostring(v), 1, true)
  end)

  it("is retrieval's where every query has one relevant item", function()
    local scores = nj.randn(12, 12, { rng = nj.rng(4) })
    local want = nj.metrics.retrieval(scores, { bootstrap = 0 }).text_to_audio
    local list = {}
    for i = 1, 12 do list[i] = i end
    local v = nj.metrics.relevance(scores, { relevant = list, bootstrap = 0 })
    for _, name in ipairs { "R@1", "R@5", "R@10", "mAP@10", "mean_rank" } do
      assert.near(want[name], v[name], 1e-9)
      assert.near(want.chance[name], v.chance[name], 1e-9)
    end
  end)

  it("resamples clusters where they are named, and breaks ties as asked", function()
    local scores, relevant = case()
    local one = {}
    for q = 1, #scores do one[q] = "all" end
    local v = nj.metrics.relevance(scores, { relevant = relevant, clusters = one, bootstrap = 20 })
    assert.equal(1, v.clusters)
    assert.near(v.mAP, v.ci.mAP[1], 1e-9)
    assert.near(v.mAP, v.ci.mAP[2], 1e-9)
    local equal = { { 1, 1, 1 } }
    assert.equal(100, nj.metrics.relevance(equal, { relevant = { 3 }, ties = "optimistic" }).mAP)
    assert.near(100 / 3, nj.metrics.relevance(equal, { relevant = { 3 }, ties = "pessimistic" }).mAP, 1e-9)
    assert.near(200 / 3, nj.metrics.relevance(equal, { relevant = { 3 }, ties = "mean" }).mAP, 1e-9)
  end)

  it("says what is wrong", function()
    for _, c in ipairs {
      { { relevant = { 1 } }, "'relevant' has lists for 1 queries, the scores 2 rows" },
      { { relevant = { 1, {} } }, "query 2 has no relevant item" },
      { { relevant = { 1, { 2, 2 } } }, "item 2 is relevant twice for query 2" },
      { { relevant = { 1, 5 } }, "relevant item 5 of query 2 is outside 1 to 3" },
      { { relevant = { 1, 2 }, clusters = { 1 } }, "'clusters' has 1 entries for 2 queries" },
      { {}, "relevant" },
    } do
      local ok, message = pcall(nj.metrics.relevance, { { 1, 2, 3 }, { 3, 2, 1 } }, c[1])
      assert.is_false(ok)
      assert.matches(c[2], message, 1, true)
    end
  end)
end)
