--- Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), with AMSGrad (Reddi et al. 2018),
--- and the Adam of BERT. Parity with torch.optim and with Cap4Video's BertAdam.
local core = require "nightjar.core"
local clip = require "nightjar.optim.clip"
local new = require("nightjar.optim.optimizer").new

local adam = {}

local function rules(lr, weight_decay)
  return {
    lr = { type = "number", default = lr, min = 0 },
    beta1 = { type = "number", default = 0.9, min = 0, below = 1 },
    beta2 = { type = "number", default = 0.999, min = 0, below = 1 },
    eps = { type = "number", default = 1e-8, min = 0 },
    weight_decay = { type = "number", default = weight_decay, min = 0 },
    amsgrad = { type = "boolean", default = false },
  }
end

local function slots(group)
  if group.amsgrad then return { "exp_avg", "exp_avg_sq", "max_exp_avg_sq" } end
  return { "exp_avg", "exp_avg_sq" }
end

local function update(decoupled)
  return function(group, parameter, grad, state, scale)
    core.optim_kernels.adam(parameter.tensor, grad, state.exp_avg, state.exp_avg_sq,
      state.max_exp_avg_sq, {
        lr = group.lr, beta1 = group.beta1, beta2 = group.beta2, eps = group.eps,
        weight_decay = group.weight_decay, decoupled = decoupled, step = state.step,
        grad_scale = scale,
      })
  end
end

--- Adam. Weight decay joins the gradient (L2), as in torch.
---@param parameters any a model, a list of tensors, of named tensors, or of groups; see
---  nightjar.optim.parameters. A group may set any option of its own
---@param options? table lr (default 1e-3), beta1 (0.9), beta2 (0.999), eps (1e-8),
---  weight_decay (0), amsgrad (false)
---@return nightjar.Optimizer
function adam.adam(parameters, options)
  return new("adam", parameters, options, rules(1e-3, 0), slots, update(false))
end

--- AdamW: the parameter itself decays by lr · weight_decay, apart from the gradient.
---@param parameters any as in adam
---@param options? table as in adam, but weight_decay defaults to 0.01
---@return nightjar.Optimizer
function adam.adamw(parameters, options)
  return new("adamw", parameters, options, rules(1e-3, 0.01), slots, update(true))
end

--- BERT's Adam as whwu95/Cap4Video trains with it: no bias correction, decay apart from the
--- gradient, and each parameter's gradient clipped to a norm of its own before the update. Goes
--- with nj.schedule.bert_warmup_cosine.
---@param parameters any as in adam
---@param options? table lr (default 1e-3), beta1 (0.9), beta2 (0.999), eps (1e-6), weight_decay
---  (0.01), max_grad_norm (1; 0 for none)
---@return nightjar.Optimizer
function adam.bert_adam(parameters, options)
  local own = rules(1e-3, 0.01)
  own.amsgrad, own.eps = nil, { type = "number", default = 1e-6, min = 0 }
  own.max_grad_norm = { type = "number", default = 1, min = 0 }
  return new("bert_adam", parameters, options, own,
    function() return { "exp_avg", "exp_avg_sq" } end,
    function(group, parameter, grad, state, scale)
      if group.max_grad_norm > 0 then
        local norm = core.optim_kernels.grad_norm { grad } * scale
        scale = scale * clip.factor(norm, group.max_grad_norm)
      end
      core.optim_kernels.adam(parameter.tensor, grad, state.exp_avg, state.exp_avg_sq, nil, {
        lr = group.lr, beta1 = group.beta1, beta2 = group.beta2, eps = group.eps,
        weight_decay = group.weight_decay, decoupled = true, bias_correction = false,
        step = state.step, grad_scale = scale,
      })
    end)
end

return adam
