--- All levels of one sound, however long, and of one text: what a head makes of them.
---
--- A sound's frames are aggregated in stretches of at most STRETCH seconds: segments stay as long as
--- the head was trained to make them, and a recording of hours costs no more memory for each second
--- than one of half a minute.
local core = require "nightjar.core"

local STRETCH = 30.0

local levels = {}

-- The most frames of a stretch. Interaction with captions knows a number of places.
local function longest(head, seconds)
  local most = math.max(1, math.floor(STRETCH / seconds + 0.5))
  local net = head.nets["ac.interaction"]
  return net and math.min(most, net:descriptor().positions) or most
end

-- { first, last } frames of each stretch, all but equally long.
local function stretches(n, most)
  local count = (n + most - 1) // most
  local list = {}
  for i = 1, count do list[i] = { (i - 1) * n // count + 1, i * n // count } end
  return list
end

-- Weights of tokens in a stretch sum to 1; in the whole they sum to the stretch's share of it.
local JOINED = {
  { "frames", "frame_mask", "frame_weights" }, { "segments", "segment_mask", "segment_weights" },
}

local function whole_mask(x) return core.ones({ 1, x.shape[2] }, { dtype = "uint8" }) end

local function join(list, shares)
  local out = { captioned = list[1].captioned, caption = list[1].caption,
    captions = list[1].captions, caption_mask = list[1].caption_mask }
  for _, keys in ipairs(JOINED) do
    local key, mask_key, weight_key = keys[1], keys[2], keys[3]
    if list[1][key] then
      local values, masks, weights = {}, {}, {}
      for i, a in ipairs(list) do
        values[i], masks[i] = a[key], (a[mask_key] or whole_mask(a[key])):to "uint8"
        weights[i] = a[weight_key] and a[weight_key] * shares[i]
      end
      out[key], out[mask_key] = core.cat(values, 2), core.cat(masks, 2)
      if weights[1] then out[weight_key] = core.cat(weights, 2) end
    end
  end
  if list[1].clip then
    local clip
    for i, a in ipairs(list) do
      local term = a.clip * shares[i]
      clip = clip and clip + term or term
    end
    out.clip = clip:normalize(-1)
  end
  return out
end

--- A sound in the shared space.
---@param head table
---@param frames any (N, C) of the encoder
---@param clip any (C) of the encoder, over the whole sound
---@param seconds number from one frame to the next
---@param captions? table { captions (1, K, D), caption_mask, caption_words, caption_word_mask }
---@return table a as head:audio gives it for one clip, with `frames` whatever the head's levels
---@return table[] groups how segments were assembled: { first (frame), segment (first), shares (n, M) }
function levels.of_sound(head, frames, clip, seconds, captions)
  local n = frames.shape[1]
  local list, shares, groups, segment = {}, {}, {}, 1
  for i, s in ipairs(stretches(n, longest(head, seconds))) do
    local given = { frames = frames[{ { s[1], s[2] } }]:unsqueeze(1), clip = clip:unsqueeze(1),
      tokens = true }
    for key, value in pairs(captions or {}) do given[key] = value end
    local a = head:audio(given)
    list[i], shares[i] = a, (s[2] - s[1] + 1) / n
    if a.segment_assignment then
      groups[i] = { first = s[1], segment = segment, shares = a.segment_assignment[1] }
      segment = segment + a.segments.shape[2]
    end
  end
  if #list > 1 then return join(list, shares), groups end
  list[1].segment_assignment = nil
  return list[1], groups
end

return levels
