--- The sound files that a command line names.
local fs = require "nightjar.fs"

local sounds = {}

--- Files as they are named, and the sounds of folders.
---@param named string[]
---@return string[]|nil files
---@return string? message
function sounds.files_of(named)
  local list = {}
  for _, path in ipairs(named) do
    if fs.kind(path) == "directory" then
      local names, message = fs.files(path, { extensions = fs.sound_extensions })
      if not names then return nil, message end
      for _, name in ipairs(names) do list[#list + 1] = fs.join(path, name) end
    else
      list[#list + 1] = path
    end
  end
  if #list == 0 then return nil, "there are no sound files" end
  return list
end

return sounds
