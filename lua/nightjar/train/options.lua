--- The options of nj.train, checked, and the parts of a run made from them.
local batches = require "nightjar.train.batches"
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local parameters = require "nightjar.optim.parameters"

local options = {}

local RULES = {
  step = { type = "callable", required = true },
  batches = { type = "any", required = true },
  optimizer = { type = "nightjar.Optimizer", required = true },
  model = "any",
  parameters = "any",
  schedule = "nightjar.Schedule",
  epochs = { type = "integer", min = 0 },
  max_steps = { type = "integer", min = 1 },
  accumulate = { type = "integer", default = 1, min = 1 },
  clip_grad = "number|table",
  evaluate = "callable",
  evaluate_every = { type = "integer", default = 1, min = 1 },
  metric = "string|callable",
  mode = { type = "string", one_of = { "max", "min" } },
  keep_best = { type = "integer", default = 0, min = 0 },
  early_stop = "table",
  checkpoint = "string",
  checkpoint_every = { type = "integer", min = 1 },
  resume = { type = "boolean", default = false },
  overwrite = { type = "boolean", default = false },
  rngs = "table",
  log = "string",
  log_every = { type = "integer", default = 1, min = 1 },
  progress = progress.rule,
  metadata = "table",
}

local function fail(...) error("train: " .. string.format(...), 0) end

local function check_clip(o)
  if type(o.clip_grad) == "number" then o.clip_grad = { norm = o.clip_grad } end
  if not o.clip_grad then return end
  o.clip_grad = opts.check("train: option 'clip_grad'", o.clip_grad, {
    norm = { type = "number", above = 0 }, value = { type = "number", above = 0 },
  }, 0)
  if (o.clip_grad.norm == nil) == (o.clip_grad.value == nil) then
    fail "option 'clip_grad' must be a norm, { norm = … } or { value = … }"
  end
end

-- What the best checkpoints, early stopping and plateau schedules go by.
local function check_metric(o)
  if o.early_stop then
    o.early_stop = opts.check("train: option 'early_stop'", o.early_stop, {
      patience = { type = "integer", required = true, min = 0 },
      min_delta = { type = "number", default = 0, min = 0 },
    }, 0)
  end
  local plateau = o.schedule and o.schedule.kind == "plateau"
  local needed = o.keep_best > 0 and "keep_best" or o.early_stop and "early_stop"
    or plateau and "a plateau schedule"
  if o.metric == nil then
    if o.evaluate and needed then
      fail("%s needs option 'metric': which number of what 'evaluate' gives", needed)
    end
    o.metric = "loss"
  end
  o.mode = o.mode or (plateau and o.schedule.mode) or (o.metric == "loss" and "min" or "max")
  if plateau and o.schedule.mode ~= o.mode then
    fail("the plateau schedule has mode '%s', but the metric has '%s'", o.schedule.mode, o.mode)
  end
end

local function check_files(o)
  local needs_folder = o.keep_best > 0 and "keep_best" or o.resume and "resume"
    or o.checkpoint_every and "checkpoint_every"
  if needs_folder and not o.checkpoint then
    fail("%s needs option 'checkpoint', a folder", needs_folder)
  end
  for key, value in pairs(o.metadata or {}) do
    if type(key) ~= "string" or type(value) ~= "string" then
      fail("option 'metadata' must map strings to strings, got %s = a %s", tostring(key),
        type(value))
    end
  end
end

local function check_rngs(o)
  local rngs = { default = core.default_rng() }
  for name, rng in pairs(o.rngs or {}) do
    if type(name) ~= "string" or opts.type_name(rng) ~= "nightjar.Rng" then
      fail("option 'rngs' must map names to generators, got %s = a %s", tostring(name),
        opts.type_name(rng))
    end
    if name == "default" then fail "option 'rngs': the name 'default' is taken" end
    rngs[name] = rng
  end
  o.rngs = rngs
end

--- Checks the options and fills in defaults. Raises messages that begin with "train: ".
---@param given table
---@return table
function options.check(given)
  local o = opts.check("train", given, RULES, 0)
  batches.check(o.batches)
  if not o.epochs and not o.max_steps then fail "option 'epochs' is required (or 'max_steps')" end
  check_clip(o)
  check_metric(o)
  check_files(o)
  check_rngs(o)
  return o
end

local function method(object, name)
  if object == nil then return nil end
  local ok, value = pcall(function() return object[name] end)
  return ok and type(value) == "function" and value or nil
end

options.method = method

-- Everything that is trained or frozen, once: the model's parameters and the extra ones.
local function all_weights(o)
  local list, seen, names = {}, {}, {}
  local function add(source, prefix)
    for _, item in ipairs(parameters.list("train", source, prefix)) do
      local id = item.tensor:id()
      if not seen[id] then
        if names[item.name] then fail("two parameters are named '%s'", item.name) end
        seen[id], names[item.name] = true, true
        list[#list + 1] = item
      end
    end
  end
  if o.model ~= nil and not method(o.model, "parameters") then
    fail("option 'model' must have a method 'parameters', a %s has none", opts.type_name(o.model))
  end
  if o.model ~= nil then add(o.model, "model.p") end
  if o.parameters ~= nil then add(o.parameters, "p") end
  if #list == 0 then
    for parameter in o.optimizer:parameters() do list[#list + 1] = parameter end
    return list
  end
  for parameter in o.optimizer:parameters() do
    if not seen[parameter.tensor:id()] then
      fail("the optimiser updates '%s', which is neither in 'model' nor in 'parameters': "
        .. "checkpoints would miss it", parameter.name)
    end
  end
  return list
end

--- What a checkpoint of this run holds.
---@param o table checked options
---@return nightjar.train.Parts
function options.parts(o)
  local buffers = {}
  if method(o.model, "buffers") then
    buffers = parameters.list("train", o.model:buffers(), "model.b")
  end
  return {
    weights = all_weights(o), buffers = buffers, optimizer = o.optimizer, schedule = o.schedule,
    rngs = o.rngs, metadata = o.metadata,
  }
end

return options
