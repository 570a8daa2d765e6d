local nj = require "nightjar"
local near = require "spec.support.near"

local classification = nj.metrics.classification

describe("classification", function()
  -- 2 classes, 4 clips
  local S = { { 0.9, 0.2, 0.6, 0.1 }, { 0.3, 0.8, 0.7, 0.05 } }
  local labels = { 1, 2, 1, 2 }

  it("measures by hand", function()
    local r = classification(S, { labels = labels, bootstrap = 0 })
    -- class 1 ranks clips 1, 3, 2, 4: relevant at 1, 2. class 2 ranks 2, 3, 1, 4: at 1, 4.
    near({ 1, (1 + 2 / 4) / 2 }, r.ap, { atol = 1e-12 })
    near(87.5, r.mAP, { atol = 1e-12 })
    near(50, r.accuracy, { atol = 1e-12 }) -- clips 3 and 4 score higher for the other class
    assert.is_nil(r["accuracy@5"])
    near(50, r.chance.accuracy, { atol = 1e-12 })
    -- two relevant of four: (1/6) Σ over placements
    near(100 * nj.metrics.chance.average_precision(4, 2), r.chance.mAP, { atol = 1e-12 })
  end)

  it("leaves out classes without clips, and accuracy of clips with several classes", function()
    local r = classification({ { 1, 2 }, { 2, 1 }, { 0, 0 } }, { labels = { { 1, 2 }, 2 },
      bootstrap = 50 })
    assert.is_true(r.ap[3] ~= r.ap[3])
    assert.are.equal(2, r.measured_classes)
    assert.is_nil(r.accuracy)
    near(100 * (1 / 2 + 1) / 2, r.mAP, { atol = 1e-12 })
    assert.is_truthy(tostring(r):find("1 classes have no clip and are left out of mAP", 1, true))
  end)

  it("gives intervals that hold the value and agree with repeating clips", function()
    local scores = nj.randn(10, 200, { rng = nj.rng(6) })
    local own = {}
    for clip = 1, 200 do own[clip] = (clip - 1) % 10 + 1 end
    local r = classification(scores, { labels = own, bootstrap = 400 })
    for _, name in ipairs { "mAP", "accuracy", "accuracy@5" } do
      local ci = r.ci[name]
      assert.is_true(ci[1] < r[name] and r[name] < ci[2], name)
    end
    assert.is_true(r.ci.accuracy[1] < 10 and r.ci.accuracy[2] > 10) -- chance
    local text = tostring(r)
    assert.is_truthy(text:find("200 clips, 10 classes; ties: stable (lower index first)", 1, true))
    assert.is_truthy(text:find("\naccuracy@5 "))
  end)

  it("resamples recordings when clips come from few of them", function()
    local scores = nj.randn(4, 80, { rng = nj.rng(7) })
    local own, recordings = {}, {}
    for clip = 1, 80 do own[clip], recordings[clip] = (clip - 1) // 20 + 1, (clip - 1) // 10 end
    local apart = classification(scores, { labels = own, bootstrap = 200 })
    local joined = classification(scores, { labels = own, bootstrap = 200, clusters = recordings })
    assert.are.equal(8, joined.clusters)
    assert.are.equal(apart.mAP, joined.mAP)
    assert.are_not.same(apart.ci.mAP, joined.ci.mAP)
    assert.is_truthy(tostring(joined):find("; 8 clusters", 1, true))
  end)

  it("counts what is taken for what", function()
    local r = classification(S, { labels = labels, bootstrap = 0, names = { "dog", "rain" } })
    -- clip 3 is of class 1 and scores higher for 2; clip 4 is of class 2 and scores higher for 1
    assert.are.same({ { 1, 1 }, { 1, 1 } }, r.confusion)
    assert.are.same({
      { class = 1, taken_for = 2, clips = 1, of = 2, name = "dog", taken_for_name = "rain" },
      { class = 2, taken_for = 1, clips = 1, of = 2, name = "rain", taken_for_name = "dog" },
    }, r:confusions())
    assert.are.equal(1, #r:confusions(1))
    assert.are.same(r.confusion, r:plain().confusion)
    -- Of equal scores the first class has it.
    r = classification({ { 1, 0 }, { 1, 2 }, { 0, 3 } }, { labels = { 2, 2 }, bootstrap = 0 })
    assert.are.same({ { 0, 0, 0 }, { 1, 0, 1 }, { 0, 0, 0 } }, r.confusion)
    assert.are.same({ class = 2, taken_for = 1, clips = 1, of = 2 }, r:confusions()[1])
    local several = classification(S, { labels = { { 1, 2 }, 1, 2, 1 }, bootstrap = 0 })
    assert.is_nil(several.confusion)
    assert.has_error(function() several:confusions() end,
      "classification:confusions: clips with several classes are not taken for another")
    assert.has_error(function() r:confusions(0) end,
      "classification:confusions: argument 1 (k) must be an integer of at least 1, got 0")
  end)

  it("says what was wrong", function()
    assert.has_error(function() classification(S, { labels = { 1, 2 } }) end,
      "metrics.classification: 2 labels for 4 clips (columns of the scores)")
    assert.has_error(function() classification(S, { labels = { 1, 2, 3, 1 } }) end,
      "metrics.classification: clip 3 has label 3, outside 1 to 2")
    assert.has_error(function() classification(S, {}) end,
      "metrics.classification: option 'labels' is required (a table or a tensor)")
    assert.has_error(function() classification(S, { labels = labels, clusters = { 1 } }) end,
      "metrics.classification: option 'clusters' has 1 entries for 4 clips")
  end)
end)

describe("average_precision", function()
  it("counts positions, with a cut-off and relevant items that are not reached", function()
    local scores = { { 5, 4, 3, 2, 1 } }
    near({ (1 / 2 + 2 / 4) / 2 }, nj.metrics.average_precision(scores, { { 2, 4 } }),
      { atol = 1e-12 })
    near({ (1 / 2) / 2 }, nj.metrics.average_precision(scores, { { 4, 2 } }, { cutoff = 3 }),
      { atol = 1e-12 })
    local none = nj.metrics.average_precision(scores, { {} })[1]
    assert.is_true(none ~= none)
  end)

  it("names an item that is not there", function()
    assert.has_error(function() nj.metrics.ranks({ { 1, 2 } }, { 3 }) end,
      "metrics.ranks: relevant item 3 of query 1 is outside 1 to 2")
    assert.has_error(function() nj.metrics.ranks({ { 1, 2 } }, { 1, 2 }) end,
      "metrics.ranks: expected relevant items for each of 1 queries, got 2")
  end)
end)
