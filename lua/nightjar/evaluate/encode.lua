--- The clips of a data set as a model hears them, for what measures.
local mix = require "nightjar.data.mix"
local progress = require "nightjar.progress"

local encode = {}

-- What a captioner says of a clip, in a list; empty where it says nothing.
local function generated(captions_of, clip)
  local list = captions_of and captions_of(clip) or {}
  return type(list) == "string" and { list } or list
end

--- For a loop over a data set's clips that have a sound: each, and what the model makes of it. Files
--- are read ahead.
---@param model table
---@param clips table[] with `path`, or `parts` that are mixed
---@param o table `generated`, `progress`: as nj.evaluate.run takes them
---@param mixed? boolean whether clips of parts are wanted
function encode.each(model, clips, o, mixed)
  local list, at, passed = {}, 0, 0
  local function sounds() -- of the clip after the last one asked for
    for i = at + 1, #clips do
      local clip = clips[i]
      at = i
      if clip.path or mixed and clip.parts then
        list[#list + 1] = i
        if clip.path then return clip.path end
        local wave, message = mix(clip, model.audio_tower.front_end.rate)
        return wave or { error = message }
      end
    end
  end
  local captions = o.generated and function(_, k) return generated(o.generated, clips[list[k]]) end
  local next_clip, _, _, closing = model:stream(sounds, { captions = captions })
  local report = progress.report(o.progress, { label = "encoding" })
  local function tell(last)
    for i = passed + 1, last do
      report(i, #clips)
    end
    passed = last
  end
  return function()
    local k, result = next_clip()
    tell(k and list[k] or #clips)
    if k then return clips[list[k]], result end
  end, nil, nil, closing
end

--- Every clip at all levels, and those that cannot be read.
---@param model table
---@param clips table[]
---@param o table as encode.each takes it
---@return table[] sounds as model:similarity takes them
---@return table[] kept the clip of each
---@return { id: string, error: string }[] failed
function encode.all(model, clips, o)
  local list, kept, failed = {}, {}, {}
  for clip, result in encode.each(model, clips, o, true) do
    if result.error then
      failed[#failed + 1] = { id = clip.id, error = result.error }
    else
      -- Windows tell where a match is; here only what it is counts.
      list[#list + 1] = { vector = result.vector, levels = result.levels }
      kept[#kept + 1] = clip
    end
  end
  return list, kept, failed
end

return encode
