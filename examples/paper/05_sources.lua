#!/usr/bin/env lua5.4
--- Experiment 5: how many captions a clip has, and where they come from: none, our own captioner,
--- or true captions (no query among them), which bound what any captioner could do. Used for
--- matching, by sentence vectors or by words.
---
---   lua5.4 examples/paper/05_sources.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local setting = require "setting"

local function configurations(o)
  local list = {}
  local function add(name, series, k, ac)
    list[#list + 1] = { name = name, encoder = o.encoder, series = series, k = k,
      hci = setting.hci(setting.all_levels), ac = ac }
  end
  local function uses(source, k, matching)
    return setting.ac { matching = matching or "second", source = source, captions = k }
  end
  add("none", nil, nil, nil)
  for _, k in ipairs { 1, 4, 8 } do
    add(("own captioner, K = %d"):format(k), "own captioner", k, uses("own", k))
  end
  for _, k in ipairs { 4, 8 } do
    add(("own captioner, by words, K = %d"):format(k), "own captioner, by words", k,
      uses("own", k, "words"))
  end
  for _, k in ipairs(o.data == "esc50" and { 1, 4 } or {}) do
    add(("oracle, K = %d"):format(k), "oracle", k, uses("oracle", k))
  end
  return list
end

local metrics = setting.metrics()
table.insert(metrics, 2, { key = "level.caption.R@1", label = "captions alone, R@1" })
metrics[#metrics + 1] = { key = "alpha", label = "fitted α", digits = 2 }

setting.experiment {
  name = "05-sources", title = "5. Number and source of captions", configurations = configurations,
  baseline = "none", metrics = metrics,
  charts = { {}, { kind = "lines", suffix = "k", x = "k", series = "series",
    x_label = "captions a clip, K" } },
}
