--- Batches for a network: decoded, mixed and turned into log-mels on other threads, ahead of the
--- one that trains.
---
---     local loader = nj.data.loader(scenes, {
---       batch = 32, seed = 1, front_end = nj.audio.mel { preset = "panns" }, tokenizer = tok,
---     })
---     for epoch = 1, 10 do
---       for batch in loader:batches(epoch) do
---         -- batch.mel (B, T, M), batch.lengths (B), batch.ids (B, N), batch.mask (B, N),
---         -- batch.captions, batch.clip_ids, batch.groups, batch.clips
---       end
---     end
---
--- What a batch holds is a function of (seed, epoch, number of the batch) and of the data alone:
--- not of how many threads there are, nor of what was loaded before. A run that stopped after batch
--- n of an epoch goes on with loader:batches(epoch, n), and gets the same batches as one that did
--- not stop.
local activity = require "nightjar.data.activity"
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local random = require "nightjar.data.random"

local Loader = {}
Loader.__index = Loader
Loader.__name = "nightjar.Loader"

-- ---- what there is to load ----

-- One entry for each thing an epoch goes over: { source, index, caption number or nil }.
local function list_items(sources, every_caption)
  local items, without = {}, 0
  for s, source in ipairs(sources) do
    local scenes = opts.type_name(source) == "nightjar.Scenes"
    for i = 1, #source do
      local captions = scenes and source.options.captions or #source.clips[i].captions
      if not scenes and not every_caption and source.clips[i].generated then captions = 1 end
      if captions == 0 then without = without + 1 end
      for k = 1, every_caption and captions or math.min(captions, 1) do
        items[#items + 1] = { source = s, index = i, caption = every_caption and k or nil }
      end
    end
  end
  return items, without
end

-- Numbers for the paths that items may need, as the renderer counts its sources.
local function number_paths(sources)
  local paths, numbers = {}, {}
  local function add(path)
    if path and not numbers[path] then
      paths[#paths + 1] = path
      numbers[path] = #paths
    end
  end
  for _, source in ipairs(sources) do
    if opts.type_name(source) == "nightjar.Scenes" then
      for _, class in ipairs(source.classes) do
        for _, clip in ipairs(source.by_class[class]) do add(clip.path) end
      end
    else
      for _, clip in ipairs(source.clips) do
        add(clip.path)
        for _, path in ipairs(clip.sources or {}) do add(path) end
      end
    end
  end
  return paths, numbers
end

-- ---- one item as a mixture ----

-- Seconds of a clip's file that are used: { from, to }; nil, message when the file cannot be read.
local function stretch_of(self, clip)
  local known = self.stretches[clip.path]
  if known then return known end
  if self.finder then
    local found, message = self.finder:of(clip.path)
    if found == nil then return nil, message end
    if found then known = { found.from, found.to } end
  end
  if not known then
    local seconds = clip.duration
    if not seconds then
      local info, message = core.audio.info(clip.path)
      if not info then return nil, message end
      seconds = info.seconds or self.options.max_seconds
    end
    known = { 0, seconds }
  end
  self.stretches[clip.path] = known
  return known
end

local function clip_mixture(self, clip, rng)
  local stretch, message = stretch_of(self, clip)
  if not stretch then return nil, message end
  local from, to = stretch[1], stretch[2]
  local longest = self.options.max_seconds
  if to - from > longest then
    if self.options.crop == "random" then
      from = rng:uniform(from, to - longest)
    elseif self.options.crop == "middle" then
      from = (from + to - longest) / 2
    end
    to = from + longest
  end
  return {
    length = to - from,
    parts = { { source = self.numbers[clip.path], from = from, to = to } },
  }
end

local function scene_mixture(self, scene)
  local parts = {}
  for i, part in ipairs(scene.parts) do
    parts[i] = {
      source = self.numbers[scene.sources[part.source]], onset = part.onset, from = part.from,
      to = part.to, gain = part.gain, fade_in = part.fade_in, fade_out = part.fade_out,
    }
  end
  return { length = scene.duration, parts = parts, limit = scene.limit }
end

local function add_augmentation(mixture, augment, rng)
  if augment.gain then mixture.gain = rng:uniform(augment.gain[1], augment.gain[2]) end
  if augment.noise and rng:uniform() < (augment.noise_rate or 1) then
    mixture.noise = {
      colour = (rng:choice { "white", "pink", "brown" }),
      snr = rng:uniform(augment.noise[1], augment.noise[2]),
      seed = rng:integer(0, 1 << 30),
    }
  end
  return mixture
end

-- The number of a caption drawn for a clip; generated ones (nightjar.data.augmentation) are
-- numbered behind the clip's own. Clips without them draw the same numbers as if there were none
-- anywhere.
local function draw_caption(clip, rng)
  local own, added = #clip.captions, clip.generated and #clip.generated or 0
  if added > 0 and (own == 0 or rng:uniform() < clip.generated_rate) then
    return own + rng:integer(1, added)
  end
  return rng:integer(1, own)
end

-- The clip or scene of an item, its caption, and the mixture to render; nil, message when it cannot
-- be.
local function prepare(self, epoch, item)
  local source = self.sources[item.source]
  local clip, message
  if source.clips then
    clip = source.clips[item.index]
  else
    local offset = self.options.fresh and (epoch - 1) * #source or 0
    clip, message = source:get(item.index + offset)
    if not clip then return nil, message end
  end
  local rng = random.stream(self.options.seed, "item", epoch, item.source, item.index)
  local k = item.caption or draw_caption(clip, rng)
  local mixture
  if clip.parts then
    mixture = scene_mixture(self, clip)
  elseif clip.path then
    mixture, message = clip_mixture(self, clip, rng)
    if not mixture then return nil, message, clip.id end
  else
    return nil, "no sound file", clip.id
  end
  if self.options.augment then add_augmentation(mixture, self.options.augment, rng) end
  local caption = clip.captions[k] or clip.generated[k - #clip.captions]
  return { clip = clip, caption = caption, caption_number = k, mixture = mixture }
end

-- ---- an epoch ----

local function order_of(self, epoch)
  local order = {}
  for i = 1, #self.items do order[i] = i end
  if self.options.shuffle then
    random.stream(self.options.seed, "order", epoch):shuffle(order)
  end
  return order
end

local function remember_failure(self, id, message)
  if not self.failures[id] then
    self.failures[id] = message
    self.failed = self.failed + 1
    warn(("nightjar: loader: %s: %s\n"):format(id, message))
  end
end

-- Submits batch number b of an epoch. Its prepared items, or nil when none could be prepared.
local function submit(self, epoch, order, b)
  local prepared, mixtures = {}, {}
  local size = self.options.batch
  for at = (b - 1) * size + 1, math.min(b * size, #order) do
    local item, message, id = prepare(self, epoch, self.items[order[at]])
    if item then
      prepared[#prepared + 1], mixtures[#mixtures + 1] = item, item.mixture
    elseif self.options.on_error == "raise" then
      error(("loader: %s: %s"):format(id or "a scene", message), 0)
    else
      remember_failure(self, id or ("item %d"):format(order[at]), message)
    end
  end
  if #mixtures == 0 then return false end
  self.renderer:submit(mixtures)
  return prepared
end

-- Rows of what was rendered that did not fail.
local function drop_failed(self, prepared, data, lengths, faults)
  if not faults then return prepared, data, lengths end
  local good, rows = {}, {}
  for i, item in ipairs(prepared) do
    if faults[i] then
      if self.options.on_error == "raise" then
        error(("loader: %s: %s"):format(item.clip.id, faults[i]), 0)
      end
      remember_failure(self, item.clip.id, faults[i])
    else
      good[#good + 1], rows[#rows + 1] = item, i
    end
  end
  if #good == 0 then return nil end
  local index = core.tensor(rows, { dtype = "int64" })
  return good, data:index_select(1, index), lengths:index_select(1, index)
end

local function finish(self, epoch, b, prepared)
  local data, lengths, faults = self.renderer:next()
  if not data then error("loader: " .. tostring(lengths), 0) end
  prepared, data, lengths = drop_failed(self, prepared, data, lengths, faults)
  if not prepared then return nil end
  local batch = {
    lengths = lengths, captions = {}, clip_ids = {}, groups = {}, clips = {},
    caption_numbers = {}, epoch = epoch, number = b,
  }
  batch[self.options.front_end and "mel" or "wave"] = data
  for i, item in ipairs(prepared) do
    batch.captions[i], batch.clip_ids[i], batch.clips[i] = item.caption, item.clip.id, item.clip
    batch.groups[i] = item.clip.group or item.clip.label or item.clip.id
    batch.caption_numbers[i] = item.caption_number
  end
  local tokenizer = self.options.tokenizer
  if tokenizer then
    batch.ids, batch.mask, batch.special =
      tokenizer:batch(batch.captions, { max = self.options.max_tokens })
  end
  return batch
end

-- Throws away what an iteration that was left early had begun.
local function drain(self)
  while self.renderer:pending() > 0 do self.renderer:next() end
end

--- The batches of an epoch, from the one after the first `skip`.
---     for batch in loader:batches(3) do … end
--- Without arguments: from where loader:state() stands. Only one iteration of a loader can be under
--- way: beginning another ends it.
---@param epoch? integer from 1
---@param skip? integer default 0
---@return fun(): table? next
function Loader:batches(epoch, skip)
  local here = epoch == nil and self.position or { epoch = 1, batch = 0 }
  epoch = opts.arg("loader:batches", 1, "epoch", epoch,
    { type = "integer", min = 1, default = here.epoch })
  skip = opts.arg("loader:batches", 2, "skip", skip,
    { type = "integer", min = 0, default = here.batch })
  drain(self)
  self.iteration = self.iteration + 1
  local iteration, order = self.iteration, order_of(self, epoch)
  local submitted, taken, queue = skip, skip, {}
  self.position = { epoch = epoch, batch = skip }
  local function next_batch()
    if iteration ~= self.iteration then
      error("loader: this iteration was ended by another one", 2)
    end
    while true do
      while submitted < self.count and submitted - taken <= self.options.ahead do
        submitted = submitted + 1
        queue[submitted] = submit(self, epoch, order, submitted)
      end
      if taken >= self.count then
        self.position = { epoch = epoch + 1, batch = 0 }
        return nil
      end
      taken = taken + 1
      local prepared = queue[taken]
      queue[taken] = nil
      local batch = prepared and finish(self, epoch, taken, prepared)
      self.position = { epoch = epoch, batch = taken }
      if batch then return batch end
    end
  end
  return next_batch
end

--- Where the loader stands: a plain table, to be stored with a checkpoint.
---@return { epoch: integer, batch: integer, items: integer, size: integer, seed: integer }
function Loader:state()
  return {
    epoch = self.position.epoch, batch = self.position.batch,
    items = #self.items, size = self.options.batch, seed = self.options.seed,
  }
end

--- Puts the loader where another of the same data and options stood: loader:batches() goes on
--- there.
---@param state table of loader:state()
---@return nightjar.Loader self
function Loader:restore(state)
  opts.arg("loader:restore", 1, "state", state, "table")
  local mine = self:state()
  for _, name in ipairs { "items", "size", "seed" } do
    if state[name] ~= mine[name] then
      error(("loader:restore: the state is of a loader with %s = %s, this one has %s"):format(name,
        tostring(state[name]), tostring(mine[name])), 2)
    end
  end
  drain(self)
  self.iteration = self.iteration + 1
  self.position = { epoch = state.epoch, batch = state.batch }
  return self
end

--- The number of batches in an epoch.
function Loader:__len() return self.count end

function Loader:__tostring()
  local text = ("loader: %d items in %d batches of %d, seed %d"):format(#self.items, self.count,
    self.options.batch, self.options.seed)
  if self.without_caption > 0 then
    text = ("%s; %d clips without a caption are left out"):format(text, self.without_caption)
  end
  if self.failed > 0 then text = ("%s; %d items could not be read"):format(text, self.failed) end
  return text
end

--- Ends the loader's threads. A closed loader gives no more batches.
function Loader:close()
  self.iteration = self.iteration + 1
  self.renderer:close()
end

Loader.__close = Loader.close

local augment_rules = {
  gain = "table", noise = "table", noise_rate = { type = "number", min = 0, max = 1 },
}

local function check_range(augment, name)
  local range = augment[name]
  if range and not (type(range[1]) == "number" and type(range[2]) == "number"
    and range[1] <= range[2]) then
    error(("loader: augment: '%s' must be { low, high } in dB"):format(name), 4)
  end
end

local function check_options(options)
  local o = opts.check("loader", options, {
    batch = { type = "integer", default = 32, min = 1 },
    seed = { type = "integer", default = 1 },
    shuffle = { type = "boolean", default = true },
    last = { type = "string", default = "drop", one_of = { "drop", "keep" } },
    captions = { type = "string", default = "one", one_of = { "one", "all" } },
    fresh = { type = "boolean", default = false },
    front_end = "any",
    rate = { type = "integer", min = 1 },
    tokenizer = "any",
    max_tokens = { type = "integer", default = 64, min = 2 },
    max_seconds = { type = "number", default = 10, above = 0 },
    crop = { type = "string", default = "random", one_of = { "random", "start", "middle" } },
    trim = "boolean|string|table",
    augment = "table",
    on_error = { type = "string", default = "skip", one_of = { "skip", "raise" } },
    ahead = { type = "integer", default = 3, min = 0, max = 64 },
    jobs = { type = "integer", min = 1, max = 64 },
    cache_mb = { type = "number", default = 512, min = 0 },
    cache = { type = "string", default = "float", one_of = { "int16", "float" } },
  }, 4)
  if o.augment then
    o.augment = opts.check("loader: augment", o.augment, augment_rules, 4)
    check_range(o.augment, "gain")
    check_range(o.augment, "noise")
  end
  return o
end

--- A loader over a data set, scenes, or a list of them.
---
--- Options: batch; seed; shuffle (default true); last ("drop": a short last batch is left out, or
--- "keep"); captions ("one": each clip once an epoch with a caption drawn for that epoch, or "all":
--- every pair of clip and caption; of clips with generated captions, "one" draws from these at
--- their rate, and their caption_numbers go on behind the clip's own); fresh (scenes: every epoch
--- has new ones); front_end (of nj.audio.mel; without one batches hold `wave`, and `rate` is
--- needed); tokenizer (of nj.text) and max_tokens; max_seconds and crop, for longer clips; trim
--- (true, a path or a finder of nightjar.data.activity: silence around clips is left out); augment
--- { gain = {low, high}, noise = {low, high}, noise_rate = } in dB, noise as the ratio of signal to
--- noise; on_error ("skip": items that cannot be read are left out, listed in loader.failures and
--- warned of, or "raise"); ahead (batches rendered in advance), jobs (threads), cache_mb and cache
--- (decoded sound kept in memory).
---
--- A batch: mel (B, T, M) float32 padded with silence, or wave (B, L); lengths (B) int64; captions,
--- clip_ids, clips, caption_numbers: lists; groups: a list of strings, equal where items mean the
--- same (a scene's group, else the label, else the id); with a tokenizer ids (B, N), mask and
--- special as its method batch gives them; epoch, number.
---@param source nightjar.Dataset|nightjar.Scenes|table[]
---@param options table
---@return nightjar.Loader
return function(source, options)
  local name = opts.type_name(source)
  local sources = { source }
  if name == "table" then sources = source end
  for _, each in ipairs(sources) do
    name = opts.type_name(each)
    if name ~= "nightjar.Dataset" and name ~= "nightjar.Scenes" then
      error(("loader: argument 1 must be a data set, scenes, or a list of them, got %s"):format(
        name == "table" and "a plain table" or "a " .. name), 2)
    end
  end
  local o = check_options(options)
  local items, without = list_items(sources, o.captions == "all")
  local paths, numbers = number_paths(sources)
  local count = o.last == "drop" and #items // o.batch or (#items + o.batch - 1) // o.batch
  if count == 0 then
    error(("loader: %d items do not fill a batch of %d"):format(#items, o.batch), 2)
  end
  local finder
  if o.trim then
    finder = type(o.trim) == "table" and o.trim
      or activity.finder { path = type(o.trim) == "string" and o.trim or nil }
  end
  return setmetatable({
    sources = sources, items = items, without_caption = without, numbers = numbers, count = count,
    options = o, finder = finder, stretches = {}, failures = {}, failed = 0, iteration = 0,
    position = { epoch = 1, batch = 0 },
    renderer = core.audio.renderer {
      sources = paths, front_end = o.front_end, rate = o.rate, jobs = o.jobs,
      ahead = o.ahead + 2, cache_mb = o.cache_mb, cache = o.cache,
    },
  }, Loader)
end
