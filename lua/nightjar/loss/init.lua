--- Losses by name. Every loss of a batch is a function of its similarities,
---
---     local loss = nj.loss.nt_xent(S, { temperature = 0.07, ids = clip_ids })
---     local loss = nj.loss.get "triplet_max" (S, { margin = 0.2 })
---
--- with rows audio, columns text, and pair i on the diagonal; it gives a scalar tensor that can be
--- added to others, weighted and backpropagated.
local opts = require "nightjar.opts"
local triplet = require "nightjar.loss.triplet"

-- The losses that loss.get knows.
local by_name = {
  nt_xent = require "nightjar.loss.nt_xent",
  info_nce = require "nightjar.loss.nt_xent",
  soft_nt_xent = require "nightjar.loss.soft_nt_xent",
  dcase = require "nightjar.loss.dcase",
  hard_negative = require "nightjar.loss.hard_negative",
  triplet_sum = triplet.sum,
  triplet_max = triplet.max,
  triplet_weighted = triplet.weighted,
}

local loss = {
  temperature = require("nightjar.loss.temperature").new,
  embed_reg = require "nightjar.loss.embed_reg",
  cosine = require "nightjar.loss.cosine",
  distill = require "nightjar.loss.distill",
}
for name, f in pairs(by_name) do loss[name] = f end

--- The loss of that name: a function (S, options) → scalar tensor.
---@param name string see nj.loss.names()
---@return fun(S: nightjar.Tensor, options: table?): nightjar.Tensor
function loss.get(name)
  opts.arg("loss.get", 1, "name", name, { type = "string", one_of = loss.names() })
  return by_name[name]
end

--- The names of all losses, sorted.
---@return string[]
function loss.names()
  local names = {}
  for name in pairs(by_name) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return loss
