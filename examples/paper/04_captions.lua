#!/usr/bin/env lua5.4
--- Experiment 4: auxiliary captions. Each of their three uses alone, all of them, with one vector a
--- clip and with HCI.
---
---   lua5.4 examples/paper/04_captions.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local setting = require "setting"

local USES = {
  { "no captions" },
  { "augmentation", setting.ac { augmentation = true } },
  { "feature interaction", setting.ac { interaction = true } },
  -- What the layers do that bring captions to frames, when there are none to bring.
  { "interaction's layers, captions withheld", setting.ac { interaction = true, source = "none" } },
  { "matching", setting.ac { matching = "second" } },
  { "matching by words, K = 8", setting.ac { matching = "words", captions = 8 } },
  { "matching, trained jointly", setting.ac { matching = "joint" } },
  { "all uses", setting.ac { augmentation = true, interaction = true, matching = "second" } },
}

local function configurations(o)
  local list = {}
  for _, base in ipairs { { "clip" }, { "HCI", setting.hci(setting.all_levels) } } do
    for _, use in ipairs(USES) do
      list[#list + 1] = { name = ("%s, %s"):format(base[1], use[1]), encoder = o.encoder,
        hci = base[2], ac = use[2] }
    end
  end
  return list
end

local metrics = setting.metrics()
table.insert(metrics, 2, { key = "level.caption.R@1", label = "captions alone, R@1" })
metrics[#metrics + 1] = { key = "alpha", label = "fitted α", digits = 2 }

setting.experiment {
  name = "04-captions", title = "4. Auxiliary captions", configurations = configurations,
  baseline = "HCI, no captions", metrics = metrics,
}
