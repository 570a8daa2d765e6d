local schedule = require "nightjar.schedule"
local shared = require "spec.support.shared"

local function factors(s, count)
  local out = {}
  for p = 1, count do out[p] = s:factor(p) end
  return out
end

local function near(want, got, tolerance)
  for i, value in ipairs(want) do
    assert.is_true(math.abs(value - got[i]) <= tolerance,
      ("at %d: expected %.9g, got %.9g"):format(i, value, got[i]))
  end
end

describe("schedule", function()
  it("constant rises and stays", function()
    assert.are.same({ 0.25, 0.5, 0.75, 1.0, 1, 1 }, factors(schedule.constant { warmup = 4 }, 6))
    assert.are.same({ 1, 1 }, factors(schedule.constant(), 2))
  end)

  it("linear comes down to final and stays there", function()
    near({ 0.5, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2 },
      factors(schedule.linear { steps = 6, warmup = 2, final = 0.2 }, 8), 1e-12)
  end)

  it("step multiplies every so often, and at milestones", function()
    near({ 1, 1, 0.1, 0.1, 0.01 }, factors(schedule.step { every = 2 }, 5), 1e-15)
    near({ 1, 0.5, 0.5, 0.25 },
      factors(schedule.step { milestones = { 1, 3 }, gamma = 0.5 }, 4), 1e-15)
    near({ 0.5, 1, 0.1 }, factors(schedule.step { every = 2, warmup = 2 }, 3), 1e-15)
  end)

  it("cosine ends at final and does not rise again", function()
    local s = schedule.cosine { steps = 10, final = 0.1 }
    assert.are.equal(1, s:factor(1))
    near({ 0.1, 0.1 }, { s:factor(11), s:factor(30) }, 1e-12)
  end)

  it("counts epochs when told to", function()
    local optimizer = { groups = { { base_lr = 2.0 }, { base_lr = 1.0 } } }
    local s = schedule.step { every = 1, gamma = 0.5, unit = "epoch" }
    s:apply(optimizer, 100, 2)
    assert.are.equal(1.0, optimizer.groups[1].lr)
    assert.are.equal(0.5, optimizer.groups[2].lr)
  end)

  describe("golden", function()
    local golden, json = shared.golden "11_optimizer"
    it("cosine is WavCaps' for any warm-up", function()
      if not golden then pending "needs ../shared" return end
      for _, name in ipairs { "warm10_100", "nowarm_50", "warm7_33" } do
        local o = json.schedules["wavcaps_cosine." .. name]
        local s = schedule.cosine { steps = o.total, warmup = o.warmup }
        local want = golden["sched.wavcaps_cosine." .. name]:totable()
        local got = factors(s, o.total)
        for i = 1, o.total do got[i] = got[i] * o.base_lr end
        near(want, got, o.base_lr * 1e-6)
      end
    end)

    it("bert_warmup_cosine is BertAdam's", function()
      if not golden then pending "needs ../shared" return end
      local o = json.schedules.bertadam_warmup_cosine
      local s = schedule.bert_warmup_cosine { steps = o.total, warmup = o.warmup }
      near(golden["sched.bertadam_warmup_cosine"]:totable(), factors(s, o.total), 1e-6)
    end)
  end)

  describe("plateau", function()
    it("reduces after more than patience observations without improvement", function()
      local s = schedule.plateau { patience = 1, factor = 0.5 }
      local got = {}
      for i, value in ipairs { 1, 2, 2, 2, 2, 3, 3, 3 } do
        s:observe(value)
        got[i] = s:factor(1)
      end
      assert.are.same({ 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25 }, got)
    end)

    it("goes by what is small in mode min, rests in the cooldown, and stops at least", function()
      local s = schedule.plateau { mode = "min", patience = 0, factor = 0.1, cooldown = 2,
        least = 0.05 }
      local got = {}
      for i, value in ipairs { 1, 2, 2, 2, 2, 0.5 } do
        s:observe(value)
        got[i] = s:factor(1)
      end
      near({ 1, 0.1, 0.1, 0.1, 0.05, 0.05 }, got, 1e-12)
    end)

    it("does not take a worse negative value for an improvement", function()
      local s = schedule.plateau { mode = "min", patience = 0, threshold = 0.1 }
      s:observe(-1)
      s:observe(-0.95)
      assert.are.equal(0.1, s:factor(1))
    end)

    it("goes on from a saved state", function()
      local a, b = schedule.plateau { patience = 1 }, schedule.plateau { patience = 1 }
      a:observe(1)
      a:observe(1)
      b:load_state_dict(a:state_dict())
      a:observe(1)
      b:observe(1)
      assert.are.equal(0.1, a:factor(1))
      assert.are.equal(0.1, b:factor(1))
    end)
  end)

  it("says what was wrong", function()
    assert.has_error(function() schedule.cosine { step = 10 } end,
      "cosine: unknown option 'step' (did you mean 'steps'?)")
    assert.has_error(function() schedule.cosine {} end,
      "cosine: option 'steps' is required (an integer)")
    assert.has_error(function() schedule.cosine { steps = 5, warmup = 5 } end,
      "cosine: option 'warmup' must be less than 'steps' (5), got 5")
    assert.has_error(function() schedule.step { } end,
      "step: give either 'every' or 'milestones'")
    assert.has_error(function() schedule.step { milestones = { 3, 3 } } end,
      "step: option 'milestones' must hold ascending integers of at least 1, got 3 at 2")
    assert.has_error(function() schedule.plateau():observe "x" end,
      "schedule:observe: the metric must be a number, got a string")
    assert.has_error(function() schedule.plateau():load_state_dict { kind = "cosine" } end,
      "schedule:load_state_dict: the state is of a cosine schedule, this is plateau")
    assert.has_error(function() schedule.constant():apply({ groups = { 3 } }, 1, 1) end,
      "schedule:apply: group 1 of the optimiser has no base_lr")
    assert.has_error(function() schedule.constant():factor(0) end,
      "schedule:factor: argument 1 (position) must be an integer of at least 1, got 0")
  end)
end)
