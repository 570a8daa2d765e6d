--- What became of every tensor of a checkpoint that goes into several networks.
---
---     local account = accounts.new(tensors, found)
---     account:network(encoder, "audio_encoder.")
---     account:take "temp"
---     local report = account:report(rules)
local weights = require "nightjar.encoders.checkpoint"

local Account = {}
Account.__index = Account

local accounts = {}

local function begins(text, prefix) return text:sub(1, #prefix) == prefix end

--- An account of tensors by name that families.recognise found to be of some family.
---@param tensors table<string, any>
---@param found table { family, title, prefix }
function accounts.new(tensors, found)
  return setmetatable({ tensors = tensors, found = found, why = {}, taken = {}, missing = {},
    mismatched = {} }, Account)
end

-- The tensors below a prefix by the network's names, and the names that they have in the file.
local function below(tensors, prefix, names)
  local view, source = {}, {}
  for name, tensor in pairs(tensors) do
    if begins(name, prefix) then
      local own = name:sub(#prefix + 1)
      for _, rule in ipairs(names or {}) do own = own:gsub(rule[1], rule[2]) end
      view[own], source[own] = tensor, name
    end
  end
  return view, source
end

--- Copies the tensors below a prefix into a network.
---@param net any
---@param prefix string
---@param names? string[][] patterns of their names and what turns them into the network's
function Account:network(net, prefix, names)
  local view, source = below(self.tensors, prefix, names)
  local r, left = weights.apply(net, view, ""), {}
  for _, s in ipairs(r.skipped) do left[source[s.name]] = s.why end
  for _, name in pairs(source) do
    if left[name] then
      self.why[name] = self.why[name] or left[name]
    else
      self.taken[name] = true
    end
  end
  for _, kind in ipairs { "missing", "mismatched" } do
    for _, name in ipairs(r[kind]) do table.insert(self[kind], prefix .. name) end
  end
end

--- Notes a tensor that was used as it is.
---@param name string
function Account:take(name) self.taken[name] = true end

--- Says why a tensor is left out.
---@param name string
---@param why string
function Account:explain(name, why) self.why[name] = why end

-- Why a tensor was left out; the rules of its family come before what is known of names in general.
local function reason_of(self, name, rules)
  local prefix = self.found.prefix
  if not begins(name, prefix) then
    return self.why[name] or ("not under '%s': no part of the model"):format(prefix)
  end
  local own = name:sub(#prefix + 1)
  for _, rule in ipairs(rules or {}) do
    if own:find(rule[1]) then return rule[2] end
  end
  return self.why[name] or weights.reason(own) or "the model has no tensor of that name"
end

--- The account.
---@param rules? string[][] patterns of names below the family's prefix, and why they are left out
---@return table { family, title, prefix, used = {names}, skipped = {{ name, why }}, missing,
---  mismatched }
function Account:report(rules)
  local found = self.found
  local report = { family = found.family, title = found.title, prefix = found.prefix, used = {},
    skipped = {}, missing = self.missing, mismatched = self.mismatched }
  for name in pairs(self.tensors) do
    if self.taken[name] then
      table.insert(report.used, name)
    else
      table.insert(report.skipped, { name = name, why = reason_of(self, name, rules) })
    end
  end
  table.sort(report.used)
  table.sort(report.skipped, function(a, b) return a.name < b.name end)
  return report
end

return accounts
