--- What every optimiser has in common: groups, gradients, state that can be saved.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local parameters = require "nightjar.optim.parameters"

---@class nightjar.Optimizer
---@field kind string
---@field groups table[] each { params = { { name, tensor } … }, lr = , base_lr = , … }
local Optimizer = {}
Optimizer.__index = Optimizer
Optimizer.__name = "nightjar.Optimizer"

local optimizer = {}

--- Makes an optimiser.
---@param kind string its name, for messages and saved states
---@param source any parameters; see nightjar.optim.parameters
---@param options table
---@param rules table for opts.check; must hold lr
---@param slots fun(group: table): string[] names of the state tensors a parameter has
---@param update function (group, parameter, grad, state, scale): changes parameter.tensor in place,
---  the gradient counting `scale` times; state has the slots and `step`, the count of updates with
---  this one
---@return nightjar.Optimizer
function optimizer.new(kind, source, options, rules, slots, update)
  local o = opts.check(kind, options, rules, 4)
  local ok, groups = pcall(parameters.groups, kind, source, o, rules)
  if not ok then error(groups, 3) end
  for _, group in ipairs(groups) do group.base_lr = group.lr end
  return setmetatable({ kind = kind, groups = groups, slots = slots, update = update, states = {} },
    Optimizer)
end

local function fresh_state(self, group, parameter)
  local state = { step = 0 }
  for _, slot in ipairs(self.slots(group)) do
    state[slot] = core.zeros(parameter.tensor.shape, { dtype = parameter.tensor.dtype })
  end
  return state
end

--- All parameters, in order.
---@return fun(): table?, table? iterator over parameter { name, tensor } and its group
function Optimizer:parameters()
  local flat = {}
  for _, group in ipairs(self.groups) do
    for _, parameter in ipairs(group.params) do flat[#flat + 1] = { parameter, group } end
  end
  local i = 0
  return function()
    i = i + 1
    if flat[i] then return flat[i][1], flat[i][2] end
  end
end

--- One update of every parameter that has a gradient.
---@param scale? number what gradients are multiplied by first; default 1
function Optimizer:step(scale)
  scale = opts.arg("optimizer:step", 1, "scale", scale, { type = "number", default = 1 })
  for parameter, group in self:parameters() do
    local grad = parameter.tensor.grad
    if grad then
      local state = self.states[parameter.name]
      if not state then
        state = fresh_state(self, group, parameter)
        self.states[parameter.name] = state
      end
      state.step = state.step + 1
      self.update(group, parameter, grad, state, scale)
    end
  end
end

--- Forgets all gradients.
function Optimizer:zero_grad()
  for parameter in self:parameters() do parameter.tensor:zero_grad() end
end

--- The state: { kind, groups = { options … }, steps = { name → updates }, tensors = { "slot.name" →
--- tensor } }. Tensors are shared with the optimiser, not copied.
---@return table
function Optimizer:state_dict()
  local out = { kind = self.kind, groups = {}, steps = {}, tensors = {} }
  for g, group in ipairs(self.groups) do
    local kept = {}
    for key, value in pairs(group) do
      if key ~= "params" then kept[key] = value end
    end
    out.groups[g] = kept
  end
  for parameter, group in self:parameters() do
    local state = self.states[parameter.name]
    if state then
      out.steps[parameter.name] = state.step
      for _, slot in ipairs(self.slots(group)) do
        out.tensors[slot .. "." .. parameter.name] = state[slot]
      end
    end
  end
  return out
end

local function check_loadable(self, saved)
  if saved.kind ~= self.kind then
    error(("%s: load_state_dict: the state is of %s"):format(self.kind, saved.kind), 3)
  end
  if #saved.groups ~= #self.groups then
    error(("%s: load_state_dict: the state has %d groups, the optimiser %d"):format(self.kind,
      #saved.groups, #self.groups), 3)
  end
  local known = {}
  for parameter in self:parameters() do known[parameter.name] = true end
  for name in pairs(saved.steps) do
    if not known[name] then
      error(("%s: load_state_dict: the state has a parameter '%s', the optimiser has none of that "
        .. "name"):format(self.kind, name), 3)
    end
  end
end

--- Takes a state back: options of the groups, counts, and the tensors' values (copied).
---@param saved table what state_dict gave
function Optimizer:load_state_dict(saved)
  check_loadable(self, saved)
  local states = {}
  for parameter, group in self:parameters() do
    local step = saved.steps[parameter.name]
    if step then
      local state = fresh_state(self, group, parameter)
      state.step = step
      for _, slot in ipairs(self.slots(group)) do
        local name = slot .. "." .. parameter.name
        local from = saved.tensors[name]
        if not from then
          error(("%s: load_state_dict: tensor '%s' is missing"):format(self.kind, name), 2)
        end
        local have, want = table.concat(from.shape, ", "), table.concat(state[slot].shape, ", ")
        if have ~= want then
          error(("%s: load_state_dict: tensor '%s' has shape (%s), expected (%s)"):format(self.kind,
            name, have, want), 2)
        end
        state[slot]:copy_(from)
      end
      states[parameter.name] = state
    end
  end
  self.states = states
  for g, kept in ipairs(saved.groups) do
    for key, value in pairs(kept) do self.groups[g][key] = value end
  end
end

function Optimizer:__tostring()
  local count, elements = 0, 0
  for parameter in self:parameters() do
    count, elements = count + 1, elements + parameter.tensor:numel()
  end
  return ("%s, %d parameters (%d numbers), lr %g"):format(self.kind, count, elements,
    self.groups[1].lr)
end

return optimizer
