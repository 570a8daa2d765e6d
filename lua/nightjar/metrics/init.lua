--- Metrics. Each answers with a table that prints itself, counts and intervals included:
---
---     local r = nj.metrics.retrieval(S, { clip_of = clip_of })   -- S (texts, clips)
---     print(r)
---     r.text_to_audio["R@1"], r.text_to_audio.ci["R@1"][1], r.text_to_audio.chance["R@1"]
local modules = {
  retrieval = "nightjar.metrics.retrieval",
  classification = "nightjar.metrics.classification",
  chance = "nightjar.metrics.chance",
}

local metrics = {}

return setmetatable(metrics, {
  __index = function(self, key)
    local value
    if modules[key] then
      value = require(modules[key])
    elseif key == "ranks" then
      value = require("nightjar.metrics.ranks").of
    elseif key == "average_precision" then
      value = require("nightjar.metrics.average_precision").of
    else
      return nil
    end
    rawset(self, key, value)
    return value
  end,
})
