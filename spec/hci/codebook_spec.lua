local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"

local mask = nj.tensor({ { 1, 1, 1, 1 }, { 1, 0, 1, 0 }, { 0, 0, 0, 0 } }, { dtype = "int64" })

local function book(options)
  local o = { codes = 6, width = 5, temperature = 0.8, rng = nj.rng(3) }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.hci.codebook(o)
end

local function tokens(...)
  return nj.randn({ ... }, { rng = nj.rng(5) })
end

describe("nj.hci.codebook", function()
  it("is its definition, item by item", function()
    local net, x = book(), tokens(3, 4, 5)
    local codes = net:state().codes:detach()
    local vectors, shares = net(x, mask)
    for b, valid in ipairs { { 1, 2, 3, 4 }, { 1, 3 } } do
      local rows = x[b]:index_select(1, nj.tensor(valid, { dtype = "int64" }))
      local a = rows:matmul(codes:transpose(1, 2)):max(1) / (math.sqrt(5) * 0.8)
      near(a:sparsemax(), shares[b]:detach(), { atol = 1e-6 })
      near(a:sparsemax():matmul(codes), vectors[b]:detach(), { atol = 1e-6 })
      near(1, shares[b]:sum():item(), { atol = 1e-6 })
      local floored = net(x, mask, { floor = true })
      near(a:relu():sparsemax():matmul(codes), floored[b]:detach(), { atol = 1e-6 })
    end
    assert.same({ 3, 5 }, vectors.shape)
    assert.same({ 3, 6 }, shares.shape)
  end)

  it("gives zeros for items without tokens, and with a floor the mean of the codes", function()
    local net, x = book(), tokens(3, 4, 5)
    local vectors, shares = net(x, mask)
    assert.same({ 0, 0, 0, 0, 0 }, vectors[3]:detach():totable())
    assert.same({ 0, 0, 0, 0, 0, 0 }, shares[3]:detach():totable())
    local mean = net:state().codes:detach():mean(1)
    near(mean, net(x, mask, { floor = true })[3]:detach(), { atol = 1e-6 })
    local none = nj.zeros(2, 0, 5)
    assert.equal(0, net(none):abs():max():item())
    near(mean, net(none, nil, { floor = true })[2]:detach(), { atol = 1e-6 })
    assert.same({ 0, 5 }, net(nj.zeros(0, 4, 5)).shape)
    -- Nothing comes back from where nothing was.
    x:requires_grad_()
    net(x, mask):square():sum():backward()
    assert.equal(0, x.grad[3]:abs():max():item())
    assert.equal(0, x.grad[{ 2, 2 }]:abs():max():item())
  end)

  it("does not let hidden tokens in, and takes neither order nor repetition into account", function()
    local net, x = book(), tokens(3, 4, 5)
    local noisy = x:clone()
    noisy[{ 2, 2 }], noisy[{ 2, 4 }], noisy[3] = 1e6, -1e6, 0 / 0
    local want = net(x, mask)
    assert.equal(want:bytes(), net(noisy, mask):bytes())
    assert.equal(net(x):bytes(), net(nj.cat({ x:flip(2), x }, 2)):bytes())
  end)

  it("is a mixture of few codes at a low temperature, and of all at a high one", function()
    local function count(temperature)
      local _, shares = book { codes = 64, temperature = temperature }(tokens(2, 4, 5))
      return shares:gt(0):to "int64":sum():item()
    end
    assert.equal(2, count(1e-3))
    assert.equal(128, count(1e6))
    assert(count(1) < count(10))
  end)

  it("has gradients that differences confirm", function()
    for _, floor in ipairs { false, true } do
      local net = book { dtype = "float64", temperature = 2 }
      local x = nj.randn({ 3, 4, 5 }, { dtype = "float64", rng = nj.rng(6) })
      network.gradients(net, function(y)
        local vectors, shares = net(y, mask, { floor = floor })
        return vectors, shares
      end, { x })
    end
  end)

  it("gives an item the bits it has alone, whatever the padding and the threads", function()
    local net = book { codes = 300, width = 16, temperature = 20 }
    local x = tokens(5, 9, 16)
    local all = nj.ones({ 5, 9 }, { dtype = "uint8" })
    all[{ {}, { 7, 9 } }] = 0
    local vectors, shares = net(x, all)
    for i = 1, 5 do
      local v, s = net(x[{ { i, i }, { 1, 6 } }])
      assert.equal(vectors[i]:contiguous():bytes(), v[1]:contiguous():bytes())
      assert.equal(shares[i]:contiguous():bytes(), s[1]:contiguous():bytes())
    end
    network.same_bits(function()
      x:requires_grad_()
      return network.pass(net, (net(x, all)), x)
    end)
  end)

  it("survives failing memory", function()
    local net, x = book(), tokens(3, 4, 5):requires_grad_()
    network.survives(function()
      local a, b = net(x, mask), net(x, mask, { floor = true });
      (a + b):sum():backward()
      x:zero_grad()
      for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
    end)
  end)

  it("is rebuilt by its descriptor, and scales its temperature with its codes", function()
    local net = book()
    local twin = nj.hci.codebook(net:descriptor())
    assert.same({}, twin:load(net:state()).missing)
    assert.equal(net(tokens(2, 3, 5)):bytes(), twin(tokens(2, 3, 5)):bytes())
    assert.same({ kind = "codebook", codes = 6, width = 5, temperature = 0.8 }, twin:descriptor())
    assert.equal(1000, nj.hci.codebook({ width = 1 }):descriptor().temperature)
    assert.equal(250, nj.hci.codebook({ width = 1, codes = 1024 }):descriptor().temperature)
    assert.same({ 6, 5 }, net:state().codes.shape)
  end)

  it("says what is wrong", function()
    local net = book()
    local function message(text, f) assert.error_matches(f, text, nil, true) end
    message("codebook: expected tokens (batch, tokens, 5), got (2, 5)",
      function() net(nj.zeros(2, 5)) end)
    message("codebook: expected float32 or float64 tokens, got int64",
      function() net(nj.zeros({ 1, 2, 5 }, { dtype = "int64" })) end)
    message("codebook: expected a mask (1, 2), got (2, 1)",
      function() net(nj.zeros(1, 2, 5), nj.ones(2, 1)) end)
    message("codebook: option 'width' is required", function() nj.hci.codebook { codes = 3 } end)
    message("codebook: option 'codes'", function() book { codes = 0 } end)
    message("codebook: option 'temperature'", function() book { temperature = 0 } end)
    message("codebook: option 'temperature'", function() book { temperature = 0 / 0 } end)
    message("codebook: unknown option 'code'", function() nj.hci.codebook { code = 3, width = 1 } end)
    message("codebook: option 'dtype' must be 'float32' or 'float64', got 'int64'",
      function() book { dtype = "int64" } end)
  end)
end)
