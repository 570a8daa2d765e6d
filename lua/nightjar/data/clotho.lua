--- Clotho (Drossos et al., ICASSP 2020): clips of 15 to 30 seconds from Freesound, five captions
--- each. Two forms of the caption files are read: the official clotho_captions_<split>.csv
--- (file_name, caption_1 … caption_5) and the <split>_captions.csv of the DCASE retrieval task
--- (fname, raw_text, text; one caption a line). Four file names occur in two splits: an id is
--- "<split>/<file name>".
local csv = require "nightjar.data.csv"
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"
local sounds = require "nightjar.data.sounds"

-- Where the captions may lie, and the durations, which only some downloads have.
local function find_csv(root, patterns, split)
  for _, pattern in ipairs(patterns) do
    for _, folder in ipairs { "", "csv", "captions" } do
      local path = fs.join(root, folder, pattern:format(split))
      if fs.kind(path) == "file" then return path end
    end
  end
end

-- The captions of one row: all of caption_1 … caption_n, or the one column of the other form.
local function captions_of(row, column)
  if row.caption_1 == nil then return { row[column] } end
  local captions, k = {}, 1
  while row["caption_" .. k] do
    if row["caption_" .. k] ~= "" then captions[#captions + 1] = row["caption_" .. k] end
    k = k + 1
  end
  return captions
end

local function durations_of(root, split)
  local path = find_csv(root, { "clotho_ids.csv" }, split)
  local rows = path and csv.read(path, { required = { "fname", "split", "duration" } })
  local durations = {}
  for _, row in ipairs(rows or {}) do
    if row.split == split then durations[row.fname] = plain.number(row.duration) end
  end
  return durations
end

local function group(rows, split, column, index, durations)
  local listed, by_name = {}, {}
  for _, row in ipairs(rows) do
    local name = row.file_name or row.fname
    local clip = by_name[name]
    if not clip then
      clip = {
        id = split .. "/" .. name, file_name = name, captions = {},
        path = sounds.find(index, name, fs.stem(name)), duration = durations[name],
      }
      by_name[name] = clip
      listed[#listed + 1] = clip
    end
    for _, caption in ipairs(captions_of(row, column)) do
      clip.captions[#clip.captions + 1] = caption
    end
  end
  return listed
end

--- Opens one split of Clotho.
---
--- The captions are looked for as clotho_captions_<split>.csv or <split>_captions.csv in root,
--- root/csv and root/captions; the sounds directly in root/<split>, root/audio/<split>,
--- root/clotho_audio_<split>, root/clotho_audio_<split>/<split> and
--- root/clotho_audio_files/<split>.
---@param root string
---@param options { split: "development"|"validation"|"evaluation", csv?: string, audio?: string,
---  column?: "raw_text"|"text", missing?: "drop"|"keep"|"error" } column: which text of the DCASE
---  form is the caption, as written (default) or lower-case without punctuation; the others as in
---  nightjar.data.audiocaps
---@return nightjar.Dataset? dataset
---@return string? message
---@return string? code
return function(root, options)
  opts.arg("clotho", 1, "root", root, "string")
  local o = opts.check("clotho", options, {
    split = {
      type = "string", one_of = { "development", "validation", "evaluation" }, required = true,
    },
    csv = "string",
    audio = "string",
    column = { type = "string", default = "raw_text", one_of = { "raw_text", "text" } },
    missing = { type = "string", default = "drop", one_of = { "drop", "keep", "error" } },
  })
  local split = o.split
  local path = o.csv
    or find_csv(root, { "clotho_captions_%s.csv", "%s_captions.csv" }, split)
  if not path then
    return nil, ("clotho: no clotho_captions_%s.csv and no %s_captions.csv in %s, nor in its "
      .. "folders csv and captions"):format(split, split, root), "ENOTFOUND"
  end
  local rows, columns, code = csv.read(path)
  if not rows then return nil, "clotho: " .. columns, code end
  local has = {}
  for _, name in ipairs(columns) do has[name] = true end
  if not ((has.file_name and has.caption_1) or (has.fname and has[o.column])) then
    return nil, ("clotho: %s: expected the columns file_name, caption_1 … or fname, %s; "
      .. "there are '%s'"):format(path, o.column, table.concat(columns, "', '")), "EFORMAT"
  end
  local index = sounds.index(o.audio and { o.audio } or {
    fs.join(root, split), fs.join(root, "audio", split), fs.join(root, "clotho_audio_" .. split),
    fs.join(root, "clotho_audio_" .. split, split), fs.join(root, "clotho_audio_files", split),
  })
  local listed = group(rows, split, o.column, index, durations_of(root, split))
  local clips, missing, why = sounds.sort_missing("clotho", listed, o.missing)
  if not clips then return nil, missing, why end
  return dataset.new {
    name = "Clotho", split = split, clips = clips, missing = missing, root = root,
  }
end
