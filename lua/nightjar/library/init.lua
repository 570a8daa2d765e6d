--- A sound library: a folder of sounds indexed into one file, and searched with words.
---
---     local lib = assert(nj.library.open("sounds.njl", { model = model }))
---     lib:add("sfx/", { progress = print })
---     for rank, hit in ipairs(lib:search("a dog barks")) do print(rank, hit.score, hit.path) end
---
--- The file holds vectors, not sounds; indexing again reads only what changed. Sounds are encoded
--- before anything is locked and written in short transactions, so a run that is killed loses at most
--- the batch it was in, and others search meanwhile. Nothing but an explicit call forgets a sound.
local content = require "nightjar.model.content"
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local index = require "nightjar.library.index"
local mark = require "nightjar.library.mark"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local paths = require "nightjar.library.paths"
local rank = require "nightjar.library.rank"
local rows = require "nightjar.model.rows"
local scan = require "nightjar.library.scan"
local transaction = require "nightjar.library.transaction"
local upkeep = require "nightjar.library.upkeep"

local Library = {}
Library.__index = Library
Library.__name = "nightjar.Library"

local library = {}

-- The model: itself, one by its name or path, the one that the library remembers, the one that comes
-- with nightjar.
local function model_of(given, source, folder, path)
  if given ~= nil and type(given) ~= "string" then return given end
  local load = require("nightjar.model").load
  if given then return load(given) end
  local name = source and mark.load_name(source, folder)
    or require("nightjar.model.shipped").default
  local model, message, code = load(name)
  if not model and source then
    message = ("%s: it was indexed with the model %s, which cannot be loaded (%s); give the model "
      .. "(--model)"):format(path, name, message)
  end
  return model, message, code
end

-- Marks all sounds to be indexed again, with another model.
local function begin_again(self, own)
  local catalogue = self.catalogue
  return transaction.write(catalogue, self, function()
    local ok, message, code = catalogue:stale()
    if ok then ok, message, code = catalogue:meta("model", own) end
    return ok, message, code
  end)
end

-- A file that is to be made needs its model before it is there, so that nobody sees it without a mark.
local function open_catalogue(self, o)
  local notes, message, code = {}
  if o.create and not o.read_only then
    local stat, _, kind = core.files.stat(self.path)
    if not stat and kind == "ENOTFOUND" or stat and stat.kind == "file" and stat.size == 0 then
      self.model, message, code = model_of(o.model, nil, self.folder, self.path)
      if not self.model then return nil, message, code end
      notes.model, notes.source = mark.of(self.model), mark.source(self.model, self.folder)
    end
  end
  self.catalogue, message, code = core.catalogue(self.path, { create = notes.model ~= nil,
    read_only = o.read_only, wait = o.wait, notes = notes })
  if not self.catalogue then return nil, message, code end
  return true
end

local function check_model(self, o)
  local ok, message, code
  if not self.model then
    local source
    source, message, code = self.catalogue:meta "source"
    if not source and code then return nil, message, code end
    self.model, message, code = model_of(o.model, source, self.folder, self.path)
    if not self.model then return nil, message, code end
  end
  if o.rebuild then
    self.mark = mark.of(self.model)
    ok, message, code = begin_again(self, self.mark)
  else
    self.mark, message, code = mark.check(self.catalogue, self.path, self.model)
    ok = self.mark
  end
  if not ok then return nil, message, code end
  return true
end

--- Opens a library, or makes it. Opening clears nothing: a library of another model, or one whose mark
--- is missing or damaged, is refused with an error that says what to do.
---@param path string
---@param options? table `model`: a model, or the name or path of one; without it the one that the
---  library was made with, else the one that comes with nightjar. `create` (true): make the file when
---  it is missing. `read_only` (false): never write to the file, nor make one. `rebuild` (false): all
---  sounds are to be indexed again, also with another model: add does. `wait` (30): seconds to wait
---  for others that write
---@return table|nil library
---@return string? message
---@return string? code
function library.open(path, options)
  opts.arg("library.open", 1, "path", path, "string")
  local o = opts.check("library.open", options, {
    model = "nightjar.Model|string",
    create = { type = "boolean", default = true },
    rebuild = { type = "boolean", default = false },
    read_only = { type = "boolean", default = false },
    wait = { type = "number", default = upkeep.WAIT, min = 0, max = 1e6 },
  })
  if o.read_only and o.rebuild then
    error("library.open: options 'read_only' and 'rebuild' exclude each other", 2)
  end
  if path == "" or path:find("\0", 1, true) then
    error("library.open: argument 1 (path) must name a file, got "
      .. (path == "" and "an empty string" or "a string with a NUL"), 2)
  end
  local folder, message, code = paths.real(fs.folder(path))
  if not folder then return nil, message, code end
  local self = setmetatable({ path = path, folder = folder, wait = o.wait, owner = index.owner() },
    Library)
  local ok
  ok, message, code = open_catalogue(self, o)
  if ok then ok, message, code = check_model(self, o) end
  if not ok then
    self:close()
    return nil, message, code
  end
  return self
end

--- The library file that serves a folder: .nightjar.njl there, or in one above it.
---@param folder string
---@return string? path, string? message, string? code
function library.find(folder)
  opts.arg("library.find", 1, "folder", folder, "string")
  local at, message, code = paths.real(folder)
  if not at then return nil, message, code end
  while true do
    local path = fs.join(at, library.file_name)
    if fs.kind(path) == "file" then return path end
    if at == "/" then break end
    at = fs.folder(at)
  end
  return nil, ("%s: no index here or above; make one with: nightjar index %s"):format(folder, folder),
    "ENOTFOUND"
end

--- What the library of a folder is called in it.
library.file_name = ".nightjar.njl"

-- Notes which the model is and where it lies, when that is not known, changed, or was written in
-- another way.
local function remember(self, o)
  local notes = { model = self.mark, source = mark.source(self.model, self.folder) }
  for key, value in pairs(notes) do
    local known, message, code = self.catalogue:meta(key)
    if not known and code then return nil, message, code end
    if known == value then notes[key] = nil end
  end
  if not next(notes) then return true end
  return transaction.write(self.catalogue, o, function()
    local ok, message, code
    for key, value in pairs(notes) do
      ok, message, code = self.catalogue:meta(key, value)
      if not ok then return nil, message, code end
    end
    return true
  end)
end

local function refuse_no_sounds(found)
  return #found.files == 0 and #found.unreadable > 0
end

--- Indexes a file or the sounds of a folder. Files that are as they were are not read; files that were
--- moved or renamed are known by their bytes and not encoded again; those that are gone are kept as
--- missing, with their vectors, until prune. Others may search and index at the same time: indexers
--- share the work. What was encoded stays, however the call ends; a file for which memory runs out is
--- one that failed, and is tried again the next time, as are all errors that do not lie in the bytes.
---@param path string
---@param options? table `progress`: true, or function(done, total, path), called before each sound
---  and, with path nil, at the end; `captions`: function(path) that gives what a captioner says of a sound, a
---  list of strings, for a model with auxiliary captions. It is asked for sounds that are read: new
---  captions of a sound that did not change need rebuild; `allow_empty` (false): take it that a folder
---  without any sound has lost those that it had, instead of refusing; `waiting`: function(seconds),
---  called while others are waited for
---@return table|nil report { added, updated, unchanged, moved, missing, seconds, failed = { {path,
---  error, code} }, skipped = { extension = count } }
---@return string? message
---@return string? code
function Library:add(path, options)
  opts.arg("library:add", 1, "path", path, "string")
  local o = opts.check("library:add", options, {
    progress = progress.rule, captions = "function",
    allow_empty = { type = "boolean", default = false }, waiting = "function",
  })
  o.wait, o.progress = self.wait, progress.report(o.progress, { label = "indexing" })
  local found, message, code = scan.files(path)
  if not found then return nil, message, code end
  local work
  work, message, code = scan.plan(self, found, o)
  if not work then return nil, message, code end
  if refuse_no_sounds(found) then
    return nil, found.unreadable[1].error, found.unreadable[1].code
  end
  local report = { added = 0, updated = 0, unchanged = work.unchanged, moved = work.moved,
    missing = work.missing, seconds = 0, failed = work.failed, skipped = found.skipped }
  self.cache = nil -- what was read may be old
  local ok
  ok, message, code = remember(self, o)
  if ok then ok, message, code = index.refile(self, work, o) end
  if ok then ok, message, code = index.encode(self, work.encode, report, o) end
  self.cache = nil -- what was read may be old
  if not ok then return nil, message, code end
  return report
end

--- Forgets a sound. true when it was known.
---@param path string
---@return boolean? known, string? message, string? code
function Library:remove(path)
  opts.arg("library:remove", 1, "path", path, "string")
  local real, message, code = paths.of_file(path)
  if not real then return nil, message, code end
  local removed
  local ok
  ok, message, code = transaction.write(self.catalogue, self, function()
    local why, kind
    removed, why, kind = self.catalogue:remove(paths.stored(self.folder, real))
    return removed ~= nil or nil, why, kind
  end)
  self.cache = nil -- what was read may be old
  if not ok then return nil, message, code end
  return removed
end

--- Forgets the sounds whose files are missing, and are not there again.
---@param options? table `dry_run` (false): only say which
---@return string[]? paths of the sounds that are forgotten
---@return string? message
---@return string? code
function Library:prune(options)
  local o = opts.check("library:prune", options, { dry_run = { type = "boolean", default = false } })
  self.cache = nil -- what was read may be old
  return upkeep.prune(self.catalogue, self.folder, { dry_run = o.dry_run, wait = self.wait })
end

--- Checks every row of the file against its checksum.
---@param options? table `repair` (false): have sounds with damage indexed again by the next add, and
---  make the rest consistent
---@return table? report { problems = { {problem, path, id}, … }, mended = number of sounds }
---@return string? message
---@return string? code
function Library:verify(options)
  local o = opts.check("library:verify", options, { repair = { type = "boolean", default = false } })
  return upkeep.verify(self.catalogue, self.folder, o.repair)
end

--- All sounds by path: { {id, path, seconds, missing, stale, error, code}, … }; `missing`: its file
--- was not there when it was last looked for, `stale`: it waits to be indexed again.
---@return table[]? sounds, string? message, string? code
function Library:sounds()
  local list, message, code = self.catalogue:list()
  if not list then return nil, message, code end
  for _, row in ipairs(list) do row.path = paths.absolute(self.folder, row.path) end
  table.sort(list, function(a, b) return a.path < b.path end)
  return list
end

--- Sounds as Model:similarity takes them: { {vector, path, label}, … }.
---@param options? table `missing` (false): also those whose files are missing
---@return table[]? clips, string? message, string? code
function Library:clips(options)
  local o = opts.check("library:clips", options, { missing = { type = "boolean", default = false } })
  local guard <close>, why, kind = transaction.read(self.catalogue)
  if not guard then return nil, why, kind end
  local list, message, code = self:sounds()
  if not list then return nil, message, code end
  local clips = {}
  for _, sound in ipairs(list) do
    if not sound.error and not sound.stale and (o.missing or not sound.missing) then
      local full
      full, message, code = self.catalogue:get(sound.id)
      if not full then return nil, message, code end
      local clip = rows.clip(self.model, full.vector)
      clip.path, clip.label = sound.path, fs.name(sound.path)
      clips[#clips + 1] = clip
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
---  `candidates` (100): how many are compared at every level; `missing` (false): also sounds whose
---  files are missing
---@return table[]|nil hits { {path, score, cosine, from, to, seconds, id, missing, similarity, levels,
---  words = { {word, from, to, score}, … } }, … }, best first; `score` is the probability that the
---  sound is what the text asks for when the model is calibrated, else the similarity. `hits.unknown`
---  lists words of the text that the model never learnt. Where it knows no word that names a sound,
---  `hits.note` says so, and a calibrated model's scores are 0. Raises when the text has no word at all.
---@return string? message
---@return string? code
function Library:search(text, options)
  opts.arg("library:search", 1, "text", text, "string")
  local o = opts.check("library:search", options,
    { k = { type = "integer", default = 5, min = 1 }, at_least = "number",
      candidates = { type = "integer", default = 100, min = 1 },
      missing = { type = "boolean", default = false } })
  if not content.has_word(text) then
    error(("library:search: the text %q has no word to look for"):format(text), 2)
  end
  local found, message, code = rank.by_text(self, text, o)
  if not found then return nil, message, code end
  local known, unknown = self.model:known_words(text)
  local hits = { unknown = unknown }
  if #known == 0 then
    hits.note = "the model knows no word of this text that names a sound"
    if self.model.calibration then -- a probability of what is not understood would be a guess
      for _, hit in ipairs(found) do hit.score = 0 end
    end
  end
  for _, hit in ipairs(found) do
    if not o.at_least or hit.score >= o.at_least then hits[#hits + 1] = hit end
  end
  return hits
end

--- The sounds most like a sound (a path). Scores are cosines: the calibration knows texts only.
---@param path string
---@param options? table `k` (5); `missing` (false): also sounds whose files are missing
---@return table[]? hits, string? message, string? code
function Library:like(path, options)
  opts.arg("library:like", 1, "path", path, "string")
  local o = opts.check("library:like", options,
    { k = { type = "integer", default = 5, min = 1 },
      missing = { type = "boolean", default = false } })
  local clip = self.model:audio({ path })[1]
  if clip.error then return nil, clip.error, clip.code end
  return rank.by_sound(self, clip, o)
end

--- Closes the file. Further calls raise.
function Library:close()
  self.closed = true
  if self.catalogue then self.catalogue:close() end
end
Library.__close = Library.close
Library.__gc = Library.close

--- How many sounds there are, and in which state.
---@return { sounds: integer, seconds: number, failed: integer, missing: integer, stale: integer }? counts
---@return string? message, string? code
function Library:count()
  local list, message, code = self.catalogue:list()
  if not list then return nil, message, code end
  return upkeep.count(list)
end

function Library:__tostring()
  if self.closed then return ("sound library %s (closed)"):format(self.path) end
  local c, message = self:count()
  if not c then return ("sound library %s (%s)"):format(self.path, message) end
  return ("sound library %s: %s"):format(self.path, upkeep.describe(c))
end

library.Library = Library
return library
