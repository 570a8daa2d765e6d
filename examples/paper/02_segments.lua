#!/usr/bin/env lua5.4
--- Experiment 2: how frames become segments and words phrases: the kind of aggregation, how many
--- there are, and where the top level comes from.
---
---   lua5.4 examples/paper/02_segments.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path
local setting = require "setting"

-- As setting.segments has them, so that the row they share is run once.
local function aggregator(kind, tokens)
  return { kind = kind, tokens = tokens, hidden = kind ~= "window" and 64 or nil }
end

local function with(kind, segments, phrases, more)
  local options = { segments = aggregator(kind, segments), phrases = aggregator(kind, phrases) }
  for key, value in pairs(more or {}) do options[key] = value end
  return setting.hci(setting.all_levels, options)
end

local KINDS = { cluster = "soft clusters", dpc = "DPC-KNN", window = "windows" }

local function configurations(o)
  local list = {}
  local function add(label, kind, segments, phrases, more)
    list[#list + 1] = { name = label, encoder = o.encoder, kind = KINDS[kind], segments = segments,
      hci = with(kind, segments, phrases, more) }
  end
  for _, kind in ipairs { "cluster", "dpc", "window" } do
    add(("%s, 6 segments, 4 phrases"):format(KINDS[kind]), kind, 6, 4)
  end
  add("soft clusters, 3 segments, 2 phrases", "cluster", 3, 2)
  add("soft clusters, 12 segments, 8 phrases", "cluster", 12, 8)
  add("soft clusters, clip aggregated too", "cluster", 6, 4, { top = "aggregate" })
  return list
end

local metrics = setting.metrics()
table.insert(metrics, 2, { key = "level.segment.R@1", label = "segments alone, R@1" })

setting.experiment {
  name = "02-segments", title = "2. Segments and phrases", configurations = configurations,
  baseline = "soft clusters, 6 segments, 4 phrases", metrics = metrics,
  charts = { {}, { suffix = "alone", metric = "level.segment.R@1",
    title = "Segments and phrases alone" } },
}
