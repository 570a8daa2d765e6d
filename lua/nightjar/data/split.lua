--- A data set in parts for training, validation and test: as its clips say, or drawn.
local dataset = require "nightjar.data.dataset"
local opts = require "nightjar.opts"
local random = require "nightjar.data.random"
local takes = require "nightjar.data.takes"

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

local groups_of

-- The clips in groups of takes, each a list of places; every clip by itself when they are not to stay
-- together, or when all are takes of one sound.
function groups_of(clips, o)
  local list, by_key = {}, {}
  for i, clip in ipairs(clips) do
    local key = o.together and takes.key(clip.id) or clip.id
    if not by_key[key] then
      by_key[key] = { key = key }
      list[#list + 1] = by_key[key]
    end
    table.insert(by_key[key], i)
  end
  if #list < 2 and #clips > 1 then return groups_of(clips, { together = false }) end
  return list
end

-- Moves groups, in their order, into a part until it has about `target` clips: small ones first, so that it has
-- many, then those that fit, then the smallest when that was less than half. One group at least stays behind.
local function fill(groups, part, target, parts)
  local taken = 0
  local function take(k)
    for _, i in ipairs(groups[k]) do parts[i] = part end
    taken = taken + #groups[k]
    table.remove(groups, k)
  end
  for _, most in ipairs { math.ceil(target / 8), target } do
    local k = 1
    while k <= #groups and taken < target and #groups > 1 do
      if #groups[k] <= math.min(most, target - taken) then take(k) else k = k + 1 end
    end
  end
  if target == 0 or taken >= target / 2 or #groups < 2 then return end
  local least = 1
  for g = 2, #groups do
    if #groups[g] < #groups[least] then least = g end
  end
  take(least)
end

-- Groups in an order that their names and the seed say; the first are held out.
local function drawn(clips, o)
  local groups, parts = groups_of(clips, o), {}
  for _, group in ipairs(groups) do group.order = random.hash(o.seed, group.key) end
  table.sort(groups, function(a, b) return math.ult(a.order, b.order) end)
  fill(groups, "test", count_of(o.test, #clips), parts)
  fill(groups, "validation", count_of(o.validation, #clips), parts)
  for i = 1, #clips do parts[i] = parts[i] or "train" end
  return parts
end

--- Splits a data set. Clips that have a `split` (nj.data.folder's split_column) go where it says; of
--- others a share is drawn, the same for the same ids and seed. Takes of one sound stay together: files of
--- one folder whose names differ in a number behind the name alone ("door1.wav", "door_02b.wav"), unless all
--- clips are such. What else was cut from one recording only a split column can say.
---@param set nightjar.Dataset
---@param options? { validation?: number, test?: number, seed?: integer, together?: boolean } shares, where
---  nothing is given: 0.2 and 0; together: false lets takes of one sound go into different parts
---@return nightjar.Dataset? train
---@return nightjar.Dataset|string validation or message
---@return nightjar.Dataset|string test or code; each may be empty
return function(set, options)
  opts.arg("split", 1, "dataset", set, "nightjar.Dataset")
  local share = { type = "number", min = 0, below = 1 }
  local o = opts.check("split", options, {
    validation = { type = "number", default = 0.2, min = 0, below = 1 }, test = share,
    seed = { type = "integer", default = 1 },
    together = { type = "boolean", default = true },
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
