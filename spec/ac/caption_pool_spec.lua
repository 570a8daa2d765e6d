local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local nn = nj.nn

local mask = nj.tensor({ { 1, 1, 1 }, { 1, 0, 1 }, { 0, 0, 0 } }, { dtype = "int64" })

local function make(kind, options)
  local o = { kind = kind, width = 6, layers = 2, heads = 2, positions = 4, rng = nj.rng(5) }
  for key, value in pairs(options or {}) do o[key] = value end
  return network.scramble(nj.ac.caption_pool(o), 3)
end

local function random(seed, dtype)
  return nj.randn({ 3, 3, 6 }, { rng = nj.rng(seed), dtype = dtype })
end

describe("nj.ac.caption_pool", function()
  it("means the valid captions", function()
    local x = random(1)
    local y = nj.ac.caption_pool { width = 6 } (x, mask)
    near(x[1]:mean(1), y[1], { atol = 1e-6 })
    near((x[2][1] + x[2][3]) / 2, y[2], { atol = 1e-6 })
    assert.equal(0, y[3]:abs():sum():item())
    near(x:mean(2), nj.ac.caption_pool { width = 6 } (x), { atol = 1e-6 })
  end)

  for _, norm in ipairs { "post", "pre" } do
    it("means what torch.nn's " .. norm .. "-norm layers make of them", function()
      local net = make("transformer", { norm = norm })
      local p, x = {}, random(2)
      for name, tensor in pairs(net:state()) do p[name] = tensor:detach() end
      local h = x + p["position_embeddings.weight"][{ { 1, 3 } }]
      for i = 0, 1 do
        local at = ("transformer.layers.%d."):format(i)
        local function linear(t, name) return nn.linear(t, p[at .. name .. ".weight"],
          p[at .. name .. ".bias"]) end
        local function normed(t, name)
          return nn.layer_norm(t, p[at .. name .. ".weight"], p[at .. name .. ".bias"])
        end
        local function attend(t)
          local function heads(part)
            local rows = { { part * 6 + 1, part * 6 + 6 } }
            return nn.linear(t, p[at .. "self_attn.in_proj_weight"][rows],
              p[at .. "self_attn.in_proj_bias"][rows]):reshape(3, 3, 2, 3):transpose(2, 3)
          end
          local scores = heads(0):matmul(heads(1):transpose(3, 4)) / math.sqrt(3)
          local share = nn.masked_softmax(scores, mask:reshape(3, 1, 1, 3), 4)
          return linear(share:matmul(heads(2)):transpose(2, 3):reshape(3, 3, 6),
            "self_attn.out_proj")
        end
        local function feed(t) return linear(linear(t, "linear1"):relu(), "linear2") end
        if norm == "pre" then
          h = h + attend(normed(h, "norm1"))
          h = h + feed(normed(h, "norm2"))
        else
          h = normed(h + attend(h), "norm1")
          h = normed(h + feed(h), "norm2")
        end
      end
      local y = net(x, mask):detach()
      near(h[1]:mean(1), y[1], { atol = 2e-5 })
      near((h[2][1] + h[2][3]) / 2, y[2], { atol = 2e-5 })
      assert.equal(0, y[3]:abs():sum():item())
    end)
  end

  it("has the gradients of differences, with masks", function()
    for _, o in ipairs { { "mean" }, { "transformer", "post" }, { "transformer", "pre" } } do
      local net = make(o[1], { norm = o[2], dtype = "float64" })
      network.gradients(net, function(x) return net(x, mask) end, { random(1, "float64") },
        { most = 12, atol = 2e-6 })
    end
  end)

  it("reads nothing under the mask, and gives a clip what it has alone", function()
    for _, kind in ipairs { "mean", "transformer" } do
      local net, x = make(kind), random(3)
      local dirty = x:clone()
      dirty[2][2] = nj.full({ 6 }, 0 / 0)
      dirty[3] = nj.full({ 3, 6 }, math.huge)
      local y = net(x, mask):detach()
      assert.equal(y:bytes(), net(dirty, mask):detach():bytes())
      for b = 1, 3 do
        local one = { { b, b } }
        assert.equal(y[one]:contiguous():bytes(), net(x[one], mask[one]):detach():bytes())
      end
    end
  end)

  it("gives the same bits for any number of threads, and survives failing memory", function()
    for _, kind in ipairs { "mean", "transformer" } do
      local net, x = make(kind), random(4):requires_grad_()
      network.same_bits(function() return network.pass(net, net(x, mask), x) end)
      network.survives(function()
        local fresh = nj.ac.caption_pool { kind = kind, width = 6, heads = 2, positions = 3,
          dropout = 0.2, rng = nj.rng(1) }
        fresh:train()
        fresh(x, mask, { rng = nj.rng(2) }):square():sum():backward()
        x:zero_grad()
      end)
    end
  end)

  it("rebuilds from its descriptor, and says what is wrong", function()
    local net = make "transformer"
    assert.same({ kind = "transformer", width = 6, layers = 2, heads = 2, hidden = 6,
      positions = 4, norm = "post", dropout = 0 }, net:descriptor())
    assert.same({}, nj.ac.caption_pool(net:descriptor()):load(net:state()).missing)
    local function message(text, f, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() f(table.unpack(arguments, 1, arguments.n)) end, text, nil, true)
    end
    message("caption_pool: option 'width' is required", nj.ac.caption_pool, {})
    message("caption_pool: option 'kind' must be", nj.ac.caption_pool, { width = 4, kind = "max" })
    message("caption_pool: 4 heads do not divide a width of 6", nj.ac.caption_pool,
      { width = 6, kind = "transformer" })
    message("caption_pool: expected captions (batch, captions, 6), got (3, 6)", net, nj.zeros(3, 6))
    message("caption_pool: expected a mask (3, 3), got (3)", net, nj.zeros(3, 3, 6), nj.ones(3))
    message("caption_pool: 5 captions, this network has positions for 4", net, nj.zeros(3, 5, 6))
  end)
end)
