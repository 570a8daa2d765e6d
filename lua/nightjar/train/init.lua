--- Training. One function that takes a table:
---
---     local result = nj.train {
---       model = model, optimizer = nj.optim.adam(model, { lr = 1e-4 }),
---       batches = loader, epochs = 10,
---       step = function(batch)
---         return nj.loss.nt_xent(model:similarity(batch), { ids = batch.ids })
---       end,
---       schedule = nj.schedule.cosine { steps = 10000, warmup = 500 },
---       clip_grad = 2, evaluate = function() return metrics end, metric = "text_to_audio.R@1",
---       keep_best = 3, checkpoint = "runs/first", resume = true, log = "runs/first/log.jsonl",
---       progress = true,
---     }
local checkpoint = require "nightjar.train.checkpoint"
local opts = require "nightjar.opts"
local parameters = require "nightjar.optim.parameters"
local run = require "nightjar.train.run"

local train = {}

--- Trains. Raises on misuse, on a loss or gradient norm that is not finite (naming the step; the
--- last checkpoint stays as it is), and passes on whatever `step` and `evaluate` raise, Ctrl-C's
--- "interrupted!" too.
---
--- Options:
---   step             function (batch, info) → loss tensor, and optionally a table of named numbers
---                    for the log; info = { epoch, batch, step }
---   batches          a list, a function (epoch) giving an iterator, or a loader; see
---                    nightjar.train.batches
---   optimizer        of nj.optim
---   epochs           how many, and / or
---   max_steps        how many updates
---   model            with a method parameters, and optionally buffers and train(on): it is
---                    switched to training and, for `evaluate` and at the end, to evaluation
---   parameters       more of what checkpoints must hold: a learnable temperature, say
---   schedule         of nj.schedule
---   accumulate       batches whose gradients are averaged for one update; default 1
---   clip_grad        a norm, { norm = } or { value = }
---   evaluate         function ({ epoch, step }) → a table of numbers (may nest), or a number
---                    (named "value"); called without recording gradients
---   evaluate_every   epochs; default 1
---   metric           which of them best checkpoints, early stopping and a plateau schedule go by:
---                    "text_to_audio.R@1", or a function of the table. Default: the epoch's mean
---                    loss, when there is no `evaluate`
---   mode             "max" or "min"; default "min" for the loss, else "max"
---   keep_best        number of best checkpoints kept; default 0
---   early_stop       { patience = evaluations without improvement that are borne, min_delta = 0 }
---   checkpoint       folder; last.safetensors there is written after each epoch
---   checkpoint_every also after so many updates
---   resume           go on from last.safetensors, if there is one; the run then ends with the same
---                    weights, bit for bit, as if it had never stopped. Default false
---   overwrite        begin anew although the folder holds a run; default false
---   rngs             generators, by name, that `step` and `batches` draw from, for checkpoints;
---                    the default generator is kept without asking
---   log              path of a JSONL file; log_every updates (default 1)
---   progress         true: a bar on a terminal's stderr, plain lines elsewhere; function(done, total) of
---                    steps; default false
---   metadata         strings by name, stored in the checkpoints
---@param options table
---@return table result { steps, epochs, loss, metric, best = { { metric, path, epoch, step } … },
---  stopped = "epochs"|"max_steps"|"early_stop", resumed_from, checkpoint, seconds }
function train.run(options)
  return run.run(options)
end

--- Reads the weights and buffers of a checkpoint into a model.
---@param path string last.safetensors or one of result.best
---@param model any with a method parameters (and optionally buffers), or a list of named tensors
---@return true? ok
---@return string? message
---@return string? code
function train.load_weights(path, model)
  opts.arg("train.load_weights", 1, "path", path, "string")
  local loaded, message, code = checkpoint.load(path)
  if not loaded then return nil, message, code end
  local buffers = {}
  if type(model) ~= "table" or getmetatable(model) then
    local ok, method = pcall(function() return model.buffers end)
    if ok and type(method) == "function" then
      buffers = parameters.list("train.load_weights", model:buffers(), "model.b")
    end
  end
  checkpoint.restore_weights(loaded, {
    weights = parameters.list("train.load_weights", model, "model.p"), buffers = buffers,
  })
  return true
end

return setmetatable(train, {
  __call = function(_, options) return train.run(options) end,
})
