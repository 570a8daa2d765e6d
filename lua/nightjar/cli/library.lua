--- What index and search share: finding the model and the library file.
local fs = require "nightjar.fs"
local model = require "nightjar.model"
local output = require "nightjar.cli.output"
local shipped = require "nightjar.model.shipped"
local library = require "nightjar.library"

local common = {}

function common.declare(command)
  command:option("--library",
    "The library file (default: .nightjar.njl in the folder)."):argname "FILE"
  command:option("--model", "The model: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  command:flag("--json", "Print JSON for machines.")
end

--- The file that holds the index of a folder, or of the folder a file lies in.
function common.library_path(arguments, target)
  if arguments.library then return arguments.library end
  local folder = fs.kind(target) == "directory" and target or fs.folder(target)
  return fs.join(folder, library.file_name)
end

--- The library that a command reads: --library, that of the folder named, or without one the nearest
--- from here upwards.
---@return string? path, string? message
function common.find(arguments)
  if arguments.library then return arguments.library end
  if not arguments.path then return library.find "." end
  local kind = fs.kind(arguments.path)
  if not kind then return nil, arguments.path .. ": no such file or folder" end
  if kind == "file" and fs.name(arguments.path):find "%.njl$" then return arguments.path end
  local path = common.library_path(arguments, arguments.path)
  if fs.kind(path) then return path end
  local above = library.find(fs.folder(path))
  return nil, above and ("%s: no index here; there is one above: nightjar search TEXT %s"):format(path,
    fs.folder(above)) or ("%s: no index here; make one with: nightjar index %s"):format(path,
    arguments.path)
end

function common.load_model(arguments)
  return model.load(arguments.model or shipped.default)
end

--- The opened library, or nil and a message. Without --model it brings the model it was made with.
function common.open(arguments, path, options)
  options.model = arguments.model
  local lib, message, code = library.open(path, options)
  if lib or arguments.library or options.read_only then return lib, message end
  if (code == "EIO" or code == "ENOTFOUND") and fs.kind(fs.folder(path)) == "directory" then
    message = message .. "\n(where a folder cannot be written to, --library FILE keeps the index "
      .. "elsewhere)"
  end
  return nil, message
end

--- What to say while others write.
function common.waiting()
  local told
  return function(seconds)
    if not told and seconds >= 1 then
      told = true
      output.complain "waiting for another process that writes to the library"
    end
  end
end

return common
