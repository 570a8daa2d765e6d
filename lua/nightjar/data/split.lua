--- A data set in parts for training, validation and test: as its clips say, or drawn.
local dataset = require "nightjar.data.dataset"
local opts = require "nightjar.opts"
local random = require "nightjar.data.random"

-- What the parts are called in data sets' files.
local names = {
  train = { "train", "training", "dev", "development" },
  validation = { "validation", "valid", "val" },
  test = { "test", "testing", "eval", "evaluation" },
}
local part_of = {}
for part, list in pairs(names) do
  for _, name in ipairs(list) do part_of[name] = part end
end

local function where(clip)
  return clip.line and ("line %d, '%s'"):format(clip.line, clip.id) or ("'%s'"):format(clip.id)
end

-- The part of each clip by its own word; nil, message when one is not understood.
local function as_given(clips)
  local parts = {}
  for i, clip in ipairs(clips) do
    local part = clip.split and part_of[clip.split:lower()]
    if not part then
      return nil, ("split: %s: %s; it should be train, validation or test"):format(where(clip),
        clip.split and ("the split is '%s'"):format(clip.split) or "no split, but other clips have one")
    end
    parts[i] = part
  end
  return parts
end

-- A share of n clips: at least one when the share is not 0.
local function count_of(share, n)
  return share > 0 and math.max(1, math.floor(share * n + 0.5)) or 0
end

-- Clips in an order that their ids and the seed say; the first are held out.
local function drawn(clips, o)
  local order, key, parts = {}, {}, {}
  for i, clip in ipairs(clips) do
    order[i], key[i] = i, random.hash(o.seed, clip.id)
  end
  table.sort(order, function(a, b) return math.ult(key[a], key[b]) end)
  local test = count_of(o.test, #clips)
  local held = test + count_of(o.validation, #clips)
  for place, i in ipairs(order) do
    parts[i] = place <= test and "test" or place <= held and "validation" or "train"
  end
  return parts
end

--- Splits a data set. Clips that have a `split` (nj.data.folder's split_column) go where it says; of
--- others a share is drawn, the same for the same ids and seed. Clips that were cut from one recording
--- should be in one part: only a split column can say so.
---@param set nightjar.Dataset
---@param options? { validation?: number, test?: number, seed?: integer } shares, where nothing is given:
---  0.2 and 0
---@return nightjar.Dataset? train
---@return nightjar.Dataset|string validation or message
---@return nightjar.Dataset|string test or code; each may be empty
return function(set, options)
  opts.arg("split", 1, "dataset", set, "nightjar.Dataset")
  local share = { type = "number", min = 0, below = 1 }
  local o = opts.check("split", options, {
    validation = { type = "number", default = 0.2, min = 0, below = 1 }, test = share,
    seed = { type = "integer", default = 1 },
  })
  o.test = o.test or 0
  local given = false
  for _, clip in ipairs(set.clips) do given = given or clip.split ~= nil end
  local parts, message
  if given then
    parts, message = as_given(set.clips)
    if not parts then return nil, message, "EFORMAT" end
  else
    parts = drawn(set.clips, o)
  end
  local out = {}
  for _, part in ipairs { "train", "validation", "test" } do
    local clips = {}
    for i, clip in ipairs(set.clips) do
      if parts[i] == part then clips[#clips + 1] = clip end
    end
    out[part] = dataset.new { name = set.name, split = part, clips = clips, root = set.root }
  end
  return out.train, out.validation, out.test
end
