-- Everything public, found at run time: what the namespace holds, and the methods of every class of
-- userdata or table (a metatable whose __name begins with "nightjar.").
local live = {}

-- What only nightjar's own Lua modules call.
local internal = {
  ["nightjar.optim_kernels"] = true,
  ["nightjar.catalogue"] = true,
  ["nightjar.Catalogue"] = true,
}

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
    for f in pairs(functions) do
      if internal[name .. "." .. f] then
        functions[f] = nil
      end
    end
    if next(functions) == nil or internal[name] then
      found[name] = nil
    end
  end
  return found
end

-- Metatables of classes written in Lua are upvalues of the functions that make the objects, or of
-- functions in a module that is one.
local function metatables_in_upvalues(functions, found)
  local seen = {}
  local visit_all

  local function visit(value)
    if seen[value] then
      return
    elseif type(value) == "function" then
      seen[value] = true
      local i = 1
      while true do
        local name, upvalue = debug.getupvalue(value, i)
        if not name then
          return
        end
        visit(upvalue)
        i = i + 1
      end
    elseif type(value) == "table" and value ~= _G then
      seen[value] = true
      local name = rawget(value, "__name")
      if type(name) == "string" and name:find "^nightjar%.%u" then
        found[name] = value
      end
      visit_all(value)
    end
  end

  function visit_all(list)
    for _, value in next, list do
      if type(value) == "function" then
        visit(value)
      end
    end
  end

  visit_all(functions)
end

---Classes: name to metatable.
---@return table<string, table>
function live.metatables()
  local found = {}
  for name, value in pairs(debug.getregistry()) do
    if type(name) == "string" and name:find "^nightjar%." and name:find "%.%u%w*$"
      and type(value) == "table" then
      found[name] = value
    end
  end
  for _, functions in pairs(live.modules()) do
    metatables_in_upvalues(functions, found)
  end
  for name in pairs(internal) do
    found[name] = nil
  end
  return found
end

---The public methods of a class.
---@param metatable table
---@return table<string, function>
function live.methods(metatable)
  local methods = rawget(metatable, "__methods") or metatable.__index
  if type(methods) == "function" then
    local i, name, value = 1, debug.getupvalue(methods, 1)
    while name and name ~= "methods" do
      i = i + 1
      name, value = debug.getupvalue(methods, i)
    end
    methods = value
  end
  return functions_of(type(methods) == "table" and methods or metatable)
end

return live
