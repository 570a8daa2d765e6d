#!/usr/bin/env lua5.4
--- What each piece of nightjar-base adds: short trainings with one piece left out, over seeds.
---
---   lua5.4 examples/ablate_base.lua --data DIR [--run DIR] [--steps N] [--seeds N] [--out FILE.md]
---
--- Each run is examples/train_base.lua with fewer steps; its figures are a file, so that the whole stops and
--- goes on. Intervals are Student's, 95 %, over the seeds.
local fs = require "nightjar.fs"
local json = require "dkjson"
local statistics = require "nightjar.experiment.statistics"

local parser = require "argparse"("ablate_base", "What each piece of nightjar-base adds.")
parser:option("--data", "The data folder."):argname("DIR"):count(1)
parser:option("--run", "Folder of features and results."):default "runs/nightjar-base"
parser:option("--steps", "Updates of a run."):default("500"):convert(math.tointeger)
parser:option("--seeds", "Seeds of a row."):default("5"):convert(math.tointeger)
parser:option("--out", "The table, as Markdown."):default "docs/results/08_base.md"
local options = parser:parse(arg)

local ROWS = {
  { "clip level and tags", "--levels clip" },
  { "… and segments and frames (all of it)", "" },
  { "without people's captions", "--levels clip --without captions" },
  { "without sounds/", "--levels clip --without sounds" },
  { "without soundsearch/", "--levels clip --without soundsearch" },
  { "without ESC-50", "--levels clip --without esc50" },
}
local COLUMNS = {
  { "captioned", "fused", "mAP", "47 captioned: fused" }, { "captioned", "clip", "mAP", "clip alone" },
  { "captioned", "caption", "mAP", "tags alone" },
  { "captioned among fold 5", "fused", "mAP", "… among 447: fused" },
  { "named, held out", "fused", "mAP", "names: fused" }, { "named, held out", "caption", "mAP", "tags alone" },
  { "ESC-50 fold 5", "fused", "mAP", "ESC-50 fold 5: fused" },
}

assert(fs.make_folders(options.run))
local lines = {
  "# What each piece of nightjar-base adds", "",
  ("mAP of texts, %d seeds, %d updates a run (the shipped model has 2500), mean ± 95 %% interval over seeds.")
    :format(options.seeds, options.steps),
  "Written by `lua5.4 examples/ablate_base.lua --data DIR`; the sets are those of the",
  "[card](../../models/nightjar-base.md). \"fused\" is what a search ranks by.", "",
}
local head, rule = { "|" }, { "|---|" }
for _, c in ipairs(COLUMNS) do
  head[#head + 1], rule[#rule + 1] = (" | %s"):format(c[4]), "---|"
end
lines[#lines + 1], lines[#lines + 2] = table.concat(head) .. " |", table.concat(rule)
for _, row in ipairs(ROWS) do
  local values = {}
  for seed = 1, options.seeds do
    local name = (row[2]:gsub("%W+", "-"))
    local file = ("%s/ablation%s-%d-%d.json"):format(options.run, name, options.steps, seed)
    if not fs.kind(file) then
      local command = ("lua5.4 examples/train_base.lua --data '%s' --run '%s' --steps %d --seed %d %s "
        .. "--results '%s'")
        :format(options.data, options.run, options.steps, seed, row[2], file)
      print(command)
      assert(os.execute(command .. " > /dev/null"))
    end
    local results = assert(json.decode(assert(fs.read(file))))
    for i, c in ipairs(COLUMNS) do
      values[i] = values[i] or {}
      values[i][seed] = results[c[1]][c[2]][c[3]]
    end
  end
  local cells = { "| " .. row[1] }
  for i in ipairs(COLUMNS) do
    local s = statistics.estimate(values[i])
    cells[#cells + 1] = (" | %.1f ± %.1f"):format(s.mean, s.half or 0)
  end
  lines[#lines + 1] = table.concat(cells) .. " |"
  print(lines[#lines])
end
-- What people wrote below the table stays.
local before = fs.kind(options.out) and assert(fs.read(options.out)) or ""
lines[#lines + 1] = before:match "\n(\n## Reading it.*)$" and "\n" .. before:match "\n\n(## Reading it.*)\n$"
assert(fs.write(options.out, table.concat(lines, "\n") .. "\n"))
