--- First stage of nightjar-small: the sound encoder learns to hear.
---
--- It is trained on single clips and on scenes to tell which of ESC-50's classes sound (from the clip's vector)
--- and when (from each frame, since scenes know the seconds of their events). The heads that tell it are thrown
--- away.
local nj = require "nightjar"
local splits = require "examples.small.splits"

local hear = {}

local FRAME = 0.32 -- seconds

-- What sounds in each frame (B, N, classes) and in each clip (B, classes).
local function labels(batch, frames, place, classes)
  local size = #batch.clips
  local when, what = nj.zeros(size, frames, classes), nj.zeros(size, classes)
  for b, clip in ipairs(batch.clips) do
    for _, event in ipairs(clip.events or {}) do
      local k = place[event.class]
      what[{ b, k }] = 1
      for _, stretch in ipairs(event.intervals) do
        local first = math.floor(stretch.from / FRAME) + 1
        local last = math.min(frames, math.floor(stretch.to / FRAME) + 1)
        if first <= last then when[{ b, { first, last }, k }] = 1 end
      end
    end
    if not clip.events then what[{ b, place[clip.label] }] = 1 end
  end
  return when, what
end

-- Binary cross-entropy of logits, elementwise.
local function binary_cross_entropy(logits, targets) return logits:softplus() - logits * targets end

-- 1 for the frames of clips that have events with seconds and within their lengths.
local function known_frames(batch, lengths, frames)
  local rows = {}
  for b, clip in ipairs(batch.clips) do
    local row, valid = {}, clip.events and lengths(b) or 0
    for n = 1, frames do row[n] = n <= valid and 1 or 0 end
    rows[b] = row
  end
  return nj.tensor(rows)
end

local function mean_over(values, mask) return (values * mask):sum() / mask:sum():clamp(1, nil) end

--- The parts that are trained: the encoder, and heads for frames and clips.
local function make_parts(encoder, classes, seed)
  local rng = nj.rng(seed, 7)
  local function linear()
    return nj.encoders.projection { form = "linear", input = encoder:width(), output = classes, rng = rng }
  end
  return { { prefix = "encoder.", net = encoder }, { prefix = "frames.", net = linear() },
    { prefix = "clip.", net = linear() } }
end

-- What nj.train wants of a model.
local function as_model(parts)
  local model = {}
  local function gather(method)
    local list = {}
    for _, part in ipairs(parts) do
      for _, p in ipairs(part.net[method](part.net)) do
        list[#list + 1] = { name = part.prefix .. p.name, tensor = p.tensor }
      end
    end
    return list
  end
  function model.parameters() return gather "parameters" end
  function model.buffers() return gather "buffers" end
  function model.train(_, on)
    for _, part in ipairs(parts) do
      if on == false then part.net:eval() else part.net:train() end
    end
  end
  function model.eval(self) self:train(false) end
  return model
end

local function accuracy(parts, loader, place)
  local right, n = 0, 0
  for batch in loader:batches(1) do
    local _, clip = table.unpack { parts[1].net(batch.mel, batch.lengths) }
    local best = parts[3].net(clip):argmax(2)
    for i, c in ipairs(batch.clips) do
      n = n + 1
      if best(i) == place[c.label] then right = right + 1 end
    end
  end
  return { accuracy = 100 * right / n }
end

-- Which classes sound in a clip, by softmax and by one decision a class; and in each frame, where known.
local function loss_of(parts, batch, place, classes, rng)
  local frames, clip, lengths = parts[1].net(batch.mel, batch.lengths, { rng = rng })
  local when, what = labels(batch, frames.shape[2], place, classes)
  local known = known_frames(batch, lengths, frames.shape[2]):unsqueeze(3)
  local logits = parts[3].net(clip)
  local share = what / what:sum(2, { keepdim = true })
  local of_clip = -(share * logits:log_softmax(2)):sum(2):mean()
  local of_classes = binary_cross_entropy(logits, what):mean()
  local of_frames = mean_over(binary_cross_entropy(parts[2].net(frames), when), known)
  local by_part = { clip = of_clip, classes = of_classes, frames = of_frames }
  return of_clip + 5 * of_classes + 0.2 * of_frames, by_part
end

--- Trains the encoder in place; gives nj.train's result and what holds its weights.
---@param encoder any a fresh encoder
---@param o table train, validation (data sets), front_end, run (folder), seed, epochs
function hear.train(encoder, o)
  local classes, place = splits.classes()
  local parts = make_parts(encoder, #classes, o.seed)
  -- Half of what it hears are single clips, without the silence around them.
  local scenes = nj.data.scenes(o.train,
    { seed = o.seed, size = #o.train, sources = { 30, 40, 20, 10 }, duration = 8 })
  local loader = nj.data.loader({ o.train, scenes }, { batch = 32, seed = o.seed, fresh = true, trim = true,
    front_end = o.front_end, cache_mb = 1200,
    augment = { gain = { -12, 3 }, noise = { 8, 30 }, noise_rate = 0.3 } })
  local held_out = nj.data.loader(o.validation, { batch = 32, shuffle = false, front_end = o.front_end })
  local steps = o.epochs * #loader
  local rng = nj.rng(o.seed, 2)
  local model = as_model(parts)
  return nj.train {
    model = model, batches = loader, epochs = o.epochs, clip_grad = 2, rngs = { dropout = rng },
    optimizer = nj.optim.adamw(model, { lr = 2e-3, weight_decay = 0.02 }),
    schedule = nj.schedule.cosine { steps = steps, warmup = math.floor(steps * 0.05) },
    step = function(batch) return loss_of(parts, batch, place, #classes, rng) end,
    evaluate = function() return accuracy(parts, held_out, place) end,
    metric = "accuracy", keep_best = 1, checkpoint = o.run, resume = true, log = o.run .. "/log.jsonl",
    progress = true,
  }, model
end

return hear
