--- What a trained run is worth: retrieval in both directions by each level, by their mean and by
--- weights that validation clips chose, and whether words point at the right seconds.
local nj = require "nightjar"

local scoring = {}

local CHUNK = 100

local function slice(list, first, last) return table.move(list, first, last, 1, {}) end

local function captions_of(own, first, last, k)
  if not own then return nil end
  local lists = {}
  for i = first, last do lists[#lists + 1] = slice(own[i] or {}, 1, k) end
  return lists
end

-- All clips and their queries, encoded; and the clip that each query asks for.
local function encode(model, set, own, config, queries)
  local ac = config.ac or {}
  local sounds, texts, clip_of = {}, {}, {}
  local used = (ac.interaction or ac.matching) and own or nil
  for first = 1, #set.clips, CHUNK do
    local last = math.min(first + CHUNK - 1, #set.clips)
    local index = nj.arange(first, last, { dtype = "int64" })
    sounds[#sounds + 1] = model:audio(set, index, captions_of(used, first, last, ac.captions or 1))
  end
  local lines = {}
  for i, clip in ipairs(set.clips) do
    for k = 1, math.min(queries, #clip.captions) do
      lines[#lines + 1], clip_of[#clip_of + 1] = clip.captions[k], i
    end
  end
  for first = 1, #lines, CHUNK do
    texts[#texts + 1] = model:text(slice(lines, first, math.min(first + CHUNK - 1, #lines)))
  end
  return model.head:collate_text(texts), model.head:collate_audio(sounds), clip_of
end

-- The similarities of all levels; a second stage brings the captions'.
local function levels_of(model, set, own, config, queries)
  local t, a, clip_of = encode(model, set, own, config, queries)
  local levels = model.head:similarity(t, a)
  if model.second then
    t, a = encode(model.second, set, own, config, queries)
    local second = model.second.head:similarity(t, a)
    levels.caption, levels.captioned = second.caption, second.captioned
  end
  return levels, clip_of
end

local function figures(scores, clip_of)
  local r = nj.metrics.retrieval(scores, { clip_of = clip_of, bootstrap = 0 })
  local out = { ["R@1"] = (r.text_to_audio["R@1"] + r.audio_to_text["R@1"]) / 2 }
  for name, direction in pairs { t2a = r.text_to_audio, a2t = r.audio_to_text } do
    out[name] = {}
    for _, metric in ipairs { "R@1", "R@5", "R@10", "mAP@10" } do
      out[name][metric] = direction[metric]
    end
  end
  return out
end

-- How the levels may be fused without looking at any data.
local function even(levels)
  local weights = {}
  for _, name in ipairs { "clip", "segment", "frame" } do
    if levels[name] then weights[name] = 1 end
  end
  return weights
end

-- ---- word and time ----

local function frame_times(count, seconds)
  local times = {}
  for n = 1, count do times[n] = { (n - 1) * seconds, n * seconds } end
  return times
end

-- The places, among a text's tokens, of those inside bytes first to last.
local function tokens_between(encoding, first, last)
  local places = {}
  for i, span in ipairs(encoding.offsets) do
    if encoding.special[i] == 0 and span[1] >= first and span[2] <= last then
      places[#places + 1] = i
    end
  end
  return places
end

-- The phrases of a clip's first caption over the clip's frames: the mean over a phrase's words of
-- their cosines with each frame. words (W, D), frames (N, D).
local function add_phrases(model, set, i, words, frames, items)
  local clip = set.clips[i]
  local encoding = model.tokenizer:encode(clip.captions[1])
  local count = set.lengths(i)
  local map = words:matmul(frames[{ { 1, count }, {} }]:transpose(1, 2))
  local times = frame_times(count, set.seconds_per_frame)
  for _, phrase in ipairs(clip.phrases[1]) do
    local places = tokens_between(encoding, phrase.first, phrase.last)
    if #places > 0 then
      local intervals = {}
      for n, span in ipairs(phrase.intervals) do intervals[n] = { span.from, span.to } end
      items[#items + 1] = {
        scores = map:index_select(1, nj.tensor(places, { dtype = "int64" })):mean(1),
        times = times, intervals = intervals, clip = i,
      }
    end
  end
end

-- Where the words of captions point, on clips whose events are known in time; nil for others. A
-- model without the frame level compares words and frames in the space of its clips.
local function alignment(model, set, own, config)
  if not (set.clips[1] and set.clips[1].phrases) then return nil end
  local ac, items = config.ac or {}, {}
  local used = (ac.interaction or ac.matching) and own or nil
  for first = 1, #set.clips, CHUNK do
    local last = math.min(first + CHUNK - 1, #set.clips)
    local lines = {}
    for i = first, last do lines[#lines + 1] = set.clips[i].captions[1] end
    local a = model:audio(set, nj.arange(first, last, { dtype = "int64" }),
      captions_of(used, first, last, ac.captions or 1), nil, true)
    local t = model:text(lines, nil, true)
    for i = first, last do
      add_phrases(model, set, i, t.words[i - first + 1], a.frames[i - first + 1], items)
    end
  end
  local r = nj.metrics.alignment(items, { bootstrap = 0 })
  return { pointing = r.pointing, AP = r.AP, phrases = r.phrases,
    chance_pointing = r.chance.pointing, chance_AP = r.chance.AP }
end

--- Measures a trained model on validation and test clips. The fusion's weights are fitted on
--- validation clips alone.
---@return table metrics fused (fitted weights), equal, level.NAME and val, each with R@1 (the mean of
---  both directions), t2a and a2t; weight.NAME, alpha; temperature.NAME; align
function scoring.measure(model, config, data, own, o)
  model:train(false)
  if model.second then model.second:train(false) end
  return nj.no_grad(function()
    local out = { level = {}, weight = {}, temperature = {} }
    local levels, clip_of = levels_of(model, data.features("val", config.encoder),
      own and own.val, config, math.min(2, o.queries))
    local fitted = model.head:fit(levels, clip_of, { steps = 5 })
    out.val = figures(model.head:fuse(levels), clip_of)
    local test = data.features("test", config.encoder)
    levels, clip_of = levels_of(model, test, own and own.test, config, o.queries)
    out.fused = figures(model.head:fuse(levels), clip_of)
    for name, S in pairs(levels) do
      if name ~= "captioned" then
        out.level[name] = figures(S, clip_of)
        local from = name == "caption" and model.second or model
        out.temperature[name] = from.head:temperature(name)
      end
    end
    out.equal = figures(model.head:fuse(levels, even(levels)), clip_of) -- sound alone
    for name, w in pairs(fitted.weights) do out.weight[name] = w end
    out.alpha = fitted.alpha
    out.align = alignment(model, test, own and own.test, config)
    out.clips, out.queries = #test.clips, #clip_of
    return out
  end)
end

return scoring
