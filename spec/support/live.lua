-- Everything public, found at run time: what the namespace holds, and the methods of every class of
-- userdata or table (a metatable whose __name begins with "nightjar.").
local live = {}

-- The Lua modules of the namespace, read from the folder: lua/nightjar/loss/init.lua is nj.loss.
local function lua_modules()
  local names = {}
  local pipe = assert(io.popen "cd lua/nightjar && ls -d */init.lua *.lua 2> /dev/null")
  for path in pipe:lines() do
    local name = path:match "^(%w+)/init%.lua$" or path:match "^([%w_]+)%.lua$"
    if name ~= "init" then
      names[#names + 1] = name
    end
  end
  pipe:close()
  return names
end

local function is_public(name)
  return type(name) == "string" and not name:find "^_"
end

local function functions_of(object)
  local found = {}
  for name, value in pairs(object) do
    if is_public(name) and type(value) == "function" then
      found[name] = value
    end
  end
  return found
end

---The namespace's tables: "nightjar" and "nightjar.audio" and so on, each with its functions.
---@return table<string, table<string, function>>
function live.modules()
  local nj = require "nightjar"
  for _, name in ipairs(lua_modules()) do
    local _ = nj[name] -- loads it where the namespace has it
  end
  local found = {}
  local function walk(name, object)
    if found[name] then
      return
    end
    found[name] = functions_of(object)
    local meta = getmetatable(object)
    if meta and type(meta.__call) == "function" and name ~= "nightjar" then
      found[name].__call = meta.__call
    end
    for key, value in pairs(object) do
      if is_public(key) and type(value) == "table" and not key:find "^[A-Z]" and #value == 0 then
        walk(name .. "." .. key, value)
      end
    end
  end
  walk("nightjar", nj)
  for name, functions in pairs(found) do
    if next(functions) == nil then
      found[name] = nil
    end
  end
  return found
end

-- Metatables of classes written in Lua are upvalues of the functions that make the objects.
local function metatables_in_upvalues(functions, found)
  local seen = {}
  local function visit(f)
    if seen[f] then
      return
    end
    seen[f] = true
    local i = 1
    while true do
      local name, value = debug.getupvalue(f, i)
      if not name then
        return
      end
      if type(value) == "table" and type(rawget(value, "__name")) == "string"
        and value.__name:find "^nightjar%." then
        found[value.__name] = value
      elseif type(value) == "function" then
        visit(value)
      end
      i = i + 1
    end
  end
  for _, f in pairs(functions) do
    visit(f)
  end
end

---Classes: name to metatable.
---@return table<string, table>
function live.metatables()
  local found = {}
  for name, value in pairs(debug.getregistry()) do
    if type(name) == "string" and name:find "^nightjar%.%u" and type(value) == "table" then
      found[name] = value
    end
  end
  for _, functions in pairs(live.modules()) do
    metatables_in_upvalues(functions, found)
  end
  return found
end

---The public methods of a class.
---@param metatable table
---@return table<string, function>
function live.methods(metatable)
  local methods = rawget(metatable, "__methods") or metatable.__index
  return functions_of(type(methods) == "table" and methods or metatable)
end

return live
