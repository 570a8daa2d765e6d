--- Checkpoints: one safetensors file with everything a run needs to go on as if nothing had
--- happened. The file is written under a temporary name, synced and renamed, so that a run killed
--- at any moment leaves the last whole one.
---
--- Tensors are named `weight.NAME`, `buffer.NAME` and `optimizer.SLOT.NAME`; the metadata key
--- `nightjar.train` holds the rest.
local core = require "nightjar.core"
local exact = require "nightjar.train.exact"
local fs = require "nightjar.fs"

local checkpoint = {}

local STATE_KEY = "nightjar.train"
local VERSION = 1

-- Weights that are nan would make the last good checkpoint a bad one.
local function first_not_finite(list)
  for _, item in ipairs(list) do
    if not item.tensor:detach():isfinite():all() then return item.name end
  end
end

--- What a run consists of.
---@class nightjar.train.Parts
---@field weights { name: string, tensor: nightjar.Tensor }[]
---@field buffers { name: string, tensor: nightjar.Tensor }[]
---@field optimizer nightjar.Optimizer
---@field schedule nightjar.Schedule?
---@field rngs table<string, nightjar.Rng>
---@field metadata table<string, string>?

local function rng_states(rngs)
  local out = {}
  for name, rng in pairs(rngs) do out[name] = rng:state() end
  return out
end

checkpoint.rng_states = rng_states

--- Sets generators to saved states; those that the states do not know stay as they are.
---@param rngs table<string, nightjar.Rng>
---@param states table<string, table>
function checkpoint.restore_rngs(rngs, states)
  for name, rng in pairs(rngs) do
    if states[name] then rng:restore(states[name]) end
  end
end

--- Writes a checkpoint. Raises when a weight is not finite.
---@param path string
---@param parts nightjar.train.Parts
---@param progress table where the run is: plain values
---@return true? ok
---@return string? message
---@return string? code
function checkpoint.save(path, parts, progress)
  local bad = first_not_finite(parts.weights) or first_not_finite(parts.buffers)
  if bad then
    error(("train: '%s' holds nan or infinity after step %d; no checkpoint was written over the "
      .. "last good one"):format(bad, progress.step), 0)
  end
  local tensors = {}
  for _, item in ipairs(parts.weights) do tensors["weight." .. item.name] = item.tensor:detach() end
  for _, item in ipairs(parts.buffers) do tensors["buffer." .. item.name] = item.tensor:detach() end
  local saved = parts.optimizer:state_dict()
  for name, tensor in pairs(saved.tensors) do tensors["optimizer." .. name] = tensor end
  saved.tensors = nil
  local metadata = {}
  for key, value in pairs(parts.metadata or {}) do metadata[key] = value end
  metadata[STATE_KEY] = exact.encode {
    version = VERSION, progress = progress, optimizer = saved,
    schedule = parts.schedule and parts.schedule:state_dict(), rngs = rng_states(parts.rngs),
  }
  local ok, message, code = core.store.save(path, tensors, metadata)
  if not ok then return nil, message, code end
  core.system.sync(fs.folder(path)) -- the new name survives a power cut, too
  return true
end

--- Reads a checkpoint.
---@param path string
---@return table? loaded { path, tensors, state, metadata }
---@return string? message
---@return string? code
function checkpoint.load(path)
  local file, message, code = core.store.load(path)
  if not file then return nil, message, code end
  local text = file.metadata[STATE_KEY]
  if not text then return nil, path .. ": not a checkpoint of nj.train", "EFORMAT" end
  local state, why = exact.decode(text)
  if not state then return nil, ("%s: unreadable state: %s"):format(path, why), "EFORMAT" end
  if state.version ~= VERSION then
    return nil, ("%s: checkpoint version %s, expected %d"):format(path, tostring(state.version),
      VERSION), "EUNSUPPORTED"
  end
  return { path = path, tensors = file.tensors, state = state, metadata = file.metadata }
end

local function shape_text(tensor) return "(" .. table.concat(tensor.shape, ", ") .. ")" end

-- Copies saved values into live tensors; every one of these must be there, in its shape.
local function copy_into(list, prefix, loaded)
  for _, item in ipairs(list) do
    local from = loaded.tensors[prefix .. item.name]
    if not from then
      error(("train: %s has no '%s'"):format(loaded.path, prefix .. item.name), 0)
    end
    if shape_text(from) ~= shape_text(item.tensor) then
      error(("train: '%s' has shape %s in %s, expected %s"):format(prefix .. item.name,
        shape_text(from), loaded.path, shape_text(item.tensor)), 0)
    end
    core.no_grad(function() item.tensor:detach():copy_(from) end)
  end
end

--- Takes weights and buffers from a loaded checkpoint.
---@param loaded table what checkpoint.load gave
---@param parts { weights: table[], buffers: table[] }
function checkpoint.restore_weights(loaded, parts)
  copy_into(parts.weights, "weight.", loaded)
  copy_into(parts.buffers, "buffer.", loaded)
end

--- Takes everything: weights, optimiser, schedule, generators.
---@param loaded table what checkpoint.load gave
---@param parts nightjar.train.Parts
---@return table progress as it was saved
function checkpoint.restore(loaded, parts)
  checkpoint.restore_weights(loaded, parts)
  local saved = loaded.state.optimizer
  saved.tensors = {}
  for name, tensor in pairs(loaded.tensors) do
    local slot = name:match "^optimizer%.(.*)$"
    if slot then saved.tensors[slot] = tensor end
  end
  parts.optimizer:load_state_dict(saved)
  if parts.schedule and loaded.state.schedule then
    parts.schedule:load_state_dict(loaded.state.schedule)
  end
  checkpoint.restore_rngs(parts.rngs, loaded.state.rngs)
  return loaded.state.progress
end

return checkpoint
