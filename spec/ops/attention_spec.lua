local near = require "spec.support.near"
local nj = require "nightjar"
local nn = nj.nn

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

local inf = math.huge
local rng = nj.rng(13)
local function random(...) return nj.randn({ ... }, { rng = rng }) end

-- By its definition, out of other operations.
local function composed(q, k, v, mask, scale)
  local scores = q:matmul(k:transpose(-1, -2)) * (scale or q.shape[#q.shape] ^ -0.5)
  if mask then scores = scores + mask end
  return scores:softmax(-1):matmul(v)
end

describe("attention", function()
  it("is softmax(q kᵀ scale + mask) v", function()
    for _, s in ipairs { { { 2, 3 }, 5, 7, 4, 6 }, { {}, 1, 1, 1, 1 }, { { 3 }, 130, 70, 33, 17 } } do
      local lead, n, m, d, e = table.unpack(s)
      local function shaped(rows, cols)
        local shape = { table.unpack(lead) }
        shape[#shape + 1] = rows
        shape[#shape + 1] = cols
        return nj.randn(shape, { rng = rng })
      end
      local q, k, v = shaped(n, d), shaped(m, d), shaped(m, e)
      near(composed(q, k, v), nn.attention(q, k, v), { atol = 1e-5 })
      local mask = random(n, m)
      near(composed(q, k, v, mask, 0.3), nn.attention(q, k, v, { mask = mask, scale = 0.3 }),
        { atol = 1e-5 })
      near(composed(q:double(), k:double(), v:double()),
        nn.attention(q:double(), k:double(), v:double()), { atol = 1e-12 })
    end
  end)

  it("broadcasts masks, added or boolean", function()
    local q, k, v = random(2, 3, 4, 5), random(2, 3, 6, 5), random(2, 3, 6, 5)
    local lengths = nj.tensor { 4, 6 }:reshape(2, 1, 1, 1)
    local see = nj.arange(1, 6):float():reshape(1, 1, 1, 6):le(lengths)
    local hide = nj.zeros(2, 1, 1, 6):masked_fill(see:eq(0), -inf)
    local want = composed(q, k, v, hide)
    near(want, nn.attention(q, k, v, { mask = hide }), { atol = 1e-5 })
    near(want, nn.attention(q, k, v, { mask = see }), { atol = 1e-5 })
    -- What is hidden has no influence at all.
    local poisoned, spoiled = k:clone(), v:clone()
    poisoned[{ 1, {}, { 5, 6 } }] = 1e30
    spoiled[{ 1, {}, { 5, 6 } }] = 1e30
    assert.is_true(nn.attention(q, k, v, { mask = see })
      :equal(nn.attention(q, poisoned, spoiled, { mask = see })))
  end)

  it("gives zeros, and no gradient, to queries that see nothing", function()
    local q, k, v = random(3, 4), random(5, 4), random(5, 2)
    for _, leaf in ipairs { q, k, v } do leaf:requires_grad_(true) end
    local mask = nj.zeros(3, 5)
    mask[2] = -inf
    local y = nn.attention(q, k, v, { mask = mask })
    assert.same({ 0, 0 }, y:detach()[2]:totable())
    assert.is_false(y:detach()[1]:equal(nj.zeros(2)))
    y:square():sum():backward()
    assert.same({ 0, 0, 0, 0 }, q.grad[2]:totable())
    assert.equal(0, k.grad:isnan():sum():item() + v.grad:isnan():sum():item())
    local none = nn.attention(random(3, 4), nj.zeros(0, 4), nj.zeros(0, 2))
    assert.same({ { 0, 0 }, { 0, 0 }, { 0, 0 } }, none:totable())
  end)

  it("has the same bits for a query alone and among others", function()
    local q, k, v = random(4, 3, 150, 20), random(4, 3, 90, 20), random(4, 3, 90, 24)
    local y = nn.attention(q, k, v)
    for _, i in ipairs { 1, 64, 65, 150 } do
      local at = { { 2, 2 }, {}, { i, i } }
      local alone = nn.attention(q[at], k[{ { 2, 2 } }], v[{ { 2, 2 } }])
      assert.is_true(y[at]:equal(alone))
    end
  end)

  it("reads heads in place and joins them by a view", function()
    local q, k, v = random(2, 5, 3, 4), random(2, 6, 3, 4), random(2, 6, 3, 4)
    local function heads(x) return x:transpose(2, 3) end
    local y = nn.attention(heads(q), heads(k), heads(v))
    assert.is_true(y:equal(nn.attention(heads(q):contiguous(), heads(k):contiguous(),
      heads(v):contiguous())))
    assert.same({ 2, 5, 12 }, y:transpose(2, 3):view(2, 5, 12).shape)
  end)

  it("drops weights by the generator's numbers and keeps their mean", function()
    local q, k = nj.zeros(400, 4), nj.zeros(100, 4)
    local v = nj.ones(100, 1)
    local y = nn.attention(q, k, v, { dropout = 0.3, rng = nj.rng(1) })
    near(1, y:mean(), { atol = 0.01 })
    assert.is_true(y:var():item() > 1e-3)
    local generator = nj.rng(1)
    assert.is_true(y:equal(nn.attention(q, k, v, { dropout = 0.3, rng = generator })))
    assert.is_false(y:equal(nn.attention(q, k, v, { dropout = 0.3, rng = generator })))
  end)

  it("takes empty tensors", function()
    assert.same({ 0, 2, 3, 5 },
      nn.attention(nj.zeros(0, 2, 3, 4), nj.zeros(0, 2, 6, 4), nj.zeros(0, 2, 6, 5)).shape)
    assert.same({ 2, 0, 5 }, nn.attention(nj.zeros(2, 0, 4), nj.zeros(2, 6, 4), nj.zeros(2, 6, 5)).shape)
  end)

  it("says what is wrong", function()
    local q, k, v = nj.zeros(2, 3, 4), nj.zeros(2, 5, 4), nj.zeros(2, 5, 6)
    local function check(pattern, ...) assert.matches(pattern, message(nn.attention, ...)) end
    check("attention: expected q %(…, N, D%), k %(…, M, D%) and v %(…, M, E%), got %(2, 3, 4%), "
      .. "%(2, 5, 3%) and %(2, 5, 6%)", q, nj.zeros(2, 5, 3), v)
    check("attention: a mask %(2, 5%) does not broadcast to %(2, 3, 5%)", q, k, v,
      { mask = nj.zeros(2, 5) })
    check("attention: the mask must be uint8 %(which keys are seen%) or float32 %(added to the "
      .. "scores%), got int64", q, k, v, { mask = nj.zeros(3, 5):long() })
    check("attention: expected q, k and v of one floating dtype, got float32, float64 and float32",
      q, k:double(), v)
    check("attention: expected dropout in %[0, 1%) and a generator, got 1", q, k, v, { dropout = 1 })
  end)
end)
