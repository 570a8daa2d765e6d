--- Which clips are takes of one sound, by their names: "door1.wav", "door2.wav" and "door_03b.wav" are.
local fs = require "nightjar.fs"

local takes = {}

--- What the takes of one sound have in common: folder and name without the number that follows the name, a
--- letter behind it, and words such as "take". A name that is nothing else stands for itself.
---@param id string a path
---@return string
function takes.key(id)
  local name = fs.stem(id):lower()
  local short = name
  repeat
    local before = short
    short = short:gsub("[%s%p]+$", "")
    short = short:gsub("(.)%d+%a?$", "%1"):gsub("([%s%p])[a-d]$", "%1"):gsub("[%s%p]+takes?$", "")
  until short == before
  if not short:find "[%a\x80-\xFF]" then short = name end
  return fs.join(fs.folder(id), short)
end

return takes
