--- ESC-50 (Piczak, ACM MM 2015): 2000 clips of five seconds, 50 classes of 40, in five folds. Its
--- clips have labels and no sentences; captions come from nightjar.data.captions, and, on request,
--- from the titles that the uploaders gave.
local captions = require "nightjar.data.captions"
local csv = require "nightjar.data.csv"
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local names = require "nightjar.data.names"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"
local random = require "nightjar.data.random"
local sounds = require "nightjar.data.sounds"

-- The usual single division; folds 1 to 3 have 1200 clips.
local split_folds = { train = { 1, 2, 3 }, val = { 4 }, test = { 5 }, all = { 1, 2, 3, 4, 5 } }

local function fold_set(o)
  local set, list = {}, o.folds or split_folds[o.split or "all"]
  for _, fold in ipairs(list) do
    if math.type(fold) ~= "integer" or fold < 1 or fold > 5 then
      error(("esc50: option 'folds' holds %s; folds are 1 to 5"):format(tostring(fold)), 3)
    end
    set[fold] = true
  end
  local sorted = {}
  for fold = 1, 5 do
    if set[fold] then sorted[#sorted + 1] = fold end
  end
  return set, o.split or ("folds " .. table.concat(sorted, ","))
end

-- Of a recording that lies in several folds, the lowest fold keeps its clips. A clip leaks when
-- that fold is not among the chosen ones.
local function lowest_folds(rows)
  local lowest = {}
  for _, row in ipairs(rows) do
    local fold = plain.number(row.fold)
    if not fold then return nil, row.fold end
    lowest[row.src_file] = math.min(lowest[row.src_file] or fold, fold)
  end
  return lowest
end

local function attributions(root, needed)
  local path = fs.join(root, "meta", "attribution.csv")
  if fs.kind(path) ~= "file" then
    if not needed then return {} end
    return nil, ("esc50: %s is missing, and the options 'licences' and 'titles' need it")
      :format(path), "ENOTFOUND"
  end
  local rows, message, code = csv.read(path, { required = { "filename", "license" } })
  if not rows then return nil, "esc50: " .. message, code end
  local by_stem = {}
  for _, row in ipairs(rows) do by_stem[fs.stem(row.filename)] = row end
  return by_stem
end

local function captions_of(id, label, o)
  local all = captions.of(label)
  if o.captions == "all" then return all end
  -- The usual caption comes first; the others differ from clip to clip.
  local rest = table.move(all, 2, #all, 1, {})
  random.stream(o.seed, "esc50", id):shuffle(rest)
  return table.move(rest, 1, math.min(o.captions - 1, #rest), 2, { all[1] })
end

local function add_title(clip, title)
  local text = title and names.clean(title) or ""
  clip.title = title
  if text == "" then return end
  for _, caption in ipairs(clip.captions) do
    if caption == text then return end
  end
  clip.captions[#clip.captions + 1] = text
end

local function clip_of(row, attribution, index, o)
  local id = fs.stem(row.filename)
  local clip = {
    id = id, label = row.category, target = plain.number(row.target), fold = plain.number(row.fold),
    source = row.src_file, esc10 = row.esc10 == "True", duration = 5.0,
    path = sounds.find(index, row.filename, id),
    captions = captions_of(id, row.category, o),
  }
  if attribution then
    clip.licence, clip.author, clip.url =
      attribution.license, attribution.author, attribution.url
    if o.titles then add_title(clip, attribution.title_text) end
  end
  return clip
end

local function known_classes(rows)
  for i, row in ipairs(rows) do
    if not captions.lexicon[row.category] then
      return nil, ("esc50: meta/esc50.csv: row %d has the unknown category '%s'")
        :format(i, row.category), "EFORMAT"
    end
  end
  return true
end

local function check_options(options)
  local o = opts.check("esc50", options, {
    split = { type = "string", one_of = { "train", "val", "test", "all" } },
    folds = "table",
    licences = "table",
    strict = { type = "boolean", default = false },
    captions = { type = "integer|string", default = 5, min = 1, one_of = nil },
    titles = { type = "boolean", default = false },
    seed = { type = "integer", default = 1 },
    missing = { type = "string", default = "drop", one_of = { "drop", "keep", "error" } },
  }, 4)
  if o.split and o.folds then
    error("esc50: give either 'split' or 'folds', not both", 3)
  end
  if type(o.captions) == "string" and o.captions ~= "all" then
    error(("esc50: option 'captions' must be a number or 'all', got '%s'"):format(o.captions), 3)
  end
  return o
end

--- Opens ESC-50, or some of its folds: the upstream layout with meta/esc50.csv and audio/*.wav (or
--- .ogg, .flac …). A clip's licence, author and URL are there when meta/attribution.csv is
--- (filename, license, author, url, title_text).
---
--- dataset.classes lists the labels that occur, each { label=, caption=, captions= }: the queries
--- for an evaluation by class. A clip's own captions start with the same usual caption.
---@param root string
---@param options? { split?: "train"|"val"|"test"|"all", folds?: integer[], licences?: string[],
---  strict?: boolean, captions?: integer|"all", titles?: boolean, seed?: integer,
---  missing?: "drop"|"keep"|"error" } split: folds 1–3, 4, 5, or all (default); licences: keep
---  only clips under these ("CC0", "CC-BY" …); strict: leave out clips whose recording also has
---  clips in a lower fold that is not chosen (three clips of fold 5, four recordings in all);
---  captions: how many a clip (default 5) or "all"; titles: add the uploader's title, cleaned, as
---  one more; seed: chooses a clip's captions; missing as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset clip ids are file names without extension
---@return string? message
---@return string? code
return function(root, options)
  opts.arg("esc50", 1, "root", root, "string")
  local o = check_options(options)
  local folds, split = fold_set(o)
  local path = fs.join(root, "meta", "esc50.csv")
  local rows, message, code =
    csv.read(path, { required = { "filename", "fold", "target", "category", "src_file" } })
  if not rows then return nil, "esc50: " .. message, code end
  local ok, lowest, attribution
  ok, message, code = known_classes(rows)
  if not ok then return nil, message, code end
  lowest, message = lowest_folds(rows)
  if not lowest then
    return nil, ("esc50: %s: '%s' is no fold"):format(path, message), "EFORMAT"
  end
  attribution, message, code = attributions(root, o.licences ~= nil or o.titles)
  if not attribution then return nil, message, code end
  local licensed
  if o.licences then
    licensed = {}
    for _, licence in ipairs(o.licences) do licensed[licence] = true end
  end
  local index = sounds.index { fs.join(root, "audio"), root }
  local listed, classes, seen = {}, {}, {}
  for _, row in ipairs(rows) do
    local fold, about = plain.number(row.fold), attribution[fs.stem(row.filename)]
    local leaks = o.strict and lowest[row.src_file] < fold and not folds[lowest[row.src_file]]
    local allowed = not licensed or (about and licensed[about.license])
    if folds[fold] and allowed and not leaks then
      listed[#listed + 1] = clip_of(row, about, index, o)
      seen[row.category] = true
    end
  end
  for label in pairs(seen) do
    local texts = captions.of(label)
    classes[#classes + 1] = { label = label, caption = texts[1], captions = texts }
  end
  table.sort(classes, function(a, b) return a.label < b.label end)
  local clips, missing, why = sounds.sort_missing("esc50", listed, o.missing)
  if not clips then return nil, missing, why end
  return dataset.new {
    name = "ESC-50", split = split, clips = clips, missing = missing, root = root,
    classes = classes,
  }
end
