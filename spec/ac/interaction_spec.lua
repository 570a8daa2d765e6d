local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local shared = require "spec.support.shared"

local frame_mask = nj.tensor({ { 1, 1, 1, 1, 1 }, { 1, 1, 1, 0, 0 }, { 1, 1, 1, 1, 0 } },
  { dtype = "int64" })
local caption_mask = nj.tensor({ { 1, 1 }, { 1, 0 }, { 0, 0 } }, { dtype = "int64" })

local function make(options)
  local o = { width = 8, heads = 2, layers = 2, hidden = 12, positions = 6, rng = nj.rng(5) }
  for key, value in pairs(options or {}) do o[key] = value end
  return network.scramble(nj.ac.interaction(o), 3)
end

local function inputs(dtype)
  return nj.randn({ 3, 5, 8 }, { rng = nj.rng(1), dtype = dtype }),
    nj.randn({ 3, 2, 8 }, { rng = nj.rng(2), dtype = dtype })
end

describe("nj.ac.interaction", function()
  it("gives the reference's co-attention and gradients, all valid and with hidden keys", function()
    local want = shared.golden "09_coattention"
    if not want then return pending "needs ../shared" end
    for _, mode in ipairs { "ones", "neginf" } do
      local net = nj.ac.interaction { width = 32, heads = 4, layers = 0, captions = true }
      local report = net:load(want, "w.")
      assert.same({}, report.missing)
      assert.same({}, report.mismatched)
      local v, t = want.V:clone():requires_grad_(), want.T:clone():requires_grad_()
      local masked = mode == "neginf"
      local frames, captions = net(v, masked and want.mask_v or nil, t,
        masked and want.mask_t or nil)
      near(want["V_hat." .. mode], frames:detach(), { atol = 8e-6 }, mode)
      near(want["T_hat." .. mode], captions:detach(), { atol = 8e-6 }, mode);
      ((frames * want.Rv):sum() + (captions * want.Rt):sum()):backward()
      near(want["grad." .. mode .. ".V"], v.grad, { atol = 3e-5 }, mode)
      near(want["grad." .. mode .. ".T"], t.grad, { atol = 3e-5 }, mode)
      local checked = 0
      for name, parameter in pairs(net:state()) do
        local gradient = want["grad." .. mode .. "." .. name]
        if gradient then
          near(gradient, parameter.grad, { atol = 6e-5 }, name)
          checked = checked + 1
        end
      end
      assert.equal(4, checked)
    end
  end)

  it("has the gradients of differences, any depth, with masks", function()
    for _, layers in ipairs { 0, 1, 2 } do
      local net = make { dtype = "float64", layers = layers, captions = true }
      network.gradients(net, function(f, c) return net(f, frame_mask, c, caption_mask) end,
        { inputs "float64" }, { most = 10 })
    end
  end)

  it("runs the Transformer with a residual to its input", function()
    local deep, flat = make(), make { layers = 0 }
    flat:load(deep:state())
    local frames, captions = inputs()
    local base = flat(frames, frame_mask, captions, caption_mask):detach()
    assert.is_true(near.max_abs(base,
      deep(frames, frame_mask, captions, caption_mask):detach()) > 0.1)
    -- Layers whose outputs are zero leave base + (base + positions).
    nj.no_grad(function()
      for name, p in pairs(deep:state()) do
        if name:find "out_proj" or name:find "linear2" then p:zero_() end
      end
    end)
    local positions = deep:state()["frame_position_embeddings.weight"]:detach()[{ { 1, 5 } }]
    near(base * 2 + positions, deep(frames, frame_mask, captions, caption_mask):detach(),
      { atol = 1e-5 })
  end)

  it("lets frames of a clip without captions depend on none", function()
    local net = make { captions = true }
    local frames, captions = inputs()
    local changed = captions:clone()
    changed[3] = nj.full({ 2, 8 }, 50)
    changed[2][2] = nj.full({ 8 }, -50)
    local a = net(frames, frame_mask, captions, caption_mask):detach()
    local b = net(frames, frame_mask, changed, caption_mask):detach()
    assert.equal(a:bytes(), b:bytes())
    local none, nothing = net(frames, frame_mask)
    assert.is_nil(nothing)
    assert.equal(a[{ { 3, 3 } }]:contiguous():bytes(),
      none:detach()[{ { 3, 3 } }]:contiguous():bytes())
    assert.is_true(a:isfinite():all())
    -- No captions at all, as an empty tensor too.
    local empty = net(frames, frame_mask, nj.zeros(3, 0, 8)):detach()
    near(none:detach(), empty, { atol = 1e-6 })
  end)

  it("gives a clip of a batch what it has alone", function()
    local net = make { captions = true }
    local frames, captions = inputs()
    local all, texts = net(frames, frame_mask, captions, caption_mask)
    for b = 1, 3 do
      local one = { { b, b } }
      local alone, text = net(frames[one], frame_mask[one], captions[one], caption_mask[one])
      assert.equal(all[one]:detach():contiguous():bytes(), alone:detach():bytes())
      assert.equal(texts[one]:detach():contiguous():bytes(), text:detach():bytes())
    end
    local short = net(frames[{ { 2, 2 }, { 1, 3 } }], nil, captions[{ { 2, 2 }, { 1, 1 } }])
    near(all:detach()[{ { 2, 2 }, { 1, 3 } }], short:detach(), { atol = 1e-5 })
  end)

  it("gives the same bits for any number of threads, and survives failing memory", function()
    local net = make()
    local frames, captions = inputs()
    frames:requires_grad_()
    network.same_bits(function()
      return network.pass(net, net(frames, frame_mask, captions, caption_mask), frames)
    end)
    network.survives(function()
      local fresh = nj.ac.interaction { width = 4, heads = 2, layers = 1, hidden = 4,
        positions = 5, captions = true, rng = nj.rng(1) }
      fresh:train()
      local part = frames[{ {}, {}, { 1, 4 } }]
      local f, c = fresh(part, frame_mask, captions[{ {}, {}, { 1, 4 } }], caption_mask,
        { rng = nj.rng(2) });
      (f:square():sum() + c:sum()):backward()
      fresh(part, frame_mask)
      frames:zero_grad()
    end)
  end)

  it("drops out while training only, by the generator given", function()
    local net = make { dropout = 0.5 }
    local frames, captions = inputs()
    local function bytes(seed)
      return net(frames, nil, captions, nil, { rng = nj.rng(seed) }):detach():bytes()
    end
    assert.equal(bytes(1), bytes(2))
    net:train()
    assert.equal(bytes(1), bytes(1))
    assert.not_equal(bytes(1), bytes(2))
  end)

  it("rebuilds from its descriptor, and says what is wrong", function()
    local net = make()
    assert.same({ kind = "interaction", width = 8, heads = 2, layers = 2, hidden = 12,
      positions = 6, dropout = 0.1, captions = false }, net:descriptor())
    assert.same({}, nj.ac.interaction(net:descriptor()):load(net:state()).missing)
    for _, p in ipairs(net:parameters()) do assert.is_nil(p.name:match "^t_") end
    local function message(text, f, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() f(table.unpack(arguments, 1, arguments.n)) end, text, nil, true)
    end
    message("interaction: option 'width' is required", nj.ac.interaction, {})
    message("interaction: 3 heads do not divide a width of 8", nj.ac.interaction,
      { width = 8, heads = 3 })
    message("interaction: expected frames (batch, frames, 8), got (3, 8)", net, nj.zeros(3, 8))
    message("interaction: expected captions (batch, captions, 8) of as many clips as there are "
      .. "frames for, got (2, 2, 8)", net, nj.zeros(3, 5, 8), nil, nj.zeros(2, 2, 8))
    message("interaction: expected a mask of captions (3, 2), got (3, 4)", net, nj.zeros(3, 5, 8),
      nil, nj.zeros(3, 2, 8), nj.ones(3, 4))
    message("interaction: expected a mask of frames (3, 5), got (5)", net, nj.zeros(3, 5, 8),
      nj.ones(5))
    message("interaction: 7 frames, this network has positions for 6", net, nj.zeros(3, 7, 8))
  end)
end)
