--- One run of the experiments: a text encoder trained from nothing together with a head, over the
--- frames of a frozen audio encoder, and what it is worth on clips that neither training nor any
--- choice saw.
local nj = require "nightjar"
local scoring = require "scoring"

local training = {}

local TEXT_WIDTH, MAX_TOKENS = 128, 40

-- uint8 (B, N) of lengths (B).
local function mask_of(lengths, n)
  return nj.arange(1, n, { dtype = "int64" }):reshape(1, n):le(lengths:reshape(-1, 1))
end

-- ---- the model ----

local Retriever = {}
Retriever.__index = Retriever

function Retriever:parameters()
  local list = {}
  for _, p in ipairs(self.bert:parameters()) do
    list[#list + 1] = { name = "bert." .. p.name, tensor = p.tensor }
  end
  for _, p in ipairs(self.head:parameters()) do
    list[#list + 1] = { name = "head." .. p.name, tensor = p.tensor }
  end
  return list
end

function Retriever:train(on)
  if on == false then self.bert:eval() else self.bert:train() end
  self.head:train(on)
  return self
end

-- words (B, W, C), their mask without special tokens, sentence (B, C).
function Retriever:read(texts, rng)
  local ids, mask, special = self.tokenizer:batch(texts, { max = MAX_TOKENS })
  local words = self.bert(ids, mask, { rng = rng })
  local sentence = nj.encoders.mean_pool(words, mask:to "int64":sum(2))
  return words, mask * special:eq(0), sentence
end

--- Texts at all levels, as head:text gives them. With `tokens`, words even if no level has them.
function Retriever:text(texts, rng, tokens)
  local words, mask, sentence = self:read(texts, rng)
  return self.head:text { words = words, mask = mask, sentence = sentence, rng = rng,
    tokens = tokens }
end

-- Texts of all lists one after the other, and for each place of (lists, most) its row among them, and
-- whether there is one.
local function flatten(lists)
  local most, texts, places, rows = 1, {}, {}, {}
  for _, list in ipairs(lists) do most = math.max(most, #list) end
  for b, list in ipairs(lists) do
    rows[b] = {}
    for k = 1, most do
      rows[b][k] = k <= #list and 1 or 0
      places[#places + 1] = k <= #list and #texts + 1 or 1
      if k <= #list then texts[#texts + 1] = list[k] end
    end
  end
  return texts, nj.tensor(places, { dtype = "int64" }), nj.tensor(rows, { dtype = "uint8" })
end

-- What head:audio takes of lists of captions: sentence vectors (B, K, D) with their mask (B, K), and
-- for matching by words those of all captions of a clip. Where the encoder also hears, nothing is
-- recorded of it here: captions then learn through the projection that queries train.
local function caption_vectors(self, lists)
  local texts, places, mask = flatten(lists)
  local clips, most = mask.shape[1], mask.shape[2]
  if #texts == 0 then
    return { captions = nj.zeros(clips, most, self.head.dim), caption_mask = mask }
  end
  local function of_clips(x)
    return x:index_select(1, places):reshape(clips, -1, self.head.dim)
  end
  if self.by_words then
    local t = self:text(texts, nil, true)
    local width = t.words.shape[2]
    local words = t.word_mask:to "uint8":index_select(1, places):reshape(clips, most, width)
    return { captions = of_clips(t.sentence), caption_mask = mask, caption_words = of_clips(t.words),
      caption_word_mask = (words * mask:unsqueeze(3)):reshape(clips, most * width) }
  end
  local function read()
    local _, _, sentence = self:read(texts)
    return sentence
  end
  local sentences = self.matcher and read() or nj.no_grad(read)
  local vectors = self.head.nets["text.projection"](sentences):normalize(-1)
  return { captions = of_clips(vectors), caption_mask = mask }
end

--- Sounds at all levels. `captions`: a list of captions for each clip, or nil.
function Retriever:audio(set, index, captions, rng, tokens)
  local lengths = set.lengths:index_select(1, index)
  local given = {
    frames = set.frames:index_select(1, index), clip = set.clip:index_select(1, index), rng = rng,
    tokens = tokens, mask = mask_of(lengths, set.frames.shape[2]),
  }
  for key, value in pairs(captions and caption_vectors(self, captions) or {}) do
    given[key] = value
  end
  return self.head:audio(given)
end

local function copy(t)
  if type(t) ~= "table" then return t end
  local out = {}
  for key, value in pairs(t) do out[key] = copy(value) end
  return out
end

-- Levels other than the clip's make HCI; ac names its uses: interaction, matching.
local function head_of(config, audio_width, dim, rng)
  local hci = copy(config.hci)
  local ac
  if config.ac and (config.ac.interaction or config.ac.matching) then
    ac = { interaction = copy(config.ac.interaction), matching = copy(config.ac.matching),
      alpha = config.ac.alpha }
  end
  -- The clip vector of nightjar-small's encoder is the maximum plus the mean of its frames.
  local gain = config.encoder == "small" and 2 or 1
  return nj.head { audio_width = audio_width, text_width = TEXT_WIDTH, dim = dim, hci = hci,
    ac = ac, frame_gain = gain, temperature = config.temperature or 0.07, rng = rng }
end

local function build(config, set, words, dim, seed)
  local rng = nj.rng(seed, 1)
  local self = {
    tokenizer = assert(nj.text.wordpiece(words)),
    bert = nj.encoders.bert { vocabulary = #words, width = TEXT_WIDTH,
      layers = config.text_layers or 1, heads = 4, feed_forward = 2 * TEXT_WIDTH, positions = 64,
      types = 1, dropout = config.dropout or 0, rng = rng },
    head = head_of(config, set.frames.shape[3], dim, rng),
  }
  return setmetatable(self, Retriever)
end

-- ---- batches ----

-- The captions of the clips at some places; nil where the configuration uses none.
local function captions_at(own, places, k)
  if not own then return nil end
  local lists = {}
  for b, i in ipairs(places) do lists[b] = table.move(own[i] or {}, 1, k, 1, {}) end
  return lists
end

-- Every epoch goes over all clips once, each with one of its captions; with augmentation the most
-- likely one of its generated captions instead, at that probability.
local function batches_of(set, own, config, rng, size)
  local augment = config.ac and config.ac.augmentation or 0
  return function()
    local order, at = {}, 0
    for i = 1, #set.clips do order[i] = i end
    rng:shuffle(order)
    return function()
      if at + size > #order then return nil end
      local batch = { places = {}, texts = {}, ids = {} }
      for b = 1, size do
        at = at + 1
        local i = order[at]
        local clip = set.clips[i]
        local text = rng:choice(clip.captions)
        if augment > 0 and own and own[i] and own[i][1] and rng:uniform() < augment then
          text = own[i][1]
        end
        batch.places[b], batch.texts[b] = i, text
        batch.ids[b] = clip.group or clip.id
      end
      return batch
    end
  end
end

-- Some of a clip's captions, others in every step.
local function draw(own, places, k, rng)
  local lists = {}
  for b, i in ipairs(places) do
    local list = table.move(own[i], 1, #own[i], 1, {})
    rng:shuffle(list)
    lists[b] = table.move(list, 1, k, 1, {})
  end
  return lists
end

-- Trains all levels, the caption branch among them unless that has a stage of its own.
local function fit(model, set, own, config, o, seed)
  local rng, order = nj.rng(seed, 2), nj.rng(seed, 3)
  local ac = config.ac or {}
  local with_captions = (ac.interaction or ac.matching and not ac.second_stage) and own
  local loss_options = config.loss or {}
  local weights = copy(config.hci and config.hci.weights or {})
  if ac.second_stage then weights.caption = 0 end
  local result = nj.train {
    model = model, max_steps = o.steps, epochs = o.steps,
    optimizer = nj.optim.adamw(model:parameters(), { lr = config.lr or o.lr, weight_decay = 0.01 }),
    schedule = nj.schedule.cosine { steps = o.steps, warmup = math.max(1, o.steps // 12) },
    clip_grad = 2, progress = false,
    batches = batches_of(set, own, config, order, math.min(o.batch, #set.clips)),
    step = function(batch)
      local index = nj.tensor(batch.places, { dtype = "int64" })
      local captions = with_captions and captions_at(own, batch.places, ac.captions or 1)
      local needs_frames = loss_options.denoise ~= nil
      local a = model:audio(set, index, captions or nil, rng, needs_frames)
      local t = model:text(batch.texts, rng)
      local options = { ids = batch.ids, weights = weights, distill = loss_options.distill,
        hardest = loss_options.hardest }
      if loss_options.denoise then
        options.denoise = model.head:positives(a, { margin = loss_options.denoise, rng = rng })
      end
      return (model.head:loss(model.head:similarity(t, a), options))
    end,
  }
  return result.loss
end

-- The second stage of matching (Cap4Video's): a text encoder of its own, begun as the first stage left
-- the other, that compares queries with captions and hears nothing.
local function fit_matcher(first, set, own, config, words, o, seed)
  local by_words = config.ac.matching.kind == "tokens"
  -- By words these have weights, which come with a frame level; only captions are trained.
  local levels = by_words and { "clip", "frame" } or { "clip" }
  local matcher = build({ encoder = config.encoder, hci = { levels = levels },
    ac = { matching = config.ac.matching } }, set, words, o.dim, seed)
  matcher.matcher, matcher.by_words = true, by_words
  matcher.bert:load(first.bert:state())
  matcher.head.nets["text.projection"]:load(first.head.nets["text.projection"]:state())
  matcher:train()
  local rng, order, drawn = nj.rng(seed, 4), nj.rng(seed, 5), nj.rng(seed, 6)
  nj.train {
    model = matcher, max_steps = o.steps, epochs = o.steps,
    optimizer = nj.optim.adamw(matcher:parameters(), { lr = o.lr / 2, weight_decay = 0.01 }),
    schedule = nj.schedule.cosine { steps = o.steps, warmup = math.max(1, o.steps // 12) },
    clip_grad = 2, progress = false,
    batches = batches_of(set, nil, {}, order, math.min(o.batch, #set.clips)),
    step = function(batch)
      local index = nj.tensor(batch.places, { dtype = "int64" })
      local a = matcher:audio(set, index, draw(own, batch.places, math.min(2, config.ac.captions),
        drawn), rng)
      local scores = matcher.head:similarity(matcher:text(batch.texts, rng), a)
      return (matcher.head:loss(scores, { ids = batch.ids,
        weights = { clip = 0, frame = by_words and 0 or nil } }))
    end,
  }
  return matcher
end

--- Trains and measures.
---@param config table encoder; hci and ac as nj.head takes them, ac further with captions (how many
---  a clip), source (see captioning.lua), augmentation (a probability) and second_stage (matching is
---  trained after the rest, by itself); loss: distill, denoise
---  (a margin), hardest; lr, temperature, text_layers, dropout
---@param seed integer
---@param data table of sounds.open
---@param own table? the captions of each split's clips: train, val, test
---@param words string[] the vocabulary
---@param o table steps, batch, lr, dim, queries (captions of a clip that ask)
---@return table metrics
function training.run(config, seed, data, own, words, o)
  local train = data.features("train", config.encoder)
  local model = build(config, train, words, o.dim, seed)
  model:train()
  local clock = nj.system.clock()
  local loss = fit(model, train, own and own.train, config, o, seed)
  if config.ac and config.ac.matching and config.ac.second_stage then
    model.second = fit_matcher(model, train, own.train, config, words, o, seed)
  end
  local metrics = scoring.measure(model, config, data, own, o)
  metrics.loss = loss
  metrics.step_seconds = (nj.system.clock() - clock) / o.steps
  return metrics
end

training.build, training.captions_at = build, captions_at

return training
