-- Several processes at one library, and processes that are killed.
local child = require "spec.support.child"
local fault = require "njfault"
local fs = require "nightjar.fs"
local lfs = require "lfs"
local nj = require "nightjar"
local suite = require "spec.torture.suite"
local temporary = require "spec.support.temporary"

local SOUNDS = 40

describe("processes at one library", function()
  local world, folder

  setup(function()
    world = suite.world(SOUNDS)
    folder = world.folder
    assert(world.model:save(folder .. "/tiny.safetensors"))
    -- Two versions of each sound, and what each scores.
    local scores = {}
    for i = 1, SOUNDS do
      local name = ("%02d.wav"):format(i)
      for version = 1, 2 do
        world:write(name, i + 1000 * (version - 1))
        local bytes = fs.read(world.sounds .. "/" .. name)
        temporary.write(("%s/versions/%d/%s"):format(folder, version, name), bytes)
      end
      scores[i] = { name = name }
    end
    local truth = { "return {" }
    for q, query in ipairs(suite.queries) do
      truth[#truth + 1] = ("[%q] = {"):format(query)
      for _, sound in ipairs(scores) do
        local list = {}
        for bytes in pairs(world.truth[sound.name]) do
          list[#list + 1] = ("%.9g"):format(
            nj.frombytes(bytes, { shape = { world.model.dim } }):matmul(world.texts[q]):item())
        end
        truth[#truth + 1] = ("[%q] = { %s },"):format(sound.name, table.concat(list, ", "))
      end
      truth[#truth + 1] = "},"
    end
    truth[#truth + 1] = "}"
    temporary.write(folder .. "/truth.lua", table.concat(truth, "\n"))
  end)
  teardown(function() world:remove() end)

  local function worker(...) return child.command("spec/torture/worker.lua", ...) end

  local function restart()
    world:restore {}
    for _, name in ipairs { "go", "stop" } do os.remove(folder .. "/" .. name) end
    for i = 1, SOUNDS do
      local name = ("%02d.wav"):format(i)
      temporary.write(world.sounds .. "/" .. name, fs.read(folder .. "/versions/1/" .. name))
    end
    nj.system.sleep(0.05) -- times of files that were just written are not kept
  end

  -- Two writers and four readers, all at once. Gives what each of them said.
  local function round()
    local half = SOUNDS // 2
    local lines = { ("cd %s"):format(child.quoted(lfs.currentdir())) }
    local said = {}
    local function start(command, writer)
      local out = ("%s/said%d"):format(folder, #said + 1)
      said[#said + 1] = out
      lines[#lines + 1] = ("%s > %s 2>&1 &"):format(command, child.quoted(out))
      if writer then lines[#lines + 1] = ("w%d=$!"):format(writer) end
    end
    start(worker("write", folder, "1", tostring(half)), 1)
    start(worker("write", folder, tostring(half + 1), tostring(SOUNDS)), 2)
    for _ = 1, 4 do start(worker("read", folder)) end
    local here = child.quoted(folder)
    lines[#lines + 1] = ("sleep 0.2; : > %s/go; wait $w1 $w2; : > %s/stop; wait"):format(here, here)
    child.capture(("bash -c %s"):format(child.quoted(table.concat(lines, "\n"))))
    for i, out in ipairs(said) do said[i] = fs.read(out) end
    return said
  end

  it("do not disturb each other", function()
    local rounds, failures, answers = suite.rounds(3, 100), {}, 0
    for i = 1, rounds do
      restart()
      for who, text in ipairs(round()) do
        if not text:find "done\n$" then
          local role = who < 3 and "writer" or "reader"
          failures[#failures + 1] = ("round %d, %s %d: %s"):format(i, role, who, text)
        end
        answers = answers + (tonumber(text:match "answers (%d+)") or 0)
      end
      local lib <close> = assert(world:open { read_only = true })
      local state = world:state(lib)
      assert.same({ { "ok" } }, fault.query(world.path, "PRAGMA integrity_check"))
      assert(world:search(lib, state))
      for n = 1, SOUNDS do
        local name = ("%02d.wav"):format(n)
        local bytes = fs.read(world.sounds .. "/" .. name)
        temporary.write(folder .. "/now.wav", bytes)
        assert.equal(state[name], world.model:audio({ folder .. "/now.wav" })[1].vector:bytes(), name)
      end
    end
    suite.figure("processes: %d rounds of 2 writers and 4 readers, %d answers, %d failures", rounds, answers,
      #failures)
    assert(answers > 0)
    assert(#failures == 0, table.concat(failures, "\n", 1, math.min(#failures, 5)))
  end)

  -- All that a library says of its sounds, by their paths: ids are in the order in which indexers came
  -- to the files, and checksums of rows cover them.
  local function dump()
    local lines = {}
    for _, sql in ipairs {
      "SELECT key, value FROM meta ORDER BY key",
      "SELECT path, size, mtime, changed, inode, content, seconds, state, error, code, missing, levels,"
        .. " vector_sum, vector FROM sounds ORDER BY path",
      "SELECT path, times, vectors FROM segments JOIN sounds s ON sound = s.id ORDER BY path",
      "SELECT path, name, step, scales, codes, weights FROM levels JOIN sounds s ON sound = s.id"
        .. " ORDER BY path, name",
      "SELECT name, count FROM totals ORDER BY name",
    } do
      for _, values in ipairs(assert(fault.query(world.path, sql))) do
        for i, value in ipairs(values) do values[i] = ("%q"):format(value) end
        lines[#lines + 1] = table.concat(values, "|")
      end
    end
    return lines
  end

  it("may be killed at any moment", function()
    local kills = suite.rounds(8, 100)
    restart()
    local started = nj.system.clock()
    assert(child.capture(worker("index", folder)) == 0)
    local seconds = nj.system.clock() - started
    local undisturbed = dump()
    local whole
    do
      local lib <close> = assert(world:open { read_only = true })
      whole = world:state(lib)
    end
    world:restore {}
    local _, counted = child.capture(worker("calls", folder))
    local calls = {}
    for _, kind in ipairs { "write", "sync", "shm_lock", "lock", "delete", "open" } do
      local n = tonumber(counted:match("%f[%w]" .. kind .. "\t(%d+)"))
      if n > 0 then calls[#calls + 1] = { kind = kind, n = n } end
    end
    local killed, i = 0, 0
    world:restore {}
    local state = {}
    while killed < kills do
      i = i + 1
      local rng = nj.rng(99, i)
      local call = calls[(i - 1) % #calls + 1]
      if i % 4 == 1 then -- begin anew; else it goes on where the last one was killed
        world:restore {}
        state = {}
      end
      local code
      if i % 2 == 0 then
        -- From outside, at any time.
        local limit = ("timeout -s KILL %.3f env "):format(rng:uniform(0.5, 1.2) * seconds)
        code = child.capture(limit .. worker("index", folder))
      else
        code = child.capture(worker("killed", folder, call.kind, tostring(rng:integer(1, call.n))))
      end
      killed = killed + (code ~= 0 and 1 or 0)
      local lib <close>, message, problem = world:open { read_only = true }
      if lib then
        local now = world:state(lib)
        assert(suite.between(now, state, whole))
        assert(world:search(lib, now))
        state = now
        lib:close()
      else
        assert(next(state) == nil and (problem == "ENOTFOUND" or problem == "EFORMAT"), message)
      end
      if i % 4 == 0 or killed == kills then
        local status, _, err = child.capture(worker("index", folder))
        assert.equal(0, status, err)
        local now = dump()
        assert.equal(#undisturbed, #now)
        for n, line in ipairs(now) do
          assert(line == undisturbed[n], ("kill %d: not as in an undisturbed library: %s"):format(i, line))
        end
      end
    end
    suite.figure("kill -9: %d indexers killed; each library was then equal bit for bit to an undisturbed one",
      killed)
  end)

  -- What was half written is taken back by who reads next, also when it was open before.
  it("may be killed while another reads", function()
    restart()
    for i = SOUNDS // 2 + 1, SOUNDS do os.remove(("%s/%02d.wav"):format(world.sounds, i)) end
    assert(child.capture(worker("index", folder)) == 0)
    local reader <close> = assert(world:open { read_only = true })
    local state = world:state(reader)
    for i = SOUNDS // 2 + 1, SOUNDS do
      local name = ("%02d.wav"):format(i)
      temporary.write(world.sounds .. "/" .. name, fs.read(folder .. "/versions/1/" .. name))
    end
    local journals, step = 0, suite.long and 1 or 7
    local at = 3
    repeat
      local code = child.capture(worker("killed", folder, "write", tostring(at)))
      journals = journals + (fs.kind(world.path .. "-journal") and 1 or 0)
      local now = world:state(reader)
      assert(suite.between(now, state, now))
      assert(world:search(reader, now))
      state, at = now, at + step
    until code == 0
    assert(journals > 0)
  end)
end)
