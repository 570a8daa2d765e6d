--- What a classifier says of a sound: its labels, the most probable first. And a list of these.

---@class nightjar.Prediction
---@field label string the first of the list
---@field probability number of it
---@field path? string of a sound that was given by its path
---@field seconds? number of the sound
---@field labels integer how many there were to choose from
local Prediction = { __name = "nightjar.Prediction" }
Prediction.__index = Prediction

---@class nightjar.Predictions
local Predictions = { __name = "nightjar.Predictions" }
Predictions.__index = Predictions

local prediction = {}

local PRINTED = 5

--- Makes one of columns: labels with their probabilities, scores and levels.
---@param entries { label: string, probability: number, score: number, levels: table }[] in any order
---@param about { path?: string, seconds?: number, top?: integer }
function prediction.new(entries, about)
  local order = table.move(entries, 1, #entries, 1, {})
  for i, entry in ipairs(order) do entry.index = i end
  table.sort(order, function(a, b)
    -- What is not a number comes last.
    local p, q = a.probability, b.probability
    if p ~= q and (p == p or q == q) then return q ~= q or p == p and p > q end
    if a.score ~= b.score and a.score == a.score and b.score == b.score then
      return a.score > b.score
    end
    return a.index < b.index
  end)
  local self = { path = about.path, seconds = about.seconds, labels = #order }
  for i = 1, math.min(about.top or #order, #order) do self[i] = order[i] end
  self.label, self.probability = order[1].label, order[1].probability
  return setmetatable(self, Prediction)
end

--- A sound that could not be read.
function prediction.failed(clip, path)
  return setmetatable({ error = clip.error, code = clip.code, path = path, labels = 0 }, Prediction)
end

---@param list table[]
function prediction.list(list) return setmetatable(list, Predictions) end

--- As plain tables, for JSON: the list and the fields, without what is not finite.
---@return table
function Prediction:plain()
  local out = { file = self.path, seconds = self.seconds, error = self.error, code = self.code }
  if self.error then return out end
  out.labels = {}
  local function finite(x) return x == x and math.abs(x) ~= math.huge and x or nil end
  for i, item in ipairs(self) do
    local levels = {}
    for name, value in pairs(item.levels) do levels[name] = finite(value) end
    out.labels[i] = { label = item.label, probability = finite(item.probability),
      score = finite(item.score), levels = levels }
  end
  return out
end

function Prediction:__tostring()
  local name = self.path or "sound"
  if self.error then return name .. ": " .. self.error end
  local lines = { self.seconds and ("%s (%.1f s)"):format(name, self.seconds) or name }
  for i = 1, math.min(#self, PRINTED) do
    lines[i + 1] = ("  %5.1f %%  %s"):format(100 * self[i].probability, self[i].label)
  end
  if self.labels > #lines - 1 then
    lines[#lines + 1] = ("  [%d of %d labels]"):format(#lines - 1, self.labels)
  end
  return table.concat(lines, "\n")
end

function Predictions:__tostring()
  local lines = {}
  for i, item in ipairs(self) do lines[i] = tostring(item) end
  return #lines > 0 and table.concat(lines, "\n") or "[no predictions]"
end

return prediction
