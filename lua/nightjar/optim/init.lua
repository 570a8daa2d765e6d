--- Optimisers.
---
---     local optimizer = nj.optim.adamw(model, { lr = 1e-4 })
---     loss:backward()
---     nj.optim.clip.norm(optimizer, 2)
---     optimizer:step()
---     optimizer:zero_grad()
local adam = require "nightjar.optim.adam"

return {
  adam = adam.adam,
  adamw = adam.adamw,
  bert_adam = adam.bert_adam,
  sgd = require "nightjar.optim.sgd",
  clip = require "nightjar.optim.clip",
}
