local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"
local sound_encoder = require "spec.support.sound_encoder"

-- 64 frames of 16 bands as two quarters, 32 x 32 tokens and windows of 4: the first stages shift, the
-- last is one window.
local function small(options)
  local o = { width = 2, heads = { 1, 2, 2, 4 }, depths = { 2, 2, 1, 2 }, window = 4, mels = 16,
    side = 32, patch = 1, mlp_ratio = 2, drop_path = 0, time_stripes = 0, freq_stripes = 0,
    rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.encoders.htsat(o)
end

-- Weights large enough that every part shows in the result.
local function trained(net, seed)
  nj.no_grad(function()
    for i, b in ipairs(net:buffers()) do
      local noise = nj.rand(b.tensor.shape, { rng = nj.rng(seed + i) })
      b.tensor:copy_(b.name:find "var" and noise + 0.5 or noise - 0.5)
    end
    for i, p in ipairs(net:parameters()) do
      local noise = nj.rand(p.tensor.shape, { rng = nj.rng(seed + 500 + i) })
      p.tensor:copy_(p.name:find "norm%d?%.weight" and noise + 0.5 or noise - 0.5)
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

-- Which of three parts, before and after a shift's seams, a row or column belongs to.
local function part(at, size, window)
  return at < size - window and 0 or at < size - window // 2 and 1 or 2
end

-- (windows, 1, N, N) of 0 and -100, token by token.
local function shift_mask(size, w)
  local id = {}
  for row = 0, size - 1 do
    for column = 0, size - 1 do
      id[row * size + column] = 3 * part(row, size, w) + part(column, size, w)
    end
  end
  local windows = {}
  for top = 0, size - 1, w do
    for left = 0, size - 1, w do
      local ids, rows = {}, {}
      for i = 0, w * w - 1 do ids[i + 1] = id[(top + i // w) * size + left + i % w] end
      for i = 1, w * w do
        rows[i] = {}
        for j = 1, w * w do rows[i][j] = ids[i] == ids[j] and 0 or -100 end
      end
      windows[#windows + 1] = { rows }
    end
  end
  return nj.tensor(windows, { dtype = "float64" })
end

local function bias_rows(w)
  local rows = {}
  for i = 0, w * w - 1 do
    for j = 0, w * w - 1 do
      rows[#rows + 1] = (i // w - j // w + w - 1) * (2 * w - 1) + i % w - j % w + w
    end
  end
  return nj.tensor(rows, { dtype = "int64" })
end

-- The network by its definition, with rolls and reshapes in float64.
local function composition(net, x)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function norm(y, at) return nn.layer_norm(y, p[at .. ".weight"], p[at .. ".bias"]) end
  local function linear(y, at) return nn.linear(y, p[at .. ".weight"], p[at .. ".bias"]) end
  local batch = x.shape[1]
  local function attention(y, at, size, width, heads, shift)
    local w = math.min(d.window, size)
    local n, across = w * w, size // w
    y = y:reshape(batch, size, size, width)
    if shift > 0 then y = y:roll(-shift, 2):roll(-shift, 3) end
    y = y:reshape(batch, across, w, across, w, width):permute(1, 2, 4, 3, 5, 6)
      :reshape(batch * across * across, n, width)
    local qkv = linear(y, at .. ".attn.qkv"):reshape(y.shape[1], n, 3, heads, width // heads)
      :permute(3, 1, 4, 2, 5)
    local scores = qkv[1]:matmul(qkv[2]:transpose(3, 4)) * (width // heads) ^ -0.5
    local bias = p[at .. ".attn.relative_position_bias_table"]:index_select(1, bias_rows(w))
      :reshape(n, n, heads):permute(3, 1, 2)
    scores = scores + bias:unsqueeze(1)
    if shift > 0 then
      local mask = shift_mask(size, w)
      scores = (scores:reshape(batch, across * across, heads, n, n) + mask)
        :reshape(y.shape[1], heads, n, n)
    end
    y = scores:softmax(4):matmul(qkv[3]):transpose(2, 3):reshape(y.shape[1], n, width)
    y = linear(y, at .. ".attn.proj"):reshape(batch, across, across, w, w, width)
      :permute(1, 2, 4, 3, 5, 6):reshape(batch, size, size, width)
    if shift > 0 then y = y:roll(shift, 2):roll(shift, 3) end
    return y:reshape(batch, size * size, width)
  end
  local y = nn.batch_norm(x:to "float64":transpose(2, 3), p["bn0.weight"], p["bn0.bias"], {
    mean = p["bn0.running_mean"], var = p["bn0.running_var"] }):transpose(2, 3)
  local quarters, size = d.side // d.mels, d.side // d.patch
  y = y:reshape(batch, quarters, d.side, d.mels):transpose(3, 4):reshape(batch, 1, d.side, d.side)
  y = nn.conv2d(y, p["patch_embed.proj.weight"], p["patch_embed.proj.bias"], { stride = d.patch })
  y = norm(y:reshape(batch, d.width, size * size):transpose(2, 3), "patch_embed.norm")
  local width, values = d.width, nil
  for stage = 1, 4 do
    for j = 0, d.depths[stage] - 1 do
      local at = ("layers.%d.blocks.%d"):format(stage - 1, j)
      if d.frames == "values" and stage == 4 and j == d.depths[4] - 1 then
        local v = linear(norm(y, at .. ".norm1"), at .. ".attn.qkv")[{ {}, {}, { -width, -1 } }]
        v = y + linear(v, at .. ".attn.proj")
        values = v + norm(v, at .. ".norm2")
      end
      local shift = j % 2 == 1 and size > d.window and d.window // 2 or 0
      y = y + attention(norm(y, at .. ".norm1"), at, size, width, d.heads[stage], shift)
      y = y + linear(linear(norm(y, at .. ".norm2"), at .. ".mlp.fc1"):gelu(), at .. ".mlp.fc2")
    end
    if stage < 4 then
      local at, square = ("layers.%d.downsample"):format(stage - 1), nil
      square = y:reshape(batch, size, size, width)
      local function quarter(row, column)
        return square[{ {}, { row, -1, 2 }, { column, -1, 2 } }]
      end
      y = nj.cat({ quarter(1, 1), quarter(2, 1), quarter(1, 2), quarter(2, 2) }, 4)
      size, width = size // 2, width * 2
      y = norm(y:reshape(batch, size * size, 2 * width), at .. ".norm")
      y = nn.linear(y, p[at .. ".reduction.weight"])
    end
  end
  y = norm(y, "norm"):reshape(batch, quarters, size // quarters, size, width)
  local map = y:permute(1, 5, 3, 2, 4):reshape(batch, width, size // quarters, quarters * size)
  local logits = nn.conv2d(map, p["tscam_conv.weight"], p["tscam_conv.bias"],
    { padding = { 0, 1 } }):mean { 3, 4 }
  local frames = map:mean(3):transpose(2, 3)
  if values then
    frames = norm(values, "norm"):reshape(batch, quarters, size // quarters, size, width):mean(3)
      :reshape(batch, quarters * size, width)
  end
  return frames, frames:mean(2), logits, p
end

describe("nj.encoders.htsat", function()
  for _, of in ipairs { "tokens", "values" } do
    for _, fit in ipairs { "stretch", "repeat", "zero" } do
      describe(("with frames of %s, fitted by %s,"):format(of, fit), function()
        sound_encoder.asks {
          make = nj.encoders.htsat,
          net = function()
            return trained(small { width = 16, heads = { 2, 2, 4, 8 }, frames = of, fit = fit }, 50)
          end,
          training = function()
            return trained(small { classes = 3, drop_path = 0.2, frames = of, fit = fit,
              time_stripes = 1, time_width = 4, freq_stripes = 1, freq_width = 2 }, 60)
          end,
          bands = 16, frames = 60,
        }
      end)
    end
  end

  for _, of in ipairs { "tokens", "values" } do
    it("is what its operations compose to in float64, gradients too: frames of " .. of, function()
      local net = trained(small { classes = 3, frames = of }, 10)
      local x = mel(2, 64, 16)
      local want, want_clip, want_logits, p = composition(net, x)
      local frames, clip, left, hidden = net(x, nil, { hidden = true })
      assert.same({ 2, 8, 16 }, frames.shape)
      assert.same({ 8, 8 }, left:totable())
      near(want:detach(), frames:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      near(want_clip:detach(), clip:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      local logits = net:logits(hidden[#hidden])
      near(want_logits:detach(), logits:detach():to "float64", { atol = 1e-4, rtol = 1e-4 })
      local r = nj.randn({ 2, 16 }, { rng = nj.rng(3) });
      ((clip * r):sum() + logits:sum()):backward();
      ((want_clip * r:to "float64"):sum() + want_logits:sum()):backward()
      for _, q in ipairs(net:parameters()) do
        local scale = p[q.name].grad:abs():max():item()
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 1e-3 * scale + 1e-5 }, q.name)
      end
    end)
  end

  it("leaves the last block's attention out of frames made of its values", function()
    local net, x = trained(small { frames = "values" }, 15), mel(1, 64, 16)
    local alone = net(x)
    local beside, _, _, hidden = net(x, nil, { hidden = true })
    assert.equal(alone:bytes(), beside:bytes())
    local whole = trained(small(), 15)
    local other, _, _, same = whole(x, nil, { hidden = true })
    assert.not_equal(other:bytes(), alone:bytes())
    assert.equal(same[#same]:contiguous():bytes(), hidden[#hidden]:contiguous():bytes())
    alone:square():sum():backward()
    local trains = {}
    for _, p in ipairs(net:parameters()) do
      if p.name:find "^layers%.3%.blocks%.1%." then
        trains[p.name:match "blocks%.1%.(.*)"] = p.tensor.grad ~= nil
      end
    end
    assert.same({ ["norm1.weight"] = true, ["norm1.bias"] = true, ["norm2.weight"] = true,
      ["norm2.bias"] = true, ["attn.qkv.weight"] = true, ["attn.qkv.bias"] = true,
      ["attn.proj.weight"] = true, ["attn.proj.bias"] = true,
      ["attn.relative_position_bias_table"] = false, ["mlp.fc1.weight"] = false,
      ["mlp.fc1.bias"] = false, ["mlp.fc2.weight"] = false, ["mlp.fc2.bias"] = false }, trains)
  end)

  it("stretches, repeats or fills up clips that are shorter than its image", function()
    local x = mel(1, 40, 16)
    local function frames(fit, input) return (quietly(trained(small { fit = fit }, 20), input)) end
    local bn = trained(small(), 20):state()
    local normed = quietly(function()
      return nj.nn.batch_norm(x:transpose(2, 3), bn["bn0.weight"], bn["bn0.bias"], {
        mean = bn["bn0.running_mean"], var = bn["bn0.running_var"] }):transpose(2, 3)
    end)
    -- The log-mel whose bn0 is y.
    local function before(y)
      local scale = bn["bn0.weight"] / (bn["bn0.running_var"] + 1e-5):sqrt()
      return (y - bn["bn0.bias"]:detach()) / scale:detach() + bn["bn0.running_mean"]
    end
    local stretched = nj.nn.resize(normed:unsqueeze(2), 64, 16, { mode = "bicubic",
      align_corners = true }):squeeze(2)
    near(frames("stretch", before(stretched)), frames("stretch", x), { atol = 1e-3 })
    local repeated = nj.cat({ x, x[{ {}, { 1, 24 } }] }, 2)
    near(frames("stretch", repeated), frames("repeat", x), { atol = 0 })
    near(frames("stretch", before(normed:pad { { 0, 0 }, { 0, 24 }, { 0, 0 } })),
      frames("zero", x), { atol = 1e-3 })
  end)

  it("counts frames and channels", function()
    local net = small()
    assert.equal(64, net:longest())
    assert.equal(8, net:stride())
    assert.equal(16, net:width())
    assert.equal(8, net:frames(3))
    assert.equal(0, net:frames(0))
    local filled = small { fit = "zero" }
    assert.equal(1, filled:frames(3))
    assert.equal(8, filled:frames(64))
    assert.same({ 8, 3 }, (select(3, filled(mel(2, 64, 16), lengths { 64, 20 }))):totable())
    local published = nj.encoders.htsat { rng = false }
    assert.equal(27534488, published:size()) -- its authors' body without classifier
    assert.equal(1024, published:longest())
    assert.equal(32, published:stride())
    assert.equal(768, published:width())
  end)

  for _, fit in ipairs { "stretch", "repeat", "zero" } do
    it("takes a padded clip for what it is alone: " .. fit, function()
      local net = trained(small { fit = fit, frames = fit == "zero" and "values" or nil }, 30)
      local x = mel(3, 50, 16)
      local noisy = x:clone()
      noisy[{ 1, { 24, 50 } }] = 1e4
      noisy[{ 3, { 24, 50 } }] = -1e4
      quietly(function()
        local frames, clip, left = net(noisy, lengths { 23, 50, 23 })
        for i, length in ipairs { 23, 50, 23 } do
          local f, c, n = net(x[{ { i, i }, { 1, length } }])
          assert.equal(n[1], left[i])
          assert.equal(f:contiguous():bytes(), frames[{ { i, i } }]:contiguous():bytes())
          near(c, clip[{ { i, i } }], { atol = 1e-6 })
        end
        near(clip, net:pool(frames, left), { atol = 1e-6 })
        local same = net(noisy, lengths { 23, 23, 23 })
        assert.equal(frames[{ 1 }]:contiguous():bytes(), same[{ 1 }]:contiguous():bytes())
      end)
    end)
  end

  it("leaves branches out and masks stripes while training only", function()
    for _, o in ipairs { { drop_path = 0.5 }, { drop_path = 0.5, frames = "values" },
      { time_stripes = 1, time_width = 8 }, { freq_stripes = 1, freq_width = 8 } } do
      local net = trained(small(o), 70)
      local x = mel(2, 64, 16)
      local function clip(seed) return (select(2, net(x, nil, { rng = nj.rng(seed) }))):bytes() end
      assert.equal(clip(1), clip(2))
      net:train()
      -- The same running statistics each time: the second call sees those that the first left.
      local state = net:state()["bn0.running_mean"]:clone()
      local a, b = clip(1), clip(2)
      assert.not_equal(state:bytes(), net:state()["bn0.running_mean"]:bytes())
      assert.equal(a, clip(1))
      assert.not_equal(a, b)
    end
  end)

  it("says what is wrong", function()
    local net = small { classes = 2 }
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("htsat: expected log-mels of shape (batch, frames, 16), got (2, 64, 9)",
      function() net(mel(2, 64, 9)) end)
    message("htsat: expected float32 log-mels, got float64",
      function() net(mel(2, 64, 16):to "float64") end)
    message("htsat: 65 frames are more than its 64; cut longer sounds into tiles",
      function() net(mel(1, 65, 16)) end)
    message("htsat: clip 1 has a length of 0 frames, expected 1 to 64",
      function() net(mel(1, 64, 16), lengths { 0 }) end)
    message("htsat: an image of side 32 must be a multiple of 12 mel bins, and both of 8 "
      .. "(8 patches of 1)", function() small { mels = 12 } end)
    message("htsat: windows of 3 tokens do not divide a side of 32",
      function() small { window = 3 } end)
    message("htsat: 3 heads do not divide a width of 2",
      function() small { heads = { 3, 1, 1, 1 } } end)
    message("htsat: option 'depths' must have 4 entries, got 3",
      function() small { depths = { 1, 1, 1 } } end)
    message("htsat: option 'fit' must be one of", function() small { fit = "squeeze" } end)
    message("htsat: option 'frames' must be one of", function() small { frames = "keys" } end)
    message("htsat: logits are made of the last hidden tensor, (batch, 16, 2, times), got (1, 16)",
      function() net:logits(nj.zeros(1, 16)) end)
    message("htsat: logits need a classifier (option 'classes')",
      function() small():logits(nj.zeros(1, 16, 2, 8)) end)
  end)
end)

describe("HTS-AT at a small width", function()
  it("is what its authors' code computes, gradients too", function()
    local golden, about = shared.golden "03_htsat_small"
    local path = shared.path "golden/03_htsat_small.ckpt"
    if not golden or not path then return pending "needs ../shared" end
    local net, made = assert(nj.encoders.from({ encoder = { kind = "htsat", width = 12,
      heads = { 1, 2, 4, 8 }, classes = 20 } }, { checkpoint = path }))
    for _, s in ipairs(made.report.skipped) do
      assert(s.why ~= "this network has no tensor of that name", s.name)
    end
    local function compare(what, case, got)
      local key = what .. "." .. case
      local want = golden[key]
      if not want then return end
      -- Intermediate values are kept of the first clip, and some of the first tokens only.
      if got.shape[1] ~= want.shape[1] then got = got[{ { 1, want.shape[1] } }] end
      if got.ndim == 3 and got.shape[2] ~= want.shape[2] then
        got = got[{ {}, { 1, want.shape[2] } }]
      end
      near(want, got, { atol = 10 * about.tolerance[key].f32_vs_f64_max_abs }, key)
    end
    for key, x in pairs(golden) do
      local case = key:match "^x%.(.*)"
      if case then
        for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
        x = x:clone():requires_grad_()
        local frames, clip, _, hidden = net(x, nil, { hidden = true })
        compare("frames", case, frames:detach())
        compare("clip", case, clip:detach())
        compare("clipwise_output", case, net:logits(hidden[6]):detach():sigmoid())
        compare("patch_embed_first64", case, hidden[1]:detach())
        for i = 0, 3 do compare("layer" .. i, case, hidden[i + 2]:detach()) end
        local r = golden["R." .. case]
        if r and golden["grad.input." .. case] then
          (clip * r):sum():backward()
          compare("grad.input", case, x.grad)
          for parameter, tensor in pairs(net:state()) do
            compare("grad.param." .. parameter, case, tensor.grad)
          end
        end
      end
    end
  end)
end)
