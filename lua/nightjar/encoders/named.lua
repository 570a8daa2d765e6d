--- Descriptors of published architectures: models/<name>.json, in a checkout or beside the installed
--- Lua modules.
local fs = require "nightjar.fs"
local json = require "dkjson"
local opts = require "nightjar.opts"

local named = {}

local function folders()
  local here = fs.folder(package.searchpath("nightjar.fs", package.path)) -- …/lua/nightjar
  return { fs.join(here, "models"), fs.join(here, "../../models") }
end

--- Every name, sorted.
---@return string[]
function named.list()
  local names, seen = {}, {}
  for _, folder in ipairs(folders()) do
    if fs.kind(folder) == "directory" then
      for _, file in ipairs(assert(fs.files(folder, { extensions = { "json" }, recursive = false }))) do
        local name = fs.stem(file)
        if not seen[name] then
          seen[name] = true
          names[#names + 1] = name
        end
      end
    end
  end
  table.sort(names)
  return names
end

--- The descriptor of a name; raises when there is none, with the nearest name.
---@param name string
---@return table
function named.read(name)
  if not name:find "[/\\]" then
    for _, folder in ipairs(folders()) do
      local text = fs.read(fs.join(folder, name .. ".json"))
      if text then
        local d, _, message = json.decode(text)
        if not d then error(("encoders.from: %s.json: %s"):format(name, message), 0) end
        return d
      end
    end
  end
  local names = named.list()
  error(("encoders.from: no architecture is called '%s'%s; there are %s"):format(name,
    opts.hint(name, names), table.concat(names, ", ")), 4)
end

return named
