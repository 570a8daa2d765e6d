--- A data set of clips that exist only as numbers: labels of the lexicon, paths that nothing lies
--- at, and a finder that makes up the activity of each. For specs of scenes, which need no sound
--- until they are rendered.
local activity = require "nightjar.data.activity"
local dataset = require "nightjar.data.dataset"
local lexicon = require "nightjar.data.esc50_grammar.lexicon"
local random = require "nightjar.data.random"

local fake_clips = {}

--- per_class clips of each class, named after the split.
function fake_clips.dataset(split, per_class)
  local classes, clips = {}, {}
  for class in pairs(lexicon) do classes[#classes + 1] = class end
  table.sort(classes)
  for _, class in ipairs(classes) do
    for k = 1, per_class do
      local id = ("%s-%s-%d"):format(split, class, k)
      clips[#clips + 1] = {
        id = id, path = "/nowhere/" .. id .. ".wav", label = class, captions = { class },
      }
    end
  end
  return dataset.new { name = "Fake", split = split, clips = clips }
end

--- Five seconds each: events of 0.2 to 0.6 s in silence, or a stretch that goes on. Clip number 3
--- of each class is silent from 1.5 s on.
function fake_clips.finder()
  local known = {}
  return {
    of = function(_, path)
      if known[path] then return known[path] end
      local class, k = path:match "/%a+%-([%a_]+)%-(%d+)%.wav$"
      local rng = random.stream(1, path)
      local levels = {}
      for i = 1, 500 do levels[i] = -70 + rng:uniform(-1, 1) end
      local stop = k == "3" and 150 or 500
      if lexicon[class].kind == "event" then
        local at = rng:integer(1, 60)
        while at + 80 < stop do
          local length = rng:integer(20, 60)
          for i = at, at + length do levels[i] = rng:uniform(-22, -18) end
          at = at + length + rng:integer(30, 150)
        end
      else
        for i = rng:integer(1, 40), stop do levels[i] = rng:uniform(-28, -24) end
      end
      known[path] = activity.of_levels(levels)
      return known[path]
    end,
  }
end

return fake_clips
