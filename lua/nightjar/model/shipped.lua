--- Where the models that come with nightjar lie: in models/ of a checkout, or beside the installed
--- Lua modules.
local fs = require "nightjar.fs"

local shipped = {}

shipped.default = "nightjar-base"

-- Models that came with nightjar before, and what to do without them.
local GONE = {
  ["nightjar-small"] = "'nightjar-small' no longer comes with nightjar: 'nightjar-base' took its place (a "
    .. "library made with it is made anew by 'nightjar index --rebuild DIR'; examples/train_small.lua "
    .. "trains it again)",
}

--- The path of a shipped model, or nil and a message that says where it was looked for.
---@param name? string ("nightjar-base")
---@return string|nil path
---@return string? message
---@return string? code
function shipped.path(name)
  name = name or shipped.default
  if GONE[name] then return nil, GONE[name], "ENOTFOUND" end
  local here = package.searchpath("nightjar.fs", package.path) -- …/lua/nightjar/fs.lua
  local folder = fs.folder(here)
  local tried = {}
  for _, place in ipairs { "models", "../../models" } do
    local path = fs.join(folder, place, name .. ".safetensors")
    if fs.kind(path) == "file" then return path end
    tried[#tried + 1] = path
  end
  return nil, ("no shipped model called '%s' (looked at %s)"):format(name,
    table.concat(tried, ", ")),
    "ENOTFOUND"
end

return shipped
