-- PyTorch as a contender, in a process of its own: `torch(threads, expression)` is a function that
-- calls, once, the function that the Python expression makes (see pytorch.py), and returns the seconds of
-- processor time; nil where Python has no torch. A call costs some 50 us for the pipe. A second function,
-- `has(module)`, says whether that Python has another module, too.
local peer = {}

local function imports(python, module)
  return os.execute(([[%s -c 'import importlib.util as u
raise SystemExit(u.find_spec("%s") is None)' > /dev/null 2>&1]]):format(python, module))
end

local function find_python()
  for _, python in ipairs { "python3", "/usr/bin/python3" } do
    if imports(python, "torch") then return python end
  end
end

local python, started = find_python(), false

local function start()
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  peer.commands = assert(io.popen(python .. " bench/peers/pytorch.py > " .. fifo, "w"))
  peer.answers = assert(io.open(fifo, "r"))
  os.remove(fifo)
  peer.made, started = 0, true
end

local function ask(...)
  peer.commands:write(table.concat({ ... }, " "), "\n")
  peer.commands:flush()
  local answer = peer.answers:read "l" or ""
  return assert(tonumber(answer:match "^ok (.*)"), "bench: the torch peer has ended")
end

local function contender(threads, expression)
  if not python then return nil end
  local name
  return function()
    if not started then start() end
    if not name then
      peer.made = peer.made + 1
      name = "case" .. peer.made
      ask("make", name, threads, expression)
    end
    return ask("run", name, "1")
  end
end

return contender, function(module) return python and imports(python, module) or false end
