--- The similarity that every loss here is made for.
local opts = require "nightjar.opts"

--- Cosine similarity of every clip with every text.
---@param audio nightjar.Tensor (N, D) embeddings, any length
---@param text nightjar.Tensor (M, D)
---@return nightjar.Tensor (N, M), rows audio, columns text
local function cosine(audio, text)
  opts.arg("cosine", 1, "audio", audio, "tensor")
  opts.arg("cosine", 2, "text", text, "tensor")
  if #audio.shape ~= 2 or #text.shape ~= 2 or audio.shape[2] ~= text.shape[2] then
    error(("cosine: expected embeddings (N, D) and (M, D), got (%s) and (%s)"):format(
      table.concat(audio.shape, ", "), table.concat(text.shape, ", ")), 2)
  end
  return audio:normalize(2):matmul(text:normalize(2):transpose(1, 2))
end

return cosine
