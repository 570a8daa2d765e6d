-- Files read ahead, tile by tile.
local nj = require "nightjar"
local child = require "spec.support.child"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"

local RATE = 8000

describe("nj.audio.reader", function()
  local folder, fe, paths
  setup(function()
    folder = temporary.folder()
    fe = nj.audio.mel { preset = "panns8k", mels = 8 }
    paths = {}
    for i, n in ipairs { 20000, 7000, 1, 8001, 8000, 30011 } do
      paths[i] = ("%s/%d.wav"):format(folder, i)
      local rate = i % 2 == 0 and 11025 or RATE
      assert(nj.audio.write(paths[i], sound.noise_tensor(n, i, 0.3), rate))
    end
  end)
  teardown(function() temporary.remove(folder) end)

  local function reader(options)
    local o = { front_end = fe, tile = 8000, step = 6000 }
    for key, value in pairs(options or {}) do o[key] = value end
    if o.front_end == false then o.front_end = nil end
    return nj.audio.reader(o)
  end

  -- Tiles of the oldest file, and what its end said.
  local function all(r)
    local list, own = {}, {}
    while true do
      local tile, n, code = r:next()
      if not tile then return list, own, n, code end
      list[#list + 1], own[#own + 1] = tile, n
    end
  end

  -- The same by decoding the whole and cutting it.
  local function cut(path, size, step)
    local wave = assert(nj.audio.decode(path, { rate = RATE }))
    local n, list, start, k = wave.shape[1], {}, 0, 0
    while true do
      local last = math.min(n, start + size)
      list[#list + 1] = wave[{ { start + 1, last } }]
      if last == n then return list, n end
      k = k + 1
      start = math.floor(k * step + 0.5)
    end
  end

  it("gives the bits of the whole file cut into tiles, for any number of jobs", function()
    for _, step in ipairs { 6000, 8000, 4567.3 } do
      for jobs = 0, 3 do
        local r <close> = reader { jobs = jobs, step = step, ahead = 2 }
        for _, path in ipairs(paths) do r:submit(path) end
        assert.equal(#paths, r:pending())
        for i, path in ipairs(paths) do
          local tiles, own, n, code = all(r)
          local waves, samples = cut(path, 8000, step)
          assert.is_nil(code)
          assert.equal(samples, n)
          assert.equal(#waves, #tiles)
          for k, wave in ipairs(waves) do
            assert.is_true(sound.same(fe(wave), tiles[k]), ("file %d, tile %d"):format(i, k))
            assert.equal(fe:frames(wave.shape[1]), own[k])
          end
        end
        assert.equal(0, r:pending())
      end
    end
  end)

  it("gives waves without a front-end", function()
    local r <close> = reader { front_end = false, rate = RATE }
    r:submit(paths[6])
    local tiles, own, n = all(r)
    local waves, samples = cut(paths[6], 8000, 6000)
    assert.equal(samples, n)
    for k, wave in ipairs(waves) do
      assert.is_true(sound.same(wave, tiles[k]))
      assert.equal(wave.shape[1], own[k])
    end
  end)

  it("counts frames that are not of the filling", function()
    local filled = nj.audio.mel { preset = "panns8k", mels = 8, fill = "repeat", duration = 1 }
    local r <close> = reader { front_end = filled, step = 8000 }
    r:submit(paths[1])
    local tiles, own = all(r)
    assert.equal(3, #tiles)
    assert.same(tiles[1].shape, tiles[3].shape)
    local _, lengths = filled:batch { cut(paths[1], 8000, 8000)[3] }
    assert.equal(lengths(1), own[3])
    assert.is_true(own[3] < own[1])
  end)

  it("tells of a file that cannot be read in its place", function()
    local broken = temporary.write(folder .. "/broken.wav", "RIFF no sound")
    local whole = assert(io.open(paths[6], "rb")):read "a"
    local short = temporary.write(folder .. "/cut.wav", whole:sub(1, -9000))
    local r <close> = reader { jobs = 2 }
    for _, path in ipairs { broken, paths[1], folder .. "/none.wav", short, paths[2] } do
      r:submit(path)
    end
    local tiles, _, message, code = all(r)
    assert.equal(0, #tiles)
    assert.equal("EFORMAT", code)
    assert.matches("^decode: '.*broken.wav' is damaged or of an unknown kind", message)
    assert.equal(3, #all(r))
    tiles, _, message, code = all(r)
    assert.equal(0, #tiles)
    assert.equal("ENOTFOUND", code)
    assert.matches("^decode: cannot open '.*none.wav'", message)
    tiles, _, message, code = all(r)
    assert.equal("EFORMAT", code)
    assert.matches("^decode: '.*cut.wav' is cut", message)
    assert.is_true(#tiles > 0) -- its end was read last
    tiles, _, message, code = all(r)
    assert.equal(1, #tiles)
    assert.equal(5080, message)
    assert.is_nil(code)
  end)

  it("holds no more than it may", function()
    local mb = 0.01
    local r <close> = reader { jobs = 3, ahead = 100, memory_mb = mb }
    for _ = 1, 8 do
      for _, path in ipairs(paths) do r:submit(path) end
    end
    local most = 0
    for _ = 1, 8 * #paths do
      repeat
        most = math.max(most, r:bytes())
        local tile = r:next()
      until not tile
    end
    assert.equal(0, r:bytes())
    local tile = fe:frames(8000) * 8 * 4
    assert.is_true(most <= mb * 1048576 + tile + 64, most)
    -- And with no room at all the oldest file goes on.
    local none <close> = reader { jobs = 2, memory_mb = 0 }
    for _, path in ipairs(paths) do none:submit(path) end
    for _, path in ipairs(paths) do assert.equal(#cut(path, 8000, 6000), #(all(none))) end
  end)

  it("refuses what makes no sense", function()
    local function refuses(options, text)
      assert.error_matches(function() reader(options) end, text, nil, true)
    end
    refuses({ front_end = false }, "reader: option 'rate' is needed without a front end")
    refuses({ front_end = 5 }, "reader: option 'front_end' must be made by nj.audio.mel, got number")
    refuses({ rate = 9000 }, "reader: rate is 9000 Hz, the front-end's is 8000")
    refuses({ step = 8001 }, "reader: step must be in [1, tile = 8000] samples, got 8001")
    refuses({ step = 0.5 }, "reader: option 'step'")
    refuses({ tile = 0 }, "reader: option 'tile'")
    refuses({ jobs = 65 }, "reader: option 'jobs'")
    refuses({ ahead = 0 }, "reader: option 'ahead'")
    refuses({ max_seconds = 0 }, "reader: option 'max_seconds'")
    refuses({ job = 1 }, "reader: unknown option 'job' (did you mean 'jobs'?)")
    local r = reader()
    assert.error_matches(function() r:next() end,
      "reader: nothing is pending; submit a file first", nil, true)
    assert.has_error(function() r:submit(nil) end)
    r:close()
    r:close()
    assert.has_error(function() r:submit(paths[1]) end)
    local brief <close> = reader { max_seconds = 2 }
    brief:submit(paths[6])
    local _, _, message, code = all(brief)
    assert.equal("EUNSUPPORTED", code)
    assert.matches("is longer than 2 seconds", message)
  end)

  it("can be closed, or forgotten, at any moment", function()
    collectgarbage() collectgarbage()
    local before = nj.memory().live
    for round = 1, 40 do
      local r = reader { jobs = round % 4, ahead = 4, memory_mb = round % 3 == 0 and 0 or 1 }
      for _ = 1, 5 do
        for _, path in ipairs(paths) do r:submit(path) end
      end
      for _ = 1, round % 7 do r:next() end
      if round % 2 == 0 then r:close() end
    end
    collectgarbage() collectgarbage()
    assert.equal(before, nj.memory().live)
  end)

  describe("when memory is short", function()
    local function live()
      collectgarbage() collectgarbage()
      return nj.memory().live
    end

    -- Tiles of each file, or the code of its error; `each` runs before every call.
    local function drain(r, n, each)
      local counts = {}
      for i = 1, n do
        counts[i] = 0
        while true do
          each()
          local ok, tile, _, code = pcall(r.next, r)
          nj._fail_after(-1)
          if not ok then
            assert.matches("out of memory", tile)
          elseif tile then
            counts[i] = counts[i] + 1
          else
            counts[i] = code or counts[i]
            break
          end
        end
      end
      return counts
    end

    it("leaks nothing, and gives whole files or ENOMEM", function()
      if not nj._fail_after then return pending "needs failing allocations" end
      local expected, before = { 3, 1, 1 }, nil
      for jobs = 0, 2 do
        for fail = 0, 40, 2 do
          do
            local r <close> = reader { jobs = jobs }
            for i = 1, 3 do r:submit(paths[i]) end
            local counts = drain(r, 3, function() nj._fail_after(fail) end)
            for i, count in ipairs(counts) do
              assert.is_true(count == expected[i] or count == "ENOMEM", tostring(count))
            end
          end
          before = before or live()
          assert.equal(before, live())
        end
      end
    end)

    it("reads a file anew that its job had no memory for", function()
      if not nj._fail_after then return pending "needs failing allocations" end
      for fail = 4, 30, 2 do
        local r <close> = reader { jobs = 1 }
        r:submit(paths[2])
        r:next()
        nj._fail_after(fail) -- beyond what submit asks for
        r:submit(paths[1])
        local until_ = nj.system.clock() + 0.01
        repeat until nj.system.clock() > until_
        nj._fail_after(-1)
        assert.is_nil((r:next()))
        assert.same({ 3 }, drain(r, 1, function() end))
      end
    end)
  end)

  it("is interrupted while it waits, and goes on afterwards", function()
    local long = folder .. "/long.wav"
    assert(nj.audio.write(long, sound.noise_tensor(RATE, 1):tile(200), RATE))
    for jobs = 0, 1 do
      local output, code = child.run("-e", ([[
        local nj = require "nightjar"
        local pid = io.open("/proc/self/stat"):read "n"
        local r = nj.audio.reader { rate = 192000, jobs = %d, tile = 192000 * 200 }
        r:submit(%q)
        os.execute("(sleep 0.2; kill -INT " .. pid .. ") > /dev/null 2>&1 &")
        local ok, message
        pcall(function()
          ok, message = pcall(r.next, r)
          for _ = 1, 100 do end -- the hook may strike here as well
        end)
        assert(not ok and tostring(message):find "interrupted", message)
        local wave = assert(r:next())
        print(wave.shape[1], r:next())
      ]]):format(jobs, long))
      assert.equal(0, code, output)
      assert.matches("38400000%s+nil%s+38400000", output)
    end
  end)
end)
