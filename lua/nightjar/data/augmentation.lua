--- Generated captions as further training pairs: which of them are worth it, and how often they are
--- drawn.
---
---     local added = nj.data.augmentation(train, captions, {
---       scores = function(clip, texts)
---         return model:text(texts):matmul(assert(model:audio { clip.path })[1].vector)
---       end,
---       min_score = 0.2, threshold = 0.8, best = 2, rate = 0.25, seed = 1,
---     })
---     print(added)                          -- what was kept, and why the rest was not
---     local loader = nj.data.loader(added:dataset(), { … })
---
--- A caption is left out for the first of these reasons that holds:
---   unheard    its score, the similarity with the sound, is below `min_score`, or not a number
---   known      it is a near-duplicate of a caption that the clip has
---   repeated   it is a near-duplicate of a better generated one of the same clip
---   surplus    the clip has `best` better ones
--- Better means: of higher score; without scores of higher log-probability; else earlier.
---
--- That near-copies of the ground truth add nothing is what users of Cap4Video met; that captions
--- which do not fit the sound teach the wrong thing is why it chose the one closest to its video.
local dataset = require "nightjar.data.dataset"
local likeness = require "nightjar.data.likeness"
local opts = require "nightjar.opts"
local random = require "nightjar.data.random"
local report = require "nightjar.metrics.report"

local Augmentation = { __name = "nightjar.Augmentation" }
Augmentation.__index = Augmentation

local reasons = { "unheard", "known", "repeated", "surplus" }

local reason_text = {
  unheard = "unheard: similarity to the sound below the least",
  known = "known: near-duplicate of the clip's own captions",
  repeated = "repeated: near-duplicate of a better generated one",
  surplus = "surplus: beyond the best of the clip",
}

-- The scores of one clip's captions as a list of numbers.
local function scores_of(o, clip, index, texts)
  local given = o.scores
  local what
  if opts.type_name(given) == "nightjar.Tensor" then
    if #given.shape ~= 2 or given.shape[1] ~= o.clips or given.shape[2] < #texts then
      error(("augmentation: option 'scores' has shape (%s), expected (%d, K) with K of at least %d, "
        .. "the captions of %s"):format(table.concat(given.shape, ", "), o.clips, #texts, clip.id), 0)
    end
    return given[index]:totable()
  elseif type(given) == "table" and getmetatable(given) == nil then
    given, what = given[clip.id], "option 'scores' holds"
    if given == nil then
      error(("augmentation: option 'scores' has nothing for %s"):format(clip.id), 0)
    end
  else
    given, what = given(clip, texts), "option 'scores' gave"
  end
  if opts.type_name(given) == "nightjar.Tensor" then given = given:flatten():totable() end
  if type(given) ~= "table" or #given < #texts then
    error(("augmentation: %s %s for %s, expected %d numbers"):format(what,
      type(given) == "table" and #given .. " numbers" or "a " .. type(given), clip.id, #texts), 0)
  end
  return given
end

-- The captions of a clip as candidates, the better ones first.
local function candidates_of(o, clip, index, captions)
  local texts, list = {}, {}
  for k, caption in ipairs(captions) do texts[k] = caption.text end
  local scores = o.scores and #texts > 0 and scores_of(o, clip, index, texts)
  for k, caption in ipairs(captions) do
    local score = scores and scores[k] or nil
    if score ~= nil and type(score) ~= "number" then
      error(("augmentation: a score of %s is a %s"):format(clip.id, type(score)), 0)
    end
    list[k] = {
      id = clip.id, text = caption.text, source = caption.source, logprob = caption.logprob,
      score = score, place = k, words = likeness.words(caption.text),
    }
  end
  local function rank(candidate)
    local value = candidate.score or candidate.logprob
    return value == value and value or -math.huge
  end
  local ranked = o.scores ~= nil
  if not ranked then
    ranked = true
    for _, candidate in ipairs(list) do ranked = ranked and candidate.logprob ~= nil end
  end
  table.sort(list, function(a, b)
    if ranked and rank(a) ~= rank(b) then return rank(a) > rank(b) end
    return a.place < b.place
  end)
  return list
end

-- The highest likeness of a candidate with a list of { text=, words= }, and with which.
local function nearest(measure, candidate, others)
  local most, which = -1, nil
  for _, other in ipairs(others) do
    local value = measure(candidate.words, other.words)
    if value > most then most, which = value, other.text end
  end
  return most, which
end

-- Why a candidate is left out, or nil.
local function reason_against(o, candidate, truth, kept)
  local score = candidate.score
  if score and not (score == score and score >= o.min_score) then return "unheard" end
  local measure = likeness[o.measure]
  if measure then
    local like, which = nearest(measure, candidate, truth)
    if like >= o.threshold then
      candidate.likeness, candidate.like = like, which
      return "known"
    end
    like, which = nearest(measure, candidate, kept)
    if like >= o.threshold then
      candidate.likeness, candidate.like = like, which
      return "repeated"
    end
  end
  if #kept >= o.best then return "surplus" end
end

local function sift(self, clip, candidates)
  local truth, kept = {}, {}
  for k, text in ipairs(clip.captions) do
    truth[k] = { text = text, words = likeness.words(text) }
  end
  for _, candidate in ipairs(candidates) do
    local reason = reason_against(self.options, candidate, truth, kept)
    if reason then
      candidate.reason = reason
      self.counts[reason] = self.counts[reason] + 1
      self.dropped[#self.dropped + 1] = candidate
    else
      kept[#kept + 1] = candidate
    end
  end
  self.kept[clip.id] = kept
  self.counts.captions = self.counts.captions + #candidates
  self.counts.kept = self.counts.kept + #kept
  self.counts.with = self.counts.with + (#kept > 0 and 1 or 0)
end

local rules = {
  scores = "callable|tensor|table",
  min_score = { type = "number", default = -math.huge },
  measure = { type = "string", default = "jaccard", one_of = { "jaccard", "edit", "none" } },
  threshold = { type = "number", default = 0.8, above = 0, max = 1 },
  best = { type = "integer", default = math.maxinteger, min = 1 },
  rate = { type = "number", default = 0.25, min = 0, max = 1 },
  seed = { type = "integer", default = 1 },
}

--- Chooses generated captions for the clips of a data set.
---@param data nightjar.Dataset
---@param captions nightjar.Generated read with this data set, or keyed by its clips' ids
---@param options? { scores?: function|nightjar.Tensor|table<string, number[]>, min_score?: number,
---  measure?: "jaccard"|"edit"|"none", threshold?: number, best?: integer, rate?: number,
---  seed?: integer } scores: how well each caption fits its sound: a function (clip, texts) that
---  gives numbers, a tensor (clips, K) in the order of both, or lists by id; min_score: least score
---  (default: none); measure, threshold: captions at least so alike (default 0.8 of Jaccard's
---  index) are near-duplicates; best: at most so many a clip (default: all); rate: how often a
---  generated caption is drawn instead of one of the clip's own (default 0.25)
---@return nightjar.Augmentation
local function augmentation(data, captions, options)
  opts.arg("augmentation", 1, "data", data, "nightjar.Dataset")
  opts.arg("augmentation", 2, "captions", captions, "nightjar.Generated")
  local o = opts.check("augmentation", options, rules)
  if o.min_score > -math.huge and not o.scores then
    error("augmentation: option 'min_score' needs 'scores'", 2)
  end
  o.clips = #data.clips
  local self = setmetatable({
    data = data, options = o, kept = {}, dropped = {},
    counts = {
      clips = #data.clips, with = 0, captions = 0, kept = 0, unheard = 0, known = 0, repeated = 0,
      surplus = 0,
    },
  }, Augmentation)
  for index, clip in ipairs(data.clips) do
    sift(self, clip, candidates_of(o, clip, index, captions:of(clip.id)))
  end
  return self
end

--- The captions kept for a clip, the best first.
---@param id string
---@return { text: string, score: number?, logprob: number?, source: string }[]
function Augmentation:of(id)
  local out = {}
  for k, c in ipairs(self.kept[opts.arg("of", 1, "id", id, "string")] or {}) do
    out[k] = { text = c.text, score = c.score, logprob = c.logprob, source = c.source }
  end
  return out
end

--- A caption for one epoch: with probability `rate` a generated one, else one of the clip's own. A
--- function of (seed, epoch, id). A clip that has only one kind gives that.
---@param clip nightjar.Clip
---@param epoch integer
---@return string? text nil for a clip without any caption
---@return boolean? generated
function Augmentation:draw(clip, epoch)
  opts.arg("draw", 1, "clip", clip, "table")
  opts.arg("draw", 2, "epoch", epoch, "integer")
  local rng = random.stream(self.options.seed, "augmentation", epoch, clip.id)
  local kept, own = self.kept[clip.id] or {}, clip.captions
  local chance = rng:uniform()
  if #kept > 0 and (#own == 0 or chance < self.options.rate) then
    return kept[rng:integer(1, #kept)].text, true
  end
  if #own == 0 then return nil end
  return own[rng:integer(1, #own)], false
end

--- The data set with the captions added; its clips are copies.
---@param options? { mode?: "mix"|"append" } mix (default): clips carry `generated` and
---  `generated_rate`, and a loader with captions = "one" draws from them at that rate; append: they
---  stand behind the clip's own captions, each a pair like any other
---@return nightjar.Dataset
function Augmentation:dataset(options)
  local o = opts.check("augmentation:dataset", options, {
    mode = { type = "string", default = "mix", one_of = { "mix", "append" } },
  })
  local clips = {}
  for i, clip in ipairs(self.data.clips) do
    local copy, texts = {}, {}
    for key, value in pairs(clip) do copy[key] = value end
    for k, kept in ipairs(self.kept[clip.id]) do texts[k] = kept.text end
    if o.mode == "append" then
      copy.captions = table.move(clip.captions, 1, #clip.captions, 1, {})
      table.move(texts, 1, #texts, #copy.captions + 1, copy.captions)
    elseif #texts > 0 then
      copy.generated, copy.generated_rate = texts, self.options.rate
    end
    clips[i] = copy
  end
  local fields = {}
  for key, value in pairs(self.data) do fields[key] = value end
  fields.clips = clips
  return dataset.new(fields)
end

--- What was kept and what was not: { clips=, with= (clips that have a kept one), captions=, kept=,
--- unheard=, known=, repeated=, surplus=, dropped = { { id=, text=, source=, score=, reason=, like=
--- (what it is a near-duplicate of), likeness= }, … } }. Prints as a table.
---@return table
function Augmentation:report()
  local out = { dropped = {} }
  for key, value in pairs(self.counts) do out[key] = value end
  for i, c in ipairs(self.dropped) do
    out.dropped[i] = {
      id = c.id, text = c.text, source = c.source, score = c.score, reason = c.reason,
      like = c.like, likeness = c.likeness,
    }
  end
  local text = tostring(self)
  return setmetatable(out, { __tostring = function() return text end })
end

function Augmentation:__tostring()
  local n, o = self.counts, self.options
  local rows = { "kept" }
  for _, reason in ipairs(reasons) do rows[#rows + 1] = reason end
  local head = ("%d clips, %d generated captions; %d clips have a kept one; drawn with probability "
    .. "%g"):format(n.clips, n.captions, n.with, o.rate)
  local bounds = {}
  if o.scores then bounds[1] = ("least similarity %g"):format(o.min_score) end
  bounds[#bounds + 1] = o.measure == "none" and "near-duplicates kept"
    or ("near-duplicates: %s of at least %g"):format(o.measure, o.threshold)
  if o.best < math.maxinteger then bounds[#bounds + 1] = ("best %d a clip"):format(o.best) end
  local body = report.table({ "", "captions", "%" }, rows, function(name)
    return { n[name], n.captions > 0 and 100 * n[name] / n.captions or 0.0 }
  end)
  for reason, words in pairs(reason_text) do
    body = body:gsub("\n(" .. reason .. "[^\n]*)", function(line)
      return ("\n%s   %s"):format(line, words:match ": (.*)")
    end)
  end
  return table.concat({ head, table.concat(bounds, "; "), "", body }, "\n")
end

return augmentation
