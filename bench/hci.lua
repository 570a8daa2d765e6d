-- Fine-grained similarity: every word against every frame, reduced to one number per text and clip,
-- beside OpenBLAS doing nothing but the multiplications, and PyTorch. `--full` adds an evaluation of
-- Clotho's size (5225 texts, 1045 clips), for which --rounds=3 is enough.
local torch = dofile "bench/peers/torch.lua"

local WORDS, FRAMES = 20, 32

return function(case, nj, reference, full)
  local threads = nj.threads()
  local rng = nj.rng(1)

  -- A function that calls f on `count` threads of the pool.
  local function on(count, f)
    return function()
      nj.threads(count)
      f()
      nj.threads(threads)
    end
  end

  local function times(count, f)
    return function()
      for _ = 1, count do f() end
    end
  end

  local function tokens(items, places, width, grad)
    return nj.randn({ items, places, width }, { rng = rng, grad = grad })
  end

  -- What one call needs beside its inputs.
  local function memory(f)
    return function()
      collectgarbage()
      collectgarbage()
      nj.memory { reset_peak = true }
      local before = nj.memory().live
      f()
      local m = nj.memory()
      return ("memory of nightjar: %.1f MiB at its highest, %.1f MiB before the call")
        :format(m.peak / 2 ^ 20, before / 2 ^ 20)
    end
  end

  -- OpenBLAS works in `pieces` products, since the whole result would not fit.
  local function evaluation(texts, clips, width, pieces, with_torch)
    local t, c, flop
    local function run()
      t = t or tokens(texts, WORDS, width)
      c = c or tokens(clips, FRAMES, width)
      return nj.hci.interact(t, c)
    end
    local rows, columns = texts * WORDS // pieces, clips * FRAMES
    flop = 2 * rows * pieces * columns * width
    local name = ("interact %d x %d words with %d x %d frames of %d"):format(texts, WORDS, clips,
      FRAMES, width)
    for _, count in ipairs(threads > 1 and { threads, 1 } or { 1 }) do
      local peer = with_torch and torch(count, ("(lambda t, c: lambda: [interact(x, c) for x in "
        .. "t.split(64)])(randn(%d, %d, %d), randn(%d, %d, %d))"):format(texts, WORDS, width, clips,
        FRAMES, width))
      case(name .. (count == 1 and ", 1 thread" or ""), {
        { "nightjar", on(count, run) },
        { "OpenBLAS, products alone", times(pieces, reference.gemm(rows, columns, width, count)) },
        peer and { "torch, 64 texts at a time", peer } or nil,
        work = flop, unit = "GFLOP/s", note = memory(run),
      })
    end
  end

  evaluation(512, 256, 512, 4, true)
  if full then evaluation(5225, 1045, 512, 209) end

  local t, c = tokens(64, WORDS, 256, true), tokens(64, FRAMES, 256, true)
  local function step(options)
    return function()
      t:zero_grad()
      c:zero_grad()
      nj.hci.interact(t, c, options):sum():backward()
    end
  end
  local peer = torch(threads, ("train(interact, randn(64, %d, 256), randn(64, %d, 256))")
    :format(WORDS, FRAMES))
  case("interact 64 x 20 words with 64 x 32 frames of 256, forward + backward", {
    { "nightjar", step() },
    { "nightjar, kind attention", step { kind = "attention" } },
    peer and { "torch", peer } or nil,
    work = 64 * 64, unit = "pairs/s", note = memory(step()),
  })
end
