--- WavCaps' regulariser of embeddings (XinhaoMei/WavCaps, ase_model.py): the mean magnitude of an
--- element over the Frobenius norm, summed over audio and text. Added to soft NT-Xent there.
local opts = require "nightjar.opts"

local function of(x)
  return x:abs():mean() / x:square():sum():sqrt()
end

--- mean|a| / ‖a‖_F + mean|t| / ‖t‖_F.
---@param audio nightjar.Tensor (B, D) embeddings, normalised as they enter the similarity
---@param text nightjar.Tensor (B, D)
---@return nightjar.Tensor scalar
local function embed_reg(audio, text)
  opts.arg("embed_reg", 1, "audio", audio, "tensor")
  opts.arg("embed_reg", 2, "text", text, "tensor")
  return of(audio) + of(text)
end

return embed_reg
