local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local shared = require "spec.support.shared"

local mask = nj.tensor({ { 1, 1, 1, 1 }, { 1, 0, 1, 0 }, { 0, 0, 0, 0 } }, { dtype = "int64" })

describe("nj.hci.token_weights", function()
  it("has the reference's parameters, and weighs as it does", function()
    local want = shared.golden "08_interaction"
    if not want then return pending "needs ../shared" end
    local net = nj.hci.token_weights { width = 16 }
    assert.same({}, net:load(want, "mlp.t.").missing)
    local hidden = nj.nn.linear(want["T.ragged"], want["mlp.t.0.weight"], want["mlp.t.0.bias"]):relu()
    local logits = nj.nn.linear(hidden, want["mlp.t.2.weight"], want["mlp.t.2.bias"])
      :reshape(6, 9)
    local weights = logits:masked_fill(want["mask_t.ragged"]:eq(0), -math.huge):softmax(2)
    near(weights, net(want["T.ragged"], want["mask_t.ragged"]):detach(), { atol = 1e-6 })
  end)

  it("adds up to one over valid tokens", function()
    local net = network.scramble(nj.hci.token_weights { width = 5, hidden = 7, rng = nj.rng(1) })
    local x = nj.randn({ 3, 4, 5 }, { rng = nj.rng(2) })
    local w = net(x, mask):detach()
    near({ 1, 1, 0 }, w:sum(2), { atol = 1e-6 })
    assert.equal(0, w[2][2])
    near({ 1, 1, 1 }, net(x):detach():sum(2), { atol = 1e-6 })
    assert.equal(net(x[{ { 2, 2 } }], mask[{ { 2, 2 } }]):detach():bytes(), w[{ { 2, 2 } }]:bytes())
  end)

  it("has the gradients of differences, and survives failing memory", function()
    local net = network.scramble(nj.hci.token_weights { width = 5, dtype = "float64",
      rng = nj.rng(1) })
    network.gradients(net, function(x) return net(x, mask) end,
      { nj.randn({ 3, 4, 5 }, { rng = nj.rng(2), dtype = "float64" }) })
    local single = nj.hci.token_weights { width = 5, rng = nj.rng(1) }
    local x = nj.randn({ 3, 4, 5 }, { rng = nj.rng(2), grad = true })
    network.survives(function()
      single(x, mask):square():sum():backward()
      x:zero_grad()
      for _, p in ipairs(single:parameters()) do p.tensor:zero_grad() end
    end)
    network.same_bits(function() return network.pass(single, single(x, mask), x) end)
  end)

  it("rebuilds from its descriptor, and says what is wrong", function()
    local net = nj.hci.token_weights { width = 5, rng = nj.rng(1) }
    assert.same({ kind = "token_weights", width = 5, hidden = 5 }, net:descriptor())
    assert.same({}, nj.hci.token_weights(net:descriptor()):load(net:state()).missing)
    local function message(text, f, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() f(table.unpack(arguments, 1, arguments.n)) end, text, nil, true)
    end
    message("token_weights: option 'width' is required", nj.hci.token_weights, {})
    message("token_weights: expected tokens (batch, tokens, 5), got (2, 5)", net, nj.zeros(2, 5))
    message("token_weights: expected a mask (2, 3), got (3, 3)", net, nj.zeros(2, 3, 5),
      nj.ones(3, 3))
  end)
end)
