--- usage: lua5.4 tools/floors.lua [ROOT] [BUILD]
--- The floors of both languages, as docs/architecture.md draws them, against what the sources do: `#include`s
--- and `require`s between rooms, calls between rooms (symbols of the objects in BUILD), and circles of files.
--- Prints every finding; exit status 1 when there is one.
local root = (arg[1] or "."):gsub("/+$", "") .. "/"
local build = arg[2] or "build"

local findings = {}
local function finding(...) findings[#findings + 1] = (...):format(select(2, ...)) end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local list = {}
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- ---- what the page says ----

local page = "\n" .. read(root .. "docs/architecture.md")

--- The floor of each room: lines "N  room/ room.lua   what for" in the block under a heading; a line without a
--- number belongs to the floor above it.
local function floors_under(heading)
  local _, at = page:find("\n### " .. heading .. "\n", 1, true)
  local block = at and page:sub(at):match "\n```\n(.-)\n```\n"
  assert(block, "docs/architecture.md has no floors under " .. heading)
  local floors, floor = {}, nil
  for line in block:gmatch "[^\n]+" do
    floor = math.tointeger(tonumber(line:match "^%s*(%d+)%s")) or floor
    for word in line:gmatch "%S+" do
      local room = word:match "^([%w_]+)/$" or word:match "^([%w_]+)%.lua$" or word:match "^([%w_]+%.h)$"
      if room then floors[room] = floor end
    end
  end
  return floors
end

--- Circles of files that the page names and defends: "- circle: `a` `b`: why".
local allowed = {}
for list in page:gmatch "\n%- circle: ([^:\n]+):" do
  local circle = {}
  for unit in list:gmatch "`([^`]+)`" do circle[unit] = true end
  allowed[#allowed + 1] = circle
end

-- ---- what must hold ----

local function check_edge(floors, from, to, where, what)
  if from == to then return end
  for _, room in ipairs { from, to } do
    if not floors[room] then
      finding("%s: %s is on no floor of docs/architecture.md", where, room)
      floors[room] = -1 -- say it once
    end
  end
  if floors[from] < 0 or floors[to] < 0 then return end
  if floors[to] >= floors[from] then
    finding("%s: %s (floor %d) %s %s (floor %d)", where, from, floors[from], what, to, floors[to])
  end
end

--- The strongly connected components of more than one node, each sorted (Tarjan).
local function circles(graph)
  local index, low, on, stack, n, found = {}, {}, {}, {}, 0, {}
  local function visit(v)
    n = n + 1
    index[v], low[v], on[v] = n, n, true
    stack[#stack + 1] = v
    for w in pairs(graph[v] or {}) do
      if not index[w] then visit(w) end
      if on[w] then low[v] = math.min(low[v], low[w]) end
    end
    if low[v] ~= index[v] then return end
    local group = {}
    repeat
      local w = table.remove(stack)
      on[w] = nil
      group[#group + 1] = w
    until w == v
    table.sort(group)
    if #group > 1 then found[#found + 1] = group end
  end
  local names = {}
  for v in pairs(graph) do names[#names + 1] = v end
  table.sort(names)
  for _, v in ipairs(names) do if not index[v] then visit(v) end end
  return found
end

local function check_circles(graph, language)
  for _, group in ipairs(circles(graph)) do
    local known = false
    for _, circle in ipairs(allowed) do
      local all = true
      for _, unit in ipairs(group) do all = all and circle[unit] end
      known = known or all
    end
    if not known then finding("%s: a circle of files: %s", language, table.concat(group, ", ")) end
  end
end

-- ---- C ----

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

local function c_room(path) return path:match "^([^/]+)/" or path end
--- A header and its source are one; so is a module's `_internal` header, `_body`, and its `isa/` source.
local function c_unit(path)
  return (path:gsub("%.[ch]$", ""):gsub("_internal$", ""):gsub("_body$", ""):gsub("/isa/", "/"))
end

local function check_c()
  local floors, graph = floors_under "C floors", {}
  for _, path in ipairs(lines_of("cd " .. root .. "csrc/nj && find . -name '*.[ch]' | sort")) do
    path = path:sub(3)
    local unit, folder = c_unit(path), path:match "^(.*/)" or ""
    graph[unit] = graph[unit] or {}
    local n = 0
    for line in io.lines(root .. "csrc/nj/" .. path) do
      n = n + 1
      local name = line:match '^%s*#%s*include%s*"([^"]+)"'
      if name then
        local target = exists(root .. "csrc/nj/" .. folder .. name) and folder .. name or name
        check_edge(floors, c_room(path), c_room(target), ("csrc/nj/%s:%d"):format(path, n), "includes")
        if c_unit(target) ~= unit then graph[unit][c_unit(target)] = true end
      end
    end
  end
  check_circles(graph, "C")
  return floors
end

--- Calls: what an object leaves undefined and an object of another room defines.
local function check_calls(floors)
  local objects = root .. build .. "/csrc/nj"
  if not os.execute("test -d " .. objects) then return end
  local home, uses = {}, {}
  for _, line in ipairs(lines_of("find " .. objects .. " -name '*.o' | sort | xargs -r nm -A 2> /dev/null")) do
    local path, kind, symbol = line:match "/csrc/nj/(%S+%.o):[%x%s]*(%a) (nj_%S+)$"
    local source = path and path:gsub("%.[%w.]*$", ".c") -- the object of a source that went may still lie there
    if source and not exists(root .. "csrc/nj/" .. source) then kind = nil end
    local room = path and c_room(path)
    if kind == "U" then
      uses[#uses + 1] = { room = room, symbol = symbol, path = path }
    elseif kind and kind:match "[TDRB]" then
      home[symbol] = room
    end
  end
  for _, use in ipairs(uses) do
    if home[use.symbol] then
      check_edge(floors, use.room, home[use.symbol], use.path .. ", " .. use.symbol, "calls")
    end
  end
end

-- ---- Lua ----

local function module_of(path)
  return (path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function check_lua()
  local floors, graph = floors_under "Lua floors", {}
  local paths = lines_of("cd " .. root .. "lua/nightjar && find . -name '*.lua' | sort")
  for _, path in ipairs(paths) do
    path = path:sub(3)
    local own, n = module_of(path), 0
    local room = own:match "^[^.]+"
    graph[own] = graph[own] or {}
    for line in io.lines(root .. "lua/nightjar/" .. path) do
      n = n + 1
      local code = line:gsub("%-%-.*", ""):gsub('[%u_]+ = "[^"]*"', "") -- constants are names in files
      -- any string that names a module: some are required when they are first used
      for name in code:gmatch '"nightjar%.([%l%d_.]+)"' do
        name = name:gsub("%.$", "")
        local target = name:match "^[^.]+"
        if target ~= "core" then
          check_edge(floors, room, target, ("lua/nightjar/%s:%d"):format(path, n), "requires")
          if name ~= own then graph[own][name] = true end
        end
      end
    end
  end
  check_circles(graph, "Lua")
end

check_calls(check_c())
check_lua()
for _, text in ipairs(findings) do print(text) end
os.exit(#findings == 0)
