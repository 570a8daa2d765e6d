--- Scenes: seeded mixtures of one to four clips of a data set, with captions that say what happens
--- in them and with the seconds at which it does.
---
---     local train  = assert(nj.data.esc50("ESC-50", { split = "train" }))
---     local scenes = nj.data.scenes(train, { seed = 1, size = 2000 })
---     local scene  = assert(scenes:get(7))
---     scene.captions[1]      "a dog barks twice, followed by rain falling"
---     scene.phrases[1]       { { text = "a dog barks twice", class = "dog", first = 1, last = 17,
---                                from = 0.31, to = 1.64, intervals = … }, … }
---     assert(scenes:write(7, "scene.wav"))
---
--- Scene i is a function of (seed, split, i) and of the clips alone, so an epoch can be fixed
--- (scenes 1 to n) or endless. All its sources are clips of the data set that was given: make one
--- for each split and nothing leaks.
local activity = require "nightjar.data.activity"
local captions = require "nightjar.data.captions"
local dataset = require "nightjar.data.dataset"
local layout = require "nightjar.data.layout"
local opts = require "nightjar.opts"
local random = require "nightjar.data.random"

local Scenes = {}
Scenes.__index = Scenes
Scenes.__name = "nightjar.Scenes"

-- Clips by class, the classes, and those of them that can go on under others.
local function sort_clips(set)
  local by_class, classes, beds = {}, {}, {}
  for _, clip in ipairs(set.clips) do
    local entry = clip.label and captions.lexicon[clip.label]
    if not entry then
      error(("scenes: clip '%s' has the label '%s', which the lexicon does not know"):format(
        clip.id, tostring(clip.label)), 4)
    end
    if clip.path then
      if not by_class[clip.label] then
        by_class[clip.label] = {}
        classes[#classes + 1] = clip.label
        if entry.kind ~= "event" then beds[#beds + 1] = clip.label end
      end
      local list = by_class[clip.label]
      list[#list + 1] = clip
    end
  end
  -- The order of the data set must not matter for which scene comes of a seed.
  table.sort(classes)
  table.sort(beds)
  for _, list in pairs(by_class) do
    table.sort(list, function(a, b) return a.id < b.id end)
  end
  return by_class, classes, beds
end

-- A class of the list that is not taken yet, or nil.
local function free_class(rng, classes, taken)
  local free = {}
  for _, class in ipairs(classes) do
    if not taken[class] then free[#free + 1] = class end
  end
  if #free == 0 then return nil end
  return (rng:choice(free))
end

-- A clip of the class that sounds, for a bed one that sounds for long enough. nil, message, code
-- when a file cannot be read; nil alone when none suits.
local function pick_clip(self, rng, class, shortest)
  local clips = self.by_class[class]
  for _ = 1, 12 do
    local clip = rng:choice(clips)
    local found, message, code = self.activity:of(clip.path)
    if found == nil then
      return nil, ("scenes: clip '%s': %s"):format(clip.id, message), code
    end
    if found and found.to - found.from >= shortest then
      local entry = captions.lexicon[class]
      return {
        class = class, clip = clip, kind = entry.kind, countable = entry.count ~= nil,
        activity = found,
      }
    end
  end
  return nil
end

local function pick_slot(self, rng, bed, taken)
  while true do
    local class = free_class(rng, bed and self.beds or self.classes, taken)
    if not class then return nil end
    taken[class] = true
    local pick, message, code = pick_clip(self, rng, class, bed and 2 or 0.05)
    if pick or message then return pick, message, code end
  end
end

-- Beds choose first: fewer classes suit them.
local function pick_sources(self, rng, plan)
  local picks, taken = {}, {}
  for _, wants_bed in ipairs { true, false } do
    for slot = 1, plan.n do
      if (plan.beds[slot] or false) == wants_bed then
        local pick, message, code = pick_slot(self, rng, wants_bed, taken)
        if not pick then return nil, message, code end
        picks[slot] = pick
      end
    end
  end
  return picks
end

-- A copy of the description as one caption tells it: not every caption says how loud or how often.
local function retell(node, rng)
  if node.kind then
    local copy = { kind = node.kind, background = node.background }
    for i, part in ipairs(node) do copy[i] = retell(part, rng) end
    return copy
  end
  local says_level, says_count = rng:uniform() < 0.65, rng:uniform() < 0.8
  return {
    index = node.index, class = node.class, level = says_level and node.level or nil,
    count = says_count and node.count or nil, single = says_count and node.single or nil,
  }
end

local function write_captions(self, rng, scene)
  local texts, phrases, seen = {}, {}, {}
  for _ = 1, self.options.captions * 30 do
    if #texts == self.options.captions then break end
    local text, parts = captions.describe(retell(scene.description, rng), rng,
      { style = self.options.style })
    if not seen[text] then
      seen[text] = true
      texts[#texts + 1] = text
      for _, part in ipairs(parts) do
        local event = scene.events[part.event.index]
        part.event, part.from, part.to = part.event.index, event.from, event.to
        part.intervals = event.intervals
      end
      phrases[#phrases + 1] = parts
    end
  end
  return texts, phrases
end

-- What two scenes share that mean the same: "then(dog*2,rain)".
local function group_of(node)
  if not node.kind then
    return (node.count or 1) > 1 and ("%s*%d"):format(node.class, node.count) or node.class
  end
  local parts = {}
  for i, part in ipairs(node) do parts[i] = group_of(part) end
  return ("%s(%s)"):format(node.kind, table.concat(parts, ","))
end

--- Scene i.
---@param i integer any from 1
---@return nightjar.Scene? scene
---@return string? message a source that cannot be read
---@return string? code
function Scenes:get(i)
  i = opts.arg("scenes:get", 1, "i", i, { type = "integer", min = 1 })
  local o = self.options
  local rng = random.stream(o.seed, "scene", self.split, i)
  local plan, picks, message, code
  repeat
    local n = math.min(layout.draw(rng, o.sources), #self.classes)
    plan = layout.plan(rng, n, #self.beds > 1)
    picks, message, code = pick_sources(self, rng, plan)
    if message then return nil, message, code end
  until picks
  local scene = layout.make(rng, plan, picks, o.duration)
  scene.limit = 0.98
  scene.id = ("%s/%d/%d"):format(self.split, o.seed, i)
  scene.index, scene.split, scene.sources, scene.clips = i, self.split, {}, {}
  for slot, pick in ipairs(picks) do
    scene.sources[slot] = pick.clip.path
    scene.clips[slot] = pick.clip.id
    scene.events[slot].clip = pick.clip.id
  end
  scene.captions, scene.phrases = write_captions(self, rng, scene)
  scene.group = group_of(scene.description)
  scene.label = plan.n == 1 and picks[1].class or nil
  return scene
end

--- Scenes 1 to n as a data set, for evaluation: its clips are the scenes.
---@param n integer? default: the size
---@return nightjar.Dataset?
---@return string? message
---@return string? code
function Scenes:dataset(n)
  n = opts.arg("scenes:dataset", 1, "n", n, { type = "integer", min = 1, default = self.size })
  local clips = {}
  for i = 1, n do
    local scene, message, code = self:get(i)
    if not scene then return nil, message, code end
    clips[i] = scene
  end
  return dataset.new { name = self.name, split = self.split, clips = clips }
end

--- The wave of scene i.
---@param i integer
---@param options? { rate?: integer } Hz, default 32000
---@return nightjar.Tensor? wave (samples)
---@return string? message
---@return string? code
function Scenes:render(i, options)
  local o = opts.check("scenes:render", options, { rate = { type = "integer", default = 32000 } })
  local scene, message, code = self:get(i)
  if not scene then return nil, message, code end
  return require "nightjar.data.mix"(scene, o.rate)
end

--- Writes scene i as a sound file, to listen to.
---@param i integer
---@param path string .wav, .flac …
---@param options? { rate?: integer }
---@return true? ok
---@return string? message
---@return string? code
function Scenes:write(i, path, options)
  local o = opts.check("scenes:write", options, { rate = { type = "integer", default = 32000 } })
  local wave, message, code = self:render(i, options)
  if not wave then return nil, message, code end
  return require("nightjar.core").audio.write(path, wave, o.rate)
end

function Scenes:__len() return self.size end

function Scenes:__tostring()
  local clips = 0
  for _, list in pairs(self.by_class) do clips = clips + #list end
  return ("%s (%s): %d scenes of 1 to %d sources, out of %d clips of %d classes, seed %d")
    :format(self.name, self.split, self.size, #self.options.sources, clips, #self.classes,
      self.options.seed)
end

---@class nightjar.Scene: nightjar.Clip
---@field sources string[] paths
---@field parts table[] what to mix, as nj.audio.renderer takes it: seconds `from` to `to` of
---  a `source` at `onset` seconds, with `gain` in dB, `fade_in` and `fade_out` in seconds
---@field duration number seconds
---@field events table[] one for each source: class, clip (its id), from, to, intervals, level
---  ("loud", "faint" or nil), count (or nil), gain_db against the others
---@field phrases table[][] for each caption its phrases: text, class, event (index), first, last
---  (bytes of the caption), from, to (seconds), intervals ({ from, to } lists where it sounds)
---@field description table what nightjar.data.captions.describe takes
---@field group string equal for scenes that mean the same

--- Scenes out of a data set whose clips have labels of the lexicon (ESC-50).
---@param set nightjar.Dataset
---@param options? { seed?: integer, size?: integer, sources?: number[], duration?: number,
---  captions?: integer, style?: "plain"|"sentence", activity?: string|table } size: scenes in an
---  epoch (default 1000); sources: weights of 1, 2, 3 and 4 sources (default 25, 35, 25, 15);
---  duration: the longest scene in seconds (default 10); captions: how many a scene (default 5),
---  all different; activity: a path where the activity of the clips is remembered, or a finder (see
---  nightjar.data.activity)
---@return nightjar.Scenes
return function(set, options)
  opts.arg("scenes", 1, "set", set, "nightjar.Dataset")
  local o = opts.check("scenes", options, {
    seed = { type = "integer", default = 1 },
    size = { type = "integer", default = 1000, min = 1 },
    sources = { type = "table", default = { 25, 35, 25, 15 } },
    duration = { type = "number", default = 10, min = 3, max = 60 },
    captions = { type = "integer", default = 5, min = 1, max = 50 },
    style = { type = "string", default = "plain", one_of = { "plain", "sentence" } },
    activity = "string|table",
  })
  if #o.sources < 1 or #o.sources > 4 then
    error("scenes: option 'sources' holds the weights of 1 to 4 sources", 2)
  end
  local total = 0
  for _, weight in ipairs(o.sources) do
    if type(weight) ~= "number" or weight < 0 or weight ~= weight then
      error("scenes: option 'sources' holds weights of at least 0", 2)
    end
    total = total + weight
  end
  if total == 0 then error("scenes: option 'sources' holds no weight above 0", 2) end
  local by_class, classes, beds = sort_clips(set)
  if #classes == 0 then error("scenes: the data set has no clip with a sound file", 2) end
  local finder = o.activity
  if type(finder) ~= "table" then finder = activity.finder { path = finder } end
  return setmetatable({
    name = set.name .. " scenes", split = set.split, size = o.size, options = o,
    by_class = by_class, classes = classes, beds = beds, activity = finder,
  }, Scenes)
end
