-- Every call that SQLite makes of the system fails once: reading, writing, locking, memory. After each
-- the library, opened without faults, holds what it held before or what it was to hold.
local fault = require "njfault"
local fs = require "nightjar.fs"
local nj = require "nightjar"
local suite = require "spec.torture.suite"
local temporary = require "spec.support.temporary"

local KINDS = { "open", "delete", "access", "size", "read", "write", "full", "truncate", "sync", "lock",
  "unlock", "shm_map", "shm_lock", "allocate", "allocate_lua" }

-- Allocations are thousands: in `make test` every so many of them fails.
local MOST = suite.rounds(15, 10000)

describe("a fault of the system", function()
  local world, empty, first, both
  local injected, refused = 0, 0

  -- Files of a library, and its sounds.
  local function kept()
    local lib <close> = assert(world:open())
    local state = world:state(lib)
    lib:close()
    return { files = world:files(), state = state }
  end

  setup(function()
    world = suite.world(3)
    empty = { files = {}, state = {} }
    do
      local lib <close> = assert(world:open())
      assert(lib:add(world.sounds))
    end
    first = kept()
    world:write("04.wav", 4)
    world:write("05.wav", 5)
    world:write("02.wav", 22) -- another sound of the same length, at about the same time
    do
      local lib <close> = assert(world:open())
      assert(lib:add(world.sounds))
    end
    both = kept()
  end)
  teardown(function()
    fault.disarm()
    world:remove()
  end)

  -- Opens the library, does the work, closes it. true, or nil and a message.
  local function attempt(options, work)
    local lib <close>, message, code = world:open(options)
    if not lib then return nil, message, code end
    local ok
    ok, message, code = work(lib)
    if not ok then return nil, message, code end
    return true
  end

  local function judge(what, before, after, done, migrates)
    -- One of an earlier version is opened to be written to, which brings it up to date.
    local lib <close>, message, code = world:open(not migrates and { read_only = true } or nil)
    if not lib then
      assert(next(before.state) == nil and not done, ("%s: %s"):format(what, message))
      assert(code == "ENOTFOUND" or code == "EFORMAT", what .. ": " .. message)
      return
    end
    local state = world:state(lib)
    assert(suite.between(state, before.state, after.state))
    if done then assert(suite.same(after.state, state)) end
    assert(world:search(lib, state))
    lib:close()
    assert.same({ { "ok" } }, fault.query(world.path, "PRAGMA integrity_check"), what)
  end

  -- Lets the n-th call of each kind fail for every n, and judges what is left.
  local function sweep(name, before, after, options, work, migrates)
    world:restore(before.files)
    fault.arm()
    assert(attempt(options, work))
    local _, calls = fault.disarm()
    for _, kind in ipairs(KINDS) do
      local step = math.max(1, calls[kind] // MOST)
      for at = 1, calls[kind], step do
        world:restore(before.files)
        local what = ("%s, %s %d of %d"):format(name, kind, at, calls[kind])
        fault.arm(kind, at)
        local ran, done, message, code = pcall(attempt, options, work)
        local fired = fault.disarm()
        injected, refused = injected + fired, refused + (done and 0 or 1)
        if not ran then
          -- Only Lua itself may raise, and only for want of memory.
          assert(kind == "allocate_lua" and tostring(done):find "not enough memory",
            ("%s raised: %s"):format(what, tostring(done)))
        elseif not done then
          assert(type(message) == "string" and type(code) == "string", what .. ": no reason given")
        end
        local ok, why = xpcall(judge, debug.traceback, what, before, after, ran and done, migrates)
        assert(ok, ("%s (%s): %s"):format(what, message or "done", tostring(why)))
      end
      collectgarbage()
    end
  end

  local function add(lib) return lib:add(world.sounds) end

  it("while a new folder is indexed loses nothing", function()
    sweep("a new index", empty, both, nil, add)
  end)

  it("while a folder is indexed again loses nothing", function()
    sweep("index", first, both, nil, add)
  end)

  it("while a sound is removed loses nothing else", function()
    local without = { state = {} }
    for sound, bytes in pairs(both.state) do without.state[sound] = bytes end
    without.state["03.wav"] = nil
    sweep("remove", both, without, nil, function(lib) return lib:remove(world.sounds .. "/03.wav") end)
  end)

  it("while a library of an earlier version is brought up to date loses nothing", function()
    for version = 1, 2 do
      world:restore(both.files)
      world:earlier(version)
      local old = { files = world:files(), state = both.state }
      sweep(("version %d"):format(version), old, both, nil, add, true)
    end
  end)

  it("while what is missing is pruned loses nothing else", function()
    local name = "04.wav"
    local bytes = fs.read(world.sounds .. "/" .. name)
    os.remove(world.sounds .. "/" .. name)
    world:restore(both.files)
    do
      local lib <close> = assert(world:open())
      assert(lib:add(world.sounds))
    end
    world.missing = true
    local before, after = kept(), { state = {} }
    assert(before.state[name])
    for sound, vector in pairs(before.state) do after.state[sound] = sound ~= name and vector or nil end
    sweep("prune", before, after, nil, function(lib) return lib:prune() end)
    world.missing = false
    temporary.write(world.sounds .. "/" .. name, bytes)
  end)

  it("while a library is verified finds no damage and makes none", function()
    sweep("verify", both, both, { read_only = true }, function(lib)
      local report, message, code = lib:verify()
      if not report then return nil, message, code end
      return true
    end)
    sweep("repair", both, both, nil, function(lib)
      local report, message, code = lib:verify { repair = true }
      if not report then return nil, message, code end
      return true
    end)
  end)

  it("while one searches gives the right answer or none", function()
    sweep("search", both, both, { read_only = true }, function(lib)
      local hits, message, code = lib:search(suite.queries[1], { k = 4 })
      if not hits then return nil, message, code end
      return assert(world:right(hits, world.texts[1], both.state, 4))
    end)
  end)

  it("for want of memory of its own loses nothing", function()
    local reached = false
    for more = 0, 400 << 10, 1 << 10 do
      if more > 64 << 10 then more = more * 4 end
      world:restore(first.files)
      collectgarbage()
      nj.memory { limit = nj.memory().live + more }
      local ran, done, message, code = pcall(attempt, nil, add)
      nj.memory { limit = 0 }
      local what = ("%d bytes more"):format(more)
      assert(ran, what .. " raised: " .. tostring(done))
      assert(done or type(message) == "string" and code == "ENOMEM", what .. ": " .. tostring(message))
      -- Sounds that found no memory are told of, and are taken in the next time.
      judge(what, first, both, false)
      injected, refused, reached = injected + 1, refused + (done and 0 or 1), reached or done
    end
    assert(reached)
  end)

  teardown(function()
    suite.figure("faults injected: %d; %d calls were refused, all others done; nothing lost", injected,
      refused)
  end)
end)
