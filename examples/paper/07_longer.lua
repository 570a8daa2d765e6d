#!/usr/bin/env lua5.4
--- Experiment 7: do the differences of experiments 1 and 4 last when runs are twice as long?
---
---   lua5.4 examples/paper/07_longer.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local setting = require "setting"

local function updates(o) return 2 * o.steps end

local function configurations(o)
  local list = {}
  local function add(name, hci, ac)
    list[#list + 1] = { name = name, encoder = o.encoder, steps = updates(o), hci = hci, ac = ac }
  end
  add "clip"
  add("frame", setting.hci { "frame" })
  add("HCI", setting.hci(setting.all_levels))
  add("HCI, matching", setting.hci(setting.all_levels), setting.ac { matching = "second" })
  add("HCI, matching by words, K = 8", setting.hci(setting.all_levels),
    setting.ac { matching = "words", captions = 8 })
  return list
end

local metrics = setting.metrics()
table.insert(metrics, 2, { key = "level.caption.R@1", label = "captions alone, R@1" })
metrics[#metrics + 1] = { key = "alpha", label = "fitted α", digits = 2 }

setting.experiment {
  name = "07-longer", title = "7. Runs of twice the length", configurations = configurations,
  baseline = "HCI", metrics = metrics, updates = updates,
}
