--- The auxiliary captions: what a captioner of our own says of every clip.
---
--- Training clips must have captions that are as wrong as those of clips that nobody heard before;
--- a captioner that was trained on them would recite what it learnt. So there is one captioner for
--- each part of the training clips, trained on the other parts; it captions its part, and an equal
--- share of the validation and test clips.
---
---   own      these captions
---   oracle   true captions of the clip beside those that ask: an upper bound for any captioner
local nj = require "nightjar"
local fs = require "nightjar.fs"
local json = require "dkjson"

local captioning = {}

local function mask_of(lengths, n)
  return nj.arange(1, n, { dtype = "int64" }):reshape(1, n):le(lengths:reshape(-1, 1))
end

local function rows(set, places)
  local index = nj.tensor(places, { dtype = "int64" })
  return set.frames:index_select(1, index),
    mask_of(set.lengths:index_select(1, index), set.frames.shape[2])
end

local function batches_of(set, places, rng, size)
  return function()
    local order, at = table.move(places, 1, #places, 1, {}), 0
    rng:shuffle(order)
    return function()
      if at + size > #order then return nil end
      local batch = { captions = {} }
      local chosen = table.move(order, at + 1, at + size, 1, {})
      at = at + size
      for b, i in ipairs(chosen) do batch.captions[b] = (rng:choice(set.clips[i].captions)) end
      batch.frames, batch.frame_mask = rows(set, chosen)
      return batch
    end
  end
end

local function train(set, places, words, o, seed)
  local captioner = nj.captioner({
    vocabulary = words, memory_width = set.frames.shape[3], max = 32, smoothing = 0.1,
    decoder = { width = 128, layers = 2, heads = 4, feed_forward = 256, dropout = 0.1,
      norm = "pre" },
  }, { rng = nj.rng(seed, 11) })
  local rng, order = nj.rng(seed, 12), nj.rng(seed, 13)
  local result = nj.train {
    model = captioner, max_steps = o.steps, epochs = o.steps, clip_grad = 1, progress = false,
    optimizer = nj.optim.adamw(captioner:parameters(), { lr = 2e-3, weight_decay = 0.01 }),
    schedule = nj.schedule.cosine { steps = o.steps, warmup = math.max(1, o.steps // 12) },
    batches = batches_of(set, places, order, math.min(o.batch, #places)),
    step = function(batch) return captioner:loss(batch, { rng = rng }) end,
  }
  return captioner:eval(), result.loss
end

-- Captions of the clips at some places, written into `out`: the most likely one that a beam finds,
-- then draws from the captioner's distribution (nucleus), which differ as the captioner is unsure.
local function describe(captioner, set, places, k, seed, out)
  for first = 1, #places, 50 do
    local chosen = table.move(places, first, math.min(first + 49, #places), 1, {})
    local frames, mask = rows(set, chosen)
    local best = captioner:caption(frames, { mask = mask, method = "beam", beam = 3,
      repeat_words = false })
    local drawn = k > 1 and captioner:caption(frames, { mask = mask, method = "nucleus", p = 0.9,
      n = k - 1, repeat_words = false, rng = nj.rng(seed, 20 + first) })
    for b, i in ipairs(chosen) do
      out[i] = { best[b][1] and best[b][1].text or "" }
      for n = 1, k - 1 do out[i][n + 1] = drawn[b][n].text end
    end
  end
end

local function places_where(count, keep)
  local list = {}
  for i = 1, count do
    if keep(i) then list[#list + 1] = i end
  end
  return list
end

local function make(data, encoder, parts, words, o)
  local sets, out = {}, { losses = {} }
  for _, split in ipairs { "train", "val", "test" } do
    sets[split], out[split] = data.features(split, encoder), {}
  end
  for part = 1, parts do
    local of = sets.train.part_of
    local captioner
    captioner, out.losses[part] = train(sets.train,
      places_where(#of, function(i) return of[i] ~= part end), words, o, part)
    describe(captioner, sets.train, places_where(#of, function(i) return of[i] == part end),
      o.captions, part, out.train)
    for _, split in ipairs { "val", "test" } do
      describe(captioner, sets[split], places_where(#sets[split].clips, function(i)
        return i % parts == part - 1
      end), o.captions, part, out[split])
    end
  end
  return out
end

--- Captions of all clips by cross-fitted captioners; made once and kept in a file.
---@param data table of sounds.open
---@param encoder string
---@param parts integer
---@param words string[] vocabulary
---@param o table path, steps, batch, captions
---@return table captions train, val, test: lists of texts, one a clip
function captioning.own(data, encoder, parts, words, o)
  local text = fs.read(o.path)
  local found = text and json.decode(text)
  if found then return found end
  found = make(data, encoder, parts, words, o)
  assert(fs.write(o.path, json.encode(found)))
  return found
end

--- True captions of the clips that neither ask nor train.
---@param data table
---@param encoder string
---@return table captions as own gives them
function captioning.oracle(data, encoder)
  local out = {}
  for _, split in ipairs { "train", "val", "test" } do
    out[split] = {}
    for i, clip in ipairs(data.features(split, encoder).clips) do
      if not clip.reserve then
        error("the source 'oracle' needs true captions beside the queries, which only scenes have", 0)
      end
      out[split][i] = clip.reserve
    end
  end
  return out
end

return captioning
