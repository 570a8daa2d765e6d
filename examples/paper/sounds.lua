--- The sounds of the experiments: three splits, each a list of clips with captions, and for each
--- audio encoder the frames that it makes of them, kept on disk.
---
---   esc50      scenes of at most ten seconds mixed from ESC-50's clips: folds 1 to 3 for training,
---              fold 4 for validation, fold 5 for the test (397 clips: three whose recordings also
---              lie in fold 4 are left out). No scene mixes clips of two folds.
---   clotho     development, validation, evaluation
---   audiocaps  train, val, test
---
--- The training clips come in three parts that share no recording where the data can tell (ESC-50:
--- the folds), so that captions of one part can be made by a captioner that never heard it.
local nj = require "nightjar"
local fs = require "nightjar.fs"

local sounds = {}

local PARTS = { "train1", "train2", "train3" }

-- One source in ten scenes, not one in four: scenes of a single sound often mean the same as others.
local SOURCES = { 10, 40, 30, 20 }

-- What a scene is asked for and trained with, and true captions beside them, which are neither: the
-- auxiliary captions of an oracle.
local CAPTIONS, RESERVE = 5, 4

local function scenes_of(o, name, fold, seed, size)
  -- Strict: of a recording that lies in several folds, only the lowest fold has clips.
  local set = assert(nj.data.esc50(o.root, { folds = { fold }, strict = true }))
  local scenes = nj.data.scenes(set, { seed = seed, size = size, sources = SOURCES,
    captions = CAPTIONS + RESERVE, activity = fs.join(o.cache, "activity-" .. name .. ".tsv") })
  local clips = assert(scenes:dataset()).clips
  for _, clip in ipairs(clips) do
    clip.reserve = table.move(clip.captions, CAPTIONS + 1, #clip.captions, 1, {})
    clip.captions = table.move(clip.captions, 1, CAPTIONS, 1, {})
  end
  assert(scenes.activity:save())
  return { source = scenes, clips = clips }
end

local function open_esc50(o)
  local out = { val = scenes_of(o, "val", 4, 12, o.val), test = scenes_of(o, "test", 5, 13, o.test) }
  for fold, name in ipairs(PARTS) do out[name] = scenes_of(o, name, fold, 11, o.train // #PARTS) end
  return out
end

local function open_split(read, root, name)
  local set = assert(read(root, { split = name }))
  if #set.clips < #PARTS then
    error(("%s: %d clips of the split '%s' have a sound file in %s"):format(set.name, #set.clips,
      name, root), 0)
  end
  return set
end

local function open_corpus(read, root, names)
  local train = open_split(read, root, names.train)
  local out = {}
  for i, part in ipairs(PARTS) do
    local set = train:subset(function(_, n) return n % #PARTS == i - 1 end)
    out[part] = { source = set, clips = set.clips }
  end
  for _, split in ipairs { "val", "test" } do
    local set = open_split(read, root, names[split])
    out[split] = { source = set, clips = set.clips }
  end
  return out
end

local open = {
  esc50 = open_esc50,
  clotho = function(o)
    return open_corpus(nj.data.clotho, o.root,
      { train = "development", val = "validation", test = "evaluation" })
  end,
  audiocaps = function(o)
    return open_corpus(nj.data.audiocaps, o.root, { train = "train", val = "val", test = "test" })
  end,
}

-- ---- audio encoders ----
-- Each gives a network called with (mel, lengths) for (frames, clip, lengths), and its front-end.

local encoders = {}

--- The trunk of nightjar-small, which nightjar-captioner shares; it was itself trained on ESC-50's folds 1 to
--- 3.
function encoders.small()
  local model = assert(nj.captioner.load "nightjar-captioner")
  return model.audio_tower.encoder, model.audio_tower.front_end
end

--- EfficientAT's mn04_as, trained on AudioSet by its authors; its weights are the file --mn04.
function encoders.mn04(o)
  if not o.mn04 then
    error("the encoder mn04 needs its weights: --mn04 FILE (EfficientAT's mn04_as_mAP_432.pt)", 0)
  end
  local net = nj.encoders.mobilenet { width = 0.4 }
  local report = net:load(assert(nj.store.load(o.mn04)).tensors)
  if #report.missing + #report.mismatched > 0 then
    error(("%s: these are not the weights of mn04: %d tensors are missing, %d have other shapes")
      :format(o.mn04, #report.missing, #report.mismatched), 0)
  end
  return net, nj.audio.mel { preset = "efficientat" }
end

local function encoder_of(name, o)
  local make = encoders[name]
  if not make then error(("unknown audio encoder '%s'"):format(name), 0) end
  return make(o)
end

-- Keeps the clips whose sound could be read, in the order of the features.
local function matching(clips, set)
  local by_id, kept = {}, {}
  for _, clip in ipairs(clips) do by_id[clip.id] = clip end
  for i, id in ipairs(set.ids) do kept[i] = by_id[id] end
  return kept
end

local function features_of(split, part, name, o)
  local encoder, front_end = encoder_of(name, o)
  local path = fs.join(o.cache, ("%s-%s-%s-%d.safetensors"):format(o.data, name, part,
    #split.source))
  local bar = nj.progress { total = #split.source, label = ("%s %s"):format(name, part) }
  local set = assert(nj.experiment.features(path, {
    source = split.source, encoder = encoder, front_end = front_end,
    max_seconds = o.data == "clotho" and 30 or 10,
    progress = function(done) bar:update(done) end,
  }))
  if not set.cached then bar:finish() end
  set.clips = matching(split.clips, set)
  for _, failure in ipairs(set.failures) do
    io.stderr:write(("left out: %s: %s\n"):format(failure.id, failure.message))
  end
  return set
end

-- Rows of several sets as one, and which set each belongs to.
local function joined(sets)
  local out = nj.features.join(sets)
  out.part_of, out.seconds_per_frame = {}, sets[1].seconds_per_frame
  for i, set in ipairs(sets) do
    for _ = 1, #set.clips do out.part_of[#out.part_of + 1] = i end
  end
  return out
end

--- Opens data. Features are made when first asked for.
---@param o table data ("esc50", "clotho", "audiocaps"), root, cache (folder), mn04 (a file), and for
---  esc50 how many scenes: train, val, test
---@return table data data.features(split, encoder): frames (N, T, C), lengths (N), clip (N, C),
---  clips, and for "train" part_of, the part each clip belongs to
function sounds.open(o)
  assert(fs.make_folders(o.cache))
  local splits = open[o.data](o)
  local known, data = {}, {}
  function data.features(split, encoder)
    local key = split .. " " .. encoder
    if not known[key] then
      if split == "train" then
        local sets = {}
        for i, part in ipairs(PARTS) do sets[i] = features_of(splits[part], part, encoder, o) end
        known[key] = joined(sets)
      else
        known[key] = features_of(splits[split], split, encoder, o)
      end
    end
    return known[key]
  end
  --- The training captions, once each: what vocabularies are learnt from.
  function data.texts()
    local list, seen = {}, {}
    for _, part in ipairs(PARTS) do
      for _, clip in ipairs(splits[part].clips) do
        for _, caption in ipairs(clip.captions) do
          if not seen[caption] then
            seen[caption] = true
            list[#list + 1] = caption
          end
        end
      end
    end
    return list
  end
  return data
end

sounds.encoders, sounds.parts = encoders, #PARTS

return sounds
