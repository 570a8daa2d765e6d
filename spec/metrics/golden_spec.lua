-- Metrics against the published code (exactly), see ../shared/golden/07_metrics.json.
local nj = require "nightjar"
local shared = require "spec.support.shared"

local golden, about = shared.golden "07_metrics"

local NAMES = { r1 = "R@1", r5 = "R@5", r10 = "R@10", r50 = "R@50", medr = "median_rank",
  meanr = "mean_rank", mAP10 = "mAP@10" }

describe("golden metrics", function()
  if not golden then
    it("agree with the published code", function() pending "needs ../shared" end)
    return
  end

  for _, case in ipairs { "random", "signal", "nearly_perfect", "ties" } do
    -- Theirs is (clips, captions); here a row is a text.
    local S = golden["S." .. case]:transpose(1, 2)
    local texts, clips = S.shape[1], S.shape[2]
    local relevant, own = {}, {}
    for t = 1, texts do relevant[t] = (t - 1) // 5 + 1 end
    for c = 1, clips do
      own[c] = {}
      for j = 1, 5 do own[c][j] = 5 * (c - 1) + j end
    end

    it(case .. ": ranks under every tie rule", function()
      local function first(ties)
        local out = {}
        for t, list in ipairs(nj.metrics.ranks(S, relevant, { ties = ties })) do
          out[t] = list[1]
        end
        return out
      end
      assert.are.same(golden["t2a_rank." .. case]:totable(), first "stable")
      assert.are.same(golden["t2a_rank_optimistic." .. case]:totable(), first "optimistic")
      assert.are.same(golden["t2a_rank_pessimistic." .. case]:totable(), first "pessimistic")
      local want = golden["a2t_ranks_sorted5." .. case]:totable()
      for c, list in ipairs(nj.metrics.ranks(golden["S." .. case], own)) do
        table.sort(list)
        assert.are.same(want[c], list)
      end
    end)

    it(case .. ": both definitions", function()
      local r = nj.metrics.retrieval(S, { captions_per_clip = 5, bootstrap = 0 })
      local want = about.metrics[case].by_definition
      for theirs, ours in pairs(NAMES) do
        assert.is_true(math.abs(want.t2a[theirs] - r.text_to_audio[ours]) < 1e-9, "t2a " .. ours)
        assert.is_true(math.abs(want.a2t[theirs] - r.audio_to_text[ours]) < 1e-9, "a2t " .. ours)
      end
      for _, name in ipairs { "R@1", "R@5", "R@10" } do
        assert.is_true(math.abs(want.a2t_dcase[name] - r.dcase.audio_to_text[name]) < 1e-9, name)
      end
      assert.is_true(math.abs(want.a2t_dcase.mAP10_over_5_relevant
        - r.dcase.audio_to_text["mAP@10"]) < 1e-9)
      local ap = nj.metrics.average_precision(golden["S." .. case], own, { cutoff = 10 })
      for c, value in ipairs(golden["a2t_ap10." .. case]:totable()) do
        assert.is_true(math.abs(value - ap[c]) < 1e-7)
      end
    end)
  end
end)
