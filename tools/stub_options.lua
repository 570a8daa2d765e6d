-- usage: lua5.4 tools/stub_options.lua types/nightjar.lua …
-- Writes the types of options into stubs from the tables by which they are read (nj.options): corrects those
-- that differ, adds fields that are missing. What each option means stays as it is written there.
package.path = "./?.lua;./lua/?.lua;./lua/?/init.lua;" .. package.path
package.cpath = ("./%s/?.so;"):format(os.getenv "NIGHTJAR_BUILD" or "build") .. package.cpath
local nj = require "nightjar"
local stubs = require "docs.stubs"

local classes, order = {}, {}
for _, path in ipairs(arg) do
  for _, class in ipairs((stubs.read(path))) do
    classes[class.name] = class
  end
end

-- The class of the last parameter of "encoders.bert", "Encoder:generate".
local function class_of(name)
  local owner, f = name:match "^(.-)[.:]?([%w_]+)$"
  for _, known in ipairs(classes["nightjar" .. (owner ~= "" and "." .. owner or "")].functions) do
    if known.name == f then
      return known.params[#known.params].type
    end
  end
end

local function type_of(option)
  if not option.names then
    return option.type
  end
  return '"' .. table.concat(option.names, '"|"') .. '"'
end

-- wanted[class][key] = the field without its text; a field of a parent counts as there.
local wanted = {}
for _, name in ipairs(nj.options()) do
  local class = class_of(name)
  wanted[class], order[class] = {}, {}
  for i, option in ipairs(nj.options(name)) do
    wanted[class][option.name] = ("---@field %s%s %s"):format(option.name, option.required and "" or "?",
      type_of(option))
    order[class][i] = option.name
  end
  local parent = classes[class].parent
  while parent do
    for _, field in ipairs(classes[parent].fields) do
      wanted[class][field.name:gsub("%?$", "")] = nil
    end
    parent = classes[parent].parent
  end
end

local function text_of(class, key)
  for _, field in ipairs(classes[class].fields) do
    if field.name:gsub("%?$", "") == key then
      return field.text ~= "" and " " .. field.text or ""
    end
  end
  return ""
end

for _, path in ipairs(arg) do
  local out, class, seen = {}, nil, {}
  local function close_class()
    for _, key in ipairs(class and order[class] or {}) do
      if wanted[class][key] and not seen[key] then
        out[#out + 1] = wanted[class][key]
      end
    end
    class = nil
  end
  for line in io.lines(path) do
    local opened, key = line:match "^%-%-%-@class ([%w_%.]+)", line:match "^%-%-%-@field ([%w_]+)"
    if opened then
      class, seen = opened, {}
    elseif not line:find "^%-%-%-" then
      close_class()
    end
    if class and key and order[class] and wanted[class][key] then
      seen[key] = true
      line = wanted[class][key] .. text_of(class, key)
    end
    out[#out + 1] = line
  end
  close_class()
  local file = assert(io.open(path, "w"))
  assert(file:write(table.concat(out, "\n"), "\n"))
  assert(file:close())
end
