-- HTS-AT over several views of a long clip, fused by attention as LAION-CLAP does.
local nj = require "nightjar"
local network = require "spec.support.network"
local near = require "spec.support.near"

-- 64 frames of 16 bands as two quarters; patches of 2: 16 x 16 tokens, of which pieces give 3 x 5 columns.
local function small(options)
  local o = { width = 4, heads = { 1, 2, 2, 4 }, depths = { 1, 1, 1, 1 }, window = 4, mels = 16,
    side = 32, patch = 2, mlp_ratio = 1, drop_path = 0, time_stripes = 0, freq_stripes = 0,
    fusion = "aff_2d", rng = nj.rng(7) }
  for key, value in pairs(options or {}) do o[key] = value end
  return network.trained(network.scramble(nj.encoders.htsat(o), 3, 0.3), 5)
end

local function views(...) return nj.randn({ ... }, { rng = nj.rng(2) }) end
local function flags(list) return nj.tensor(list, { dtype = "uint8" }) end
local function quietly(f) return nj.no_grad(f) end
local function bytes(x) return x:contiguous():bytes() end

-- Tokens of the patches by their definition, in float64.
local function composition(net, x, longer)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64"
    if not name:find "running" then p[name]:requires_grad_() end
  end
  local function batch_norm(y, at)
    return nn.batch_norm(y, p[at .. ".weight"], p[at .. ".bias"], {
      mean = p[at .. ".running_mean"], var = p[at .. ".running_var"] })
  end
  local function conv(y, at, stride)
    return nn.conv2d(y, p[at .. ".weight"], p[at .. ".bias"], { stride = stride })
  end
  local rows = d.side // d.patch
  local function image(y) -- (T, M)
    y = nn.resize(y:reshape(1, 1, y.shape[1], d.mels), 64, d.mels, { mode = "bicubic",
      align_corners = true })
    return y:reshape(1, 2, d.side, d.mels):transpose(3, 4):reshape(1, 1, d.side, d.side)
  end
  local function attention(y, branch, first)
    local at = "patch_embed.fusion_model." .. branch .. "."
    y = batch_norm(conv(y, at .. first), at .. first + 1):relu()
    return batch_norm(conv(y, at .. first + 3), at .. first + 4)
  end
  local tokens = {}
  for i = 1, x.shape[1] do
    local y = batch_norm(x[i]:to "float64":permute(3, 1, 2):unsqueeze(1), "bn0")[1]:permute(2, 3, 1)
    local whole = conv(image(y[1]), "patch_embed.proj", d.patch)
    if longer[i] == 1 then
      local list = {}
      for v = 2, 4 do list[v - 1] = conv(image(y[v]), "patch_embed.mel_conv2d", { 2, 6 }) end
      list[4] = nj.zeros({ 1, d.width, rows, rows - 15 }, { dtype = "float64" })
      local pieces = nj.cat(list, 4)
      local sum = whole + pieces
      local w = (attention(sum, "local_att", 0)
        + attention(sum:mean({ 3, 4 }, { keepdim = true }), "global_att", 1)):sigmoid()
      whole = whole * w * 2 + pieces * (w * -1 + 1) * 2
    end
    tokens[i] = whole:permute(1, 3, 4, 2):reshape(1, rows * rows, d.width)
  end
  local norm = "patch_embed.norm."
  return nn.layer_norm(nj.cat(tokens, 1), p[norm .. "weight"], p[norm .. "bias"]), p
end

describe("nj.encoders.htsat with fusion", function()
  it("fuses patches as they compose in float64, gradients too", function()
    local net = small()
    local x, longer = views(3, 4, 50, 16), { 1, 0, 1 }
    local want, p = composition(net, x, longer)
    local _, _, _, hidden = net(x, nil, { hidden = true, longer = flags(longer) })
    near(want:detach(), hidden[1]:detach():to "float64", { atol = 2e-5, rtol = 1e-5 })
    local r = nj.randn(hidden[1].shape, { rng = nj.rng(3) });
    (hidden[1] * r):sum():backward();
    (want * r:to "float64"):sum():backward()
    local compared = 0
    for _, q in ipairs(net:parameters()) do
      if q.name:find "^patch_embed" or q.name:find "^bn0" then
        local scale = p[q.name].grad:abs():max():item()
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 1e-3 * scale + 1e-5 }, q.name)
        compared = compared + 1
      end
    end
    assert.equal(2 + 4 + 2 + 16, compared)
  end)

  it("has the gradients that differences give", function()
    local x = nj.randn({ 3, 4, 40, 16 }, { rng = nj.rng(1), dtype = "float64" })
    local o = { most = 3, atol = 1e-5, rtol = 1e-4, eps = 1e-5 }
    for _, longer in ipairs { { 1, 0, 1 }, { 1, 1, 1 } } do
      local net = small { dtype = "float64" }
      network.gradients(net, function(y)
        return (select(2, net(y, nil, { longer = flags(longer) })))
      end, { x:clone() }, o)
    end
    local net = small { dtype = "float64" }:train()
    network.gradients(net, function(y)
      return (select(2, net(y, nil, { longer = flags { 1, 1, 0 } })))
    end, { x }, o)
  end)

  it("is one view where no clip is longer", function()
    local net = small()
    local x = views(2, 4, 50, 16)
    quietly(function()
      local frames, clip = net(x, nil, { longer = flags { 0, 0 } })
      local f, c, left = net(x[{ {}, 1 }])
      assert.equal(bytes(f), bytes(frames))
      assert.equal(bytes(c), bytes(clip))
      assert.same({ 4, 4 }, left:totable())
      local fused = net(x)
      assert.not_equal(bytes(f), bytes(fused))
      assert.equal(bytes(fused), bytes((net(x, nil, { longer = flags { 1, 1 } }))))
    end)
  end)

  it("gives a clip of a batch the bits it has alone, whatever the others are", function()
    local net = small { width = 16, heads = { 2, 2, 4, 8 } }
    local x, longer = views(4, 4, 60, 16), { 1, 0, 1, 0 }
    quietly(function()
      local frames, clip = net(x, nil, { longer = flags(longer) })
      for i = 1, 4 do
        local f, c = net(x[{ { i, i } }], nil, { longer = flags { longer[i] } })
        assert.equal(bytes(f), bytes(frames[{ { i, i } }]))
        assert.equal(bytes(c), bytes(clip[{ { i, i } }]))
      end
    end)
  end)

  it("gives the same bits, gradients too, with one thread as with two", function()
    network.same_bits(function()
      local net = small():train()
      local _, clip = net(views(3, 4, 64, 16), nil, { rng = nj.rng(1), longer = flags { 1, 1, 0 } })
      clip:square():sum():backward()
      local list = { clip:detach():bytes() }
      for _, p in ipairs(net:parameters()) do list[#list + 1] = bytes(p.tensor.grad) end
      return table.concat(list)
    end)
  end)

  it("counts a single longer clip twice while training, as its authors do", function()
    local net = small():train()
    local at = "patch_embed.fusion_model.global_att."
    local before = net:state()[at .. "2.running_var"]:clone()
    net(views(2, 4, 64, 16), nil, { longer = flags { 0, 1 } })
    local state = net:state()
    -- Two equal values on the average of the map: no variance, and nothing that is not finite.
    near(before * 0.9, state[at .. "2.running_var"], { atol = 1e-6 })
    assert(state["patch_embed.fusion_model.local_att.1.running_var"]:isfinite():all())
  end)

  it("masks the same stripes in all views", function()
    local net = small { time_stripes = 1, time_width = 40 }:train()
    net:freeze ""
    local x = views(1, 1, 64, 16):expand(2, 4, 64, 16):contiguous()
    -- Four equal views with their stripes are four equal views: each piece sees what the whole does.
    local function tokens(longer, seed)
      local _, _, _, hidden = net(x, nil, { hidden = true, rng = nj.rng(seed), longer = longer })
      return hidden[1]
    end
    local plain = tokens(flags { 0, 0 }, 4)
    assert.equal(bytes(plain), bytes(tokens(flags { 0, 0 }, 4)))
    assert.not_equal(bytes(plain), bytes(tokens(flags { 0, 0 }, 5)))
    local rng = nj.rng(4)
    net(x, nil, { rng = rng })
    local other = nj.rng(4)
    net(x[{ {}, 1 }], nil, { rng = other })
    assert.same(other:state(), rng:state())
  end)

  it("survives failing requests for memory", function()
    local net = small()
    local x = views(2, 4, 40, 16)
    network.survives(function()
      local _, clip = net(x, nil, { longer = flags { 0, 1 } })
      clip:sum():backward()
      for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
    end)
  end)

  it("is rebuilt by its descriptor, and knows the authors' names", function()
    local net = small()
    local twin = nj.encoders.htsat(net:descriptor())
    assert.equal("aff_2d", twin:descriptor().fusion)
    assert.same({}, twin:load(net:state()).missing)
    local x = views(1, 4, 40, 16)
    assert.equal((select(2, net(x))):bytes(), (select(2, twin(x))):bytes())
    local shapes = {}
    for name, tensor in pairs(net:state()) do
      if name:find "fusion_model" and name:find "weight$" or name:find "mel_conv2d" then
        shapes[name:gsub("^patch_embed%.", "")] = table.concat(tensor.shape, ",")
      end
    end
    assert.same({
      ["mel_conv2d.weight"] = "4,1,2,6", ["mel_conv2d.bias"] = "4",
      ["fusion_model.local_att.0.weight"] = "1,4,1,1", ["fusion_model.local_att.1.weight"] = "1",
      ["fusion_model.local_att.3.weight"] = "4,1,1,1", ["fusion_model.local_att.4.weight"] = "4",
      ["fusion_model.global_att.1.weight"] = "1,4,1,1", ["fusion_model.global_att.2.weight"] = "1",
      ["fusion_model.global_att.4.weight"] = "4,1,1,1", ["fusion_model.global_att.5.weight"] = "4",
    }, shapes)
  end)

  it("takes no clips at all", function()
    local frames, clip = small()(nj.zeros(0, 4, 64, 16), nil, { longer = nj.zeros(0) })
    assert.same({ 0, 4, 32 }, frames.shape)
    assert.same({ 0, 32 }, clip.shape)
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    local shapes = "htsat: expected log-mels of shape (batch, frames, 16) or (batch, 4, frames, 16), got "
    message(shapes .. "(2, 3, 64, 16)", function() net(views(2, 3, 64, 16)) end)
    message(shapes .. "(2, 4, 64, 9)", function() net(views(2, 4, 64, 9)) end)
    message("htsat: 65 frames are more than its 64; cut longer sounds into tiles",
      function() net(views(1, 4, 65, 16)) end)
    message("htsat: option 'longer' must have shape (2), got (3)",
      function() net(views(2, 4, 64, 16), nil, { longer = flags { 1, 0, 1 } }) end)
    message("htsat: option 'longer' needs views of shape (batch, 4, frames, 16), got (2, 64, 16)",
      function() net(views(2, 64, 16), nil, { longer = flags { 1, 0 } }) end)
    message("htsat: option 'longer' must be a tensor, got table",
      function() net(views(2, 4, 64, 16), nil, { longer = { 1, 0 } }) end)
    message("htsat: views fill their frames and take no lengths", function()
      net(views(2, 4, 64, 16), nj.tensor({ 64, 64 }, { dtype = "int64" }))
    end)
    message("htsat: fusion needs a width of at least 4, got 2", function() small { width = 2 } end)
    message("htsat: option 'fusion' must be one of", function() small { fusion = "iaff_2d" } end)
    local plain = small { fusion = "none" }
    message("htsat: expected log-mels of shape (batch, frames, 16), got (2, 4, 64, 16)",
      function() plain(views(2, 4, 64, 16)) end)
    message("htsat: option 'longer' is for networks that fuse views (option 'fusion')",
      function() plain(views(2, 64, 16), nil, { longer = flags { 1, 0 } }) end)
    message("mobilenet: option 'longer' is for networks that fuse views of a clip", function()
      nj.encoders.mobilenet { width = 0.1, rng = false } (views(2, 64, 128), nil,
        { longer = flags { 1, 0 } })
    end)
  end)
end)
