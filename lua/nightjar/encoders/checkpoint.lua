--- Weights of others' files into networks, with a load report of every tensor.
local core = require "nightjar.core"
local wrappers = require "nightjar.encoders.wrappers"

local checkpoint = {}

-- Why a tensor that a network has no place for is passed over; the first pattern that is found in its
-- name counts.
local reasons = {
  { "num_batches_tracked$", "a counter that only training's averages need" },
  { "spectrogram_extractor%.", "the front-end: nj.audio.mel computes it" },
  { "logmel_extractor%.", "the front-end: nj.audio.mel computes it" },
  { "mel_trans%.", "the front-end: nj.audio.mel computes it" },
  { "log_trans%.", "the front-end: nj.audio.mel computes it" },
  { "relative_position_index$", "worked out from the window's size" },
  { "attn_mask$", "worked out from the window's size" },
  { "relative_position_bias_index$", "worked out from the window's size" },
  { "position_ids$", "worked out from the text" },
  { "%.attn%.bias$", "the mask of words to come, worked out from the text" },
  { "%.attn%.masked_bias$", "the mask of words to come, worked out from the text" },
  { "^pooler%.", "a pooler, which this network was made without" },
  { "^cls%.", "made for guessing masked words; not read here" },
  { "^lm_head%.", "made for guessing masked words; not read here" },
  { "^fc1%.", "a classifier, which this network was made without" },
  { "^fc_audioset%.", "a classifier, which this network was made without" },
  { "^classifier%.", "a classifier, which this network was made without" },
  { "^head%.", "a classifier that tscam_conv takes the place of" },
  { "^head_audioset%.", "a classifier, which this network was made without" },
  { "^norm%.", "in front of a classifier, which this network was made without" },
  { "^tscam_conv%.", "a classifier, which this network was made without" },
}

--- Why a tensor is passed over, or nil when nothing is known of its name.
---@param name string below its network's prefix
---@return string?
function checkpoint.reason(name)
  for _, r in ipairs(reasons) do
    if name:find(r[1]) then return r[2] end
  end
end

local function reason_of(name, prefix)
  if name:sub(1, #prefix) ~= prefix then return ("not under '%s'"):format(prefix) end
  return checkpoint.reason(name:sub(#prefix + 1)) or "this network has no tensor of that name"
end

-- Other names for the same tensors: old BERT files, Hugging Face's ClapModel, CoNeTTE's ConvNeXt. Each
-- turns a name of ours into theirs.
local aliases = {
  { { "LayerNorm%.weight$", "LayerNorm.gamma" }, { "LayerNorm%.bias$", "LayerNorm.beta" } },
  {
    { "^bn0%.", "batch_norm." },
    { "%.norm1%.", ".layernorm_before." },
    { "%.norm2%.", ".layernorm_after." },
    { "%.attn%.relative", ".attention.self.relative" },
    { "%.attn%.proj%.", ".attention.output.dense." },
    { "%.mlp%.fc1%.", ".intermediate.dense." },
    { "%.mlp%.fc2%.", ".output.dense." },
  },
  { { "%.gamma$", ".scale_layer" } },
}

local function renamed(name, rules)
  for _, rule in ipairs(rules) do
    local theirs, n = name:gsub(rule[1], rule[2])
    if n > 0 then return theirs end
  end
end

--- The tensor that belongs under a name of ours, and the names that it was made of.
local function find(tensors, prefix, name)
  if tensors[prefix .. name] then return tensors[prefix .. name], { prefix .. name } end
  for _, rules in ipairs(aliases) do
    local theirs = renamed(name, rules)
    theirs = theirs and prefix .. theirs
    if theirs and tensors[theirs] then return tensors[theirs], { theirs } end
  end
  local block, kind = name:match "^(.*)%.attn%.qkv%.(.*)$" -- one matrix here, three there
  if not block then return nil end
  local names, parts = {}, {}
  for i, part in ipairs { "query", "key", "value" } do
    names[i] = ("%s%s.attention.self.%s.%s"):format(prefix, block, part, kind)
    parts[i] = tensors[names[i]]
    if not parts[i] then return nil end
  end
  return core.cat(parts, 1), names
end

local function count(wanted, tensors, prefix)
  local n = 0
  for _, name in ipairs(wanted) do
    if tensors[prefix .. name] then n = n + 1 end
  end
  return n
end

--- The prefix under which most of the wanted names are found; the shortest, then the first in the
--- alphabet, of equals.
local function find_prefix(wanted, tensors)
  local best, most, tried = "", count(wanted, tensors, ""), { [""] = true }
  for key in pairs(tensors) do
    for i = 1, math.min(#wanted, 8) do
      local name = wanted[i]
      local prefix = key:sub(-#name) == name and key:sub(1, -#name - 1)
      if prefix and not prefix:find "[./]$" then prefix = nil end -- a name ends where a level ends
      if prefix and not tried[prefix] then
        tried[prefix] = true
        local n = count(wanted, tensors, prefix)
        if n > most or n == most and n > 0 and (#prefix < #best or #prefix == #best
          and prefix < best) then
          best, most = prefix, n
        end
      end
    end
  end
  return best
end

local function names_of(net)
  local names = {}
  for _, list in ipairs { net:parameters(), net:buffers() } do
    for _, p in ipairs(list) do names[#names + 1] = p.name end
  end
  return names
end

--- Copies what fits from tensors (by name) into a network.
---@param net any
---@param tensors table<string, any>
---@param prefix? string of the names; found when left out
---@return table report { prefix, used = {names}, skipped = {{ name, why }}, missing = {names},
---  mismatched = {"name: expected (…), got (…)"} }
function checkpoint.apply(net, tensors, prefix)
  local wanted = names_of(net)
  tensors = wrappers.tensors(tensors)
  prefix = prefix and wrappers.name(prefix) or find_prefix(wanted, tensors)
  local own, fitting, taken = net:state(), {}, {}
  local report = { prefix = prefix, used = {}, skipped = {}, missing = {}, mismatched = {} }
  local function shape(x) return table.concat(x.shape, ", ") end
  for _, name in ipairs(wanted) do
    local x, names = find(tensors, prefix, name)
    for _, theirs in ipairs(names or {}) do taken[theirs] = true end
    if not x then
      report.missing[#report.missing + 1] = name
    elseif shape(x) ~= shape(own[name]) then
      report.mismatched[#report.mismatched + 1] = ("%s: expected (%s), got (%s)"):format(name,
        shape(own[name]), shape(x))
    else
      fitting[name] = x
      report.used[#report.used + 1] = name
    end
  end
  net:load(fitting)
  for name in pairs(tensors) do
    if not taken[name] then
      report.skipped[#report.skipped + 1] = { name = name, why = reason_of(name, prefix) }
    end
  end
  table.sort(report.skipped, function(a, b) return a.name < b.name end)
  return report
end

local function listed(kind, list)
  if #list == 0 then return nil end
  local shown = table.concat(list, "; ", 1, math.min(3, #list))
  return ("%d %s: %s%s"):format(#list, kind, shown,
    #list > 3 and (" and %d more"):format(#list - 3) or "")
end

--- What is wrong with a report, or nil.
---@return string?
function checkpoint.problem(report)
  local parts = {}
  for _, kind in ipairs { "missing", "mismatched" } do
    parts[#parts + 1] = listed(kind, report[kind])
  end
  return #parts > 0 and table.concat(parts, "; ") or nil
end

return checkpoint
