--- NT-Xent, also called InfoNCE: each clip must pick its caption among those of the batch, and each
--- caption its clip.
---
---   ½ [ −mean_i log softmax_row(S/τ)_ii − mean_i log softmax_column(S/τ)_ii ]
---
--- Captions of the same clip. With several captions per clip a batch may hold pairs of one clip.
--- Off the diagonal they are no negatives, and plain NT-Xent pushes them apart. `same_clip` says
--- what to do with them once `ids` are given:
---   mask       takes them out of both denominators (the DCASE baseline's treatment); the default
---   positives  makes them positives, with equal shares of the target (WavCaps')
---   negatives  leaves them in: plain NT-Xent. XinhaoMei/audio-text_retrieval computes this one: it
---              masks the log-softmax's output, and then reads nothing but the diagonal
---
--- Clips that could be each other's. `positives` says of which other clips of the batch a clip is so
--- like that their texts count as its own (label denoising; head:positives finds them). They share
--- the target equally: row i over the texts of those clips, column j over the clips that text j's
--- clip is like.
local pairs_of = require "nightjar.loss.pairs"
local opts = require "nightjar.opts"
local temperature = require "nightjar.loss.temperature"

-- −mean over anchors of the target-weighted log-softmax along `dim`.
local function one_direction(logits, dim, masked, targets)
  if masked then logits = logits:masked_fill(masked, -math.huge) end
  local log_p = logits:log_softmax(dim)
  if masked and targets then log_p = log_p:masked_fill(masked, 0) end -- 0 · −∞ is no number
  if targets then return -(log_p * targets):sum() / logits.shape[3 - dim] end
  return -pairs_of.diagonal(log_p, dim):mean()
end

-- Equal shares of 1 over the entries of the same id, along `dim`.
local function shares(same, dim, dtype)
  local weight = same:to(dtype)
  return weight / weight:sum(dim, { keepdim = true })
end

-- The pairs that count as positives, rows as anchors: pair i itself, those of the same clip where
-- they do, and those that the caller says.
local function positives_of(o, same, masked, size)
  if not o.positives then return same end
  local given = o.positives
  if #given.shape ~= 2 or given.shape[1] ~= size or given.shape[2] ~= size
    or given.dtype:find "float" then
    error(("nt_xent: option 'positives' must be a mask of shape (%d, %d), got a %s tensor of shape "
      .. "(%s)"):format(size, size, given.dtype, table.concat(given.shape, ", ")), 3)
  end
  local all = given:ne(0):logical_or(pairs_of.off_diagonal(size):eq(0))
  if same then all = all:logical_or(same) end
  return masked and all * masked:eq(0) or all
end

local directions = { both = true, audio_to_text = 2, text_to_audio = 1 }

--- NT-Xent of a batch's similarities.
---@param S nightjar.Tensor (B, B) similarities before the temperature, rows audio, columns text,
---  pair i on the diagonal; float32 or float64
---@param options? table
---  temperature  τ; default 0.07
---  ids          the clip of each pair: a list of B strings or numbers, or an integer tensor
---  same_clip    "mask" (default), "positives" or "negatives"; see above
---  positives    (B, B) mask: entry (i, j) is 1 where clip j counts as clip i; see above
---  reduction    of the two directions: "mean" (default) or "sum"
---  direction    "both" (default), "audio_to_text" (rows) or "text_to_audio" (columns)
---@return nightjar.Tensor scalar
local function nt_xent(S, options)
  local size = pairs_of.check_square("nt_xent", S)
  local o = opts.check("nt_xent", options, {
    temperature = { type = temperature.kinds, default = 0.07 },
    ids = "table|tensor",
    same_clip = { type = "string", default = "mask",
      one_of = { "mask", "positives", "negatives" } },
    positives = "tensor",
    reduction = { type = "string", default = "mean", one_of = { "mean", "sum" } },
    direction = { type = "string", default = "both",
      one_of = { "both", "audio_to_text", "text_to_audio" } },
  })
  local logits = temperature.apply("nt_xent", S, o.temperature)
  local masked, same
  if o.ids and o.same_clip == "mask" then
    masked = pairs_of.same_clip("nt_xent", o.ids, size)
  elseif o.ids and o.same_clip == "positives" then
    local numbers = pairs_of.numbered("nt_xent", o.ids, size)
    same = pairs_of.same(numbers, numbers)
  end
  local positive = positives_of(o, same, masked, size)
  local function along(dim)
    local anchored = positive and (dim == 2 and positive or positive:transpose(1, 2))
    return one_direction(logits, dim, masked, anchored and shares(anchored, dim, S.dtype))
  end
  if o.direction ~= "both" then return along(directions[o.direction]) end
  local total = along(2) + along(1)
  return o.reduction == "mean" and total * 0.5 or total
end

return nt_xent
