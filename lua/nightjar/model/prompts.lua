--- Labels and what is asked for each: prompts, made of templates or given.
local content = require "nightjar.model.content"

local prompts = {}

--- What is asked for a label when nobody says how; "{}" stands for the label. See docs/search.md for
--- what they are worth.
prompts.templates = {
  "{}", "the sound of {}", "{} can be heard", "a recording of {}", "there is {}",
}

-- "pouring_water" is said "pouring water".
local function spoken(label) return (label:gsub("_", " ")) end

local function fill(template, label)
  local said = spoken(label)
  return (template:gsub("{}", function() return said end))
end

local function check_template(fname, template, level)
  if type(template) ~= "string" then
    error(("%s: a template must be a string, got %s"):format(fname, type(template)), level)
  end
  if not template:find("{}", 1, true) then
    error(("%s: the template '%s' has no {} for the label"):format(fname, template), level)
  end
end

-- A list of strings that is not empty, from one string or a list.
local function texts_of(fname, what, given, level)
  if type(given) == "string" then given = { given } end
  if type(given) ~= "table" or #given == 0 then
    error(("%s: %s must be a text or a list of texts, got %s"):format(fname, what,
      type(given) == "table" and "an empty table" or type(given)), level)
  end
  for i, text in ipairs(given) do
    if type(text) ~= "string" then
      error(("%s: %s: item %d must be a string, got %s"):format(fname, what, i, type(text)), level)
    end
  end
  return given
end

--- A function from a label to its prompts.
---@param fname string what messages begin with
---@param templates? string|string[]|fun(label: string): string|string[] the default ones when nil
---@param level integer of errors
function prompts.maker(fname, templates, level)
  if type(templates) == "function" then
    return function(label)
      return texts_of(fname, ("what templates gave for '%s'"):format(label), templates(label),
        level + 2)
    end
  end
  local list = texts_of(fname, "templates", templates or prompts.templates, level + 1)
  for _, template in ipairs(list) do check_template(fname, template, level + 1) end
  return function(label)
    local made = {}
    for i, template in ipairs(list) do made[i] = fill(template, label) end
    return made
  end
end

-- Labels of a list in its order, then those that are keys, sorted: { { label, prompts or nil }, … }.
local function entries_of(fname, labels, level)
  local list, keys = {}, {}
  for i, label in ipairs(labels) do
    if type(label) ~= "string" then
      error(("%s: label %d must be a string, got %s"):format(fname, i, type(label)), level)
    end
    list[i] = { label = label }
  end
  for key in pairs(labels) do
    if type(key) == "string" then
      keys[#keys + 1] = key
    elseif math.type(key) ~= "integer" or key < 1 or key > #list then
      error(("%s: labels are a list, or prompts by label; got key %s"):format(fname, tostring(key)),
        level)
    end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do list[#list + 1] = { label = key, prompts = labels[key] } end
  return list
end

--- Labels with their prompts, in order.
---@param fname string what messages begin with
---@param labels (string|string[])[]|table<string, string|string[]> names, which the templates make
---  into prompts; or prompts of their own by name; or both in one table
---@param templates? string|string[]|fun(label: string): string|string[]
---@param level? integer of errors; default 3, the caller of the function that calls this
---@return {label: string, prompts: string[]}[]
function prompts.of(fname, labels, templates, level)
  level = (level or 3) + 1
  local make, seen = prompts.maker(fname, templates, level - 1), {}
  local entries = entries_of(fname, labels, level)
  if #entries == 0 then error(fname .. ": there are no labels", level - 1) end
  for _, entry in ipairs(entries) do
    if not entry.label:find "%S" then
      error(fname .. ": a label is empty", level - 1)
    elseif not content.has_word(entry.label) then
      error(("%s: the label '%s' has no word"):format(fname, entry.label), level - 1)
    elseif seen[entry.label] then
      error(("%s: the label '%s' comes twice"):format(fname, entry.label), level - 1)
    end
    seen[entry.label] = true
    local own = entry.prompts
      and texts_of(fname, ("prompts of '%s'"):format(entry.label), entry.prompts, level)
    entry.prompts = own and table.move(own, 1, #own, 1, {}) or make(entry.label)
  end
  return entries
end

return prompts
