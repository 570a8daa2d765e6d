-- Everything that only moves elements is linear, so its gradient is its transpose, and a dot
-- product tells: <f(x), w> = <x, f'(w)> for any x and w. Exact up to rounding, unlike finite
-- differences.
local nj = require "nightjar"

local rng = nj.rng(11)

local function random(...) return nj.randn(..., { dtype = "float64", rng = rng }) end

local function dot(a, b) return (a * b):sum():item() end

local index = nj.tensor({ 3, 1, 1, 2, -1 }, { dtype = "int64" })
local columns = nj.tensor({ { 1, 4, 4 }, { 2, 2, 1 }, { -1, 1, 3 } }, { dtype = "int32" })
local mask = nj.tensor{ { true, false, true, true }, { false, false, true, false },
  { true, true, true, true } }

-- name, shape of x, f
local cases = {
  { "reshape", { 2, 6 }, function(x) return x:reshape(3, 4) end },
  { "reshape of a transposed one", { 2, 6 }, function(x) return x:t():reshape(3, 4) end },
  { "reshape of an empty one", { 0, 3 }, function(x) return x:reshape(3, 0) end },
  { "view", { 2, 6 }, function(x) return x:view(2, 3, 2) end },
  { "flatten", { 2, 3, 2 }, function(x) return x:flatten(1, 2) end },
  { "unflatten", { 2, 6 }, function(x) return x:unflatten(2, { 2, 3 }) end },
  { "permute", { 2, 3, 4 }, function(x) return x:permute(3, 1, 2) end },
  { "transpose", { 2, 3, 4 }, function(x) return x:transpose(1, 3) end },
  { "movedim", { 2, 3, 4 }, function(x) return x:movedim(1, 3) end },
  { "narrow", { 3, 4 }, function(x) return x:narrow(2, 2, 2) end },
  { "narrow to nothing", { 3, 4 }, function(x) return x:narrow(2, 5, 0) end },
  { "select", { 3, 4 }, function(x) return x:select(1, -1) end },
  { "slice", { 3, 7 }, function(x) return x:slice(2, 2, 7, 2) end },
  { "index", { 3, 7, 2 }, function(x) return x[{ { 1, 3, 2 }, -2, {} }] end },
  { "index of a single element", { 3, 7 }, function(x) return x[{ 2, 3 }] end },
  { "index in 8 dimensions", { 2, 1, 2, 1, 3, 1, 2, 1 },
    function(x) return x[{ {}, 1, 2, {}, { 1, 3, 2 } }] end },
  { "expand", { 3, 1 }, function(x) return x:expand(2, 3, 4) end },
  { "expand of a scalar", {}, function(x) return x:expand(2, 3) end },
  { "expand to nothing", { 3, 1 }, function(x) return x:expand(3, 0) end },
  { "expand of nothing", { 0, 1 }, function(x) return x:expand(2, 0, 3) end },
  { "squeeze", { 3, 1, 2 }, function(x) return x:squeeze(2) end },
  { "squeeze all", { 3, 1, 2, 1 }, function(x) return x:squeeze() end },
  { "unsqueeze", { 3, 2 }, function(x) return x:unsqueeze(2) end },
  { "diagonal", { 3, 4 }, function(x) return x:diagonal(1) end },
  { "diagonal of outer dimensions", { 3, 2, 4 }, function(x) return x:diagonal(-1, 1, 3) end },
  { "unfold", { 2, 7 }, function(x) return x:unfold(2, 3, 2) end },
  { "unfold, overlapping", { 7, 2 }, function(x) return x:unfold(1, 4) end },
  { "contiguous", { 3, 4 }, function(x) return x:t():contiguous() end },
  { "clone", { 3, 4 }, function(x) return x:clone() end },
  { "to", { 3, 4 }, function(x) return x:to("float32"):to("float64") end, 1e-5 },
  { "flip", { 3, 4 }, function(x) return x:flip(1, 2) end },
  { "roll", { 3, 4 }, function(x) return x:roll(3, 2) end },
  { "tril", { 2, 3, 4 }, function(x) return x:tril(1) end },
  { "triu", { 3, 4 }, function(x) return x:triu(-1) end },
  { "tile", { 2, 3 }, function(x) return x:tile(2, 3, 2) end },
  { "tile, nothing", { 2, 3 }, function(x) return x:tile(0, 1) end },
  { "repeat_interleave", { 2, 3 }, function(x) return x:repeat_interleave(3, 2) end },
  { "pad with a constant", { 2, 3 }, function(x) return x:pad{ { 1, 2 }, { 0, 1 } } end },
  { "pad, reflect", { 3, 4 }, function(x) return x:pad({ 2, 3 }, { mode = "reflect" }) end },
  { "pad, replicate", { 2, 3 }, function(x) return x:pad({ 4 }, { mode = "replicate" }) end },
  { "pad, circular", { 2, 3 }, function(x) return x:pad({ 2, 3 }, { mode = "circular" }) end },
  { "cat", { 2, 3 }, function(x) return nj.cat({ x, x:flip(1), x }, 2) end },
  { "stack", { 2, 3 }, function(x) return nj.stack({ x, x:flip(2) }, 2) end },
  { "split", { 5, 2 }, function(x) return nj.cat({ x:split(2)[3], x:split(2)[1] }) end },
  { "index_select", { 3, 4 }, function(x) return x:index_select(1, index) end },
  { "index_select of the last dimension", { 2, 3 }, function(x)
    return x:index_select(2, index)
  end },
  { "index tensor of two dimensions", { 4, 3 }, function(x) return x[columns] end },
  { "index tensors in an expression", { 2, 4, 3 }, function(x) return x[{ {}, index, 2 }] end },
  { "embedding", { 3, 4 }, function(x) return nj.nn.embedding(x, index) end },
  { "gather", { 3, 4 }, function(x) return x:gather(2, columns) end },
  { "gather of the first dimension", { 4, 3 }, function(x) return x:gather(1, columns) end },
  { "gather, stretched", { 3, 4, 2 }, function(x)
    return x:gather(2, nj.tensor({ { { 1 }, { 1 }, { 4 } } }, { dtype = "int64" }))
  end },
  { "scatter_add, into", { 3, 4 }, function(x) return x:scatter_add(2, columns, 0) end },
  { "scatter_add, source", { 3, 3 }, function(x)
    return nj.zeros(3, 4, { dtype = "float64" }):scatter_add(2, columns, x)
  end },
  { "scatter_add, stretched source", { 3, 1 }, function(x)
    return nj.zeros(3, 4, { dtype = "float64" }):scatter_add(2, columns, x)
  end },
  { "index_add, into", { 3, 2 }, function(x) return x:index_add(1, index, 0) end },
  { "index_add, source", { 5, 2 }, function(x)
    return nj.zeros(3, 2, { dtype = "float64" }):index_add(1, index, x)
  end },
  { "index_add, stretched source", { 2 }, function(x)
    return nj.zeros(3, 2, { dtype = "float64" }):index_add(1, index, x)
  end },
  { "mask", { 3, 4 }, function(x) return x[mask] end },
  { "mask of leading dimensions", { 3, 4, 2 }, function(x) return x[mask] end },
  { "masked_select, stretched", { 3, 1 }, function(x) return x:masked_select(mask) end },
  { "meshgrid", { 3 }, function(x) return (select(2, nj.meshgrid(nj.zeros(2), x))) end },
}

describe("gradients of moved elements", function()
  for _, case in ipairs(cases) do
    local name, shape, f, tolerance = table.unpack(case)
    it("are the transpose: " .. name, function()
      for _ = 1, 3 do
        local x = random(shape):requires_grad_(true)
        local y = f(x)
        local w = random(y.shape)
        y:backward(w)
        assert.same(x.shape, x.grad.shape)
        local forward, transposed = dot(y, w), dot(x, x.grad)
        assert.is_true(math.abs(forward - transposed) <= (tolerance or 1e-12) * (1 +
          math.abs(forward)), ("%g against %g"):format(forward, transposed))
      end
    end)
  end

  it("come back in the dtype of the input", function()
    local x = nj.tensor({ 1, 2 }, { grad = true })
    x:to("float64"):sum():backward()
    assert.equal("float32", x.grad.dtype)
    x:zero_grad()
    nj.cat{ x, nj.zeros(2, { dtype = "float64" }) }:sum():backward()
    assert.equal("float32", x.grad.dtype)
    assert.same({ 1, 1 }, x.grad:totable())
    assert.is_false(x:to("int64").requires_grad)
  end)

  it("sum repeated entries, and skip the padding row", function()
    local w = nj.zeros(3, 2, { grad = true })
    nj.nn.embedding(w, { 1, 3, 3, 1, 3 }, { padding = 1 }):sum():backward()
    assert.same({ { 0, 0 }, { 0, 0 }, { 3, 3 } }, w.grad:totable())
  end)

  it("are the same bits for any number of threads", function()
    local before = nj.threads()
    local ids = nj.randint(1, 50, { 4000 }, { rng = nj.rng(3) })
    local out = nj.randn(4000, 700, { rng = nj.rng(4) })
    local results = {}
    for _, n in ipairs{ 1, 2, 5 } do
      nj.threads(n)
      local w = nj.zeros(50, 700, { grad = true })
      nj.nn.embedding(w, ids):backward(out)
      results[#results + 1] = w.grad:bytes()
    end
    nj.threads(before)
    assert.equal(results[1], results[2])
    assert.equal(results[1], results[3])
  end)

  it("refuse writes to what backward still needs", function()
    local x = nj.zeros(3, { grad = true })
    local ids = nj.tensor({ 1, 2 }, { dtype = "int64" })
    local y = nj.nn.embedding(x, ids, { base = 0 })
    ids[1] = 2
    local ok, text = pcall(y.backward, y:sum())
    assert.is_false(ok)
    assert.matches("embedding", text)
  end)
end)
