--- What a tagger says of a sound, for encoders with a classifier (EfficientAT's, of AudioSet's 527 classes).
---
--- A clip is given to the head as its classes' logits, the roots of their probabilities, and the logarithm of
--- the pooled frames; a frame as the logarithm of itself. The tags of a sound are the probabilities of its
--- classes, each the highest of the whole sound's and of windows of four seconds, raised to a power: what is
--- heard for a part of a sound is in it.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local Tagger = {}
Tagger.__index = Tagger

local tags = {}

--- A tagger over an encoder.
---@param encoder any with a classifier
---@param given? table names: of the classes, which the head's tag level compares with words; window (12) and
---  step (6): frames of a window, and from one to the next; power (0.7)
---@return table
function tags.new(encoder, given)
  local classes = encoder:descriptor().classes or 0
  if classes == 0 then
    error("model: audio.clip is 'tags', but the encoder has no classifier (classes = …)", 0)
  end
  local o = opts.check("model: audio.tags", given, {
    names = { type = "table", required = true },
    window = { type = "integer", default = 12, min = 1 },
    step = { type = "integer", default = 6, min = 1 },
    power = { type = "number", default = 0.7, above = 0 },
  })
  if #o.names ~= classes then
    error(("model: audio.tags.names has %d names for %d classes"):format(#o.names, classes), 0)
  end
  return setmetatable({ encoder = encoder, o = o, names = o.names, classes = classes,
    width = 2 * classes + encoder:width() }, Tagger)
end

function Tagger:descriptor() return self.o end

--- What a clip is given to the head as.
---@param clip any (B, C) pooled frames
---@return any (B, 2 · classes + C)
function Tagger:lift_clip(clip)
  local logits = self.encoder:logits(clip)
  return core.cat({ logits / 4, logits:sigmoid():sqrt() * 4, (clip:maximum(0) + 1):log() }, 2)
end

--- What frames are given to the head as.
---@param frames any (…, C)
function Tagger.lift_frames(_, frames) return (frames:maximum(0) + 1):log() end

-- First frames of the windows over n frames; the last window ends at the end.
local function starts(n, size, step)
  local list = {}
  for first = 1, n - size, step do list[#list + 1] = first end
  list[#list + 1] = math.max(1, n - size + 1)
  return list
end

--- The tags of one sound.
---@param frames any (N, C) all that the encoder heard, of what fills a short clip up too
---@return any (classes) in [0, 1]
function Tagger:of(frames)
  local n, pooled = frames.shape[1], { frames:mean(1, { keepdim = true }) }
  if n > self.o.window then
    for _, first in ipairs(starts(n, self.o.window, self.o.step)) do
      pooled[#pooled + 1] = frames[{ { first, first + self.o.window - 1 } }]:mean(1, { keepdim = true })
    end
  end
  local probabilities = self.encoder:logits(core.cat(pooled, 1)):sigmoid()
  return (probabilities:max(1)):pow(self.o.power)
end

--- The most probable tags by name.
---@param values any (classes) as `of` gives them
---@param k? integer (5)
---@return { name: string, probability: number }[]
function Tagger:best(values, k)
  local top, places = values:topk(math.min(k or 5, self.classes))
  local list = {}
  for i = 1, top.shape[1] do
    list[i] = { name = self.names[math.tointeger(places(i))], probability = top(i) ^ (1 / self.o.power) }
  end
  return list
end

return tags
