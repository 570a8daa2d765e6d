--- What a library keeps of a sound below its clip vector, and how it comes back: the frames,
--- segments and captions that nj.head compares with words, phrases and whole texts. Vectors come back
--- a little rounded: the catalogue keeps them 8-bit quantised.
local core = require "nightjar.core"
local rows = require "nightjar.model.rows"

local levels = {}

-- Names in the catalogue, and the fields of what head:audio gives.
local TOKENS = {
  { name = "frame", key = "frames", mask = "frame_mask", weights = "frame_weights" },
  { name = "segment", key = "segments", mask = "segment_mask", weights = "segment_weights" },
}

local function head_of(model) return rawget(model, "head") end

--- Whether a model compares more than one vector a sound.
---@param model table
---@return boolean
function levels.finer(model)
  local head = head_of(model)
  if not head then return false end
  local names = head:levels()
  return #names > 1 or names[1] ~= "clip"
end

--- Whether the cosine of clip and sentence is among what a model was trained for.
---@param model table
---@return boolean
function levels.by_clip(model)
  for _, name in ipairs(head_of(model):levels()) do
    if name == "clip" then return true end
  end
  return false
end

-- Rows of the tokens that are there.
local function valid(x, mask)
  if not mask or mask:ne(0):all() then return x[1] end
  return x[1]:index_select(1, mask[1]:nonzero():reshape(-1))
end

local function is_captioned(a) return a.captioned == nil or a.captioned(1) ~= 0 end

--- The levels of a sound as the catalogue takes them; nil when the clip vector is all that counts.
---@param model table
---@param clip table what Model:audio gave
---@return table<string, {vectors: any, weights: any, step: number}>?
function levels.to_keep(model, clip)
  if not levels.finer(model) then return nil end
  local a, on, out = clip.levels, {}, {}
  for _, name in ipairs(head_of(model):levels()) do on[name] = true end
  for _, t in ipairs(TOKENS) do
    if on[t.name] then
      local weights = a[t.weights]
      out[t.name] = { vectors = valid(a[t.key], a[t.mask]),
        weights = weights and valid(weights:unsqueeze(3), a[t.mask]):reshape(-1) }
    end
  end
  if out.frame then
    local times = clip.frame_times
    out.frame.step = times[2] and times[2][1] or clip.seconds
  end
  if on.caption and not rows.tagged(model) and is_captioned(a) then
    if a.caption then
      out.caption = { vectors = a.caption }
    elseif a.captions then
      out.captions = { vectors = valid(a.captions, a.caption_mask) }
    end
  end
  return out
end

local function read_captions(catalogue, id, a)
  local pooled, message, code = catalogue:level(id, "caption")
  if not pooled and code then return nil, message, code end
  local single
  single, message, code = catalogue:level(id, "captions")
  if not single and code then return nil, message, code end
  a.caption = pooled
  a.captions = single and single:unsqueeze(1)
  if not (pooled or single) then a.captioned = core.zeros({ 1 }, { dtype = "uint8" }) end
  return true
end

--- One sound as head:audio gives it for a batch of one.
---@param model table
---@param catalogue any
---@param sound table what catalogue:get gave
---@return table|nil a; `step`, the seconds of a frame, beside head:audio's fields
---@return string? message
---@return string? code
function levels.read(model, catalogue, sound)
  local head, row, on = head_of(model), rows.clip(model, sound.vector), {}
  local a = { clip = row.vector:unsqueeze(1), caption = row.tags and row.tags:unsqueeze(1) }
  for _, name in ipairs(head:levels()) do on[name] = true end
  for _, t in ipairs(TOKENS) do
    if on[t.name] then
      local vectors, weights, step = catalogue:level(sound.id, t.name)
      if not vectors and step then return nil, weights, step end -- a message, and its code
      if not vectors then
        return nil, ("%s: its %ss are not in the library; index it again"):format(sound.path,
          t.name), "EFORMAT"
      end
      a[t.key] = vectors:unsqueeze(1)
      a[t.weights] = weights and weights:unsqueeze(1)
      if t.name == "frame" then a.step = step end
    end
  end
  if on.caption and not row.tags then
    local ok, message, code = read_captions(catalogue, sound.id, a)
    if not ok then return nil, message, code end
  end
  return a
end

return levels
