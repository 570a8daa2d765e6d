--- What every data set of nightjar.data is: a named list of clips with their captions, all of one
--- split.
---
---     dataset.name, dataset.split
---     dataset.clips[i]   { id=, path=, captions={…}, label?, fold?, licence?, duration?, … }
---     dataset.missing    the clips that the captions name and that have no sound file
---
--- An id is unique within a data set and the same on every machine; losses and metrics use it to
--- know which captions belong together.
local opts = require "nightjar.opts"

local dataset = {}

local Dataset = {}
Dataset.__index = Dataset
Dataset.__name = "nightjar.Dataset"

---@class nightjar.Clip
---@field id string
---@field path string? nil only in a data set opened with missing = "keep"
---@field captions string[]
---@field label string?
---@field fold integer?
---@field licence string?
---@field duration number? seconds
---@field generated string[]? captions that a loader draws at `generated_rate` (augmentation.lua)
---@field generated_rate number?

---@class nightjar.Dataset
---@field name string
---@field split string
---@field clips nightjar.Clip[]
---@field missing nightjar.Clip[]

--- A data set from a list of clips.
---@param fields { name: string, split: string, clips: nightjar.Clip[], missing?: nightjar.Clip[] }
---  any further fields are kept
---@return nightjar.Dataset
function dataset.new(fields)
  opts.arg("dataset.new", 1, "fields", fields, "table")
  opts.arg("dataset.new", 1, "fields.clips", fields.clips, "table")
  local self = {}
  for key, value in pairs(fields) do self[key] = value end
  self.missing = self.missing or {}
  local seen = {}
  for i, clip in ipairs(self.clips) do
    if seen[clip.id] then
      error(("dataset: clips %d and %d have the same id '%s'"):format(seen[clip.id], i, clip.id), 2)
    end
    seen[clip.id] = i
  end
  return setmetatable(self, Dataset)
end

--- Walks over all (clip, caption) pairs in order:
---     for clip, caption, k in dataset:pairs() do … end
--- k is the caption's number within its clip.
---@return fun(): nightjar.Clip?, string?, integer?
function Dataset:pairs()
  local clips = self.clips
  local i, k = 1, 0
  return function()
    while clips[i] do
      k = k + 1
      local caption = clips[i].captions[k]
      if caption ~= nil then return clips[i], caption, k end
      i, k = i + 1, 0
    end
  end
end

--- A new data set of the clips for which `keep` is true. The clips themselves are shared.
---@param keep fun(clip: nightjar.Clip, index: integer): boolean
---@param name? string the new split's name; default: this one's
---@return nightjar.Dataset
function Dataset:subset(keep, name)
  opts.arg("subset", 1, "keep", keep, "callable")
  opts.arg("subset", 2, "name", name, { type = "string", optional = true })
  local clips, missing = {}, {}
  for i, clip in ipairs(self.clips) do
    if keep(clip, i) then clips[#clips + 1] = clip end
  end
  for i, clip in ipairs(self.missing) do
    if keep(clip, #self.clips + i) then missing[#missing + 1] = clip end
  end
  local fields = {}
  for key, value in pairs(self) do fields[key] = value end
  fields.clips, fields.missing, fields.split = clips, missing, name or self.split
  return dataset.new(fields)
end

--- How much there is: { clips=, captions=, missing=, listed=, labels= }. `listed` counts the clips
--- that the captions name, with or without a sound file.
---@return table<string, integer>
function Dataset:counts()
  local captions, silent, labels, seen = 0, 0, 0, {}
  for _, clip in ipairs(self.clips) do
    captions = captions + #clip.captions
    if not clip.path then silent = silent + 1 end
    if clip.label and not seen[clip.label] then
      seen[clip.label] = true
      labels = labels + 1
    end
  end
  return {
    clips = #self.clips, captions = captions, missing = silent + #self.missing,
    listed = #self.clips + #self.missing, labels = labels,
  }
end

--- Every distinct caption once, in order of first appearance.
---@return string[]
function Dataset:texts()
  local out, seen = {}, {}
  for _, caption in self:pairs() do
    if not seen[caption] then
      seen[caption] = true
      out[#out + 1] = caption
    end
  end
  return out
end

local function plural(n, word) return ("%d %s%s"):format(n, word, n == 1 and "" or "s") end

--- One line: name, split, and the counts with what is missing.
---@return string
function Dataset:summary()
  local n = self:counts()
  local text = ("%s (%s): %s, %s"):format(self.name, self.split, plural(n.clips, "clip"),
    plural(n.captions, "caption"))
  if n.labels > 0 then text = text .. ", " .. plural(n.labels, "label") end
  if n.missing > 0 then
    text = ("%s; %d of %d listed have no sound file"):format(text, n.missing, n.listed)
  end
  return text
end

Dataset.__tostring = Dataset.summary

function Dataset:__len() return #self.clips end

return dataset
