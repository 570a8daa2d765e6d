#!/usr/bin/env lua5.4
--- Asks a model for sounds by names that people gave them: sounds of games and of music software, unlike those
--- that ESC-50 has.
---
---   lua5.4 examples/evaluate_soundsearch.lua --sounds DIR [--model FILE] [--by LEVEL]
---
--- DIR holds manifest.jsonl: an object a line with `file` (below DIR), `text` (the name) and `set`. Sounds of a
--- set that share a name are all what the name asks for. Each set is searched by itself, with all its sounds,
--- and then all sounds together; and each time those names are reported separately of whose words the model's
--- training showed it all, some, or none. A word counts as shown when the model's vocabulary has it whole;
--- single letters and articles, prepositions and the like do not count. Intervals resample names.
local nj = require "nightjar"
local bootstrap = require "nightjar.metrics.bootstrap"
local content = require "nightjar.model.content"
local json = require "dkjson"
local report = require "nightjar.metrics.report"

local parser = require "argparse"("evaluate_soundsearch", "Find sounds of games and music by their names.")
parser:option("--sounds", "The folder that holds manifest.jsonl."):argname("DIR"):count(1)
parser:option("--model", "The model: a file, or the name of a shipped one."):default "nightjar-base"
parser:option("--by", "clip, segment, frame or caption, or their fusion."):default "fused"
parser:option("--bootstrap", "Resamples of names for the intervals."):default("1000"):convert(math.tointeger)
local options = parser:parse(arg)

local function read_manifest(path)
  local rows = {}
  for line in assert(io.lines(path)) do
    local row, _, message = json.decode(line)
    if not row then error(path .. ": " .. message, 0) end
    rows[#rows + 1] = row
  end
  return rows
end

-- "all", "some" or "none" of a name's words are known; false for a name without any.
local function known_words(model, name)
  local unknown, known, other = {}, 0, 0
  for _, word in ipairs(model:unknown_words(name)) do unknown[word] = true end
  for word in name:lower():gmatch "%a%a+" do
    if content.names(word) then
      if unknown[word] then other = other + 1 else known = known + 1 end
    end
  end
  if known + other == 0 then return false end
  return other == 0 and "all" or known == 0 and "none" or "some"
end

-- Names, each once, and the places of the sounds that have them.
local function group(rows)
  local names, members, place = {}, {}, {}
  for i, row in ipairs(rows) do
    if not place[row.text] then
      names[#names + 1] = row.text
      place[row.text] = #names
      members[#names] = {}
    end
    table.insert(members[place[row.text]], i)
  end
  return names, members
end

local METRICS = { "R@1", "R@5", "R@10", "mAP" }

-- Of each name: whether a sound of it is among the first k, and the average precision of all of its sounds;
-- and what an order by chance has to expect.
local function measure(scores, members)
  local ranks = nj.metrics.ranks(scores, members)
  local precision = nj.metrics.average_precision(scores, members)
  local values, chance, gallery = {}, {}, scores.shape[2]
  for q, list in ipairs(ranks) do
    local best = math.min(table.unpack(list))
    values[q], chance[q] = {}, {}
    for m, k in ipairs { 1, 5, 10 } do
      values[q][m] = best < k and 100 or 0
      chance[q][m] = 100 * nj.metrics.chance.hit(gallery, #list, k)
    end
    values[q][4] = 100 * precision[q]
    chance[q][4] = 100 * nj.metrics.chance.average_precision(gallery, #list)
  end
  return values, chance
end

local function mean(rows, chosen, m)
  local sum = 0
  for _, q in ipairs(chosen) do sum = sum + rows[q][m] end
  return sum / #chosen
end

local function print_some(title, values, chance, chosen)
  if #chosen == 0 then return end
  local sums, sizes, column, ci = {}, {}, {}, nil
  for i, q in ipairs(chosen) do sums[i], sizes[i] = values[q], { 1, 1, 1, 1 } end
  for m, name in ipairs(METRICS) do column[name] = m end
  local o = { bootstrap = options.bootstrap, seed = 1 }
  if o.bootstrap > 0 then
    ci = bootstrap.means(METRICS, sums, sizes, bootstrap.counts(#chosen, o), 0.95)
  end
  print(report.table({ ("%s (%d)"):format(title, #chosen), "value", ci and "[95 % CI]" or "", "chance" },
    METRICS, function(name)
      return { mean(values, chosen, column[name]), ci and ci[name] or false,
        mean(chance, chosen, column[name]) }
    end) .. "\n")
end

local function evaluate(model, title, rows, clips)
  local names, members = group(rows)
  local S = model:similarity(names, clips)
  local scores = options.by == "fused" and S.scores or S[options.by]
  if not scores then error(("the model has no level '%s'"):format(options.by), 0) end
  local values, chance = measure(scores, members)
  local by_words = { all = {}, some = {}, none = {} }
  local every = {}
  for q, name in ipairs(names) do
    every[q] = q
    local known = known_words(model, name)
    if known then table.insert(by_words[known], q) end
  end
  print(("%s: %d sounds, %d names\n"):format(title, #rows, #names))
  print_some("all names", values, chance, every)
  for _, known in ipairs { "all", "some", "none" } do
    print_some(known == "none" and "no word known" or known .. " words known", values, chance, by_words[known])
  end
end

local model = assert(nj.load(options.model))
local rows, sets, kept, clips = read_manifest(options.sounds .. "/manifest.jsonl"), {}, {}, {}
for _, row in ipairs(rows) do
  local clip = model:audio({ options.sounds .. "/" .. row.file })[1]
  if clip.error then
    io.stderr:write(clip.error, "\n")
  else
    kept[#kept + 1], clips[#clips + 1] = row, { vector = clip.vector, levels = clip.levels, path = row.file }
    if not sets[row.set] then
      sets[row.set] = { rows = {}, clips = {} }
      sets[#sets + 1] = row.set
    end
    table.insert(sets[row.set].rows, row)
    table.insert(sets[row.set].clips, clips[#clips])
  end
end
print(model)
print(("by: %s\n"):format(options.by))
for _, name in ipairs(sets) do evaluate(model, name, sets[name].rows, sets[name].clips) end
if #sets > 1 then evaluate(model, "all sets", kept, clips) end
