--- Where batches come from, and how a run finds its place again.
---
--- `batches` of nj.train may be
---   a list                  the same batches every epoch
---   function (epoch)        gives an iterator; a resumed epoch is iterated from its beginning,
---                           with the generators as they were then, and batches already used are
---                           dropped
---   a loader                an object with a method `batches(epoch, skip)` that gives an iterator
---                           beginning after `skip` batches, the same for the same epoch whenever
---                           asked; `#loader` may tell the number of batches of an epoch. A loader
---                           that may leave out batches gives their numbers as batch.number
local opts = require "nightjar.opts"

local batches = {}

local function is_loader(source)
  local kind = type(source)
  if kind ~= "table" and kind ~= "userdata" then return false end
  local ok, method = pcall(function() return source.batches end)
  return ok and type(method) == "function"
end

--- Raises unless the value can give batches.
---@param source any
function batches.check(source)
  if type(source) == "function" or is_loader(source) then return end
  if type(source) == "table" and #source > 0 then return end
  error(("train: option 'batches' must be a list of batches, a function (epoch) giving an "
    .. "iterator, or a loader, got %s"):format(type(source) == "table" and "an empty table"
    or "a " .. opts.type_name(source)), 4)
end

--- The number of batches of an epoch, when that is known beforehand.
---@param source any
---@return integer?
function batches.count(source)
  if type(source) == "function" then return nil end
  if is_loader(source) then
    local ok, count = pcall(function() return #source end)
    return ok and math.type(count) == "integer" and count > 0 and count or nil
  end
  return #source
end

--- How many batches to skip to go on after this one.
---@param source any
---@param batch any
---@param before integer the position before it
---@return integer
function batches.position(source, batch, before)
  if type(source) ~= "function" and is_loader(source) and type(batch) == "table" then
    local number = rawget(batch, "number")
    if math.type(number) == "integer" then return number end
  end
  return before + 1
end

local function list_iterator(list, skip)
  local i = skip
  return function()
    i = i + 1
    return list[i]
  end
end

--- An iterator over the batches of an epoch after the first `skip`.
---@param source any
---@param epoch integer
---@param skip integer
---@param rewind fun() puts the generators to where the epoch began
---@param forward fun() puts them to where they were after `skip` batches
---@return fun(): any
---@return any state of a generic for
---@return any control
---@return any closing
function batches.iterate(source, epoch, skip, rewind, forward)
  if skip > 0 then rewind() end
  local nextf, state, control, closing
  if type(source) == "function" then
    nextf, state, control, closing = source(epoch)
    if type(nextf) ~= "function" then
      error(("train: the function 'batches' must give an iterator, got a %s"):format(
        opts.type_name(nextf)), 0)
    end
    for dropped = 1, skip do
      control = nextf(state, control)
      if control == nil then
        error(("train: epoch %d has %d batches now, but %d were used before the checkpoint"):format(
          epoch, dropped - 1, skip), 0)
      end
    end
  elseif is_loader(source) then
    nextf, state, control, closing = source:batches(epoch, skip)
  else
    nextf = list_iterator(source, skip)
  end
  if skip > 0 then forward() end
  return nextf, state, control, closing
end

return batches
