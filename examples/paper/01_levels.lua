#!/usr/bin/env lua5.4
--- Experiment 1: one vector a clip against each level and all levels together, for two audio
--- encoders; and where the words point (pointing accuracy, average precision over frames).
---
---   lua5.4 examples/paper/01_levels.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local setting = require "setting"

local LEVELS = {
  { "clip", nil, "clip (baseline)" },
  { "segment", { "segment" } },
  { "frame", { "frame" } },
  { "HCI", setting.all_levels, "all levels (HCI)" },
}

local function configurations_of(encoder)
  return function()
    local list = {}
    for i, level in ipairs(LEVELS) do
      list[i] = { name = level[1], label = level[3], encoder = encoder,
        hci = level[2] and setting.hci(level[2]) }
    end
    return list
  end
end

local metrics = setting.metrics()
for _, each in ipairs {
  { "align.pointing", "pointing" }, { "align.chance_pointing", "chance" },
  { "align.AP", "frame AP" }, { "align.chance_AP", "chance" },
} do
  metrics[#metrics + 1] = { key = each[1], label = each[2] }
end

for _, encoder in ipairs(setting.encoders()) do
  setting.experiment {
    name = "01-levels-" .. encoder, title = "1. Levels, encoder " .. encoder,
    configurations = configurations_of(encoder), baseline = "clip", metrics = metrics,
    encoders = { encoder },
    charts = { {}, { suffix = "pointing", metric = "align.pointing",
      title = "Where words point, encoder " .. encoder } },
  }
end
