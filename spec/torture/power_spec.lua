-- The power goes away after any write, and of what was not waited for some arrives, torn or in another
-- order. The library then holds whole batches, as far as they came, and what was there before.
local fault = require "njfault"
local nj = require "nightjar"
local power = require "spec.torture.power"
local suite = require "spec.torture.suite"

-- Draws at each place of a record, and every how many places.
local DRAWS, MOST = suite.rounds(1, 20), suite.rounds(60, 100000)

describe("a loss of power", function()
  local world
  local losses = 0
  before_each(function() world = suite.world(3) end)
  after_each(function() world:remove() end)
  teardown(function()
    suite.figure("losses of power: %d disks with writes lost, torn and reordered; nothing lost", losses)
  end)

  local ENDINGS = { "", "-wal", "-journal" }

  local function by_path(files)
    local list = {}
    for _, ending in ipairs(ENDINGS) do list[world.path .. ending] = files[ending] end
    return list
  end

  local function by_ending(files)
    local list = {}
    for _, ending in ipairs(ENDINGS) do list[ending] = files[world.path .. ending] end
    return list
  end

  local function state_of(options)
    local lib <close> = assert(world:open(options))
    return world:state(lib)
  end

  -- Does the work once, and judges the disks that a loss of power leaves at each of its writes.
  -- `done` at the end: what the work promised to keep is there.
  local function sweep(work, then_index, earlier)
    local files = world:files()
    local before = earlier or next(files) and state_of() or {}
    files = world:files()
    fault.record()
    local returned = work() -- entries up to here were promised, when it gives that number
    local record = fault.recorded()
    local after = state_of()
    local step = math.max(1, #record // MOST)
    for count = 0, #record, step do
      if count + step > #record then count = #record end
      for _, fate in ipairs(power.fates) do
        for draw = 1, fate == "some" and DRAWS or 1 do
          local disk = power.loss(by_path(files), record, count, fate, nj.rng(count, draw))
          world:restore(by_ending(disk))
          local what = ("after %d of %d writes, %s of the rest, draw %d"):format(count, #record, fate, draw)
          losses = losses + 1
          local lib <close>, message, code = world:open(not earlier and { read_only = true } or nil)
          if lib then
            local state = world:state(lib)
            local ok, why = suite.between(state, before, after)
            assert(ok, ("%s: %s"):format(what, why))
            if count == #record and returned then
              ok, why = suite.same(after, state)
              assert(ok, ("%s: promised, but %s"):format(what, why))
            end
            ok, why = pcall(function() assert(world:search(lib, state)) end)
            assert(ok, ("%s: %s"):format(what, why))
            lib:close()
            assert.same({ { "ok" } }, fault.query(world.path, "PRAGMA integrity_check"), what)
          else
            assert(next(before) == nil and (code == "ENOTFOUND" or code == "EFORMAT") and count < #record,
              ("%s: %s"):format(what, message))
          end
          if then_index and losses % 7 == 0 then -- and goes on from there
            local again <close> = assert(world:open())
            local report, problem = again:add(world.sounds)
            assert(report, what .. ": " .. tostring(problem))
            local ok, why = suite.same(after, world:state(again))
            assert(ok, ("%s, indexed again: %s"):format(what, why))
          end
        end
      end
    end
    collectgarbage()
  end

  local function index()
    local lib <close> = assert(world:open())
    return assert(lib:add(world.sounds))
  end

  it("during a first index", function()
    for i = 4, 40 do world:write(("%02d.wav"):format(i), i) end
    sweep(index, true)
  end)

  it("while a folder is indexed again", function()
    index()
    for i = 4, 40 do world:write(("%02d.wav"):format(i), i) end
    world:write("longer.wav", 41)
    sweep(index, true)
  end)

  it("while a library of an earlier version is brought up to date", function()
    index()
    local state = state_of()
    world:earlier(2)
    sweep(index, true, state)
  end)

  it("while a sound is removed", function()
    index()
    sweep(function()
      local lib <close> = assert(world:open())
      return assert(lib:remove(world.sounds .. "/02.wav"))
    end)
  end)
end)
