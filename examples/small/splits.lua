--- The data of nightjar-small: ESC-50's clips that are licensed CC0 or CC-BY, by split, and scenes
--- mixed from each split's own clips.
local nj = require "nightjar"

local splits = {}

local LICENCES = { "CC0", "CC-BY" }

--- Folds 1 to 3 ("train"), 4 ("val") or 5 ("test").
---@param root string ESC-50's folder
function splits.open(root, split)
  return assert(nj.data.esc50(root,
    { split = split, licences = LICENCES, strict = true, captions = "all", titles = split == "train" }))
end

--- The 50 classes in order, and the place of each.
function splits.classes()
  local classes, place = {}, {}
  for class in pairs(nj.data.captions.lexicon) do classes[#classes + 1] = class end
  table.sort(classes)
  for i, class in ipairs(classes) do place[class] = i end
  return classes, place
end

--- Pieces of words, learnt from what the grammar can say and from the titles.
function splits.vocabulary(train, seed)
  local lines = {}
  for _, clip in ipairs(train.clips) do
    for _, caption in ipairs(clip.captions) do lines[#lines + 1] = caption end
  end
  local scenes = nj.data.scenes(train, { seed = 1000 + seed, size = 4000 })
  for i = 1, #scenes do
    for _, caption in ipairs(assert(scenes:get(i)).captions) do lines[#lines + 1] = caption end
  end
  return assert(nj.text.train_wordpiece(lines, { size = 2000, min_frequency = 2 }))
end

return splits
