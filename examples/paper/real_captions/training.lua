--- Training of the matcher: in every step one kind of batch, each query against the captions of its
--- own clip and of the other clips.
---
---   development  Clotho: one human caption (or its paraphrase) asks, one to `most` others of the
---                clip, without its own paraphrase, answer
---   validation   Clotho: a human caption asks, generated ones answer (the clips kept for choosing
---                are not among them)
---   audiocaps    one caption a clip: a part of its words asks, another part answers
local nj = require "nightjar"
local Matcher = require "matcher"

local training = {}

-- n different numbers out of 1 … m; all of them, again and again, when m is less than n.
local function pick(rng, n, m)
  local order = {}
  for i = 1, m do order[i] = i end
  for i = 1, math.min(n, m - 1) do
    local j = rng:integer(i, m)
    order[i], order[j] = order[j], order[i]
  end
  for i = m + 1, n do order[i] = order[i - m] end
  return order
end

-- A text with each word left out at a rate; one word stays.
local function thin(rng, ids, rate)
  local out = {}
  for _, id in ipairs(ids) do
    if rng:uniform() >= rate then out[#out + 1] = id end
  end
  if #out == 0 then out[1] = ids[rng:integer(1, #ids)] end
  return out
end

local draw = {}

function draw.development(state, o)
  local rng, matcher, groups = state.rng, state.matcher, state.data.development
  local k, queries, clips = rng:integer(1, o.most), {}, {}
  for b, i in ipairs(pick(rng, o.batch, #groups)) do
    if b > o.batch then break end
    local texts = groups[i].texts
    local asks = #texts == 10 and rng:uniform() < 0.25 and rng:integer(6, 10) or rng:integer(1, 5)
    local others = {}
    for place = 1, #texts do
      if (place - asks) % 5 ~= 0 then others[#others + 1] = texts[place] end
    end
    queries[b] = thin(rng, matcher.ids(texts[asks]), o.thin)
    clips[b] = {}
    for c, place in ipairs(pick(rng, k, #others)) do
      if c <= k then clips[b][c] = thin(rng, matcher.ids(others[place]), o.thin) end
    end
  end
  return queries, clips
end

function draw.validation(state, o)
  local rng, matcher, groups = state.rng, state.matcher, state.data.validation
  local k, queries, clips = rng:integer(1, o.most + 1), {}, {}
  for b, i in ipairs(pick(rng, math.min(o.batch, #groups), #groups)) do
    if b > o.batch then break end
    local group = groups[i]
    queries[b] = thin(rng, matcher.ids(group.queries[rng:integer(1, #group.queries)]), o.thin)
    clips[b] = {}
    for c, place in ipairs(pick(rng, k, #group.all)) do
      if c <= k then clips[b][c] = thin(rng, matcher.ids(group.all[place]), o.thin) end
    end
  end
  return queries, clips
end

function draw.audiocaps(state, o)
  local rng, groups = state.rng, state.data.audiocaps
  local queries, clips = {}, {}
  for b = 1, o.batch do
    local ids = state.matcher.ids(groups[rng:integer(1, #groups)].texts[1])
    local asks, answers = {}, {}
    for _, id in ipairs(ids) do
      local u = rng:uniform()
      if u < 0.5 + o.shared / 2 then asks[#asks + 1] = id end
      if u >= 0.5 - o.shared / 2 then answers[#answers + 1] = id end
    end
    queries[b] = #asks > 0 and asks or ids
    clips[b] = { #answers > 0 and answers or ids }
  end
  return queries, clips
end

local function cosine(step, o)
  if step <= o.warmup then return step / o.warmup end
  local x = (step - o.warmup) / math.max(1, o.steps - o.warmup)
  return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * x))
end

-- The loss of a batch: sentences over all of it, words over the first `token_batch` of it (their
-- products cost by the square of the batch).
local function losses(matcher, queries, clips, o)
  local scales, total, parts = matcher.scales:exp(), nil, { 0, 0 }
  local function add(weight, S, which)
    local loss = nj.loss.nt_xent(S:t() * scales:narrow(1, which, 1), { temperature = 1 })
    parts[which] = loss:item()
    total = total and total + loss * weight or loss * weight
  end
  if o.sentences > 0 then
    local asks = matcher:sentences(matcher:words(queries, "query"), "query")
    local answers = matcher:captions(clips, { sentences = true })
    add(o.sentences, asks:matmul(Matcher.mean(answers.sentences):t()), 1)
  end
  if o.tokens > 0 then
    local n = math.min(#queries, o.token_batch)
    local asks = matcher:words(table.move(queries, 1, n, 1, {}), "query")
    local answers = matcher:captions(table.move(clips, 1, n, 1, {}), { tokens = true })
    add(o.tokens, Matcher.interact(asks, answers.tokens), 2)
  end
  return total, parts
end

--- Trains a matcher.
---@param matcher table
---@param data { development: table[], validation: table[], audiocaps: table[] }
---@param o table batch, steps, warmup, rate, weight_rate, network_rate, decay, mix, most, thin,
---  shared, sentences, tokens (weights of the two losses), token_batch, seed, evaluate (function), every
function training.run(matcher, data, o, log)
  local vectors, network, rest = matcher:parameters()
  local groups = {
    { params = vectors, lr = o.rate }, { params = rest, lr = o.weight_rate, weight_decay = 0 },
  }
  if #network > 0 then groups[3] = { params = network, lr = o.network_rate } end
  local optimizer = nj.optim.adamw(groups, { weight_decay = o.decay })
  local state = { matcher = matcher, data = data, rng = nj.rng(o.seed, 2) }
  local kinds, means, began = {}, {}, os.clock()
  for kind in o.mix:gmatch "%a+" do kinds[#kinds + 1] = kind end
  matcher:train(true)
  for step = 1, o.steps do
    local factor = cosine(step, o)
    for _, group in ipairs(optimizer.groups) do group.lr = group.base_lr * factor end
    local kind = kinds[(step - 1) % #kinds + 1]
    local queries, clips = draw[kind](state, o)
    local loss, parts = losses(matcher, queries, clips, o)
    optimizer:zero_grad()
    loss:backward()
    nj.optim.clip.norm(optimizer, 2)
    optimizer:step()
    means[kind] = means[kind] or { parts[1] or 0, parts[2] or 0 }
    for i = 1, 2 do means[kind][i] = 0.9 * means[kind][i] + 0.1 * (parts[i] or 0) end
    if step % o.every == 0 or step == o.steps then
      local words = { ("step %d, %.0f s"):format(step, os.clock() - began) }
      for _, name in ipairs { "development", "validation", "audiocaps" } do
        if means[name] then
          words[#words + 1] = ("%s %.2f %.2f"):format(name, means[name][1], means[name][2])
        end
      end
      log(table.concat(words, " | "))
      if o.evaluate then
        matcher:train(false)
        o.evaluate(step)
        matcher:train(true)
      end
    end
  end
  matcher:train(false)
  return os.clock() - began
end

return training
