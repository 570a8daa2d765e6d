local nj = require "nightjar"
local near = require "spec.support.near"
local gradcheck = require "spec.support.gradcheck"

local function make(more)
  local o = { audio_width = 4, text_width = 4, dim = 4, rng = nj.rng(1) }
  for key, value in pairs(more or {}) do o[key] = value end
  return nj.head(o)
end

local function matrices(...)
  local out = {}
  for i, name in ipairs { ... } do
    out[name] = nj.rand({ 5, 5 }, { low = -1, high = 1, rng = nj.rng(i) })
  end
  return out
end

local FRAME = { hci = { levels = { "clip", "frame" } } }
local IDS = { "a", "b", "a", "c", "d" }

local function nt_xent(S, more)
  local o = { temperature = 0.07 }
  for key, value in pairs(more or {}) do o[key] = value end
  return nj.loss.nt_xent(S:transpose(1, 2), o):item()
end

describe("head:loss", function()
  it("is the weighted sum of the levels' losses, texts and clips the right way round", function()
    local head = make { hci = { levels = { "clip", "frame" }, weights = { frame = 0.5 } } }
    local levels = matrices("clip", "frame")
    local total, parts = head:loss(levels, { ids = IDS })
    local clip = nt_xent(levels.clip, { ids = IDS })
    local frame = nt_xent(levels.frame, { ids = IDS })
    near(clip, parts.clip:item(), { rtol = 1e-5 })
    near(frame, parts.frame:item(), { rtol = 1e-5 })
    near(clip + 0.5 * frame, total:item(), { rtol = 1e-5 })
    near(frame, (head:loss(levels, { ids = IDS, weights = { clip = 0 } })):item(), { rtol = 1e-5 })
    local one_way = head:loss(levels, { loss = { name = "nt_xent", direction = "audio_to_text" },
      weights = { frame = 0 } }):item()
    near(nt_xent(levels.clip, { direction = "audio_to_text" }), one_way, { rtol = 1e-5 })
    assert.error_matches(function() head:loss(levels, { weights = { clip = 0, frame = 0 } }) end,
      "head:loss: there is no level with a weight above 0")
  end)

  it("takes any loss by name, with its options", function()
    local head, levels = make(FRAME), matrices("clip", "frame")
    local got = head:loss(levels, { loss = { name = "triplet_max", margin = 0.3 }, ids = IDS }):item()
    local want = 0
    for _, S in pairs(levels) do
      want = want + nj.loss.triplet_max(S:transpose(1, 2), { margin = 0.3, ids = IDS }):item()
    end
    near(want, got, { rtol = 1e-5 })
    local _, parts = head:loss(levels, { loss = { name = "hard_negative", temperature = 0.2 } })
    near(nj.loss.hard_negative(levels.clip:transpose(1, 2), { temperature = 0.2 }):item(),
      parts.clip:item(), { rtol = 1e-5 })
    assert.has_error(function() head:loss(levels, { loss = {} }) end,
      "head:loss: option 'loss' needs a name, as in { name = \"nt_xent\" }")
    assert.error_matches(function() head:loss(levels, { loss = "triplet_max",
      denoise = nj.eye(5):to "uint8" }) end,
      "head:loss: option 'denoise' goes with the loss 'nt_xent', not with 'triplet_max'")
  end)

  it("draws coarse levels to the finest, or to the next, and never back", function()
    local head = make { hci = {} }
    local levels = matrices("clip", "segment", "frame")
    local function kl(student, teacher)
      return nj.loss.distill(levels[student]:transpose(1, 2), levels[teacher]:transpose(1, 2)):item()
    end
    local plain = head:loss(levels):item()
    local total, parts = head:loss(levels, { distill = 0.5 })
    near(kl("clip", "frame") + kl("segment", "frame"), parts.distill:item(), { rtol = 1e-5 })
    near(plain + 0.5 * parts.distill:item(), total:item(), { rtol = 1e-5 })
    parts = select(2, head:loss(levels, { distill = { from = "next" } }))
    near(kl("clip", "segment") + kl("segment", "frame"), parts.distill:item(), { rtol = 1e-5 })
    -- The frame level gets no gradient through the distillation.
    for _, S in pairs(levels) do S:requires_grad_() end
    parts = select(2, head:loss(levels, { distill = 1 }))
    parts.distill:backward()
    assert.is_nil(levels.frame.grad)
    assert.is_true(levels.clip.grad:abs():max():item() > 0)
  end)

  it("mines the hardest negative of each level by a margin", function()
    local head, levels = make(FRAME), matrices("clip", "frame")
    local plain = head:loss(levels, { ids = IDS }):item()
    local mined = 0
    for _, S in pairs(levels) do
      mined = mined + nj.loss.triplet_max(S:transpose(1, 2), { margin = 0.1, ids = IDS }):item()
    end
    near(plain + mined, head:loss(levels, { ids = IDS, hardest = 0.1 }):item(), { rtol = 1e-5 })
    near(plain + 0.25 * mined, head:loss(levels,
      { ids = IDS, hardest = { margin = 0.1, weight = 0.25 } }):item(), { rtol = 1e-5 })
  end)

  it("counts clips that are taken for each other as positives", function()
    local head, levels = make(), matrices "clip"
    local positives = nj.tensor({ { 1, 0, 0, 1, 0 }, { 0, 1, 0, 0, 0 }, { 0, 0, 1, 0, 0 },
      { 0, 0, 0, 1, 0 }, { 0, 0, 0, 0, 1 } }, { dtype = "uint8" })
    near(nt_xent(levels.clip, { positives = positives }),
      head:loss(levels, { denoise = positives }):item(), { rtol = 1e-5 })
    -- By hand: clip 1 is like clip 4, and clip 4 not like clip 1. Row 1 (clip 1) has its target on
    -- texts 1 and 4, column 1 (text 1) on clips 1 and 4, and all others on their own.
    local L = (levels.clip / 0.07):transpose(1, 2)
    local rows, columns = L:log_softmax(2), L:log_softmax(1)
    local want = 0
    for i = 1, 5 do
      local row = i == 1 and (rows(1, 1) + rows(1, 4)) / 2 or rows(i, i)
      local column = i == 1 and (columns(1, 1) + columns(4, 1)) / 2 or columns(i, i)
      want = want - (row + column) / 10
    end
    near(want, nt_xent(levels.clip, { positives = positives, direction = "both" }), { rtol = 1e-5 })
  end)

  it("leaves clips without captions out of the caption level", function()
    local head = make { ac = { matching = true } }
    local levels = matrices("clip", "caption")
    levels.captioned = nj.tensor({ 1, 0, 1, 1, 0 }, { dtype = "uint8" })
    local _, parts = head:loss(levels, { ids = IDS })
    local index = nj.tensor({ 1, 3, 4 }, { dtype = "int64" })
    local part = levels.caption:index_select(1, index):index_select(2, index)
    near(nt_xent(part, { ids = { "a", "a", "c" } }), parts.caption:item(), { rtol = 1e-5 })
    local ids = nj.tensor({ 1, 2, 1, 3, 4 }, { dtype = "int64" })
    _, parts = head:loss(levels, { ids = ids })
    near(nt_xent(part, { ids = { "a", "a", "c" } }), parts.caption:item(), { rtol = 1e-5 })
    levels.captioned = nj.tensor({ 1, 0, 0, 0, 0 }, { dtype = "uint8" })
    _, parts = head:loss(levels)
    assert.is_nil(parts.caption)
  end)

  it("learns the balance of sound and captions from the fused scores", function()
    local head = make { ac = { matching = true, alpha = "learn" } }
    near(0.73, head:alpha(), { atol = 1e-6 })
    local levels = matrices("clip", "caption")
    local total, parts = head:loss(levels)
    near(parts.clip:item() + parts.caption:item() + parts.fused:item(), total:item(),
      { rtol = 1e-5 })
    near(nt_xent(levels.clip * 0.73 + levels.caption * 0.27), parts.fused:item(), { rtol = 1e-4 })
    total:backward()
    assert.is_true(head.scalar.alpha_logit.grad:item() ~= 0)
  end)
end)

describe("head:positives", function()
  it("finds clips that sound the same all through, and no others", function()
    local head = make { hci = { levels = { "frame" } } }
    -- Clips 1 and 2: the same frames; 3: frames of its own, all alike; 4: one frame.
    local one = nj.randn({ 1, 6, 4 }, { rng = nj.rng(3) })
    local frames = nj.cat({ one, one, nj.full({ 1, 6, 4 }, -0.3),
      nj.randn({ 1, 6, 4 }, { rng = nj.rng(4) }) }, 1):normalize(-1)
    local valid = nj.tensor({ { 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1 },
      { 1, 0, 0, 0, 0, 0 } }, { dtype = "uint8" })
    local together, others, draws = 0, 0, 40
    for seed = 1, draws do
      local P = head:positives({ frames = frames, frame_mask = valid }, { rng = nj.rng(seed) })
      for i = 1, 4 do assert.are.equal(1, P(i, i)) end
      together = together + P(1, 2) + P(2, 1)
      others = others + P(3, 1) + P(3, 2) + P(4, 1) + P(4, 2) + P(4, 3) + P(3, 4)
    end
    -- Two draws of the same frames are as near to each other across clips 1 and 2 as within one.
    assert.is_true(together > 0.5 * draws and together < 1.5 * draws, tostring(together))
    assert.are.equal(0, others)
    local none = head:positives({ frames = frames }, { rng = nj.rng(1), margin = 3 })
    assert.is_true(nj.equal(nj.eye(4):to "uint8", none))
    assert.error_matches(function() head:positives {} end, "head:positives: needs frames")
  end)
end)

describe("losses of levels", function()
  it("have the gradients of their values", function()
    local positives = nj.tensor({ { 1, 0, 1, 0 }, { 0, 1, 0, 0 }, { 0, 1, 1, 0 }, { 0, 0, 0, 1 } },
      { dtype = "uint8" })
    gradcheck.check { "nt_xent with positives", function(S)
      return nj.loss.nt_xent(S, { temperature = 0.5, positives = positives,
        ids = { 1, 1, 2, 3 } })
    end, shapes = { { 4, 4 } } }
    gradcheck.check { "distill", function(student, teacher)
      return nj.loss.distill(student, teacher, { temperature = 0.5 })
    end, shapes = { { 3, 4 }, { 3, 4 } }, fixed = { 2 } }
  end)

  it("have them through a head, all options at once", function()
    local head = make { hci = { levels = { "clip", "frame" }, weights = { frame = 0.5 } },
      ac = { matching = true, alpha = "learn" } }
    local denoise = nj.tensor({ { 1, 0, 1, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } },
      { dtype = "uint8" })
    local captioned = nj.tensor({ 1, 0, 1, 1 }, { dtype = "uint8" })
    gradcheck.check { "head:loss", function(clip, frame, caption)
      return (head:loss({ clip = clip, frame = frame, caption = caption, captioned = captioned },
        { ids = { 1, 1, 2, 3 }, distill = { weight = 0.3, from = "next" }, denoise = denoise }))
    end, shapes = { { 4, 4 }, { 4, 4 }, { 4, 4 } }, low = -0.3, high = 0.3, eps = 1e-7, atol = 1e-5,
      fixed = { 2 }, layouts = false, f32 = 1e-4 }
    gradcheck.check { "head:fuse", function(clip, frame, caption)
      return head:fuse { clip = clip, frame = frame, caption = caption, captioned = captioned }
    end, shapes = { { 3, 4 }, { 3, 4 }, { 3, 4 } } }
  end)

  it("of equal matrices is 0 for distillation, and above 0 for others", function()
    local S, T = nj.randn({ 3, 5 }, { rng = nj.rng(1) }), nj.randn({ 3, 5 }, { rng = nj.rng(2) })
    near(0, nj.loss.distill(S, S):item(), { atol = 1e-6 })
    assert.is_true(nj.loss.distill(S, T):item() > 0.01)
    local sharp = nj.loss.distill(S, T, { temperature = 1, teacher_temperature = 0.1 }):item()
    assert.is_true(sharp ~= nj.loss.distill(S, T, { temperature = 1 }):item())
  end)

  it("say what was wrong", function()
    assert.has_error(function() nj.loss.distill(nj.zeros(2, 3), nj.zeros(3, 2)) end,
      "distill: student (2, 3) and teacher (3, 2) must have the same shape")
    assert.error_matches(function() nj.loss.distill(nj.zeros(2), nj.zeros(2)) end,
      "distill: student must have shape %(audio, text%), got %(2%)")
    assert.error_matches(function()
      nj.loss.nt_xent(nj.zeros(2, 2), { positives = nj.zeros(2, 2) })
    end, "nt_xent: option 'positives' must be a mask of shape %(2, 2%), got a float32 tensor")
  end)
end)
