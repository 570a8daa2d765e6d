-- Every call that SQLite makes of the system fails once: reading, writing, locking, memory. After each
-- the library, opened without faults, holds what it held before or what it was to hold.
local fault = require "njfault"
local suite = require "spec.torture.suite"

local KINDS = { "open", "delete", "access", "size", "read", "write", "full", "truncate", "sync", "lock",
  "unlock", "shm_map", "shm_lock", "allocate", "allocate_lua" }

-- Allocations are thousands: in `make test` every so many of them fails.
local MOST = suite.rounds(40, 3000)

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
    world:write("02.wav", 22, 0.12) -- another sound in its place
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

  local function judge(what, before, after, done)
    local lib <close>, message, code = world:open { create = false }
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
  local function sweep(name, before, after, options, work)
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
        local ok, why = xpcall(judge, debug.traceback, what, before, after, ran and done)
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

  it("while one searches gives the right answer or none", function()
    sweep("search", both, both, { create = false }, function(lib)
      local hits, message, code = lib:search(suite.queries[1], { k = 4 })
      if not hits then return nil, message, code end
      return assert(world:right(hits, world.texts[1], both.state, 4))
    end)
  end)

  teardown(function()
    suite.figure("faults injected: %d; %d calls were refused, all others done; nothing lost", injected,
      refused)
  end)
end)
