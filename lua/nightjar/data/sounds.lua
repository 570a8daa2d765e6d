--- Where the sound files of a data set lie: folders are listed once, and a clip is looked up by the
--- names that different downloads give it.
local fs = require "nightjar.fs"

local sounds = {}

-- When one clip lies there in several formats, the least lossy is taken.
local preference = {}
for rank, extension in ipairs { "wav", "flac", "aiff", "aif", "w64", "caf", "ogg", "opus",
  "mp3" } do
  preference[extension] = rank
end

--- An index of the sound files directly inside the folders that exist among `folders`.
---@param folders string[]
---@return table index
function sounds.index(folders)
  local by_stem, by_name, searched = {}, {}, {}
  for _, folder in ipairs(folders) do
    local names = fs.files(folder, { extensions = fs.sound_extensions, recursive = false })
    if names then
      searched[#searched + 1] = folder
      for _, name in ipairs(names) do
        local path, stem = fs.join(folder, name), fs.stem(name)
        by_name[name] = by_name[name] or path
        local rank = preference[fs.extension(name)] or 99
        local known = by_stem[stem]
        if not known or (known.folder == folder and rank < known.rank) then
          by_stem[stem] = { path = path, rank = rank, folder = folder }
        end
      end
    end
  end
  return { by_stem = by_stem, by_name = by_name, folders = searched }
end

--- The first file whose name, or name without extension, is among the candidates.
---@param index table
---@param ... string
---@return string? path
function sounds.find(index, ...)
  for _, candidate in ipairs { ... } do
    local path = index.by_name[candidate]
    if path then return path end
    local entry = index.by_stem[candidate]
    if entry then return entry.path end
  end
end

--- Applies a data set's policy for clips without sound: "drop" moves them to the list of missing
--- ones, "keep" leaves them in place without a path, "error" fails when there is one.
---@param name string what messages begin with
---@param listed nightjar.Clip[]
---@param policy "drop"|"keep"|"error"
---@return nightjar.Clip[]? clips
---@return nightjar.Clip[]|string missing_or_message
---@return string? code
function sounds.sort_missing(name, listed, policy)
  local clips, missing = {}, {}
  for _, clip in ipairs(listed) do
    if clip.path or policy == "keep" then
      clips[#clips + 1] = clip
    else
      missing[#missing + 1] = clip
    end
  end
  if policy == "error" and #missing > 0 then
    return nil, ("%s: %d of %d clips have no sound file, the first is '%s'")
      :format(name, #missing, #listed, missing[1].id), "ENOTFOUND"
  end
  return clips, missing
end

return sounds
