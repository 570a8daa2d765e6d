--- Options in one last table: every Lua function of nightjar checks its own with this module, so
--- that a misspelt key is an error that names the right one, and never a silent default.
---
---     local o = opts.check("nt_xent", options, {
---       temperature = { type = "number", default = 0.07, above = 0 },
---       reduction   = { type = "string", default = "mean", one_of = { "mean", "sum", "none" } },
---       mask        = "tensor",                       -- optional, no default
---     })
local opts = {}

--- The edit distance of two strings: insertions, deletions, replacements and swaps of neighbours
--- (optimal string alignment).
---@param a string
---@param b string
---@return integer
local function distance(a, b)
  local before, above = nil, {}
  for j = 0, #b do above[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
    before, above = above, row
  end
  return above[#b]
end

--- The candidate nearest to a misspelt name, or nil when none is near enough to be meant.
---@param name string
---@param candidates string[] any order; ties go to the first in the alphabet
---@return string?
function opts.suggest(name, candidates)
  local sorted = table.move(candidates, 1, #candidates, 1, {})
  table.sort(sorted)
  local best, least = nil, math.max(1, #name // 3) + 1
  for _, candidate in ipairs(sorted) do
    local d = distance(name:lower(), candidate:lower())
    if d < least then best, least = candidate, d end
  end
  return best
end

--- What a message adds to a name that it does not know: " (did you mean 'X'?)", or "".
---@param name any
---@param candidates string[]
---@return string
function opts.hint(name, candidates)
  local near = type(name) == "string" and opts.suggest(name, candidates)
  return near and (" (did you mean '%s'?)"):format(near) or ""
end

--- What a value is called in messages: its metatable's __name, "integer", "number", "string" …
---@param value any
---@return string
function opts.type_name(value)
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  if type(name) == "string" then return name end
  return math.type(value) == "integer" and "integer" or type(value)
end

local function shown(value)
  if type(value) == "string" then
    local text = #value > 40 and value:sub(1, 37) .. "..." or value
    return "'" .. text .. "'"
  end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return "a " .. opts.type_name(value)
end

local articles = {
  integer = "an integer", any = "anything", callable = "a function", tensor = "a tensor",
}

local fits = {
  any = function() return true end,
  integer = function(v) return math.tointeger(v) ~= nil and type(v) == "number" end,
  callable = function(v)
    local meta = getmetatable(v)
    return type(v) == "function" or (type(meta) == "table" and rawget(meta, "__call") ~= nil)
  end,
  tensor = function(v) return opts.type_name(v) == "nightjar.Tensor" end,
}

local function is_of(kind, value)
  local fit = fits[kind]
  if fit then return fit(value) end
  return type(value) == kind or opts.type_name(value) == kind
end

local function kinds_text(kinds)
  local words = {}
  for kind in kinds:gmatch("[^|]+") do words[#words + 1] = articles[kind] or ("a " .. kind) end
  return table.concat(words, " or ")
end

local function matches(kinds, value)
  for kind in kinds:gmatch("[^|]+") do
    if is_of(kind, value) then return true, kind end
  end
  return false
end

local function range_text(rule)
  if rule.min and rule.max then return (" in [%s, %s]"):format(rule.min, rule.max) end
  if rule.above and rule.max then return (" in (%s, %s]"):format(rule.above, rule.max) end
  if rule.min and rule.below then return (" in [%s, %s)"):format(rule.min, rule.below) end
  if rule.above and rule.below then return (" in (%s, %s)"):format(rule.above, rule.below) end
  if rule.min then return (" of at least %s"):format(rule.min) end
  if rule.above then return (" above %s"):format(rule.above) end
  if rule.max then return (" of at most %s"):format(rule.max) end
  if rule.below then return (" below %s"):format(rule.below) end
  return ""
end

-- Written with the bounds on the left of "not", so that NaN is outside every range.
local function in_range(rule, v)
  return (not rule.min or v >= rule.min) and (not rule.max or v <= rule.max)
    and (not rule.above or v > rule.above) and (not rule.below or v < rule.below)
end

--- Checks one value against a rule and gives it back (integers as Lua integers).
---@param what string how messages begin: "nt_xent: option 'temperature'"
---@param value any not nil
---@param rule table see opts.check
---@param level integer error level of the caller
local function check_value(what, value, rule, level)
  local kinds = rule.type or "any"
  local ok, kind = matches(kinds, value)
  if not ok then
    error(("%s must be %s%s, got %s"):format(what, kinds_text(kinds), range_text(rule),
      shown(value)), level + 1)
  end
  if kind == "integer" then value = math.tointeger(value) end
  if type(value) == "number" and not in_range(rule, value) then
    error(("%s must be %s%s, got %s"):format(what, kinds_text(kinds), range_text(rule),
      shown(value)), level + 1)
  end
  if rule.one_of and type(value) ~= "table" then
    local names = {}
    for _, name in ipairs(rule.one_of) do
      if name == value then return value end
      names[#names + 1] = type(name) == "string" and "'" .. name .. "'" or tostring(name)
    end
    error(("%s must be one of %s, got %s%s"):format(what, table.concat(names, ", "), shown(value),
      opts.hint(value, rule.one_of)), level + 1)
  end
  return value
end

--- Checks an options table and returns a new one with the defaults filled in.
---
--- A rule is a type name, or a table:
---   type      "number", "integer", "string", "boolean", "table", "function", "callable", "tensor",
---             "any", a class name ("nightjar.Rng"), or several joined by "|"
---   default   given when the key is absent
---   required  true: the key must be there
---   min, max, above, below   bounds of a number (min and max inclusive)
---   one_of    list of allowed values
---
--- Raises, with the position of the function's caller: an unknown key (with the nearest known one),
--- a wrong type, a number out of range, a missing required key.
---@param fname string the function's name as users write it
---@param t table? the options; nil counts as {}
---@param rules table<string, string|table>
---@param level integer? error level; default 3, the caller of the function that calls check
---@return table
function opts.check(fname, t, rules, level)
  level = level or 3
  if t ~= nil and type(t) ~= "table" then
    error(("%s: options must be a table, got %s"):format(fname, shown(t)), level)
  end
  for key in pairs(t or {}) do
    if type(key) ~= "string" or rules[key] == nil then
      if type(key) ~= "string" then
        error(("%s: options are named, got key %s"):format(fname, shown(key)), level)
      end
      local names = {}
      for name in pairs(rules) do names[#names + 1] = name end
      error(("%s: unknown option '%s'%s"):format(fname, key, opts.hint(key, names)), level)
    end
  end
  local out = {}
  for key, rule in pairs(rules) do
    if type(rule) == "string" then rule = { type = rule } end
    local value = t and t[key]
    if value ~= nil then
      out[key] = check_value(("%s: option '%s'"):format(fname, key), value, rule, level)
    elseif rule.required then
      error(("%s: option '%s' is required (%s)"):format(fname, key, kinds_text(rule.type or "any")),
        level)
    else
      out[key] = rule.default
    end
  end
  return out
end

--- Checks a positional argument by the same rules and returns it.
---   opts.arg("triplet", 1, "scores", S, "tensor")
--- A rule with `default` makes the argument optional.
---@param fname string
---@param position integer 1-based
---@param name string what the argument is called in the documentation
---@param value any
---@param rule string|table
---@param level integer? as in opts.check
function opts.arg(fname, position, name, value, rule, level)
  level = level or 3
  if type(rule) == "string" then rule = { type = rule } end
  if value == nil and (rule.default ~= nil or rule.optional) then return rule.default end
  local what = ("%s: argument %d (%s)"):format(fname, position, name)
  if value == nil then
    error(("%s must be %s%s, got nothing"):format(what, kinds_text(rule.type or "any"),
      range_text(rule)), level)
  end
  value = check_value(what, value, rule, level) -- no tail call: levels count frames
  return value
end

--- Checks a table of tensors by name, as checkpoints are.
---@param what string what it is called in messages: "encoders.from: option 'checkpoint'"
---@param tensors table<string, any>
---@param level? integer whose fault it is, as for error (3: the caller of the function that checks)
function opts.tensors(what, tensors, level)
  local worst -- the first in the alphabet, so that the message does not change from run to run
  for name, tensor in pairs(tensors) do
    if type(name) ~= "string" or not fits.tensor(tensor) then
      local complaint = type(name) ~= "string" and ("got a key that is %s"):format(shown(name))
        or ("got %s as '%s'"):format(shown(tensor), name)
      if not worst or complaint < worst then worst = complaint end
    end
  end
  if worst then error(("%s must be tensors by name, %s"):format(what, worst), level or 3) end
end

return opts
