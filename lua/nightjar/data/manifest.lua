--- A manifest: a text file of JSON lines, one sound each, with what is said of it.
---
---     {"file": "audio/door.ogg", "text": "a door slams", "set": "doors", "label": "door"}
---     {"file": "audio/rain.ogg", "captions": ["rain falls", "it rains on a roof"]}
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local json = require "dkjson"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"
local sounds = require "nightjar.data.sounds"

local function trimmed(text) return (text:gsub("%s+", " "):match "^ ?(.-) ?$") end

-- The captions of a line: `captions`, else `text`; nil and what is wrong.
local function captions_of(row)
  local given = row.captions
  if given == nil then given = row.text end
  if given == nil then given = {} end
  if type(given) == "string" then given = { given } end
  local list_like = type(given) == "table" and (next(given) == nil or #given > 0)
  if not list_like then
    return nil, ("%s must be text or a list of texts, got %s"):format(
      row.captions ~= nil and "captions" or "text",
      type(given) == "table" and "an object" or "a " .. type(given))
  end
  local list = {}
  for i, caption in ipairs(given) do
    if type(caption) ~= "string" then
      return nil, ("caption %d must be text, got a %s"):format(i, type(caption))
    end
    caption = trimmed(caption)
    if caption ~= "" then list[#list + 1] = caption end
  end
  return list
end

local WORDS = { "set", "label", "split", "license" }

-- What a line says, checked; nil and what is wrong.
local function row_of(line)
  local row, _, message = json.decode(line, 1, nil)
  if type(row) ~= "table" then
    return nil, "no JSON object" .. (message and (": " .. message) or "")
  end
  if type(row.file) ~= "string" or row.file == "" or row.file:find("\0", 1, true) then
    return nil, ("'file' must name a sound file, got %s"):format(
      row.file == nil and "none" or type(row.file) == "string" and ("%q"):format(row.file)
        or "a " .. type(row.file))
  end
  for _, word in ipairs(WORDS) do
    local kind = type(row[word])
    if kind == "number" then row[word] = tostring(row[word])
    elseif kind ~= "string" and kind ~= "nil" then
      return nil, ("'%s' must be text, got a %s"):format(word, kind)
    end
  end
  local captions, why = captions_of(row)
  if not captions then return nil, why end
  row.captions = captions
  return row
end

-- A clip that several lines name has the captions of all; they must agree on the rest.
local function merge(clip, row)
  for _, word in ipairs(WORDS) do
    local name = word == "license" and "licence" or word
    if row[word] ~= nil and clip[name] ~= nil and clip[name] ~= row[word] then
      return ("'%s' has the %s '%s' here and '%s' on line %d"):format(clip.id, word, row[word], clip[name],
        clip.line)
    end
    if clip[name] == nil then clip[name] = row[word] end
  end
  table.move(row.captions, 1, #row.captions, #clip.captions + 1, clip.captions)
end

local function parse(path, bytes, root)
  local listed, by_name, number = {}, {}, 0
  for line in (bytes:gsub("^\239\187\191", "") .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if line:find "%S" then
      local row, why = row_of(line)
      if row then
        local clip = by_name[row.file]
        if not clip then
          local file = fs.join(root, row.file)
          clip = { id = row.file, captions = {}, line = number, duration = plain.number(row.duration),
            path = fs.kind(file) == "file" and file or nil }
          by_name[row.file], listed[#listed + 1] = clip, clip
        end
        why = merge(clip, row)
      end
      if why then return nil, ("manifest: %s:%d: %s"):format(path, number, why), "EFORMAT" end
    end
  end
  return listed
end

--- Opens a manifest: JSON lines with `file` (relative to the manifest's folder, or to `root`),
--- `captions` (a list) or `text`, and, if wanted, `set`, `label`, `split`, `license`, `duration`; other
--- fields are left alone. Several lines may name one file: it has the captions of all. Files may lie
--- anywhere, for a manifest is written by who measures.
---@param path string the manifest, or a folder that holds a manifest.jsonl
---@param options? { root?: string, split?: string, set?: string, name?: string,
---  missing?: "drop"|"keep"|"error" } root: what file names are relative to; split, set: only the
---  lines that say so; missing as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset clip ids are the file names; clips know their `line` and `set`
---@return string? message
---@return string? code
local function open(path, options)
  opts.arg("manifest", 1, "path", path, "string")
  local o = opts.check("manifest", options, {
    root = "string", split = "string", set = "string", name = "string",
    missing = { type = "string", default = "drop", one_of = { "drop", "keep", "error" } },
  })
  if fs.kind(path) == "directory" then path = fs.join(path, "manifest.jsonl") end
  local bytes, message, code = fs.read(path)
  if not bytes then return nil, "manifest: " .. message, code end
  local root = o.root or fs.folder(path)
  local listed
  listed, message, code = parse(path, bytes, root)
  if not listed then return nil, message, code end
  local chosen = {}
  for _, clip in ipairs(listed) do
    local wanted = (not o.split or clip.split == o.split) and (not o.set or clip.set == o.set)
    if wanted then chosen[#chosen + 1] = clip end
  end
  if #chosen == 0 then
    return nil, ("manifest: %s: no line%s"):format(path, #listed > 0 and
      (" of %d is of the %s '%s'"):format(#listed, o.split and "split" or "set", o.split or o.set)
      or " names a sound"), "ENOTFOUND"
  end
  local clips, missing, why = sounds.sort_missing("manifest", chosen, o.missing)
  if not clips then return nil, missing, why end
  local folder = fs.name(fs.folder(path))
  return dataset.new {
    name = o.name or (fs.stem(path) == "manifest" and folder ~= "." and folder or fs.stem(path)),
    split = o.split or o.set or "all", clips = clips, missing = missing, root = root,
  }
end

return open
