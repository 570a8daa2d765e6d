--- Stochastic gradient descent with momentum, as torch.optim.SGD defines it.
local core = require "nightjar.core"
local new = require("nightjar.optim.optimizer").new

local RULES = {
  lr = { type = "number", required = true, min = 0 },
  momentum = { type = "number", default = 0, min = 0 },
  dampening = { type = "number", default = 0, min = 0, max = 1 },
  weight_decay = { type = "number", default = 0, min = 0 },
  nesterov = { type = "boolean", default = false },
}

local function slots(group)
  return group.momentum > 0 and { "momentum" } or {}
end

local function update(group, parameter, grad, state, scale)
  core.optim_kernels.sgd(parameter.tensor, grad, state.momentum, {
    lr = group.lr, momentum = group.momentum, dampening = group.dampening,
    weight_decay = group.weight_decay, nesterov = group.nesterov, step = state.step,
    grad_scale = scale,
  })
end

--- SGD: b ← momentum · b + (1 − dampening) · g, then parameter ← parameter − lr · b; with Nesterov
--- − lr · (g + momentum · b). The first b is g.
---@param parameters any see nightjar.optim.parameters
---@param options table lr (required), momentum (0), dampening (0), weight_decay (0, joins the
---  gradient), nesterov (false; needs a momentum and no dampening)
---@return nightjar.Optimizer
local function sgd(parameters, options)
  local self = new("sgd", parameters, options, RULES, slots, update)
  for g, group in ipairs(self.groups) do
    if group.nesterov and (group.momentum == 0 or group.dampening ~= 0) then
      error(("sgd: group %d: nesterov needs a momentum and no dampening"):format(g), 2)
    end
  end
  return self
end

return sgd
