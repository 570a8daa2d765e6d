--- What a disk may hold after a power loss, from a record of what was written (njfault.recorded).
---
--- What was written to a file before its last sync is there. Of what came later each write is there,
--- or is not, or some of its sectors of 512 bytes are; so writes also arrive in another order than they
--- were made. A file whose removal was not waited for may be back.
local power = {}

local SECTOR = 512

local function write(bytes, at, new)
  if #bytes < at then bytes = bytes .. ("\0"):rep(at - #bytes) end
  return bytes:sub(1, at) .. new .. bytes:sub(at + #new + 1)
end

local function truncate(bytes, size)
  if #bytes < size then return bytes .. ("\0"):rep(size - #bytes) end
  return bytes:sub(1, size)
end

-- Some sectors of a write.
local function tear(bytes, entry, rng)
  local at = entry.at
  local stop = at + #entry.bytes
  while at < stop do
    local next_at = math.min(stop, (at // SECTOR + 1) * SECTOR)
    if rng:integer(0, 1) == 1 then
      bytes = write(bytes, at, entry.bytes:sub(at - entry.at + 1, next_at - entry.at))
    end
    at = next_at
  end
  return bytes
end

local function apply(bytes, entry)
  if entry.op == "w" then return write(bytes or "", entry.at, entry.bytes) end
  if entry.op == "t" then return truncate(bytes or "", entry.at) end
  return nil -- deleted
end

-- What became of the writes that nobody waited for. `fate`: "all", "none", "some".
local function settle(bytes, pending, fate, rng)
  for _, entry in ipairs(pending) do
    local luck = fate == "all" and 1 or fate == "none" and 3 or rng:integer(1, 3)
    if entry.op == "d" and luck ~= 1 then return bytes end -- what came later went to another file
    if luck == 1 then
      bytes = apply(bytes, entry)
    elseif luck == 2 and entry.op == "w" then
      bytes = tear(bytes or "", entry, rng)
    end
  end
  return bytes
end

power.fates = { "all", "none", "some" }

--- Files after a loss of power behind the first `count` entries of a record.
---@param files table<string, string> bytes by path, before the first entry
---@param record table[] njfault.recorded()
---@param count integer
---@param fate string one of power.fates
---@param rng any nj.rng
---@return table<string, string> files
function power.loss(files, record, count, fate, rng)
  local there, pending = {}, {}
  for path, bytes in pairs(files) do there[path], pending[path] = bytes, {} end
  for i = 1, count do
    local entry = record[i]
    local path = entry.path
    pending[path] = pending[path] or {}
    if entry.op == "s" then
      there[path] = settle(there[path], pending[path], "all")
      pending[path] = {}
    elseif entry.op == "D" then
      there[path], pending[path] = nil, {}
    else
      table.insert(pending[path], entry)
    end
  end
  for path, list in pairs(pending) do there[path] = settle(there[path], list, fate, rng) end
  return there
end

return power
