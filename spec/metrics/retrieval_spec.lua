local nj = require "nightjar"
local near = require "spec.support.near"

local retrieval = nj.metrics.retrieval

local function quick(o)
  o = o or {}
  o.bootstrap = o.bootstrap or 0
  return o
end

describe("retrieval", function()
  -- 3 clips, captions 2, 1, 3 of them, in no order.
  local S = {
    { 0.9, 0.1, 0.2 }, -- of clip 1: rank 0
    { 0.3, 0.5, 0.4 }, -- of clip 3: rank 1
    { 0.2, 0.1, 0.3 }, -- of clip 2: rank 2
    { 0.1, 0.2, 0.7 }, -- of clip 3: rank 0
    { 0.6, 0.8, 0.1 }, -- of clip 1: rank 1
    { 0.4, 0.3, 0.2 }, -- of clip 3: rank 2
  }
  local clip_of = { 1, 3, 2, 3, 1, 3 }

  it("ranks by hand, captions in any order and number", function()
    local r = retrieval(S, quick { clip_of = clip_of })
    assert.are.equal(3, r.clips)
    assert.are.equal(6, r.captions)
    local t = r.text_to_audio
    assert.are.same({ 0, 1, 2, 0, 1, 2 }, t.ranks)
    near(100 * 2 / 6, t["R@1"], { atol = 1e-12 })
    near(100, t["R@5"], { atol = 1e-12 })
    near(100 * (1 + 1 / 2 + 1 / 3 + 1 + 1 / 2 + 1 / 3) / 6, t["mAP@10"], { atol = 1e-12 })
    assert.are.equal(2, t.median_rank) -- floor(1) + 1
    assert.are.equal(2, t.mean_rank)
    assert.are.equal(6, t.queries)
    assert.are.equal(3, t.gallery)
    local a = r.audio_to_text
    -- clip 1: texts 1 (0.9), 5 (0.6): ranks 0, 1; clip 2: text 3 (0.1): rank 5, after its equal;
    -- clip 3: text 4 (0.7), 2 (0.4), 6 (0.2): ranks 0, 1, 4
    assert.are.same({ 0, 5, 0 }, a.ranks)
    near(100 * (1 + 1 / 6 + (1 + 1 + 3 / 5) / 3) / 3, a["mAP@10"], { atol = 1e-12 })
    assert.are.equal(3, a.queries)
    assert.are.equal(6, a.gallery)
    -- DCASE counts every relevant caption: 1/2, 0, 1/3
    near(100 * (1 / 2 + 0 + 1 / 3) / 3, r.dcase.audio_to_text["R@1"], { atol = 1e-12 })
    near(100 * 2 / 3, a["R@1"], { atol = 1e-12 })
    assert.are.equal(t["R@1"], r.dcase.text_to_audio["R@1"])
  end)

  describe("traps:", function()
    it("AP sorts positions first (LAION-CLAP pairs 1, 2, … with caption order)", function()
      -- The clip's captions stand at positions 3, 2, 1 in caption order.
      local one = { { 0.1 }, { 0.2 }, { 0.3 } }
      local r = retrieval(one, quick { captions_per_clip = 3 })
      near(100, r.audio_to_text["mAP@10"], { atol = 1e-12 })
      local wrong = (1 / 3 + 2 / 2 + 3 / 1) / 3
      assert.is_true(wrong > 1) -- what unsorted pairing gives: more than an AP can be
    end)

    it("ties give one rank a query (CLIP4Clip's code adds one for every equal score)", function()
      local flat = { { 1, 1, 1 }, { 1, 1, 1 }, { 1, 1, 1 } }
      local ranks = {}
      for _, ties in ipairs { "stable", "optimistic", "pessimistic", "mean" } do
        ranks[ties] = retrieval(flat, quick { ties = ties }).text_to_audio.ranks
      end
      assert.are.same({ 0, 1, 2 }, ranks.stable)
      assert.are.same({ 0, 0, 0 }, ranks.optimistic)
      assert.are.same({ 2, 2, 2 }, ranks.pessimistic)
      assert.are.same({ 1.0, 1.0, 1.0 }, ranks.mean)
    end)

    it("tied captions of a clip do not make an AP above 1", function()
      local flat = { { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } }
      local function ap(ties)
        return retrieval(flat, quick { captions_per_clip = 2, ties = ties }).audio_to_text["mAP@10"]
      end
      near(100, ap "optimistic", { atol = 1e-12 })
      near(100 * (1 / 3 + 2 / 4) / 2, ap "pessimistic", { atol = 1e-12 })
      near((ap "optimistic" + ap "pessimistic") / 2, ap "mean", { atol = 1e-12 })
      near(100 * (1 + (1 / 3 + 2 / 4) / 2) / 2, ap "stable", { atol = 1e-12 })
    end)

    it("audio→text R@k goes by the best of a clip's captions, mAP by all of them", function()
      local two = { { 0.9, 0.5 }, { 0.1, 0.5 }, { 0.8, 0.6 }, { 0.7, 0.4 } }
      local r = retrieval(two, quick { captions_per_clip = 2 })
      near(100, r.audio_to_text["R@1"], { atol = 1e-12 })
      near(100 * ((1 + 2 / 4) / 2 + (1 + 2 / 4) / 2) / 2, r.audio_to_text["mAP@10"],
        { atol = 1e-12 })
      near(50, r.dcase.audio_to_text["R@1"], { atol = 1e-12 })
    end)

    it("the median rank is floor(median) + 1 of 0-based ranks", function()
      -- ranks 0 and 1: median 0.5, so 1 (not 1.5, not 2)
      local r = retrieval({ { 1, 0 }, { 1, 0 } }, quick())
      assert.are.same({ 0, 1 }, r.text_to_audio.ranks)
      assert.are.equal(1, r.text_to_audio.median_rank)
      assert.are.equal(1.5, r.text_to_audio.mean_rank)
    end)

    it("captions need not be sorted by clip", function()
      local sorted, order = {}, { 4, 1, 6, 3, 2, 5 }
      local clips = {}
      for i, from in ipairs(order) do sorted[i], clips[i] = S[from], clip_of[from] end
      local a = retrieval(S, quick { clip_of = clip_of, ties = "optimistic" })
      local b = retrieval(sorted, quick { clip_of = clips, ties = "optimistic" })
      for _, side in ipairs { "text_to_audio", "audio_to_text" } do
        for _, name in ipairs { "R@1", "R@5", "mAP@10", "median_rank", "mean_rank" } do
          near(a[side][name], b[side][name], { atol = 1e-9 }, side .. name)
        end
      end
    end)

    it("a clip's captions divide by their own number, not by five", function()
      local r = retrieval({ { 0.9, 0.1 }, { 0.2, 0.8 }, { 0.1, 0.7 } },
        quick { clip_of = { 1, 2, 2 } })
      near(100, r.audio_to_text["mAP@10"], { atol = 1e-12 })
    end)

    it("nan is an error, not a rank", function()
      assert.error_matches(function()
        retrieval({ { 1, 0 }, { 0 / 0, 1 } }, quick())
      end, "the score in row 2, column 1 is nan")
    end)
  end)

  it("searches clips without captions, but does not ask for them", function()
    local r = retrieval({ { 0.5, 0.9, 0.1 }, { 0.3, 0.1, 0.8 } }, quick { clip_of = { 1, 3 } })
    assert.are.same({ 1, 0 }, r.text_to_audio.ranks)
    assert.are.equal(2, r.audio_to_text.queries)
    assert.are.equal(3, r.clips)
  end)

  it("prints counts, intervals and chance", function()
    local text = tostring(retrieval(S, { clip_of = clip_of, bootstrap = 200 }))
    assert.is_truthy(text:find("3 clips, 6 captions; ties: stable (lower index first)", 1, true))
    assert.is_truthy(text:find("95 % intervals: percentile bootstrap, 200 resamples of clips, "
      .. "seed 1", 1, true))
    assert.is_truthy(text:find("\nR@1 +33%.33 +%[%d+%.%d%d, %d+%.%d%d%] +33%.33 +66%.67"))
    assert.is_truthy(text:find("\nmedian rank +2 +%["))
    assert.is_truthy(text:find("\nDCASE ", 1, true))
    for line in text:gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 100, line) end
    assert.is_nil(tostring(retrieval(S, quick { clip_of = clip_of })):find("%[", 1))
  end)

  it("gives plain tables for JSON", function()
    local r = retrieval(S, { clip_of = clip_of, bootstrap = 20 })
    local plain = r:plain()
    assert.is_nil(getmetatable(plain))
    assert.are.equal(r.text_to_audio["R@1"], plain.text_to_audio["R@1"])
    assert.is_nil(plain.text_to_audio.ranks)
    local text = require("dkjson").encode(plain)
    assert.are.equal(6, require("dkjson").decode(text).captions)
    local c = nj.metrics.classification({ { 1, 2 }, { 0, 0 } },
      { labels = { 1, 1 }, bootstrap = 0 })
    assert.is_nil(c:plain().ap[2])
  end)

  it("says what was wrong", function()
    local function fails(message, ...)
      local arguments = table.pack(...)
      assert.has_error(function() retrieval(table.unpack(arguments, 1, arguments.n)) end, message)
    end
    fails("metrics.retrieval: scores (6, 3) are not one text per clip: say which with 'clip_of' or "
      .. "'captions_per_clip' (rows are texts, columns clips)", S)
    fails("metrics.retrieval: 5 captions for each of 3 clips are 15 texts, but scores have 6 rows",
      S, { captions_per_clip = 5 })
    fails("metrics.retrieval: option 'clip_of' has 2 entries for 6 texts (rows of the scores)", S,
      { clip_of = { 1, 2 } })
    fails("metrics.retrieval: 'clip_of' says text 4 belongs to clip 4, outside 1 to 3", S,
      { clip_of = { 1, 3, 2, 4, 1, 3 } })
    fails("metrics.retrieval: unknown option 'clips_of' (did you mean 'clip_of'?)", S,
      { clips_of = clip_of })
    fails("metrics.retrieval: argument 1 (scores) must be a tensor or a table of rows, got nothing")
    fails("metrics.retrieval: scores must have two dimensions, got shape (3)", nj.zeros(3))
    fails("metrics.retrieval: nothing to measure: scores have shape (0, 0)", nj.zeros(0, 0))
  end)

  it("handles Clotho's size", function()
    local big = nj.randn(5225, 1045, { rng = nj.rng(5) })
    local r = retrieval(big, { captions_per_clip = 5 })
    -- what ranks at random must be near chance
    for _, side in ipairs { "text_to_audio", "audio_to_text" } do
      for _, name in ipairs { "R@10", "R@50", "mean_rank", "median_rank" } do
        local low, high = table.unpack(r[side].ci[name])
        local chance = r[side].chance[name]
        local slack = (high - low) / 2 -- twice the interval: a 1 in 10,000 event at a fixed seed
        assert.is_true(chance >= low - slack and chance <= high + slack, side .. " " .. name)
      end
    end
  end)
end)

describe("bootstrap intervals", function()
  it("are the same for the same seed and hold the value", function()
    local S = nj.randn(100, 20, { rng = nj.rng(2) })
    local o = { captions_per_clip = 5, bootstrap = 300, seed = 9 }
    local a, b = retrieval(S, o), retrieval(S, o)
    assert.are.same(a.text_to_audio.ci, b.text_to_audio.ci)
    o.seed = 10
    assert.are_not.same(a.text_to_audio.ci, retrieval(S, o).text_to_audio.ci)
    for _, name in ipairs { "R@5", "mAP@10", "mean_rank", "median_rank" } do
      local ci = a.text_to_audio.ci[name]
      assert.is_true(ci[1] <= a.text_to_audio[name] and a.text_to_audio[name] <= ci[2], name)
    end
  end)

  it("draw clips, not captions: five equal captions tell no more than one", function()
    local one = nj.randn(60, 60, { rng = nj.rng(3) })
    local rows = {}
    for t, row in ipairs(one:totable()) do
      for j = 1, 5 do rows[5 * (t - 1) + j] = row end
    end
    local a = retrieval(one, { bootstrap = 500 }).text_to_audio
    local b = retrieval(rows, { captions_per_clip = 5, bootstrap = 500 }).text_to_audio
    near(a["R@10"], b["R@10"], { atol = 1e-9 })
    near(a.ci["R@10"], b.ci["R@10"], { atol = 1e-9 })
  end)

  it("have about the width of the binomial", function()
    local S = nj.randn(400, 400, { rng = nj.rng(8) }) + nj.eye(400) * 2.5
    local t = retrieval(S, { bootstrap = 1000 }).text_to_audio
    local p = t["R@10"] / 100
    local want = 100 * 2 * 1.96 * math.sqrt(p * (1 - p) / 400)
    local got = t.ci["R@10"][2] - t.ci["R@10"][1]
    assert.is_true(math.abs(got / want - 1) < 0.2, ("%.2f against %.2f"):format(got, want))
  end)
end)

describe("chance", function()
  local chance = nj.metrics.chance

  -- All placements of n relevant items among N, counted.
  local function enumerate(N, n, of)
    local sum, count = 0, 0
    local function choose(from, chosen)
      if #chosen == n then
        sum, count = sum + of(chosen), count + 1
        return
      end
      for p = from, N do
        chosen[#chosen + 1] = p
        choose(p + 1, chosen)
        chosen[#chosen] = nil
      end
    end
    choose(1, {})
    return sum / count
  end

  it("agrees with counting all orders", function()
    for _, size in ipairs { { 1, 1 }, { 6, 1 }, { 7, 3 }, { 8, 5 }, { 5, 5 } } do
      local N, n = size[1], size[2]
      for k = 1, N do
        near(enumerate(N, n, function(p) return p[1] <= k and 1 or 0 end), chance.hit(N, n, k),
          { atol = 1e-12 })
        near(enumerate(N, n, function(p)
          local sum = 0
          for j, position in ipairs(p) do
            if position <= k then sum = sum + j / position end
          end
          return sum / n
        end), chance.average_precision(N, n, k), { atol = 1e-12 })
      end
      near(enumerate(N, n, function(p) return p[1] end), chance.mean_rank(N, n), { atol = 1e-12 })
      local firsts = {}
      enumerate(N, n, function(p) firsts[#firsts + 1] = p[1] return 0 end)
      table.sort(firsts)
      assert.are.equal(firsts[(#firsts + 1) // 2], chance.median_rank(N, { [n] = 1 }))
    end
  end)

  it("is known for the common test sets", function()
    near(100 / 1045, 100 * chance.hit(1045, 1, 1), { atol = 1e-12 })
    near(1000 / 957, 100 * chance.recall(957, 10), { atol = 1e-12 })
    assert.are.equal(523, chance.median_rank(1045, { [1] = 1045 }))
    near(2.3741, 100 * chance.hit(1045, 5, 5), { atol = 1e-3 })
  end)
end)
