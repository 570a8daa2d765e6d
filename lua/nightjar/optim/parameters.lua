--- What optimisers are given: parameters, in groups that may have options of their own.
---
--- Accepted are
---   a model            anything with a method `parameters` that gives one of the next
---   a list of tensors
---   a list of named tensors, { name, tensor } or { name = , tensor = }
---   a list of groups   { params = one of the above, lr = 1e-4, weight_decay = 0 }
local opts = require "nightjar.opts"

local parameters = {}

local function is_tensor(value) return opts.type_name(value) == "nightjar.Tensor" end

local function has_parameters(value)
  local kind = type(value)
  if kind ~= "table" and kind ~= "userdata" or is_tensor(value) then return false end
  local ok, method = pcall(function() return value.parameters end)
  return ok and type(method) == "function"
end

-- One item of a list as name (or nil) and tensor.
local function named(fname, item, position)
  if is_tensor(item) then return nil, item end
  if type(item) == "table" then
    local name, tensor = item.name or item[1], item.tensor or item[2]
    if type(name) == "string" and is_tensor(tensor) then return name, tensor end
  end
  error(("%s: parameter %d must be a tensor or a { name, tensor }, got a %s"):format(fname,
    position, opts.type_name(item)), 0)
end

--- Flattens a model, or a list of tensors or named tensors, into named tensors. Those without a
--- name get `prefix` and their position.
---@param fname string for messages
---@param source table|userdata
---@param prefix string? default "p"
---@return { name: string, tensor: nightjar.Tensor }[]
function parameters.list(fname, source, prefix)
  if has_parameters(source) then source = source:parameters() end
  if type(source) ~= "table" then
    error(("%s: parameters must be a model or a list of tensors, got a %s"):format(fname,
      opts.type_name(source)), 0)
  end
  local out = {}
  for i, item in ipairs(source) do
    local name, tensor = named(fname, item, i)
    out[i] = { name = name or ("%s%d"):format(prefix or "p", i), tensor = tensor }
  end
  for key in pairs(source) do
    if math.type(key) ~= "integer" or not out[key] then
      error(("%s: parameters must be a list, got key '%s'"):format(fname, tostring(key)), 0)
    end
  end
  return out
end

local function is_grouped(source)
  if type(source) ~= "table" or has_parameters(source) then return false end
  local first = source[1]
  return type(first) == "table" and not is_tensor(first) and first.params ~= nil
end

-- A tensor in two groups would be updated twice, and a name twice would mix up the states.
local function check_unique(fname, groups)
  local seen, names, trainable = {}, {}, 0
  for _, group in ipairs(groups) do
    for _, parameter in ipairs(group.params) do
      local name, tensor = parameter.name, parameter.tensor
      local id = tensor:id()
      if seen[id] then
        error(("%s: '%s' and '%s' are the same tensor"):format(fname, seen[id], name), 0)
      end
      if names[name] then error(("%s: two parameters are named '%s'"):format(fname, name), 0) end
      seen[id], names[name] = name, true
      if tensor.requires_grad then trainable = trainable + 1 end
    end
  end
  if trainable == 0 then
    error(("%s: none of the parameters requires grad"):format(fname), 0)
  end
end

--- Parameters in groups, with each group's options: its own, or the defaults.
---@param fname string for messages
---@param source table|userdata see above
---@param defaults table checked options
---@param rules table for opts.check, applied to each group's own options
---@return table[] groups { params = { { name, tensor } … }, lr = , … }
function parameters.groups(fname, source, defaults, rules)
  local listed = { { params = source } }
  if source == nil then parameters.list(fname, source) end -- raises
  if is_grouped(source) then listed = source end
  local groups = {}
  for g, given in ipairs(listed) do
    if type(given) ~= "table" or given.params == nil then
      error(("%s: group %d has no 'params'"):format(fname, g), 0)
    end
    local own = {}
    for key, value in pairs(given) do
      if key ~= "params" then own[key] = value end
    end
    local without_defaults = {}
    for key, rule in pairs(rules) do
      local copy = {}
      for k, v in pairs(type(rule) == "table" and rule or { type = rule }) do copy[k] = v end
      copy.default, copy.required = nil, nil
      without_defaults[key] = copy
    end
    local group = opts.check(("%s: group %d"):format(fname, g), own, without_defaults, 0)
    for key, value in pairs(defaults) do
      if group[key] == nil then group[key] = value end
    end
    group.params = parameters.list(fname, given.params, #listed > 1 and ("g%d.p"):format(g) or "p")
    groups[g] = group
  end
  check_unique(fname, groups)
  return groups
end

return parameters
