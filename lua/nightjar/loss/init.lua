--- Losses by name. Every loss of a batch is a function of its similarities,
---
---     local loss = nj.loss.nt_xent(S, { temperature = 0.07, ids = clip_ids })
---     local loss = nj.loss.get "triplet_max" (S, { margin = 0.2 })
---
--- with rows audio, columns text, and pair i on the diagonal; it gives a scalar tensor that can be
--- added to others, weighted and backpropagated.
local opts = require "nightjar.opts"

local modules = {
  nt_xent = "nightjar.loss.nt_xent",
  info_nce = "nightjar.loss.nt_xent",
  soft_nt_xent = "nightjar.loss.soft_nt_xent",
  dcase = "nightjar.loss.dcase",
  hard_negative = "nightjar.loss.hard_negative",
  triplet_sum = { "nightjar.loss.triplet", "sum" },
  triplet_max = { "nightjar.loss.triplet", "max" },
  triplet_weighted = { "nightjar.loss.triplet", "weighted" },
}

-- What belongs to losses but is none of S alone.
local others = {
  temperature = "nightjar.loss.temperature",
  embed_reg = "nightjar.loss.embed_reg",
  cosine = "nightjar.loss.cosine",
}

local loss = {}

local function load(from)
  if type(from) == "string" then return require(from) end
  return require(from[1])[from[2]]
end

--- The loss of that name: a function (S, options) → scalar tensor.
---@param name string see nj.loss.names()
---@return fun(S: nightjar.Tensor, options: table?): nightjar.Tensor
function loss.get(name)
  opts.arg("loss.get", 1, "name", name, { type = "string", one_of = loss.names() })
  return load(modules[name])
end

--- The names of all losses, sorted.
---@return string[]
function loss.names()
  local names = {}
  for name in pairs(modules) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return setmetatable(loss, {
  __index = function(self, key)
    local from = modules[key] or others[key]
    if not from then return nil end
    local value = load(from)
    rawset(self, key, value)
    return value
  end,
})
