--- Optimisers.
---
---     local optimizer = nj.optim.adamw(model, { lr = 1e-4 })
---     loss:backward()
---     nj.optim.clip.norm(optimizer, 2)
---     optimizer:step()
---     optimizer:zero_grad()
local modules = {
  adam = { "nightjar.optim.adam", "adam" },
  adamw = { "nightjar.optim.adam", "adamw" },
  bert_adam = { "nightjar.optim.adam", "bert_adam" },
  sgd = { "nightjar.optim.sgd" },
  clip = { "nightjar.optim.clip" },
}

return setmetatable({}, {
  __index = function(self, key)
    local from = modules[key]
    if not from then return nil end
    local value = require(from[1])
    if from[2] then value = value[from[2]] end
    rawset(self, key, value)
    return value
  end,
})
