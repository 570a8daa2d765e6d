--- The loop behind nj.train. A run is its options, the parts a checkpoint holds, and a state of
--- plain values that says where it is:
---   epoch, batch   the running epoch and how many of its batches are used
---   position       what a loader must skip to go on: loaders may leave out batches that they
---                  cannot read, and number what they give (batch.number)
---   step           updates made
---   loss_sum       of the epoch's batches so far, over `batch` of them
---   epoch_rngs     generators as they were when the epoch began
local batches = require "nightjar.train.batches"
local best = require "nightjar.train.best"
local checkpoint = require "nightjar.train.checkpoint"
local clip = require "nightjar.optim.clip"
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local options = require "nightjar.train.options"
local reporter = require "nightjar.train.reporter"

local LAST = "last.safetensors"

---@class nightjar.train.Run
local Run = {}
Run.__index = Run

local run = {}

local function finite(x) return x == x and x ~= math.huge and x ~= -math.huge end

-- nan without the sign that C's printf may give it.
local function number_text(x) return x ~= x and "nan" or tostring(x) end

-- ---- files ----

local function last_path(o) return fs.join(o.checkpoint, LAST) end

function Run:progress()
  local state = {}
  for key, value in pairs(self.state) do state[key] = value end
  state.seconds = self.before + core.system.clock() - self.began
  state.log_lines = self.report:lines()
  state.best = self.best:state_dict()
  return state
end

function Run:write_checkpoint(file)
  local ok, message = checkpoint.save(fs.join(self.o.checkpoint, file), self.parts, self:progress())
  if not ok then error("train: cannot write the checkpoint: " .. message, 0) end
end

function Run:save()
  if not self.o.checkpoint then return end
  self:write_checkpoint(LAST)
  self.best:prune()
  self.state.saved_step = self.state.step
end

-- ---- one update ----

-- The loss of a batch as a number, its gradient added to the parameters'.
function Run:backward(batch)
  local o, state = self.o, self.state
  local info = { epoch = state.epoch, batch = state.batch + 1, step = state.step + 1 }
  local loss, parts = o.step(batch, info)
  if opts.type_name(loss) ~= "nightjar.Tensor" or loss:numel() ~= 1 then
    error(("train: 'step' must give a loss of one element, got %s"):format(
      opts.type_name(loss) == "nightjar.Tensor"
      and "shape (" .. table.concat(loss.shape, ", ") .. ")" or "a " .. opts.type_name(loss)), 0)
  end
  local value = loss:item()
  if not finite(value) then
    error(("train: the loss is %s at step %d (epoch %d, batch %d)%s"):format(
      number_text(value), info.step, info.epoch, info.batch, self:where_to_go_on()), 0)
  end
  loss:backward()
  return value, parts
end

function Run:where_to_go_on()
  local o, state = self.o, self.state
  if not o.checkpoint then return "" end
  if not state.saved_step then return "; no checkpoint was written yet" end
  return ("; the last good checkpoint is %s, of step %d"):format(last_path(o), state.saved_step)
end

-- What the gradients are to be multiplied by, and their norm when it is known. `scale` is what they
-- must be multiplied by without clipping.
local function clipped(self, scale)
  local o, state = self.o, self.state
  local rule = o.clip_grad
  if not rule then return scale, nil end
  if rule.value then
    for parameter in o.optimizer:parameters() do
      local grad = parameter.tensor.grad
      if grad and scale ~= 1 then grad:mul_(scale) end
    end
    clip.value(o.optimizer, rule.value)
    return 1, nil
  end
  local norm = clip.total_norm(o.optimizer) * scale
  if not finite(norm) then
    error(("train: the norm of the gradient is %s at step %d (epoch %d, batch %d)%s"):format(
      number_text(norm), state.step + 1, state.epoch, state.batch, self:where_to_go_on()), 0)
  end
  return scale * clip.factor(norm, rule.norm), norm
end

-- Updates the parameters from the gradients of `count` batches.
function Run:update(entry, count)
  local o, state = self.o, self.state
  local scale
  scale, entry.grad_norm = clipped(self, 1 / count)
  if o.schedule then o.schedule:apply(o.optimizer, state.step + 1, state.epoch) end
  o.optimizer:step(scale)
  o.optimizer:zero_grad()
  state.step = state.step + 1
  entry.loss = entry.loss / count
  entry.lr = o.optimizer.groups[1].lr
  self.report:stepped(state, entry)
end

-- ---- one epoch ----

local function add_parts(entry, parts)
  for name, value in pairs(parts or {}) do
    if opts.type_name(value) == "nightjar.Tensor" then value = value:item() end
    entry[name] = value
  end
end

function Run:at_end()
  return self.o.max_steps and self.state.step >= self.o.max_steps
end

-- Trains on the rest of the epoch; false when the run is over before the epoch is.
function Run:train_epoch()
  local o, state, parts = self.o, self.state, self.parts
  local now = checkpoint.rng_states(parts.rngs)
  if state.batch == 0 then state.epoch_rngs, state.loss_sum = now, 0.0 end
  local function rewind() checkpoint.restore_rngs(parts.rngs, state.epoch_rngs) end
  local function forward() checkpoint.restore_rngs(parts.rngs, now) end
  local entry, count = { loss = 0.0 }, 0
  local function finish_group()
    self:update(entry, count)
    entry, count = { loss = 0.0 }, 0
    if o.checkpoint_every and state.step % o.checkpoint_every == 0 then self:save() end
  end
  for batch in batches.iterate(o.batches, state.epoch, state.position, rewind, forward) do
    local value, more = self:backward(batch)
    state.batch, state.loss_sum = state.batch + 1, state.loss_sum + value
    state.position = batches.position(o.batches, batch, state.position)
    add_parts(entry, more)
    entry.loss, count = entry.loss + value, count + 1
    if count == o.accumulate then
      finish_group()
      if self:at_end() then return false end
    end
  end
  if count > 0 then finish_group() end
  if state.batch == 0 then
    error(("train: epoch %d gave no batches"):format(state.epoch), 0)
  end
  return not self:at_end()
end

-- ---- between epochs ----

local function metric_of(o, results, loss)
  if type(o.metric) == "function" or type(o.metric) == "table" then return o.metric(results) end
  if o.metric == "loss" and not (results and results.loss) then return loss end
  local value = results
  for key in o.metric:gmatch "[^.]+" do
    value = type(value) == "table" and value[key] or nil
  end
  return value
end

function Run:evaluate(loss)
  local o, state = self.o, self.state
  local results
  if o.evaluate and state.epoch % o.evaluate_every == 0 then
    self:set_training(false)
    results = core.no_grad(o.evaluate, { epoch = state.epoch, step = state.step })
    self:set_training(true)
    if type(results) == "number" then results = { value = results } end
    if type(results) ~= "table" then
      error(("train: 'evaluate' must give a table of numbers, got a %s"):format(type(results)), 0)
    end
  end
  if o.evaluate and not results then return nil, nil end
  local metric = metric_of(o, results, loss)
  if type(metric) ~= "number" and (o.keep_best > 0 or o.early_stop) then
    error(("train: the metric '%s' is not a number among the results of 'evaluate'"):format(
      tostring(o.metric)), 0)
  end
  return results, type(metric) == "number" and metric + 0.0 or nil
end

function Run:set_training(on)
  local set = options.method(self.o.model, "train")
  if set then set(self.o.model, on) end
end

-- Counts evaluations without improvement; true when there were more than the patience bears.
function Run:should_stop(metric)
  local rule, state = self.o.early_stop, self.state
  if not rule or not metric then return false end
  local sign = self.o.mode == "max" and 1 or -1
  if state.stop_best == nil or sign * (metric - state.stop_best) > rule.min_delta then
    state.stop_best, state.waited = metric, 0
  else
    state.waited = (state.waited or 0) + 1
  end
  return state.waited > rule.patience
end

-- Evaluates, logs, and writes what is to be written; true when the run should stop early.
function Run:end_epoch()
  local o, state = self.o, self.state
  local loss = state.loss_sum / state.batch
  local results, metric = self:evaluate(loss)
  state.seconds = self.before + core.system.clock() - self.began
  self.report:epoch(state, loss, o.optimizer.groups[1].lr,
    results and reporter.numbers(results), metric)
  if metric and o.schedule then o.schedule:observe(metric) end
  local stop = self:should_stop(metric)
  state.loss, state.metric = loss, metric or state.metric
  local epoch = state.epoch
  state.epoch, state.batch, state.position = epoch + 1, 0, 0
  state.stopped = stop and "early_stop" or nil
  if metric and self.best:admits(metric) then
    local file = self.best:file_name(epoch, state.step)
    self.best:add(metric, file, epoch, state.step)
    self:write_checkpoint(file)
  end
  self:save()
  return stop
end

-- ---- the whole ----

function Run:loop()
  local o, state = self.o, self.state
  if state.stopped == "early_stop" then return end
  o.optimizer:zero_grad()
  self:set_training(true)
  while not o.epochs or state.epoch <= o.epochs do
    if self:at_end() then break end
    if not self:train_epoch() then
      self:save()
      state.stopped = "max_steps"
      break
    end
    if self:end_epoch() then break end
  end
  self:set_training(false)
end

function Run:result()
  local state, o = self.state, self.o
  local kept = {}
  for i, entry in ipairs(self.best.kept) do
    kept[i] = { metric = entry.metric, epoch = entry.epoch, step = entry.step,
      path = fs.join(o.checkpoint, entry.file) }
  end
  return {
    steps = state.step, epochs = state.epoch - 1, loss = state.loss, metric = state.metric,
    best = kept, stopped = state.stopped or "epochs", resumed_from = self.resumed_from,
    checkpoint = o.checkpoint and last_path(o), seconds = state.seconds,
  }
end

local function fresh_state()
  return { epoch = 1, batch = 0, position = 0, step = 0, seconds = 0.0, loss_sum = 0.0 }
end

-- Takes up a saved run; nil when there is none to take up.
function Run:resume()
  local o = self.o
  local path = last_path(o)
  if not fs.kind(path) then return nil end
  if not o.resume then
    if o.overwrite then return nil end
    error(("train: %s holds a run already; give resume = true to go on with it, or "
      .. "overwrite = true to begin anew"):format(o.checkpoint), 0)
  end
  local loaded, message = checkpoint.load(path)
  if not loaded then error("train: cannot resume: " .. message, 0) end
  local state = checkpoint.restore(loaded, self.parts)
  self.best:load_state_dict(state.best)
  self.best:prune()
  state.best = nil
  if state.stopped == "max_steps" then state.stopped = nil end
  state.saved_step = state.step
  return state
end

local function make_folder(o)
  if not o.checkpoint then return end
  local ok, message = fs.make_folders(o.checkpoint)
  if not ok then error("train: cannot make the checkpoint folder: " .. message, 0) end
end

--- Runs.
---@param given table options of nj.train
---@return table result
function run.run(given)
  local o = options.check(given)
  local self = setmetatable({ o = o, parts = options.parts(o) }, Run)
  self.best = best.new(o.checkpoint, o.keep_best, o.mode)
  make_folder(o)
  local resumed = o.checkpoint and self:resume()
  self.state = resumed or fresh_state()
  self.resumed_from = resumed and resumed.step or nil
  self.before, self.began = self.state.seconds, core.system.clock()
  self.report = reporter.new(o, self.state, resumed and (resumed.log_lines or 0))
  local _ <close> = setmetatable({}, {
    __close = function(_, err)
      if err then self.report:say(("stopped at step %d%s"):format(self.state.step,
        self:where_to_go_on())) end
      self.report:close()
    end,
  })
  if resumed then
    self.report:write { event = "resume", step = self.state.step, epoch = self.state.epoch,
      batch = self.state.batch }
    self.report:say(("going on from step %d"):format(self.state.step))
  end
  self:loop()
  self.state.seconds = self.before + core.system.clock() - self.began
  return self:result()
end

return run
