--- What a run's folder belongs to: settings and clips, written when it begins. A run goes on only with the
--- same, as its checkpoints would not fit, or would fit and mean something else.
local core = require "nightjar.core"
local entries = require "nightjar.data.entries"
local fs = require "nightjar.fs"

local settings = {}

-- Those that change what is trained. What only says where files lie, or for how long, is not among them.
local KEYS = { "vocabulary", "text", "hci", "dim", "dropout", "unfreeze", "extend", "keep", "rehearse",
  "epochs", "batch", "lr",
  "weight_decay", "seed", "max_seconds" }

local function clips_of(set)
  local list = {}
  for _, clip in ipairs(set.clips) do
    list[#list + 1] = clip.id
    for _, caption in ipairs(clip.captions) do list[#list + 1] = caption end
    list[#list + 1] = clip.group or clip.label or ""
  end
  return ("%d clips %s"):format(#set.clips, core.digest(table.concat(list, "\n")))
end

-- The weights that it begins with.
local function digest_of(model)
  local state, names, mark = model:state(), {}, ""
  for name in pairs(state) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do mark = core.digest(mark, name, state[name]) end
  return mark
end

local function text_of(o, model)
  local lines = { "begins with " .. digest_of(model) }
  for _, key in ipairs(KEYS) do lines[#lines + 1] = ("%s: %s"):format(key, entries.line(o[key])) end
  lines[#lines + 1] = "train: " .. clips_of(o.train)
  lines[#lines + 1] = "validation: " .. clips_of(o.validation)
  return table.concat(lines, "\n") .. "\n"
end

local function first_difference(a, b)
  local lines = {}
  for line in b:gmatch "[^\n]+" do lines[#lines + 1] = line end
  local i = 0
  for line in a:gmatch "[^\n]+" do
    i = i + 1
    if line ~= lines[i] then return line, lines[i] or "nothing" end
  end
  return "nothing", lines[i + 1]
end

--- Takes a folder for a run, or finds that it holds the same run, begun before.
---@param o table checked options of nj.finetune
---@param model nightjar.Model
---@return true? ok
---@return string? message
---@return string? code
function settings.claim(o, model)
  local ok, message, code = fs.make_folders(o.run)
  if not ok then return nil, "finetune: " .. message, code end
  local path, text = fs.join(o.run, "settings.txt"), text_of(o, model)
  local known = fs.read(path)
  if known == text then return true end
  if known and fs.kind(fs.join(o.run, "last.safetensors")) then
    local was, is = first_difference(known, text)
    return nil, ("finetune: %s holds another run: '%s' there, '%s' here; choose another folder or remove it")
      :format(o.run, was, is), "EARG"
  end
  ok, message, code = fs.write(path, text)
  if not ok then return nil, "finetune: " .. message, code end
  return true
end

return settings
