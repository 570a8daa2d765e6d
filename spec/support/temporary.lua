--- Temporary folders for specs: temporary.folder() makes one, temporary.remove(path) takes it away
--- with everything in it, temporary.write(path, bytes) makes a file and the folders above it.
local fs = require "nightjar.fs"
local lfs = require "lfs"

local temporary = {}

function temporary.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(lfs.mkdir(path))
  return path
end

function temporary.remove(path)
  if lfs.symlinkattributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then temporary.remove(path .. "/" .. name) end
    end
  end
  os.remove(path)
end

function temporary.write(path, bytes)
  assert(fs.make_folders(fs.folder(path)))
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  return path
end

return temporary
