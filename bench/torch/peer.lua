--- PyTorch as a contender: a Python process that waits for the name of a job on one pipe, does it
--- once, and answers on another. nil when Python or torch is not installed.
---
---     local peer = require("bench.torch.peer").start()
---     case("…", { { "nightjar", f }, peer and { "PyTorch", peer "train_step" } })
local peer = {}

local function command_works(command) return os.execute(command .. " >/dev/null 2>&1") == true end

--- The first Python that can import torch.
local function find_python()
  for _, python in ipairs { "/usr/bin/python3", "python3" } do
    if command_works(python .. " -c 'import torch'") then return python end
  end
end

---@param threads integer
---@return (fun(job: string): fun())?
function peer.start(threads)
  local python = find_python()
  if not python then return nil end
  local base = os.tmpname()
  os.remove(base)
  local question, answer = base .. ".ask", base .. ".say"
  if not command_works(("mkfifo %s %s"):format(question, answer)) then return nil end
  os.execute(("%s bench/torch/peer.py %d %s %s &"):format(python, threads, question, answer))
  local ask, say = assert(io.open(question, "w")), assert(io.open(answer, "r"))
  os.remove(question)
  os.remove(answer)
  ask:setvbuf "line"
  return function(job)
    return function()
      ask:write(job, "\n")
      assert(say:read "l" == "done", "the PyTorch process failed")
    end
  end
end

return peer
