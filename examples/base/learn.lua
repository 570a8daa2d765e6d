--- The training of nightjar-base behind its frozen sound encoder. A step sees
---
---   pairs     sounds, or parts of them, with a name, a title or a confident tag: clip and sentence
---   tokens    such sounds and scenes mixed of them, at all levels
---   captions  two captions of one sound must find each other among others (no sound is heard)
---   labels    a caption must find the name of a class that occurs in it
---
--- and every loss is NT-Xent. Inputs are standardised while training; the projections take that over at the
--- end.
local nj = require "nightjar"
local features = require "examples.base.features"
local texts = require "examples.base.texts"

local learn = {}

local PAIRS, CAPTIONS, LABELS = 160, 96, 96
local NAMED, SCENES = 64, 48 -- of the batch that is compared token by token
local TAG_RATE, TAG_LEAST = 0.3, 0.2 -- how often a tag stands for a name, and from which probability on
local SYNTHETIC_SKIPPED = 0.5
local NAME_RATE = 0.7 -- how often the first of several texts, the name, is drawn
local PART_RATE, SHORTEST = 0.5, 6 -- how often a part of a sound stands for it, of so many frames at least

-- ---- data ----

local function standard(x)
  local flat = x:reshape(-1, x.shape[#x.shape])
  local mean, deviation = flat:mean(1), flat:std(1) + 0.05
  return { mean = mean, deviation = deviation,
    apply = function(y) return (y - mean) / deviation end }
end

local function valid_frames(frames, lengths)
  local places = nj.arange(1, frames.shape[2], { dtype = "int64" }):reshape(1, -1)
  return places:le(lengths:reshape(-1, 1))
end

-- Names of the tags that a sound has for sure, up to four.
local function sure_tags(tagger, tags)
  local list = {}
  for _, tag in ipairs(tagger:best(tags, 4)) do
    if tag.probability > TAG_LEAST then list[#list + 1] = tag.name end
  end
  return list
end

--- What pairs are drawn from.
---@param model any
---@param clips table[]
---@param of table their features
function learn.pairs(model, clips, of)
  local tower = model.audio_tower
  return nj.no_grad(function()
    local frames = tower:lift(of.frames)
    local pool = { clips = clips, clip_scale = standard(tower:lift_clip(of.clip)),
      frame_scale = standard(frames),
      mask = valid_frames(frames, of.lengths), raw = of.frames, clip = of.clip, lengths = of.lengths:totable(),
      tag_names = {} }
    pool.frames = pool.frame_scale.apply(frames)
    for i in ipairs(clips) do pool.tag_names[i] = sure_tags(tower.tagger, of.tags[i]) end
    return pool
  end)
end

--- Scenes mixed of ESC-50's clips, as pairs are: with frames and captions.
---@param model any
---@param pool nightjar.FeaturePool
---@param scale table frame_scale of the pairs
function learn.scenes(model, pool, scale)
  return nj.no_grad(function()
    return { clips = pool.clips, clip = pool.clip, frames = scale.apply(model.audio_tower:lift(pool.frames)),
      mask = valid_frames(pool.frames, pool.lengths) }
  end)
end

-- ---- a step ----

local function draw_text(rng, clip, tag_names)
  local own = clip.texts
  if #tag_names > 0 and (#own == 0 or rng:uniform() < TAG_RATE) then return (rng:choice(tag_names)) end
  if #own > 1 and rng:uniform() < NAME_RATE then return own[1] end
  return (rng:choice(own))
end

local function sentences(self, list, rng)
  local ids, mask, keys = self.table:batch(list)
  return self.model:text_levels(ids, mask, { rng = rng }), keys
end

-- What each row's sound is pooled to: all that the encoder was given, or a part of the sound's own frames.
local function pooled(pool, rows, rng)
  local weights, whole = {}, {}
  for i, row in ipairs(rows) do
    local n, line = pool.lengths[row], {}
    for k = 1, pool.raw.shape[2] do line[k] = 0 end
    if n > SHORTEST and rng:uniform() < PART_RATE then
      local size = rng:integer(SHORTEST, n)
      local first = rng:integer(1, n - size + 1)
      for k = first, first + size - 1 do line[k] = 1 / size end
      whole[i] = 0
    else
      whole[i] = 1
    end
    weights[i] = line
  end
  local index = nj.tensor(rows, { dtype = "int64" })
  local parts = nj.tensor(weights):unsqueeze(2):matmul(pool.raw:index_select(1, index))
  whole = nj.tensor(whole):unsqueeze(2)
  return parts:reshape(#rows, -1) + pool.clip:index_select(1, index) * whole
end

local function clip_inputs(self, clip, rng)
  local lifted = nj.no_grad(function()
    return self.pool.clip_scale.apply(self.model.audio_tower:lift_clip(clip))
  end)
  return lifted:dropout(0.3, { rng = rng })
end

local function draw_pairs(self, count, rng)
  local rows, list = {}, {}
  for i = 1, count do
    rows[i] = self.next_row()
    -- A third of the sounds is synthetic: every other time a real one comes in its place.
    while self.pool.clips[rows[i]].synthetic and rng:uniform() < SYNTHETIC_SKIPPED do
      rows[i] = self.next_row()
    end
    list[i] = draw_text(rng, self.pool.clips[rows[i]], self.pool.tag_names[rows[i]])
  end
  return rows, list
end

local function level_loss(self, S, level, keys)
  local name = level == "clip" and "log_temperature" or "log_temperature." .. level
  return nj.loss.nt_xent(S:t(), { ids = keys, same_clip = "positives",
    temperature = self.model.head.scalar[name]:exp() })
end

-- Clip and sentence.
local function pair_loss(self, rng)
  local rows, list = draw_pairs(self, PAIRS, rng)
  local t, keys = sentences(self, list, rng)
  local clip = self.model.head.nets["audio.projection"](clip_inputs(self, pooled(self.pool, rows, rng), rng))
  return level_loss(self, t.sentence:matmul(clip:normalize(-1):t()), "clip", keys)
end

-- Segments and phrases, frames and words: of named sounds, and of scenes in which several things happen.
local function token_loss(self, rng)
  local rows, list = draw_pairs(self, NAMED, rng)
  local scene_rows = {}
  for i = 1, SCENES do
    scene_rows[i] = self.next_scene()
    list[#list + 1] = (rng:choice(self.scenes.clips[scene_rows[i]].captions))
  end
  local t, keys = sentences(self, list, rng)
  -- Sounds learn from words here, and not the other way round: sentences from a grammar teach no language.
  for key, value in pairs(t) do t[key] = value:detach() end
  local named = features.take({ frames = self.pool.frames, mask = self.pool.mask, clip = self.pool.clip }, rows)
  local scenes = features.take({ frames = self.scenes.frames, mask = self.scenes.mask,
    clip = self.scenes.clip }, scene_rows)
  local function encode(x)
    return self.model.head:audio { frames = x.frames, mask = x.mask, rng = rng,
      clip = clip_inputs(self, x.clip, rng),
      tags = nj.zeros(x.frames.shape[1], self.model.audio_tower.tagger.classes) }
  end
  local a = self.model.head:collate_audio { encode(named), encode(scenes) }
  a.caption = nil -- the tags' level is not trained: what it knows is in the words
  local levels, total = self.model.head:similarity(t, a), nil
  for _, level in ipairs { "clip", "segment", "frame" } do
    if levels[level] then
      local loss = level_loss(self, levels[level], level, keys)
      total = total and total + loss or loss
    end
  end
  return total
end

local function text_loss(self, first, second, rng)
  local a = sentences(self, first, rng)
  local b, keys = sentences(self, second, rng)
  return nj.loss.nt_xent(a.sentence:matmul(b.sentence:t()),
    { temperature = self.log_temperature:exp(), ids = keys, same_clip = "positives" })
end

local function caption_loss(self, rng)
  local first, second = {}, {}
  for i = 1, CAPTIONS do
    local group = rng:choice(self.groups)
    local k = rng:integer(1, #group)
    local l = #group > 1 and (k + rng:integer(1, #group - 1) - 1) % #group + 1 or k
    first[i], second[i] = group[k], group[l]
  end
  return text_loss(self, first, second, rng)
end

local function label_loss(self, rng)
  local first, second = {}, {}
  for i = 1, LABELS do
    local item = rng:choice(self.labelled)
    first[i], second[i] = item.text, self.names[rng:choice(item.labels)]
  end
  return text_loss(self, first, second, rng)
end

-- An endless walk over 1 … n in a new order each time.
local function walk(n, rng)
  local order, at = {}, n
  for i = 1, n do order[i] = i end
  return function()
    if at == n then
      rng:shuffle(order)
      at = 0
    end
    at = at + 1
    return order[at]
  end
end

-- ---- all of it ----

local function parameters_of(self)
  local list = {}
  for _, p in ipairs(self.model:parameters()) do
    if not p.name:find "^audio%.encoder%." then list[#list + 1] = p end
  end
  list[#list + 1] = { name = "captions.log_temperature", tensor = self.log_temperature }
  return list
end

-- Takes the standardisation of its inputs into a projection's first layer.
local function fold(state, prefix, scale)
  local weight, bias = state[prefix .. "0.weight"], state[prefix .. "0.bias"]
  nj.no_grad(function()
    weight:div_(scale.deviation:reshape(1, -1))
    bias:sub_(weight:matmul(scale.mean))
  end)
end

--- Captions in which names of classes occur.
---@param captions string[]
---@param names string[]
function learn.labelled(captions, names)
  local find, list = texts.finder(names), {}
  for _, text in ipairs(captions) do
    local labels = find(text)
    if #labels > 0 then list[#list + 1] = { text = text, labels = labels } end
  end
  return list
end

--- Trains everything but the sound encoder, in place.
---@param model any
---@param o table pool, groups, labelled, names, words (how many are trained), steps, seed, run?, losses = {
---pairs =,   captions =, labels = } weights
---@return table result of nj.train
function learn.train(model, o)
  local rng, order = nj.rng(o.seed, 1), nj.rng(o.seed, 2)
  model.text_tower.encoder:adapt(o.words)
  local self = { model = model, pool = o.pool, groups = o.groups, labelled = o.labelled, names = o.names,
    table = texts.table(model.text_tower), log_temperature = nj.tensor(-2.9):requires_grad_(),
    next_row = walk(#o.pool.clips, order), scenes = o.scenes,
    next_scene = o.scenes and walk(#o.scenes.clips, order) }
  local parameters = parameters_of(self)
  local delta = model.text_tower.encoder.delta
  local weights = { pairs = 1, captions = 1, labels = 1, tokens = o.scenes and 1 or 0 }
  for key, value in pairs(o.losses or {}) do weights[key] = value end
  local learner = {
    parameters = function() return parameters end, buffers = function() return {} end,
    train = function(_, on)
      model:train(on)
      model.audio_tower.encoder:eval()
    end,
  }
  local each = { pairs = pair_loss, captions = caption_loss, labels = label_loss, tokens = token_loss }
  local batches = {}
  for i = 1, 100 do batches[i] = i end
  local result = nj.train {
    model = learner, batches = batches, max_steps = o.steps,
    optimizer = nj.optim.adamw(parameters, { lr = 1.5e-3, weight_decay = 0.05 }),
    schedule = nj.schedule.cosine { steps = o.steps, warmup = o.steps // 4 },
    rngs = { texts = rng, order = order },
    step = function()
      local total, by_name = delta:square():sum() * 1e-5, {}
      for _, name in ipairs { "pairs", "captions", "labels", "tokens" } do
        if weights[name] > 0 then
          local loss = each[name](self, rng)
          total, by_name[name] = total + loss * weights[name], loss
        end
      end
      return total, by_name
    end,
    checkpoint = o.run, resume = o.run ~= nil, log = o.run and o.run .. "/log.jsonl", progress = o.progress,
  }
  model:eval()
  model.text_tower.encoder:settle()
  local state = model:state()
  fold(state, "audio.projection.", o.pool.clip_scale)
  if state["audio.frame_projection.0.weight"] then
    fold(state, "audio.frame_projection.", o.pool.frame_scale)
  end
  return result
end

return learn
