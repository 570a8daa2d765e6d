local nj = require "nightjar"
local near = require "spec.support.near"

local TIMES = { { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 4 } }

local function phrase(scores, intervals, clip)
  return { scores = scores, times = TIMES, intervals = intervals, clip = clip }
end

describe("nj.metrics.alignment", function()
  it("counts phrases that point where their sound is", function()
    local r = nj.metrics.alignment({
      phrase({ 0.1, 0.9, 0.2, 0.3 }, { { 1, 2 } }),           -- a hit; AP 1
      phrase({ 0.1, 0.9, 0.2, 0.3 }, { { 0, 1 }, { 2.4, 4 } }), -- a miss
    }, { bootstrap = 0 })
    assert.are.equal(50, r.pointing)
    -- The second: active frames 1, 3 and 4; in order 2, 4, 3, 1: (1/2 + 2/3 + 3/4) / 3.
    near(100 * (1 + (1 / 2 + 2 / 3 + 3 / 4) / 3) / 2, r.AP, { atol = 1e-9 })
    near(100 * (1 / 4 + 3 / 4) / 2, r.chance.pointing, { atol = 1e-9 })
    near(100 * (nj.metrics.chance.average_precision(4, 1)
      + nj.metrics.chance.average_precision(4, 3)) / 2, r.chance.AP, { atol = 1e-9 })
    assert.are.equal(2, r.phrases)
    assert.are.equal(0, r.skipped)
  end)

  it("takes a frame for active when its middle is", function()
    local r = nj.metrics.alignment({ phrase({ 1, 0, 0, 0 }, { { 0.4, 0.6 } }) }, { bootstrap = 0 })
    assert.are.equal(100, r.pointing)
    r = nj.metrics.alignment({ phrase({ 1, 0, 0, 0 }, { { 0.6, 1.6 } }) }, { bootstrap = 0 })
    assert.are.equal(0, r.pointing)
  end)

  it("leaves out phrases that sound throughout or not at all", function()
    local r = nj.metrics.alignment({
      phrase({ 1, 0, 0, 0 }, { { 0, 4 } }), phrase({ 1, 0, 0, 0 }, { { 5, 6 } }),
      phrase({ 1, 0, 0, 0 }, { { 0, 1 } }),
    }, { bootstrap = 0 })
    assert.are.equal(1, r.phrases)
    assert.are.equal(2, r.skipped)
    assert.are.equal(100, r.pointing)
    local none = nj.metrics.alignment({}, { bootstrap = 10 })
    assert.is_true(none.pointing ~= none.pointing)
  end)

  it("is what chance says for scores that know nothing", function()
    local items, rng = {}, nj.rng(1)
    for i = 1, 3000 do
      local scores = {}
      for k = 1, 4 do scores[k] = rng:uniform() end
      items[i] = phrase(scores, { { i % 3, i % 3 + 1 + i % 2 } })
    end
    local r = nj.metrics.alignment(items, { bootstrap = 200 })
    near(r.chance.pointing, r.pointing, { atol = 3 })
    near(r.chance.AP, r.AP, { atol = 2 })
    assert.is_true(r.ci.AP[1] < r.AP and r.AP < r.ci.AP[2])
    assert.matches("pointing +%d+%.%d+ %[.*%]  %(chance 3?4?%d", tostring(r))
    assert.are.equal(3000, r:plain().phrases)
  end)

  it("resamples clips, not phrases", function()
    local items = {}
    for i = 1, 40 do
      items[i] = phrase(i <= 20 and { 1, 0, 0, 0 } or { 0, 1, 0, 0 }, { { 0, 1 } }, i <= 20)
    end
    local r = nj.metrics.alignment(items, { bootstrap = 300 })
    assert.are.equal(2, r.clips)
    assert.are.same({ 0, 100 }, { r.ci.pointing[1], r.ci.pointing[2] })
  end)

  it("says what was wrong", function()
    assert.has_error(function()
      nj.metrics.alignment { { scores = { 1 }, times = TIMES, intervals = {} } }
    end, "metrics.alignment: phrase 1 has scores of 1 frames and times of 4")
  end)
end)
