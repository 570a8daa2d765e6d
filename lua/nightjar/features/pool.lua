--- What a frozen encoder made of many sounds, in memory: frames of all clips as one tensor, padded to the
--- longest.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local towers = require "nightjar.model.towers"

---@class nightjar.FeaturePool
---@field frames nightjar.Tensor (N, T, C); nothing that means anything behind a clip's length
---@field clip nightjar.Tensor (N, C) the encoder's own vectors of the clips
---@field lengths nightjar.Tensor int64 (N)
---@field clips nightjar.Clip[]
local Pool = {}
Pool.__index = Pool
Pool.__name = "nightjar.FeaturePool"

local pool = {}

-- Frames (B, T, C) with `most` of them each; those added are zeros.
local function padded(frames, most)
  local missing = most - frames.shape[2]
  if missing == 0 then return frames end
  return frames:pad { { 0, 0 }, { 0, missing }, { 0, 0 } }
end

local fields = { frames = "nightjar.Tensor", clip = "nightjar.Tensor", lengths = "nightjar.Tensor",
  clips = "table" }

--- Several pools as one.
---@param list table[] pools, or tables with frames, clip, lengths and clips
---@return nightjar.FeaturePool
function pool.join(list)
  opts.arg("features.join", 1, "list", list, "table")
  if #list == 0 then error("features.join: nothing to put together", 2) end
  for i, p in ipairs(list) do
    local what = ("features.join: list[%d]"):format(i)
    for name, kind in pairs(fields) do
      if type(p) ~= "table" or opts.type_name(p[name]) ~= kind then
        error(("%s must be a pool, with frames, clip, lengths and clips"):format(what), 2)
      end
    end
    if #p.frames.shape ~= 3 then
      error(("%s.frames must be of three dimensions, got (%s)"):format(what,
        table.concat(p.frames.shape, ", ")), 2)
    end
  end
  local most, frames, clip, lengths, clips = 0, {}, {}, {}, {}
  for _, p in ipairs(list) do most = math.max(most, p.frames.shape[2]) end
  for i, p in ipairs(list) do
    frames[i], clip[i], lengths[i] = padded(p.frames, most), p.clip, p.lengths
    table.move(p.clips, 1, #p.clips, #clips + 1, clips)
  end
  return setmetatable({ frames = core.cat(frames, 1), clip = core.cat(clip, 1),
    lengths = core.cat(lengths, 1), clips = clips }, Pool)
end

-- What the encoder makes of batches: where the loader's front-end fills clips up, all that fills them is
-- heard, as in a model.
local function hearing(encoder, loader)
  local front_end = loader.options.front_end
  if not front_end or front_end.fill == "none" then return encoder end
  local tower = towers.listener { front_end = front_end:descriptor(), encoder = encoder }
  return function(mel, lengths) return tower:encode(mel, lengths) end
end

--- The frames and vectors of all that a loader gives in its first epochs. Sets the encoder to inference.
---@param encoder any called with (mel, lengths), gives frames, clip and lengths
---@param loader nightjar.Loader without shuffling, where the order matters
---@param options? { epochs?: integer, progress?: boolean|fun(done: integer) } epochs (1): of a loader
---  that draws anew, variants of every sound; progress: true, or a function that is called after every batch
---@return nightjar.FeaturePool
function pool.collect(encoder, loader, options)
  opts.arg("features.collect", 2, "loader", loader, "nightjar.Loader")
  local o = opts.check("features.collect", options, {
    epochs = { type = "integer", default = 1, min = 1 }, progress = progress.rule,
  })
  local parts, done, report = {}, 0, progress.report(o.progress, { label = "features" })
  -- Frozen: no graph is recorded, and encoders may fold their batch norms.
  encoder:eval()
  local hear = hearing(encoder, loader)
  core.no_grad(function()
    for epoch = 1, o.epochs do
      for batch in loader:batches(epoch) do
        local frames, clip, lengths = hear(batch.mel, batch.lengths)
        parts[#parts + 1] = { frames = frames, clip = clip, lengths = lengths, clips = batch.clips }
        done = done + #batch.clips
        report(done)
      end
    end
  end)
  report:finish()
  if #parts == 0 then error("features.collect: the loader gave no batches", 2) end
  return core.no_grad(pool.join, parts)
end

--- 1 for the frames that are there.
---@param lengths nightjar.Tensor int64 (B)
---@param n integer
---@return nightjar.Tensor uint8 (B, n)
function pool.mask(lengths, n)
  return core.arange(1, n, { dtype = "int64" }):reshape(1, -1):le(lengths:reshape(-1, 1))
end

--- Some clips as head:audio takes them.
---@param rows integer[]
---@return { frames: nightjar.Tensor, mask: nightjar.Tensor, clip: nightjar.Tensor }
function Pool:take(rows)
  local index = core.tensor(rows, { dtype = "int64" })
  local frames, lengths = self.frames:index_select(1, index), self.lengths:index_select(1, index)
  local n = lengths:max():item()
  return { frames = frames[{ {}, { 1, n } }], mask = pool.mask(lengths, n),
    clip = self.clip:index_select(1, index) }
end

function Pool:__len() return #self.clips end

return pool
