-- A small run that specs start as a program of its own, to kill it:
--   lua5.4 spec/train/run.lua FOLDER [MODE STEP]
-- MODE "kill" ends the process with SIGKILL in the middle of step STEP, "interrupt" sends it SIGINT
-- there, "slow" makes steps take a while. Prints "resumed N" and, at the end, the weights' bytes.
local nj = require "nightjar"

local folder, mode, at = arg[1], arg[2], tonumber(arg[3])

nj.seed(11)
local init, order, noise = nj.rng(1), nj.rng(2), nj.rng(3)
local w = nj.randn(6, { rng = init }):requires_grad_()
local b = nj.zeros(6):requires_grad_()
local seen = nj.zeros(6) -- a buffer, as batch normalisation keeps
local model = {
  parameters = function() return { { "w", w }, { "b", b } } end,
  buffers = function() return { { "seen", seen } } end,
}
local data = {}
for i = 1, 21 do data[i] = nj.randn(6, { rng = init }) end
local temperature = nj.loss.temperature()
local optimizer = nj.optim.adamw({ { params = model }, { params = temperature, lr = 1e-3 } },
  { lr = 0.05 })

-- Sends a signal to this process; os.execute would ignore SIGINT while it waits.
local function signal(name) io.popen(("kill -%s $PPID"):format(name)):close() end

local result = nj.train {
  model = model, parameters = temperature, optimizer = optimizer,
  schedule = nj.schedule.cosine { steps = 44, warmup = 5 },
  -- a shuffle that draws from a generator of the run
  batches = function()
    local shuffled, i = order:shuffle(table.move(data, 1, #data, 1, {})), 0
    return function()
      i = i + 1
      return shuffled[i]
    end
  end,
  step = function(x, info)
    local y = temperature:apply((x * w + b):tanh():dropout(0.3)) -- the default generator
    local target = x + nj.randn(6, { rng = noise }) * 0.1
    nj.no_grad(function() seen:mul_(0.9):add_(x) end)
    if info.step == at and mode == "kill" then signal "KILL" end
    if info.step == at and mode == "interrupt" then
      signal "INT"
      for _ = 1, 1e6 do end -- where Lua notices it
    end
    if mode == "slow" then
      local started = nj.system.clock()
      while nj.system.clock() - started < 0.004 do end
    end
    return (y * 0.1 - target):square():mean(), { size = x:abs():sum() }
  end,
  epochs = 4, accumulate = 2, clip_grad = 1,
  evaluate = function(info) return { error = (w - 1):square():sum():item() / info.epoch } end,
  metric = "error", mode = "min", keep_best = 2,
  checkpoint = folder, checkpoint_every = 3, resume = true, rngs = { order = order, noise = noise },
  log = folder .. "/log.jsonl",
}

if result.resumed_from then print("resumed " .. result.resumed_from) end
local state = optimizer:state_dict().tensors
local out = {}
for i, tensor in ipairs { w:detach(), b:detach(), seen, temperature.parameter:detach(),
  state["exp_avg.w"], state["exp_avg_sq.b"] } do
  out[i] = tensor:bytes():gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end
print("weights " .. table.concat(out, " "))
print(("random %d %d"):format(nj.default_rng():state().counter, noise:state().counter))
