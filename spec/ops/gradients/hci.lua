-- Fine-grained similarity.
local nj = require "nightjar"

local function mask(rows) return nj.tensor(rows, { dtype = "uint8" }) end

-- Item 2 of the texts has no word at all.
local ragged = { text_mask = { { 1, 0, 1 }, { 0, 0, 0 } },
  clip_mask = { { 1, 1, 0, 1 }, { 0, 1, 1, 1 }, { 1, 0, 0, 0 } } }

local function entry(name, options)
  return { name, function(texts, clips, text_weights, clip_weights)
    return nj.hci.interact(texts, clips, { kind = options.kind, direction = options.direction,
      temperature = options.kind == "attention" and 0.7 or nil,
      text_mask = options.ragged and mask(ragged.text_mask) or nil,
      clip_mask = options.ragged and mask(ragged.clip_mask) or nil,
      text_weights = text_weights, clip_weights = clip_weights })
  end, shapes = options.weighted and { { 2, 3, 5 }, { 3, 4, 5 }, { 2, 3 }, { 3, 4 } }
    or { { 2, 3, 5 }, { 3, 4, 5 } } }
end

return {
  entry("interact max", {}),
  entry("interact max, weighted and ragged", { weighted = true, ragged = true }),
  entry("interact max, words alone", { direction = "text", weighted = true }),
  entry("interact max, frames alone", { direction = "clip", ragged = true }),
  entry("interact attention", { kind = "attention" }),
  entry("interact attention, ragged", { kind = "attention", ragged = true }),
  entry("interact attention, weighted and ragged", { kind = "attention", weighted = true, ragged = true }),
  entry("interact attention, words alone", { kind = "attention", direction = "text" }),
  entry("interact attention, frames alone", { kind = "attention", direction = "clip", weighted = true }),
}
