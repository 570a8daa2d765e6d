--- The k best checkpoints of a run, by a metric. The table of them is part of every checkpoint;
--- files that fell out of it are removed only after a checkpoint without them was written.
local fs = require "nightjar.fs"

---@class nightjar.train.Best
---@field kept table[] { metric, file, epoch, step }, best first
---@field retired string[] files to remove
local Best = {}
Best.__index = Best

local best = {}

--- An empty table.
---@param folder string
---@param count integer k
---@param mode "max"|"min"
---@return nightjar.train.Best
function best.new(folder, count, mode)
  local self = { folder = folder, count = count, mode = mode, kept = {}, retired = {} }
  return setmetatable(self, Best)
end

local function better(mode, a, b)
  if mode == "max" then return a > b end
  return a < b
end

--- Whether a value belongs among the k best. nan never does; a tie does not displace.
---@param metric number
---@return boolean
function Best:admits(metric)
  if metric ~= metric or self.count == 0 then return false end
  if #self.kept < self.count then return true end
  return better(self.mode, metric, self.kept[#self.kept].metric)
end

--- The name of the file for a moment of the run.
---@param epoch integer
---@param step integer
---@return string name inside the folder
function Best.file_name(_, epoch, step)
  return ("best-epoch%03d-step%06d.safetensors"):format(epoch, step)
end

--- Notes a checkpoint that was written; the worst falls out when there are too many.
---@param metric number
---@param file string name inside the folder
---@param epoch integer
---@param step integer
function Best:add(metric, file, epoch, step)
  local at = #self.kept + 1
  while at > 1 and better(self.mode, metric, self.kept[at - 1].metric) do at = at - 1 end
  table.insert(self.kept, at, { metric = metric, file = file, epoch = epoch, step = step })
  while #self.kept > self.count do
    local out = table.remove(self.kept)
    self.retired[#self.retired + 1] = out.file
  end
end

--- Removes what fell out. Only after a checkpoint that no longer lists it.
function Best:prune()
  local kept = {}
  for _, entry in ipairs(self.kept) do kept[entry.file] = true end
  for _, file in ipairs(self.retired) do
    if not kept[file] then os.remove(fs.join(self.folder, file)) end
  end
  self.retired = {}
end

--- For checkpoints.
---@return table
function Best:state_dict() return { kept = self.kept, retired = self.retired } end

--- Takes a state back, and removes what an interrupted run had no time to.
---@param saved table
function Best:load_state_dict(saved)
  self.kept, self.retired = saved.kept, saved.retired
  while #self.kept > self.count do
    local out = table.remove(self.kept)
    self.retired[#self.retired + 1] = out.file
  end
end

return best
