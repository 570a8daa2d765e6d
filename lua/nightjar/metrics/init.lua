--- Metrics. Each answers with a table that prints itself, counts and intervals included:
---
---     local r = nj.metrics.retrieval(S, { clip_of = clip_of })   -- S (texts, clips)
---     print(r)
---     r.text_to_audio["R@1"], r.text_to_audio.ci["R@1"][1], r.text_to_audio.chance["R@1"]
return {
  retrieval = require "nightjar.metrics.retrieval",
  relevance = require "nightjar.metrics.relevance",
  alignment = require "nightjar.metrics.alignment",
  classification = require "nightjar.metrics.classification",
  ranks = require("nightjar.metrics.ranks").of,
  average_precision = require("nightjar.metrics.average_precision").of,
  captions = require "nightjar.metrics.captions",
  chance = require "nightjar.metrics.chance",
}
