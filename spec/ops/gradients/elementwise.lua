local nj = require "nightjar"

local entries = {}

-- One input; the interval avoids places without a derivative.
local function unary(name, low, high, options)
  local entry = { name, function(x) return x[name](x) end, shapes = { { 2, 3 } }, any_shape = true,
    low = low, high = high }
  for key, value in pairs(options or {}) do
    entry[key] = value
  end
  entries[#entries + 1] = entry
end

for _, name in ipairs { "neg", "exp", "expm1", "square", "sin", "cos", "tanh", "sigmoid", "erf",
  "gelu", "gelu_tanh", "silu", "softplus" } do
  unary(name, -2, 2)
end
for _, name in ipairs { "log", "log1p", "log2", "log10", "sqrt", "rsqrt", "reciprocal" } do
  unary(name, 0.3, 3)
end
for _, name in ipairs { "abs", "relu", "hardswish", "hardsigmoid", "sign", "floor", "ceil", "round",
  "trunc" } do
  unary(name, 0.05, 0.45)
  unary(name, -0.45, -0.05)
end
unary("hardswish", 3.1, 5)
unary("hardswish", -5, -3.1)
unary("hardsigmoid", 3.1, 5)

local function add(name, f, options)
  local entry = { name, f }
  for key, value in pairs(options) do
    entry[key] = value
  end
  entries[#entries + 1] = entry
end

local one = { shapes = { { 2, 3 } }, any_shape = true }
add("leaky_relu", function(x) return x:leaky_relu(0.2) end, one)
add("affine", function(x) return x:affine(-1.5, 0.25) end, one)
add("clamp", function(x) return x:clamp(-1, 1) end, one)
add("clamp from below", function(x) return x:clamp(0) end, one)
add("clamp from above", function(x) return x:clamp(nil, 0.5) end, one)
add("number operators", function(x)
  return 2 * x + x * 0.5 - (3 - x) + (1 + x) - (x - 2) + x / 4 + 1 / (x + 5)
end, one)
add("pow by numbers", function(x) return x ^ 2 + x ^ 3 + x ^ 0.5 + x ^ -1 + x ^ -0.5 + 2 ^ x end,
  { shapes = { { 2, 3 } }, any_shape = true, low = 0.3, high = 2 })
add("% by a number", function(x) return x % 5 end, { shapes = { { 2, 3 } }, low = 0.1, high = 4.9 })

-- Two inputs: the same shape, broadcast on either side and on both.
local pairs_of_shapes = { { { 2, 3 }, { 2, 3 } }, { { 2, 3 }, { 3 } }, { { 1, 3 }, { 2, 1 } },
  { {}, { 2, 2 } }, { { 2, 3 }, {} }, { { 3, 1 }, { 2, 1, 4 } }, { { 0, 2 }, { 1, 2 } } }

local function binary(name, f, options)
  for _, shapes in ipairs(pairs_of_shapes) do
    local entry = { shapes = shapes, any_shape = #shapes[1] == 2 and #shapes[2] == 2 }
    for key, value in pairs(options or {}) do
      entry[key] = value
    end
    add(name, f, entry)
  end
end

binary("add", function(a, b) return a + b end)
binary("sub", function(a, b) return a - b end)
binary("mul", function(a, b) return a * b end)
binary("div", function(a, b) return a / b end, { low = 0.5, high = 2 })
binary("pow", function(a, b) return a ^ b end, { low = 0.3, high = 2 })
binary("atan2", function(a, b) return a:atan2(b) end, { low = 0.3, high = 2 })

-- Distinct values, so that no difference crosses the place where one overtakes the other.
local function apart(lib, i, shape, rng)
  local x = lib.rand(shape, { dtype = "float64", rng = rng, low = 0.1, high = 0.4 })
  local n = x:numel()
  local step = lib.arange(1, n, { dtype = "float64" }):reshape(shape)
  return x + (step * (i == 1 and 1 or 3)) % 4 + (i == 1 and 0 or 0.5)
end
binary("maximum", function(a, b) return a:maximum(b) end, { values = apart })
binary("minimum", function(a, b) return a:minimum(b) end, { values = apart })
binary("fmod", function(a, b) return a:fmod(b) end, {
  values = function(lib, i, shape, rng)
    local x = lib.rand(shape, { dtype = "float64", rng = rng, low = 0.1, high = 0.4 })
    return i == 1 and x + 2 or x + 0.6 + 0.4
  end,
})
binary("%", function(a, b) return -a % b end, {
  values = function(lib, i, shape, rng)
    local x = lib.rand(shape, { dtype = "float64", rng = rng, low = 0.1, high = 0.4 })
    return i == 1 and x or x + 0.6
  end,
})
binary("where", function(a, b)
  local both = a + b
  local mask = (nj.arange(1, both:numel()) % 2):reshape(both.shape)
  return nj.where(mask:to "uint8", a, b)
end)
binary("the same twice", function(a, b) return a * a + b * b - a * b end)

add("masked_fill", function(x)
  return x:masked_fill(nj.tensor({ true, false, true }), 7)
end, { shapes = { { 2, 3 } } })
add("where with a number", function(x) return nj.where(x:gt(0), x, -1) end, one)
add("dropout", function(x) return x:dropout(0.4, { rng = nj.rng(3) }) end, one)

return entries
