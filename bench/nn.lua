-- Network operations: products beside OpenBLAS, convolutions and rows beside C loops, all beside
-- PyTorch where Python has it. "forward + backward" makes every gradient.
local torch = dofile "bench/peers/torch.lua"

return function(case, nj, reference)
  local nn = nj.nn
  local threads = nj.threads()
  local rng = nj.rng(1)

  local function random(...) return nj.randn({ ... }, { rng = rng }) end
  local function leaf(...) return nj.randn({ ... }, { rng = rng, grad = true }) end

  -- Contenders without the absent ones.
  local function contenders(list)
    local kept = { work = list.work, unit = list.unit }
    for _, contender in ipairs(list) do
      if contender[2] then kept[#kept + 1] = contender end
    end
    return kept
  end

  local function train(f, ...)
    local leaves = { ... }
    return function()
      for _, x in ipairs(leaves) do x:zero_grad() end
      f(table.unpack(leaves)):sum():backward()
    end
  end

  -- ---- products ----

  for _, s in ipairs { { 1024, 1024, 1024 }, { 512, 768, 768 }, { 30, 3072, 768 }, { 1, 768, 768 },
    { 4096, 64, 64 } } do
    local m, n, k = table.unpack(s)
    local a, b = random(m, k), random(k, n)
    case(("matmul %d x %d x %d"):format(m, n, k), contenders {
      { "nightjar", function() return a:matmul(b) end },
      { "OpenBLAS, " .. threads .. " threads", reference.gemm(m, n, k, threads) },
      { "OpenBLAS, 1 thread", reference.gemm(m, n, k, 1) },
      { "torch", torch(threads, ("(lambda a, b: lambda: a @ b)(randn(%d, %d), randn(%d, %d))")
        :format(m, k, k, n)) },
      work = 2 * m * n * k, unit = "GFLOP/s",
    })
  end
  do
    local x, w, b = random(512, 768), random(768, 768), random(768)
    case("linear 512 x 768 to 768", contenders {
      { "nightjar, packed weight", function() return nn.linear(x, w, b) end },
      { "OpenBLAS, " .. threads .. " threads", reference.gemm(512, 768, 768, threads) },
      { "torch", torch(threads, "(lambda x, w, b: lambda: F.linear(x, w, b))(randn(512, 768), "
        .. "randn(768, 768), randn(768))") },
      work = 2 * 512 * 768 * 768, unit = "GFLOP/s",
    })
    local q, k = random(2000, 32, 64), random(2000, 64, 20)
    case("matmul 2000 of 32 x 20 x 64", contenders {
      { "nightjar", function() return q:matmul(k) end },
      { "torch", torch(threads, "(lambda a, b: lambda: a @ b)(randn(2000, 32, 64), "
        .. "randn(2000, 64, 20))") },
      work = 2 * 2000 * 32 * 20 * 64, unit = "GFLOP/s",
    })
  end

  -- ---- convolutions: the layers of the small model, 8 clips of 501 frames ----

  local B = 8
  local function channels_last(b, c, h, w) return random(b, h, w, c):permute(1, 4, 2, 3) end

  for _, s in ipairs { { 1, 16, 501, 64 }, { 16, 16, 501, 64 }, { 32, 32, 250, 32 }, { 64, 64, 125, 16 },
    { 256, 256, 31, 4 } } do
    local ci, co, h, w = table.unpack(s)
    local flop = 2 * 9 * B * h * w * ci * co
    local name = ("conv2d 3x3, %d to %d channels of %d x %d"):format(ci, co, h, w)
    local x, weight = channels_last(B, ci, h, w), random(co, ci, 3, 3)
    local peer = ("(last(randn(%d, %d, %d, %d)), last(randn(%d, %d, 3, 3)))"):format(B, ci, h, w, co, ci)
    local options = { padding = 1 }
    case(name, contenders {
      { "nightjar", function() return nn.conv2d(x, weight, options) end },
      { "C loops", reference.conv2d(B, ci, h, w, co, 3, 1, 1, 1) },
      { "torch, channels last", torch(threads, "(lambda x, w: lambda: F.conv2d(x, w, padding=1))"
        .. peer) },
      work = flop, unit = "GFLOP/s",
    })
    local leaf_x, leaf_w = channels_last(B, ci, h, w):requires_grad_(true), leaf(co, ci, 3, 3)
    case(name .. ", forward + backward", contenders {
      { "nightjar", train(function(a, b) return nn.conv2d(a, b, options) end, leaf_x, leaf_w) },
      { "torch, channels last", torch(threads, "train(lambda x, w: F.conv2d(x, w, padding=1), *"
        .. peer .. ")") },
      work = 3 * flop, unit = "GFLOP/s",
    })
  end
  do
    local x, w = channels_last(B, 128, 62, 16), random(128, 1, 3, 3)
    case("conv2d 3x3 depthwise, 128 channels of 62 x 16", contenders {
      { "nightjar", function() return nn.conv2d(x, w, { padding = 1, groups = 128 }) end },
      { "C loops", reference.conv2d(B, 128, 62, 16, 128, 3, 1, 1, 128) },
      { "torch, channels last", torch(threads, "(lambda x, w: lambda: F.conv2d(x, w, padding=1, "
        .. "groups=128))(last(randn(8, 128, 62, 16)), last(randn(128, 1, 3, 3)))") },
      work = 2 * 9 * B * 62 * 16 * 128, unit = "GFLOP/s",
    })
  end

  -- ---- rows and channels ----

  do
    local x, w, b = random(4096, 512), random(512), random(512)
    case("softmax (4096, 512)", contenders {
      { "nightjar", function() return x:softmax(2) end },
      { "C loop", reference.softmax(4096, 512) },
      { "torch", torch(threads, "(lambda x: lambda: x.softmax(1))(randn(4096, 512))") },
      work = 4096 * 512, unit = "Melem/s",
    })
    case("layer_norm (4096, 512)", contenders {
      { "nightjar", function() return nn.layer_norm(x, w, b) end },
      { "C loop", reference.layer_norm(4096, 512) },
      { "torch", torch(threads, "(lambda x, w, b: lambda: F.layer_norm(x, (512,), w, b))("
        .. "randn(4096, 512), randn(512), randn(512))") },
      work = 4096 * 512, unit = "Melem/s",
    })
    local image, scale, shift = channels_last(B, 32, 250, 32):requires_grad_(true), leaf(32), leaf(32)
    case("batch_norm + relu, 32 channels of 250 x 32, forward + backward", contenders {
      { "nightjar", train(function(a, s, t)
        return nn.batch_norm(a, s, t, { training = true, relu = true })
      end, image, scale, shift) },
      { "torch, channels last", torch(threads, "train(lambda x, w, b: F.relu(F.batch_norm(x, None, "
        .. "None, w, b, True)), last(randn(8, 32, 250, 32)), randn(32), randn(32))") },
      work = B * 32 * 250 * 32, unit = "Melem/s",
    })
  end

  do
    local q, k, v = random(8, 8, 120, 64), random(8, 8, 120, 64), random(8, 8, 120, 64)
    case("attention, 8 x 8 heads, 120 queries and keys of 64", contenders {
      { "nightjar", function() return nn.attention(q, k, v) end },
      { "torch", torch(threads, "(lambda q, k, v: lambda: (q @ k.transpose(-1, -2) / 8).softmax(-1) "
        .. "@ v)(randn(8, 8, 120, 64), randn(8, 8, 120, 64), randn(8, 8, 120, 64))") },
      work = 4 * 64 * 120 * 120 * 64, unit = "GFLOP/s",
    })
  end

  -- ---- the small model's trunk ----

  local widths, layers, into = { 16, 32, 64, 128, 256 }, {}, 1
  for i, out in ipairs(widths) do
    for k, from in ipairs { into, out } do
      layers[#layers + 1] = { w = leaf(out, from, 3, 3), scale = leaf(out), shift = leaf(out),
        mean = nj.zeros(out), var = nj.ones(out), last = k == 2 and i or nil }
    end
    into = out
  end
  local clips = random(B, 1, 501, 64)
  local function trunk_step()
    local x = clips
    for _, l in ipairs(layers) do
      l.w:zero_grad()
      l.scale:zero_grad()
      l.shift:zero_grad()
      x = nn.conv2d(x, l.w, { padding = 1 })
      x = nn.batch_norm(x, l.scale, l.shift, { training = true, mean = l.mean, var = l.var,
        relu = true })
      if l.last then x = nn.avg_pool2d(x, 2) end
    end
    x:square():mean():backward()
  end
  case("ConvBlocks 16 32 64 128 256, 8 clips of 501 x 64, forward + backward", contenders {
    { "nightjar", trunk_step },
    { "torch, channels last", torch(threads, "block_step((16, 32, 64, 128, 256), "
      .. "last(randn(8, 1, 501, 64)))") },
    work = 8, unit = "clips/s",
  })
end
