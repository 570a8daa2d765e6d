--- Temperatures: what similarities are divided by before a softmax.
---
--- The field knows three learnable forms, and checkpoints hold one or the other:
---   log       S · exp(p), p starts at log(1 / initial)   (CLIP, LAION-CLAP, MS-CLAP:
---             `logit_scale`)
---   raw       S / p, p starts at `initial`               (WavCaps: `temp`)
---   absolute  S / |p|                                    (DCASE 2023 task 6b systems)
local core = require "nightjar.core"
local opts = require "nightjar.opts"

---@class nightjar.Temperature
---@field form "log"|"raw"|"absolute"
---@field parameter nightjar.Tensor (1)
local Temperature = {}
Temperature.__index = Temperature
Temperature.__name = "nightjar.Temperature"

local temperature = {}

--- A learnable temperature. Give its parameters to the optimiser and itself to a loss.
---@param options? { initial?: number, form?: string, max_scale?: number, dtype?: string }
---  initial    the temperature it starts at; default 0.07
---  form       "log" (default), "raw" or "absolute"
---  max_scale  the largest 1/temperature; as in CLIP, the parameter itself is put back when an
---             update went past it, so that it can come down again. "log" only; default none
---@return nightjar.Temperature
function temperature.new(options)
  local o = opts.check("temperature", options, {
    initial = { type = "number", default = 0.07, above = 0 },
    form = { type = "string", default = "log", one_of = { "log", "raw", "absolute" } },
    max_scale = { type = "number", above = 0 },
    dtype = { type = "string", default = "float32", one_of = { "float32", "float64" } },
  })
  if o.max_scale and o.form ~= "log" then
    error(("temperature: option 'max_scale' goes with form 'log', not with '%s'"):format(o.form), 2)
  end
  local start = o.form == "log" and math.log(1 / o.initial) or o.initial
  return setmetatable({
    form = o.form,
    max_parameter = o.max_scale and math.log(o.max_scale),
    parameter = core.tensor({ start }, { dtype = o.dtype, grad = true }),
  }, Temperature)
end

--- The parameters an optimiser or a checkpoint needs.
---@return { [1]: string, [2]: nightjar.Tensor, name: string, tensor: nightjar.Tensor }[]
function Temperature:parameters()
  local name = self.form == "log" and "logit_scale" or "temperature"
  return { { name, self.parameter, name = name, tensor = self.parameter } }
end

--- The temperature as a number.
---@return number
function Temperature:value()
  local p = self.parameter:item()
  if self.form == "log" then return math.exp(-p) end
  return self.form == "absolute" and math.abs(p) or p
end

--- Similarities over the temperature, differentiable in both.
---@param S nightjar.Tensor any shape
---@return nightjar.Tensor of the same shape
function Temperature:apply(S)
  local p = self.parameter
  if self.form == "raw" then return S / p end
  if self.form == "absolute" then return S / p:abs() end
  if self.max_parameter and p:item() > self.max_parameter then
    core.no_grad(function() p:fill_(self.max_parameter) end)
  end
  return S * p:exp()
end

function Temperature:__tostring()
  return ("temperature %.4g (learnable, %s form)"):format(self:value(), self.form)
end

--- Divides S by a temperature of any kind: a number, a tensor of one element (divided by as it is),
--- or a learnable temperature.
---@param fname string the loss, for messages
---@param S nightjar.Tensor
---@param t number|nightjar.Tensor|nightjar.Temperature
---@return nightjar.Tensor
function temperature.apply(fname, S, t)
  if getmetatable(t) == Temperature then return t:apply(S) end
  if type(t) == "number" then
    if t <= 0 or t ~= t then
      error(("%s: option 'temperature' must be above 0, got %s"):format(fname, t), 3)
    end
    return S / t
  end
  opts.arg("temperature.apply", 1, "fname", fname, "string")
  opts.arg(fname, 2, "temperature", t, "tensor", 4)
  if t:numel() ~= 1 then
    error(("%s: option 'temperature' must be a tensor of one element, got shape (%s)"):format(fname,
      table.concat(t.shape, ", ")), 3)
  end
  return S / t
end

--- What losses accept as `temperature`.
temperature.kinds = "number|tensor|nightjar.Temperature"

return temperature
