local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local child = require "spec.support.child"

local folder, sources
setup(function()
  folder, sources = temporary.folder(), {}
  for i = 1, 6 do
    sources[i] = ("%s/%d.%s"):format(folder, i, i % 2 == 0 and "flac" or "wav")
    assert(nj.audio.write(sources[i], sound.noise_tensor(8000 * i, i), 16000))
  end
  sources[7] = folder .. "/missing.wav"
  sources[8] = nj.tensor(sound.sine(32000, 440, 32000))
end)
teardown(function() temporary.remove(folder) end)

local fe = nj.audio.mel { preset = "panns" }

local function renderer(options)
  local o = { sources = sources, front_end = fe }
  for k, v in pairs(options or {}) do o[k] = v end
  return nj.audio.renderer(o)
end

-- n items of random parts, by seed; sources 1 to 6 and 8.
local function scenes(n, seed)
  local rng, items = nj.rng(seed), {}
  for i = 1, n do
    local parts = {}
    for p = 1, rng:integer(1, 4) do
      local source = rng:integer(1, 7)
      parts[p] = {
        source = source == 7 and 8 or source,
        onset = rng:uniform(-0.2, 1.5),
        gain = rng:uniform(-12, 3),
        fade = rng:uniform(0, 0.1),
        from = rng:uniform(0, 0.2),
        loop = rng:integer(1, 3) == 1,
      }
    end
    items[i] = {
      length = rng:uniform(0.5, 2.5),
      parts = parts,
      noise = rng:integer(1, 2) == 1 and { colour = "pink", snr = 20, seed = i } or nil,
      limit = 0.9,
    }
  end
  return items
end

describe("nj.audio.renderer: what is rendered", function()
  local r = nj.audio.renderer {
    sources = { nj.tensor { 1, 2, 3, 4 }, nj.tensor(sound.noise(3000, 1)), nj.zeros(50) },
    rate = 1000,
  }
  local function wave(item) return r:wave(item):totable() end

  it("parts at their onsets, cut from their ranges", function()
    assert.same({ 0, 1, 2, 3, 4, 0 }, wave { length = 0.006, parts = { { source = 1,
      onset = 0.001 } } })
    assert.same({ 0, 2, 3, 0 },
      wave { length = 0.004, parts = { { source = 1, onset = 0.001, from = 0.001, to = 0.003 } } })
    assert.same({ 3, 4, 0 }, wave { length = 0.003, parts = { { source = 1, onset = -0.002 } } })
    assert.same({ 0, 1 }, wave { length = 0.002, parts = { { source = 1, onset = 0.001 } } })
    assert.same({ 0, 0 }, wave { length = 0.002, parts = { { source = 1, onset = 5 } } })
    assert.same({ 1, 3, 5, 7, 4 },
      wave { length = 0.005, parts = { { source = 1 }, { source = 1, onset = 0.001 } } })
    assert.same({ 1, 2, 0, 0 }, wave { length = 0.004, parts = { { source = 1,
      duration = 0.002 } } })
    assert.same({ 0, 0, 0 }, wave { length = 0.003 })
  end)

  it("repeated parts", function()
    assert.same({ 2, 3, 2, 3, 2 },
      wave { length = 0.005, parts = { { source = 1, from = 0.001, to = 0.003, loop = true } } })
    assert.same({ 0, 1, 2, 3, 4, 1, 0, 0 }, wave { length = 0.008,
      parts = { { source = 1, onset = 0.001, loop = true, duration = 0.005 } } })
    assert.same({ 2, 3, 4, 1 }, wave { length = 0.004, parts = { { source = 1, onset = -0.001,
      loop = true } } })
  end)

  it("gains, levels, fades, peaks and limits", function()
    near({ 10, 20, 30, 40 }, wave { length = 0.004, parts = { { source = 1, gain = 20 } } },
      { rtol = 1e-6 })
    near({ 0.5, 1, 1.5, 2 }, wave { length = 0.004, parts = { { source = 1 } },
      gain = -20 * math.log(2, 10) },
      { atol = 1e-6 })
    near({ 0.2, 0.4, 0.6, 0.8 }, wave { length = 0.004, parts = { { source = 1 } }, peak = 0.8 },
      { atol = 1e-6 })
    near({ 0.25, 0.5, 0.75, 1 }, wave { length = 0.004, parts = { { source = 1 } }, limit = 1 },
      { atol = 1e-6 })
    near({ 1, 2, 3, 4 }, wave { length = 0.004, parts = { { source = 1 } }, limit = 5 },
      { atol = 0 })
    local x, sum = wave { length = 3, parts = { { source = 2, level = -20 } } }, 0
    for _, v in ipairs(x) do sum = sum + v * v end
    assert.near(-20, 10 * math.log(sum / #x, 10), 1e-3)
    assert.same({ 0, 0 }, wave { length = 0.002, parts = { { source = 3, level = -20 } },
      peak = 1 })
    local faded = r:wave { length = 0.004, parts = { { source = 1, fade_in = 0.004 } } }:totable()
    for i = 1, 4 do assert.near(i * (0.5 - 0.5 * math.cos(math.pi * (i - 0.5) / 4)), faded[i],
      1e-6) end
    faded = wave { length = 0.004, parts = { { source = 1, fade_out = 0.002 } } }
    assert.same({ 1, 2 }, { faded[1], faded[2] })
    assert.near(4 * (0.5 - 0.5 * math.cos(math.pi * 0.25)), faded[4], 1e-6)
  end)

  it("noise of the level or ratio asked for, by seed", function()
    local function db(values)
      local sum = 0
      for _, v in ipairs(values) do sum = sum + v * v end
      return 10 * math.log(sum / #values, 10)
    end
    for _, colour in ipairs { "white", "pink", "brown" } do
      local item = { length = 2, noise = { colour = colour, level = -30, seed = 5 } }
      local x = wave(item)
      assert.near(-30, db(x), 1e-3)
      assert.same(x, wave(item))
      item.noise.seed = 6
      assert.are_not.same(x, wave(item))
      local clean = wave { length = 2, parts = { { source = 2 } } }
      local noisy = wave { length = 2, parts = { { source = 2 } }, noise = { colour = colour,
        snr = 12 } }
      for i = 1, #noisy do noisy[i] = noisy[i] - clean[i] end
      assert.near(db(clean) - 12, db(noisy), 1e-3)
    end
    assert.same({ 0, 0 }, wave { length = 0.002, noise = { snr = 3 } })
    -- Pink falls by about 3 dB an octave, brown by 6; white is flat.
    local at = nj.audio.mel { rate = 8000, n_fft = 1024, hop = 512, mels = 6, fmin = 125,
      fmax = 4000 }
    local r8 = nj.audio.renderer { sources = {}, rate = 8000 }
    for colour, slope in pairs { white = 0, pink = -3, brown = -6 } do
      local rows, low, high = at(r8:wave { length = 20, noise = { colour = colour } }):totable(), 0,
        0
      local bank = at:bank():totable()
      local function centre(m)
        local sum, total = 0, 0
        for k, w in ipairs(bank[m]) do sum, total = sum + w * (k - 1), total + w end
        return sum / total
      end
      for _, row in ipairs(rows) do low, high = low + row[1], high + row[6] end
      local octaves = math.log(centre(6) / centre(1), 2)
      assert.near(slope, (high - low) / #rows / octaves, 1)
    end
  end)
end)

describe("nj.audio.renderer: batches", function()
  it("ahead and at once agree bit for bit, for any number of jobs, cache and order", function()
    local items = {}
    for b = 1, 6 do items[b] = scenes(5, b) end
    local want, lengths = {}, {}
    local reference = renderer { cache_mb = 0 }
    for b = 1, 6 do
      want[b], lengths[b] = reference:render(items[b])
      assert.equal(3, want[b].ndim)
      for i, item in ipairs(items[b]) do
        assert.equal(fe:frames(math.floor(item.length * 32000 + 0.5)), lengths[b]:totable()[i])
        local alone = fe(reference:wave(item))
        assert.is_true(sound.same(alone, want[b]:select(1, i):narrow(1, 1, alone.shape[1])))
      end
    end
    reference:close()
    for _, o in ipairs { {}, { jobs = 3 }, { jobs = 2, ahead = 1 }, { cache_mb = 0.1 }, { jobs = 4,
      ahead = 6 } } do
      local r <close> = renderer(o)
      for b = 1, 6 do r:submit(items[b]) end
      assert.equal(6, r:pending())
      for b = 1, 6 do
        local data, count, errors = r:next()
        assert.is_nil(errors)
        assert.is_true(sound.same(want[b], data))
        assert.is_true(sound.same(lengths[b], count))
      end
      assert.is_nil((r:next()))
      assert.equal(0, r:pending())
    end
  end)

  it("waves where there is no front end, padded with zeros", function()
    local r <close> = nj.audio.renderer { sources = sources, rate = 32000 }
    r:submit { { length = 0.1, parts = { { source = 8 } } }, { length = 0.05,
      parts = { { source = 8 } } } }
    local data, lengths = r:next()
    assert.same({ 2, 3200 }, data.shape)
    assert.same({ 3200, 1600 }, lengths:totable())
    assert.is_true(sound.same(sources[8]:narrow(1, 1, 3200):contiguous(), data:select(1,
      1):contiguous()))
    assert.equal(0, data:totable()[2][1601])
  end)

  it("a file that fails spoils its own item only", function()
    local r <close> = renderer {}
    local items = scenes(3, 1)
    items[2] = { length = 1, parts = { { source = 1 }, { source = 7 } } }
    items[4] = { length = 1, parts = { { source = 1, from = 100 } } }
    local text = "decode: cannot open '" .. folder .. "/missing.wav': No such file or directory"
    for _ = 1, 2 do -- remembered the second time
      r:submit(items)
      local data, lengths, errors = r:next()
      assert.equal(text, errors[2])
      assert.equal("renderer: source 1 (" .. sources[1] .. ") ends at 0.500 s, before from = 100 s",
        errors[4])
      assert.is_nil(errors[1])
      assert.is_nil(errors[3])
      assert.equal(0, lengths:totable()[2])
      for _, row in ipairs(data:select(1, 2):totable()) do assert.equal(-100, row[1]) end
      assert.is_true(sound.same(data:select(1, 1):contiguous(), (r:render(items)):select(1,
        1):contiguous()))
    end
    local wave, message, code = r:wave(items[2])
    assert.is_nil(wave)
    assert.equal(text, message)
    assert.equal("ENOTFOUND", code)
  end)

  it("long files are read range by range, with the same samples", function()
    local path = folder .. "/long.wav"
    assert(nj.audio.write(path, sound.noise_tensor(44100 * 3, 9), 44100))
    local item = { length = 0.5, parts = { { source = 1, from = 1.25, to = 1.5, onset = 0.1 } } }
    local short <close> = nj.audio.renderer { sources = { path }, rate = 32000 }
    local long <close> = nj.audio.renderer { sources = { path }, rate = 32000, whole = 1 }
    near(short:wave(item), long:wave(item), { atol = 2e-5 })
    assert.equal(1, short:stats().decoded)
    assert.equal(0, long:stats().decoded)
  end)

  it("the cache is bounded, counted, and may hold 16 bits", function()
    local r <close> = renderer { cache_mb = 1 }
    local items = {}
    for i = 1, 6 do items[i] = { length = 0.5, parts = { { source = i } } } end
    for _ = 1, 3 do
      r:submit(items)
      assert(r:next())
      assert.is_true(r:stats().bytes <= 1024 * 1024)
    end
    assert.is_true(r:stats().decoded >= 6)
    assert.is_true(r:stats().evicted > 0)
    local big <close> = renderer {}
    for _ = 1, 3 do assert(big:render(items)) end
    assert.same({ 6, 12, 0 }, { big:stats().decoded, big:stats().hits, big:stats().evicted })
    assert.equal(4 * 16000 * (1 + 2 + 3 + 4 + 5 + 6), big:stats().bytes)
    local half <close> = renderer { cache = "int16" }
    assert(half:render(items))
    assert.equal(big:stats().bytes // 2, half:stats().bytes)
    near(big:wave(items[3]), half:wave(items[3]), { atol = 0.51 / 32767 })
  end)

  it("cut files fail, or count as far as they go", function()
    local file <close> = assert(io.open(sources[5], "rb"))
    local path = temporary.write(folder .. "/cut.wav", file:read(40000))
    local strict <close> = nj.audio.renderer { sources = { path }, rate = 16000 }
    assert.is_nil((strict:wave { length = 1, parts = { { source = 1 } } }))
    local lenient <close> = nj.audio.renderer { sources = { path }, rate = 16000, partial = true }
    assert.is_truthy((lenient:wave { length = 1, parts = { { source = 1 } } }))
  end)
end)

describe("nj.audio.renderer: as an object", function()
  it("closes at any time, also by collection, and gives its memory back", function()
    collectgarbage() collectgarbage()
    local before = nj.memory().live
    for round = 1, 12 do
      local r = renderer { jobs = 3, ahead = 3 }
      for b = 1, round % 5 do r:submit(scenes(8, b)) end
      if round % 3 == 0 then r:next() end
      if round % 2 == 0 then
        r:close()
        assert.has_error(function() r:submit(scenes(1, 1)) end)
        assert.has_error(function() r:next() end)
        r:close()
      end
    end
    collectgarbage() collectgarbage()
    assert.equal(before, nj.memory().live)
  end)

  it("survives a lack of memory in its jobs", function()
    local r <close> = renderer { jobs = 2 }
    for count = 0, 60, 3 do
      local ok = pcall(function()
        nj._fail_after(count)
        r:submit(scenes(3, 1))
      end)
      local data, message, code
      if ok then data, message, code = r:next() end
      nj._fail_after(-1)
      if ok and not data then
        assert.equal("ENOMEM", code)
        assert.is_truthy(message:find "out of memory")
      end
      while r:pending() > 0 do r:next() end
    end
    assert.is_truthy((r:render(scenes(3, 1))))
  end)

  it("is interrupted while it waits, and goes on afterwards", function()
    -- lua5.4's handler of Ctrl-C sets a hook that raises; nightjar sees the hook while it waits.
    local output, code = child.run("-e", [[
      local nj = require "nightjar"
      local pid = io.open("/proc/self/stat"):read "n"
      local r = nj.audio.renderer { sources = {}, rate = 48000, jobs = 1, ahead = 1 }
      for i = 1, 40 do r:submit { { length = 600, noise = { colour = "pink", seed = i } } } end
      os.execute("(sleep 0.3; kill -INT " .. pid .. ") > /dev/null 2>&1 &")
      local ok, message
      pcall(function()
        ok, message = pcall(r.next, r)
        for _ = 1, 100 do end -- the hook may strike here as well
      end)
      for _ = 1, 100 do end
      assert(not ok, "not interrupted")
      print(message)
      print("pending", r:pending())
      local begun = nj.system.clock()
      r:close()
      assert(nj.system.clock() - begun < 5, "closing took long")
      print "closed"
    ]])
    assert.equal(0, code, output)
    assert.is_truthy(output:find "interrupted", output)
    assert.is_truthy(output:find "pending%s40", output)
    assert.is_truthy(output:find "closed", output)
  end)

  it("says what is wrong with its options and items", function()
    local function fails(text, f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    fails("renderer: option 'sources' must be a list of paths and tensors, got nil",
      nj.audio.renderer, { rate = 8000 })
    fails("renderer: option 'rate' is needed without a front end", nj.audio.renderer,
      { sources = {} })
    fails("renderer: rate is 8000 Hz, the front-end's is 32000", nj.audio.renderer,
      { sources = {}, rate = 8000, front_end = fe })
    fails("renderer: option 'front_end' must be made by nj.audio.mel, got number",
      nj.audio.renderer,
      { sources = {}, front_end = 3 })
    fails("renderer: source 2 must be a path or a tensor, got boolean", nj.audio.renderer,
      { sources = { "a", true }, rate = 8000 })
    fails("renderer: source 1: expected a wave (samples), got (2, 2)", nj.audio.renderer,
      { sources = { nj.zeros(2, 2) }, rate = 8000 })
    fails("unknown option 'cachemb' (did you mean 'cache_mb'?)", nj.audio.renderer, { sources = {},
      cachemb = 3 })
    local r <close> = renderer {}
    local function item(text, x) fails(text, r.submit, r, { x }) end
    item("renderer: item: unknown option 'lenght' (did you mean 'length'?)", { lenght = 1 })
    item("renderer: item 1: length must be in (0, 3600] s", {})
    item("renderer: item 1: part 1: source 99 of 8 does not exist", { length = 1,
      parts = { { source = 99 } } })
    item("renderer: part: 'source' must be the number of a source", { length = 1, parts = { {} } })
    item("renderer: item 1: part 1: expected 0 <= from < to", { length = 1, parts = { { source = 1,
      from = 2, to = 1 } } })
    item("renderer: part: unknown option 'onest' (did you mean 'onset'?)", { length = 1,
      parts = { { onest = 1 } } })
    item("renderer: item: 'parts' must be a list, got number", { length = 1, parts = 3 })
    item("renderer: item 1: part 1 must be a table", { length = 1, parts = { 3 } })
    item("renderer: item: 'noise' must be a table, got boolean", { length = 1, noise = true })
    item("renderer: noise: give 'level' or 'snr', not both", { length = 1, noise = { level = 1,
      snr = 2 } })
    fails("renderer: item 1 of the batch must be a table, got number", r.submit, r, { 3 })
    fails("expected a list of 1 to 1000000 items", r.submit, r, {})
    assert.equal(0, r:pending())
  end)
end)
