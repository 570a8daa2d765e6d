--- Rounding to what float16 holds, for values that stay float32 in memory: what is computed now is then
--- the same as what is read from disk later.
local core = require "nightjar.core"

local LEAST = 2 ^ -14 -- the least normal float16; those below lie 2^-24 apart

--- The float16 nearest to each finite value; those beyond 65504 keep eleven bits, but not the range.
---@param x nightjar.Tensor float32
---@return nightjar.Tensor
return function(x)
  -- Eleven of 24 bits (Veltkamp's splitting); adding 3/4 leaves steps of 2^-24.
  local scaled = x * 8193
  local normal = scaled - (scaled - x)
  return core.where(x:abs():ge(LEAST), normal, (x + 0.75) - 0.75)
end
