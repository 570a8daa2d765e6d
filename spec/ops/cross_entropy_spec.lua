local near = require "spec.support.near"
local nj = require "nightjar"
local cross_entropy = nj.nn.cross_entropy

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

local inf = math.huge
local function classes(t) return nj.tensor(t, { dtype = "int64" }) end

describe("cross_entropy", function()
  local x = nj.randn({ 4, 5 }, { rng = nj.rng(3) })
  local log_p = x:double():log_softmax(2):totable()
  local targets = { 2, 5, 1, 2 }

  local function by_hand(smoothing)
    local losses = {}
    for i, t in ipairs(targets) do
      local spread = 0
      for c = 1, 5 do spread = spread - log_p[i][c] / 5 end
      losses[i] = -(1 - smoothing) * log_p[i][t] + smoothing * spread
    end
    return losses
  end

  it("is minus the log-probability of each class, smoothed", function()
    for _, smoothing in ipairs { 0, 0.1, 1 } do
      local losses = by_hand(smoothing)
      local sum = losses[1] + losses[2] + losses[3] + losses[4]
      local function with(reduction)
        return cross_entropy(x, classes(targets), { smoothing = smoothing, reduction = reduction })
      end
      near(losses, with "none", { atol = 1e-5 })
      near(sum, with "sum", { atol = 1e-5 })
      near(sum / 4, with "mean", { atol = 1e-5 })
    end
  end)

  it("counts classes from base, and leaves ignored rows out of sum and mean", function()
    local losses = by_hand(0.1)
    local from_zero = classes { 1, 4, 0, 1 }
    near(losses, cross_entropy(x, from_zero, { base = 0, smoothing = 0.1, reduction = "none" }),
      { atol = 1e-5 })
    local some = classes { 2, 0, 1, 0 }
    near({ losses[1], 0, losses[3], 0 },
      cross_entropy(x, some, { ignore = 0, smoothing = 0.1, reduction = "none" }), { atol = 1e-5 })
    near((losses[1] + losses[3]) / 2, cross_entropy(x, some, { ignore = 0, smoothing = 0.1 }),
      { atol = 1e-5 })
    local none = cross_entropy(x, classes { 0, 0, 0, 0 }, { ignore = 0 }):item()
    assert.is_true(none ~= none)
  end)

  it("takes probabilities, classes along dimension 2, and single rows", function()
    local p = nj.zeros(4, 5)
    for i, t in ipairs(targets) do p[{ i, t }] = 1 end
    for _, smoothing in ipairs { 0, 0.2 } do
      near(cross_entropy(x, classes(targets), { smoothing = smoothing }),
        cross_entropy(x, p, { smoothing = smoothing }), { atol = 1e-6 })
    end
    local deep = x:reshape(2, 2, 5):transpose(2, 3)
    near({ by_hand(0)[1], by_hand(0)[2] },
      cross_entropy(deep, classes { { 2, 5 }, { 1, 2 } }, { reduction = "none" })[1], { atol = 1e-5 })
    near(by_hand(0)[3], cross_entropy(x[3], classes { 1 }:reshape {}), { atol = 1e-5 })
  end)

  it("lets hidden classes have no part where their target is zero", function()
    local y = nj.tensor { { 1, -inf, 2 } }
    local want = math.log(1 + math.exp(1))
    near(want, cross_entropy(y, classes { 1 }), { atol = 1e-6 })
    near(want, cross_entropy(y, nj.tensor { { 1, 0, 0 } }), { atol = 1e-6 })
    assert.equal(inf, cross_entropy(y, classes { 2 }):item())
  end)

  it("takes no rows", function()
    local none = nj.zeros({ 0 }, { dtype = "int64" })
    assert.equal(0, cross_entropy(nj.zeros(0, 3), none, { reduction = "sum" }):item())
    assert.same({ 0 }, cross_entropy(nj.zeros(0, 3), none, { reduction = "none" }).shape)
  end)

  it("says what is wrong", function()
    local function check(pattern, ...) assert.matches(pattern, message(cross_entropy, ...)) end
    check("cross_entropy: class 6 of row 2 is not in 1 … 5", x, classes { 1, 6, 1, 1 })
    check("cross_entropy: class %-1 of row 1 is not in 0 … 4", x, classes { -1, 1, 1, 1 }, { base = 0 })
    check("cross_entropy: logits %(4, 5%) need classes of shape %(4%), got %(5%)", x,
      classes { 1, 1, 1, 1, 1 })
    check("cross_entropy: logits %(4, 5%) need probabilities of that shape, got %(4%)", x, nj.zeros(4))
    check("cross_entropy: probabilities are float64, logits float32", x, x:double())
    check("cross_entropy: targets must be int32 or int64 classes, or probabilities, got uint8", x,
      nj.zeros(4):byte())
    check("cross_entropy: option 'smoothing' must be a number in", x, classes(targets),
      { smoothing = 2 })
    check("cross_entropy: expected logits %(classes%) or %(N, classes, …%), got %(4, 0%)",
      nj.zeros(4, 0), classes(targets))
  end)
end)
