--- What can be done with a library file without its model: counting, checking, forgetting what is
--- gone.
local core = require "nightjar.core"
local paths = require "nightjar.library.paths"
local transaction = require "nightjar.library.transaction"

local upkeep = {}

upkeep.WAIT = 30 -- seconds for the locks of others

--- Forgets the sounds whose files are missing: Library:prune.
function upkeep.prune(catalogue, folder, o)
  local list, message, code = catalogue:list()
  if not list then return nil, message, code end
  local gone, out = {}, {}
  for _, row in ipairs(list) do
    local path = paths.absolute(folder, row.path)
    local _, _, kind = core.files.stat(path)
    if row.missing and kind == "ENOTFOUND" then
      gone[#gone + 1], out[#out + 1] = row.path, path
    end
  end
  if o.dry_run or #gone == 0 then return out end
  local ok
  ok, message, code = transaction.write(catalogue, { wait = o.wait or upkeep.WAIT }, function()
    for _, stored in ipairs(gone) do
      local removed, why, kind = catalogue:remove(stored)
      if removed == nil then return nil, why, kind end
    end
    return true
  end)
  if not ok then return nil, message, code end
  return out
end

--- Checks every row: Library:verify.
function upkeep.verify(catalogue, folder, repair)
  local problems, message, code = catalogue:verify()
  if not problems then return nil, message, code end
  for _, p in ipairs(problems) do
    if p.path then p.path = paths.absolute(folder, p.path) end
  end
  local report = { problems = problems, mended = 0 }
  if repair and #problems > 0 then
    report.mended, message, code = catalogue:repair()
    if not report.mended then return nil, message, code end
  end
  return report
end

--- How many sounds of a list are in which state: Library:count.
function upkeep.count(list)
  local c = { sounds = 0, seconds = 0, failed = 0, missing = 0, stale = 0 }
  for _, row in ipairs(list) do
    local kind = row.error and "failed" or row.stale and "stale" or row.missing and "missing"
      or "sounds"
    c[kind] = c[kind] + 1
    if kind == "sounds" then c.seconds = c.seconds + row.seconds end
  end
  return c
end

--- "3 sounds, 1 that could not be read, 2 missing"
function upkeep.describe(c)
  local parts = { ("%d sounds"):format(c.sounds) }
  for _, kind in ipairs { { "failed", "that could not be read" }, { "missing", "missing" },
    { "stale", "to be indexed again" } } do
    if c[kind[1]] > 0 then parts[#parts + 1] = ("%d %s"):format(c[kind[1]], kind[2]) end
  end
  return table.concat(parts, ", ")
end

return upkeep
