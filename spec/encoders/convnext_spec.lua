local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local sound_encoder = require "spec.support.sound_encoder"

local function small(options)
  local o = { depths = { 1, 2, 1, 1 }, widths = { 4, 6, 6, 8 }, mels = 36, classes = 5,
    drop_path = 0, time_stripes = 0, freq_stripes = 0, rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return network.scramble(network.trained(nj.encoders.convnext(o), 3), 4, 0.3)
end

local function mel(...) return nj.randn({ ... }, { rng = nj.rng(5) }) end
local function lengths(list) return nj.tensor(list, { dtype = "int64" }) end
local function quietly(f, ...)
  local arguments = table.pack(...)
  return nj.no_grad(function() return f(table.unpack(arguments, 1, arguments.n)) end)
end

-- The network by its definition, out of nj.nn's operations in float64.
local function composition(net, x)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function norm(y, at) -- over channels of an image
    y = nn.layer_norm(y:permute(1, 3, 4, 2), p[at .. ".weight"], p[at .. ".bias"], { eps = 1e-6 })
    return y:permute(1, 4, 2, 3)
  end
  local function conv(y, at, options)
    return nn.conv2d(y, p[at .. ".weight"], options) + p[at .. ".bias"]:reshape(1, -1, 1, 1)
  end
  local function linear(y, at) return nn.linear(y, p[at .. ".weight"], p[at .. ".bias"]) end
  local y = nn.batch_norm(x:to "float64":transpose(2, 3), p["bn0.weight"], p["bn0.bias"],
    { mean = p["bn0.running_mean"], var = p["bn0.running_var"] }):transpose(2, 3):unsqueeze(2)
  local stages = {}
  for i = 1, 4 do
    local at = ("downsample_layers.%d."):format(i - 1)
    if i == 1 then
      y = norm(conv(y, at .. "0", { stride = d.patch, padding = { d.padding, 0 } }), at .. "1")
    else
      y = conv(norm(y, at .. "0"), at .. "1", { stride = 2 })
    end
    for k = 0, d.depths[i] - 1 do
      local block = ("stages.%d.%d."):format(i - 1, k)
      local z = norm(conv(y, block .. "dwconv", { padding = 3, groups = d.widths[i] }),
        block .. "norm")
      z = linear(linear(z:permute(1, 3, 4, 2), block .. "pwconv1"):gelu(), block .. "pwconv2")
      y = y + (z * p[block .. "gamma"]):permute(1, 4, 2, 3)
    end
    stages[i] = y
  end
  local frames = y:mean(4):transpose(2, 3)
  local clip = frames:max(2) + frames:mean(2)
  local inner = nn.layer_norm(clip, p["norm.weight"], p["norm.bias"], { eps = 1e-6 })
  return frames, clip, linear(inner, "head_audioset"), p, stages, inner
end

describe("nj.encoders.convnext", function()
  sound_encoder.asks {
    make = nj.encoders.convnext,
    net = function() return small { widths = { 8, 16, 24, 32 } } end,
    training = function()
      return small { drop_path = 0.3, freq_stripes = 2, time_stripes = 2, freq_width = 6, patch = { 9, 2 },
        padding = 4 }
    end,
    bands = 36, frames = 90, logits = true,
  }

  it("is what its operations compose to in float64, gradients too", function()
    local net = small()
    local x = mel(2, 77, 36):requires_grad_()
    local want_frames, want_clip, want, p, want_stages, want_inner = composition(net, x:detach())
    local frames, clip, left, stages = net(x, nil, { hidden = true })
    local logits, inner = net:logits(clip)
    assert.same({ 2, 2, 8 }, frames.shape)
    assert.same({ 2, 2 }, left:totable())
    assert.equal(4, #stages)
    local function same(a, b) near(a:detach(), b:detach():to "float64", { atol = 1e-5, rtol = 1e-4 }) end
    for i = 1, 4 do same(want_stages[i], stages[i]) end
    same(want_frames, frames)
    same(want_clip, clip)
    same(want, logits)
    same(want_inner, inner)
    local r = nj.randn({ 2, 5 }, { rng = nj.rng(3) });
    (logits * r):sum():backward();
    (want * r:to "float64"):sum():backward()
    for _, q in ipairs(net:parameters()) do
      local scale = p[q.name].grad:abs():max():item()
      near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 1e-3 * scale + 1e-6 }, q.name)
    end
    assert(x.grad:isfinite():all() and x.grad:abs():max():item() > 0)
  end)

  it("has the gradients that differences have, with lengths", function()
    local net = small { dtype = "float64", widths = { 2, 3, 3, 4 } }
    local x = mel(2, 60, 36):to "float64"
    network.gradients(net, function(input)
      local frames, clip = net(input, lengths { 60, 33 })
      return frames, net:logits(clip)
    end, { x }, { most = 5, rtol = 1e-4, atol = 1e-5 })
  end)

  it("has the float64 gradients while training, by the batch's statistics", function()
    local net = small { dtype = "float64", widths = { 2, 3, 3, 4 } }:train()
    local x = mel(2, 40, 36):to "float64"
    network.gradients(net, function(input) return (select(2, net(input))) end, { x },
      { most = 4, rtol = 1e-4, atol = 1e-5, unused = { ["norm.weight"] = true, ["norm.bias"] = true,
        ["head_audioset.weight"] = true, ["head_audioset.bias"] = true } })
  end)

  it("counts frames and channels", function()
    local net = small()
    assert.equal(32, net:stride())
    assert.equal(8, net:width())
    assert.is_nil(net:longest())
    -- behind the stem 1 + (T + 4) // 4 rows, halved three times: 31 frames of 10 s
    for length, want in pairs { [0] = 0, [1] = 1, [24] = 1, [55] = 1, [56] = 2, [1001] = 31 } do
      assert.equal(want, net:frames(length), length)
    end
    local wide = small { patch = { 18, 4 }, padding = 9 } -- another stem of its authors
    assert.equal(144, wide:stride())
    assert.same({ 1, 7, 8 }, wide(mel(1, 1001, 36)).shape)
    assert.equal(7, wide:frames(1001))
  end)

  it("takes a padded clip for what it is alone", function()
    local net = small()
    local noisy, list = mel(5, 90, 36), { 90, 61, 50, 31, 24 }
    for i, length in ipairs(list) do
      if length < 90 then noisy[{ i, { length + 1, 90 } }] = 1e4 end
    end
    quietly(function()
      local frames, clip, left = net(noisy, lengths(list))
      for i, length in ipairs(list) do
        local f, c = net(noisy[{ { i, i }, { 1, length } }])
        local n = left[i]
        assert.equal(f.shape[2], n)
        near(f, frames[{ { i, i }, { 1, n } }], { atol = 1e-5, rtol = 1e-5 })
        near(c, clip[{ { i, i } }], { atol = 1e-5, rtol = 1e-5 })
        if n < frames.shape[2] then
          assert.equal(0, frames[{ i, { n + 1, -1 } }]:abs():max():item())
        end
      end
      near(clip, net:pool(frames, left), { atol = 0 })
    end)
  end)

  it("fills clips too short for a frame with silence", function()
    local net = small()
    quietly(function()
      local x = mel(2, 64, 36)
      local padded = x:clone()
      padded[{ 1, { 6, 64 } }] = 100
      local frames, _, left = net(padded, lengths { 5, 64 })
      assert.same({ 1, 2 }, left:totable())
      assert(frames:isfinite():all())
      local other = x:clone()
      other[{ 1, { 6, 64 } }] = -100
      assert.equal(frames:contiguous():bytes(), (net(other, lengths { 5, 64 })):contiguous():bytes())
    end)
  end)

  it("leaves out branches and covers stripes while training only", function()
    local net = small { drop_path = 0.9 }
    local x = mel(2, 40, 36)
    local function bytes(seed) return (net(x, nil, { rng = nj.rng(seed) })):detach():bytes() end
    assert.equal(bytes(1), bytes(2))
    net:train()
    local before = net:state()["bn0.running_mean"]:clone()
    local one = bytes(1)
    assert.not_equal(before:bytes(), net:state()["bn0.running_mean"]:bytes())
    assert.equal(one, bytes(1))
    assert.not_equal(one, bytes(2))
    local striped = small { freq_stripes = 2, freq_width = 20 }:train()
    local a = striped(x, nil, { rng = nj.rng(1) }):detach():bytes()
    assert.not_equal(a, (striped(x, nil, { rng = nj.rng(2) })):detach():bytes())
  end)

  it("is rebuilt by its descriptor, and frozen in part", function()
    local net = small { patch = { 9, 2 }, padding = 4, mels = 20 }
    local twin = nj.encoders.convnext(net:descriptor())
    assert.same(net:descriptor(), twin:descriptor())
    local report = twin:load(net:state())
    assert.same({}, report.missing)
    assert.same({}, report.mismatched)
    local x = mel(1, 80, 20)
    assert.equal((select(2, net(x))):detach():bytes(), (select(2, twin(x))):detach():bytes())
    twin:freeze "stages."
    twin:logits((select(2, twin(x)))):sum():backward()
    local state = twin:state()
    assert.is_nil(state["stages.0.0.gamma"].grad)
    assert.is_not_nil(state["head_audioset.weight"].grad)
  end)

  it("reads CoNeTTE's names for its scales, below any prefix", function()
    local net, tensors = small(), {}
    for name, tensor in pairs(net:state()) do
      tensors["preprocessor.encoder." .. name:gsub("gamma$", "scale_layer")] = tensor:detach()
    end
    local d = net:descriptor()
    local twin, about = assert(nj.encoders.from({ encoder = d }, { checkpoint = tensors }))
    assert.equal("preprocessor.encoder.", about.report.prefix)
    assert.same({}, about.report.skipped)
    local x = mel(1, 40, 36)
    assert.equal((net(x)):detach():bytes(), (twin(x)):detach():bytes())
    d.classes = 0
    local bare, without = assert(nj.encoders.from({ encoder = d }, { checkpoint = tensors }))
    assert.equal(4, #without.report.skipped)
    assert.equal("in front of a classifier, which this network was made without",
      without.report.skipped[3].why)
    assert.equal((net(x)):detach():bytes(), (bare(x)):detach():bytes())
  end)

  it("survives a lack of memory", function()
    local net = small()
    network.survives(function()
      local _, clip = net(mel(1, 24, 36), lengths { 20 })
      net:logits(clip):sum():backward()
    end)
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("convnext: expected log-mels of shape (batch, frames, 36), got (2, 36, 9)",
      function() net(mel(2, 36, 9)) end)
    message("convnext: expected float32 log-mels, got float64",
      function() net(mel(2, 36, 36):to "float64") end)
    message("convnext: 23 frames are too few, one output frame takes 24",
      function() net(mel(1, 23, 36)) end)
    message("convnext: lengths must be int64 of shape (2), got int64 (3)",
      function() net(mel(2, 36, 36), lengths { 1, 2, 3 }) end)
    message("convnext: clip 2 has a length of 37 frames, expected 1 to 36",
      function() net(mel(2, 36, 36), lengths { 36, 37 }) end)
    message("convnext: option 'depths' must have 4 entries, got 2",
      function() small { depths = { 2, 2 } } end)
    message("convnext: entry 2 of option 'widths' must be a positive integer",
      function() small { widths = { 2, 0, 1, 1 } } end)
    message("convnext: 31 mel bins are too few: patches of 4 and three halvings take 32",
      function() small { mels = 31 } end)
    message("did you mean 'depths'", function() nj.encoders.convnext { depth = 1 } end)
    message("convnext: logits need a classifier (option 'classes')",
      function() small { classes = 0 }:logits(nj.zeros(1, 8)) end)
  end)
end)
