--- The networks of a head, made from its options.
---
--- Their names are the prefixes of their parameters, in a model's file too:
---   audio.projection, text.projection               clip and sentence (a model without levels has
---                                                   these two alone); absent when those are
---                                                   made of tokens and nothing is shared
---   audio.frame_projection, text.word_projection    frames and words; absent when shared
---   audio.segments, text.phrases                    aggregators
---   audio.top, text.top                             the last step, with top = "aggregate"
---   codebook                                        the last step of both, with top = "codebook"
---   {audio,text}.{frame,word,segment,phrase}_weights  where interaction weighs tokens
---   ac.interaction, ac.pool
local core = require "nightjar.core"

local parts = {}

local function with(given, more)
  local out = {}
  for key, value in pairs(given) do out[key] = value end
  for key, value in pairs(more) do out[key] = value end
  return out
end

-- Which side needs tokens of its own: frames, words.
local function needs_tokens(o)
  local both = o.on.segment or o.on.frame or o.from_tokens
  local ac = o.ac or {}
  return both or ac.interaction ~= nil,
    both or ac.matching ~= nil and ac.matching.kind == "tokens"
end

-- Words that tags are asked for with are those of the other levels, too.
local function by_tags(o) return o.ac ~= nil and o.ac.matching ~= nil and o.ac.matching.kind == "tags" end

local function add_weights(list, o, level, audio, text)
  if not o.on[level] or not o.hci.interaction:find "^weighted" then return end
  for _, name in ipairs { audio, text } do
    list[#list + 1] = { name = name,
      net = core.hci.token_weights { width = o.dim, rng = o.rng } }
  end
end

local function add_captions(list, o)
  if not o.ac then return end
  if o.ac.interaction then
    list[#list + 1] = { name = "ac.interaction",
      net = core.ac.interaction(with(o.ac.interaction, { width = o.dim, rng = o.rng })) }
  end
  local matching = o.ac.matching
  if matching and (matching.kind == "mean" or matching.kind == "transformer") then
    list[#list + 1] = { name = "ac.pool",
      net = core.ac.caption_pool(with(matching, { width = o.dim, rng = o.rng })) }
  end
end

--- The networks in a fixed order: { name, net } each.
---@param o table checked options, with `rng`
---@return { name: string, net: any }[]
function parts.make(o)
  local function projection(name, width, made)
    return { name = name, net = made or core.encoders.projection { form = o.projection,
      input = width, output = o.dim, rng = o.rng } }
  end
  local made = o.projections or {}
  local list = {}
  local separate = o.hci.projections == "separate"
  if not o.from_tokens or not separate then
    list[1] = projection("audio.projection", o.audio_width, made.audio)
    list[2] = projection("text.projection", o.text_width, made.text)
  end
  local frames, words = needs_tokens(o)
  if frames and separate then
    list[#list + 1] = projection("audio.frame_projection", o.frame_width)
  end
  if words and separate and not by_tags(o) then
    list[#list + 1] = projection("text.word_projection", o.text_width)
  end
  local function aggregator(name, given)
    list[#list + 1] = { name = name,
      net = core.hci.aggregator(with(given, { width = o.dim, rng = o.rng })) }
  end
  if o.on.segment then
    aggregator("audio.segments", o.hci.segments)
    aggregator("text.phrases", o.hci.phrases)
  end
  if o.hci.top == "aggregate" then
    -- With no more heads than they can be divided into, whatever the width.
    local pooled = { kind = "attention", tokens = 1, heads = o.dim % 4 == 0 and 4 or 1 }
    aggregator("audio.top", pooled)
    aggregator("text.top", pooled)
  elseif o.hci.top == "codebook" then
    list[#list + 1] = { name = "codebook", net = core.hci.codebook { width = o.dim, rng = o.rng,
      codes = o.hci.codebook.codes, temperature = o.hci.codebook.temperature } }
  end
  add_weights(list, o, "segment", "audio.segment_weights", "text.phrase_weights")
  add_weights(list, o, "frame", "audio.frame_weights", "text.word_weights")
  add_captions(list, o)
  return list
end

--- The scalars: one temperature for each level in use (its logarithm, so that training keeps it
--- positive), how far captions move a clip vector of the encoder's, and the balance of the caption
--- branch when it is learnt (its logit).
---@param o table checked options
---@return { name: string, tensor: any, fixed: boolean }[]
function parts.scalars(o)
  local list = {}
  local function add(name, value, fixed)
    local tensor = core.tensor(value)
    if not fixed then tensor:requires_grad_() end
    list[#list + 1] = { name = name, tensor = tensor, fixed = fixed }
  end
  local function temperature(level)
    local wanted = o.temperatures[level]
    local fixed = wanted ~= "learn"
    add(level == "clip" and "log_temperature" or "log_temperature." .. level,
      math.log(fixed and wanted or o.temperature), fixed)
  end
  temperature "clip" -- also what a fused matrix is divided by
  if o.on.segment then temperature "segment" end
  if o.on.frame then temperature "frame" end
  if o.ac and o.ac.interaction and not o.from_tokens then add("clip_gate", 0.1, false) end
  if o.ac and o.ac.matching then
    temperature "caption"
    if o.ac.alpha == "learn" then add("alpha_logit", math.log(0.73 / 0.27), false) end
  end
  return list
end

return parts
