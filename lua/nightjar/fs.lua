--- Paths and folders: what nightjar needs of a file system, over LuaFileSystem. Listings are sorted
--- by bytes, so that they are the same on every machine.
local core = require "nightjar.core"
local lfs = require "nightjar.lfs"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"

local fs = {}

--- Joins path parts with one slash between them; an absolute part starts over.
---@param ... string
---@return string
function fs.join(...)
  local path = ""
  for _, part in ipairs { ... } do
    if part:sub(1, 1) == "/" or path == "" then
      path = part
    elseif part ~= "" then
      path = path:gsub("/+$", "") .. "/" .. part
    end
  end
  return path
end

--- The last part of a path.
---@param path string
---@return string
function fs.name(path)
  return path:gsub("/+$", ""):match "[^/]*$"
end

--- The last part of a path without its extension: "a/b.tar.gz" gives "b.tar".
---@param path string
---@return string
function fs.stem(path)
  local name = fs.name(path)
  return name:match "^(.+)%.[^.]*$" or name
end

--- The extension in lower case without its dot; "" when there is none.
---@param path string
---@return string
function fs.extension(path)
  return plain.lower(fs.name(path):match "^.+%.([^.]*)$" or "")
end

--- The folder a path lies in; "." for a bare name.
---@param path string
---@return string
function fs.folder(path)
  local folder = path:gsub("/+$", ""):match "^(.*)/[^/]*$"
  if folder == "" then return "/" end
  return folder or "."
end

--- "file", "directory", another kind, or nil when nothing is there.
---@param path string
---@return string?
function fs.kind(path)
  return (lfs.attributes(path, "mode"))
end

--- Size in bytes and modification time in seconds, or nil, message, code.
---@param path string
---@return integer? size
---@return integer|string|nil mtime_or_message
---@return string? code
function fs.stat(path)
  local a, message, errno = lfs.attributes(path)
  if not a then return nil, message, errno == 2 and "ENOTFOUND" or "EIO" end
  return a.size, a.modification
end

-- Links may lead back to a folder above; a folder is entered once, known by device and inode.
local function walk(root, relative, wanted, o, seen, out, depth)
  local folder = relative == "" and root or fs.join(root, relative)
  local ok, iterate, state = pcall(lfs.dir, folder)
  if not ok then return nil, iterate end
  local names = {}
  for name in iterate, state do
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local path = relative == "" and name or relative .. "/" .. name
    local a = lfs.attributes(fs.join(root, path))
    if a and a.mode == "directory" and o.recursive then
      local key = a.dev .. ":" .. a.ino
      if not seen[key] then
        seen[key] = true
        -- A folder inside that cannot be read is passed over; only the root must be readable.
        local inside, why = nil, "folders lie too deep in each other"
        if depth < 64 then inside, why = walk(root, path, wanted, o, seen, out, depth + 1) end
        if not inside and o.unreadable then o.unreadable(fs.join(root, path), why) end
      end
    elseif a and a.mode == "file" and (not wanted or wanted[fs.extension(name)]) then
      out[#out + 1] = path
    end
  end
  return out
end

--- The files under a folder, as sorted paths relative to it. Hidden names (".x") are skipped, links
--- are followed.
---@param root string
---@param options? { extensions?: string[], recursive?: boolean, unreadable?: function }
---  extensions without dots, any case; recursive defaults to true; unreadable: function(path,
---  message), called for each folder inside that cannot be read and is passed over
---@return string[]? paths
---@return string? message
---@return string? code
function fs.files(root, options)
  opts.arg("fs.files", 1, "root", root, "string")
  local o = opts.check("fs.files", options, {
    extensions = "table",
    recursive = { type = "boolean", default = true },
    unreadable = "function",
  })
  local wanted
  if o.extensions then
    wanted = {}
    for _, extension in ipairs(o.extensions) do wanted[plain.lower(extension)] = true end
  end
  local a, why, errno = lfs.attributes(root)
  if not a then return nil, why, errno == 2 and "ENOTFOUND" or "EIO" end
  if a.mode ~= "directory" then return nil, root .. ": not a folder", "EIO" end
  local seen = { [a.dev .. ":" .. a.ino] = true }
  local out, message = walk(root, "", wanted, o, seen, {}, 1)
  if not out then return nil, message, "EIO" end
  table.sort(out)
  return out
end

--- Makes a folder and those above it that are missing.
---@param path string
---@return true? ok
---@return string? message
---@return string? code
function fs.make_folders(path)
  if path == "" or fs.kind(path) == "directory" then return true end
  local above = fs.folder(path)
  if above ~= path and above ~= "." then
    local ok, message, code = fs.make_folders(above)
    if not ok then return nil, message, code end
  end
  local ok, message = lfs.mkdir(path)
  -- Another process may have made it in between.
  if ok or fs.kind(path) == "directory" then return true end
  return nil, ("%s: %s"):format(path, message), "EIO"
end

--- The bytes of a file.
---@param path string
---@return string? bytes
---@return string? message
---@return string? code
function fs.read(path)
  local file, message, errno = io.open(path, "rb")
  if not file then return nil, message, errno == 2 and "ENOTFOUND" or "EIO" end
  local bytes, why = file:read "a"
  file:close()
  if not bytes then return nil, ("%s: %s"):format(path, why or "cannot be read"), "EIO" end
  return bytes
end

--- Begins a file that is written bit by bit, under a temporary name beside it: readers see the old
--- bytes or the new ones and never a part. Without commit nothing is left of it. See nj.files.create.
---@param path string
---@return nightjar.NewFile? writer { write, patch, commit, discard }, to be closed with
---  `local w <close>`
---@return string? message
---@return string? code
function fs.writer(path)
  opts.arg("fs.writer", 1, "path", path, "string")
  return core.files.create(path)
end

--- Writes a file under a temporary name beside it and renames it, so that readers see the old bytes
--- or the new ones and never a part, also after a loss of power.
---@param path string
---@param bytes string
---@return true? ok
---@return string? message
---@return string? code
function fs.write(path, bytes)
  local writer <close>, message, code = fs.writer(path)
  if not writer then return nil, message, code end
  local ok
  ok, message, code = writer:write(bytes)
  if not ok then return nil, message, code end
  return writer:commit()
end

--- The file names nightjar takes for sounds when it looks through a folder.
fs.sound_extensions = {
  "wav", "ogg", "oga", "opus", "flac", "mp3", "aif", "aiff", "aifc", "au", "caf", "w64", "rf64",
  "bw64",
}

--- Of sounds that people have and nightjar does not read.
fs.foreign_sound_extensions = { "m4a", "m4b", "mp4", "aac", "wma", "webm", "mka", "ape", "wv" }

return fs
