--- What the frozen encoder makes of sounds: pooled frames, frames and tags, computed once and kept in one file.
local nj = require "nightjar"
local fs = require "nightjar.fs"
local tiles = require "nightjar.model.tiles"

local features = {}

local FRAMES = 38 -- of the longest sounds here, 12 s

local function one(tower, path)
  local wave = assert(nj.audio.decode(path, { rate = tower.front_end.rate }))
  if wave.shape[1] == 0 then wave = nj.zeros(1) end
  local heard = assert(tiles.hear(tower, tiles.of_wave(tower, wave)))
  local n = math.min(FRAMES, heard.frames.shape[1])
  local all = heard.all
  local clip = all:mean(1)
  local padded = heard.frames[{ { 1, n } }]:pad { { 0, FRAMES - n }, { 0, 0 } }
  return clip, padded, n, tower.tagger:of(all)
end

--- Features of clips.
---@param tower table an audio tower with tags
---@param clips table[] with `path`
---@param file string where they are kept; read when they are of these clips
---@return table { clip (N, C), frames (N, T, C), lengths (N), tags (N, classes) }
function features.of(tower, clips, file)
  local paths = {}
  for i, clip in ipairs(clips) do paths[i] = clip.path end
  local key = nj.digest(table.concat(paths, "\n"), tower.encoder:state()["features.0.0.weight"])
  local opened = fs.kind(file) and nj.store.load(file)
  if opened and opened.metadata.key == key then return opened.tensors end
  local clip, frames, lengths, tags = {}, {}, {}, {}
  nj.no_grad(function()
    for i, path in ipairs(paths) do
      clip[i], frames[i], lengths[i], tags[i] = one(tower, path)
      if i % 500 == 0 then io.stderr:write(("%s: %d of %d\n"):format(file, i, #paths)) end
    end
  end)
  local made = { clip = nj.stack(clip, 1), frames = nj.stack(frames, 1),
    lengths = nj.tensor(lengths, { dtype = "int64" }), tags = nj.stack(tags, 1) }
  assert(fs.make_folders(fs.folder(file)))
  assert(nj.store.save(file, made, { key = key }))
  return made
end

--- Some rows of features.
function features.take(of, rows)
  local index = nj.tensor(rows, { dtype = "int64" })
  local taken = {}
  for name, tensor in pairs(of) do taken[name] = tensor:index_select(1, index) end
  return taken
end

return features
