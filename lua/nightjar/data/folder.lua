--- A folder of the user's own sounds, with a CSV of captions or with nothing but file names.
local csv = require "nightjar.data.csv"
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local names = require "nightjar.data.names"
local opts = require "nightjar.opts"
local sounds = require "nightjar.data.sounds"
local youtube = require "nightjar.data.youtube"

local file_columns = { "file", "file_name", "filename", "fname", "path", "audio", "name" }
local caption_columns = { "caption", "text", "captions", "description", "sentence", "raw_text" }

-- The caption of a file that has none: its name, else the nearest folder whose name says something.
local function caption_of(path)
  local caption = names.clean(fs.name(path))
  local folder = fs.folder(path)
  while caption == "" and folder ~= "." and folder ~= "/" do
    caption = names.clean(fs.name(folder))
    folder = fs.folder(folder)
  end
  return caption
end

local function choose(what, wanted, columns, candidates)
  local has = {}
  for _, name in ipairs(columns) do has[name] = true end
  if wanted then
    if has[wanted] then return wanted end
  else
    for _, name in ipairs(candidates) do
      if has[name] then return name end
    end
  end
  return nil, ("no %s column%s; there are '%s'"):format(what,
    wanted and (" '" .. wanted .. "'") or "", table.concat(columns, "', '"))
end

-- Whether a path of a CSV stays below the folder: not absolute, no "..", nothing that the operating
-- system would cut short.
local function stays_inside(path)
  if path == "" or path:find("\0", 1, true) or path:sub(1, 1) == "/" or path:find "^%a:[/\\]" then
    return false
  end
  for part in path:gmatch "[^/]+" do
    if part == ".." then return false end
  end
  return true
end

-- Whether rows name clips of videos, as AudioCaps' do.
local function names_videos(columns)
  local found = 0
  for _, name in ipairs(columns) do
    for _, wanted in ipairs(youtube.columns) do found = found + (name == wanted and 1 or 0) end
  end
  return found == #youtube.columns
end

local function columns_of(reader, o)
  local file, why = choose("file", o.file_column, reader.columns, file_columns)
  local videos = not file and not o.file_column and names_videos(reader.columns)
  if not (file or videos) then return nil, why end
  local captions = {}
  if not o.caption_column then
    local has = {}
    for _, name in ipairs(reader.columns) do has[name] = true end
    local k = 1
    while has["caption_" .. k] do
      captions[k] = "caption_" .. k
      k = k + 1
    end
  end
  if #captions == 0 then
    captions[1], why = choose("caption", o.caption_column, reader.columns, caption_columns)
    if not captions[1] then return nil, why end
  end
  for _, what in ipairs { "label", "split" } do
    local wanted = o[what .. "_column"]
    if wanted then
      local found
      found, why = choose(what, wanted, reader.columns, {})
      if not found then return nil, why end
    end
  end
  return { file = file, videos = videos, captions = captions, label = o.label_column, split = o.split_column }
end

-- The captions of a row, its label and its split; a message when it contradicts an earlier row.
local function add_row(clip, row, columns)
  for _, column in ipairs(columns.captions) do
    local caption = row[column]:gsub("%s+", " "):match "^ ?(.-) ?$"
    if caption ~= "" then clip.captions[#clip.captions + 1] = caption end
  end
  if columns.label then clip.label = row[columns.label] end
  if columns.split then
    local split = row[columns.split]
    if clip.split and clip.split ~= split then
      return ("'%s' is in the split '%s' here and in '%s' on line %d"):format(clip.id, split, clip.split,
        clip.line)
    end
    clip.split = split
  end
end

-- The file itself, or with an extension the CSV does not name.
local function locate(dir, name)
  local path = fs.join(dir, name)
  if fs.kind(path) == "file" then return path end
  for _, extension in ipairs(fs.sound_extensions) do
    if fs.kind(path .. "." .. extension) == "file" then return path .. "." .. extension end
  end
end

-- What a row names: the clip's id and its sound file, if there is one; nil and what is wrong.
local function name_of(row, columns, o, dir, index)
  if columns.videos then
    return youtube.id(row), sounds.find(index, table.unpack(youtube.names(row)))
  end
  local name = row[columns.file]
  if name == "" then return nil, "no file name" end
  if not (stays_inside(name) or (o.outside and not name:find("\0", 1, true))) then
    return nil, ("the path %q leaves the folder (option 'outside' allows it)"):format(name)
  end
  return name, locate(dir, name)
end

-- Where the files of videos lie.
local function index_of(dir, columns)
  if not columns.videos then return nil end
  local folders = { dir }
  for i, name in ipairs { "audio", "train", "val", "test" } do folders[i + 1] = fs.join(dir, name) end
  return sounds.index(folders)
end

local function from_csv(dir, o)
  local path = fs.kind(o.csv) == "file" and o.csv or fs.join(dir, o.csv)
  local reader, message, code = csv.open(path, { separator = o.separator or csv.separator(path) })
  if not reader then return nil, "folder: " .. message, code end
  local columns, why = columns_of(reader, o)
  if not columns then
    reader:close()
    return nil, ("folder: %s: %s"):format(path, why), "EFORMAT"
  end
  local listed, by_name, index = {}, {}, index_of(dir, columns)
  while true do
    local row, line, failed = reader:read()
    if not row then
      reader:close()
      if line then return nil, "folder: " .. line, failed end
      return listed
    end
    local name, found = name_of(row, columns, o, dir, index)
    local clip = name and by_name[name]
    if name and not clip then
      clip = { id = name, captions = {}, path = found, line = line }
      by_name[name] = clip
      listed[#listed + 1] = clip
    end
    why = not name and found or name and add_row(clip, row, columns)
    if why then
      reader:close()
      return nil, ("folder: %s:%d: %s"):format(path, line, why), "EFORMAT"
    end
  end
end

--- Opens a folder of sounds.
---
--- With `csv` (a path, or a name inside the folder) every row names a file, relative to the folder
--- and with or without its extension, and a caption; many rows may name one file. Rows may also name clips
--- of videos, as AudioCaps has them (youtube_id, start_time). Without `csv` every
--- sound file below the folder is a clip, and its caption is made of its name ("Dog_Bark-03.wav"
--- gives "dog bark"), or of the folder's when the name says nothing ("rain/0001.wav" gives "rain").
---@param dir string
---@param options? { csv?: string, file_column?: string, caption_column?: string,
---  label_column?: string, split_column?: string, separator?: string, split?: string, name?: string,
---  outside?: boolean, extensions?: string[], missing?: "drop"|"keep"|"error" } the columns are guessed
---  where not given (file, file_name, filename, fname, path …; caption, caption_1 … caption_n, text …);
---  split_column: what nj.data.split goes by; separator: by the header line
---  where not given; outside: the CSV may name files elsewhere; missing as in nightjar.data.audiocaps
---@return nightjar.Dataset? dataset clip ids are the paths below the folder; of a CSV, clips know their
---  `line`, the first that names them, and their `split`
---@return string? message
---@return string? code
local function open(dir, options)
  opts.arg("folder", 1, "dir", dir, "string")
  local o = opts.check("folder", options, {
    csv = "string", file_column = "string", caption_column = "string", label_column = "string",
    split_column = "string",
    separator = "string",
    split = { type = "string", default = "all" },
    name = "string",
    outside = { type = "boolean", default = false },
    extensions = { type = "table", default = fs.sound_extensions },
    missing = { type = "string", default = "drop", one_of = { "drop", "keep", "error" } },
  })
  if fs.kind(dir) ~= "directory" then
    return nil, ("folder: %s is no folder"):format(dir), "ENOTFOUND"
  end
  local listed, message, code
  if o.csv then
    listed, message, code = from_csv(dir, o)
  else
    listed, message, code = fs.files(dir, { extensions = o.extensions })
    for i, path in ipairs(listed or {}) do
      local caption = caption_of(path)
      listed[i] = {
        id = path, path = fs.join(dir, path), captions = { caption ~= "" and caption or nil },
      }
    end
  end
  if not listed then return nil, message, code end
  local clips, missing, why = sounds.sort_missing("folder", listed, o.missing)
  if not clips then return nil, missing, why end
  return dataset.new {
    name = o.name or fs.name(dir), split = o.split, clips = clips, missing = missing, root = dir,
  }
end

return open
