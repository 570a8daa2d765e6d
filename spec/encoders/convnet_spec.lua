local nj = require "nightjar"
local network = require "spec.support.network"
local near = require "spec.support.near"
local sound_encoder = require "spec.support.sound_encoder"

local function small(options)
  local o = { channels = { 3, 4 }, mels = 8, dropout = 0.3, time_stripes = 1, time_width = 4,
    freq_stripes = 1, freq_width = 2, rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.encoders.convnet(o)
end

-- Batch norms as training leaves them.
local function trained(net, seed)
  return network.trained(net, seed, function(name) return name:find "bn" ~= nil end)
end

local function mel(...) return nj.randn({ ... }, { rng = nj.rng(5) }) end
local function lengths(list) return nj.tensor(list, { dtype = "int64" }) end

-- The network by its definition, out of nj.nn's operations in float64, running statistics or, while
-- training, the batch's.
local function composition(net, x, training)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function norm(y, at)
    return nn.batch_norm(y, p[at .. ".weight"], p[at .. ".bias"], {
      mean = p[at .. ".running_mean"], var = p[at .. ".running_var"],
      training = training })
  end
  local y = norm(x:to "float64":transpose(2, 3), "bn0"):transpose(2, 3):unsqueeze(2)
  for i = 1, #d.channels do
    local at = ("conv_block%d."):format(i)
    for k = 1, d.convolutions do
      y = nn.conv2d(y, p[at .. "conv" .. k .. ".weight"], { padding = d.kernel // 2 })
      y = norm(y, at .. "bn" .. k):relu()
    end
    y = nn.avg_pool2d(y, { d.pool_time[i], d.pool_mel[i] })
  end
  local frames = y:mean(4):transpose(2, 3)
  if d.frames == "neighbours" then
    local n = frames.shape[2]
    local low = frames:pad({ { 0, 0 }, { 1, 1 }, { 0, 0 } }, { value = -math.huge })
    local zero = frames:pad { { 0, 0 }, { 1, 1 }, { 0, 0 } }
    local function at(padded, k) return padded[{ {}, { k, k + n - 1 } }] end
    frames = nj.stack({ at(low, 1), at(low, 2), at(low, 3) }, 1):max(1)
      + (at(zero, 1) + at(zero, 2) + at(zero, 3)) / 3
  end
  return frames, frames:max(2) + frames:mean(2), p
end

describe("nj.encoders.convnet", function()
  sound_encoder.asks {
    make = nj.encoders.convnet,
    net = function() return trained(small { channels = { 16, 32 }, classes = 3 }, 50) end,
    training = function() return small { channels = { 16, 32 }, classes = 3 } end,
    bands = 8, frames = 60, logits = true,
  }

  for _, case in ipairs { { false }, { true }, { false, "CNN6" }, { true, "CNN6" },
    { false, nil, "neighbours" }, { true, nil, "neighbours" } } do
    local training, cnn6, of = case[1], case[2], case[3]
    local mode = (training and "training" or "evaluating") .. (cnn6 and ", as CNN6" or "")
      .. (of and ", frames with " .. of or "")
    it("is what its operations compose to, " .. mode, function()
      local net = trained(small { dropout = 0, time_stripes = 0, freq_stripes = 0,
        convolutions = cnn6 and 1 or 2, kernel = cnn6 and 5 or 3, frames = of }, 10)
      local x = mel(2, 12, 8)
      if training then net:train() end
      local want, want_clip, p = composition(net, x, training)
      local frames, clip = net(x)
      assert.same({ 2, 3, 4 }, frames.shape)
      near(want:detach(), frames:detach():to "float64", { atol = 2e-5 })
      near(want_clip:detach(), clip:detach():to "float64", { atol = 2e-5 })
      local r = nj.randn({ 2, 4 }, { rng = nj.rng(3) });
      (clip * r):sum():backward();
      (want_clip * r:to "float64"):sum():backward()
      for _, q in ipairs(net:parameters()) do
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 5e-5, rtol = 1e-3 }, q.name)
      end
    end)
  end

  it("pools frames with their neighbours inside the clip alone", function()
    local net = trained(small { frames = "neighbours" }, 12)
    local plain = small()
    plain:load(net:state())
    local x = mel(1, 24, 8)
    local y, with = plain(x), net(x)
    local function want(i)
      local inside = y[{ 1, { math.max(1, i - 1), math.min(6, i + 1) } }]
      return inside:max(1) + inside:sum(1) / 3
    end
    for i = 1, 6 do near(want(i):detach(), with[{ 1, i }]:detach(), { atol = 1e-6 }) end
    local single = mel(1, 4, 8)
    near((plain(single) * (4 / 3)):detach(), net(single):detach(), { atol = 1e-6 })
    -- What is behind a clip's end is no neighbour, whatever it holds.
    local noisy = mel(2, 24, 8)
    noisy[{ 1, { 13, 24 } }] = 1e4
    local frames, clip, left = net(noisy, lengths { 12, 24 })
    y = plain(noisy, lengths { 12, 24 })
    local last = y[{ 1, { 2, 3 } }]
    near((last:max(1) + last:sum(1) / 3):detach(), frames[{ 1, 3 }]:detach(), { atol = 1e-6 })
    near(net:pool(frames, left):detach(), clip:detach(), { atol = 1e-6 })
    assert.equal(0, frames[{ 1, { 4, 6 } }]:abs():max():item())
    assert.same(net:descriptor(), nj.encoders.convnet(net:descriptor()):descriptor())
    assert.equal("neighbours", net:descriptor().frames)
    assert.error_matches(function() small { frames = "both" } end,
      "convnet: option 'frames' must be one of", nil, true)
  end)

  it("classifies by fc1 and fc_audioset when it has classes", function()
    local net = trained(small { classes = 3 }, 15)
    local p = net:state()
    local _, clip = net(mel(2, 12, 8))
    local logits, embedding = net:logits(clip)
    local want = nj.nn.linear(clip, p["fc1.weight"], p["fc1.bias"]):relu()
    near(want:detach(), embedding:detach(), { atol = 1e-6 })
    near(nj.nn.linear(want, p["fc_audioset.weight"], p["fc_audioset.bias"]):detach(),
      logits:detach(), { atol = 1e-6 })
    net:train()
    local function noisy(seed) return net:logits(clip, { rng = nj.rng(seed) }):bytes() end
    assert.equal(noisy(1), noisy(1))
    assert.not_equal(noisy(1), noisy(2))
  end)

  it("gives gradients of its input that differences confirm", function()
    local net = trained(small { channels = { 2 } }, 20)
    local x, r = mel(1, 4, 8), nj.randn({ 1, 2 }, { rng = nj.rng(4) })
    local function value()
      return nj.no_grad(function() return (select(2, net(x)) * r):sum():item() end)
    end
    x:requires_grad_();
    (select(2, net(x)) * r):sum():backward()
    local flat, eps = x:detach():view(32), 1e-2
    local agree = 0
    for i = 1, 32 do
      local at = flat[i]
      flat[i] = at + eps
      local above = value()
      flat[i] = at - eps
      local below = value()
      flat[i] = at
      local slope = (above - below) / (2 * eps)
      if math.abs(slope - x.grad:reshape(32)[i]) < 2e-2 then agree = agree + 1 end
    end
    -- A step may cross a corner of ReLU or of the maximum.
    assert(agree >= 30, agree .. " of 32 agree")
  end)

  it("pools by its options and tells how many frames are left", function()
    local net = small { channels = { 2, 3, 4 }, pool_time = { 2, 3, 1 }, pool_mel = { 2, 2, 1 } }
    local frames, clip, left = net(mel(2, 25, 8), lengths { 25, 13 })
    assert.same({ 2, 4, 4 }, frames.shape)
    assert.same({ 2, 4 }, clip.shape)
    assert.same({ 4, 2 }, left:totable())
    assert.same({ 1, 4 }, select(3, net(mel(2, 25, 8), lengths { 1, 25 })):totable())
  end)

  it("keeps a padded clip's frames away from its end as they are unpadded", function()
    local net = trained(small(), 40)
    local x = mel(1, 40, 8)
    local padded = x:pad { { 0, 24 }, { 0, 0 } }
    local want, want_clip = net(x)
    local frames, clip, left = net(padded, lengths { 40 })
    assert.same({ 10 }, left:totable())
    -- Behind the end there is silence after bn0 in both; but a bias behind the first BatchNorm
    -- makes the padding's activations other than zero, and the second convolution sees two of them:
    -- 2 of block 1's frames, of which pooling leaves 1, and 3 of block 2's, of which pooling leaves
    -- 2.
    near(want[{ {}, { 1, 8 } }], frames[{ {}, { 1, 8 } }], { atol = 1e-6 })
    assert(near.max_abs(want_clip, clip) < 1, "the clip vector is far off")
    assert.not_equal(0, (near.max_abs(want_clip, clip)))
  end)

  it("drops out, masks stripes and follows the batch's statistics while training only", function()
    local net = small()
    local x = mel(2, 16, 8)
    local function statistics()
      local out = {}
      for _, b in ipairs(net:buffers()) do out[#out + 1] = b.tensor:bytes() end
      return table.concat(out)
    end
    local before = statistics()
    local _, a = net(x)
    assert.equal(before, statistics())
    net:train()
    local _, b = net(x, nil, { rng = nj.rng(1) })
    assert.not_equal(before, statistics())
    assert.not_equal(a:bytes(), b:bytes())
    assert.equal(b:bytes(), select(2, net(x, nil, { rng = nj.rng(1) })):bytes())
    assert.not_equal(b:bytes(), select(2, net(x, nil, { rng = nj.rng(2) })):bytes())
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("convnet: expected log-mels of shape (batch, frames, 8), got (2, 16, 9)",
      function() net(mel(2, 16, 9)) end)
    message("convnet: expected float32 log-mels, got float64",
      function() net(mel(2, 16, 8):to "float64") end)
    message("convnet: 3 frames are too few, one output frame takes 4",
      function() net(mel(1, 3, 8)) end)
    message("convnet: lengths must be int64 of shape (2), got int64 (3)",
      function() net(mel(2, 16, 8), lengths { 1, 2, 3 }) end)
    message("convnet: clip 2 has a length of 17 frames, expected 1 to 16",
      function() net(mel(2, 16, 8), lengths { 16, 17 }) end)
    message("convnet: clip 1 has a length of 0 frames, expected 1 to 16",
      function() net(mel(2, 16, 8), lengths { 0, 16 }) end)
    message("convnet: option 'channels' is required (a list of integers)",
      function() nj.encoders.convnet {} end)
    message("convnet: option 'pool_time' has 1 entries, 'channels' has 2",
      function() small { pool_time = { 2 } } end)
    message("convnet: entry 2 of option 'channels' must be a positive integer",
      function() small { channels = { 4, 0 } } end)
    message("convnet: 8 mel bins are pooled away by block 2",
      function() small { pool_mel = { 4, 4 } } end)
    message("convnet: logits need a classifier (option 'classes')",
      function() net:logits(nj.zeros(1, 4)) end)
    message("convnet: a block has 1 or 2 convolutions of an odd size, got 2 of size 4",
      function() small { kernel = 4 } end)
    message("did you mean 'channels'", function() small { chanels = { 1 } } end)
  end)
end)
