-- Everything public, found at run time: what the namespace holds, and the methods of every class of
-- userdata or table (a metatable whose __name begins with "nightjar.").
local live = {}

-- Some tables load their parts when first asked: their __index function keeps the names in a table.
local function load_lazy_parts(object)
  local meta = getmetatable(object)
  local index = meta and rawget(meta, "__index")
  if type(index) ~= "function" then
    return
  end
  local i = 1
  while true do
    local name, names = debug.getupvalue(index, i)
    if not name then
      return
    end
    if type(names) == "table" and names ~= object then
      for key in next, names do
        if type(key) == "string" then
          pcall(function() return object[key] end)
        end
      end
    end
    i = i + 1
  end
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
  local found = {}
  local function walk(name, object)
    if found[name] then
      return
    end
    load_lazy_parts(object)
    found[name] = functions_of(object)
    local meta = getmetatable(object)
    if meta and type(meta.__call) == "function" and name ~= "nightjar" then
      found[name].__call = function(...) return object(...) end
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
