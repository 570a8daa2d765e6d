-- Whole encoders from the log-mel of 10 s of sound, or from 8 captions of 20 tokens, on one thread, and
-- reading weights, beside PyTorch and ONNX Runtime where Python has them. All sides compute with the
-- same weights, and each compares its result with nightjar's before it is timed.
local torch, has = dofile "bench/peers/torch.lua"
local temporary = dofile "bench/peers/temporary.lua"

local MELS = { cnn14 = 64, ["htsat-tiny"] = 64, mn04 = 128 }

return function(case, nj)
  local threads = nj.threads()

  -- Networks and files are made when their case is wanted, and once.
  local function lazily(make)
    local made
    return function()
      made = made or make()
      return made
    end
  end

  local function alone(f)
    return function()
      nj.threads(1)
      f()
      nj.threads(threads)
    end
  end

  local function forward(name)
    local rng = nj.rng(1)
    local options = name ~= "bert-base" and { classes = 0 } or nil
    local net = nj.encoders.from(name, { encoder = options, rng = rng })
    local input = MELS[name] and nj.randn({ 1, 1001, MELS[name] }, { rng = rng })
      or nj.randint(5, 30000, { 8, 20 }, { rng = rng })
    local function run()
      local first, second = net(input)
      return MELS[name] and second or first -- the clip, or words
    end
    return { net = net, input = input, run = function() return nj.no_grad(run) end }
  end

  local function saved(name, of)
    local path = temporary(name .. ".safetensors")
    local tensors = of.net:state()
    tensors.input, tensors.output = of.input, of.run()
    assert(nj.store.save(path, tensors))
    return path
  end

  -- What PyTorch's process does with the expression that `make` gives when it is first timed.
  local function peer(make)
    if not torch(1, "") then return nil end
    local run
    return function()
      run = run or torch(1, make())
      return run()
    end
  end

  local function against(name, run, others, note)
    local contenders = { { "nightjar", alone(run) }, note = note }
    for _, other in ipairs(others) do
      if other[2] then contenders[#contenders + 1] = other end
    end
    case(name, contenders)
  end

  for _, name in ipairs { "cnn14", "htsat-tiny", "mn04", "bert-base" } do
    local of = lazily(function() return forward(name) end)
    local file = lazily(function() return saved(name, of()) end)
    local function expression(f)
      return function() return ("%s('%s', '%s')"):format(f, name, file()) end
    end
    against(("%s, %s, 1 thread"):format(name, MELS[name] and "a clip of 10 s from its log-mel"
      or "8 captions of 20 tokens"), function() of().run() end, {
      { "PyTorch", peer(expression "encoder") },
      { "ONNX Runtime", has "onnxruntime" and peer(expression "onnx_encoder") },
    })
  end

  -- ---- weights: from files, and drawn ----

  local plain = lazily(function()
    local path = temporary "cnn14-weights.safetensors"
    local net = nj.encoders.from("cnn14", { rng = nj.rng(1), encoder = { classes = 0 } })
    assert(nj.store.save(path, net:state()))
    return path
  end)
  -- Written by PyTorch where it is there.
  local file = lazily(function()
    local path = temporary "cnn14.pth"
    local write = peer(function() return ("write('%s', '%s')"):format(plain(), path) end)
    if not write then return plain() end
    write()
    return path
  end)
  local function load(name)
    return peer(function() return ("load('%s', %s)"):format(file(), name) end)
  end
  against("open CNN14's file of 302 MB, checksums compared", function()
    assert(nj.store.load(file()))
  end, { { "PyTorch, none compared", load "None" } })

  local function network()
    return assert(nj.encoders.from("cnn14", { checkpoint = file(), encoder = { classes = 0 } }))
  end
  against("CNN14 made with the weights of that file", network, { { "PyTorch", load "'cnn14'" } },
    function()
      collectgarbage()
      nj.memory { reset_peak = true }
      local before, net = nj.memory().live, network()
      return ("memory of nightjar: %.0f MiB while loading, %.0f MiB of weights"):format(
        (nj.memory().peak - before) / 2 ^ 20, net:size() * 4 / 2 ^ 20)
    end)

  local function fresh() return nj.encoders.from("bert-base", { rng = nj.rng(1) }) end
  against("BERT-base with weights drawn anew, 1 thread", fresh,
    { { "PyTorch", peer(function() return "lambda: kinds['bert-base']()" end) } })
end
