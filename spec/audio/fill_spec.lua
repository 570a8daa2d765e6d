local nj = require "nightjar"

local function wave(n) return nj.rand({ n }, { rng = nj.rng(3) }) * 2 - 1 end
local function zeros(n) return nj.zeros(n) end

-- 0.1 s at 8 kHz: 800 samples, 11 frames.
local function front_end(options)
  local o = { preset = "panns8k", duration = 0.1 }
  for key, value in pairs(options) do o[key] = value end
  return nj.audio.mel(o)
end

describe("a front-end that fills short clips up", function()
  local plain = nj.audio.mel { preset = "panns8k" }

  it("takes them for what its authors' code makes of them", function()
    local x = wave(300)
    local by = {
      pad = nj.cat({ x, zeros(500) }, 1),
      ["repeat"] = nj.cat({ x, x, x[{ { 1, 200 } }] }, 1),
      repeat_pad = nj.cat({ x, x, zeros(200) }, 1),
    }
    for fill, filled in pairs(by) do
      local fe = front_end { fill = fill }
      local mel = fe(x)
      assert.same({ 11, 64 }, mel.shape)
      assert.equal(plain(filled):bytes(), mel:bytes(), fill)
      assert.equal(11, fe:frames(300))
      assert.equal(11, fe:frames(0))
      assert.equal(plain(zeros(800)):bytes(), fe(zeros(0)):bytes())
    end
  end)

  it("puts silence behind each repetition", function()
    local x, gap = wave(200), zeros(120) -- 15 ms of 8 kHz
    local by = {
      ["repeat"] = nj.cat({ x, gap, x, gap, x[{ { 1, 160 } }] }, 1),
      repeat_pad = nj.cat({ x, gap, x, gap, zeros(160) }, 1),
    }
    for fill, filled in pairs(by) do
      assert.equal(plain(filled):bytes(), front_end { fill = fill, gap = 0.015 }(x):bytes(), fill)
    end
    local long = wave(750) -- the gap does not fit: zeros to the end
    for fill in pairs(by) do
      assert.equal(plain(nj.cat({ long, zeros(50) }, 1)):bytes(),
        front_end { fill = fill, gap = 0.015 }(long):bytes(), fill)
    end
    assert.has_error(function() front_end { fill = "pad", gap = 1 } end,
      'mel: gap needs fill = "repeat" or "repeat_pad"')
  end)

  it("pre-emphasises what is filled, across the seams", function()
    local x, gap = wave(200), zeros(120)
    local emphasised = nj.audio.mel { preset = "panns8k", preemphasis = 0.97 }
    local by = {
      { { fill = "pad" }, { x, zeros(600) } },
      { { fill = "repeat" }, { x, x, x, x } },
      { { fill = "repeat", gap = 0.015 }, { x, gap, x, gap, x[{ { 1, 160 } }] } },
      { { fill = "repeat_pad", gap = 0.015 }, { x, gap, x, gap, zeros(160) } },
    }
    for _, case in ipairs(by) do
      local o = { preemphasis = 0.97, duration = 0.1 }
      for key, value in pairs(case[1]) do o[key] = value end
      local fe = front_end(o)
      assert.equal(emphasised(nj.cat(case[2], 1)):bytes(), fe(x):bytes(), case[1].fill)
      assert.equal(fe:frames(800), fe:frames(200))
      assert.equal(emphasised(zeros(800)):bytes(), fe(zeros(0)):bytes())
    end
  end)

  it("leaves clips alone that are as long, or longer", function()
    for _, n in ipairs { 800, 801, 2000 } do
      local x = wave(n)
      for _, fill in ipairs { "pad", "repeat", "repeat_pad" } do
        assert.equal(plain(x):bytes(), front_end { fill = fill }(x):bytes())
      end
    end
  end)

  it("rounds samples before or after, which is the same, and repeats single samples", function()
    local x = wave(7)
    local list = {}
    for i = 1, 114 do list[i] = x end
    local filled = nj.cat({ nj.cat(list, 1), zeros(2) }, 1)
    assert.equal(nj.audio.mel { preset = "panns8k", quantize = true } (filled):bytes(),
      front_end { fill = "repeat_pad", quantize = true } (x):bytes())
    local one = wave(1)
    assert.equal(plain(one:expand(800):contiguous()):bytes(),
      front_end { fill = "repeat_pad" } (one):bytes())
  end)

  it("tells a batch's own frames, and gives each clip the bits it has alone", function()
    local fe = front_end { fill = "repeat_pad" }
    local waves = { wave(300), wave(1200), wave(800), wave(79), wave(0) }
    local mel, lengths = fe:batch(waves)
    assert.same({ 5, 16, 64 }, mel.shape)
    assert.same({ 4, 16, 11, 1, 1 }, lengths:totable())
    for i, x in ipairs(waves) do
      local alone = fe(x)
      assert.equal(alone:bytes(), mel[{ i, { 1, alone.shape[1] } }]:contiguous():bytes())
    end
    assert.equal(fe:silence(), mel(1, 12, 1))
  end)

  it("fills what a renderer mixes, and tells its own frames", function()
    local fe = front_end { fill = "repeat" }
    local waves = { wave(300), wave(900) }
    local renderer <close> = nj.audio.renderer { sources = waves, front_end = fe }
    local items = { { length = 300 / 8000, parts = { { source = 1 } } },
      { length = 900 / 8000, parts = { { source = 2 } } } }
    renderer:submit(items)
    local mel, lengths = renderer:next()
    local want, own = fe:batch(waves)
    assert.equal(want:bytes(), mel:bytes())
    assert.same(own:totable(), lengths:totable())
  end)

  it("is rebuilt by its descriptor", function()
    local fe = front_end { fill = "repeat" }
    local twin = nj.audio.mel(fe:descriptor())
    assert.equal("repeat", twin.fill)
    assert.equal(0.1, twin.duration)
    assert.equal(fe(wave(100)):bytes(), twin(wave(100)):bytes())
  end)

  it("says what is wrong", function()
    local function fails(text, options)
      assert.error_matches(function() nj.audio.mel(options) end, text, nil, true)
    end
    fails("mel: fill and duration need each other", { fill = "repeat" })
    fails("mel: fill and duration need each other", { duration = 3 })
    fails("mel: duration must be in [0, 3600] seconds, got -1", { fill = "pad", duration = -1 })
    fails("mel: duration must be in [0, 3600] seconds, got 1e+06", { fill = "pad", duration = 1e6 })
    fails("mel: option 'fill' must be one of", { fill = "mirror", duration = 1 })
  end)
end)
