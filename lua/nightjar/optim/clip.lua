--- Gradient clipping, between backward and the optimiser's step.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local parameters = require "nightjar.optim.parameters"

local clip = {}

-- The gradients of an optimiser, a model, or a list of tensors.
local function gradients(fname, source)
  local grads = {}
  if opts.type_name(source) == "nightjar.Optimizer" then
    for parameter in source:parameters() do grads[#grads + 1] = parameter.tensor.grad end
    return grads
  end
  for _, parameter in ipairs(parameters.list(fname, source)) do
    grads[#grads + 1] = parameter.tensor.grad
  end
  return grads
end

--- The Euclidean norm of all gradients as one vector, accumulated in double precision.
---@param source any an optimiser, a model, or a list of tensors
---@return number
function clip.total_norm(source)
  return core.optim_kernels.grad_norm(gradients("clip.total_norm", source))
end

--- What gradients of that norm are multiplied by: max_norm / (norm + 1e-6) when below 1, else 1
--- (torch's clip_grad_norm_).
---@param norm number
---@param max_norm number
---@return number
function clip.factor(norm, max_norm)
  opts.arg("clip.factor", 1, "norm", norm, "number")
  opts.arg("clip.factor", 2, "max_norm", max_norm, "number")
  local factor = max_norm / (norm + 1e-6)
  return factor < 1 and factor or 1
end

--- Scales all gradients, in place, so that their norm is at most about max_norm.
---@param source any an optimiser, a model, or a list of tensors
---@param max_norm number above 0
---@return number norm before clipping
function clip.norm(source, max_norm)
  opts.arg("clip.norm", 2, "max_norm", max_norm, { type = "number", above = 0 })
  local grads = gradients("clip.norm", source)
  local norm = core.optim_kernels.grad_norm(grads)
  local factor = clip.factor(norm, max_norm)
  if factor < 1 then
    for _, grad in ipairs(grads) do grad:mul_(factor) end
  end
  return norm
end

--- Brings every element of every gradient into [-limit, limit], in place.
---@param source any an optimiser, a model, or a list of tensors
---@param limit number above 0
function clip.value(source, limit)
  opts.arg("clip.value", 2, "limit", limit, { type = "number", above = 0 })
  for _, grad in ipairs(gradients("clip.value", source)) do grad:clamp_(-limit, limit) end
end

return clip
