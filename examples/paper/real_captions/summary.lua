--- Results of experiment 6 over seeds, as JSON and as Markdown.
local fs = require "nightjar.fs"
local json = require "dkjson"
local nj = require "nightjar"
local rows = require "rows"

local summary = {}

local MEASURES = { "R@1", "R@5", "R@10", "mAP@10", "median_rank" }

-- 97.5 % points of Student's t, by degrees of freedom.
local STUDENT = { 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262 }

local function spread(values)
  local sum, squares = 0, 0
  for _, v in ipairs(values) do sum = sum + v end
  local mean = sum / #values
  for _, v in ipairs(values) do squares = squares + (v - mean) ^ 2 end
  if #values < 2 then return { mean = mean } end
  local deviation = math.sqrt(squares / (#values - 1))
  return { mean = mean, half = (STUDENT[#values - 1] or 2) * deviation / math.sqrt(#values) }
end

-- The same row of another seed; an empty one where it was not measured again.
local function find(result, row)
  for _, other in ipairs(result.rows) do
    if other.set == row.set and other.k == row.k and other.row == row.row then return other end
  end
  return {}
end

-- One entry for each row of the first seed, with all seeds' values.
local function gather(results)
  local out = {}
  for i, row in ipairs(results[1].rows) do
    local entry = {
      set = row.set, captions = row.captions, k = row.k, clips = row.clips, queries = row.queries,
      row = row.row, ci = row.ci,
    }
    for _, measure in ipairs(MEASURES) do
      local values = {}
      for _, result in ipairs(results) do values[#values + 1] = find(result, row)[measure] end
      entry[measure] = spread(values)
      entry[measure].seeds = values
    end
    out[i] = entry
  end
  return out
end

local function cell(value, fixed)
  if fixed or not value.half then return ("%.1f"):format(value.mean) end
  return ("%.1f ± %.1f"):format(value.mean, value.half)
end

local function title_of(name)
  for _, pair in ipairs(rows.names) do
    if pair[1] == name then return pair[2] end
  end
end

local function table_lines(entries, lines)
  lines[#lines + 1] = "| captions | K | scored by | R@1 | R@5 | R@10 | mAP@10 | median rank | R@1, 95 % of "
    .. "clips |"
  lines[#lines + 1] = "|---|---|---|---|---|---|---|---|---|"
  for _, e in ipairs(entries) do
    local fixed = e.row == "bm25" or e.row == "untrained"
    lines[#lines + 1] = ("| %s | %d | %s | %s | %s | %s | %s | %s | [%.1f, %.1f] |"):format(e.captions,
      e.k, title_of(e.row), cell(e["R@1"], fixed), cell(e["R@5"], fixed), cell(e["R@10"], fixed),
      cell(e["mAP@10"], fixed), cell(e.median_rank, true), e.ci["R@1"][1], e.ci["R@1"][2])
  end
end

local function weights_text(results, k)
  local words, bm25 = {}, {}
  for i, result in ipairs(results) do
    words[i] = ("%g"):format(result.weights[k].words.words)
    bm25[i] = ("%g"):format(result.weights[k].bm25.bm25)
  end
  return ("K = %s: words %s; BM25 %s"):format(k, table.concat(words, ", "), table.concat(bm25, ", "))
end

local function seconds_text(results)
  local values = {}
  for i, result in ipairs(results) do values[i] = ("%.0f"):format(result.train_seconds) end
  return table.concat(values, ", ")
end

local function markdown(all, entries)
  local seeds, c = #all.results, all.counts
  local lines = {
    "# Real captions: text → clip through generated captions alone", "",
    "```", all.command, "```", "",
    ("Each clip is found through what captioners wrote about it; its sound is not heard. Trained here: a "
      .. "text encoder of %d-wide word vectors (vocabulary %d, learnt from the training captions; "
      .. "nothing comes from outside) on Clotho development (%d clips with five human captions and "
      .. "five paraphrases by phi-4), AudioCaps train (%d captions) and %d clips of Clotho validation with "
      .. "human and generated captions. The other %d clips of Clotho validation chose "
      .. "hyper-parameters and fusion weights."):format(all.model.width, all.model.vocabulary,
      c.development, c.audiocaps, c.validation, c.held), "",
    "The captioners, CoNeTTE and the six runs of JKU's Whisper captioner, were trained by their authors on "
      .. "the training splits of these corpora. " .. ("AudioCaps test: the %d clips that CoNeTTE's file "
      .. "has, of %d listed."):format(entries[#entries].clips, all.listed), "",
    ("Percent; mean over %d seeds ± half a 95 %% interval of the mean (Student's t). The last column: "
      .. "bootstrap over clips, seed 1. Ties count by their mean rank. BM25 has no seed; "
      .. "the untrained encoder is seed 1's."):format(seeds),
  }
  local groups, order = {}, {}
  for _, entry in ipairs(entries) do
    if not groups[entry.set] then
      groups[entry.set] = {}
      order[#order + 1] = entry.set
    end
    table.insert(groups[entry.set], entry)
  end
  for _, name in ipairs(order) do
    local first = groups[name][1]
    lines[#lines + 1] = ""
    lines[#lines + 1] = ("## %s: %d clips, %d queries"):format(name, first.clips, first.queries)
    lines[#lines + 1] = ""
    table_lines(groups[name], lines)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "Fusion weights beside 1 for the sentence, by seed. " .. weights_text(all.results, "1")
    .. ". " .. weights_text(all.results, "3") .. ". " .. weights_text(all.results, "6")
    .. " (also for K = 9)."
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("Training took %s s of CPU time a seed, on one thread of a machine that others used "
    .. "too."):format(seconds_text(all.results))
  lines[#lines + 1] = ""
  return table.concat(lines, "\n")
end

--- Writes STEM.json and STEM.md.
function summary.write(stem, all)
  local entries = gather(all.results)
  local record = {
    command = all.command, version = nj._VERSION, seeds = #all.results, rows = entries,
    model = all.model, training = all.training, pool = all.pool, counts = all.counts,
    audiocaps_listed = all.listed, weights = {}, train_seconds = {},
  }
  for i, result in ipairs(all.results) do
    record.weights[i], record.train_seconds[i] = result.weights, result.train_seconds
  end
  assert(fs.make_folders(fs.folder(stem)))
  assert(fs.write(stem .. ".json", json.encode(record, { indent = true }) .. "\n"))
  assert(fs.write(stem .. ".md", markdown(all, entries)))
end

return summary
