local nj = require "nightjar"
local near = require "spec.support.near"

local function make(more)
  local o = { audio_width = 4, text_width = 4, dim = 4, rng = nj.rng(1),
    hci = { levels = { "clip", "frame" } } }
  for key, value in pairs(more or {}) do o[key] = value end
  return nj.head(o)
end

local function noise(n, m, seed) return nj.rand({ n, m }, { low = -1, high = 1, rng = nj.rng(seed) }) end

-- A level that knows every answer, and one that knows nothing, on a scale ten times as large.
local function good_and_bad(n)
  return { clip = noise(n, n, 1) * 10, frame = nj.eye(n) * 0.5 + noise(n, n, 2) * 0.1 }
end

describe("head:fuse", function()
  it("is the mean of the levels, or what is asked for", function()
    local head, levels = make(), { clip = noise(3, 4, 1), frame = noise(3, 4, 2) }
    near((levels.clip + levels.frame) / 2, head:fuse(levels), { atol = 1e-6 })
    near((levels.clip + levels.frame * 3) / 4, head:fuse(levels, { clip = 1, frame = 3 }),
      { atol = 1e-6 })
    assert.is_true(nj.equal(levels.frame, head:fuse(levels, { frame = 0.2 })))
    assert.has_error(function() head:fuse(levels, { segment = 1 }) end,
      "head:fuse: no level 'segment' among clip, frame")
    assert.has_error(function() head:fuse(levels, { clip = -1 }) end,
      "head:fuse: the weight of 'clip' must be a number of at least 0, got -1")
    assert.has_error(function() head:fuse(levels, { clip = 0 }) end,
      "head:fuse: the weights are all 0")
    assert.has_error(function() head:fuse {} end, "head:fuse: there are no levels to fuse")
  end)

  it("mixes captions in, and falls back to sound for clips without", function()
    local head = make { ac = { matching = true, alpha = 0.6 } }
    local levels = { clip = noise(3, 4, 1), frame = noise(3, 4, 2), caption = noise(3, 4, 3),
      captioned = nj.tensor({ 1, 1, 0, 1 }, { dtype = "uint8" }) }
    local sound = (levels.clip + levels.frame) / 2
    local want = sound * 0.6 + levels.caption * 0.4
    local got = head:fuse(levels)
    near(want[{ {}, { 1, 2 } }], got[{ {}, { 1, 2 } }], { atol = 1e-6 })
    near(sound[{ {}, 3 }], got[{ {}, 3 }], { atol = 1e-6 })
    got = head:fuse(levels, { caption = 1 })
    near(levels.caption[{ {}, 4 }], got[{ {}, 4 }], { atol = 1e-6 })
    near(sound[{ {}, 3 }], got[{ {}, 3 }], { atol = 1e-6 })
    got = head:fuse(levels, { clip = 1, caption = 3 })
    near((levels.clip + levels.caption * 3)[{ {}, 1 }] / 4, got[{ {}, 1 }], { atol = 1e-6 })
    near(levels.clip[{ {}, 3 }], got[{ {}, 3 }], { atol = 1e-6 })
  end)
end)

describe("head:fit", function()
  it("finds the level that knows, keeps it, and tells what it did", function()
    local head, levels = make(), good_and_bad(20)
    local result = head:fit(levels)
    assert.are.equal(100, result.R1)
    assert.is_true(result.before < 50)
    assert.is_true(result.weights.frame > 0.8)
    near(1, result.weights.clip + result.weights.frame, { atol = 1e-9 })
    assert.is_true(result.tried > 11)
    assert.are.same(result.weights.frame, head.fusion.weights.frame)
    near(levels.clip * result.weights.clip + levels.frame * result.weights.frame,
      head:fuse(levels), { atol = 1e-5 })
  end)

  it("gives the same weights for the same data, and through a descriptor", function()
    local levels = { clip = noise(30, 30, 1) + nj.eye(30) * 0.8,
      frame = noise(30, 30, 2) + nj.eye(30) * 0.8 }
    local head, other = make(), make()
    assert.are.same(head:fit(levels), other:fit(levels))
    local d = head:descriptor()
    assert.is_true(d.fusion.fitted)
    assert.is_nil(make():descriptor().fusion)
    d = require("dkjson").decode(require("dkjson").encode(d))
    d.rng = nj.rng(1)
    near(head:fuse(levels), nj.head(d):fuse(levels), { atol = 1e-6 })
  end)

  it("never does worse than any grid point, the single levels among them", function()
    local head = make { hci = { levels = { "clip", "segment", "frame" } },
      ac = { matching = true } }
    local levels = {}
    for i, name in ipairs { "clip", "segment", "frame", "caption" } do
      levels[name] = noise(40, 40, i) + nj.eye(40) * (0.3 + 0.1 * i)
    end
    local result = head:fit(levels, nil, { steps = 5 })
    local grid = require "nightjar.head.grid"
    local judge = grid.judge(grid.relevance("fit", nil, 40, 40))
    for _, name in ipairs { "clip", "segment", "frame", "caption" } do
      assert.is_true(result.R1 >= grid.score(levels[name], judge), name)
    end
    near(result.R1, grid.score(head:fuse(levels), judge), { atol = 1e-9 })
    near(result.alpha, head:alpha(), { atol = 1e-9 })
  end)

  it("puts levels on one scale by what validation data say", function()
    local head, levels = make(), good_and_bad(12)
    local result = head:fit(levels, nil, { normalize = "z" })
    assert.are.equal("z", head.fusion.normalize)
    local s = head.fusion.statistics.frame
    near(levels.frame:mean():item(), s.mean, { atol = 1e-6 })
    -- The same line for other data: one column fewer changes no other column.
    local less = { clip = levels.clip[{ {}, { 1, 11 } }], frame = levels.frame[{ {}, { 1, 11 } }] }
    near(head:fuse(levels)[{ {}, { 1, 11 } }], head:fuse(less), { atol = 1e-6 })
    assert.are.equal(100, result.R1)
    result = head:fit(levels, nil, { normalize = "temperature" })
    assert.are.equal(100, result.R1)
    near(levels.frame / head:temperature "frame", head:fuse(levels, { frame = 1 }), { rtol = 1e-5 })
  end)

  it("takes several captions for a clip, and ids", function()
    local head = make()
    local S = nj.tensor { { 1, 0 }, { 1, 0 }, { 0, 1 }, { 0.9, 0 } }
    local levels = { clip = S, frame = S * 0 }
    -- Texts 1 and 2 of clip 1, 3 and 4 of clip 2: three texts and both clips are right.
    assert.are.equal((75 + 100) / 2, head:fit(levels, { 1, 1, 2, 2 }).R1)
    assert.are.equal((75 + 100) / 2,
      head:fit(levels, { texts = { "x", "x", "y", "y" }, clips = { "x", "y" } }).R1)
    assert.are.equal((75 + 100) / 2,
      head:fit(levels, nj.tensor({ 1, 1, 2, 2 }, { dtype = "int64" })).R1)
    assert.has_error(function() head:fit(levels) end,
      "head:fit: 4 texts for 2 clips: say which clip each text belongs to")
    assert.has_error(function() head:fit(levels, { 1, 2 }) end,
      "head:fit: expected the clip of each of 4 texts, got 2")
    assert.has_error(function() head:fit(levels, { 1, 1, 2, 3 }) end,
      "head:fit: text 4 belongs to clip 3, outside 1 to 2")
  end)

  it("refuses a fusion that cannot be", function()
    assert.has_error(function() make { fusion = { weights = { clip = 0, frame = 0 } } } end,
      "head: option 'fusion.weights' gives every level the weight 0")
    assert.error_matches(function()
      make { fusion = { statistics = { clip = { mean = 0, deviation = 0 } } } }
    end, "'deviation' must be a number above 0, got 0")
  end)
end)
