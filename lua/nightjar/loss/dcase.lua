--- The loss of the DCASE language-based audio retrieval baseline (xieh97/dcase2023-audio-retrieval,
--- criterion_utils.py): NT-Xent with pairs of the same file left out of the denominators, the two
--- directions summed, not averaged.
local nt_xent = require "nightjar.loss.nt_xent"
local opts = require "nightjar.opts"
local temperature = require "nightjar.loss.temperature"

--- nt_xent with same_clip = "mask" and reduction = "sum".
---@param S nightjar.Tensor (B, B), rows audio, columns text
---@param options? { ids?: any[], temperature?: number|nightjar.Tensor|nightjar.Temperature }
---  as in nt_xent; temperature defaults to 0.07
---@return nightjar.Tensor scalar
local function dcase(S, options)
  local o = opts.check("dcase", options, {
    ids = "table|tensor",
    temperature = { type = temperature.kinds, default = 0.07 },
  })
  return nt_xent(S, { ids = o.ids, temperature = o.temperature, same_clip = "mask",
    reduction = "sum" })
end

return dcase
