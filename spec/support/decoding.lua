--- Generation by its definition, out of teacher-forced logits alone: no cache, no batch, in Lua.
local nj = require "nightjar"

local decoding = {}

--- A decoder whose captions differ from clip to clip and often end by themselves.
function decoding.decoder(options)
  local o = { vocabulary = 13, width = 8, layers = 2, heads = 2, feed_forward = 12, positions = 12,
    memory_width = 6, rng = nj.rng(3) }
  for key, value in pairs(options or {}) do o[key] = value end
  local net = nj.ac.decoder(o)
  for _, p in ipairs(net:parameters()) do
    nj.no_grad(function() p.tensor:copy_(p.tensor + nj.randn(p.tensor.shape,
      { rng = nj.rng(#p.name), dtype = p.tensor.dtype }) * 0.4) end)
  end
  return net
end

--- Log-probabilities (a list, from token 0) of what follows ids; memory (1, N, C).
function decoding.following(net, ids, memory, mask)
  local logits = nj.no_grad(function()
    return net(nj.tensor({ ids }, { dtype = "int64" }), memory, mask)
  end)
  return logits[{ 1, #ids }]:to "float64":log_softmax(1):totable()
end

--- The sum of log-probabilities that teacher forcing gives ids behind bos.
function decoding.logprob(net, ids, memory, mask, bos)
  local sum, given = 0, { bos }
  for _, id in ipairs(ids) do
    sum = sum + decoding.following(net, given, memory, mask)[id + 1]
    given[#given + 1] = id
  end
  return sum
end

local function runs_twice(ids, id, n)
  local all = table.move(ids, 1, #ids, 1, {})
  all[#all + 1] = id
  if #all < n + 1 then return false end
  local function run(at) return table.concat(all, " ", at, at + n - 1) end
  for at = 1, #all - n do
    if run(at) == run(#all - n + 1) then return true end
  end
  return false
end

--- Whether the rules of options o let id follow ids.
function decoding.allowed(ids, id, o)
  for _, forbidden in ipairs(o.forbid or {}) do
    if id == forbidden then return false end
  end
  if id == o.eos then return #ids >= (o.min or 0) end
  for _, once in ipairs(o.once or {}) do
    if id == once then
      for _, earlier in ipairs(ids) do
        if earlier == id then return false end
      end
    end
  end
  return (o.no_repeat or 0) == 0 or not runs_twice(ids, id, o.no_repeat)
end

-- With o.renormalize what is forbidden leaves its probability to the rest.
local function shared_out(following, ids, o)
  local left = 0
  for id = 0, #following - 1 do
    if decoding.allowed(ids, id, o) then left = left + math.exp(following[id + 1]) end
  end
  local shared = {}
  for i, value in ipairs(following) do shared[i] = value - math.log(left) end
  return shared
end

-- Continuations of a group's live hypotheses, the best `width` of them.
local function continuations(net, live, memory, mask, o, width, chosen)
  local all = {}
  for place, h in ipairs(live) do
    local given = { o.bos, table.unpack(h.ids) }
    local following = decoding.following(net, given, memory, mask)
    if o.renormalize then following = shared_out(following, h.ids, o) end
    for id = 0, #following - 1 do
      if decoding.allowed(h.ids, id, o) then
        local ids = table.move(h.ids, 1, #h.ids, 1, {})
        ids[#ids + 1] = id
        local sum = h.sum + following[id + 1]
        all[#all + 1] = { ids = ids, sum = sum, place = place, id = id,
          rank = sum - (o.diversity or 0.5) * (chosen[id] or 0) }
      end
    end
  end
  table.sort(all, function(a, b)
    if a.rank ~= b.rank then return a.rank > b.rank end
    if a.place ~= b.place then return a.place < b.place end
    return a.id < b.id
  end)
  return table.move(all, 1, math.min(#all, width), 1, {})
end

--- Beam search for one clip, without stopping early: all that it finds, the best first.
function decoding.beam(net, memory, mask, o)
  local groups, found, seen = {}, {}, {}
  local n_groups = o.groups or 1
  for g = 1, n_groups do groups[g] = { { ids = {}, sum = 0 } } end
  local function finish(h, finished)
    local key = table.concat(h.ids, " ")
    if seen[key] then return end
    seen[key] = true
    found[#found + 1] = { ids = h.ids, logprob = h.sum, finished = finished, order = #found,
      score = h.sum / math.max(#h.ids, 1) ^ (o.length_penalty or 1) }
  end
  for step = 1, o.max do
    local chosen = {}
    for g = 1, n_groups do
      local width = o.narrowing and step > 1 and #groups[g] or o.beam // n_groups
      local best = continuations(net, groups[g], memory, mask, o, width, chosen)
      if #best == 0 then
        for _, h in ipairs(groups[g]) do finish(h, false) end
      end
      groups[g] = {}
      for _, h in ipairs(best) do
        chosen[h.id] = (chosen[h.id] or 0) + 1
        if h.id == o.eos then
          finish(h, true)
        elseif step == o.max then
          finish(h, false)
        else
          table.insert(groups[g], h)
        end
      end
    end
  end
  table.sort(found, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.order < b.order
  end)
  return found
end

return decoding
