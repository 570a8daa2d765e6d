---nightjar: find sounds with words, and words with sounds.
---
---The C side (tensors, sound, words, networks) is here at once; modules written in Lua are loaded
---when first used, so that `require "nightjar"` stays fast.
local core = require "nightjar.core"

local nj = {}
for name, value in pairs(core) do
  nj[name] = value
end
nj.encoders = nil -- its Lua module has the C functions too

nj._VERSION = "nightjar " .. core.version

-- What a name of the namespace is loaded from.
local modules = {
  captioner = "nightjar.captioner",
  bm25 = "nightjar.bm25",
  data = "nightjar.data",
  encoders = "nightjar.encoders",
  experiment = "nightjar.experiment",
  evaluate = "nightjar.evaluate",
  head = "nightjar.head",
  families = "nightjar.families",
  features = "nightjar.features",
  finetune = "nightjar.finetune",
  library = "nightjar.library",
  log = "nightjar.log",
  loss = "nightjar.loss",
  metrics = "nightjar.metrics",
  model = "nightjar.model",
  optim = "nightjar.optim",
  plot = "nightjar.plot",
  progress = "nightjar.progress",
  schedule = "nightjar.schedule",
  train = "nightjar.train",
}

-- Functions of modules that are so common that they have a name of their own.
local shortcuts = {
  load = { "nightjar.model", "load" },
}

return setmetatable(nj, {
  __index = function(self, name)
    local value
    if modules[name] then
      value = require(modules[name])
    elseif shortcuts[name] then
      value = require(shortcuts[name][1])[shortcuts[name][2]]
    end
    rawset(self, name, value)
    return value
  end,
})
