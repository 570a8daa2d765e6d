--- Bringing a library up to date: sounds are encoded while nobody is kept waiting, and written in
--- short transactions. Several indexers share the work by claims: each takes files that no other is
--- at work on, and waits at the end for those that others still have.
local core = require "nightjar.core"
local levels = require "nightjar.library.levels"
local rows = require "nightjar.model.rows"
local scan = require "nightjar.library.scan"
local transaction = require "nightjar.library.transaction"
local files, system = core.files, core.system

local index = {}

local BATCH = 32      -- sounds in a transaction, at most
local SECONDS = 600   -- of sound in one, at most
local PATIENCE = 10   -- seconds between two, at most
local CHUNK = 8       -- files that are claimed at a time
local LEASE = 120     -- seconds that a claim holds; it is renewed with each transaction
local PAUSE = 0.1     -- seconds between two looks at what others are doing

-- ---- claims ----

local function first_line(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "l" or "?"
end

-- When a process began, in ticks since the machine's start; nil when there is none, or one that has
-- ended and that its parent has not asked for yet.
local function start_of(pid)
  local fields = {}
  for field in (first_line("/proc/" .. pid .. "/stat"):match "^%d+ .*%) (.*)$" or ""):gmatch "%S+" do
    fields[#fields + 1] = field
  end
  return fields[1] ~= "Z" and fields[1] ~= "X" and fields[20] or nil
end

local function machine() return (first_line "/etc/machine-id"):match "^%S+" or "?" end
local function boot() return first_line "/proc/sys/kernel/random/boot_id" end

-- A name for this Lua state that no other one has or had: machine, machine's start, process, its start,
-- and where the state keeps this table.
local function state()
  local pid = first_line "/proc/self/stat":match "^%d+" or "?"
  return ("%s %s %s %s %p"):format(machine(), boot(), pid, start_of(pid) or "?", index)
end

local count = 0

--- A name for who is at work: this Lua state, and a number for each library in it.
---@return string
function index.owner()
  count = count + 1
  return ("%s %d"):format(state(), count)
end

-- Whether nobody will do what an owner claimed: its process has ended, or its machine has started again
-- since. Of this Lua state nobody else is at work while this one is: what another library of it claimed,
-- which may be closed, or in a coroutine that nobody resumes, is not waited for.
local function is_idle(owner)
  local at, since, pid, start = owner:match "^(%S+) (%S+) (%d+) (%S+) %S+ %d+$"
  if not at or at ~= machine() then return false end
  if owner:match "^(.*) %d+$" == state() then return true end
  return since ~= boot() or start_of(pid) ~= start
end

local function is_held(claim, own)
  return claim and claim.owner ~= own and claim["until"] > os.time() and not is_idle(claim.owner)
end

-- ---- the work ----

local Job = {}
Job.__index = Job

-- What is done for other indexers is none of this one's.
local function is_done(self, item)
  local row, message, code = self.lib.catalogue:find(item.stored)
  if not row and code then return nil, message, code end
  if not row or row.damaged or not scan.settled(row) then return false end
  local stat = scan.stat(item.path)
  return stat ~= nil and scan.same(row, stat)
end

-- The next files for this indexer, from the queue into `ready`.
local function claim_some(self)
  local catalogue = self.lib.catalogue
  return transaction.write(catalogue, self.o, function()
    local claims, message, code = catalogue:claims()
    if not claims then return nil, message, code end
    while self.at < #self.queue and #self.ready < CHUNK do
      self.at = self.at + 1
      local item = self.queue[self.at]
      local done, why, kind = is_done(self, item)
      if done == nil then return nil, why, kind end
      if done then
        self.report.unchanged = self.report.unchanged + 1
        self.finished = self.finished + 1
      elseif is_held(claims[item.stored], self.lib.owner) then
        self.others[#self.others + 1] = item
      else
        local ok
        ok, message, code = catalogue:claim(item.stored, self.lib.owner, os.time() + LEASE)
        if not ok then return nil, message, code end
        self.ready[#self.ready + 1] = item
      end
    end
    return true
  end)
end

-- The path of the next file to be read, for Model:stream.
local function supply(self)
  while #self.ready == 0 do
    if self.at >= #self.queue or self.failure then return nil end
    local ok, message, code = claim_some(self)
    if not ok then
      self.failure = { message, code }
      return nil
    end
  end
  local item = table.remove(self.ready, 1)
  -- What the file is like before it is read: if it changes meanwhile, the next index sees that.
  item.stat = scan.stat(item.path) or item.stat
  item.content = files.digest(item.path)
  self.reading[#self.reading + 1] = item
  return item.path
end

local function record_of(self, item, clip)
  local record = scan.file_of(item, item.content)
  record.seconds, record.vector = clip.seconds, rows.row(self.lib.model, clip)
  record.segments = clip.segments
  record.times = core.tensor(clip.times)
  record.levels = levels.to_keep(self.lib.model, clip)
  return record
end

-- A sound that could not be read. Its error is kept when it lies in the bytes, and so are the errors
-- of files that the library has nothing of; but what may be gone the next time (memory, permissions,
-- a bad connection) costs no sound its vectors.
local function fail(self, item, clip)
  local failed = self.report.failed
  failed[#failed + 1] = { path = item.path, error = clip.error, code = clip.code }
  if clip.code == "ENOMEM" then return nil end
  local old = item.old
  if old and not old.error and not old.stale and not scan.lasts(clip.code) then return nil end
  local record = scan.file_of(item, item.content)
  record.error, record.code = clip.error, clip.code
  return record
end

local function keep(self, item, clip)
  local record
  if clip.error then
    record = fail(self, item, clip)
  else
    record = record_of(self, item, clip)
    local kind = item.old and "updated" or "added"
    self.report[kind] = self.report[kind] + 1
    self.report.seconds = self.report.seconds + clip.seconds
    self.seconds = self.seconds + clip.seconds
  end
  self.waiting[#self.waiting + 1] = { item = item, record = record }
end

local function is_due(self)
  return #self.waiting >= BATCH or self.seconds >= SECONDS
    or #self.waiting > 0 and system.clock() - self.flushed >= PATIENCE
end

-- Writes what was encoded.
local function flush(self)
  local catalogue = self.lib.catalogue
  self.flushed = system.clock()
  if #self.waiting == 0 then return true end
  local ok, message, code = transaction.write(catalogue, self.o, function()
    for _, done in ipairs(self.waiting) do
      local fine, why, kind = true, nil, nil
      if done.record then fine, why, kind = catalogue:put(done.record) end
      if fine then fine, why, kind = catalogue:release(self.lib.owner, done.item.stored) end
      if not fine then return nil, why, kind end
    end
    for _, list in ipairs { self.reading, self.ready } do
      for _, item in ipairs(list) do
        local fine, why, kind = catalogue:claim(item.stored, self.lib.owner, os.time() + LEASE)
        if not fine then return nil, why, kind end
      end
    end
    return true
  end)
  if ok then
    self.waiting, self.seconds = {}, 0
    self.lib.cache = nil
  end
  return ok, message, code
end

-- Every way out writes what was encoded, and gives up the claims; a failure to do so is no worse than
-- being killed.
Job.__close = function(self)
  if not self.failure then pcall(flush, self) end
  if not self.claimed then return end
  pcall(transaction.write, self.lib.catalogue, { wait = 1 }, function()
    return self.lib.catalogue:release(self.lib.owner)
  end)
end

-- The next clip of the file that has been read for longest. Out of memory is that file's failure, and
-- the others go on.
local function next_clip(self, next_of)
  local done, i, clip = pcall(next_of) -- or false and what it raised
  if done then return clip end
  local problem = tostring(i)
  if #self.reading == 0 or not problem:find("out of memory", 1, true) then error(i, 0) end
  return { error = ("%s: %s"):format(self.reading[1].path, (problem:gsub("^[^ ]*:%d+: ", ""))),
    code = "ENOMEM" }, true
end

-- Encodes until the queue is empty. true, or "again" after the stream broke, or nil, message, code.
local function encode_queue(self)
  local o = self.o
  local next_of, _, _, _ <close> = self.lib.model:stream(function()
    return supply(self)
  end, { captions = o.captions })
  while true do
    local upcoming = self.reading[1]
    if upcoming then o.progress(self.finished, self.total, upcoming.path) end
    local clip, broken = next_clip(self, next_of)
    if self.failure then return nil, table.unpack(self.failure) end
    if not clip then return true end
    if not upcoming then o.progress(self.finished, self.total, self.reading[1].path) end
    keep(self, table.remove(self.reading, 1), clip)
    self.finished = self.finished + 1
    if is_due(self) then
      local ok, message, code = flush(self)
      if not ok then
        self.failure = { message, code }
        return nil, message, code
      end
    end
    if broken then return "again" end
  end
end

-- Files of a stream that broke are read again.
local function requeue(self)
  for i = #self.ready, 1, -1 do table.insert(self.reading, self.ready[i]) end
  self.ready, self.reading = self.reading, {}
end

--- Encodes items into the catalogue.
---@param lib table
---@param items table[] of scan.plan
---@param report table `added`, `updated`, `unchanged`, `seconds`, `failed`: counted up
---@param o table `progress`, `captions`, `wait`, `waiting`
---@return true? ok, string? message, string? code
function index.encode(lib, items, report, o)
  local self <close> = setmetatable({ lib = lib, report = report, o = o, total = #items, queue = items,
    at = 0, ready = {}, reading = {}, others = {}, waiting = {}, seconds = 0, finished = 0,
    flushed = system.clock(), claimed = #items > 0 }, Job)
  local waited = system.clock()
  while true do
    local ok, message, code = encode_queue(self)
    if ok then
      if ok == "again" then requeue(self) end
      if ok ~= "again" then ok, message, code = flush(self) end
    end
    if not ok then return nil, message, code end
    if ok ~= "again" then
      if #self.others == 0 then break end
      if o.waiting then o.waiting(system.clock() - waited) end
      system.sleep(PAUSE)
      self.queue, self.at, self.others = self.others, 0, {}
    end
  end
  o.progress(self.total, self.total)
  return true
end

--- Writes what needs no encoding: what is there again, moved, missing.
---@param lib table
---@param work table of scan.plan
---@param o table `wait`, `waiting`
---@return true? ok, string? message, string? code
function index.refile(lib, work, o)
  local catalogue = lib.catalogue
  if #work.refile == 0 and #work.remove == 0 then return true end
  return transaction.write(catalogue, o, function()
    local ok, message, code = true, nil, nil
    for _, path in ipairs(work.remove) do
      ok, message, code = catalogue:remove(path)
      if ok == nil then return nil, message, code end
    end
    -- Two files may have changed names: first all get out of the way.
    for _, step in ipairs { true, false } do
      for _, change in ipairs(work.refile) do
        local file = change.file
        if step and change.from and change.from ~= file.path then
          local away = {}
          for key, value in pairs(file) do away[key] = value end
          away.path = ("/\1%d"):format(change.id)
          ok, message, code = catalogue:refile(change.id, away)
        elseif not step then
          ok, message, code = catalogue:refile(change.id, file)
        end
        if not ok then return nil, message, code end
      end
    end
    return true
  end)
end

return index
