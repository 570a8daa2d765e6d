--- Reference data that lies beside the checkout and is no part of it.
---
---     local tensors, about = shared.golden("06_losses")
---     if not tensors then return pending("needs ../shared") end
local shared = { root = os.getenv("NIGHTJAR_SHARED") or "../shared" }

--- The path of a file, or nil when it is not there.
---@param name string relative to the root: "golden/06_losses.json"
---@return string?
function shared.path(name)
  local path = shared.root .. "/" .. name
  local file = io.open(path, "rb")
  if not file then return nil end
  file:close()
  return path
end

--- The content of a file, or nil.
---@param name string
---@return string?
function shared.read(name)
  local path = shared.path(name)
  if not path then return nil end
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- A JSON file as a Lua value, or nil when it is not there.
---@param name string
function shared.json(name)
  local text = shared.read(name)
  if not text then return nil end
  local value, _, message = require("dkjson").decode(text)
  return assert(value, message)
end

--- The tensors and the description of a golden file; nil when it is not there.
---@param name string without directory and ending: "06_losses"
---@return table<string, userdata>? tensors
---@return table? about the JSON beside it
function shared.golden(name)
  local nj = require "nightjar"
  local path = shared.path("golden/" .. name .. ".safetensors")
  if not path or not rawget(nj, "store") then return nil end
  local file = assert(nj.store.load(path))
  return file.tensors, shared.json("golden/" .. name .. ".json")
end

return shared
