-- Network operations.
local nj = require "nightjar"
local nn = nj.nn

local function matmul(a, b) return a:matmul(b) end

local function classes(...) return nj.tensor({ ... }, { dtype = "int64" }) end

-- Positive and not near zero, for probabilities.
local function positive(_, _, shape, rng)
  return nj.rand(shape, { dtype = "float64", rng = rng, low = 0.1, high = 1 })
end

local function like(x, value) return nj.full({ x.shape[2] }, value, { dtype = x.dtype }) end

local entries = {
  { "matmul matrices", matmul, shapes = { { 3, 4 }, { 4, 5 } } },
  { "matmul vectors", matmul, shapes = { { 4 }, { 4 } } },
  { "matmul vector x matrix", matmul, shapes = { { 4 }, { 4, 5 } } },
  { "matmul matrix x vector", matmul, shapes = { { 3, 4 }, { 4 } } },
  { "matmul batch x matrix", matmul, shapes = { { 2, 3, 4 }, { 4, 5 } } },
  { "matmul matrix x batch", matmul, shapes = { { 3, 4 }, { 2, 4, 5 } } },
  { "matmul batches", matmul, shapes = { { 2, 3, 4 }, { 2, 4, 2 } } },
  { "matmul broadcast batches", matmul, shapes = { { 2, 1, 3, 2 }, { 3, 2, 2 } } },
  { "matmul vector x batch", matmul, shapes = { { 3 }, { 2, 3, 2 } } },
  { "matmul batch x vector", matmul, shapes = { { 2, 2, 3 }, { 3 } } },
  { "matmul nothing to add", matmul, shapes = { { 2, 0 }, { 0, 3 } } },
  { "matmul no rows", matmul, shapes = { { 0, 2 }, { 2, 3 } } },
  { "matmul no batch", matmul, shapes = { { 0, 2, 3 }, { 3, 2 } } },

  { "linear", nn.linear, shapes = { { 2, 3, 4 }, { 5, 4 }, { 5 } } },
  { "linear without bias", function(x, w) return nn.linear(x, w) end, shapes = { { 4 }, { 5, 4 } } },
  { "linear, no rows", nn.linear, shapes = { { 0, 4 }, { 5, 4 }, { 5 } } },

  { "softmax", function(x) return x:softmax(2) end, shapes = { { 2, 3, 4 } } },
  { "softmax of the last", function(x) return x:softmax() end, shapes = { { 3, 5 } } },
  { "log_softmax", function(x) return x:log_softmax(1) end, shapes = { { 3, 4 } } },
  { "masked_softmax", function(x)
    return nn.masked_softmax(x, nj.tensor { { 1, 0, 1, 1 }, { 0, 0, 0, 0 }, { 1, 1, 1, 1 } }, 2)
  end, shapes = { { 3, 4 } } },
  { "masked_softmax of the first", function(x)
    return nn.masked_softmax(x, nj.tensor { { 1 }, { 0 }, { 1 } }, 2)
  end, shapes = { { 2, 3, 4 } } },
  { "masked_log_softmax", function(x)
    return nn.masked_log_softmax(x, nj.tensor { 1, 0, 1, 1 }, 2):exp()
  end, shapes = { { 3, 4 } } },
  { "sparsemax", function(x) return x:sparsemax(2) end, shapes = { { 2, 3, 4 } } },
  { "sparsemax of many that count", function(x) return x:sparsemax() end, shapes = { { 3, 9 } },
    low = -0.1, high = 0.1 },
  { "masked_sparsemax", function(x)
    return nn.masked_sparsemax(x, nj.tensor { { 1, 0, 1, 1 }, { 0, 0, 0, 0 }, { 1, 1, 1, 1 } }, 2)
  end, shapes = { { 3, 4 } }, low = -0.5, high = 0.5 },
  { "masked_sparsemax of the first", function(x)
    return nn.masked_sparsemax(x, nj.tensor { { 1 }, { 0 }, { 1 } }, 2)
  end, shapes = { { 2, 3, 4 } }, low = -0.4, high = 0.4 },
  { "normalize", function(x) return x:normalize(2) end, shapes = { { 3, 4 } } },
  { "normalize below eps", function(x) return x:normalize(2, { eps = 100 }) end,
    shapes = { { 3, 4 } } },

  { "layer_norm", nn.layer_norm, shapes = { { 2, 3, 5 }, { 5 }, { 5 } }, f32 = 1e-4 },
  { "layer_norm plain", function(x) return nn.layer_norm(x) end, shapes = { { 3, 4 } }, f32 = 1e-4 },

  { "batch_norm training", function(x, w, b)
    return nn.batch_norm(x, w, b, { training = true })
  end, shapes = { { 3, 2, 2, 3 }, { 2 }, { 2 } }, f32 = 1e-3, layouts = false },
  { "batch_norm training of channels-last", function(x, w, b)
    return nn.batch_norm(x:permute(1, 4, 2, 3), w, b, { training = true })
  end, shapes = { { 3, 2, 3, 2 }, { 2 }, { 2 } }, f32 = 1e-3, layouts = false },
  { "batch_norm by running statistics", function(x, w, b)
    return nn.batch_norm(x, w, b, { mean = like(x, 0.3), var = like(x, 2) })
  end, shapes = { { 3, 2, 4 }, { 2 }, { 2 } } },
  { "batch_norm and relu", function(x, w, b)
    return nn.batch_norm(x, w, b, { training = true, relu = true })
  end, shapes = { { 7, 3 }, { 3 }, { 3 } }, f32 = 1e-3, layouts = false },
  { "batch_norm of the last dimension", function(x)
    return nn.batch_norm(x, nil, nil, { training = true, dim = -1 })
  end, shapes = { { 4, 3 } }, f32 = 1e-3, layouts = false },

  { "avg_pool2d", function(x) return nn.avg_pool2d(x, 2) end, shapes = { { 2, 2, 5, 4 } } },
  { "avg_pool2d padded", function(x)
    return nn.avg_pool2d(x, { 3, 2 }, { stride = { 2, 1 }, padding = 1 })
  end, shapes = { { 1, 2, 5, 4 } } },
  { "avg_pool2d without padding's pixels", function(x)
    return nn.avg_pool2d(x, 3, { stride = 2, padding = 1, count_padding = false })
  end, shapes = { { 1, 2, 5, 4 } } },
  { "max_pool2d", function(x)
    return nn.max_pool2d(x, { 3, 2 }, { stride = { 2, 1 }, padding = 1 })
  end, shapes = { { 2, 2, 5, 4 } }, layouts = false },
  { "adaptive_avg_pool2d", function(x) return nn.adaptive_avg_pool2d(x, 3, 2) end,
    shapes = { { 1, 2, 5, 4 } } },
  { "adaptive_avg_pool2d larger than the image", function(x)
    return nn.adaptive_avg_pool2d(x, 3, 7)
  end, shapes = { { 1, 2, 2, 4 } } },
  { "resize nearest", function(x) return nn.resize(x, 3, 7, { mode = "nearest" }) end,
    shapes = { { 1, 2, 5, 4 } } },

  { "attention", function(q, k, v) return nn.attention(q, k, v) end,
    shapes = { { 2, 2, 3, 4 }, { 2, 2, 5, 4 }, { 2, 2, 5, 3 } } },
  { "attention, added mask", function(q, k, v, mask)
    return nn.attention(q, k, v, { mask = mask, scale = 0.7 })
  end, shapes = { { 2, 3, 4 }, { 2, 5, 4 }, { 2, 5, 3 }, { 3, 1 } } },
  { "attention, mask of its own for each", function(q, k, v, mask)
    return nn.attention(q, k, v, { mask = mask })
  end, shapes = { { 2, 3, 2 }, { 2, 4, 2 }, { 2, 4, 3 }, { 2, 3, 4 } } },
  { "attention, hidden keys and a blind query", function(q, k, v)
    local mask = nj.tensor({ { 1, 1, 0 }, { 0, 0, 0 }, { 0, 1, 1 } }, { dtype = "uint8" })
    return nn.attention(q, k, v, { mask = mask })
  end, shapes = { { 3, 4 }, { 3, 4 }, { 3, 2 } } },
  { "attention with dropout", function(q, k, v)
    return nn.attention(q, k, v, { dropout = 0.4, rng = nj.rng(3) })
  end, shapes = { { 2, 3, 4 }, { 2, 5, 4 }, { 2, 5, 3 } } },

  { "cross_entropy", function(x) return nn.cross_entropy(x, classes(1, 3, 5)) end,
    shapes = { { 3, 5 } } },
  { "cross_entropy, smoothed sum", function(x)
    return nn.cross_entropy(x, classes(1, 3, 5), { smoothing = 0.1, reduction = "sum" })
  end, shapes = { { 3, 5 } } },
  { "cross_entropy, ignored rows", function(x)
    return nn.cross_entropy(x, classes(1, 0, 5), { smoothing = 0.2, ignore = 0 })
  end, shapes = { { 3, 5 } } },
  { "cross_entropy of each", function(x)
    return nn.cross_entropy(x, nj.tensor({ { 1, 2 }, { 3, 1 } }, { dtype = "int64" }),
      { reduction = "none" })
  end, shapes = { { 2, 4, 2 } } },
  { "cross_entropy of one", function(x) return nn.cross_entropy(x, classes(2):reshape{}) end,
    shapes = { { 4 } } },
  { "cross_entropy of probabilities", function(x, p)
    return nn.cross_entropy(x, p, { smoothing = 0.1 })
  end, shapes = { { 3, 4, 2 }, { 3, 4, 2 } }, values = positive },
}

for _, mode in ipairs { "bilinear", "bicubic" } do
  for _, align in ipairs { true, false } do
    entries[#entries + 1] = { ("resize %s%s"):format(mode, align and ", corners aligned" or ""),
      function(x) return nn.resize(x, 3, 7, { mode = mode, align_corners = align }) end,
      shapes = { { 1, 2, 5, 4 } } }
  end
end

-- Convolutions: the special paths (1x1, depthwise, relu) and what a window can do.
for _, c in ipairs {
  { "3x3", { 2, 3, 4, 5 }, { 4, 3, 3, 3 }, { padding = 1 } },
  { "1x1", { 2, 3, 2, 3 }, { 4, 3, 1, 1 }, {} },
  { "strided", { 1, 2, 5, 6 }, { 3, 2, 3, 2 }, { stride = { 2, 3 }, padding = { 1, 0 } } },
  { "dilated", { 1, 2, 6, 5 }, { 2, 2, 2, 2 }, { dilation = { 3, 2 }, padding = 1 } },
  { "grouped", { 2, 4, 3, 4 }, { 6, 2, 2, 2 }, { groups = 2, padding = 1 } },
  { "depthwise", { 2, 3, 4, 4 }, { 3, 1, 3, 3 }, { groups = 3, padding = 1, stride = 2 } },
  { "depthwise with a multiplier", { 1, 2, 4, 3 }, { 4, 1, 2, 2 }, { groups = 2 } },
  { "padded beyond the kernel", { 1, 1, 2, 2 }, { 2, 1, 2, 2 }, { padding = { 3, 2 }, stride = 2 } },
  { "rows left over", { 1, 1, 6, 6 }, { 1, 1, 2, 2 }, { stride = 3 } },
  { "clamped", { 1, 2, 4, 4 }, { 3, 2, 3, 3 }, { padding = 1, relu = true } },
  { "of no images", { 0, 2, 4, 4 }, { 3, 2, 3, 3 }, { padding = 1 } },
} do
  local name, x, w, options = table.unpack(c)
  entries[#entries + 1] = { "conv2d " .. name, function(a, b, bias)
    return nn.conv2d(a, b, bias, options)
  end, shapes = { x, w, { w[1] } }, layouts = not options.relu or false }
  entries[#entries + 1] = { "conv2d " .. name .. ", no bias", function(a, b)
    return nn.conv2d(a, b, options)
  end, shapes = { x, w }, layouts = false }
end

return entries
