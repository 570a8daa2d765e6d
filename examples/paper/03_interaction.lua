#!/usr/bin/env lua5.4
--- Experiment 3: how tokens meet (learnt weights, maximum, attention), what the levels weigh when
--- they are fused, and three options of the loss.
---
---   lua5.4 examples/paper/03_interaction.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local setting = require "setting"

local function configurations(o)
  local function row(name, hci, loss)
    return { name = name, encoder = o.encoder, hci = setting.hci(setting.all_levels, hci),
      loss = loss }
  end
  return {
    row("learnt weights"),
    row("maximum", { interaction = "max" }),
    row("attention", { interaction = "attention" }),
    row("attention, temperature 0.1", { interaction = "attention", attention_temperature = 0.1 }),
    row("attention, learnt weights", { interaction = "weighted_attention" }),
    row("attention, learnt weights, temperature 0.1",
      { interaction = "weighted_attention", attention_temperature = 0.1 }),
    row("levels' losses weighed equally", { weights = false }),
    row("distillation", nil, { distill = 0.2 }),
    row("label denoising", nil, { denoise = 0 }),
    row("hardest negatives", nil, { hardest = { margin = 0.2, weight = 1 } }),
  }
end

local metrics = {
  { key = "fused.R@1", label = "fitted weights: mean R@1" },
  { key = "equal.R@1", label = "equal weights" },
  { key = "level.clip.R@1", label = "clip alone" },
  { key = "level.segment.R@1", label = "segment alone" },
  { key = "level.frame.R@1", label = "frame alone" },
  { key = "weight.clip", label = "weight of clip", digits = 2 },
  { key = "weight.segment", label = "of segment", digits = 2 },
  { key = "weight.frame", label = "of frame", digits = 2 },
}
for i, metric in ipairs(setting.metrics()) do
  if i > 1 then metrics[#metrics + 1] = metric end
end

setting.experiment {
  name = "03-interaction", title = "3. Interaction and fusion", configurations = configurations,
  baseline = "learnt weights", metrics = metrics,
  charts = { {}, { suffix = "equal", metric = "equal.R@1", title = "Equal fusion weights" } },
}
