--- InfoNCE that gives hard negatives more weight (as in MGA-CLAP, Li et al. 2024, after Robinson et
--- al. 2021). With logits L = S/τ, a negative of row i weighs
---
---   w_ij = (n_i) e^{βL_ij} / (Σ_k e^{βL_ik} − e^{βL_ij}),   n_i = columns of the row − 1
---
--- and the positive 1; the loss is −mean_i [ L_ii − log Σ_j w_ij e^{L_ij} ], both directions
--- halved.
---
--- The published code sums Σ_k without keeping the dimension, so that row i's weights are divided
--- by the sum of row j. Here the sum is row i's own, as the formula means.
local pairs_of = require "nightjar.loss.pairs"
local opts = require "nightjar.opts"
local temperature = require "nightjar.loss.temperature"

-- A weight is log p − log(1 − p) of a softmax p; p this close to 1 would make it infinite.
local P_MAX = 1 - 1e-6

local function one_direction(logits, dim, beta, masked)
  local size = logits.shape[1]
  local others = size - 1
  local scaled = logits * beta
  if masked then
    scaled = scaled:masked_fill(masked, -math.huge)
    others = (masked:to(logits.dtype):sum(dim, { keepdim = true }) * -1 + others):clamp(1, size)
  elseif others < 1 then
    others = 1
  end
  local log_p = scaled:log_softmax(dim)
  local log_w = log_p - (-(log_p:exp():clamp(0, P_MAX))):log1p()
  log_w = log_w + (type(others) == "number" and math.log(others) or others:log())
  local positive = pairs_of.off_diagonal(size):eq(0)
  local weighted = logits + log_w:masked_fill(positive, 0)
  if masked then weighted = weighted:masked_fill(masked, -math.huge) end
  local denominator = weighted:logsumexp(dim, { keepdim = true })
  return (denominator - pairs_of.diagonal(logits, dim)):mean()
end

--- Hard-negative re-weighted InfoNCE.
---@param S nightjar.Tensor (B, B) similarities before the temperature, rows audio, columns text
---@param options? table
---  temperature  default 0.07
---  beta         how sharply hard negatives are preferred; default 0.15, and 0 is plain NT-Xent
---  ids          pairs of the same clip leave the denominators, as in nt_xent's "mask"
---@return nightjar.Tensor scalar
local function hard_negative(S, options)
  local size = pairs_of.check_square("hard_negative", S)
  local o = opts.check("hard_negative", options, {
    temperature = { type = temperature.kinds, default = 0.07 },
    beta = { type = "number", default = 0.15, min = 0 },
    ids = "table|tensor",
  })
  local logits = temperature.apply("hard_negative", S, o.temperature)
  local masked = pairs_of.same_clip("hard_negative", o.ids, size)
  local function along(dim) return one_direction(logits, dim, o.beta, masked) end
  return (along(2) + along(1)) * 0.5
end

return hard_negative
