--- Transformer mean: K caption vectors through a small Transformer, then their mean (Cap4Video's
--- third use of captions), trained as a second stage on vectors of a finished matcher.
local nj = require "nightjar"

local pooling = {}

-- Vectors of texts, in blocks, without recording.
local function vectors(matcher, texts, side)
  return nj.no_grad(function()
    local parts = {}
    for first = 1, #texts, 2048 do
      local lists = {}
      for i = first, math.min(first + 2047, #texts) do lists[#lists + 1] = matcher.ids(texts[i]) end
      parts[#parts + 1] = matcher:sentences(matcher:words(lists, side), side)
    end
    return nj.cat(parts, 1)
  end)
end

-- All texts of groups as vectors, and where each group's begin.
local function bank(matcher, groups, field, side)
  local texts, first = {}, {}
  for i, group in ipairs(groups) do
    first[i] = #texts
    table.move(group[field], 1, #group[field], #texts + 1, texts)
  end
  return { vectors = vectors(matcher, texts, side), first = first }
end

-- A batch: one query a clip and K of its captions; of development never the query's own text, nor
-- its paraphrase (which stands five places further).
local function draw(rng, part, batch, k)
  local queries, captions, order = {}, {}, {}
  for i = 1, #part.groups do order[i] = i end
  rng:shuffle(order)
  for b = 1, math.min(batch, #order) do
    local i = order[b]
    local group = part.groups[i]
    local asks = rng:integer(1, #group.queries)
    queries[b] = part.asks.first[i] + asks
    local places = {}
    for place = 1, #group[part.field] do
      if part.field ~= "texts" or (place - asks) % 5 ~= 0 then places[#places + 1] = place end
    end
    rng:shuffle(places)
    for c = 1, k do
      captions[#captions + 1] = part.answers.first[i] + places[(c - 1) % #places + 1]
    end
  end
  local long = { dtype = "int64" }
  local q = part.asks.vectors:index_select(1, nj.tensor(queries, long))
  local c = part.answers.vectors:index_select(1, nj.tensor(captions, long))
  return q, c:reshape(#queries, k, -1)
end

--- Trains a pool. Gives a function from caption vectors (n, K, D) to clip vectors of unit length.
---@param o { steps: integer, batch: integer, rate: number, most: integer, seed: integer }
function pooling.train(matcher, data, o)
  local rng = nj.rng(o.seed, 3)
  local net = nj.ac.caption_pool {
    kind = "transformer", width = matcher.options.width, layers = 2, heads = 4, positions = 32,
    dropout = 0.1, rng = rng,
  }
  local scale = nj.tensor({ math.log(20) }):requires_grad_()
  local parameters = { { "scale", scale } }
  for _, p in ipairs(net:parameters()) do parameters[#parameters + 1] = { p.name, p.tensor } end
  local optimizer = nj.optim.adamw(parameters, { lr = o.rate })
  local schedule = nj.schedule.cosine { steps = o.steps, warmup = 20 }
  local parts = {
    { groups = data.development, field = "texts" }, { groups = data.validation, field = "all" },
  }
  for _, part in ipairs(parts) do
    part.asks = bank(matcher, part.groups, "queries", "query")
    part.answers = bank(matcher, part.groups, part.field, "caption")
  end
  local function pool(captions) return net(captions, nil, { rng = rng }):normalize(-1) end
  net:train()
  for step = 1, o.steps do
    for _, group in ipairs(optimizer.groups) do group.lr = group.base_lr * schedule:factor(step) end
    local q, c = draw(rng, parts[step % 2 + 1], o.batch, rng:integer(1, o.most))
    local S = pool(c):matmul(q:t()) * scale:exp()
    optimizer:zero_grad()
    nj.loss.nt_xent(S, { temperature = 1 }):backward()
    nj.optim.clip.norm(optimizer, 2)
    optimizer:step()
  end
  net:eval()
  return pool
end

return pooling
