-- Library files that were flipped, zeroed, cut or shuffled: they are refused, or they answer as if
-- nothing had happened. Never a wrong answer, never a crash.
local fault = require "njfault"
local nj = require "nightjar"
local power = require "spec.torture.power"
local suite = require "spec.torture.suite"

local ROUNDS = suite.rounds(150, 1000)
local SOUNDS = 12

for _, levels in ipairs { false, true } do
describe(levels and "a damaged library with levels" or "a damaged library", function()
  local NAME = levels and "damaged libraries with levels" or "damaged libraries"
  local world, whole, state
  setup(function()
    world = suite.world(SOUNDS, { levels = levels, seconds = 3.2 })
    local lib <close> = assert(world:open())
    assert(lib:add(world.sounds))
    state = world:state(lib)
    world:remember(lib)
    lib:close()
    whole = world:files()
  end)
  teardown(function() world:remove() end)

  local function put(bytes, at, new) return bytes:sub(1, at - 1) .. new .. bytes:sub(at + #new) end

  local PAGE = 4096

  local kinds = {
    { "a bit", function(bytes, rng)
      local at = rng:integer(1, #bytes)
      return put(bytes, at, string.char(bytes:byte(at) ~ (1 << rng:integer(0, 7))))
    end },
    { "a bit of a page's head", function(bytes, rng) -- where SQLite keeps its own numbers
      local at = rng:integer(0, #bytes // PAGE - 1) * PAGE + rng:integer(1, 60)
      return put(bytes, at, string.char(bytes:byte(at) ~ (1 << rng:integer(0, 7))))
    end },
    { "some bytes", function(bytes, rng)
      for _ = 1, rng:integer(2, 16) do
        bytes = put(bytes, rng:integer(1, #bytes), string.char(rng:integer(0, 255)))
      end
      return bytes
    end },
    { "zeros", function(bytes, rng)
      local at, n = rng:integer(1, #bytes), 1 << rng:integer(2, 12)
      return put(bytes, at, ("\0"):rep(math.min(n, #bytes - at + 1)))
    end },
    { "a page of zeros", function(bytes, rng)
      return put(bytes, rng:integer(0, #bytes // PAGE - 1) * PAGE + 1, ("\0"):rep(PAGE))
    end },
    { "a page of ones", function(bytes, rng)
      return put(bytes, rng:integer(0, #bytes // PAGE - 1) * PAGE + 1, ("\xff"):rep(PAGE))
    end },
    { "a page in the place of another", function(bytes, rng)
      local pages = #bytes // PAGE
      local from, to = rng:integer(0, pages - 1) * PAGE, rng:integer(0, pages - 1) * PAGE
      return put(bytes, to + 1, bytes:sub(from + 1, from + PAGE))
    end },
    { "a cut", function(bytes, rng) return bytes:sub(1, rng:integer(0, #bytes - 1)) end },
    { "a cut at a page", function(bytes, rng)
      return bytes:sub(1, rng:integer(0, #bytes // PAGE - 1) * PAGE)
    end },
    { "a piece taken out", function(bytes, rng)
      local at = rng:integer(1, #bytes)
      return bytes:sub(1, at - 1) .. bytes:sub(at + rng:integer(1, 600))
    end },
  }

  -- What a search of the files gives: "right", or "refused".
  local function outcome()
    local lib <close>, message, code = world:open { read_only = true }
    if not lib then
      assert(type(message) == "string" and type(code) == "string", "a refusal says why, with a code")
      return "refused"
    end
    local right = world:as_remembered(lib)
    -- Other readers must keep their feet, too.
    local list, why, kind = lib:sounds()
    assert(list or type(why) == "string" and type(kind) == "string", "sounds: no reason given")
    return right and "right" or "refused"
  end

  it("is refused or answers right", function()
    local counts, wrong = { right = 0, refused = 0 }, {}
    for round = 1, ROUNDS do
      local rng = nj.rng(2024, round)
      local kind = kinds[(round - 1) % #kinds + 1]
      local files = { [""] = kind[2](whole[""], rng) }
      world:restore(files)
      local ran, what = pcall(outcome)
      if ran then
        counts[what] = counts[what] + 1
      else
        wrong[#wrong + 1] = ("round %d, %s: %s"):format(round, kind[1], tostring(what))
      end
      assert(world:files()[""] == files[""], ("round %d, %s: reading wrote"):format(round, kind[1]))
      if round % 50 == 0 then collectgarbage() end
    end
    suite.figure(NAME .. ": %d, of which %d refused and %d answered right; %d wrong answers",
      ROUNDS, counts.refused, counts.right, #wrong)
    assert(#wrong == 0, table.concat(wrong, "\n", 1, math.min(#wrong, 20)))
    assert(counts.right > 0 and counts.refused > 0)
  end)

  it("that is indexed again is refused or made whole", function()
    local counts, wrong = { right = 0, refused = 0 }, {}
    local function again()
      local lib <close>, message, code = world:open()
      local report
      if lib then report, message, code = lib:add(world.sounds) end
      if not report then
        assert(type(message) == "string" and type(code) == "string", "a refusal says why, with a code")
        return "refused"
      end
      if not world:as_remembered(lib) then return "refused" end
      assert(suite.same(state, world:state(lib)))
      return "right"
    end
    for round = 1, ROUNDS do
      local kind = kinds[(round - 1) % #kinds + 1]
      world:restore { [""] = kind[2](whole[""], nj.rng(2025, round)) }
      local ran, what = pcall(again)
      if ran then
        counts[what] = counts[what] + 1
      else
        wrong[#wrong + 1] = ("round %d, %s: %s"):format(round, kind[1], tostring(what))
      end
      if round % 50 == 0 then collectgarbage() end
    end
    suite.figure(NAME .. " indexed again: %d, of which %d refused and %d whole; %d wrong",
      ROUNDS, counts.refused, counts.right, #wrong)
    assert(#wrong == 0, table.concat(wrong, "\n", 1, math.min(#wrong, 20)))
  end)

  -- A process was killed while it wrote: the library and the journal beside it, which takes back what was
  -- half written, may both be damaged.
  it("with a journal beside it is refused or answers right", function()
    world:restore(whole)
    world:write("13.wav", 13)
    local before, counts, wrong = world.answers, { right = 0, refused = 0 }, {}
    fault.record()
    do
      local lib <close> = assert(world:open())
      assert(lib:add(world.sounds))
    end
    local record = fault.recorded()
    local lib <close> = assert(world:open { read_only = true })
    world:remember(lib)
    lib:close()
    local after = world.answers
    -- Places where the library is half written, and the journal is there.
    local places = {}
    for i, entry in ipairs(record) do
      if entry.op == "w" and entry.path == world.path then places[#places + 1] = i end
    end
    assert(#places > 0)
    local path = world.path
    local function answers()
      local opened <close>, message, code = world:open { read_only = true }
      if not opened then
        assert(type(message) == "string" and type(code) == "string", "a refusal says why, with a code")
        return "refused"
      end
      world.answers = before
      local done, right = pcall(world.as_remembered, world, opened)
      if not done then
        world.answers = after
        right = world:as_remembered(opened)
      end
      return right and "right" or "refused"
    end
    for round = 1, ROUNDS do
      local rng = nj.rng(2026, round)
      local disk = power.loss({ [path] = whole[""] }, record, places[rng:integer(1, #places)], "all", rng)
      local files = { [""] = disk[path], ["-journal"] = disk[path .. "-journal"] }
      local kind = kinds[(round - 1) % #kinds + 1]
      local ending = round % 3 == 0 and "" or "-journal"
      if #files[ending] >= PAGE then files[ending] = kind[2](files[ending], rng) end
      world:restore(files)
      local ran, what = pcall(answers)
      if ran then
        counts[what] = counts[what] + 1
      else
        wrong[#wrong + 1] = ("round %d, %s of '%s': %s"):format(round, kind[1], ending, tostring(what))
      end
    end
    os.remove(world.sounds .. "/13.wav")
    world.answers = before
    suite.figure(NAME .. " and a journal: %d, of which %d refused and %d answered right; %d wrong "
      .. "answers", ROUNDS, counts.refused, counts.right, #wrong)
    assert(#wrong == 0, table.concat(wrong, "\n", 1, math.min(#wrong, 20)))
  end)
end)
end
