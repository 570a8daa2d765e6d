local nj = require "nightjar"
local calibration = require "nightjar.model.calibration"
local near = require "spec.support.near"

local D = 8

-- Queries and clips on the unit sphere, clips near the query of their class; `spread` is the noise.
local function world(classes, per_class, spread, seed)
  local rng = nj.rng(seed)
  local queries = nj.randn({ classes, D }, { rng = nj.rng(100) }):normalize(-1)
  local rows, class = {}, {}
  for c = 1, classes do
    for _ = 1, per_class do
      rows[#rows + 1] = (queries[c] + nj.randn({ D }, { rng = rng }) * spread):normalize(-1)
      class[#class + 1] = c
    end
  end
  local matches = {}
  for c = 1, classes do
    matches[c] = {}
    for n = 1, #class do matches[c][n] = class[n] == c end
  end
  return queries, nj.stack(rows, 1), matches
end

describe("calibration", function()
  local bank = nj.randn({ 50, D }, { rng = nj.rng(9) }):normalize(-1)

  it("rises with the cosine", function()
    local queries, clips, matches = world(6, 20, 0.5, 1)
    local c = calibration.fit(bank, queries, clips, matches)
    local cosines = nj.linspace(-1, 1, 41)
    local p = calibration.apply(c, queries[1], cosines):totable()
    for i = 2, #p do assert(p[i] >= p[i - 1], ("at %d: %g after %g"):format(i, p[i], p[i - 1])) end
    assert(p[1] < 0.01 and p[#p] > 0.9)
  end)

  it("says on new sounds what share of them is right", function()
    local queries, clips, matches = world(8, 40, 0.6, 2)
    local c = calibration.fit(bank, queries, clips, matches)
    assert.is_near(1 / 8, c.prevalence, 1e-9)
    assert.equal(8 * 320, c.pairs)
    local _, fresh, truth = world(8, 100, 0.6, 3)
    local bins = {}
    for b = 1, 5 do bins[b] = { n = 0, said = 0, right = 0 } end
    for q = 1, 8 do
      local p = calibration.apply(c, queries[q], fresh:matmul(queries[q])):totable()
      for n, value in ipairs(p) do
        local bin = bins[math.min(5, 1 + math.floor(value * 5))]
        bin.n, bin.said = bin.n + 1, bin.said + value
        bin.right = bin.right + (truth[q][n] and 1 or 0)
      end
    end
    for b, bin in ipairs(bins) do
      if bin.n > 80 then
        assert(math.abs(bin.said - bin.right) / bin.n < 0.12,
          ("bin %d: said %.3f, was %.3f of %d"):format(b, bin.said / bin.n, bin.right / bin.n,
            bin.n))
      end
    end
  end)

  it("stays finite when matches and others separate", function()
    local queries, clips, matches = world(4, 10, 0.01, 4)
    local c = calibration.fit(bank, queries, clips, matches)
    for i = 1, 3 do assert(math.abs(c.weights[i]) < 1e6 and c.weights[i] == c.weights[i]) end
    for q = 1, 4 do
      local p = calibration.apply(c, queries[q], clips:matmul(queries[q])):totable()
      for n, value in ipairs(p) do
        assert.equal(matches[q][n], value > 0.5)
      end
    end
  end)

  it("judges fused similarities when it is fitted on them", function()
    local queries, clips, matches = world(6, 20, 0.5, 7)
    local exact, _, _ = world(6, 20, 0.5, 7)
    local cosines = exact:matmul(clips:transpose(1, 2))
    -- Similarities on a scale of their own, and closer to the truth than the cosines.
    local truth = {}
    for q, row in ipairs(matches) do
      truth[q] = {}
      for n, match in ipairs(row) do truth[q][n] = match and 0.1 or 0 end
    end
    local fused = cosines * 0.2 + nj.tensor(truth) + 0.3
    local c = calibration.fit(bank, queries, clips, matches, fused)
    assert.equal("similarity", c.of)
    assert.equal("cosine", calibration.fit(bank, queries, clips, matches).of)
    local p = calibration.apply(c, queries[1], nj.linspace(0, 0.8, 30)):totable()
    for i = 2, #p do assert.is_true(p[i] >= p[i - 1]) end
    local right = 0
    for q = 1, 6 do
      for n, value in ipairs(calibration.apply(c, queries[q], fused[q]):totable()) do
        right = right + ((value > 0.5) == matches[q][n] and 1 or 0)
      end
    end
    assert.is_true(right > 0.95 * 6 * 120, right)
    assert.equal("similarity", calibration.restore(calibration.describe(c), c.bank, D).of)
    local old = calibration.describe(c)
    old.of = nil
    assert.equal("cosine", calibration.restore(old, c.bank, D).of)
  end)

  it("needs both kinds of pairs", function()
    local queries, clips, matches = world(2, 3, 0.1, 5)
    for q = 1, 2 do
      for n = 1, 6 do matches[q][n] = false end
    end
    assert.error_matches(function() calibration.fit(bank, queries, clips, matches) end,
      "calibration: needs both matching and other pairs")
  end)

  it("comes back from what describes it", function()
    local queries, clips, matches = world(4, 10, 0.4, 6)
    local c = calibration.fit(bank, queries, clips, matches)
    local again = calibration.restore(calibration.describe(c), c.bank, D)
    local cosines = clips:matmul(queries[2])
    near(calibration.apply(c, queries[2], cosines), calibration.apply(again, queries[2], cosines),
      { atol = 0 })
  end)

  it("solves systems that need a pivot", function()
    near({ 1, 2, 3 }, calibration.solve({ { 0, 1, 1 }, { 1, 0, 1 }, { 1, 1, 0 } }, { 5, 4, 3 }),
      { atol = 1e-12 })
  end)
end)
