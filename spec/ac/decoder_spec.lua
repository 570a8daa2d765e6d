-- nj.ac.decoder, the network. What it generates: generate_spec.lua.
local nj = require "nightjar"
local decoding = require "spec.support.decoding"
local near = require "spec.support.near"
local shared = require "spec.support.shared"

local function ids(rows) return nj.tensor(rows, { dtype = "int64" }) end

local function message(text, f)
  local ok, got = pcall(f)
  assert.is_false(ok)
  assert.equal(text, (tostring(got):gsub("^[^:]+:%d+: ", "")))
end

describe("nj.ac.decoder", function()
  for _, norm in ipairs { "pre", "post" } do
    it("gives PyTorch's logits, loss and gradients, norm = " .. norm, function()
      local want, about = shared.golden "10_captioner"
      if not want then return pending "needs ../shared" end
      local h, state = about.hyper, {}
      local net = nj.ac.decoder { vocabulary = h.vocab, width = h.d, layers = h.layers,
        heads = h.heads, feed_forward = h.ff, norm = norm }
      for name, tensor in pairs(want) do
        local key = name:match("^w%." .. norm .. "%.(.*)")
        if key then state[key] = tensor end
      end
      local report = net:load(state)
      assert.same({ {}, {} }, { report.missing, report.mismatched })
      local memory = want.memory:clone():requires_grad_()
      local logits = net(want.input_ids, memory, want.memory_mask)
      local function bound(name) return { atol = 10 * about.tolerance[name].f32_vs_f64_max_abs } end
      local real = want.target_ids:ne(h.pad):to "float32":unsqueeze(3)
      near(want["logits." .. norm] * real, logits:detach() * real, bound("logits." .. norm))
      local loss = nj.nn.cross_entropy(logits:reshape(-1, h.vocab), want.target_ids:reshape(-1),
        { base = 0, ignore = h.pad, smoothing = h.label_smoothing })
      near(want["loss." .. norm][1], loss:item(), { atol = 5e-7 })
      loss:backward()
      local checked, mine = 0, net:state()
      for name, gradient in pairs(want) do
        local key = name:match("^grad%." .. norm .. "%.(.*)")
        if key then
          near(gradient, key == "memory" and memory.grad or mine[key].grad, bound(name), name)
          checked = checked + 1
        end
      end
      assert.equal(7, checked)
    end)
  end

  for _, case in ipairs {
    { norm = "pre", position = "sines" },
    { norm = "post", position = "learned" },
    { norm = "pre", position = "sines", frame_positions = true },
    { norm = "post", position = "sines", memory_activation = "relu" },
  } do
    it("has the gradients that differences give in float64, norm = " .. case.norm
      .. (case.frame_positions and ", with frame positions" or "")
      .. (case.memory_activation and ", with an activation of the frames" or ""), function()
      local net = decoding.decoder { vocabulary = 5, width = 4, layers = 1, feed_forward = 3,
        memory_width = 3, positions = 4, norm = case.norm, position = case.position,
        frame_positions = case.frame_positions, memory_activation = case.memory_activation,
        dtype = "float64" }
      local words, mask = ids { { 1, 3, 4 }, { 1, 2, 0 } }, ids { { 1, 1 }, { 0, 1 } }
      local memory = nj.randn({ 2, 2, 3 }, { rng = nj.rng(4), dtype = "float64" }):requires_grad_()
      local weights = nj.randn({ 2, 3, 5 }, { rng = nj.rng(5), dtype = "float64" })
      local function value()
        return nj.no_grad(function() return (net(words, memory, mask) * weights):sum():item() end)
      end
      (net(words, memory, mask) * weights):sum():backward()
      local leaves = net:parameters()
      leaves[#leaves + 1] = { name = "memory", tensor = memory }
      for _, leaf in ipairs(leaves) do
        local flat, grad = leaf.tensor:detach():view(-1), leaf.tensor.grad:reshape(-1)
        for i = 1, flat:numel() do
          local at = flat[i]
          flat[i] = at + 1e-6
          local above = value()
          flat[i] = at - 1e-6
          local below = value()
          flat[i] = at
          near((above - below) / 2e-6, grad[i], { atol = 1e-6, rtol = 1e-5 }, leaf.name)
        end
      end
    end)
  end

  it("gives float32 what float64 gives", function()
    local words, memory = ids { { 1, 5, 7, 2 } }, nj.randn({ 1, 5, 6 }, { rng = nj.rng(1) })
    local single = decoding.decoder()
    local double = decoding.decoder { dtype = "float64" }
    double:load(single:state())
    near(double(words, memory:to "float64"):detach(),
      single(words, memory):detach():to "float64", { atol = 2e-5 })
  end)

  it("does not look ahead, nor at masked frames, nor at neighbours", function()
    local net = decoding.decoder()
    local memory = nj.randn({ 2, 4, 6 }, { rng = nj.rng(1) })
    local mask = ids { { 1, 1, 0, 0 }, { 1, 1, 1, 1 } }
    local all = net(ids { { 1, 5, 7 }, { 1, 6, 8 } }, memory, mask)
    near(all[{ {}, { 1, 2 } }]:detach(),
      net(ids { { 1, 5, 3 }, { 1, 6, 9 } }, memory, mask)[{ {}, { 1, 2 } }]:detach(), { atol = 1e-6 })
    memory[{ 1, { 3, 4 } }] = 9
    near(all:detach(), net(ids { { 1, 5, 7 }, { 1, 6, 8 } }, memory, mask):detach(),
      { atol = 0 })
    near(all[{ { 2, 2 } }]:detach(), net(ids { { 1, 6, 8 } }, memory[{ { 2, 2 } }]):detach(),
      { atol = 0 })
  end)

  it("hears the order of frames only with their positions", function()
    local memory = nj.randn({ 1, 4, 6 }, { rng = nj.rng(1) })
    local turned = memory:flip(2)
    for _, positions in ipairs { false, true } do
      local net = decoding.decoder { frame_positions = positions }
      local there = net(ids { { 1, 5 } }, memory) - net(ids { { 1, 5 } }, turned)
      assert.equal(positions, there:abs():max():item() > 1e-4)
    end
  end)

  it("works without a valid frame, and without frames", function()
    local net = decoding.decoder()
    local none = net(ids { { 1, 5 } }, nj.randn({ 1, 3, 6 }), ids { { 0, 0, 0 } })
    near(none:detach(), net(ids { { 1, 5 } }, nj.zeros(1, 0, 6)):detach(), { atol = 1e-6 })
    assert.is_true(none:eq(none):min():item() == 1)
  end)

  it("drops out while training, as the generator says", function()
    local net = decoding.decoder { dropout = 0.3 }
    local words, memory = ids { { 1, 5, 7 } }, nj.randn({ 1, 4, 6 }, { rng = nj.rng(1) })
    local function bytes(options) return net(words, memory, nil, options):bytes() end
    local plain = bytes()
    assert.equal(plain, bytes { rng = nj.rng(1) })
    net:train()
    assert.equal(bytes { rng = nj.rng(1) }, bytes { rng = nj.rng(1) })
    assert.not_equal(bytes { rng = nj.rng(1) }, bytes { rng = nj.rng(2) })
    assert.not_equal(plain, bytes { rng = nj.rng(1) })
    assert.equal(plain, bytes { rng = nj.rng(1), dropout = 0 })
    net:eval()
  end)

  it("maps frames through ReLU, at any width", function()
    for _, width in ipairs { 6, 8 } do
      local net = decoding.decoder { memory_width = width, memory_activation = "relu" }
      local plain = decoding.decoder { memory_width = 8 }
      plain:load((function()
        local state = net:state()
        state["memory.weight"], state["memory.bias"] = nil, nil
        return state
      end)())
      local words, memory = ids { { 1, 5, 7 } }, nj.randn({ 1, 4, width }, { rng = nj.rng(1) })
      local state = net:state()
      local mapped = nj.nn.linear(memory, state["memory.weight"], state["memory.bias"]):relu()
      near(plain(words, mapped):detach(), net(words, memory):detach(), { atol = 1e-6 })
      assert.same(plain:generate(mapped:detach(), nil, { bos = 1, eos = 2 })[1][1].ids,
        net:generate(memory, nil, { bos = 1, eos = 2 })[1][1].ids)
    end
  end)

  it("drops out frames while training", function()
    local net = decoding.decoder { dropout = 0, memory_dropout = 0.5 }
    local words, memory = ids { { 1, 5, 7 } }, nj.randn({ 1, 4, 6 }, { rng = nj.rng(1) })
    local function bytes(seed) return net(words, memory, nil, { rng = nj.rng(seed) }):bytes() end
    assert.equal(bytes(1), bytes(2))
    net:train()
    assert.equal(bytes(1), bytes(1))
    assert.not_equal(bytes(1), bytes(2))
    net:eval()
  end)

  it("describes itself in full", function()
    local net = nj.ac.decoder { vocabulary = 9, width = 4, heads = 2, layers = 3, norm = "post",
      position = "learned", positions = 7, memory_width = 5, dropout = 0.25, rng = nj.rng(1) }
    local d = net:descriptor()
    assert.same({ kind = "decoder", vocabulary = 9, width = 4, layers = 3, heads = 2,
      feed_forward = 16, memory_width = 5, positions = 7, position = "learned", norm = "post",
      frame_positions = false, dropout = 0.25, eps = 1e-5, dtype = "float32",
      memory_activation = "none", memory_dropout = 0 }, d)
    assert.same(d, nj.ac.decoder(d):descriptor())
    local names = {}
    for _, p in ipairs(net:parameters()) do names[p.name] = table.concat(p.tensor.shape, "x") end
    assert.equal("9x4", names["embed.weight"])
    assert.equal("7x4", names["positions.weight"])
    assert.equal("4x5", names["memory.weight"])
    assert.equal("12x4", names["decoder.layers.2.multihead_attn.in_proj_weight"])
    assert.equal("16x4", names["decoder.layers.0.linear1.weight"])
    assert.is_nil(names["decoder.norm.weight"])
    assert.equal(("decoder network (%d parameters)"):format(net:size()), tostring(net))
  end)

  it("says what is wrong with what it gets", function()
    message("decoder: option 'vocabulary' is required (an integer)",
      function() nj.ac.decoder {} end)
    message("decoder: 3 heads do not divide a width of 8",
      function() nj.ac.decoder { vocabulary = 9, width = 8, heads = 3 } end)
    message("decoder: unknown option 'layer' (did you mean 'layers'?)",
      function() nj.ac.decoder { vocabulary = 9, layer = 2 } end)
    message("decoder: option 'norm' must be one of pre, post; got 'both'",
      function() nj.ac.decoder { vocabulary = 9, norm = "both" } end)
    local net = decoding.decoder()
    local memory = nj.zeros(1, 4, 6)
    message("decoder: ids must be int64 of shape (batch, tokens), got float32 (1, 2)",
      function() net(nj.zeros(1, 2), memory) end)
    message("decoder: 13 tokens, this decoder has positions for 12",
      function() net(nj.zeros({ 1, 13 }, { dtype = "int64" }), memory) end)
    message("decoder: expected frames (batch, frames, 6), got (1, 4, 5)",
      function() net(ids { { 1 } }, nj.zeros(1, 4, 5)) end)
    message("decoder: expected float32 frames, got float64",
      function() net(ids { { 1 } }, memory:to "float64") end)
    message("decoder: expected a mask (1, 4) of the frames, got (1, 3)",
      function() net(ids { { 1 } }, memory, nj.zeros(1, 3)) end)
    message("decoder: ids of 2 sentences, frames of 1 clips",
      function() net(ids { { 1 }, { 2 } }, memory) end)
    message("decoder: id 13 is outside the vocabulary of 13 (from 0)",
      function() net(ids { { 13 } }, memory) end)
    message("decoder: id -1 is outside the vocabulary of 13 (from 0)",
      function() net(ids { { -1 } }, memory) end)
  end)

  it("leaves nothing behind when memory runs out", function()
    if not nj._fail_after then return pending "needs failing allocations" end
    local memory = nj.randn({ 2, 3, 6 }, { rng = nj.rng(1) })
    local words, mask = ids { { 1, 5 }, { 1, 6 } }, ids { { 1, 1, 0 }, { 1, 1, 1 } }
    local function attempt()
      local net <close> = nj.ac.decoder { vocabulary = 9, width = 4, heads = 2, layers = 1,
        memory_width = 6, rng = nj.rng(1) }
      net:train()
      net(words, memory, mask, { rng = nj.rng(1) }):square():sum():backward()
    end
    attempt()
    collectgarbage()
    collectgarbage()
    local before, n = nj.memory().live, 0
    repeat
      nj._fail_after(n)
      local ok, text = pcall(attempt)
      nj._fail_after(-1)
      collectgarbage()
      collectgarbage()
      if not ok then assert.matches("memory", text) end
      assert.equal(before, nj.memory().live, "after failing allocation " .. n)
      n = n + 1 + n // 8 -- a failing request costs two full collections
    until ok or n > 3000
    assert(n > 50 and n < 3000, "allocations: " .. n)
  end)
end)
