--- What index and search share: finding the model and the library file.
local fs = require "nightjar.fs"
local model = require "nightjar.model"
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
  return fs.join(folder, ".nightjar.njl")
end

function common.load_model(arguments)
  return model.load(arguments.model or shipped.default)
end

--- The opened library, or nil and a message.
function common.open(arguments, target, options)
  local loaded, message = common.load_model(arguments)
  if not loaded then return nil, message end
  options.model = loaded
  return library.open(common.library_path(arguments, target), options)
end

return common
