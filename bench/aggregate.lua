-- From frames to segments and from captions to frames: one training step of each kind, beside PyTorch
-- where it has the same thing.
local torch = dofile "bench/peers/torch.lua"
local temporary = dofile "bench/peers/temporary.lua"

local CLIPS, FRAMES, WIDTH, SEGMENTS, CAPTIONS = 64, 32, 128, 8, 5

return function(case, nj)
  local threads = nj.threads()
  local rng = nj.rng(1)
  local x = nj.randn({ CLIPS, FRAMES, WIDTH }, { rng = rng, grad = true })
  local captions = nj.randn({ CLIPS, CAPTIONS, WIDTH }, { rng = rng })
  local mask = nj.ones(CLIPS, FRAMES)
  mask[{ { 1, CLIPS // 2 }, { FRAMES * 3 // 4 + 1, FRAMES } }] = nj.zeros(CLIPS // 2, FRAMES // 4)

  local function step(net, f)
    return function()
      x:zero_grad()
      for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
      f(net):sum():backward()
    end
  end

  local about = ("%d x %d frames of %d"):format(CLIPS, FRAMES, WIDTH)
  local function on(count, f)
    return function()
      nj.threads(count)
      f()
      nj.threads(threads)
    end
  end

  -- What PyTorch needs to do the same as a network of density peaks, and what came of it here.
  local function density_peaks_file(net)
    local path = temporary "density_peaks.safetensors"
    local tensors = { x = x:detach(), mask = mask }
    x:zero_grad()
    for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
    local tokens, _, share = net(x, mask)
    tokens:square():sum():backward()
    tensors.tokens = tokens:detach()
    -- The place of the one share that is not 0, from 0; -1 behind a clip's end.
    local places = nj.arange(1, SEGMENTS, { dtype = "float32" })
    tensors.clusters = (share:detach():matmul(places:reshape(-1, 1)):reshape(CLIPS, FRAMES) - 1):to "int64"
    tensors["grad.x"] = x.grad
    for _, p in ipairs(net:parameters()) do
      tensors["weight." .. p.name], tensors["grad." .. p.name] = p.tensor:detach(), p.tensor.grad
    end
    assert(nj.store.save(path, tensors))
    return path
  end

  -- PyTorch's part of a kind, where it has one, and a note on how near its results are.
  local function peer_of(kind, net, count)
    if kind == "cluster" then
      return torch(count, ("cluster_step(%d, %d, randn(%d, %d, %d))"):format(WIDTH, SEGMENTS, CLIPS,
        FRAMES, WIDTH))
    elseif kind == "dpc" and torch(1, "") then
      local run, path
      return function()
        path = path or density_peaks_file(net)
        run = run or torch(count, ("density_peaks_step('%s', %d)"):format(path, SEGMENTS))
        return run()
      end, function() return (assert(io.open(path .. ".txt")):read "a") end
    end
  end

  for _, kind in ipairs { "cluster", "attention", "dpc", "window" } do
    local net = nj.hci.aggregator { kind = kind, width = WIDTH, tokens = SEGMENTS, heads = 4,
      rng = rng }
    local run = step(net, function(n) return (n(x, mask)) end)
    for _, count in ipairs(threads > 1 and { threads, 1 } or { 1 }) do
      local peer, note = peer_of(kind, net, count)
      case(("%s: %s into %d, forward + backward%s"):format(kind, about, SEGMENTS,
        count == 1 and ", 1 thread" or ""), {
        { "nightjar", on(count, run) },
        peer and { "torch", peer } or nil,
        work = CLIPS, unit = "clips/s", note = note,
      })
    end
  end

  for _, layers in ipairs { 0, 2 } do
    local net = nj.ac.interaction { width = WIDTH, heads = 4, layers = layers, rng = rng }
    case(("interaction of %d layers: %s with %d captions, forward + backward"):format(layers, about,
      CAPTIONS), {
      { "nightjar", step(net, function(n) return n(x, mask, captions) end) },
      work = CLIPS, unit = "clips/s",
    })
  end
end
