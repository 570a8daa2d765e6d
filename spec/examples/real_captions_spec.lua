-- The parts of examples/paper/06_real_captions.lua on a world of a few words.
local folder = "examples/paper/real_captions/"
local saved = package.path
package.path = folder .. "?.lua;" .. package.path
local nj = require "nightjar"
local Matcher = require "matcher"
local pooling = require "pooling"
local rows = require "rows"
local scoring = require "scoring"
local training = require "training"
package.path = saved

describe("examples/paper/06_real_captions.lua", function()
  -- Things have two names each: what people write has the first, what captioners write the second.
  local things = {
    { "dog", "hound" }, { "rain", "drizzle" }, { "car", "vehicle" }, { "bird", "warbler" },
    { "bell", "chime" }, { "child", "kid" }, { "siren", "alarm" }, { "wind", "breeze" },
  }

  local function world()
    local data = { development = {}, validation = {}, audiocaps = {}, texts = {} }
    for i, a in ipairs(things) do
      for j, b in ipairs(things) do
        if i < j then
          local human = ("the %s and a %s"):format(a[1], b[1])
          local other = ("a %s with the %s"):format(a[2], b[2])
          data.development[#data.development + 1] = {
            id = human, queries = { human, human, human, human, human },
            texts = { human, other, human, other, human },
          }
          data.validation[#data.validation + 1] = {
            id = human, queries = { human }, all = { other }, documents = { other, other },
          }
          data.audiocaps[#data.audiocaps + 1] = { id = human, queries = { human },
            texts = { human } }
          data.texts[#data.texts + 1] = human
          data.texts[#data.texts + 1] = other
        end
      end
    end
    return data
  end

  local function plan(fields)
    local o = {
      batch = 16, steps = 120, warmup = 5, rate = 2e-2, weight_rate = 5e-3, network_rate = 2e-3,
      decay = 0, most = 2, thin = 0, shared = 0.5, sentences = 1, tokens = 1, token_batch = 16,
      mix = "development validation audiocaps", every = 1000, seed = 1,
    }
    for key, value in pairs(fields or {}) do o[key] = value end
    return o
  end

  local function matcher_of(data, layers)
    return Matcher.new(data.texts, {
      width = 16, layers = layers, heads = 2, vocabulary = 120, dropout = 0, seed = 1,
    })
  end

  local function recall(matcher, data, pool)
    local texts, clip_of = scoring.queries(data.validation)
    local set = {
      queries = texts, clip_of = clip_of, documents = scoring.documents(data.validation, 1, 2),
    }
    return nj.no_grad(function()
      local out = {}
      for name, S in pairs(rows.scores(matcher, pool, set)) do
        out[name] = rows.retrieval(S, clip_of)["R@1"]
      end
      return out
    end)
  end

  it("learns which words mean the same", function()
    local data = world()
    local matcher = matcher_of(data, 0)
    local before = recall(matcher, data)
    training.run(matcher, data, plan(), function() end)
    local pool = pooling.train(matcher, data, {
      steps = 60, batch = 16, rate = 3e-3, most = 2, seed = 1,
    })
    local after = recall(matcher, data, pool)
    assert.is_true(before.mean < 30 and before.words < 30)
    assert.is_true(after.bm25 < 30)
    assert.is_true(after.mean > 80, after.mean)
    assert.is_true(after.words > 80, after.words)
    assert.is_true(after.transformer > 50, after.transformer)
  end)

  it("trains with layers", function()
    local data = world()
    local matcher = matcher_of(data, 1)
    training.run(matcher, data, plan { steps = 40 }, function() end)
    local after = recall(matcher, data)
    assert.is_true(after.mean > 30, after.mean)
  end)

  it("measures as nj.metrics.retrieval does", function()
    local S = (nj.randn({ 30, 10 }, { rng = nj.rng(4) }) * 2):round()
    local clip_of = {}
    for q = 1, 30 do clip_of[q] = (q - 1) // 3 + 1 end
    local mine = rows.retrieval(S, clip_of, 200)
    local theirs = nj.metrics.retrieval(S, { clip_of = clip_of, ties = "mean", bootstrap = 200 })
      .text_to_audio
    for _, name in ipairs { "R@1", "R@5", "R@10", "mAP@10" } do
      -- mAP@10 spreads ties there over their places; here a mean rank has one precision.
      if name ~= "mAP@10" then
        assert.near(theirs[name], mine[name], 1e-9)
        assert.near(theirs.ci[name][1], mine.ci[name][1], 1e-9)
        assert.near(theirs.ci[name][2], mine.ci[name][2], 1e-9)
      end
    end
    assert.equal(theirs.median_rank, mine.median_rank)
  end)

  it("fits weights that are no worse than none", function()
    local rng = nj.rng(5)
    local good, noise = nj.eye(20), nj.randn({ 20, 20 }, { rng = rng })
    local clip_of = {}
    for q = 1, 20 do clip_of[q] = q end
    local S = { mean = noise, words = good, bm25 = noise }
    local weights = rows.fit(S, { clip_of = clip_of })
    assert.is_true(weights.words.words >= 2)
    local alone = rows.retrieval(noise, clip_of)["mAP@10"]
    assert.is_true(rows.retrieval(rows.fuse(S, weights.bm25), clip_of)["mAP@10"] > alone)
  end)
end)
