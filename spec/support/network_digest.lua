-- Runs every network operation, forward and backward, on fixed inputs, and prints a line for each: its
-- name, the bytes of its results as a hash, and numbers to compare roughly. Specs run it under other
-- thread counts (the bytes must not change) and instruction sets (the numbers must hardly change).
local nj = require "nightjar"
local nn = nj.nn

local rng = nj.rng(77)
local function random(...) return nj.randn({ ... }, { rng = rng }) end

-- FNV-1a over words of 64 bits.
local function hash(text)
  local h, whole = 0xcbf29ce484222325, #text - #text % 8
  for i = 1, whole, 8 do h = (h ~ string.unpack("<i8", text, i)) * 0x100000001b3 end
  for i = whole + 1, #text do h = (h ~ text:byte(i)) * 0x100000001b3 end
  return ("%016x"):format(h)
end

local function report(name, f, ...)
  local leaves = { ... }
  for _, leaf in ipairs(leaves) do leaf:requires_grad_(true) end
  local y = f(table.unpack(leaves))
  local g = nj.randn(y.shape, { rng = nj.rng(5) })
  y:backward(g)
  local bytes, sizes = y:detach():contiguous():bytes(), { y:detach():square():mean():item() }
  for _, leaf in ipairs(leaves) do
    bytes = bytes .. leaf.grad:contiguous():bytes()
    sizes[#sizes + 1] = leaf.grad:square():mean():item()
  end
  for i, v in ipairs(sizes) do sizes[i] = ("%.7g"):format(v) end
  print(name, hash(bytes), table.concat(sizes, " "))
end

report("matmul", function(a, b) return a:matmul(b) end, random(9, 70, 40), random(9, 40, 90))
report("matmul2", function(a, b) return a:matmul(b) end, random(230, 1100), random(1100, 70))
report("linear", nn.linear, random(300, 70), random(520, 70), random(520))
report("softmax", function(x) return x:softmax(2) end, random(300, 50, 7))
report("log_softmax", function(x) return x:log_softmax(2) end, random(900, 60))
report("normalize", function(x) return x:normalize(2) end, random(900, 60))
report("layer_norm", nn.layer_norm, random(700, 80), random(80), random(80))
report("batch_norm", function(x, w, b) return nn.batch_norm(x, w, b, { training = true, relu = true }) end,
  random(5, 20, 50, 40), random(20), random(20))
report("conv3x3", function(x, w, b) return nn.conv2d(x, w, b, { padding = 1 }) end,
  random(5, 20, 50, 12), random(70, 20, 3, 3), random(70))
report("conv3x3 small", function(x, w) return nn.conv2d(x, w, { padding = 1, relu = true }) end,
  random(1, 130, 6, 4), random(150, 130, 3, 3))
report("conv1x1", nn.conv2d, random(3, 20, 30, 12), random(70, 20, 1, 1), random(70))
report("conv strided", function(x, w) return nn.conv2d(x, w, { stride = 2, groups = 2 }) end,
  random(3, 20, 30, 12), random(30, 10, 5, 3))
report("depthwise", function(x, w) return nn.conv2d(x, w, { groups = 37, padding = 1 }) end,
  random(3, 37, 40, 12), random(37, 1, 3, 3))
report("avg_pool2d", function(x) return nn.avg_pool2d(x, 2) end, random(4, 20, 51, 40))
report("max_pool2d", function(x) return nn.max_pool2d(x, 3, { stride = 2 }) end, random(4, 20, 51, 40))
report("resize", function(x) return nn.resize(x, 70, 33, { mode = "bicubic" }) end, random(2, 5, 51, 40))
report("attention", function(q, k, v) return nn.attention(q, k, v, { dropout = 0.1, rng = nj.rng(1) }) end,
  random(3, 4, 150, 24), random(3, 4, 90, 24), random(3, 4, 90, 24))
report("cross_entropy", function(x)
  return nn.cross_entropy(x, nj.randint(1, 30, { 2000 }, { rng = nj.rng(2) }), { smoothing = 0.1 })
end, random(2000, 30))
