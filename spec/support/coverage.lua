-- busted --helper: counts the lines of lua/nightjar that run, and writes "file  reached/all  %" to
-- the file NIGHTJAR_COVERAGE names when the interpreter exits.
local reached, active = {}, {}

local function file_of(info)
  local path = info.source:match "^@(.*)"
  return path and path:match "lua/nightjar/.*%.lua$"
end

local known = setmetatable({}, { __mode = "k" }) -- function -> its file, or false

local function on_line(_, line)
  local info = debug.getinfo(2, "f")
  local file = known[info.func]
  if file == nil then
    local more = debug.getinfo(2, "SL")
    file = file_of(more) or false
    known[info.func] = file
    if file then
      local lines = active[file] or {}
      active[file] = lines
      for at in pairs(more.activelines or {}) do
        lines[at] = true
      end
      reached[file] = reached[file] or {}
    end
  end
  if file then
    reached[file][line] = true
  end
end

debug.sethook(on_line, "l")

-- Hooks belong to a coroutine.
local create, wrap = coroutine.create, coroutine.wrap
function coroutine.create(f) -- luacheck: ignore 122
  local co = create(f)
  debug.sethook(co, on_line, "l")
  return co
end
function coroutine.wrap(f) -- luacheck: ignore 122
  local inner = wrap(function(...)
    debug.sethook(on_line, "l")
    return f(...)
  end)
  return inner
end

-- Lines of functions that never ran: from the compiled prototypes, found by loading each file.
local function all_lines(file)
  local lines = active[file] or {}
  local chunk = loadfile(file)
  local dumped = chunk and debug.getinfo(chunk, "L").activelines or {}
  for at in pairs(dumped) do
    lines[at] = true
  end
  return lines
end

local function report()
  debug.sethook()
  local out = assert(io.open(assert(os.getenv "NIGHTJAR_COVERAGE"), "w"))
  local files = {}
  for file in io.popen("find lua/nightjar -name '*.lua' | sort"):lines() do
    files[#files + 1] = file
  end
  local function row(name, hit, all)
    local percent = all > 0 and 100 * hit / all or 100
    out:write(("%-44s %5d/%-5d %5.1f %%\n"):format(name, hit, all, percent))
  end
  local total_reached, total = 0, 0
  for _, file in ipairs(files) do
    local hit, all = 0, 0
    for at in pairs(all_lines(file)) do
      all = all + 1
      if reached[file] and reached[file][at] then
        hit = hit + 1
      end
    end
    total_reached, total = total_reached + hit, total + all
    row(file, hit, all)
  end
  row("all", total_reached, total)
  out:close()
end

-- busted leaves through os.exit, which closes no state: report before it.
local exit = os.exit
function os.exit(...) -- luacheck: ignore 122
  report()
  return exit(...)
end

return true
