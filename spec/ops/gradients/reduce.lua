local nj = require "nightjar"

local entries = {}

local function add(name, f, options)
  local entry = { name, f }
  for key, value in pairs(options) do
    entry[key] = value
  end
  entries[#entries + 1] = entry
end

-- Every choice of dimensions of a (2, 3, 2) tensor, with and without keepdim.
local choices = { false, 1, 2, 3, -1, { 1, 2 }, { 1, 3 }, { 3, 2 }, { 1, 2, 3 } }

local function text(dims)
  return type(dims) == "table" and "{" .. table.concat(dims, ", ") .. "}" or tostring(dims)
end

local function reduction(name, f, options)
  for _, dims in ipairs(choices) do
    for _, keepdim in ipairs { false, true } do
      local case = { shapes = { { 2, 3, 2 } } }
      for key, value in pairs(options or {}) do
        case[key] = value
      end
      add(("%s over %s%s"):format(name, text(dims), keepdim and ", keepdim" or ""), function(x)
        return f(x, dims or nil, { keepdim = keepdim })
      end, case)
    end
  end
  local shapes = options and options.shapes_1 or { {}, { 1 }, { 1, 1 } }
  for _, shape in ipairs(shapes) do
    local case = { shapes = { shape } }
    for key, value in pairs(options or {}) do
      case[key] = value
    end
    add(name .. " of one element", function(x) return f(x, nil, {}) end, case)
  end
end

-- Distinct values: the largest stays the largest.
local function distinct(lib, _, shape, rng)
  local n = 1
  for _, size in ipairs(shape) do
    n = n * size
  end
  local order = lib.randperm(n, { rng = rng }):to "float64"
  return ((order - n / 2) * 0.37 + 0.11):reshape(shape)
end

reduction("sum", function(x, d, o) return x:sum(d, o) end)
reduction("mean", function(x, d, o) return x:mean(d, o) end)
reduction("prod", function(x, d, o) return x:prod(d, o) end)
reduction("logsumexp", function(x, d, o) return x:logsumexp(d, o) end)
reduction("var", function(x, d, o)
  return x:var(d, { keepdim = o.keepdim, unbiased = false })
end)
reduction("unbiased var", function(x, d, o) return x:var(d, o) end, { shapes_1 = { } })
reduction("std", function(x, d, o) return x:std(d, o) end,
  { shapes_1 = { }, values = distinct, layouts = false })
reduction("norm", function(x, d, o) return x:norm(d, o) end, { low = 0.3, high = 2 })
reduction("norm 1", function(x, d, o) return x:norm(d, { p = 1, keepdim = o.keepdim }) end,
  { low = 0.3, high = 2 })
reduction("norm 3", function(x, d, o) return x:norm(d, { p = 3, keepdim = o.keepdim }) end,
  { low = 0.3, high = 2 })
reduction("norm inf", function(x, d, o)
  return x:norm(d, { p = math.huge, keepdim = o.keepdim })
end, { values = distinct, layouts = false })
reduction("max", function(x, d, o) return (x:max(d, o)) end, { values = distinct, layouts = false })
reduction("min", function(x, d, o) return (x:min(d, o)) end, { values = distinct, layouts = false })

-- Layouts that keep values distinct.
for _, name in ipairs { "max", "min" } do
  for dim = 1, 3 do
    add(("%s of a transposed tensor along %d"):format(name, dim), function(x)
      return (x:transpose(1, 3)[name](x:transpose(1, 3), dim))
    end, { shapes = { { 2, 3, 4 } }, values = distinct, layouts = false })
  end
end

for dim = 1, 3 do
  local shapes = { { 2, 4, 3 } }
  add("cumsum along " .. dim, function(x) return x:cumsum(dim) end, { shapes = shapes })
  add("cumprod along " .. dim, function(x) return x:cumprod(dim) end, { shapes = shapes })
  add("sort along " .. dim, function(x) return (x:sort(dim)) end,
    { shapes = shapes, values = distinct, layouts = false })
  add("sort downwards along " .. dim, function(x)
    return (x:permute(3, 1, 2):sort(dim, { descending = true }))
  end, { shapes = shapes, values = distinct, layouts = false })
  add("topk along " .. dim, function(x) return (x:topk(2, dim)) end,
    { shapes = shapes, values = distinct, layouts = false })
  add("smallest along " .. dim, function(x) return (x:topk(1, dim, { largest = false })) end,
    { shapes = shapes, values = distinct, layouts = false })
end
add("topk of many", function(x) return (x:topk(3)) end,
  { shapes = { { 2, 40 } }, values = distinct, layouts = false })
add("cumsum of a scalar", function(x) return x:cumsum(1) end, { shapes = { {} } })
add("cumsum of nothing", function(x) return x:cumsum(1) end, { shapes = { { 0, 2 } } })
add("cumprod of nothing", function(x) return x:cumprod(2) end, { shapes = { { 2, 0 } } })

-- Zeros, where dividing by the elements would not do.
local function with_zeros(zeros)
  return function(lib, _, shape, rng)
    local x = lib.rand(shape, { dtype = "float64", rng = rng, low = 0.5, high = 2 })
    for _, j in ipairs(zeros) do
      x[{ 1, j }] = 0
    end
    return x
  end
end
for _, zeros in ipairs { { 2 }, { 1, 3 }, { 1, 2, 3, 4 } } do
  local options = { shapes = { { 2, 4 } }, values = with_zeros(zeros), layouts = false }
  add("prod with zeros", function(x) return x:prod(2) end, options)
  add("cumprod with zeros", function(x) return x:cumprod(2) end, options)
end

-- Several steps of reduction: long rows and columns are cut into chunks.
add("sum of a long row", function(x) return x:expand(3, 70000):sum(2) end,
  { shapes = { { 3, 1 } }, layouts = false, eps = 1e-4 })
add("sum of long columns", function(x) return x:expand(3000, 2):sum(1) end,
  { shapes = { { 1, 2 } }, layouts = false, eps = 1e-4 })
add("sums of empty tensors", function(x) return { x:sum(), x:sum(1), x:sum(2), x:prod(2) } end,
  { shapes = { { 3, 0 } } })

-- Composed as losses are: broadcast, reduce, reduce again.
add("softmax by hand", function(x)
  local e = (x - nj.no_grad(function() return (x:max(2, { keepdim = true })) end)):exp()
  return e / e:sum(2, { keepdim = true })
end, { shapes = { { 3, 4 } } })

return entries
