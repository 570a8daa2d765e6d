local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"
local sound_encoder = require "spec.support.sound_encoder"

local function small(options)
  local o = { width = 0.1, mels = 16, classes = 5, dropout = 0.3, rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.encoders.mobilenet(o)
end

-- Running statistics, affine weights and squeezes as training leaves them: none of them trivial.
local function trained(net, seed)
  nj.no_grad(function()
    for i, b in ipairs(net:buffers()) do
      local noise = nj.rand(b.tensor.shape, { rng = nj.rng(seed + i) })
      b.tensor:copy_(b.name:find "var" and noise * 0.1 + 0.05 or noise * 0.2 - 0.1)
    end
    for i, p in ipairs(net:parameters()) do
      local noise = nj.rand(p.tensor.shape, { rng = nj.rng(seed + 500 + i) })
      if p.tensor.ndim == 1 then
        p.tensor:copy_(noise * 0.5 + 0.25)
      else
        p.tensor:copy_((noise - 0.5) * 0.7)
      end
    end
  end)
  return net
end

local function mel(...) return nj.randn({ ... }, { rng = nj.rng(5) }) end
local function lengths(list) return nj.tensor(list, { dtype = "int64" }) end
local function quietly(f, ...)
  local arguments = table.pack(...)
  return nj.no_grad(function() return f(table.unpack(arguments, 1, arguments.n)) end)
end

-- Which blocks shrink the image, and have hard-swish: MobileNetV3-Large.
local SHRINKS = { [2] = true, [4] = true, [7] = true, [13] = true }

-- The network by its definition, out of nj.nn's operations in float64.
local function composition(net, x, training)
  local nn, p = nj.nn, {}
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function unit(y, at, act, stride)
    local w = p[at .. ".0.weight"]
    local k = w.shape[3]
    y = nn.conv2d(y, w, { padding = k // 2, stride = stride or 1,
      groups = w.shape[2] == 1 and w.shape[1] == y.shape[2] and w.shape[1] or 1 })
    y = nn.batch_norm(y, p[at .. ".1.weight"], p[at .. ".1.bias"], {
      mean = p[at .. ".1.running_mean"], var = p[at .. ".1.running_var"], training = training,
      eps = 1e-3 })
    return act and y[act](y) or y
  end
  local function squeeze(y, at)
    local s = y:mean { 3, 4 }
    s = nn.linear(s, p[at .. ".fc1.weight"], p[at .. ".fc1.bias"]):relu()
    s = nn.linear(s, p[at .. ".fc2.weight"], p[at .. ".fc2.bias"]):sigmoid()
    return y * s:unsqueeze(3):unsqueeze(4)
  end
  local y = unit(x:to "float64":transpose(2, 3):unsqueeze(2), "features.0", "hardswish", 2)
  for i = 1, 15 do
    local act, input, part = i < 7 and "relu" or "hardswish", y, 0
    local function at() return ("features.%d.block.%d"):format(i, part) end
    if p[at() .. ".0.weight"].shape[3] == 1 then
      y = unit(y, at(), act)
      part = part + 1
    end
    y = unit(y, at(), act, SHRINKS[i] and 2 or 1)
    part = part + 1
    if p[at() .. ".conc_se_layers.0.fc1.weight"] then
      y = squeeze(y, at() .. ".conc_se_layers.0")
      part = part + 1
    end
    y = unit(y, at())
    if not SHRINKS[i] and y.shape[2] == input.shape[2] then y = y + input end
  end
  y = unit(y, "features.16", "hardswish")
  local frames = y:mean(3):transpose(2, 3)
  local clip = frames:mean(2)
  local h = nn.linear(clip, p["classifier.2.weight"], p["classifier.2.bias"]):hardswish()
  return frames, clip, nn.linear(h, p["classifier.5.weight"], p["classifier.5.bias"]), p
end

describe("nj.encoders.mobilenet", function()
  sound_encoder.asks {
    make = nj.encoders.mobilenet,
    net = function() return trained(small { width = 0.4 }, 50) end,
    training = function() return trained(small { strides = { 2, 2, 2, 1 } }, 60) end,
    bands = 16, frames = 90, logits = true,
  }

  for _, training in ipairs { false, true } do
    local mode = training and "training" or "evaluating"
    it("is what its operations compose to in float64, gradients too, " .. mode, function()
      local net = trained(small { dropout = 0 }, 10)
      local x = mel(2, 45, 16)
      if training then net:train() end
      x:requires_grad_()
      local want_frames, want_clip, want, p = composition(net, x:detach(), training)
      local frames, clip = net(x)
      local logits = net:logits(clip)
      assert.same({ 2, 2, 96 }, frames.shape)
      near(want_frames:detach(), frames:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      near(want_clip:detach(), clip:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      near(want:detach(), logits:detach():to "float64", { atol = 1e-3, rtol = 1e-4 })
      local r = nj.randn({ 2, 5 }, { rng = nj.rng(3) });
      (logits * r):sum():backward();
      (want * r:to "float64"):sum():backward()
      for _, q in ipairs(net:parameters()) do
        local scale = p[q.name].grad:abs():max():item()
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 2e-3 * scale + 1e-5 }, q.name)
      end
      assert(x.grad:isfinite():all() and x.grad:abs():max():item() > 0)
    end)
  end

  it("gives the same without recording, where norms are folded, and sees every later write",
    function()
      local net = trained(small(), 20)
      local x = mel(1, 40, 16)
      local function both()
        local _, recorded = net(x)
        local _, folded = quietly(net, x)
        near(recorded:detach(), folded, { atol = 1e-4, rtol = 1e-4 })
        return folded
      end
      local before = both()
      for _, name in ipairs { "features.3.block.1.1.running_mean", "features.3.block.1.1.weight",
        "features.3.block.1.1.bias", "features.3.block.1.1.running_var",
        "features.3.block.1.0.weight" } do
        quietly(function() net:state()[name]:mul_(1.5) end)
        local after = both()
        assert.not_equal(before:bytes(), after:bytes(), name)
        before = after
      end
      net:load(trained(small(), 21):state())
      assert.not_equal(before:bytes(), both():bytes())
    end)

  it("counts frames and channels", function()
    local net = small()
    assert.equal(32, net:stride())
    assert.equal(96, net:width())
    assert.is_nil(net:longest())
    for length, want in pairs { [1] = 1, [32] = 1, [33] = 2, [100] = 4, [1000] = 32 } do
      assert.equal(want, net:frames(length), length)
    end
    local frames, clip, left = net(mel(2, 70, 16), lengths { 70, 31 })
    assert.same({ 2, 3, 96 }, frames.shape)
    assert.same({ 2, 96 }, clip.shape)
    assert.same({ 3, 1 }, left:totable())
    local wider = small { strides = { 1, 2, 2, 1 } }
    assert.equal(8, wider:stride())
    assert.same({ 1, wider:frames(20), 96 }, wider(mel(1, 20, 16)).shape)
  end)

  it("gives the stages with hidden = true", function()
    local net = trained(small(), 25)
    local x = mel(1, 40, 16)
    local frames, clip, left, stages = net(x, nil, { hidden = true })
    assert.equal(17, #stages)
    assert.same({ 1, 8, 8, 20 }, stages[1].shape)
    assert.same({ 1, 96, 1, 2 }, stages[17].shape)
    near(stages[17]:mean(3):transpose(2, 3):detach(), frames:detach(), { atol = 1e-6 })
    assert.same({ 1, 96 }, clip.shape)
    assert.same({ 2 }, left:totable())
  end)

  it("takes a padded clip for what it is alone", function()
    local net = trained(small(), 30)
    local x = mel(2, 75, 16)
    local noisy = x:clone()
    noisy[{ 1, { 38, 75 } }] = 1e4
    quietly(function()
      local frames, clip, left = net(noisy, lengths { 37, 75 })
      for i, length in ipairs { 37, 75 } do
        local f, c = net(x[{ { i, i }, { 1, length } }])
        local n = left[i]
        assert.equal(f.shape[2], n)
        near(f, frames[{ { i, i }, { 1, n } }], { atol = 1e-5, rtol = 1e-5 })
        near(c, clip[{ { i, i } }], { atol = 1e-5, rtol = 1e-5 })
      end
      assert.equal(0, frames[{ 1, { left[1] + 1, -1 } }]:abs():max():item())
      near(clip, net:pool(frames, left), { atol = 0 })
    end)
  end)

  it("drops out and follows the batch's statistics while training only", function()
    local net = trained(small(), 70)
    local x = mel(2, 40, 16)
    local mean = net:state()["features.0.1.running_mean"]
    local before = mean:clone()
    net(x)
    assert.equal(before:bytes(), mean:bytes())
    net:train()
    local _, clip = net(x)
    local image = nj.nn.conv2d(x:transpose(2, 3):unsqueeze(2), net:state()["features.0.0.weight"],
      { stride = 2, padding = 1 }):detach()
    near(before * 0.99 + image:mean { 1, 3, 4 } * 0.01, mean, { atol = 1e-6 })
    local function logits(seed) return net:logits(clip, { rng = nj.rng(seed) }):detach():bytes() end
    assert.equal(logits(1), logits(1))
    assert.not_equal(logits(1), logits(2))
  end)

  it("is rebuilt by its descriptor, and frozen in part", function()
    local net = trained(small { strides = { 2, 2, 2, 1 } }, 80)
    local twin = nj.encoders.mobilenet(net:descriptor())
    assert.same(net:descriptor(), twin:descriptor())
    local report = twin:load(net:state())
    assert.same({}, report.missing)
    assert.same({}, report.mismatched)
    local x = mel(1, 40, 16)
    assert.equal((select(2, net(x))):bytes(), (select(2, twin(x))):bytes())
    twin:freeze "features.";
    (select(2, twin(x))):sum()
    local logits = twin:logits((select(2, twin(x))))
    logits:sum():backward()
    local state = twin:state()
    assert.is_nil(state["features.16.0.weight"].grad)
    assert.is_not_nil(state["classifier.5.weight"].grad)
  end)

  it("has the sizes of the published networks", function()
    -- mn04_as has 983,599 parameters, mn10_as 4.88 million (EfficientAT's tables).
    assert.equal(983599, nj.encoders.mobilenet { width = 0.4 }:size())
    assert.equal(4.88, math.floor(nj.encoders.mobilenet {}:size() / 1e4 + 0.5) / 100)
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("mobilenet: expected log-mels of shape (batch, frames, 16), got (2, 16, 9)",
      function() net(mel(2, 16, 9)) end)
    message("mobilenet: expected float32 log-mels, got float64",
      function() net(mel(2, 16, 16):to "float64") end)
    message("mobilenet: expected at least one frame, got (1, 0, 16)",
      function() net(nj.zeros(1, 0, 16)) end)
    message("mobilenet: lengths must be int64 of shape (2), got int64 (3)",
      function() net(mel(2, 16, 16), lengths { 1, 2, 3 }) end)
    message("mobilenet: clip 2 has a length of 17 frames, expected 1 to 16",
      function() net(mel(2, 16, 16), lengths { 16, 17 }) end)
    message("mobilenet: strides are 1 or 2, got 3", function() small { strides = { 2, 2, 2, 3 } } end)
    message("mobilenet: option 'strides' must have 4 entries, got 2",
      function() small { strides = { 2, 2 } } end)
    message("mobilenet: option 'width' must be", function() small { width = 0 } end)
    message("did you mean 'width'", function() nj.encoders.mobilenet { widht = 1 } end)
    message("mobilenet: logits need a classifier (option 'classes')",
      function() small { classes = 0 }:logits(nj.zeros(1, 96)) end)
    message("stride: a projection is not an audio encoder",
      function() nj.encoders.projection { input = 2, output = 2 }:stride() end)
    message("pool: lengths must be int64 of shape (1), got int64 (2)",
      function() net:pool(nj.zeros(1, 3, 96), lengths { 1, 2 }) end)
  end)
end)

describe("mn04_as", function()
  local golden, about = shared.golden "05_mn04"
  local path = shared.path "data/weights/mn04_as_mAP_432.pt"
  local net

  local function load()
    if not golden or not path then return pending "needs ../shared" end
    if not net then
      local file = assert(nj.store.load(path))
      net = nj.encoders.mobilenet { width = 0.4 }
      local report = net:load(file.tensors)
      assert.same({}, report.missing)
      assert.same({}, report.mismatched)
    end
    return net
  end
  local function bound(name) return { atol = 10 * about.tolerance[name].f32_vs_f64_max_abs } end

  it("computes the stages, features and logits that its authors' code computes", function()
    if not load() then return end
    quietly(function()
      local _, clip, _, stages = net(golden.stage_mel:t():unsqueeze(1), nil, { hidden = true })
      for i = 0, 16 do
        local name = ("stage.%02d"):format(i)
        local want = golden[name]
        near(want, stages[i + 1][{ 1, {}, {}, { 1, want.shape[3] } }], bound(name), name)
      end
      near(golden.stage_features, clip[1], bound "stage_features")
      near(golden.stage_logits, net:logits(clip)[1], bound "stage_logits")
    end)
  end)

  it("computes the same of whole clips, from mels and from files", function()
    if not load() then return end
    quietly(function()
      for _, name in ipairs { "sample_typing", "esc_clock_tick" } do
        local _, clip = net(golden["mel." .. name]:t():unsqueeze(1))
        near(golden["features." .. name], clip[1], bound("features." .. name))
        near(golden["logits." .. name], net:logits(clip)[1], bound("logits." .. name))
      end
    end)
  end)
end)
