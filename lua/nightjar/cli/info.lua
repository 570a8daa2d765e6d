--- nightjar info FILE
local core = require "nightjar.core"
local json = require "dkjson"
local families = require "nightjar.families"
local fs = require "nightjar.fs"
local library = require "nightjar.library"
local output = require "nightjar.cli.output"
local shipped = require "nightjar.model.shipped"
local upkeep = require "nightjar.library.upkeep"

local command = { summary = "Say what a model, a library or a sound file holds." }

function command.declare(parser)
  parser:argument("file", "The file, an indexed folder, or the name of a model that comes with "
    .. "nightjar."):argname "FILE"
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
    output.print(("  %s: %s"):format(keys[i], #text > 200 and text:sub(1, 200) .. " …" or text))
  end
  if #keys > NOTES_SHOWN then output.print(("  … and %d more"):format(#keys - NOTES_SHOWN)) end
end

local function show_archive(info, arguments)
  local numbers, bytes = 0, 0
  for _, entry in ipairs(info.entries) do
    numbers, bytes = numbers + size_of(entry), bytes + entry.bytes
  end
  output.print(("%s: %d tensors, %d numbers, %.1f MB"):format(info.container, #info.entries, numbers,
    bytes / 1e6))
  if info.metadata.format == "nightjar-model" then
    local d = json.decode(info.metadata.descriptor or "") or {}
    output.print(("nightjar model '%s', shared space of %d dimensions"):format(d.name or "?", d.dim or 0))
    output.print_json(d)
  elseif info.metadata.format == "nightjar-captioner" then
    local d = json.decode(info.metadata.descriptor or "") or {}
    local _, tokens = (info.metadata.vocabulary or ""):gsub("\n", "\n")
    output.print(("nightjar captioner '%s', %d tokens, hears %s"):format(d.name or "?", tokens + 1,
      d.audio and "sound files" or "frames"))
    output.print_json(d)
  else
    if info.family then
      output.print(("family: %s%s"):format(info.family.title, info.family.prefix == "" and ""
        or (", below '%s'"):format(info.family.prefix)))
    else
      print "family: none that nightjar knows"
    end
    show_metadata(info.metadata)
  end
  if not arguments.tensors then return end
  for _, entry in ipairs(info.entries) do
    output.print(("  %-5s (%s)  %s"):format(entry.dtype, table.concat(entry.shape, ", "), entry.name))
  end
end

local function show_library(what)
  local c = upkeep.count(what.sounds)
  output.print(("sound library: %s; %.0f s of sound"):format(upkeep.describe(c), c.seconds))
  output.print(("indexed with %s%s"):format(what.model, what.source and (" (%s)"):format(what.source) or ""))
  for _, sound in ipairs(what.sounds) do
    if sound.error then output.print(("  %s: %s"):format(sound.path, sound.error)) end
  end
end

-- Everything that a library says without its model: { sounds, model, source }.
local function read_library(catalogue)
  local sounds, message = catalogue:list()
  if not sounds then return nil, message end
  local what = { sounds = sounds }
  what.model, message = catalogue:meta "model"
  if not what.model then return nil, message or "it does not say which model indexed it" end
  what.source = catalogue:meta "source"
  return what
end

-- The file that is meant: of a folder its library, of a name that is no file the model.
local function file_of(name)
  local kind = fs.kind(name)
  if kind == "directory" then return fs.join(name, library.file_name) end
  return not kind and shipped.path(name) or name
end

-- SQLite's own word at the beginning of its files.
local function is_database(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil and file:read(15) == "SQLite format 3"
end

--- Tries what the file may be, in turn; gives a kind and its description.
local function recognise(path)
  local archive, message, code = core.store.info(path)
  if archive then
    archive.family = families.recognise(archive.entries)
    return "archive", archive
  end
  if code == "ENOTFOUND" or code == "EIO" then return nil, message end
  local catalogue <close>, trouble, kind = core.catalogue(path, { read_only = true })
  if catalogue then
    local what, why = read_library(catalogue)
    return what and "library", what or why
  end
  local sound, problem = core.audio.info(path)
  if sound then return "sound", sound end
  if is_database(path) or kind == "EUNSUPPORTED" then return nil, trouble end
  return nil, code == "EUNSUPPORTED" and message or problem or message
end

function command.run(arguments)
  local kind, what = recognise(file_of(arguments.file))
  if not kind then return output.fail(what) end
  if arguments.json then
    output.print_json(kind == "library" and { kind = kind, sounds = what.sounds, model = what.model,
      source = what.source }
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
    for _, key in ipairs(keys) do output.print(("  %s: %s"):format(key, tostring(what[key]))) end
  end
  return 0
end

return command
