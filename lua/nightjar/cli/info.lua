--- nightjar info FILE
local core = require "nightjar.core"
local json = require "dkjson"
local families = require "nightjar.families"
local output = require "nightjar.cli.output"

local command = { summary = "Say what a model, a library or a sound file holds." }

function command.declare(parser)
  parser:argument("file", "The file."):argname "FILE"
  parser:flag("--tensors", "List every tensor: type, shape, name.")
  parser:flag("--json", "Print JSON for machines.")
end

local function size_of(entry)
  local n = 1
  for _, size in ipairs(entry.shape) do n = n * size end
  return n
end

local NOTES_SHOWN = 40

local function show_metadata(metadata)
  local keys = {}
  for key in pairs(metadata) do keys[#keys + 1] = key end
  table.sort(keys)
  for i = 1, math.min(#keys, NOTES_SHOWN) do
    local text = tostring(metadata[keys[i]]):gsub("%c", " ")
    print(("  %s: %s"):format(keys[i], #text > 200 and text:sub(1, 200) .. " …" or text))
  end
  if #keys > NOTES_SHOWN then print(("  … and %d more"):format(#keys - NOTES_SHOWN)) end
end

local function show_archive(info, arguments)
  local numbers, bytes = 0, 0
  for _, entry in ipairs(info.entries) do
    numbers, bytes = numbers + size_of(entry), bytes + entry.bytes
  end
  print(("%s: %d tensors, %d numbers, %.1f MB"):format(info.container, #info.entries, numbers,
    bytes / 1e6))
  if info.metadata.format == "nightjar-model" then
    local d = json.decode(info.metadata.descriptor or "") or {}
    print(("nightjar model '%s', shared space of %d dimensions"):format(d.name or "?", d.dim or 0))
    print(json.encode(d, { indent = true }))
  elseif info.metadata.format == "nightjar-captioner" then
    local d = json.decode(info.metadata.descriptor or "") or {}
    local _, tokens = (info.metadata.vocabulary or ""):gsub("\n", "\n")
    print(("nightjar captioner '%s', %d tokens, hears %s"):format(d.name or "?", tokens + 1,
      d.audio and "sound files" or "frames"))
    print(json.encode(d, { indent = true }))
  else
    if info.family then
      print(("family: %s%s"):format(info.family.title, info.family.prefix == "" and ""
        or (", below '%s'"):format(info.family.prefix)))
    else
      print "family: none that nightjar knows"
    end
    show_metadata(info.metadata)
  end
  if not arguments.tensors then return end
  for _, entry in ipairs(info.entries) do
    print(("  %-5s (%s)  %s"):format(entry.dtype, table.concat(entry.shape, ", "), entry.name))
  end
end

local function show_library(catalogue)
  local list = assert(catalogue:list())
  local seconds, failed = 0, 0
  for _, sound in ipairs(list) do
    seconds = seconds + sound.seconds
    if sound.error then failed = failed + 1 end
  end
  print(("sound library: %d sounds, %.0f s, %d that could not be read"):format(#list, seconds,
    failed))
  print("indexed with " .. (catalogue:meta "model" or "no model yet"))
end

--- Tries what the file may be, in turn; gives a kind and its description.
local function recognise(path)
  local archive, message, code = core.store.info(path)
  if archive then
    archive.family = families.recognise(archive.entries)
    return "archive", archive
  end
  if code == "ENOTFOUND" or code == "EIO" then return nil, message end
  local catalogue = core.catalogue(path, { read_only = true })
  if catalogue then return "library", catalogue end
  local sound, problem = core.audio.info(path)
  if sound then return "sound", sound end
  return nil, code == "EUNSUPPORTED" and message or problem or message
end

function command.run(arguments)
  local kind, what = recognise(arguments.file)
  if not kind then return output.fail(what) end
  if arguments.json then
    output.print_json(kind == "library" and { kind = kind, sounds = what:list() }
      or { kind = kind, info = what })
  elseif kind == "archive" then
    show_archive(what, arguments)
  elseif kind == "library" then
    show_library(what)
  else
    print "sound file"
    local keys = {}
    for key in pairs(what) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do print(("  %s: %s"):format(key, tostring(what[key]))) end
  end
  return 0
end

return command
