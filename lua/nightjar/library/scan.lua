--- What lies in a folder beside what the catalogue knows of it: what is new, changed, moved, gone.
---
--- A file is the one that was indexed when size, both times (to the nanosecond) and inode are. When
--- any of them differs its bytes decide, by their hash; and bytes that are known from a file that is
--- gone, or holds others now, are a file that was moved.
local core = require "nightjar.core"
local fs = require "nightjar.fs"
local paths = require "nightjar.library.paths"
local files = core.files

local scan = {}

-- Errors that lie in a file's bytes; all others may be gone the next time.
local LASTING = { EFORMAT = true, EUNSUPPORTED = true }

--- Whether an error will be the same as long as the file is.
---@param code string?
---@return boolean
function scan.lasts(code) return LASTING[code] == true end

--- The sound files at a path: itself, or those of the folder.
---@param path string
---@return table? found { root, files, skipped = count by extension, unreadable = { {path, error, code} } }
---@return string? message
---@return string? code
function scan.files(path)
  local stat, message, code = files.stat(path)
  if not stat then
    if code == "ENOTFOUND" then message = path .. ": no such file or folder" end
    return nil, message, code
  end
  local found = { files = {}, skipped = {}, unreadable = {} }
  if stat.kind == "file" then
    found.root, message, code = paths.of_file(path)
    if not found.root then return nil, message, code end
    found.files[1] = found.root
    return found
  end
  if stat.kind ~= "directory" then return nil, path .. ": no file and no folder", "EIO" end
  found.root, message, code = paths.real(path)
  if not found.root then return nil, message, code end
  local names
  names, message, code = fs.files(found.root, { unreadable = function(folder, why)
    found.unreadable[#found.unreadable + 1] = { path = folder, error = why, code = "EIO" }
  end })
  if not names then return nil, message, code end
  local wanted = {}
  for _, extension in ipairs(fs.sound_extensions) do wanted[extension] = true end
  for _, name in ipairs(names) do
    local extension = fs.extension(name)
    if wanted[extension] then
      found.files[#found.files + 1] = fs.join(found.root, name)
    else
      found.skipped[extension] = (found.skipped[extension] or 0) + 1
    end
  end
  return found
end

-- What names the file of an item, for the catalogue.
local function file_of(item, content)
  local s = item.stat
  return { path = item.stored, size = s.size, mtime = s.mtime, changed = s.changed,
    inode = s.inode, content = content }
end
scan.file_of = file_of

-- The clock that stamps files ticks every few milliseconds: a file that was written in the same tick
-- as it was looked at may change again and keep its times.
local TICK = 20000000

--- A file's stat; times that are too young to be trusted are 0, so that the next look is at the bytes.
---@param path string
function scan.stat(path)
  local stat, message, code = files.stat(path)
  if not stat then return nil, message, code end
  if math.abs(files.now() - math.max(stat.mtime, stat.changed)) < TICK then stat.changed = 0 end
  return stat
end

--- Whether a row is of the very file that a stat is of, unchanged.
---@param row table
---@param stat table
---@return boolean
function scan.same(row, stat)
  return row.size == stat.size and row.mtime == stat.mtime and row.inode == stat.inode
    and row.changed == stat.changed and row.changed ~= 0
end

-- Whether what is known of a file still tells what an index would find out.
local function settled(row)
  if row.stale then return false end
  return not row.error or scan.lasts(row.code)
end
scan.settled = settled

-- A file that is known: unchanged, the same bytes with other times, or changed.
local function compare(work, item, row)
  if settled(row) and scan.same(row, item.stat) then
    work.unchanged = work.unchanged + 1
    if row.missing then work.refile[#work.refile + 1] = { id = row.id,
      file = file_of(item, row.content) } end
    return
  end
  if settled(row) and row.size == item.stat.size then
    item.content = files.digest(item.path)
    -- Libraries of earlier versions have neither hashes nor parts of seconds.
    local same = row.content and row.content == item.content
      or not row.content and row.mtime // 1000000000 == item.stat.mtime // 1000000000
    if item.content and same then
      work.unchanged = work.unchanged + 1
      work.refile[#work.refile + 1] = { id = row.id, file = file_of(item, item.content) }
      return
    end
  end
  item.old = row
  work.open[#work.open + 1] = item
  work.loose[#work.loose + 1] = row
end

-- Whether a row's file is not there any more, though it was not looked for.
local function is_gone(self, row)
  local stat, _, code = files.stat(paths.absolute(self.folder, row.path))
  return not stat and code == "ENOTFOUND"
end

-- Files whose bytes are those of rows that lost theirs: these rows are given their names.
local function find_moved(self, work)
  local by_size, taken, over, rest = {}, {}, {}, {}
  for _, row in ipairs(work.loose) do
    if row.content and settled(row) then
      by_size[row.size] = by_size[row.size] or {}
      table.insert(by_size[row.size], row)
    end
  end
  for _, item in ipairs(work.open) do
    local match
    if by_size[item.stat.size] then
      item.content = item.content or files.digest(item.path)
      for _, row in ipairs(by_size[item.stat.size]) do
        if not taken[row.id] and row.content == item.content
          and (not row.elsewhere or is_gone(self, row)) then
          match = row
          break
        end
      end
    end
    if match then
      taken[match.id] = true
      if match ~= item.old then work.moved = work.moved + 1 end
      if item.old then over[#over + 1] = item.old end
      work.refile[#work.refile + 1] = { id = match.id, from = match.path,
        file = file_of(item, item.content) }
    else
      rest[#rest + 1] = item
    end
  end
  work.encode = rest
  for _, item in ipairs(rest) do
    if item.old and taken[item.old.id] then item.old = nil end -- its row went with its bytes
  end
  for _, row in ipairs(over) do -- another file was moved over theirs
    if not taken[row.id] then work.remove[#work.remove + 1] = row.path end
  end
  return taken
end

local function unreadable(found, path)
  for _, folder in ipairs(found.unreadable) do
    if paths.inside(path, folder.path) then return true end
  end
  return false
end

-- Rows by path, those of the scanned folder that were not found there, and those of other places.
local function sort_rows(self, found, list, there)
  local gone, elsewhere = {}, {}
  for _, row in ipairs(list) do
    local path = paths.absolute(self.folder, row.path)
    if not paths.inside(path, found.root) then
      row.elsewhere = true
      elsewhere[#elsewhere + 1] = row
    elseif not there[row.path] and not unreadable(found, path) then
      gone[#gone + 1] = row
    end
  end
  return gone, elsewhere
end

local function check_list(self, found, list, gone, o)
  for _, row in ipairs(list) do
    if row.damaged then
      return nil, ("%s: what it says of sound %d (%s) is damaged; nightjar verify --repair has it "
        .. "indexed again"):format(self.path, row.id, row.path), "EFORMAT"
    end
  end
  local lost = 0
  for _, row in ipairs(gone) do
    if not row.missing then lost = lost + 1 end
  end
  if #found.files == 0 and lost > 0 and not o.allow_empty then
    return nil, ("%s: there are no sounds here, but the library knows %d of this folder: is a disk "
      .. "not mounted? (allow_empty, nightjar index --allow-empty, takes them as missing)"):format(
      found.root, lost), "ENOTFOUND"
  end
  return true
end

--- What has to be done to bring the catalogue up to date.
---@param self table the library
---@param found table of scan.files
---@param o { allow_empty?: boolean }
---@return table? work { encode = items, refile = { {id, file, from} }, remove = paths, unchanged, moved,
---  missing, failed }
---@return string? message
---@return string? code
function scan.plan(self, found, o)
  local list, message, code = self.catalogue:list()
  if not list then return nil, message, code end
  local known, there = {}, {}
  for _, row in ipairs(list) do known[row.path] = row end
  for _, path in ipairs(found.files) do there[paths.stored(self.folder, path)] = true end
  local gone, elsewhere = sort_rows(self, found, list, there)
  local ok
  ok, message, code = check_list(self, found, list, gone, o)
  if not ok then return nil, message, code end
  local work = { open = {}, loose = {}, refile = {}, remove = {}, unchanged = 0, moved = 0, missing = 0,
    failed = table.move(found.unreadable, 1, #found.unreadable, 1, {}) }
  for _, path in ipairs(found.files) do
    local item = { path = path, stored = paths.stored(self.folder, path) }
    local row = known[item.stored]
    local why, kind
    item.stat, why, kind = scan.stat(path)
    if item.stat and row then
      compare(work, item, row)
    elseif item.stat then
      work.open[#work.open + 1] = item
    elseif kind == "ENOTFOUND" then -- it went while the folder was read
      if row then gone[#gone + 1] = row end
    else
      work.failed[#work.failed + 1] = { path = path, error = why, code = kind }
    end
  end
  table.move(gone, 1, #gone, #work.loose + 1, work.loose)
  table.move(elsewhere, 1, #elsewhere, #work.loose + 1, work.loose)
  local taken = find_moved(self, work)
  for _, row in ipairs(gone) do
    if not taken[row.id] and not row.missing then
      work.missing = work.missing + 1
      row.missing = true
      work.refile[#work.refile + 1] = { id = row.id, file = row }
    end
  end
  return work
end

return scan
