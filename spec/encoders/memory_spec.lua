-- Audio encoders when memory runs out: made, run with and without recording, and backward.
local nj = require "nightjar"
local fail_after = require("nightjar.core")._fail_after

local function live()
  collectgarbage()
  collectgarbage()
  return nj.memory().live
end

local small = {
  mobilenet = { kind = "mobilenet", width = 0.1, mels = 16, classes = 2 },
  resnet = { kind = "resnet", width = 1, channels = 2, blocks = { 1, 1, 1, 1 }, mels = 32,
    classes = 2, bottleneck = true },
  htsat = { kind = "htsat", width = 2, heads = { 1, 1, 1, 1 }, depths = { 2, 1, 1, 1 }, window = 4,
    mels = 16, side = 32, patch = 1, classes = 2 },
  ["htsat with frames of values"] = { kind = "htsat", width = 2, heads = { 1, 1, 1, 1 },
    depths = { 1, 1, 1, 1 }, window = 4, mels = 16, side = 32, patch = 1, classes = 2, frames = "values" },
  convnet = { kind = "convnet", channels = { 2, 3 }, mels = 16, classes = 2 },
  ["convnet with neighbours"] = { kind = "convnet", channels = { 2 }, mels = 16, classes = 2,
    frames = "neighbours" },
}

local function run(options, mel, lengths)
  local net = nj.encoders[options.kind](options)
  nj.no_grad(function()
    local _, clip, _, hidden = net(mel, nil, { hidden = true })
    net:logits(options.kind == "htsat" and hidden[#hidden] or clip)
  end)
  net:train()
  local _, clip = net(mel, lengths)
  clip:sum():backward()
end

describe("audio encoders", function()
  for name, options in pairs(small) do
    it("give memory back, and survive failing requests for it: " .. name, function()
      local mel = nj.randn({ 2, 40, options.mels }, { rng = nj.rng(1) })
      local lengths = nj.tensor({ 40, 17 }, { dtype = "int64" })
      run(options, mel, lengths)
      local before = live()
      run(options, mel, lengths)
      assert.equal(before, live())
      local failures, n = 0, 0
      repeat
        fail_after(n)
        local ok, text = pcall(run, options, mel, lengths)
        fail_after(-1)
        if not ok then
          assert.matches("out of memory", text)
          -- Every request of the making, then ever fewer of the passes.
          failures, n = failures + 1, n + 1 + n // 24
        end
      until ok
      assert(failures > 30, failures)
      assert.equal(before, live())
    end)
  end
end)
