-- Losses against what the published code computes (values and gradients), see
-- ../shared/golden/06_losses.json.
local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"

local golden, about = shared.golden "06_losses"

-- Ten times what float32 cost the reference itself, and never less than float32's own grain.
local function tolerance(name)
  local t = about.tolerance[name]
  return { atol = math.max(10 * t.f32_vs_f64_max_abs, 1e-6 * t.max_magnitude, 1e-7) }
end

local function check(name, got)
  near(golden[name], got:reshape(table.unpack(golden[name].shape)), tolerance(name), name)
end

local CASES = { "random_rep", "random_unique", "trained_like_rep", "separated_unique",
  "all_same_id" }

-- The golden name of each loss and how it is called here.
local LOSSES = {
  ntxent = function(S) return nj.loss.nt_xent(S) end,
  ntxent_masked = function(S, ids) return nj.loss.nt_xent(S, { ids = ids }) end,
  triplet_sum = function(S, ids) return nj.loss.triplet_sum(S, { ids = ids }) end,
  triplet_max = function(S, ids) return nj.loss.triplet_max(S, { ids = ids }) end,
  triplet_weighted = function(S, ids) return nj.loss.triplet_weighted(S, { ids = ids }) end,
}

describe("golden losses", function()
  if not golden then
    it("agree with the published code", function() pending "needs ../shared" end)
    return
  end

  for loss, call in pairs(LOSSES) do
    for _, case in ipairs(CASES) do
      it(loss .. " of " .. case, function()
        local S = golden["S." .. case]:clone()
        S:requires_grad_()
        local value = call(S, golden["ids." .. case])
        check(("%s.%s.value"):format(loss, case), value)
        value:backward()
        check(("%s.%s.grad"):format(loss, case), S.grad)
      end)
    end
  end

  for _, case in ipairs(CASES) do
    it("soft_ntxent of " .. case .. ", temperature too", function()
      local S = golden["S." .. case]:clone()
      S:requires_grad_()
      local temperature = nj.loss.temperature { form = "raw", initial = about.hyper.tau }
      local value = nj.loss.soft_nt_xent(S, { ids = golden["ids." .. case],
        temperature = temperature })
      check(("soft_ntxent.%s.value"):format(case), value)
      value:backward()
      check(("soft_ntxent.%s.grad"):format(case), S.grad)
      check(("soft_ntxent.%s.grad_temp"):format(case), temperature.parameter.grad)
    end)
  end

  it("from embeddings", function()
    local ids = golden["ids.emb"]
    local calls = {
      ntxent = function(S) return nj.loss.nt_xent(S) end,
      triplet_sum = LOSSES.triplet_sum,
      triplet_max = LOSSES.triplet_max,
      triplet_weighted = LOSSES.triplet_weighted,
      soft_ntxent = function(S) return nj.loss.soft_nt_xent(S, { ids = ids }) end,
      soft_ntxent_plus_embed_reg = function(S, _, a, t)
        return nj.loss.soft_nt_xent(S, { ids = ids }) + nj.loss.embed_reg(a, t)
      end,
      embed_reg = function(_, _, a, t) return nj.loss.embed_reg(a, t) end,
    }
    for name, call in pairs(calls) do
      local A, T = golden.A:clone(), golden.T:clone()
      A:requires_grad_()
      T:requires_grad_()
      local a, t = A:normalize(2), T:normalize(2)
      local value = call(nj.loss.cosine(A, T), ids, a, t)
      check(("emb.%s.value"):format(name), value)
      value:backward()
      check(("emb.%s.grad_A"):format(name), A.grad)
      check(("emb.%s.grad_T"):format(name), T.grad)
    end
  end)
end)
