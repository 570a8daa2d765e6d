--- When what happens in a scene, and how loud: from clips and their activity to the parts that a
--- renderer mixes, and to the description that the caption grammar reads. Everything random is
--- drawn from one generator in a fixed order.
local layout = {}

-- ---- plans ----
-- What may happen with n sources, with weights. A slot is a source's number; "bed" slots go on
-- under others, so they want a sound that goes on.

local function seq(...) return { kind = "then", ... } end
local function pair(a, b) return { kind = "with", a, b } end
local function over(bed, part) return { kind = "over", bed, part } end

local plans = {
  { { weight = 1, tree = 1, beds = {} } },
  {
    { weight = 55, tree = seq(1, 2), beds = {} },
    { weight = 45, tree = pair(1, 2), beds = { 2 } },
  },
  {
    { weight = 35, tree = seq(1, 2, 3), beds = {} },
    { weight = 40, tree = over(1, seq(2, 3)), beds = { 1 } },
    { weight = 12, tree = seq(pair(1, 2), 3), beds = { 2 } },
    { weight = 13, tree = seq(1, pair(2, 3)), beds = { 3 } },
  },
  {
    { weight = 30, tree = seq(1, 2, 3, 4), beds = {} },
    { weight = 45, tree = over(1, seq(2, 3, 4)), beds = { 1 } },
    { weight = 25, tree = seq(pair(1, 2), pair(3, 4)), beds = { 2, 4 } },
  },
}

--- The index of one weight of a list, drawn in proportion.
---@param rng nightjar.Rng
---@param weights number[]
---@return integer
function layout.draw(rng, weights)
  local total = 0
  for _, weight in ipairs(weights) do total = total + weight end
  local at = rng:uniform() * total
  for i, weight in ipairs(weights) do
    at = at - weight
    if at < 0 then return i end
  end
  return #weights
end

--- A plan for n sources: { tree=, beds = set of slots }. Without beds where the sounds at hand have
--- none that go on.
---@param rng nightjar.Rng
---@param n integer 1 to 4
---@param beds_possible boolean
---@return table
function layout.plan(rng, n, beds_possible)
  local possible, weights = {}, {}
  for _, plan in ipairs(plans[n]) do
    if beds_possible or #plan.beds == 0 then
      possible[#possible + 1], weights[#weights + 1] = plan, plan.weight
    end
  end
  local plan = possible[layout.draw(rng, weights)]
  local beds = {}
  for _, slot in ipairs(plan.beds) do beds[slot] = true end
  return { tree = plan.tree, beds = beds, n = n }
end

-- ---- loudness ----
-- Offsets in dB against a common level. A bed is often in the background; besides, one source of a
-- scene may be marked as faint or loud. What lies over a bed is never faint: it would be masked.

local function has_bed_over(tree, slot, beds)
  if type(tree) ~= "table" then return false end
  local inside, bed = false, false
  local function visit(node)
    if type(node) == "table" then
      for _, part in ipairs(node) do visit(part) end
    else
      inside = inside or node == slot
      bed = bed or beds[node] == true
    end
  end
  if tree.kind ~= "then" then
    visit(tree)
    return inside and bed
  end
  for _, part in ipairs(tree) do
    if has_bed_over(part, slot, beds) then return true end
  end
  return false
end

local function draw_levels(rng, plan)
  local offsets, levels = {}, {}
  for slot = 1, plan.n do
    if plan.beds[slot] and rng:uniform() < 0.65 then
      offsets[slot] = rng:uniform(-14, -7)
    else
      offsets[slot] = rng:uniform(-2, 2)
    end
  end
  if plan.n > 1 and rng:uniform() < 0.5 then
    local slot = rng:integer(1, plan.n)
    local loud = rng:uniform() < 0.5
    if loud and not plan.beds[slot] then
      offsets[slot], levels[slot] = rng:uniform(7, 10), "loud"
    elseif not loud and not has_bed_over(plan.tree, slot, plan.beds) then
      offsets[slot], levels[slot] = rng:uniform(-18, -12), "faint"
    elseif not loud and plan.beds[slot] and offsets[slot] < -10 then
      levels[slot] = "faint"
    end
  end
  return offsets, levels
end

-- ---- placing ----

local function round(seconds) return math.floor(seconds * 10000 + 0.5) / 10000 end

local function add_part(state, slot, onset, from, to, level, fade)
  state.parts[#state.parts + 1] = {
    source = slot, onset = round(onset), from = round(from), to = round(to),
    gain = round(state.level + state.offsets[slot] - level), fade_in = fade, fade_out = fade,
  }
end

local function add_interval(state, slot, from, to)
  local intervals = state.events[slot].intervals
  intervals[#intervals + 1] = { from = round(from), to = round(to) }
end

-- One happening of the clip, as often as drawn: "a dog barks three times". False where the clip has
-- none that is short enough.
local function place_counted(state, slot, onset, limit)
  local rng, activity = state.rng, state.picks[slot].activity
  local short = {}
  for _, event in ipairs(activity.events) do
    local seconds = event.to - event.from
    if seconds <= math.min(2, limit) then short[#short + 1] = event end
  end
  if #short == 0 then return nil end
  local count = layout.draw(rng, { 50, 24, 17, 9 })
  local at, n = onset, 0
  for _ = 1, count do
    local event = rng:choice(short)
    local seconds = event.to - event.from
    local gap = n > 0 and rng:uniform(0.15, 0.6) or 0
    if at + gap + seconds > onset + limit then break end
    at = at + gap
    add_part(state, slot, at, event.from, event.to, event.level, 0.01)
    add_interval(state, slot, at, at + seconds)
    at, n = at + seconds, n + 1
  end
  if n == 0 then return nil end
  if state.picks[slot].countable then state.events[slot].count = n end
  return at
end

-- The stretch of a clip to use where it is longer than wanted. Clips of separate events start with
-- one and do not end within one.
local function choose_stretch(rng, activity, wanted)
  if activity.to - activity.from <= wanted then return activity.from, activity.to end
  if #activity.events > 1 then
    local starts = {}
    for _, event in ipairs(activity.events) do
      if event.from + math.min(wanted, 1) <= activity.to then starts[#starts + 1] = event.from end
    end
    if #starts > 0 then
      local from = rng:choice(starts)
      local to = math.min(from + wanted, activity.to)
      for _, event in ipairs(activity.events) do
        -- The last event that is cut by the end is left out, unless nothing else would remain.
        if event.from < to and event.to > to and event.from > from + 0.3 then to = event.from end
      end
      return from, to
    end
  end
  local from = rng:uniform(activity.from, activity.to - wanted)
  return from, from + wanted
end

local function place_stretch(state, slot, onset, limit, shortest)
  local rng, activity = state.rng, state.picks[slot].activity
  local wanted = rng:uniform(math.min(shortest, limit), math.min(limit, 5))
  local from, to = choose_stretch(rng, activity, wanted)
  add_part(state, slot, onset, from, to, activity.level, 0.03)
  local separate = state.picks[slot].kind == "event"
  local inside = 0
  if separate then
    for _, event in ipairs(activity.events) do
      local low, high = math.max(event.from, from), math.min(event.to, to)
      if high > low then
        add_interval(state, slot, onset + low - from, onset + high - from)
        inside = inside + 1
      end
    end
  end
  if inside == 0 then add_interval(state, slot, onset, onset + to - from) end
  return onset + to - from
end

-- A sound that goes on for `seconds`; a clip that is shorter is repeated with crossfades.
local function place_bed(state, slot, onset, seconds)
  local rng, activity = state.rng, state.picks[slot].activity
  local length = activity.to - activity.from
  local stop = onset + seconds
  if length >= seconds then
    local from = rng:uniform(activity.from, activity.to - seconds)
    add_part(state, slot, onset, from, from + seconds, activity.level, 0.05)
  else
    local cross = math.min(0.25, length / 4)
    local from = rng:uniform(activity.from, activity.from + length / 3)
    local at = onset
    while at < stop - 0.05 do
      local to = math.min(activity.to, from + stop - at)
      add_part(state, slot, at, from, to, activity.level, cross)
      at = at + (to - from)
      if at < stop - 0.05 then at = at - cross end
      from = activity.from
    end
    stop = at
  end
  add_interval(state, slot, onset, stop)
  return stop
end

local place -- recursive

-- A sound that goes on, with others happening while it does.
local function place_over(state, bed, inner, onset, limit)
  local rng = state.rng
  local lead = rng:uniform(0, math.min(0.6, limit / 8))
  local trail = rng:uniform(0, math.min(0.8, limit / 8))
  local stop = place(state, inner, onset + lead, limit - lead - trail)
  -- A bed is heard for long enough to be named, however short what happens over it.
  local seconds = math.max(stop + trail - onset, math.min(limit, rng:uniform(2, 3.5)))
  return place_bed(state, bed, onset, math.min(seconds, limit))
end

local function place_sequence(state, parts, onset, limit)
  local rng, at = state.rng, onset
  for i, part in ipairs(parts) do
    local left = onset + limit - at
    local gap = i > 1 and rng:uniform(0.05, math.min(0.5, left / 8)) or 0
    at = place(state, part, at + gap, (left - gap) / (#parts - i + 1))
  end
  return at
end

--- Places a node of the plan at `onset`, within `limit` seconds. Returns where it ends.
function place(state, node, onset, limit)
  if type(node) == "table" then
    if node.kind == "then" then return place_sequence(state, node, onset, limit) end
    local bed, inner = node[1], node[2]
    if node.kind == "with" then bed, inner = node[2], node[1] end
    return place_over(state, bed, inner, onset, limit)
  end
  local kind = state.picks[node].kind
  if kind == "event" and state.rng:uniform() < 0.75 then
    local stop = place_counted(state, node, onset, limit)
    if stop then return stop end
  end
  return place_stretch(state, node, onset, limit, kind == "event" and 1 or 1.8)
end

local function describe(node, events, levels, offsets)
  if type(node) == "table" then
    local parts = { kind = node.kind }
    for i, part in ipairs(node) do parts[i] = describe(part, events, levels, offsets) end
    local bed = node.kind == "with" and node[2] or node.kind == "over" and node[1]
    if bed and offsets[bed] <= -7 then parts.background = true end
    return parts
  end
  local event = events[node]
  return {
    index = node, class = event.class, level = levels[node], count = event.count,
    single = event.count == 1 or nil,
  }
end

--- Lays out a scene.
---@param rng nightjar.Rng advanced
---@param plan table of layout.plan
---@param picks { class: string, kind: string, countable: boolean, activity: table }[] one for
---  each slot
---@param seconds number the longest the scene may be
---@return { duration: number, parts: table[], events: table[], description: table } scene parts:
---  { source= (slot), onset=, from=, to= (seconds), gain= (dB), fade_in=, fade_out= }; events:
---  { class=, from=, to=, intervals = { {from=, to=}, … }, level=?, count=?, gain_db= } by slot
function layout.make(rng, plan, picks, seconds)
  local offsets, levels = draw_levels(rng, plan)
  local state = {
    rng = rng, picks = picks, offsets = offsets, parts = {}, events = {},
    level = rng:uniform(-30, -20),
  }
  for slot, pick in ipairs(picks) do
    state.events[slot] = {
      class = pick.class, intervals = {}, level = levels[slot], gain_db = round(offsets[slot]),
    }
  end
  local onset = rng:uniform(0, 0.4)
  local stop = place(state, plan.tree, onset, seconds - onset)
  for _, event in ipairs(state.events) do
    event.from = event.intervals[1].from
    event.to = event.intervals[#event.intervals].to
  end
  local duration = math.min(seconds, stop + rng:uniform(0, 0.3))
  for _, part in ipairs(state.parts) do
    duration = math.max(duration, part.onset + part.to - part.from)
  end
  return {
    duration = round(duration), parts = state.parts, events = state.events,
    description = describe(plan.tree, state.events, levels, offsets),
  }
end

return layout
