--- What nightjar-base is made of: sounds with names, people's captions without sounds, AudioSet's classes, word
--- vectors. All paths are below one data folder; see the card for where each comes from and under which
--- licence.
local nj = require "nightjar"
local csv = require "nightjar.data.csv"
local json = require "dkjson"

local corpus = {}

local function lines(path)
  local list = {}
  for line in assert(io.open(path)):lines() do list[#list + 1] = line end
  return list
end

local function rows(path) return assert(csv.read(path)) end

local function manifest(folder)
  local list = {}
  for _, line in ipairs(lines(folder .. "/manifest.jsonl")) do
    local row = assert(json.decode(line))
    row.path = folder .. "/" .. row.file
    list[#list + 1] = row
  end
  return list
end

-- ---- sounds ----

-- Licences under which a clip may be trained on for a model that ships; ESC-50 and soundsearch also hold
-- others.
local function may_ship(licence)
  local l = licence:lower()
  return not (l:find "by[- ]nc" or l:find "sampling")
end

local function esc50(data)
  local list = {}
  for _, row in ipairs(rows(data .. "/esc50/meta/attribution.csv")) do
    list[#list + 1] = {
      path = data .. "/esc50/audio/" .. row.filename:gsub("%.wav$", ".ogg"), set = "esc50",
      fold = math.tointeger(tonumber(row.fold)), label = row.category:gsub("_", " "),
      texts = { (row.category:gsub("_", " ")), row.title_text ~= "" and row.title_text or nil },
      licence = row.license, author = row.author, url = row.url, source = "esc50/" .. row.freesound_id,
    }
  end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

-- Takes of one sound differ in a number: they share a source, and are never on both sides of a split.
local function source_of(row)
  local name = row.file:lower():gsub("%.%w+$", ""):gsub("[%d_%-%s]+$", "")
  return (row.set or "") .. "/" .. name
end

local function named(data, folder)
  local list = {}
  for _, row in ipairs(manifest(data .. "/" .. folder)) do
    list[#list + 1] = {
      path = row.path, set = row.set, texts = { row.text }, licence = row.license or "",
      author = row.author, url = row.source_url or row.source_path or row.from_path,
      source = source_of(row), synthetic = row.set == "fluid_gm" or row.set == "speech_tts"
        or row.set == "retro_synth",
    }
  end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

--- All sounds by collection: esc50, sounds, soundsearch, captioned (for choosing only).
---@param data string
---@return table<string, table[]>
function corpus.sounds(data)
  local captioned = {}
  for _, row in ipairs(manifest(data .. "/captioned_val")) do
    captioned[#captioned + 1] = { path = row.path, set = "captioned", texts = row.captions,
      youtube = row.youtube_id, source = row.youtube_id, licence = row.license }
  end
  return { esc50 = esc50(data), sounds = named(data, "sounds"), soundsearch = named(data, "soundsearch"),
    captioned = captioned }
end

-- Every tenth source of named sounds is kept out of training: for fusion weights and calibration.
local function held_out(clip)
  return tonumber(nj.digest(clip.source):sub(1, 6), 16) % 10 == 0
end

--- The clips that training sees, and those that choices are made by.
---@param sounds table of corpus.sounds
---@param without table<string, boolean> collections or sets left out: "esc50", "cdda", "sounds", …
---@return table[] train
---@return table[] validation named sounds held out by source, and fold 4 of ESC-50 by the names of its classes
function corpus.split(sounds, without)
  local train, validation = {}, {}
  for _, clip in ipairs(sounds.esc50) do
    if clip.fold == 4 then
      validation[#validation + 1] = { path = clip.path, set = "esc50", texts = { clip.texts[1] },
        licence = clip.licence, author = clip.author, url = clip.url }
    elseif clip.fold < 4 and may_ship(clip.licence) and not without.esc50 then
      train[#train + 1] = clip
    end
  end
  for _, name in ipairs { "sounds", "soundsearch" } do
    for _, clip in ipairs(sounds[name]) do
      if held_out(clip) then
        if not clip.synthetic then validation[#validation + 1] = clip end
      elseif may_ship(clip.licence) and not without[name] and not without[clip.set] then
        train[#train + 1] = clip
      end
    end
  end
  return train, validation
end

--- Writes who made the sounds that a model was trained on: what CC-BY asks for.
---@param path string
---@param clips table[]
function corpus.write_attribution(path, clips)
  local list = {}
  for _, clip in ipairs(clips) do
    list[#list + 1] = { clip = clip.set .. "/" .. clip.path:match "[^/]+$", author = clip.author or "",
      licence = clip.licence, source = clip.url or "" }
  end
  table.sort(list, function(a, b) return a.clip < b.clip end)
  assert(csv.write(path, list, { columns = { "clip", "author", "licence", "source" } }))
end

-- ---- captions ----

local function gather(groups, order, key, text)
  if not groups[key] then
    groups[key] = {}
    order[#order + 1] = groups[key]
  end
  local seen = groups[key]
  for _, known in ipairs(seen) do
    if known == text then return end
  end
  seen[#seen + 1] = text
end

--- Captions of people (and paraphrases), those of one sound together; and AudioCaps' training captions, of
--- which there is one a sound. Captions of the sounds in `keep_out` are left out, and all test splits.
---@param data string
---@param keep_out table<string, boolean> YouTube ids
---@return string[][] groups
---@return string[] single
function corpus.captions(data, keep_out)
  local folder, groups, order = data .. "/captions/", {}, {}
  for _, split in ipairs { "development", "validation" } do
    for _, row in ipairs(rows(folder .. "clotho/" .. split .. "_captions.csv")) do
      gather(groups, order, split .. "/" .. row.fname, row.raw_text)
    end
  end
  for _, row in ipairs(rows(folder .. "generated/clotho_dev_plus_phi4.csv")) do
    for i = 6, 10 do gather(groups, order, "development/" .. row.file_name, row["caption_" .. i]) end
  end
  for _, row in ipairs(rows(folder .. "audiocaps/val.csv")) do
    if not keep_out[row.youtube_id] then gather(groups, order, "audiocaps/" .. row.youtube_id, row.caption) end
  end
  local single = {}
  for _, row in ipairs(rows(folder .. "audiocaps/train.csv")) do
    if not keep_out[row.youtube_id] then single[#single + 1] = row.caption end
  end
  return order, single
end

--- The names of AudioSet's classes, in the order of a tagger's logits.
---@param data string
---@return string[]
function corpus.classes(data)
  local names = {}
  for _, row in ipairs(rows(data .. "/text/audioset/class_labels_indices.csv")) do
    names[tonumber(row.index) + 1] = row.display_name
  end
  return names
end

-- ---- words ----

--- Word vectors in order of frequency, of unit length: those of plain words.
---@param data string
---@return string[] words
---@return any vectors (V, 100)
function corpus.words(data)
  local all = lines(data .. "/text/glove/words.txt")
  local vectors = assert(nj.store.load(data .. "/text/glove/glove.100d.safetensors")).tensors.vectors
  local words, places = {}, {}
  for i, word in ipairs(all) do
    if word:find "^[a-z0-9]+$" then words[#words + 1], places[#places + 1] = word, i end
  end
  vectors = vectors:index_select(1, nj.tensor(places, { dtype = "int64" })):to "float32"
  return words, vectors:normalize(-1)
end

return corpus
