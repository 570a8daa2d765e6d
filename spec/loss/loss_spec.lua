local nj = require "nightjar"
local gradcheck = require "spec.support.gradcheck"
local near = require "spec.support.near"

local f64 = { dtype = "float64" }

-- Scores without ties and with some hard negatives.
local function scores(size, seed)
  return nj.randn(size, size, { dtype = "float64", rng = nj.rng(seed or 1) }) * 0.3
end

local IDS = { "a", "b", "a", "c", "b" }

describe("every loss", function()
  local options = {
    nt_xent = { {}, { ids = IDS }, { ids = IDS, same_clip = "positives" }, { reduction = "sum" },
      { direction = "audio_to_text" }, { direction = "text_to_audio", ids = IDS } },
    info_nce = { {} },
    soft_nt_xent = { { ids = IDS } },
    dcase = { {}, { ids = IDS } },
    hard_negative = { {}, { ids = IDS }, { beta = 1.5, temperature = 0.5 } },
    triplet_sum = { {}, { ids = IDS } },
    triplet_max = { {}, { ids = IDS } },
    triplet_weighted = { {}, { ids = IDS } },
  }
  for _, name in ipairs(nj.loss.names()) do
    it(name .. " has the gradient of its value, in float64", function()
      for _, o in ipairs(assert(options[name], "no case for " .. name)) do
        gradcheck.check { name, function(S) return nj.loss.get(name)(S, o) end,
          shapes = { { 5, 5 } }, low = -0.5, high = 0.5, f32 = 1e-4,
          layouts = not name:find "triplet" } -- equal rows have ties, and ties no gradient
      end
    end)

    it(name .. " refuses what is no square matrix", function()
      local call = nj.loss.get(name)
      local o = name == "soft_nt_xent" and { ids = { 1 } } or nil
      assert.error_matches(function() call(3, o) end, "must be a tensor, got a integer")
      assert.error_matches(function() call(nil, o) end, "must be a tensor, got nothing")
      if name ~= "soft_nt_xent" then
        assert.error_matches(function() call(nj.zeros(2, 3)) end,
          "similarities must have shape %(B, B%), rows audio and columns text, got %(2, 3%)")
      end
      assert.error_matches(function() call(scores(2), { idz = IDS, ids = { 1, 2 } }) end,
        "unknown option 'idz' %(did you mean 'ids'%?%)")
    end)
  end

  it("is found by name", function()
    assert.are.equal(nj.loss.nt_xent, nj.loss.get "nt_xent")
    assert.are.equal(nj.loss.triplet_max, nj.loss.get "triplet_max")
    assert.error_matches(function() nj.loss.get "triplet_mx" end, "did you mean 'triplet_max'")
    assert.is_nil(nj.loss.no_such_loss)
  end)
end)

describe("nt_xent", function()
  it("is the symmetric cross-entropy of the diagonal", function()
    local S = scores(4)
    local rows = S:totable()
    local want = 0
    for i = 1, 4 do
      local row, column = 0, 0
      for j = 1, 4 do
        row, column = row + math.exp(rows[i][j] / 0.2), column + math.exp(rows[j][i] / 0.2)
      end
      want = want - (2 * rows[i][i] / 0.2 - math.log(row) - math.log(column)) / 8
    end
    near(want, nj.loss.nt_xent(S, { temperature = 0.2 }):item(), { atol = 1e-12 })
  end)

  it("of one pair is 0, and its gradient too", function()
    local S = nj.tensor({ { 0.3 } }, { grad = true })
    local loss = nj.loss.nt_xent(S, { ids = { 7 } })
    loss:backward()
    assert.are.equal(0, loss:item())
    assert.are.equal(0, S.grad:item())
  end)

  -- The trap of XinhaoMei/audio-text_retrieval: a mask applied to the output of the log-softmax.
  it("takes captions of the same clip out of the denominators, not only out of the sum", function()
    local S = nj.tensor({ { 0.9, 0.8, 0.1 }, { 0.8, 0.9, 0.1 }, { 0.1, 0.1, 0.9 } }, f64)
    local ids = { "x", "x", "y" }
    local plain = nj.loss.nt_xent(S):item()
    local masked = nj.loss.nt_xent(S, { ids = ids }):item()
    local positives = nj.loss.nt_xent(S, { ids = ids, same_clip = "positives" }):item()
    assert.are.equal(plain, nj.loss.nt_xent(S, { ids = ids, same_clip = "negatives" }):item())
    -- rows and columns 1, 2: log(1 + e^(-0.8/τ)); 3: log(1 + 2 e^(-0.8/τ))
    local e = math.exp(-0.8 / 0.07)
    near((2 * math.log(1 + e) + math.log(1 + 2 * e)) / 3, masked, { atol = 1e-12 })
    assert.is_true(masked < 1e-3 and plain > 0.1)
    assert.is_true(positives > masked)
  end)

  it("leaves same-clip entries without gradient when masked", function()
    local S = scores(3):clone()
    S:requires_grad_()
    nj.loss.nt_xent(S, { ids = { 1, 1, 2 } }):backward()
    assert.are.equal(0, S.grad(1, 2))
    assert.are.equal(0, S.grad(2, 1))
    assert.is_true(S.grad(1, 3) ~= 0)
  end)

  it("with same_clip = positives is soft NT-Xent", function()
    local S = scores(5)
    near(nj.loss.soft_nt_xent(S, { ids = IDS }):item(),
      nj.loss.nt_xent(S, { ids = IDS, same_clip = "positives" }):item(), { atol = 1e-12 })
  end)

  it("takes ids as strings, numbers or an integer tensor", function()
    local S = scores(5)
    local want = nj.loss.nt_xent(S, { ids = IDS }):item()
    assert.are.equal(want, nj.loss.nt_xent(S, { ids = { 1.5, 2, 1.5, 9, 2 } }):item())
    assert.are.equal(want,
      nj.loss.nt_xent(S, { ids = nj.tensor({ 4, 0, 4, 3, 0 }, { dtype = "int32" }) }):item())
  end)

  it("adds or averages its two directions", function()
    local S = scores(4)
    local rows = nj.loss.nt_xent(S, { direction = "audio_to_text" }):item()
    local columns = nj.loss.nt_xent(S, { direction = "text_to_audio" }):item()
    near((rows + columns) / 2, nj.loss.nt_xent(S):item(), { atol = 1e-12 })
    near(rows + columns, nj.loss.dcase(S):item(), { atol = 1e-12 })
    near(columns, nj.loss.nt_xent(S:transpose(1, 2), { direction = "audio_to_text" }):item(),
      { atol = 1e-12 })
  end)

  it("says what was wrong", function()
    local S = scores(3)
    assert.error_matches(function() nj.loss.nt_xent(S, { ids = { 1, 2 } }) end,
      "nt_xent: expected an id for each of 3 pairs, got 2")
    assert.error_matches(function() nj.loss.nt_xent(S, { ids = nj.zeros(3) }) end,
      "nt_xent: ids must be 3 integers, got a float32 tensor of shape %(3%)")
    assert.error_matches(function() nj.loss.nt_xent(S, { temperature = 0 }) end,
      "nt_xent: option 'temperature' must be above 0, got 0")
    assert.error_matches(function() nj.loss.nt_xent(S, { temperature = nj.ones(2) }) end,
      "nt_xent: option 'temperature' must be a tensor of one element, got shape %(2%)")
    assert.error_matches(function() nj.loss.nt_xent(S, { same_clip = "masked" }) end,
      "did you mean 'mask'")
  end)
end)

describe("soft_nt_xent", function()
  it("takes clips against all their captions", function()
    gradcheck.check { "soft_nt_xent", function(x)
      return nj.loss.soft_nt_xent(x, { audio_ids = { "a", "b" },
        text_ids = { "a", "b", "b", "a", "a" }, temperature = 0.5 })
    end, shapes = { { 2, 5 } } }
  end)

  it("says what was wrong", function()
    local S = scores(2)
    assert.error_matches(function() nj.loss.soft_nt_xent(S) end,
      "soft_nt_xent: option 'ids' is required %(or both 'audio_ids' and 'text_ids'%)")
    assert.error_matches(function() nj.loss.soft_nt_xent(nj.zeros(2, 3), { ids = { 1, 2 } }) end,
      "needs a square matrix, got %(2, 3%)")
    assert.error_matches(function()
      nj.loss.soft_nt_xent(S, { audio_ids = { 1, 2 }, text_ids = { 1, 1 } })
    end, "soft_nt_xent: a clip has no partner with its id")
    assert.error_matches(function()
      nj.loss.soft_nt_xent(S, { audio_ids = { 1, 2, 3 }, text_ids = { 1, 1 } })
    end, "expected 2 audio_ids and 2 text_ids, got 3 and 2")
  end)
end)

describe("temperature", function()
  it("has three forms with one value and their own gradients", function()
    local S = scores(4)
    local want = nj.loss.nt_xent(S, { temperature = 0.07 }):item()
    for _, form in ipairs { "log", "raw", "absolute" } do
      local t = nj.loss.temperature { form = form, dtype = "float64" }
      near(0.07, t:value(), { atol = 1e-12 })
      near(want, nj.loss.nt_xent(S, { temperature = t }):item(), { atol = 1e-10 })
      gradcheck.check { form, function(p)
        local copy = setmetatable({ form = form, parameter = p }, getmetatable(t))
        return nj.loss.nt_xent(S:to(p.dtype), { temperature = copy })
      end, shapes = { { 1 } }, layouts = false, f32 = 1e-4,
        values = function() return t.parameter:detach():clone() end }
    end
    near(want, nj.loss.nt_xent(S, { temperature = nj.tensor({ 0.07 }, f64) }):item(),
      { atol = 1e-12 })
  end)

  it("names its parameter for optimisers", function()
    local list = nj.loss.temperature():parameters()
    assert.are.equal("logit_scale", list[1].name)
    assert.is_true(list[1].tensor.requires_grad)
    assert.are.equal("temperature", nj.loss.temperature { form = "raw" }:parameters()[1].name)
  end)

  it("puts a scale that went too far back", function()
    local t = nj.loss.temperature { max_scale = 100 }
    nj.no_grad(function() t.parameter:fill_(6) end)
    local S = nj.ones(2, 2)
    near(100, nj.no_grad(function() return t:apply(S)(1, 1) end), { atol = 1e-3 })
    near(0.01, t:value(), { atol = 1e-7 })
  end)

  it("says what was wrong", function()
    assert.error_matches(function() nj.loss.temperature { initial = 0 } end,
      "temperature: option 'initial' must be a number above 0, got 0")
    assert.error_matches(function() nj.loss.temperature { form = "raw", max_scale = 100 } end,
      "option 'max_scale' goes with form 'log', not with 'raw'")
  end)
end)

describe("hard_negative", function()
  it("is NT-Xent for beta 0", function()
    local S = scores(5)
    near(nj.loss.nt_xent(S):item(), nj.loss.hard_negative(S, { beta = 0 }):item(), { atol = 1e-9 })
    near(nj.loss.nt_xent(S, { ids = IDS }):item(),
      nj.loss.hard_negative(S, { beta = 0, ids = IDS }):item(), { atol = 1e-9 })
  end)

  it("weighs negatives by the formula", function()
    local tau, beta, B = 0.5, 0.7, 3
    local S = scores(B)
    local L = (S / tau):totable()
    local function direction(at)
      local sum = 0
      for i = 1, B do
        local all = 0
        for k = 1, B do all = all + math.exp(beta * at(i, k)) end
        local denominator = math.exp(at(i, i))
        for j = 1, B do
          if j ~= i then
            local e = math.exp(beta * at(i, j))
            denominator = denominator + (B - 1) * e / (all - e) * math.exp(at(i, j))
          end
        end
        sum = sum - at(i, i) + math.log(denominator)
      end
      return sum / B
    end
    local want = (direction(function(i, j) return L[i][j] end)
      + direction(function(i, j) return L[j][i] end)) / 2
    near(want, nj.loss.hard_negative(S, { temperature = tau, beta = beta }):item(),
      { atol = 1e-10 })
  end)

  it("stays finite for extreme scores and single pairs", function()
    local S = nj.tensor { { 1, -1 }, { 1, -1 } }
    local value = nj.loss.hard_negative(S, { beta = 5, temperature = 0.01 }):item()
    assert.is_true(value > 0 and value < math.huge)
    assert.are.equal(0, nj.loss.hard_negative(nj.zeros(1, 1)):item())
  end)
end)

describe("triplet losses", function()
  local S = nj.tensor({ { 0.5, 0.4, 0.1 }, { 0.6, 0.5, 0.2 }, { 0.0, 0.1, 0.9 } }, f64)

  it("count what is within the margin", function()
    -- rows: 1: 0.1; 2: 0.3; columns: 1: 0.3; 2: 0.1
    near(0.8 / 3, nj.loss.triplet_sum(S):item(), { atol = 1e-12 })
    near(0.8 / 3, nj.loss.triplet_max(S):item(), { atol = 1e-12 })
    near((0.3 + 0.5 + 0.1 + 0.5 + 0.3) / 3,
      nj.loss.triplet_sum(S, { margin = 0.4 }):item(), { atol = 1e-12 })
  end)

  it("never take a caption of the same clip for a negative", function()
    assert.are.equal(0, nj.loss.triplet_sum(S, { ids = { 1, 1, 2 } }):item())
    assert.are.equal(0, nj.loss.triplet_max(S, { ids = { 1, 1, 2 } }):item())
    assert.are.equal(0, nj.loss.triplet_weighted(S, { ids = { 1, 1, 2 } }):item())
  end)

  it("weighted skips an anchor whose pair is all but identical, where the published code fails",
    function()
      local T = nj.tensor({ { 1.0, 0.95 }, { 0.95, 0.9 } }, { dtype = "float64", grad = true })
      local loss = nj.loss.triplet_weighted(T)
      local pull, push = 0.2 * 0.81 - 0.7 * 0.9 + 0.5, 0.9 * 0.95 ^ 2 - 0.4 * 0.95 + 0.03
      near(2 * (pull + push) / 2, loss:item(), { atol = 1e-12 })
      loss:backward()
      assert.are.equal(0, T.grad(1, 1))
    end)

  it("of one pair are 0", function()
    for _, name in ipairs { "triplet_sum", "triplet_max", "triplet_weighted" } do
      assert.are.equal(0, nj.loss.get(name)(nj.tensor { { 0.4 } }):item())
    end
  end)
end)

describe("cosine", function()
  it("is the similarity of directions", function()
    local S = nj.loss.cosine(nj.tensor { { 3, 0 }, { 1, 1 } },
      nj.tensor { { 0, 2 }, { 5, 0 }, { 1, 1 } })
    local h = math.sqrt(0.5)
    near({ { 0, 1, h }, { h, h, 1 } }, S, { atol = 1e-6 })
  end)

  it("says what was wrong", function()
    assert.error_matches(function() nj.loss.cosine(nj.zeros(2, 3), nj.zeros(2, 4)) end,
      "cosine: expected embeddings %(N, D%) and %(M, D%), got %(2, 3%) and %(2, 4%)")
  end)
end)
