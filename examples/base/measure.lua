--- How well a model finds sounds whose features are computed: by names that several sounds share, and by
--- captions of one sound each.
local nj = require "nightjar"
local calibration = require "nightjar.model.calibration"
local features = require "examples.base.features"
local rows_of = require "nightjar.model.rows"

local measure = {}

--- Clips of a collection as head:audio gives them.
---@param model any
---@param of table features of the clips
---@param rows? integer[]
function measure.encode(model, of, rows)
  if rows then of = features.take(of, rows) end
  local tower = model.audio_tower
  return nj.no_grad(function()
    local places = nj.arange(1, of.frames.shape[2], { dtype = "int64" }):reshape(1, -1)
    return model.head:audio { clip = tower:lift_clip(of.clip), frames = tower:lift(of.frames),
      mask = places:le(of.lengths:reshape(-1, 1)), tags = of.tags, tokens = true }
  end)
end

--- Texts and the sounds that each is right for.
---@param clips table[] with texts
---@param first boolean only the first text of each clip: its name
---@return string[] texts
---@return integer[][] members
function measure.queries(clips, first)
  local texts, members, place = {}, {}, {}
  for i, clip in ipairs(clips) do
    for k, text in ipairs(clip.texts) do
      if k == 1 or not first then
        if not place[text] then
          texts[#texts + 1] = text
          members[#texts], place[text] = {}, #texts
        end
        table.insert(members[place[text]], i)
      end
    end
  end
  return texts, members
end

--- Similarities by level of texts and encoded clips.
function measure.levels(model, texts, a)
  return nj.no_grad(function()
    return model.head:similarity(model:encode_texts(texts):levels(), a)
  end)
end

--- mAP and R@k in percent.
---@param scores any (texts, clips)
---@param members integer[][]
function measure.score(scores, members)
  local ranks, precision = nj.metrics.ranks(scores, members), nj.metrics.average_precision(scores, members)
  local out, n = { mAP = 0, R1 = 0, R5 = 0, R10 = 0, texts = #members }, #members
  for q = 1, n do
    local rank = math.min(table.unpack(ranks[q]))
    out.mAP = out.mAP + 100 * precision[q] / n
    for _, k in ipairs { 1, 5, 10 } do
      out["R" .. k] = out["R" .. k] + (rank < k and 100 / n or 0)
    end
  end
  return out
end

function measure.line(name, s)
  return ("%-34s mAP %5.1f   R@1/5/10 %5.1f %5.1f %5.1f   (%d texts)"):format(name, s.mAP, s.R1, s.R5, s.R10,
    s.texts)
end

-- ---- what is fitted on sounds that training did not see ----

-- Mean of the levels of sound with these weights.
local function sound_of(by_level, weights)
  local total, sum = nil, 0
  for level, w in pairs(weights) do
    if by_level[level] and w > 0 then
      local term = by_level[level] * w
      total, sum = total and total + term or term, sum + w
    end
  end
  return total / sum
end

-- Weights of clip, segment and frame that are tried.
local MIXES = { { 1, 1, 1 }, { 2, 1, 1 }, { 4, 1, 1 }, { 1, 0, 0 }, { 1, 1, 0 }, { 1, 0, 1 }, { 2, 0, 1 },
  { 0, 1, 1 } }

--- Fits the weights of the levels, and of these against tags, which are kept in the model's fusion: the
--- highest mAP over the texts.
---@return table { weights, alpha, mAP, sound, tags }
function measure.fit(model, by_level, members)
  return nj.no_grad(function()
    local best = { mAP = -1, sound = 0, tags = measure.score(by_level.caption, members).mAP }
    for _, mix in ipairs(MIXES) do
      local weights = { clip = mix[1], segment = by_level.segment and mix[2] or 0,
        frame = by_level.frame and mix[3] or 0, caption = 1 }
      local sound = weights.clip + weights.segment + weights.frame > 0
        and sound_of(by_level, { clip = weights.clip, segment = weights.segment, frame = weights.frame })
      for i = 1, sound and 20 or 0 do
        local alpha = i / 20
        local s = measure.score(sound * alpha + by_level.caption * (1 - alpha), members)
        if i == 20 then best.sound = math.max(best.sound, s.mAP) end
        if s.mAP > best.mAP then best.weights, best.alpha, best.mAP = weights, alpha, s.mAP end
      end
    end
    local f = model.head.fusion
    f.weights, f.alpha, f.fitted = best.weights, best.alpha, true
    return best
  end)
end

--- What scores are worth where a search shows its first hit: the mean score of the first hit and how often it
--- is right; how often the best right sound is above 0.5, and the best wrong one below 0.2, in percent.
---@return string
function measure.trust(model, asked, members, a)
  return nj.no_grad(function()
    local texts = model:encode_texts(asked)
    local fused = model.head:fuse(model.head:similarity(texts:levels(), a))
    local n, sum, right, present, absent = #asked, 0, 0, 0, 0
    for q, list in ipairs(members) do
      local p, mine = model:probabilities(texts[q], fused[q]):totable(), {}
      for _, i in ipairs(list) do mine[i] = true end
      local best, wrong = 0, 0
      for i, score in ipairs(p) do
        if mine[i] then best = math.max(best, score) else wrong = math.max(wrong, score) end
      end
      sum, right = sum + math.max(best, wrong), right + (best > wrong and 1 or 0)
      present, absent = present + (best > 0.5 and 1 or 0), absent + (wrong < 0.2 and 1 or 0)
    end
    return ("first hit: mean score %.2f, right %.0f %%; best right one above 0.5: %.0f %%; best wrong one "
      .. "below 0.2: %.0f %%"):format(sum / n, 100 * right / n, 100 * present / n, 100 * absent / n)
  end)
end

--- Rows of every n-th sound, for the bank of the calibration.
function measure.rows(model, of, n)
  local places = {}
  for i = 1, of.clip.shape[1], n do places[#places + 1] = i end
  local a = measure.encode(model, of, places)
  return nj.cat({ a.clip, a.caption }, 2)
end

--- Fits the calibration: probabilities of fused similarities against a bank.
---@param o table bank (M, width), texts (encoded), clips (levels), members
function measure.calibrate(model, o)
  nj.no_grad(function()
    model.calibration = { bank = o.bank }
    local n, matches, backgrounds, known = o.clips.clip.shape[1], {}, {}, {}
    local fused = model.head:fuse(model.head:similarity(o.texts:levels(), o.clips)):clone()
    for q, list in ipairs(o.members) do
      matches[q] = {}
      for i = 1, n do matches[q][i] = false end
      for _, i in ipairs(list) do matches[q][i] = true end
      local scale
      backgrounds[q], scale, known[q] = rows_of.background(model, o.texts[q])
      fused[q]:div_(scale)
    end
    model.calibration = calibration.fit(o.bank, o.texts.vectors, o.clips.clip, matches, fused,
      { backgrounds = nj.stack(backgrounds, 1), known = known, trim = 0.1 })
  end)
end

return measure
