local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"

local function small(options)
  local o = { width = 8, layers = 2, heads = 2, hidden = 12, mels = 6, patch = 4, positions = 7,
    classes = 5, dropout = 0, time_stripes = 0, freq_stripes = 0, rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return network.scramble(network.trained(nj.encoders.vit(o), 3), 4, 0.3)
end

local function mel(...) return nj.randn({ ... }, { rng = nj.rng(5) }) end
local function lengths(list) return nj.tensor(list, { dtype = "int64" }) end

-- The class token and the frames (B, N + 1, D) by definition, in float64.
local function composition(net, x)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function linear(y, at) return nn.linear(y, p[at .. ".weight"], p[at .. ".bias"]) end
  local function norm(y, at) return nn.layer_norm(y, p[at .. ".weight"], p[at .. ".bias"]) end
  local y = nn.batch_norm(x:to "float64":transpose(2, 3), p["bn0.weight"], p["bn0.bias"],
    { mean = p["bn0.running_mean"], var = p["bn0.running_var"] }):transpose(2, 3)
  local b, t, n = x.shape[1], x.shape[2], (x.shape[2] + d.patch - 1) // d.patch
  y = y:pad { { 0, 0 }, { 0, n * d.patch - t }, { 0, 0 } }
  y = linear(y:reshape(b, n, d.patch * d.mels), "patch_embed.proj")
  y = nj.cat({ p.cls_token:expand(b, 1, d.width), y }, 2)
    + p.pos_embedding[{ {}, { 1, n + 1 } }]
  for i = 0, d.layers - 1 do
    local at = ("blocks.layers.%d."):format(i)
    local qkv = linear(norm(y, at .. "0.norm"), at .. "0.fn.qkv")
      :reshape(b, n + 1, 3, d.heads, d.width // d.heads):permute(3, 1, 4, 2, 5)
    local scores = qkv[1]:matmul(qkv[2]:transpose(3, 4)) / math.sqrt(d.width // d.heads)
    local joined = scores:softmax(4):matmul(qkv[3]):transpose(2, 3):reshape(b, n + 1, d.width)
    y = y + linear(joined, at .. "0.fn.proj.0")
    y = y + linear(linear(norm(y, at .. "1.norm"), at .. "1.fn.mlp.fc1"):gelu(), at .. "1.fn.mlp.fc2")
  end
  y = norm(y, "mlp_head.0")
  if d.scores then y = linear(y, "mlp_head.1") end
  return y, p, linear
end

describe("nj.encoders.vit", function()
  for _, scores in ipairs { false, true } do
    it("is what its operations compose to in float64, gradients too, scores = " .. tostring(scores),
      function()
        local net = small { scores = scores }
        for _, t in ipairs { 28, 9 } do
          local x = mel(2, t, 6)
          local want, p, linear = composition(net, x)
          local frames, clip, left = net(x)
          local n = (t + 3) // 4
          assert.same({ 2, n, scores and 5 or 8 }, frames.shape)
          assert.same({ n, n }, left:totable())
          local got = nj.cat({ clip:unsqueeze(2), frames }, 2)
          near(want:detach(), got:detach():to "float64", { atol = 1e-5, rtol = 1e-4 })
          if not scores then
            near(linear(want[{ {}, 1 }], "mlp_head.1"):detach(),
              (net:logits(clip)):detach():to "float64", { atol = 1e-5, rtol = 1e-4 })
          end
          local r = nj.randn(got.shape, { rng = nj.rng(3) })
          for _, q in ipairs(net:parameters()) do q.tensor:zero_grad() end;
          (got * r):sum():backward();
          (want * r:to "float64"):sum():backward()
          for _, q in ipairs(net:parameters()) do
            if p[q.name].grad and q.tensor.grad then
              local scale = p[q.name].grad:abs():max():item()
              near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 1e-3 * scale + 1e-6 }, q.name)
            else
              assert.matches("^mlp_head.1", q.name)
            end
          end
        end
      end)
  end

  it("has the gradients that differences have, with lengths", function()
    local net = small { dtype = "float64", width = 4, layers = 1, hidden = 5, positions = 3, scores = true }
    network.gradients(net, function(x)
      local frames, clip = net(x, lengths { 11, 6 })
      return frames, clip
    end, { mel(2, 11, 6):to "float64" }, { most = 6, rtol = 1e-4, atol = 1e-5 })
  end)

  it("counts frames and channels", function()
    local net = small()
    assert.same({ 4, 8, 28 }, { net:stride(), net:width(), net:longest() })
    assert.equal(5, small { scores = true }:width())
    for length, want in pairs { [0] = 0, [1] = 1, [4] = 1, [5] = 2, [28] = 7 } do
      assert.equal(want, net:frames(length), length)
    end
    local layer = 4 * 768 + 768 * 2304 + 2304 + 768 * 768 + 768 + 2 * 768 * 3072 + 3072 + 768
    local ends = 768 + 126 * 768 + 2 * 64 + 256 * 768 + 768 + 2 * 768 + 768 * 527 + 527
    assert.equal(12 * layer + ends, nj.encoders.vit { classes = 527, rng = false }:size())
  end)

  it("takes a padded clip for what it is alone", function()
    local net = small()
    local x, list = mel(4, 26, 6), { 26, 17, 8, 3 }
    for i, length in ipairs(list) do
      if length < 26 then x[{ i, { length + 1, 26 } }] = 1e4 end
    end
    local frames, clip, left = net(x, lengths(list))
    for i, length in ipairs(list) do
      local f, c = net(x[{ { i, i }, { 1, length } }])
      local n = left[i]
      assert.equal(f.shape[2], n)
      near(f:detach(), frames[{ { i, i }, { 1, n } }]:detach(), { atol = 1e-5, rtol = 1e-5 })
      near(c:detach(), clip[{ { i, i } }]:detach(), { atol = 1e-5, rtol = 1e-5 })
      if n < frames.shape[2] then
        assert.equal(0, frames[{ i, { n + 1, -1 } }]:abs():max():item())
      end
    end
    near(net:pool(frames, left)[{ { 1, 1 } }]:detach(), frames[{ { 1, 1 } }]:mean(2):detach(),
      { atol = 1e-6 })
  end)

  it("gives a clip of a batch the bits it has alone, and the same with any threads", function()
    local net = small { width = 32, heads = 4 }
    local x = mel(3, 28, 6)
    local frames, clip = net(x)
    for i = 1, 3 do
      local f, c = net(x[{ { i, i } }])
      assert.equal(frames[{ { i, i } }]:contiguous():bytes(), f:contiguous():bytes())
      assert.equal(clip[{ { i, i } }]:contiguous():bytes(), c:contiguous():bytes())
    end
    network.same_bits(function()
      local trained = small { dropout = 0.3, time_stripes = 2, time_width = 4 }:train()
      local _, token = trained(x, nil, { rng = nj.rng(1) })
      return network.pass(trained, (trained:logits(token)))
    end)
  end)

  it("drops out while training only", function()
    local net = small { dropout = 0.5 }
    local x = mel(2, 12, 6)
    local function bytes(seed) return (net(x, nil, { rng = nj.rng(seed) })):detach():bytes() end
    assert.equal(bytes(1), bytes(2))
    net:train()
    assert.equal(bytes(1), bytes(1))
    assert.not_equal(bytes(1), bytes(2))
  end)

  it("is rebuilt by its descriptor, and survives a lack of memory", function()
    local net = small { scores = true, patch = 2 }
    local twin = nj.encoders.vit(net:descriptor())
    assert.same(net:descriptor(), twin:descriptor())
    twin:load(net:state())
    local x = mel(1, 9, 6)
    assert.equal((net(x)):detach():bytes(), (twin(x)):detach():bytes())
    network.survives(function()
      local frames, clip = net(x, lengths { 5 });
      (frames:sum() + clip:sum()):backward()
    end)
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("vit: expected log-mels of shape (batch, frames, 6), got (2, 6, 9)",
      function() net(mel(2, 6, 9)) end)
    message("vit: expected float32 log-mels, got float64", function() net(mel(1, 4, 6):to "float64") end)
    message("vit: expected 1 to 28 frames, got 29", function() net(mel(1, 29, 6)) end)
    message("vit: clip 1 has a length of 9 frames, expected 1 to 8",
      function() net(mel(1, 8, 6), lengths { 9 }) end)
    message("vit: 3 heads do not divide a width of 8", function() small { heads = 3 } end)
    message("vit: scores need a classifier (option 'classes')",
      function() small { classes = 0, scores = true } end)
    message("vit: logits need a classifier (option 'classes')",
      function() small { classes = 0 }:logits(nj.zeros(1, 8)) end)
    message("vit: clips of this network are logits already (scores)",
      function() small { scores = true }:logits(nj.zeros(1, 5)) end)
    message("did you mean 'layers'", function() nj.encoders.vit { layer = 1 } end)
    message("model: the clip vector of a vit is its class token",
      function() nj.model { dim = 4, audio = { encoder = net, front_end = { mels = 6 } },
        text = { vocabulary = { "[PAD]", "[UNK]", "[CLS]", "[SEP]" }, encoder = { kind = "bert" } } } end)
  end)
end)
