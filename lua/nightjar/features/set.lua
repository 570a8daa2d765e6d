--- The features of a list of clips, read from a store when they are asked for. As many as fit into the
--- memory they are given stay there; the others are read anew each time.
local core = require "nightjar.core"
local levels = require "nightjar.model.levels"
local opts = require "nightjar.opts"
local networks = require "nightjar.networks"
local pool = require "nightjar.features.pool"

---@class nightjar.FeatureSet
---@field clips nightjar.Clip[] those whose sound could be read
---@field failures { id: string, message: string }[] the others
local Set = {}
Set.__index = Set
Set.__name = "nightjar.FeatureSet"

local set = {}

--- An empty set; add clips with set.add.
---@param store nightjar.FeatureStore
---@param memory integer bytes
---@return nightjar.FeatureSet
function set.new(store, memory)
  return setmetatable({ store = store, clips = {}, failures = {}, kept = {}, room = memory }, Set)
end

-- Keeps features in memory if there is room.
local function keep(self, i, found)
  local bytes = 4 * (found.frames:numel() + found.clip:numel() + (found.tags and found.tags:numel() or 0))
  if bytes > self.room then return end
  self.kept[i], self.room = found, self.room - bytes
end

--- Adds a clip and what the store gave for it.
---@param self nightjar.FeatureSet
---@param clip nightjar.Clip
---@param found table
function set.add(self, clip, found)
  self.clips[#self.clips + 1] = clip
  keep(self, #self.clips, found)
end

--- The features of one clip. Raises when its entry is gone and the sound cannot be read any more.
---@param i integer
---@return { frames: nightjar.Tensor, clip: nightjar.Tensor, tags?: nightjar.Tensor, step: number,
---  seconds: number }
function Set:get(i)
  opts.arg("features:get", 1, "i", i, { type = "integer", min = 1, max = #self.clips })
  local found = self.kept[i]
  if found then return found end
  local clip = self.clips[i]
  local again, message = self.store:get(clip.path)
  if not again then error(("features: %s: %s"):format(clip.id, message), 2) end
  return again
end

--- Some clips as head:audio takes them, padded to the longest.
---@param rows integer[]
---@return { frames: nightjar.Tensor, mask: nightjar.Tensor, clip: nightjar.Tensor, tags?: nightjar.Tensor }
function Set:take(rows)
  opts.arg("features:take", 1, "rows", rows, "table")
  local frames, clip, tags, lengths, longest = {}, {}, {}, {}, 0
  for b, i in ipairs(rows) do
    local found = self:get(i)
    frames[b], clip[b], lengths[b] = found.frames, found.clip, found.frames.shape[1]
    tags[b] = found.tags
    longest = math.max(longest, lengths[b])
  end
  for b, x in ipairs(frames) do
    if lengths[b] < longest then frames[b] = x:pad { { 0, longest - lengths[b] }, { 0, 0 } } end
  end
  local count = core.tensor(lengths, { dtype = "int64" })
  return { frames = core.stack(frames, 1), mask = pool.mask(count, longest), clip = core.stack(clip, 1),
    tags = tags[1] and core.stack(tags, 1) or nil }
end

--- One clip through a model's head, as model:audio gives a sound but without windows: for
--- model:similarity and nj.evaluate.
---@param model nightjar.Model
---@param i integer
---@return { vector: nightjar.Tensor, levels: table, seconds: number }
function Set:encode(model, i)
  opts.arg("features:encode", 1, "model", model, "nightjar.Model")
  local found = self:get(i)
  return networks.infer(model:parts(), function()
    local a = levels.of_sound(model.head, found.frames, found.clip, found.step,
      found.tags and { tags = found.tags:unsqueeze(1) } or nil)
    return { vector = a.clip and a.clip[1]:clone(), levels = a, seconds = found.seconds }
  end)
end

function Set:__len() return #self.clips end

function Set:__tostring()
  local failed = #self.failures > 0 and ("; %d could not be read"):format(#self.failures) or ""
  return ("features of %d clips%s"):format(#self.clips, failed)
end

return set
