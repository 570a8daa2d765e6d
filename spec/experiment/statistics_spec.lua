-- Means with intervals, and paired differences.
describe("nj.experiment.estimate and nj.experiment.paired", function()
  local nj = require "nightjar"

  it("gives mean, deviation and interval", function()
    local e = nj.experiment.estimate { 1, 2, 3, 4, 5 }
    assert.equal(5, e.n)
    assert.near(3, e.mean, 1e-12)
    assert.near(math.sqrt(2.5), e.deviation, 1e-12)
    assert.near(2.776445 * math.sqrt(2.5 / 5), e.half, 1e-5)
    assert.near(e.mean - e.half, e.low, 1e-12)
    assert.near(e.mean + e.half, e.high, 1e-12)
    assert.is_true(nj.experiment.estimate({ 1, 2, 3 }, 0.5).half < nj.experiment.estimate({ 1, 2, 3 }).half)
  end)

  it("has no interval for one value, and no mean for none", function()
    local one = nj.experiment.estimate { 7 }
    assert.equal(7, one.mean)
    assert.is_true(one.half ~= one.half)
    local none = nj.experiment.estimate {}
    assert.equal(0, none.n)
    assert.is_true(none.mean ~= none.mean)
  end)

  it("leaves out what is not finite", function()
    local e = nj.experiment.estimate { 1, 0 / 0, 3, math.huge }
    assert.equal(2, e.n)
    assert.equal(2, e.mean)
  end)

  it("pairs by seed and leaves out seeds that one side lacks", function()
    local d = nj.experiment.paired({ [1] = 10, [2] = 21, [9] = 99 }, { [1] = 8, [2] = 20, [3] = 0 })
    assert.equal(2, d.n)
    assert.near(1.5, d.mean, 1e-12)
    -- The spread over seeds is common to both sides and cancels.
    local wide = nj.experiment.paired({ 1, 101, 201 }, { 0, 100, 200 })
    assert.near(0, wide.half, 1e-12)
  end)

  it("refuses what is no list and confidences outside (0, 1)", function()
    assert.error_matches(function() nj.experiment.estimate(3) end,
      "experiment.estimate: argument 1 %(values%) must be")
    assert.error_matches(function() nj.experiment.estimate({ 1 }, 1) end,
      "experiment.estimate: argument 2 %(confidence%) must be")
    assert.error_matches(function() nj.experiment.paired({}, 1) end,
      "experiment.paired: argument 2 %(baseline%) must be")
  end)
end)
