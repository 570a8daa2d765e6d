local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"

-- The golden network of a name with its weights, inputs and expected values; nil without ../shared.
local function golden(name)
  local want = shared.golden(name)
  if not want then return nil end
  local config = shared.json("golden/" .. name .. ".config.json")
  local net = nj.encoders.bert {
    vocabulary = config.vocab_size, width = config.hidden_size, layers = config.num_hidden_layers,
    heads = config.num_attention_heads, feed_forward = config.intermediate_size,
    positions = config.max_position_embeddings, types = config.type_vocab_size,
    eps = config.layer_norm_eps, padding_id = config.pad_token_id,
    roberta = config.model_type == "roberta",
  }
  local weights = assert(nj.store.load(shared.path("golden/" .. name .. ".model.safetensors")))
  local report = net:load(weights.tensors)
  assert.same({}, report.missing)
  assert.same({}, report.mismatched)
  return net, want
end

local function small(options)
  local o = { vocabulary = 30, width = 8, layers = 2, heads = 2, feed_forward = 12, positions = 10,
    types = 2, dropout = 0.1, rng = nj.rng(3) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.encoders.bert(o)
end

local function ids(rows) return nj.tensor(rows, { dtype = "int64" }) end

-- The same network out of nj.nn's operations, in float64.
local function composition(net, words, mask)
  local nn, p, d = nj.nn, {}, net:descriptor()
  for name, tensor in pairs(net:state()) do
    p[name] = tensor:detach():to "float64":requires_grad_()
  end
  local function norm(x, at)
    return nn.layer_norm(x, p[at .. ".weight"], p[at .. ".bias"], { eps = d.eps })
  end
  local function linear(x, at) return nn.linear(x, p[at .. ".weight"], p[at .. ".bias"]) end
  local b, n = words.shape[1], words.shape[2]
  local x = nn.embedding(p["embeddings.word_embeddings.weight"], words + 1) -- ids count from 0
    + p["embeddings.position_embeddings.weight"][{ { 1, n } }]
    + p["embeddings.token_type_embeddings.weight"][{ { 1, 1 } }]
  x = norm(x, "embeddings.LayerNorm")
  local keep = mask:reshape(b, 1, 1, n)
  for i = 0, d.layers - 1 do
    local at = ("encoder.layer.%d."):format(i)
    local function heads(name)
      return linear(x, at .. "attention.self." .. name):reshape(b, n, d.heads, d.width // d.heads)
        :transpose(2, 3)
    end
    local scores = heads "query":matmul(heads "key":transpose(3, 4)) / math.sqrt(d.width / d.heads)
    local share = scores:masked_fill(keep:eq(0), -math.huge):softmax(4)
    local y = share:matmul(heads "value"):transpose(2, 3):reshape(b, n, d.width)
    x = norm(x + linear(y, at .. "attention.output.dense"), at .. "attention.output.LayerNorm")
    y = linear(linear(x, at .. "intermediate.dense"):gelu(), at .. "output.dense")
    x = norm(x + y, at .. "output.LayerNorm")
  end
  return x, p
end

describe("nj.encoders.bert", function()
  for _, name in ipairs { "04_bert_small", "04_roberta_small" } do
    it("gives PyTorch's hidden states and gradients: " .. name, function()
      local net, want = golden(name)
      if not net then return pending "needs ../shared" end
      local valid = want.attention_mask:to "float32":unsqueeze(3)
      local words, hidden = net(want.input_ids, want.attention_mask,
        { types = want.token_type_ids, hidden = true })
      near(want["hidden.last"] * valid, words * valid, { atol = 4e-5 })
      near(want["hidden.0"] * valid, hidden[1] * valid, { atol = 1e-5 })
      near(want["hidden.1"] * valid, hidden[2] * valid, { atol = 4e-5 });
      (words * want.R):sum():backward()
      local checked, state = 0, net:state()
      for key, gradient in pairs(want) do
        local parameter = key:match "^grad%.(.*)"
        if parameter then
          near(gradient, state[parameter].grad, { atol = 2e-4 }, parameter)
          checked = checked + 1
        end
      end
      assert.equal(4, checked)
    end)
  end

  it("is what its operations compose to, forward and backward", function()
    local net = small()
    for _, p in ipairs(net:parameters()) do
      local values = nj.randn(p.tensor.shape, { rng = nj.rng(#p.name) }) * 0.4
      nj.no_grad(function() p.tensor:copy_(values) end)
    end
    local words = ids { { 1, 5, 7, 9 }, { 2, 6, 3, 0 } }
    local mask = ids { { 1, 1, 1, 1 }, { 1, 1, 1, 0 } }
    local r = nj.randn({ 2, 4, 8 }, { rng = nj.rng(8) }) * mask:to "float32":unsqueeze(3)
    local want, p = composition(net, words, mask)
    local got = net(words, mask)
    local valid = mask:to "float64":unsqueeze(3)
    near(want:detach() * valid, got:detach():to "float64" * valid, { atol = 1e-5 });
    (want * r:to "float64"):sum():backward();
    (got * r):sum():backward()
    for _, q in ipairs(net:parameters()) do
      if q.name ~= "embeddings.word_embeddings.weight" then -- the padding's row learns nothing
        near(p[q.name].grad, q.tensor.grad:to "float64", { atol = 2e-5, rtol = 1e-4 }, q.name)
      end
    end
  end)

  it("lets masked words change nothing", function()
    local net = small()
    local alone = net(ids { { 4, 5, 6 } }, ids { { 1, 1, 1 } })
    local padded = net(ids { { 4, 5, 6, 0, 0 } }, ids { { 1, 1, 1, 0, 0 } })
    local other = net(ids { { 4, 5, 6, 9, 8 } }, ids { { 1, 1, 1, 0, 0 } })
    near(alone, padded[{ {}, { 1, 3 } }], { atol = 1e-6 })
    near(alone, other[{ {}, { 1, 3 } }], { atol = 1e-6 })
  end)

  it("gives a row of a batch the bits it has alone", function()
    local net = small()
    local rows = { { 4, 5, 6, 7 }, { 9, 8, 7, 6 }, { 1, 2, 3, 4 } }
    local batch = net(ids(rows))
    for i, row in ipairs(rows) do
      assert.equal(batch[{ { i, i } }]:contiguous():bytes(), net(ids { row }):bytes())
    end
  end)

  it("gives the same bits with one thread as with two", function()
    local net = nj.encoders.bert { vocabulary = 50, width = 64, layers = 2, heads = 4,
      rng = nj.rng(1) }
    local words = nj.randint(1, 49, { 8, 40 }, { rng = nj.rng(2) })
    local before = nj.threads()
    nj.threads(1)
    local one = net(words):bytes()
    nj.threads(2)
    local two = net(words):bytes()
    nj.threads(before)
    assert.equal(one, two)
  end)

  it("drops out while training only, by the generator given", function()
    local net = small { dropout = 0.5 }
    local words = ids { { 1, 2, 3 } }
    assert.is_false(net:is_training())
    local still = net(words):bytes()
    assert.equal(still, net(words):bytes())
    net:train()
    assert.is_true(net:is_training())
    local a, b = net(words, nil, { rng = nj.rng(1) }), net(words, nil, { rng = nj.rng(2) })
    assert.equal(a:bytes(), net(words, nil, { rng = nj.rng(1) }):bytes())
    assert.not_equal(a:bytes(), b:bytes())
    net:eval()
    assert.equal(still, net(words):bytes())
  end)

  it("counts RoBERTa's positions over words that are no padding", function()
    local net = small { roberta = true, padding_id = 1, types = 1 }
    local _, left = net(ids { { 1, 1, 7, 8 } }, ids { { 0, 0, 1, 1 } }, { hidden = true })
    local _, right = net(ids { { 7, 8, 1, 1 } }, ids { { 1, 1, 0, 0 } }, { hidden = true })
    near(left[1][{ {}, { 3, 4 } }], right[1][{ {}, { 1, 2 } }], { atol = 0 })
  end)

  it("rebuilds from its descriptor", function()
    local net = small()
    local d = net:descriptor()
    assert.same({ kind = "bert", vocabulary = 30, width = 8, layers = 2, heads = 2,
      feed_forward = 12,
      positions = 10, types = 2, dropout = 0.1, eps = 1e-12, padding_id = 0, roberta = false }, d)
    d.rng = nj.rng(99)
    local other = nj.encoders.bert(d)
    assert.same({}, other:load(net:state()).missing)
    local words = ids { { 1, 2, 3 } }
    assert.equal(net(words):bytes(), other(words):bytes())
  end)

  it("pools the first word where it has a pooler", function()
    local net = small { pooler = true }
    local state = net:state()
    local weight, bias = state["pooler.dense.weight"], state["pooler.dense.bias"]
    nj.no_grad(function()
      weight:copy_(nj.randn({ 8, 8 }, { rng = nj.rng(5) }))
      bias:copy_(nj.randn({ 8 }, { rng = nj.rng(6) }))
    end)
    local input, mask = ids { { 1, 5, 7 }, { 2, 6, 0 } }, ids { { 1, 1, 1 }, { 1, 1, 0 } }
    local words, hidden, pooled = net(input, mask, { hidden = true, pooled = true })
    assert.equal(3, #hidden)
    local want = nj.nn.linear(words[{ {}, 1 }], weight, bias):tanh()
    near(want, pooled, { atol = 1e-6 })
    assert.equal(pooled:bytes(), (select(2, net(input, mask, { pooled = true }))):bytes());
    (pooled * nj.randn({ 2, 8 }, { rng = nj.rng(7) })):sum():backward()
    assert(weight.grad:abs():sum():item() > 0)
    assert(state["encoder.layer.0.intermediate.dense.weight"].grad:abs():sum():item() > 0)
    assert.is_true(net:descriptor().pooler)
    assert.error_matches(function() small()(input, mask, { pooled = true }) end,
      "bert: this network has no pooler; make it with {pooler = true}", nil, true)
  end)

  it("says what is wrong", function()
    local net = small()
    local function message(pattern, f, ...) assert.error_matches(f, pattern, nil, true, ...) end
    message("bert: 11 words, this encoder has positions for 10; truncate with {max = 10} when "
      .. "tokenising", function() net(nj.zeros({ 1, 11 }, { dtype = "int64" })) end)
    message("bert: ids must be int64 of shape (batch, words), got float32 (1, 2)",
      function() net(nj.zeros(1, 2)) end)
    message("bert: the mask must have the shape of ids, (1, 2), got (1, 3)",
      function() net(ids { { 1, 2 } }, ids { { 1, 1, 1 } }) end)
    message("bert: types must be int64 with the shape of ids, (1, 2), got float32 (1, 2)",
      function() net(ids { { 1, 2 } }, nil, { types = nj.zeros(1, 2) }) end)
    message("30", function() net(ids { { 1, 30 } }) end)
    message("types", function() net(ids { { 1 } }, nil, { type = 1 }) end)
    message("head", function() small { width = 9 } end)
    message("did you mean 'layers'", function() small { layer = 1 } end)
  end)

  it("refuses sizes that no memory holds, and leaves nothing behind", function()
    collectgarbage()
    local before = nj.memory().live
    assert.has_error(function() small { vocabulary = 999999999, width = 65536 } end)
    collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)
