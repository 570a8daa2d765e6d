--- The names under which a library knows files. What lies below the library's own folder is kept
--- relative to it, so that the folder can be moved or copied with its library; everything else is
--- absolute. Both as the system resolves them: links and ".." are followed, never cut off as text.
local fs = require "nightjar.fs"
local files = require("nightjar.core").files

local paths = {}

local function below(folder) return folder == "/" and "/" or folder .. "/" end

--- An existing folder, or file, by its absolute name.
---@param path string
---@return string? absolute
---@return string? message
---@return string? code
function paths.real(path)
  local real, message, code = files.real(path)
  if not real and code == "ENOTFOUND" and not files.real "." then
    return nil, path .. ": the working folder is not there any more", code
  end
  return real, message, code
end

--- A file by its absolute name, which need not exist. Its folder is resolved, and not itself: a link
--- to a file is a file of that name.
---@param path string
---@return string? absolute
---@return string? message
---@return string? code
function paths.of_file(path)
  local name = fs.name(path)
  if name == "" or name == "." or name == ".." then return paths.real(path) end
  local folder, message, code = paths.real(fs.folder(path))
  if not folder and code == "ENOTFOUND" and path:find("/", 2, true) then
    folder, message, code = paths.of_file(fs.folder(path)) -- gone, with what lay in it
  end
  if not folder then return nil, message, code end
  return below(folder) .. name
end

--- What the catalogue calls a file.
---@param folder string the library's
---@param path string absolute
---@return string
function paths.stored(folder, path)
  local start = below(folder)
  return path:sub(1, #start) == start and path:sub(#start + 1) or path
end

--- The absolute name of what the catalogue calls by `stored`.
---@param folder string the library's
---@param stored string
---@return string
function paths.absolute(folder, stored)
  return stored:sub(1, 1) == "/" and stored or below(folder) .. stored
end

--- Whether a path is a folder, or lies below it; both absolute.
---@param path string
---@param folder string
---@return boolean
function paths.inside(path, folder)
  local start = below(folder)
  return path == folder or path:sub(1, #start) == start
end

return paths
