--- Transactions that end on every way out: a return, an error, a coroutine that is closed.
local system = require("nightjar.core").system

local transaction = {}

local SLICE = 0.5 -- seconds of waiting between two reports of it

local Guard = { __close = function(self)
  if self.open then self.catalogue:rollback() end
end }

-- Waits for the right to write, and says so.
local function begin(catalogue, o)
  local started = system.clock()
  while true do
    local left = o.wait - (system.clock() - started)
    local ok, message, code = catalogue:begin(math.max(0, math.min(SLICE, left)))
    if ok then return true end
    local waited = system.clock() - started
    if code ~= "EBUSY" then return nil, message, code end
    if waited >= o.wait then
      return nil, (message:gsub("waited [%d.,]+ s", ("waited %d s"):format(waited // 1))), code
    end
    if o.waiting then o.waiting(waited) end
  end
end

--- Runs step() with the right to write. It returns true, or nil, message, code; nothing it wrote
--- stays unless it returns true. It must not yield, since others wait.
---@param catalogue any
---@param o { wait: number, waiting?: fun(seconds: number) }
---@param step fun(): true?, string?, string?
---@return true? ok, string? message, string? code
function transaction.write(catalogue, o, step)
  local ok, message, code = begin(catalogue, o)
  if not ok then return nil, message, code end
  local guard <close> = setmetatable({ catalogue = catalogue, open = true }, Guard)
  ok, message, code = step()
  if not ok then return nil, message, code end
  ok, message, code = catalogue:commit()
  if not ok then return nil, message, code end
  guard.open = false
  return true
end

--- A guard, to be closed, within which all reading sees one state; nil, message, code when others
--- write for too long.
---@param catalogue any
---@return table? guard, string? message, string? code
function transaction.read(catalogue)
  local ok, message, code = catalogue:snapshot()
  if not ok then return nil, message, code end
  return setmetatable({ catalogue = catalogue, open = true }, Guard)
end

return transaction
