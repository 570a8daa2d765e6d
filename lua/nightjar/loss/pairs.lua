--- Which entries of a similarity matrix belong together. Rows are audio, columns are text; pair i
--- of a batch lies on the diagonal, and pairs of the same clip share an id.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local pairs_of = {}

--- Raises unless S is a square floating matrix with at least one pair.
---@param fname string the loss, as users call it
---@param S nightjar.Tensor
---@return integer size of the batch
function pairs_of.check_square(fname, S)
  if opts.type_name(S) ~= "nightjar.Tensor" then
    error(("%s: argument 1 (similarities) must be a tensor, got %s"):format(fname,
      S == nil and "nothing" or "a " .. opts.type_name(S)), 3)
  end
  local shape = S.shape
  if #shape ~= 2 or shape[1] ~= shape[2] or shape[1] == 0 then
    error(("%s: similarities must have shape (B, B), rows audio and columns text, got (%s)"):format(
      fname, table.concat(shape, ", ")), 3)
  end
  return shape[1]
end

--- Ids as an int64 tensor of numbers that are equal where the ids are. Strings are numbered in
--- the order they first appear.
---@param fname string
---@param ids any[]|nightjar.Tensor one per pair: a list of strings or numbers, or an integer tensor
---@param count integer how many there must be
---@param level integer? error level of the caller
---@return nightjar.Tensor (count)
function pairs_of.numbered(fname, ids, count, level)
  level = (level or 3) + 1
  if opts.type_name(ids) == "nightjar.Tensor" then
    if #ids.shape ~= 1 or ids.shape[1] ~= count or ids.dtype:find "float" then
      error(("%s: ids must be %d integers, got a %s tensor of shape (%s)"):format(fname, count,
        ids.dtype, table.concat(ids.shape, ", ")), level)
    end
    return ids:to "int64"
  end
  if #ids ~= count then
    error(("%s: expected an id for each of %d pairs, got %d"):format(fname, count, #ids), level)
  end
  local numbers, seen, next_number = {}, {}, 0
  for i, id in ipairs(ids) do
    if not seen[id] then
      next_number = next_number + 1
      seen[id] = next_number
    end
    numbers[i] = seen[id]
  end
  return core.tensor(numbers, { dtype = "int64" })
end

--- Entry (i, j) is 1 where row id i equals column id j.
---@param rows nightjar.Tensor (N)
---@param columns nightjar.Tensor (M)
---@return nightjar.Tensor (N, M) uint8
function pairs_of.same(rows, columns)
  return rows:reshape(-1, 1):eq(columns:reshape(1, -1))
end

--- 1 everywhere but on the diagonal.
---@param size integer
---@return nightjar.Tensor (size, size) uint8
function pairs_of.off_diagonal(size)
  local index = core.arange(1, size, { dtype = "int64" })
  return index:reshape(-1, 1):ne(index:reshape(1, -1))
end

--- 1 where row and column are different pairs of the same clip: neither a positive of this row nor
--- a negative. All 0 without ids.
---@param fname string
---@param ids any[]|nightjar.Tensor|nil
---@param size integer
---@return nightjar.Tensor? (size, size) uint8; nil without ids
function pairs_of.same_clip(fname, ids, size)
  if ids == nil then return nil end
  local numbers = pairs_of.numbered(fname, ids, size, 3)
  return pairs_of.same(numbers, numbers) * pairs_of.off_diagonal(size)
end

--- The diagonal of a (B, B) matrix, whatever lies beside it (−inf too), kept in the graph.
---@param x nightjar.Tensor (B, B)
---@param dim integer 2 gives (B, 1), 1 gives (1, B)
---@return nightjar.Tensor
function pairs_of.diagonal(x, dim)
  if dim == 2 then return x:diagonal():reshape(-1, 1) end
  return x:diagonal():reshape(1, -1)
end

return pairs_of
