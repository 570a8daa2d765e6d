--- The filter bank that a checkpoint of torchlibrosa's front-end holds (logmel_extractor.melW), which its
--- authors' code computes with, beside that of the model's front-end.
local bank = {}

-- Of the largest weight: files made by several versions of librosa differ by their rounding.
local CLOSE = 1e-3

--- How the bank of a checkpoint differs from a front-end's: nil where there is none, its name, and a
--- message where it differs.
---@param tensors table<string, any>
---@param prefix string of the audio encoder
---@param front_end any of nj.audio.mel
---@return string? name
---@return string? message
function bank.compare(tensors, prefix, front_end)
  for name, theirs in pairs(tensors) do
    if name:sub(1, #prefix) == prefix and name:find "%.melW$" and theirs.ndim == 2 then
      local ours = front_end:bank():transpose(1, 2)
      if theirs.shape[1] ~= ours.shape[1] or theirs.shape[2] ~= ours.shape[2] then
        return name, ("its filter bank has shape (%d, %d), the front-end's (%d, %d): front_end = {…} is "
          .. "wanted"):format(theirs.shape[1], theirs.shape[2], ours.shape[1], ours.shape[2])
      end
      local largest = (theirs:to "float32" - ours):abs():max():item() / ours:max():item()
      if largest <= CLOSE then return name end
      return name, ("its filter bank differs from the front-end's by up to %.0f %% of the largest weight: "
        .. "front_end = {…} is wanted"):format(100 * largest)
    end
  end
end

return bank
