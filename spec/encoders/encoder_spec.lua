-- What every encoder does, and the projections.
local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"

local makers = {
  convnet = function(rng)
    return nj.encoders.convnet { channels = { 2, 3 }, mels = 4, rng = rng }
  end,
  bert = function(rng)
    return nj.encoders.bert { vocabulary = 12, width = 4, layers = 1, heads = 2, positions = 6,
      rng = rng }
  end,
  projection = function(rng) return nj.encoders.projection { input = 4, output = 3, rng = rng } end,
}
local inputs = {
  convnet = function() return nj.randn({ 2, 8, 4 }, { rng = nj.rng(1) }) end,
  bert = function() return nj.tensor({ { 1, 2 }, { 3, 4 } }, { dtype = "int64" }) end,
  projection = function() return nj.randn({ 2, 4 }, { rng = nj.rng(1) }) end,
}

local function text_of(net)
  local parts = {}
  for _, list in ipairs { net:parameters(), net:buffers() } do
    for _, p in ipairs(list) do parts[#parts + 1] = p.name .. p.tensor:bytes() end
  end
  return table.concat(parts)
end

for kind, make in pairs(makers) do
  describe("every encoder, " .. kind, function()
    it("is made of its generator", function()
      assert.equal(text_of(make(nj.rng(5))), text_of(make(nj.rng(5))))
      assert.not_equal(text_of(make(nj.rng(5))), text_of(make(nj.rng(6))))
    end)

    it("lists what it trains, in order, and counts it", function()
      local net, n, names = make(nj.rng(1)), 0, {}
      for _, p in ipairs(net:parameters()) do
        assert.is_true(p.tensor.requires_grad)
        assert.is_nil(names[p.name])
        names[p.name] = true
        n = n + p.tensor:numel()
      end
      for _, b in ipairs(net:buffers()) do
        assert.is_false(b.tensor.requires_grad)
        names[b.name] = true
      end
      assert.equal(n, net:size())
      for name in pairs(net:state()) do
        assert.is_true(names[name])
        names[name] = nil
      end
      assert.is_nil(next(names))
      assert.equal(("%s encoder (%d parameters)"):format(kind, n), tostring(net))
    end)

    it("freezes by the beginning of names", function()
      local net = make(nj.rng(1))
      local all = net:parameters()
      local prefix = all[1].name:match "^[^.]+%."
      local n = 0
      for _, p in ipairs(all) do
        if p.name:sub(1, #prefix) == prefix then n = n + 1 end
      end
      assert.equal(n, net:freeze(prefix))
      net(inputs[kind]()):square():sum():backward()
      for _, p in ipairs(all) do
        local frozen = p.name:sub(1, #prefix) == prefix
        assert.equal(not frozen, p.tensor.requires_grad)
        if frozen then assert.is_nil(p.tensor.grad) end
      end
      assert.equal(n, net:unfreeze(prefix))
      assert.is_true(all[1].tensor.requires_grad)
      assert.equal(#all, net:freeze())
      assert.equal(0, net:freeze "no such")
    end)

    it("loads by name with a prefix, and reports", function()
      local from, to, state = make(nj.rng(1)), make(nj.rng(2)), {}
      for name, tensor in pairs(from:state()) do state["tower." .. name] = tensor end
      local report = to:load(state, "tower.")
      assert.equal(text_of(from), text_of(to))
      assert.same({ {}, {} }, { report.missing, report.mismatched })
      assert.equal(#from:parameters() + #from:buffers(), #report.loaded)
      assert.equal(#report.loaded, #to:load(state).missing)
    end)

    it("changes nothing when a shape differs", function()
      local net, state = make(nj.rng(1)), make(nj.rng(2)):state()
      local before, name = text_of(net), net:parameters()[1].name
      local shape = table.concat(state[name].shape, ", ")
      state[name] = nj.zeros(1, 1, 1, 1, 1)
      local report = net:load(state)
      assert.same({ ("%s: expected (%s%s), got (1, 1, 1, 1, 1)"):format(name, shape,
        shape:find "," and "" or "") }, report.mismatched)
      assert.same({}, report.loaded)
      assert.equal(before, text_of(net))
    end)

    it("loads float64 into its float32, and what is there when something is missing", function()
      local net, state = make(nj.rng(1)), make(nj.rng(2)):state()
      local names = net:parameters()
      local gone, kept = names[1].name, names[#names].name
      state[gone] = nil
      state[kept] = state[kept]:detach():to "float64"
      local report = net:load(state)
      assert.same({ gone }, report.missing)
      assert.equal(state[kept]:to "float32":bytes(), net:state()[kept]:bytes())
    end)

    it("gives a copy of its descriptor", function()
      local net = make(nj.rng(1))
      local d = net:descriptor()
      assert.equal(kind, d.kind)
      for key, value in pairs(d) do
        if type(value) == "table" then value[1] = -1 end
        d[key] = nil
      end
      assert.equal(kind, net:descriptor().kind)
      for _, value in pairs(net:descriptor()) do
        if type(value) == "table" then assert.not_equal(-1, value[1]) end
      end
    end)

    it("raises once it is freed", function()
      local net = make(nj.rng(1))
      net:free()
      net:free()
      assert.error_matches(function() net:parameters() end, "this encoder was freed")
      assert.error_matches(function() net(inputs[kind]()) end, "this encoder was freed")
      assert.equal(kind .. " encoder (freed)", tostring(net))
    end)

    it("leaves nothing behind when memory runs out", function()
      local function attempt()
        local net <close> = make(nj.rng(1))
        net:train()
        local y = net(inputs[kind](), nil, kind ~= "projection" and { rng = nj.rng(1) } or nil)
        y:square():sum():backward()
      end
      if not nj._fail_after then return pending "needs failing allocations" end
      attempt()
      collectgarbage()
      collectgarbage()
      local before, n = nj.memory().live, 0
      repeat
        nj._fail_after(n)
        local ok, message = pcall(attempt)
        nj._fail_after(-1)
        collectgarbage()
        collectgarbage()
        if not ok then assert.matches("memory", message) end
        assert.equal(before, nj.memory().live, "after failing allocation " .. n)
        n = n + 1
      until ok or n > 3000
      assert(n > 10 and n < 3000, "allocations: " .. n)
    end)
  end)
end

describe("nj.encoders.projection", function()
  local function state_of(net)
    local p = {}
    for name, tensor in pairs(net:state()) do p[name] = tensor:detach():to "float64" end
    return p
  end
  local x = nj.randn({ 2, 3, 6 }, { rng = nj.rng(1) })
  local nn = nj.nn
  local forms = {
    linear = function(p, y) return nn.linear(y, p["0.weight"], p["0.bias"]) end,
    mlp = function(p, y)
      return nn.linear(nn.linear(y, p["0.weight"], p["0.bias"]):relu(), p["2.weight"], p["2.bias"])
    end,
    gated = function(p, y)
      local e = nn.linear(y, p["linear1.weight"])
      return nn.layer_norm(e + nn.linear(e:gelu(), p["linear2.weight"]), p["layer_norm.weight"],
        p["layer_norm.bias"])
    end,
    norm_mlp = function(p, y)
      local e = nn.linear(nn.layer_norm(y, p["0.weight"], p["0.bias"]), p["1.weight"], p["1.bias"])
      return nn.linear(nn.layer_norm(e:gelu(), p["3.weight"], p["3.bias"]), p["4.weight"],
        p["4.bias"])
    end,
  }
  for form, define in pairs(forms) do
    it("is its definition: " .. form, function()
      local net = network.scramble(nj.encoders.projection { form = form, input = 6, hidden = 5,
        output = 4, rng = nj.rng(2) })
      local y = net(x)
      assert.same({ 2, 3, 4 }, y.shape)
      near(define(state_of(net), x:to "float64"), y:detach():to "float64", { atol = 1e-5 })
      local d = net:descriptor()
      assert.same({ kind = "projection", form = form, input = 6, hidden = 5, output = 4,
        dropout = 0 }, d)
    end)
  end

  it("has gradients that differences confirm", function()
    for form in pairs(forms) do
      local net = network.scramble(nj.encoders.projection { form = form, input = 3, hidden = 4,
        output = 2, dtype = "float64", rng = nj.rng(3) }, 5)
      network.gradients(net, function(y) return net(y) end,
        { nj.randn({ 2, 3 }, { dtype = "float64", rng = nj.rng(4) }) })
    end
  end)

  it("drops out of the gated form while training", function()
    local net = nj.encoders.projection { form = "gated", input = 6, output = 4,
      dropout = 0.5 }:train()
    local a = net(x, { rng = nj.rng(1) })
    assert.equal(a:bytes(), net(x, { rng = nj.rng(1) }):bytes())
    assert.not_equal(a:bytes(), net:eval()(x):bytes())
  end)

  it("says what is wrong", function()
    local net = nj.encoders.projection { input = 6, output = 4 }
    assert.has_error(function() net(nj.zeros(2, 5)) end)
    assert.error_matches(function() net(nj.zeros(2, 5)) end,
      "projection: expected (…, 6), got (2, 5)",
      nil, true)
    assert.error_matches(function() nj.encoders.projection { input = 6 } end,
      "projection: option 'output' is required (an integer)", nil, true)
    assert.error_matches(function()
      nj.encoders.projection { input = 6, output = 4, form = "mpl" }
    end,
      "mlp", nil, true)
  end)
end)

describe("nj.encoders.mean_pool", function()
  it("averages what lies before each end", function()
    local x = nj.tensor { { { 1, 2 }, { 3, 4 }, { 5, 60 } }, { { 1, 1 }, { 2, 2 }, { 3, 3 } } }
    local n = nj.tensor({ 2, 3 }, { dtype = "int64" })
    near({ { 2, 3 }, { 2, 2 } }, nj.encoders.mean_pool(x, n))
    near({ { 3, 22 }, { 2, 2 } }, nj.encoders.mean_pool(x), { atol = 1e-5 })
    assert.error_matches(function() nj.encoders.mean_pool(x, n[{ { 1, 1 } }]) end,
      "expected one length for each sequence")
  end)
end)
