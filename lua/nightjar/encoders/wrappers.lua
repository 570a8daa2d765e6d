--- Levels that PyTorch's wrappers put into the names of a checkpoint's tensors: DataParallel and
--- DistributedDataParallel `module`, torch.compile `_orig_mod`, FSDP and activation checkpointing their own.
--- Where a whole model was wrapped they lead the names; where a part of it was, they stand inside:
--- "audio_encoder.module.audio_enc._orig_mod.bn0.weight".
local wrappers = {}

local LEVELS = {
  module = true, _orig_mod = true, _fsdp_wrapped_module = true, _checkpoint_wrapped_module = true,
}

--- A name without the wrappers' levels inside it. Those that lead it stay: they are its prefix.
---@param name string
---@return string
function wrappers.name(name)
  local from = 1
  while true do
    local level, next_from = name:match("^([^.]*)%.()", from)
    if not LEVELS[level] then break end
    from = next_from
  end
  return name:sub(1, from - 1) .. name:sub(from):gsub("[^.]+%.", function(level)
    return LEVELS[level:sub(1, -2)] and "" or nil
  end)
end

--- Tensors by names without the wrappers' levels. The same table when no name changes, or when two would
--- become the same: then the levels mean something.
---@param tensors table<string, any>
---@return table<string, any>
function wrappers.tensors(tensors)
  local out, changed = {}, false
  for name, tensor in pairs(tensors) do
    local plain = wrappers.name(name)
    if out[plain] ~= nil then return tensors end
    out[plain] = tensor
    changed = changed or plain ~= name
  end
  return changed and out or tensors
end

return wrappers
