--- A sound library: a folder of sounds indexed into one file, and searched with words.
---
---     local lib = assert(nj.library.open("sounds.njl", { model = model }))
---     lib:add("sfx/", { progress = print })
---     for rank, hit in ipairs(lib:search("a dog barks")) do print(rank, hit.score, hit.path) end
---
--- The file holds vectors, not sounds; indexing again reads only what changed. Each batch of sounds
--- is one transaction, so an interrupted run loses at most the batch it was in.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local levels = require "nightjar.library.levels"
local opts = require "nightjar.opts"
local rank = require "nightjar.library.rank"
local lfs = require "nightjar.lfs"

local Library = {}
Library.__index = Library
Library.__name = "nightjar.Library"

local library = {}

local BATCH = 32 -- sounds in a transaction

-- Plain values as text, keys in order.
local function plain(value)
  if type(value) ~= "table" then return ("%s:%s"):format(math.type(value) or type(value), value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = ("%s=%s"):format(key, plain(value[key])) end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- A short name for what makes a model's vectors: libraries made with other weights, or with
--- another front-end, hold other vectors.
local function fingerprint(model)
  local d, names = model:descriptor(), {}
  local parts = { plain { d.audio, d.dim, d.projection, d.hci or false, d.ac or false } }
  local state = model:state()
  for name in pairs(state) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    parts[#parts + 1] = name
    parts[#parts + 1] = state[name]
  end
  return ("%s/%d/%s"):format(model.name, model.dim, core.digest(table.unpack(parts)))
end

-- Why a library does not go with a model. Its mark once was a sum instead of 32 digits.
local function refusal(path, known)
  if not known then
    return path .. ": does not say which model indexed it: it is damaged, or was never finished; "
      .. "index it again with rebuild (nightjar index --rebuild)"
  end
  local hash = known:match "/(%x+)$"
  local why = hash and #hash == 32 and ("indexed with another model (%s)"):format(known)
    or "indexed by an earlier version of nightjar"
  return ("%s: %s; index it again with rebuild (nightjar index --rebuild)"):format(path, why)
end

-- Whether the library is this model's. A mark that cannot be read is an error, never a reason to
-- write one; a catalogue of no sounds without a mark is one that was just made.
local function check_mark(catalogue, path, mark, o)
  local known, message, code = catalogue:meta "model"
  if not known and code then return nil, message, code end
  if known == mark and not o.rebuild then return true end
  local list
  if not known and not o.rebuild then
    list, message, code = catalogue:list()
    if not list then return nil, message, code end
  end
  if not o.rebuild and (known or #list > 0 or o.read_only) then
    return nil, refusal(path, known), "EFORMAT"
  end
  local ok
  for _, step in ipairs { { "begin" }, { "clear" }, { "meta", "model", mark }, { "commit" } } do
    if step[1] ~= "clear" or o.rebuild then
      ok, message, code = catalogue[step[1]](catalogue, step[2], step[3])
    end
    if not ok then
      catalogue:rollback()
      return nil, message, code
    end
  end
  return true
end

--- Opens a library, or makes it.
---@param path string
---@param options table `model` (required); `create` (true): make the file when it is missing;
---  `rebuild` (false): empty the library first, whoever made it; `read_only` (false): never write
---  to the file, nor make one. Without `rebuild` nothing is ever cleared: a library of another
---  model, or one whose mark is missing, is refused
---@return table|nil library
---@return string? message
---@return string? code
function library.open(path, options)
  opts.arg("library.open", 1, "path", path, "string")
  local o = opts.check("library.open", options, {
    model = { type = "nightjar.Model", required = true },
    create = { type = "boolean", default = true },
    rebuild = { type = "boolean", default = false },
    read_only = { type = "boolean", default = false },
  })
  if o.read_only and o.rebuild then
    error("library.open: options 'read_only' and 'rebuild' exclude each other", 2)
  end
  local catalogue, message, code = core.catalogue(path,
    { create = o.create and not o.read_only, read_only = o.read_only })
  if not catalogue then return nil, message, code end
  local ok
  ok, message, code = check_mark(catalogue, path, fingerprint(o.model), o)
  if not ok then
    catalogue:close()
    return nil, message, code
  end
  return setmetatable({ path = path, model = o.model, catalogue = catalogue }, Library)
end

-- One name for one place, from wherever it is named: absolute, without "." and "..".
local function absolute(path)
  local parts = {}
  for part in fs.join(lfs.currentdir(), path):gmatch "[^/]+" do
    if part == ".." then
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return "/" .. table.concat(parts, "/")
end

--- The sound files at a path: itself, or those of the folder.
local function files_of(path)
  local kind = fs.kind(path)
  if kind == "file" then return { absolute(path) } end
  if kind ~= "directory" then return nil, path .. ": no such file or folder", "ENOTFOUND" end
  local names, message, code = fs.files(path, { extensions = fs.sound_extensions })
  if not names then return nil, message, code end
  for i, name in ipairs(names) do names[i] = fs.join(absolute(path), name) end
  return names
end

--- What has to be done to bring the catalogue up to date with `files` under `root`.
local function plan(self, root, files)
  local known, there = {}, {}
  local list, message, code = self.catalogue:list()
  if not list then return nil, message, code end
  for _, sound in ipairs(list) do known[sound.path] = sound end
  local work = { encode = {}, remove = {}, unchanged = 0 }
  for _, path in ipairs(files) do
    there[path] = true
    local size, mtime = fs.stat(path)
    local old = known[path]
    if old and old.size == size and old.mtime == mtime then
      work.unchanged = work.unchanged + 1
    else
      work.encode[#work.encode + 1] = { path = path, size = size or 0, mtime = mtime or 0,
        old = old }
    end
  end
  local below = root == "/" and "/" or root .. "/"
  for path in pairs(known) do
    local inside = path == root or path:sub(1, #below) == below
    if inside and not there[path] then work.remove[#work.remove + 1] = path end
  end
  table.sort(work.remove)
  return work
end

--- Puts an encoded sound into the catalogue; a sound that cannot be read is kept with its error, so
--- that it is not tried again until it changes. One that found no memory is, the next time.
local function keep(self, item, clip, report)
  local record = { path = item.path, size = item.size, mtime = item.mtime }
  if clip.error then
    record.error = clip.error
    report.failed[#report.failed + 1] = { path = item.path, error = clip.error, code = clip.code }
    if clip.code == "ENOMEM" then return true end -- which says nothing about the file
  else
    record.seconds, record.vector, record.segments = clip.seconds, clip.vector, clip.segments
    record.times = core.tensor(clip.times)
    record.levels = levels.to_keep(self.model, clip)
    local kind = item.old and "updated" or "added"
    report[kind] = report[kind] + 1
    report.seconds = report.seconds + clip.seconds
  end
  return self.catalogue:put(record)
end

--- Runs `step(item)` for items first … last inside a transaction.
local function transact(catalogue, items, first, last, step)
  local ok, message, code = catalogue:begin()
  if not ok then return nil, message, code end
  local done, result, text, status = pcall(function()
    for i = first, last do
      local fine, why, kind = step(items[i], i)
      if not fine then return nil, why, kind end
    end
    return true
  end)
  if done and result then return catalogue:commit() end
  catalogue:rollback()
  if not done then error(result, 0) end
  return nil, text, status
end

--- Encodes sounds into the catalogue, a transaction for each batch, while those behind are read.
local function encode(self, items, report, o)
  local paths, total = {}, #items
  for i, item in ipairs(items) do paths[i] = item.path end
  local progress = o.progress or function() end
  local next_clip, _, _, _ <close> = self.model:stream(paths, { captions = o.captions })
  for first = 1, total, BATCH do
    local last = math.min(first + BATCH - 1, total)
    local ok, message, code = transact(self.catalogue, items, first, last, function(item, i)
      progress(i - 1, total, item.path)
      local _, clip = next_clip()
      return keep(self, item, clip, report)
    end)
    if not ok then return nil, message, code end
  end
  progress(total, total)
  return true
end

--- Indexes a file or the sounds of a folder. Files that are as they were are not read; files that
--- are gone from the folder are forgotten.
---@param path string
---@param options? table `progress`: function(done, total, path), called before each sound and, with
---  path nil, at the end; `captions`: function(path) that gives what a captioner says of a sound, a
---  list of strings, for a model with auxiliary captions. It is asked for sounds that are read: new
---  captions of a sound that did not change need rebuild
---@return table|nil report { added, updated, unchanged, removed, seconds, failed = { {path, error}
---  } }
---@return string? message
---@return string? code
function Library:add(path, options)
  opts.arg("library:add", 1, "path", path, "string")
  local o = opts.check("library:add", options,
    { progress = "function", captions = "function" })
  local files, message, code = files_of(path)
  if not files then return nil, message, code end
  local work
  work, message, code = plan(self, absolute(path), files)
  if not work then return nil, message, code end
  local report = { added = 0, updated = 0, unchanged = work.unchanged, removed = #work.remove,
    seconds = 0, failed = {} }
  self.vectors = nil
  local ok = true
  if #work.remove > 0 then
    ok, message, code = transact(self.catalogue, work.remove, 1, #work.remove, function(gone)
      local removed, why, kind = self.catalogue:remove(gone)
      return removed ~= nil, why, kind
    end)
  end
  if ok then ok, message, code = encode(self, work.encode, report, o) end
  if not ok then return nil, message, code end
  return report
end

--- Forgets a sound. true when it was known.
---@param path string
function Library:remove(path)
  self.vectors = nil
  return self.catalogue:remove(absolute(path))
end

--- All sounds: { {id, path, seconds, error}, … } by path.
function Library:sounds() return self.catalogue:list() end

--- Sounds as Model:similarity takes them: { {vector, path}, … }.
function Library:clips()
  local clips = {}
  for _, sound in ipairs(assert(self.catalogue:list())) do
    if not sound.error then
      local full = assert(self.catalogue:get(sound.id))
      clips[#clips + 1] = { vector = full.vector, path = full.path, label = fs.name(full.path) }
    end
  end
  return clips
end

--- The sounds that fit a text best.
---@param text string
---
--- The clip vectors find candidates. A model with finer levels (nj.head with `hci` or `ac`) compares
--- these with the text at every level: then hits are in the order of `similarity`, the levels fused,
--- `levels` has each level's, and `words` (where the model has the frame level) says which seconds
--- each word fits best, and how well.
---@param options? table `k` (5): how many; `at_least` (none): the lowest score to give;
---  `candidates` (100): how many are compared at every level
---@return table[]|nil hits { {path, score, cosine, from, to, seconds, id, similarity, levels, words =
---  { {word, from, to, score}, … } }, … }, best first; `score` is the probability that the sound is
---  what the text asks for when the model is calibrated, else the similarity. `hits.unknown` lists
---  words of the text that the model never learnt.
---@return string? message
---@return string? code
function Library:search(text, options)
  opts.arg("library:search", 1, "text", text, "string")
  local o = opts.check("library:search", options,
    { k = { type = "integer", default = 5, min = 1 }, at_least = "number",
      candidates = { type = "integer", default = 100, min = 1 } })
  local found, message, code = rank.by_text(self, text, o.k, o.candidates)
  if not found then return nil, message, code end
  local hits = {}
  for _, hit in ipairs(found) do
    if not o.at_least or hit.score >= o.at_least then hits[#hits + 1] = hit end
  end
  hits.unknown = self.model:unknown_words(text)
  return hits
end

--- The sounds most like a sound (a path). Scores are cosines: the calibration knows texts only.
---@param path string
---@param options? table `k` (5)
function Library:like(path, options)
  opts.arg("library:like", 1, "path", path, "string")
  local o = opts.check("library:like", options,
    { k = { type = "integer", default = 5, min = 1 } })
  local clip = self.model:audio({ path })[1]
  if clip.error then return nil, clip.error, clip.code end
  return rank.by_vector(self, clip.vector, o.k)
end

--- Closes the file. Further calls raise.
function Library:close() self.catalogue:close() end
Library.__close = Library.close
Library.__gc = function(self) if self.catalogue then self.catalogue:close() end end

function Library:__tostring()
  local list = self.catalogue:list() or {}
  return ("sound library %s: %d sounds"):format(self.path, #list)
end

library.Library = Library
return library
