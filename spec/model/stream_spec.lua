-- Many sounds, encoded while those behind them are read.
local nj = require "nightjar"
local child = require "spec.support.child"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local RATE = 32000

local function wave(seconds, seed)
  return sound.noise_tensor(math.floor(RATE / 10), seed, 0.3):tile(math.ceil(seconds * 10))[
    { { 1, math.floor(seconds * RATE) } }]
end

local TENSORS = { "vector", "segments", "frames" }

describe("model:stream", function()
  local folder, model, paths
  setup(function()
    folder = temporary.folder()
    model = tiny_model.new()
    paths = {}
    for i, seconds in ipairs { 1, 0.02, 65, 3, 31, 30, 2 } do
      paths[i] = ("%s/%d.wav"):format(folder, i)
      local rate = i == 4 and 44100 or RATE
      assert(nj.audio.write(paths[i], wave(seconds, i), rate))
    end
  end)
  teardown(function() temporary.remove(folder) end)

  local function same(expected, clip)
    for _, name in ipairs(TENSORS) do
      assert.is_true(sound.same(expected[name], clip[name]), name)
    end
    assert.same(expected.times, clip.times)
    assert.same(expected.frame_times, clip.frame_times)
    assert.equal(expected.seconds, clip.seconds)
  end

  it("gives the bits of each waveform alone, in order, for any number of jobs", function()
    local alone = {}
    for i, path in ipairs(paths) do
      alone[i] = model:audio({ (assert(nj.audio.decode(path, { rate = RATE }))) })[1]
    end
    for jobs = 0, 2 do
      local count = 0
      for i, clip in model:stream(paths, { jobs = jobs, ahead = 3, memory_mb = jobs % 2 }) do
        count = count + 1
        assert.equal(count, i)
        assert.equal(paths[i], clip.path)
        same(alone[i], clip)
      end
      assert.equal(#paths, count)
    end
    for i, clip in ipairs(model:audio(paths)) do same(alone[i], clip) end
  end)

  it("cuts filled sounds as it cuts waveforms", function()
    local d = tiny_model.descriptor()
    d.audio.front_end.fill, d.audio.front_end.duration = "repeat", 1.3
    local other = nj.model(d, { rng = nj.rng(3) })
    for i, clip in other:stream { paths[1], paths[4] } do
      local x = assert(nj.audio.decode(clip.path, { rate = RATE }))
      same(other:audio({ x })[1], clip)
      assert.equal(i, clip.seconds // 1)
    end
  end)

  it("takes waveforms among files, and a function that gives them", function()
    local list = { paths[1], wave(1.5, 9), paths[2], wave(0.5, 8) }
    local expected, at, most = model:audio(list), 0, 0
    local function give()
      at = at + 1
      return list[at]
    end
    for i, clip in model:stream(give, { ahead = 2 }) do
      same(expected[i], clip)
      most = math.max(most, at - i)
    end
    assert.equal(5, at)
    assert.equal(2, most) -- it asks for no more than it may read ahead
    assert.is_nil(expected[2].path)
    for _ in model:stream(function() end) do error "there is nothing" end
    for _ in model:stream {} do error "there is nothing" end
  end)

  it("tells of what cannot be read in its place", function()
    local broken = temporary.write(folder .. "/broken.wav", "no sound at all")
    local whole = assert(io.open(paths[3], "rb")):read "a"
    local cut = temporary.write(folder .. "/cut.wav", whole:sub(1, -100000))
    local said = { error = "could not be fetched", code = "EIO" }
    local list = { broken, paths[1], folder .. "/none.wav", cut, said, nj.zeros(0), paths[2] }
    local codes, clips = {}, {}
    for i, clip in model:stream(list) do
      clips[i], codes[i] = clip, clip.code or (clip.error and "?") or "fine"
    end
    assert.same({ "EFORMAT", "fine", "ENOTFOUND", "EFORMAT", "EIO", "EFORMAT", "fine" }, codes)
    assert.equal(said, clips[5])
    assert.equal(broken, clips[1].path)
    assert.matches("cut.wav' is cut", clips[4].error)
    same(model:audio({ paths[2] })[1], clips[7])
  end)

  it("lets captions take part, by list or by function", function()
    local d = tiny_model.descriptor()
    d.ac = { interaction = { heads = 2, layers = 1 }, matching = { kind = "mean" } }
    local other = nj.model(d)
    local lists = { { "a dog barks" }, {}, { "rain", "wind" } }
    local three = { paths[1], paths[2], paths[4] }
    local expected = other:audio(three, { captions = lists })
    local by_path = { [paths[1]] = lists[1], [paths[4]] = lists[3] }
    local function captions(path) return by_path[path] end
    for i, clip in other:stream(three, { captions = captions }) do
      same(expected[i], clip)
      local a, b = expected[i].levels, clip.levels
      if a.captions then assert.is_true(sound.same(a.captions, b.captions)) end
    end
    for i, clip in other:stream(three, { captions = lists }) do same(expected[i], clip) end
    assert.has_error(function() other:stream(three, { captions = { {} } }) end,
      "model:stream: captions of 1 sounds for 3")
  end)

  it("reports how far it is", function()
    local seen = {}
    local function note(done, total) seen[#seen + 1] = ("%s/%s"):format(done, total) end
    for _ in model:stream({ paths[1], paths[2] }, { progress = note }) do seen[#seen + 1] = "." end
    local at = 0
    local function give()
      at = at + 1
      return at <= 2 and paths[at] or nil
    end
    for _ in model:stream(give, { progress = note, total = 9 }) do end
    at = 0
    for _ in model:stream(give, { progress = note }) do end
    assert.same({ "1/2", ".", "2/2", ".", "1/9", "2/9", "1/nil", "2/nil" }, seen)
  end)

  it("draws a bar when asked", function()
    local output, code = child.run("-e", ([[
      local nj = require "nightjar"
      local model = require("spec.support.tiny_model").new()
      for i in model:stream({ %q, %q }, { progress = true }) do end
      for i in model:stream({ %q, %q }, { progress = true }) do break end
    ]]):format(paths[1], paths[2], paths[1], paths[2]))
    assert.equal(0, code, output)
    assert.matches("encoding  100%%  2/2", output)
    assert.matches("encoding   50%%  1/2", output)
  end)

  it("ends its threads however the loop ends", function()
    model:audio(paths)
    collectgarbage() collectgarbage()
    local before = nj.memory().live
    for _ = 1, 3 do
      for i in model:stream(paths) do
        if i == 2 then break end
      end
      pcall(function()
        for _ in model:stream(paths, { memory_mb = 0 }) do error "something else" end
      end)
      local abandoned = coroutine.wrap(function()
        for i in model:stream(paths) do coroutine.yield(i) end
      end)
      assert.equal(1, abandoned())
      model:stream(paths) -- never begun
      local next_clip, _, _, closing = model:stream(paths)
      next_clip()
      closing:close()
      assert.is_nil(next_clip())
      closing:close()
    end
    collectgarbage() collectgarbage()
    assert.equal(before, nj.memory().live)
  end)

  it("is closed by an error of the function that gives sounds", function()
    local at = 0
    local next_clip = model:stream(function()
      at = at + 1
      if at == 3 then error("the list ends badly", 0) end
      return paths[at]
    end, { ahead = 1 })
    next_clip()
    assert.has_error(function()
      next_clip()
      next_clip()
    end, "the list ends badly")
    assert.is_nil(next_clip())
  end)

  it("leaks nothing when memory runs out", function()
    if not nj._fail_after then return pending "needs failing allocations" end
    local function run()
      local codes = {}
      for i, clip in model:stream({ paths[1], paths[2], paths[7] }) do
        codes[i] = clip.code or "fine"
      end
      return codes
    end
    run()
    collectgarbage() collectgarbage()
    local before, fine = nj.memory().live, 0
    for n = 0, 400, 19 do
      nj._fail_after(n)
      local ok, result = pcall(run)
      nj._fail_after(-1)
      if ok then
        for _, code in ipairs(result) do assert(code == "fine" or code == "ENOMEM", code) end
        fine = fine + 1
      else
        assert.matches("memory", tostring(result))
      end
      collectgarbage() collectgarbage()
      assert.equal(before, nj.memory().live, "after failing allocation " .. n)
    end
    assert.same({ "fine", "fine", "fine" }, run())
  end)

  it("refuses what makes no sense", function()
    local function refuses(text, ...)
      local given = table.pack(...)
      assert.error_matches(function()
        for _ in model:stream(table.unpack(given, 1, given.n)) do end
      end, text, nil, true)
    end
    refuses("model:stream: argument 1 (sounds) must be", "a.wav")
    refuses("model:stream: sounds are paths or waveforms, got a integer", { 5 })
    refuses("model:stream: a waveform has one dimension, got (2, 5)", { nj.zeros(2, 5) })
    refuses("model:stream: sounds are paths or waveforms, got a table", { { error = 5 } })
    refuses("model:stream: unknown option 'job' (did you mean 'jobs'?)", {}, { job = 1 })
    refuses("model:stream: option 'ahead'", {}, { ahead = 0 })
    refuses("model:stream: option 'progress'", {}, { progress = 5 })
  end)
end)
