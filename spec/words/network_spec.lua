local nj = require "nightjar"
local network = require "nightjar.words.network"

local function made()
  local net = network.new { vocabulary = 4, width = 3 }
  local vectors = nj.tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { 0.5, -0.5, 0 } }
  return net:set(vectors, nj.tensor { 1, 2, 3, 4 }), vectors
end

local function ids(rows) return nj.tensor(rows, { dtype = "int64" }) end

describe("word vectors", function()
  it("come back from eight bits within half a step", function()
    local net, vectors = made()
    local error = (net:rows(ids { 1, 2, 3, 4 }) - vectors):abs():max():item()
    assert.is_true(error <= 0.5 / 127 + 1e-6)
  end)

  it("make a sentence of their mean, weighted by how much each says; padding counts nothing", function()
    local net = made()
    local words, sentence, weights = net(ids { { 1, 3 }, { 2, 1 } }, nj.tensor { { 1, 1 }, { 1, 0 } })
    assert.same({ 2, 2, 3 }, words.shape)
    assert.is_true(nj.tensor({ { 0.25, 0.75 }, { 1, 0 } }):allclose(weights))
    assert.is_true(sentence[1]:allclose(nj.tensor { 0.25, 0, 0.75 }, { atol = 0.01 }))
    assert.is_true(sentence[2]:allclose(nj.tensor { 0, 1, 0 }, { atol = 0.01 }))
  end)

  it("give zeros for a text without a word", function()
    local net = made()
    local _, sentence = net(ids { { 1 } }, nj.tensor { { 0 } })
    assert.equal(0, sentence:abs():max():item())
  end)

  it("are trained by a difference, of the first words alone, which is put into the table at the end", function()
    local net = made()
    local delta = net:adapt(2)
    local _, sentence = net(ids { { 1, 4 } }, nj.tensor { { 1, 1 } })
    sentence:sum():backward()
    assert.is_true(delta.grad[1]:abs():max():item() > 0)
    assert.equal(0, delta.grad[2]:abs():max():item())
    assert.equal(0, delta.grad[3]:abs():max():item())
    nj.no_grad(function() delta[1]:add_(0.5) end)
    net:settle()
    assert.same({}, net:parameters())
    assert.is_true(net:rows(ids { 1 })[1]:allclose(nj.tensor { 1.5, 0.5, 0.5 }, { atol = 0.01 }))
  end)

  it("are refused when a file has others", function()
    local net = network.new { vocabulary = 4, width = 3 }
    local state = made():state()
    state.scale = nil
    assert.same({ "scale" }, net:load(state, "").missing)
    state = made():state()
    state.vectors = nj.zeros(4, 3)
    assert.same({ "vectors" }, net:load(state, "").mismatched)
  end)
end)
