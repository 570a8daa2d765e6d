local nj = require "nightjar"
local near = require "spec.support.near"

local function small(options)
  local o = { vocabulary = 20, width = 8, layers = 2, heads = 2, feed_forward = 12, positions = 10,
    dropout = 0.1, rng = nj.rng(3) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.encoders.gpt2(o)
end

local function stirred(net)
  nj.no_grad(function()
    for i, p in ipairs(net:parameters()) do
      p.tensor:copy_(nj.randn(p.tensor.shape, { rng = nj.rng(i), dtype = p.tensor.dtype }) * 0.4)
    end
  end)
  return net
end

local function ids(rows) return nj.tensor(rows, { dtype = "int64" }) end

-- The same network out of nj.nn's operations, in float64.
local function composition(net, words)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64":requires_grad_()
  end
  local function norm(x, at)
    return nn.layer_norm(x, p[at .. ".weight"], p[at .. ".bias"], { eps = d.eps })
  end
  local function linear(x, at) return x:matmul(p[at .. ".weight"]) + p[at .. ".bias"] end
  local function gelu(x)
    return x * 0.5 * ((x + x * x * x * 0.044715) * math.sqrt(2 / math.pi)):tanh() + x * 0.5
  end
  local b, n, w = words.shape[1], words.shape[2], d.width
  local x = nn.embedding(p["wte.weight"], words + 1) + p["wpe.weight"][{ { 1, n } }] -- ids from 0
  local places = nj.arange(1, n)
  local hide = places:reshape(1, n):gt(places:reshape(n, 1)):reshape(1, 1, n, n)
  for i = 0, d.layers - 1 do
    local at = ("h.%d."):format(i)
    local qkv = linear(norm(x, at .. "ln_1"), at .. "attn.c_attn")
    local function heads(k)
      return qkv[{ {}, {}, { k * w + 1, (k + 1) * w } }]:reshape(b, n, d.heads, w // d.heads)
        :transpose(2, 3)
    end
    local scores = heads(0):matmul(heads(1):transpose(3, 4)) / math.sqrt(w / d.heads)
    local share = scores:masked_fill(hide, -math.huge):softmax(4)
    local y = share:matmul(heads(2)):transpose(2, 3):reshape(b, n, w)
    x = x + linear(y, at .. "attn.c_proj")
    x = x + linear(gelu(linear(norm(x, at .. "ln_2"), at .. "mlp.c_fc")), at .. "mlp.c_proj")
  end
  return norm(x, "ln_f"), p
end

describe("nj.encoders.gpt2", function()
  it("is what its operations compose to, forward and backward", function()
    for _, dtype in ipairs { "float32", "float64" } do
      local net = stirred(small { dtype = dtype })
      local words = ids { { 1, 5, 7, 9 }, { 2, 6, 3, 0 } }
      local r = nj.randn({ 2, 4, 8 }, { rng = nj.rng(8), dtype = "float64" })
      local want, p = composition(net, words)
      local got, hidden = net(words, nil, { hidden = true })
      local close = dtype == "float64" and 1e-12 or 2e-5
      near(want:detach(), got:detach():to "float64", { atol = close, rtol = close })
      assert.equal(3, #hidden)
      assert.equal(got:bytes(), hidden[3]:bytes());
      (want * r):sum():backward();
      (got * r:to(dtype)):sum():backward()
      for _, q in ipairs(net:parameters()) do
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 10 * close, rtol = 10 * close }, q.name)
      end
    end
  end)

  it("has the gradients that differences have", function()
    local net = stirred(small { dtype = "float64", layers = 1 })
    local words = ids { { 1, 5, 7 }, { 2, 6, 0 } }
    local mask = ids { { 1, 1, 1 }, { 1, 1, 0 } }
    local r = nj.randn({ 2, 3, 8 }, { rng = nj.rng(8), dtype = "float64" })
      * mask:to "float64":unsqueeze(3)
    local function loss() return (net(words, mask) * r):sum() end
    loss():backward()
    for _, p in ipairs(net:parameters()) do
      local direction = nj.randn(p.tensor.shape, { rng = nj.rng(#p.name), dtype = "float64" })
      local slope = (p.tensor.grad * direction):sum():item()
      local function at(step)
        return nj.no_grad(function()
          p.tensor:add_(direction * step)
          local value = loss():item()
          p.tensor:sub_(direction * step)
          return value
        end)
      end
      near((at(1e-5) - at(-1e-5)) / 2e-5, slope, { atol = 1e-7, rtol = 1e-6 }, p.name)
    end
  end)

  it("lets words see neither those behind them nor those that are masked", function()
    local net = stirred(small())
    local alone = net(ids { { 4, 5, 6 } })
    local longer = net(ids { { 4, 5, 6, 9, 8 } })
    local padded = net(ids { { 4, 5, 6, 0 } }, ids { { 1, 1, 1, 0 } })
    near(alone, longer[{ {}, { 1, 3 } }], { atol = 1e-6 })
    near(alone, padded[{ {}, { 1, 3 } }], { atol = 1e-6 })
    local other = net(ids { { 4, 9, 6 } }, ids { { 1, 0, 1 } })
    local same = net(ids { { 4, 2, 6 } }, ids { { 1, 0, 1 } })
    near(other[{ {}, 3 }], same[{ {}, 3 }], { atol = 1e-6 })
  end)

  it("gives a row of a batch the bits it has alone, and drops out while training only", function()
    local net = small { dropout = 0.5 }
    local rows = { { 4, 5, 6, 7 }, { 9, 8, 7, 6 } }
    local batch = net(ids(rows))
    for i, row in ipairs(rows) do
      assert.equal(batch[{ { i, i } }]:contiguous():bytes(), net(ids { row }):bytes())
    end
    net:train()
    local a, b = net(ids(rows), nil, { rng = nj.rng(1) }), net(ids(rows), nil, { rng = nj.rng(2) })
    assert.not_equal(a:bytes(), b:bytes())
    assert.equal(a:bytes(), net(ids(rows), nil, { rng = nj.rng(1) }):bytes())
  end)

  it("rebuilds from its descriptor, by Hugging Face's names", function()
    local net = small()
    local d = net:descriptor()
    assert.same({ kind = "gpt2", vocabulary = 20, width = 8, layers = 2, heads = 2, feed_forward = 12,
      positions = 10, dropout = 0.1, eps = 1e-5 }, d)
    local state = net:state()
    assert.same({ 8, 24 }, state["h.1.attn.c_attn.weight"].shape)
    assert.same({ 12, 8 }, state["h.0.mlp.c_proj.weight"].shape)
    local other = nj.encoders.gpt2(d)
    assert.same({}, other:load(state).missing)
    local words = ids { { 1, 2, 3 } }
    assert.equal(net(words):bytes(), other(words):bytes())
    -- The smallest published one, body without the language model's head: 124,439,808.
    assert.equal(124439808, nj.encoders.gpt2({ rng = false }):size())
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("gpt2: 11 words, this encoder has positions for 10; truncate with {max = 10} when "
      .. "tokenising", function() net(nj.zeros({ 1, 11 }, { dtype = "int64" })) end)
    message("gpt2: ids must be int64 of shape (batch, words), got float32 (1, 2)",
      function() net(nj.zeros(1, 2)) end)
    message("gpt2: the mask must have the shape of ids, (1, 2), got (1, 3)",
      function() net(ids { { 1, 2 } }, ids { { 1, 1, 1 } }) end)
    message("gpt2: 3 heads do not divide a width of 8", function() small { heads = 3 } end)
    message("20", function() net(ids { { 1, 20 } }) end)
    message("did you mean 'layers'", function() small { layer = 1 } end)
  end)
end)
