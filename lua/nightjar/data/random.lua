--- Random streams that are a function of what they are for: the same seed and the same words give
--- the same numbers, whatever was drawn before and for whatever else.
local core = require "nightjar.core"

local random = {}

-- FNV-1a, 64 bits, over the parts with their types and lengths, so that ("ab", "c") and ("a", "bc")
-- differ.
local function hash(...)
  local h = 0xcbf29ce484222325
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    local text = math.type(part) == "integer" and ("i%d"):format(part)
      or ("s%d:%s"):format(#part, part)
    for at = 1, #text do h = (h ~ text:byte(at)) * 0x100000001b3 end
  end
  return h
end

--- A generator for one purpose.
---@param seed integer
---@param ... string|integer what it is for: "scene", split, index …
---@return nightjar.Rng
function random.stream(seed, ...)
  return core.rng(seed, hash(...))
end

--- A 64-bit number made of strings and integers, the same on every machine.
random.hash = hash

return random
