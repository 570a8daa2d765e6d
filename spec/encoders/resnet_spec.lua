local nj = require "nightjar"
local network = require "spec.support.network"
local near = require "spec.support.near"
local shared = require "spec.support.shared"
local sound_encoder = require "spec.support.sound_encoder"

local function small(options)
  local o = { width = 2, blocks = { 1, 2, 1, 1 }, mels = 32, dropout = 0, block_dropout = 0,
    time_stripes = 0, freq_stripes = 0, channels = 6, rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.encoders.resnet(o)
end

local trained = network.trained

local function mel(...) return nj.randn({ ... }, { rng = nj.rng(5) }) end
local function lengths(list) return nj.tensor(list, { dtype = "int64" }) end

-- The network by its definition, out of nj.nn's operations in float64.
local function composition(net, x, training)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function norm(y, at)
    return nn.batch_norm(y, p[at .. ".weight"], p[at .. ".bias"], {
      mean = p[at .. ".running_mean"], var = p[at .. ".running_var"], training = training })
  end
  local function conv(y, at, number)
    local w = p[("%s.conv%d.weight"):format(at, number)]
    y = nn.conv2d(y, w, { padding = w.shape[3] // 2 })
    return norm(y, ("%s.bn%d"):format(at, number))
  end
  local function conv_block(y, at) return conv(conv(y, at, 1):relu(), at, 2):relu() end
  local function pool(y) return nn.avg_pool2d(y, 2) end
  local y = norm(x:to "float64":transpose(2, 3), "bn0"):transpose(2, 3):unsqueeze(2)
  y = pool(conv_block(y, "conv_block1"))
  for layer = 1, 4 do
    for k = 0, d.blocks[layer] - 1 do
      local at = ("resnet.layer%d.%d"):format(layer, k)
      local around, last = y, d.bottleneck and 3 or 2
      if layer > 1 and k == 0 then
        y = pool(y)
        around = norm(nn.conv2d(y, p[at .. ".downsample.1.weight"]), at .. ".downsample.2")
      elseif p[at .. ".downsample.0.weight"] then
        around = norm(nn.conv2d(y, p[at .. ".downsample.0.weight"]), at .. ".downsample.1")
      end
      for number = 1, last - 1 do y = conv(y, at, number):relu() end
      y = (conv(y, at, last) + around):relu()
    end
  end
  local frames = conv_block(pool(y), "conv_block_after1"):mean(4):transpose(2, 3)
  return frames, frames:max(2) + frames:mean(2), p
end

describe("nj.encoders.resnet", function()
  sound_encoder.asks {
    make = nj.encoders.resnet,
    net = function() return trained(small { width = 8, channels = 16, classes = 3 }, 50) end,
    training = function()
      return trained(small { bottleneck = true, classes = 3, dropout = 0.2, block_dropout = 0.1,
        time_stripes = 1, time_width = 4, freq_stripes = 1, freq_width = 2 }, 80)
    end,
    bands = 32, frames = 96, logits = true,
  }

  for _, case in ipairs {
    { "basic blocks", false, false }, { "basic blocks", false, true },
    { "bottlenecks", true, false }, { "bottlenecks", true, true },
  } do
    local name, bottleneck, training = table.unpack(case)
    it(("is what its operations compose to in float64, gradients too: %s, %s"):format(name,
      training and "training" or "evaluating"), function()
      local net = trained(small { bottleneck = bottleneck }, 10)
      if training then net:train() end
      local x = mel(2, 64, 32)
      local want, want_clip, p = composition(net, x, training)
      local frames, clip = net(x)
      assert.same({ 2, 2, 6 }, frames.shape)
      near(want:detach(), frames:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      near(want_clip:detach(), clip:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      local r = nj.randn({ 2, 6 }, { rng = nj.rng(3) });
      (clip * r):sum():backward();
      (want_clip * r:to "float64"):sum():backward()
      for _, q in ipairs(net:parameters()) do
        local scale = p[q.name].grad:abs():max():item()
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 2e-3 * scale + 1e-5 }, q.name)
      end
    end)
  end

  it("counts frames and channels", function()
    local net = small { width = 3, channels = 7 }
    assert.equal(32, net:stride())
    assert.equal(7, net:width())
    assert.is_nil(net:longest())
    local frames, clip, left = net(mel(2, 100, 32), lengths { 100, 20 })
    assert.same({ 2, 3, 7 }, frames.shape)
    assert.same({ 2, 7 }, clip.shape)
    assert.same({ 3, 1 }, left:totable())
    assert.equal(3, net:frames(100))
    near(clip, net:pool(frames, left), { atol = 0 })
    assert.equal(64, small({ channels = 64 }):width())
  end)

  it("has the parameters' names of the reference code", function()
    local names = {}
    for name in pairs(small({ bottleneck = true, classes = 4 }):state()) do names[name] = true end
    for _, name in ipairs { "bn0.running_var", "conv_block1.conv2.weight", "conv_block1.bn2.bias",
      "resnet.layer1.0.downsample.0.weight", "resnet.layer1.0.downsample.1.running_mean",
      "resnet.layer2.0.downsample.1.weight", "resnet.layer2.0.downsample.2.bias",
      "resnet.layer2.1.conv3.weight", "resnet.layer4.0.bn3.weight",
      "conv_block_after1.conv1.weight", "fc1.weight", "fc_audioset.bias" } do
      assert(names[name], name)
    end
    local basic = small():state()
    assert.is_nil(basic["resnet.layer1.0.downsample.0.weight"])
    assert.is_nil(basic["resnet.layer2.0.conv3.weight"])
    assert.is_nil(basic["fc1.weight"])
    -- A fresh block is its shortcut.
    assert.equal(0, basic["resnet.layer3.0.bn2.weight"]:abs():max():item())
  end)

  it("drops out and masks stripes while training only", function()
    local net = trained(small { dropout = 0.3, block_dropout = 0.2, time_stripes = 1,
      freq_stripes = 1, freq_width = 4, time_width = 8 }, 60)
    local x = mel(2, 64, 32)
    local function clip(seed) return (select(2, net(x, nil, { rng = nj.rng(seed) }))):bytes() end
    assert.equal(clip(1), clip(2))
    net:train()
    assert.equal(clip(1), clip(1))
    assert.not_equal(clip(1), clip(2))
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("resnet: expected log-mels of shape (batch, frames, 32), got (2, 64, 9)",
      function() net(mel(2, 64, 9)) end)
    message("resnet: expected float32 log-mels, got float64",
      function() net(mel(2, 64, 32):to "float64") end)
    message("resnet: 31 frames are too few, one output frame takes 32",
      function() net(mel(1, 31, 32)) end)
    message("resnet: clip 2 has a length of 65 frames, expected 1 to 64",
      function() net(mel(2, 64, 32), lengths { 64, 65 }) end)
    message("resnet: needs at least 32 mel bins, got 16", function() small { mels = 16 } end)
    message("resnet: option 'blocks' must have 4 entries, got 2",
      function() small { blocks = { 2, 2 } } end)
    message("resnet: layers have 1 to 64 blocks, got 65",
      function() small { blocks = { 65, 1, 1, 1 } } end)
    message("resnet: logits need a classifier (option 'classes')",
      function() net:logits(nj.zeros(1, 6)) end)
    message("did you mean 'bottleneck'", function() small { botleneck = true } end)
  end)
end)

describe("PANNs' networks at small widths", function()
  local function check(name, descriptor)
    local golden, about = shared.golden(name)
    if not golden then return pending "needs ../shared" end
    local path = shared.path("golden/" .. name .. ".pth")
    local net, made = assert(nj.encoders.from(descriptor, { checkpoint = path }))
    assert.same({}, made.report.missing)
    local function compare(what, case, got)
      local key = what .. "." .. case
      if golden[key] then
        near(golden[key], got, { atol = 10 * about.tolerance[key].f32_vs_f64_max_abs }, key)
      end
    end
    for key, x in pairs(golden) do
      local case = key:match "^x%.(.*)"
      if case then
        for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
        x = x:clone():requires_grad_()
        local frames, clip = net(x)
        local logits, inner = net:logits(clip)
        compare("frames", case, frames:detach())
        compare("clip", case, clip:detach())
        compare("fc1_embedding", case, inner:detach())
        compare("clipwise_output", case, logits:detach():sigmoid())
        local r = golden["R." .. case]
        if r then
          (clip * r):sum():backward()
          compare("grad.input", case, x.grad)
          for parameter, tensor in pairs(net:state()) do
            compare("grad.param." .. parameter, case, tensor.grad)
          end
        end
      end
    end
    return golden, about, path
  end

  it("ResNet38 is what its authors' code computes, gradients too", function()
    check("02_resnet38_small", { encoder = { kind = "resnet", width = 5, classes = 20 } })
  end)

  local wide = { 5, 10, 20, 40, 80, 160 }
  local last1 = { 2, 2, 2, 2, 2, 1 }
  it("CNN14 is what its authors' code computes, gradients too, with either last pool", function()
    local golden, about, path = check("02_cnn14_small", { encoder = { kind = "convnet",
      channels = wide, pool_time = last1, pool_mel = last1, classes = 20 } })
    if not golden then return end
    local net = assert(nj.encoders.from({ encoder = { kind = "convnet", channels = wide } },
      { checkpoint = path }))
    for _, case in ipairs { "b1_t160", "b2_t201", "b1_t331" } do
      local frames, clip = nj.no_grad(function() return net(golden["x." .. case]) end)
      for what, got in pairs { frames_pool22 = frames, clip_pool22 = clip } do
        local key = what .. "." .. case
        if golden[key] then
          near(golden[key], got, { atol = 10 * about.tolerance[key].f32_vs_f64_max_abs }, key)
        end
      end
    end
  end)
end)
