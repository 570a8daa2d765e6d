--- What the sound encoder, held still, makes of clips and scenes: computed once, so that what is behind it
--- trains in a fraction of the time.
local nj = require "nightjar"

local features = {}

-- Rows of a batch, padded to `most` frames.
local function padded(frames, most)
  local n = frames.shape[2]
  if n == most then return frames end
  return frames:pad { { 0, 0 }, { 0, most - n }, { 0, 0 } }
end

--- The frames and vectors of everything that a loader gives in the epochs 1 … n.
---@param tower any a model's audio tower
---@param loader any without shuffling
---@param epochs? integer (1) of a loader that draws anew: variants of every sound
---@return table pool { frames (P, N, C), lengths (P), clip (P, C), clips = {P of them} }
function features.compute(tower, loader, epochs)
  local frames, lengths, clips, vectors, most = {}, {}, {}, {}, 1
  nj.no_grad(function()
    for epoch = 1, epochs or 1 do
      for batch in loader:batches(epoch) do
        local f, v, n = tower.encoder(batch.mel, batch.lengths)
        frames[#frames + 1], vectors[#vectors + 1], lengths[#lengths + 1] = f, v, n
        most = math.max(most, f.shape[2])
        for _, clip in ipairs(batch.clips) do clips[#clips + 1] = clip end
      end
    end
    for i, f in ipairs(frames) do frames[i] = padded(f, most) end
  end)
  return { frames = nj.cat(frames, 1), lengths = nj.cat(lengths, 1), clip = nj.cat(vectors, 1), clips = clips }
end

--- Some rows of a pool as head:audio takes them.
---@param pool table
---@param rows integer[]
function features.take(pool, rows)
  local index = nj.tensor(rows, { dtype = "int64" })
  local frames, lengths = pool.frames:index_select(1, index), pool.lengths:index_select(1, index)
  local n = lengths:max():item()
  local places = nj.arange(1, n, { dtype = "int64" }):reshape(1, -1)
  return {
    frames = frames[{ {}, { 1, n } }], mask = places:le(lengths:reshape(-1, 1)),
    clip = pool.clip:index_select(1, index),
  }
end

return features
