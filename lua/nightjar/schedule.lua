--- Learning-rate schedules. A schedule is a factor on every group's own learning rate:
---
---     local s = nj.schedule.cosine { steps = 10000, warmup = 500 }
---     s:apply(optimizer, step, epoch)      -- before the optimiser's step; nj.train does it
---
--- Steps and epochs count from 1: `step` is the number of the update about to be made. All
--- schedules take
---   warmup   length of a linear rise: update p of it has factor p / warmup; default 0
---   unit     "step" (default) or "epoch": what positions, `warmup` and lengths are counted in
local opts = require "nightjar.opts"

---@class nightjar.Schedule
---@field kind string
---@field unit "step"|"epoch"
---@field warmup integer
local Schedule = {}
Schedule.__index = Schedule
Schedule.__name = "nightjar.Schedule"

local schedule = {}

-- Adds what every schedule has, and makes the object. `decay(self, p)` is the factor at position p,
-- after warm-up if `own_warmup` is not set.
local function new(kind, o, decay)
  o.kind, o.decay = kind, decay
  return setmetatable(o, Schedule)
end

local function rules(more)
  more.warmup = { type = "integer", default = 0, min = 0 }
  more.unit = { type = "string", default = "step", one_of = { "step", "epoch" } }
  return more
end

local FRACTION = { type = "number", default = 0, min = 0, max = 1 }

local function check_length(fname, o)
  if o.warmup >= o.steps then
    error(("%s: option 'warmup' must be less than 'steps' (%d), got %d"):format(fname, o.steps,
      o.warmup), 3)
  end
end

-- How far position p is between the end of the warm-up (0) and the end (1).
local function progress(self, p)
  return math.min(1, (p - 1 - self.warmup) / (self.steps - self.warmup))
end

--- No change after the warm-up.
---@param options? { warmup?: integer, unit?: string }
---@return nightjar.Schedule
function schedule.constant(options)
  local o = opts.check("constant", options, rules {})
  return new("constant", o, function() return 1 end)
end

--- Half a cosine from 1 down to `final` at the last of `steps`; the warm-up is part of `steps`
--- (WavCaps' schedule, for final = 0).
---@param options { steps: integer, warmup?: integer, final?: number, unit?: string }
---  steps  the whole length, in `unit`s
---  final  the factor it comes down to, in [0, 1]; default 0
---@return nightjar.Schedule
function schedule.cosine(options)
  local o = opts.check("cosine", options, rules {
    steps = { type = "integer", required = true, min = 1 }, final = FRACTION,
  })
  check_length("cosine", o)
  return new("cosine", o, function(self, p)
    return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress(self, p)))
  end)
end

--- A straight line from 1 down to `final`.
---@param options { steps: integer, warmup?: integer, final?: number, unit?: string } as in cosine
---@return nightjar.Schedule
function schedule.linear(options)
  local o = opts.check("linear", options, rules {
    steps = { type = "integer", required = true, min = 1 }, final = FRACTION,
  })
  check_length("linear", o)
  return new("linear", o, function(self, p)
    return 1 - (1 - self.final) * progress(self, p)
  end)
end

--- Multiplies by gamma after every `every` positions, or at given milestones. The warm-up
--- multiplies what the steps give, and does not move them.
---@param options table
---  every       positions 1 … every have factor 1, the next `every` gamma, and so on
---  milestones  instead: ascending positions after which gamma is applied once more
---  gamma       default 0.1
---@return nightjar.Schedule
function schedule.step(options)
  local o = opts.check("step", options, rules {
    every = { type = "integer", min = 1 },
    milestones = "table",
    gamma = { type = "number", default = 0.1, above = 0 },
  })
  if (o.every == nil) == (o.milestones == nil) then
    error("step: give either 'every' or 'milestones'", 2)
  end
  for i, m in ipairs(o.milestones or {}) do
    if math.type(m) ~= "integer" or m < 1 or (i > 1 and m <= o.milestones[i - 1]) then
      error(("step: option 'milestones' must hold ascending integers of at least 1, got %s at %d")
        :format(m, i), 2)
    end
  end
  return new("step", o, function(self, p)
    if self.every then return self.gamma ^ ((p - 1) // self.every) end
    local passed = 0
    for _, m in ipairs(self.milestones) do
      if p > m then passed = passed + 1 end
    end
    return self.gamma ^ passed
  end)
end

--- BertAdam's warm-up cosine (whwu95/Cap4Video): with x = (updates already made) / steps, the
--- factor is x / warmup below warmup, then ½(1 + cos πx). Unlike `cosine` it begins at 0, so that
--- the first update changes nothing, and does not stretch the cosine over what the warm-up left.
---@param options { steps: integer, warmup?: number, unit?: string }
---  warmup  a fraction of steps, default 0.1
---@return nightjar.Schedule
function schedule.bert_warmup_cosine(options)
  local o = opts.check("bert_warmup_cosine", options, {
    steps = { type = "integer", required = true, min = 1 },
    warmup = { type = "number", default = 0.1, min = 0, below = 1 },
    unit = { type = "string", default = "step", one_of = { "step", "epoch" } },
  })
  o.rise, o.warmup = o.warmup, 0
  return new("bert_warmup_cosine", o, function(self, p)
    local x = (p - 1) / self.steps
    if x < self.rise then return x / self.rise end
    return 0.5 * (1 + math.cos(math.pi * math.min(x, 1)))
  end)
end

--- Multiplies by `factor` when a metric has not improved for more than `patience` observations
--- (torch's ReduceLROnPlateau, with its defaults but for mode). Feed it with `observe`; nj.train
--- does, after each evaluation.
---@param options? table
---  mode       "max" (default) or "min": which way the metric improves
---  factor     default 0.1
---  patience   observations without improvement that are borne; default 10
---  threshold  relative change that counts as improvement; default 1e-4
---  cooldown   observations after a reduction that do not count; default 0
---  least      the smallest factor; default 0
---@return nightjar.Schedule
function schedule.plateau(options)
  local o = opts.check("plateau", options, rules {
    mode = { type = "string", default = "max", one_of = { "max", "min" } },
    factor = { type = "number", default = 0.1, above = 0, below = 1 },
    patience = { type = "integer", default = 10, min = 0 },
    threshold = { type = "number", default = 1e-4, min = 0 },
    cooldown = { type = "integer", default = 0, min = 0 },
    least = FRACTION,
  })
  o.reduce, o.factor = o.factor, nil -- `factor` is a method
  o.state = { factor = 1.0, waited = 0, resting = 0 }
  return new("plateau", o, function(self) return self.state.factor end)
end

--- The factor at a position.
---@param position integer a step or an epoch, by `unit`; at least 1
---@return number
function Schedule:factor(position)
  opts.arg("schedule:factor", 1, "position", position, { type = "integer", min = 1 })
  if position <= self.warmup then
    local rise = position / self.warmup
    if self.steps then return rise end -- nothing has decayed yet
    return rise * self:decay(position)
  end
  return self:decay(position)
end

--- Sets every group's lr to its base_lr times the factor.
---@param optimizer nightjar.Optimizer
---@param step integer the update about to be made
---@param epoch integer the running epoch
---@return number factor
function Schedule:apply(optimizer, step, epoch)
  if type(optimizer) ~= "table" or type(optimizer.groups) ~= "table" then
    error("schedule:apply: argument 1 (optimizer) must be an optimizer, got "
      .. opts.type_name(optimizer), 2)
  end
  local factor = self:factor(self.unit == "epoch" and epoch or step)
  for g, group in ipairs(optimizer.groups) do
    if type(group) ~= "table" or type(group.base_lr) ~= "number" then
      error(("schedule:apply: group %d of the optimiser has no base_lr"):format(g), 2)
    end
    group.lr = group.base_lr * factor
  end
  return factor
end

local function improved(self, value)
  local best = self.state.best
  if best == nil then return true end
  -- torch: relative to the best, away from it in the right direction
  local change = self.mode == "max" and self.threshold or -self.threshold
  if best < 0 then change = -change end
  if self.mode == "max" then return value > best * (1 + change) end
  return value < best * (1 + change)
end

--- Tells a plateau schedule a new value of its metric; others ignore it.
---@param value number
function Schedule:observe(value)
  local state = self.state
  if not state then return end
  if type(value) ~= "number" then
    error(("schedule:observe: the metric must be a number, got a %s"):format(type(value)), 2)
  end
  if improved(self, value) then
    state.best, state.waited = value, 0
  else
    state.waited = state.waited + 1
  end
  if state.resting > 0 then
    state.resting, state.waited = state.resting - 1, 0
  end
  if state.waited > self.patience then
    state.factor = math.max(self.least, state.factor * self.reduce)
    state.resting, state.waited = self.cooldown, 0
  end
end

--- What a checkpoint must keep.
---@return table
function Schedule:state_dict()
  local copy = { kind = self.kind }
  for key, value in pairs(self.state or {}) do copy[key] = value end
  return copy
end

--- Takes back what state_dict gave.
---@param saved table
function Schedule:load_state_dict(saved)
  opts.arg("schedule:load_state_dict", 1, "saved", saved, "table")
  if saved.kind ~= self.kind then
    error(("schedule:load_state_dict: the state is of a %s schedule, this is %s"):format(saved.kind,
      self.kind), 2)
  end
  if not self.state then return end
  self.state = {}
  for key, value in pairs(saved) do
    if key ~= "kind" then self.state[key] = value end
  end
end

function Schedule:__tostring()
  return ("%s schedule by %s, warm-up %s"):format(self.kind, self.unit, self.rise or self.warmup)
end

return schedule
