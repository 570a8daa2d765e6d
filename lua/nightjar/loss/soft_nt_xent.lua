--- NT-Xent with soft targets, as WavCaps trains (XinhaoMei/WavCaps, ase_model.py and losses.py):
--- every pair of the same clip is a positive, the target of anchor i spread evenly over them,
---
---   ½ [ −mean_i Σ_j y_ij log softmax_row(S/τ)_ij − the same over columns ],
---   y_ij = [id_i = id_j] / Σ_k [id_i = id_k]
---
--- with the temperature a raw parameter (S/τ) that starts at 0.07. The clips of the rows and of the
--- columns may be given apart, for a matrix that is not square: N clips against all their captions.
local pairs_of = require "nightjar.loss.pairs"
local opts = require "nightjar.opts"
local temperature = require "nightjar.loss.temperature"

local function check_matrix(S)
  if opts.type_name(S) ~= "nightjar.Tensor" then
    error(("soft_nt_xent: argument 1 (similarities) must be a tensor, got %s"):format(
      S == nil and "nothing" or "a " .. opts.type_name(S)), 3)
  end
  if #S.shape ~= 2 or S:numel() == 0 then
    error(("soft_nt_xent: similarities must have shape (audio, text), got (%s)"):format(
      table.concat(S.shape, ", ")), 3)
  end
end

-- The ids of rows and columns as numbers that can be compared with each other.
local function row_and_column_ids(S, o)
  local rows, columns = S.shape[1], S.shape[2]
  if o.ids then
    if o.audio_ids or o.text_ids then
      error("soft_nt_xent: give 'ids', or 'audio_ids' and 'text_ids', not both", 3)
    end
    if rows ~= columns then
      error(("soft_nt_xent: option 'ids' needs a square matrix, got (%d, %d); give 'audio_ids' and "
        .. "'text_ids'"):format(rows, columns), 3)
    end
    local numbers = pairs_of.numbered("soft_nt_xent", o.ids, rows)
    return numbers, numbers
  end
  if not (o.audio_ids and o.text_ids) then
    error("soft_nt_xent: option 'ids' is required (or both 'audio_ids' and 'text_ids')", 3)
  end
  if #o.audio_ids ~= rows or #o.text_ids ~= columns then
    error(("soft_nt_xent: expected %d audio_ids and %d text_ids, got %d and %d"):format(rows,
      columns, #o.audio_ids, #o.text_ids), 3)
  end
  local all = table.move(o.text_ids, 1, columns, rows + 1, table.move(o.audio_ids, 1, rows, 1, {}))
  local numbers = pairs_of.numbered("soft_nt_xent", all, rows + columns)
  return numbers:narrow(1, 1, rows), numbers:narrow(1, rows + 1, columns)
end

local function one_direction(logits, same, dim)
  local count = same:sum(dim, { keepdim = true })
  local least = count:min():item()
  if least == 0 then
    error(("soft_nt_xent: %s has no partner with its id"):format(
      dim == 2 and "a clip" or "a text"), 3)
  end
  return -(logits:log_softmax(dim) * (same / count)):sum() / logits.shape[3 - dim]
end

--- Soft-target NT-Xent.
---@param S nightjar.Tensor (N, M) similarities before the temperature, rows audio, columns text
---@param options table
---  ids                  the clip of each pair, for N = M
---  audio_ids, text_ids  the clip of each row and of each column (lists), for any N and M
---  temperature          default 0.07; learnable: nj.loss.temperature{ form = "raw" }
---@return nightjar.Tensor scalar
local function soft_nt_xent(S, options)
  check_matrix(S)
  local o = opts.check("soft_nt_xent", options, {
    ids = "table|tensor",
    audio_ids = "table",
    text_ids = "table",
    temperature = { type = temperature.kinds, default = 0.07 },
  })
  local row_ids, column_ids = row_and_column_ids(S, o)
  local logits = temperature.apply("soft_nt_xent", S, o.temperature)
  local same = pairs_of.same(row_ids, column_ids):to(S.dtype)
  return (one_direction(logits, same, 2) + one_direction(logits, same, 1)) * 0.5
end

return soft_nt_xent
