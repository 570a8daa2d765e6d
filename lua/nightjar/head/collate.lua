--- Several results of head:audio or head:text as one batch: tokens padded to the longest, with masks
--- that say so.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local collate = {}

local function rows_of(x, n)
  local width = x.shape[2]
  if width == n then return x end
  local pads = { { 0, 0 }, { 0, n - width } }
  for i = 3, #x.shape do pads[i] = { 0, 0 } end
  return x:pad(pads)
end

local function longest(items, key)
  local n = 0
  for _, item in ipairs(items) do n = math.max(n, item[key].shape[2]) end
  return n
end

-- Tokens `key` of all items and the mask that belongs to them.
local function tokens(fname, out, items, key, mask_key, more)
  if items[1][key] == nil then return end
  local n, values, masks = longest(items, key), {}, {}
  for i, item in ipairs(items) do
    if item[key] == nil then error(("%s: item %d has no '%s'"):format(fname, i, key), 3) end
    values[i] = rows_of(item[key], n)
    local mask = item[mask_key] and item[mask_key]:to "uint8"
      or core.ones({ item[key].shape[1], item[key].shape[2] }, { dtype = "uint8" })
    masks[i] = rows_of(mask, n)
  end
  out[key], out[mask_key] = core.cat(values, 1), core.cat(masks, 1)
  if items[1][more] then
    local weights = {}
    for i, item in ipairs(items) do weights[i] = rows_of(item[more], n) end
    out[more] = core.cat(weights, 1)
  end
end

-- Words as tags are asked for; those that fill a text up weigh nothing.
local function tag_words(out, items)
  if not items[1].tag_words then return end
  local n, words, weights = longest(items, "tag_words"), {}, {}
  for i, item in ipairs(items) do
    words[i], weights[i] = rows_of(item.tag_words, n), rows_of(item.tag_weights, n)
  end
  out.tag_words, out.tag_weights = core.cat(words, 1), core.cat(weights, 1)
end

local function vectors(out, items, key)
  if items[1][key] == nil then return end
  local values = {}
  for i, item in ipairs(items) do values[i] = item[key] end
  out[key] = core.cat(values, 1)
end

-- Captions: a clip without any gets a masked row of zeros, and `captioned` says so.
local function captions(out, items, key, mask_key)
  local like, n
  for _, item in ipairs(items) do
    if item[key] then
      like = like or item[key]
      n = math.max(n or 1, mask_key and item[key].shape[2] or 1)
    end
  end
  if not like then return end
  local values, masks = {}, {}
  for i, item in ipairs(items) do
    local batch = (item.clip or item.frames).shape[1]
    if not mask_key then
      values[i] = item[key] or core.zeros({ batch, like.shape[2] }, { dtype = like.dtype })
    else
      local x = item[key] or core.zeros({ batch, 1, like.shape[3] }, { dtype = like.dtype })
      local mask = item[mask_key] and item[mask_key]:to "uint8"
        or core.ones({ batch, x.shape[2] }, { dtype = "uint8" })
      values[i], masks[i] = rows_of(x, n), rows_of(mask, n)
    end
  end
  out[key] = core.cat(values, 1)
  if mask_key then out[mask_key] = core.cat(masks, 1) end
end

local function captioned(out, items)
  local flags, some = {}, false
  for i, item in ipairs(items) do
    local batch = (item.clip or item.frames).shape[1]
    some = some or item.captioned ~= nil
    flags[i] = item.captioned or core.ones({ batch }, { dtype = "uint8" })
  end
  if some then out.captioned = core.cat(flags, 1) end
end

local function check(fname, items)
  opts.arg(fname, 1, "items", items, "table", 4)
  if #items == 0 then error(fname .. ": nothing to put together", 3) end
end

--- One batch out of several.
---@param items table[] results of head:audio
---@return table a as head:audio gives it, without assignments
function collate.audio(_, items)
  check("head:collate_audio", items)
  local out = {}
  vectors(out, items, "clip")
  tokens("head:collate_audio", out, items, "segments", "segment_mask", "segment_weights")
  tokens("head:collate_audio", out, items, "frames", "frame_mask", "frame_weights")
  captions(out, items, "caption", nil)
  captions(out, items, "captions", "caption_mask")
  captioned(out, items)
  return out
end

--- One batch out of several.
---@param items table[] results of head:text
---@return table t as head:text gives it, without assignments
function collate.text(_, items)
  check("head:collate_text", items)
  local out = {}
  vectors(out, items, "sentence")
  tokens("head:collate_text", out, items, "phrases", "phrase_mask", "phrase_weights")
  tokens("head:collate_text", out, items, "words", "word_mask", "word_weights")
  tag_words(out, items)
  return out
end

return collate
