-- Features of frozen encoders on disk: what model:audio hears, computed once for each file and each encoder,
-- counted by an encoder that counts its calls.
local fs = require "nightjar.fs"
local half = require "nightjar.features.half"
local nj = require "nightjar"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

-- A network that counts how often it is called.
local function spy(net)
  return setmetatable({ calls = 0 }, {
    __index = function(_, name) return function(_, ...) return net[name](net, ...) end end,
    __call = function(self, ...)
      self.calls = self.calls + 1
      return net(...)
    end,
  })
end

describe("nj.features", function()
  local folder, dir, model, encoder, clips

  local function sound(name, seconds, seed)
    local path = fs.join(folder, name)
    assert(nj.audio.write(path, nj.randn(seconds * 32000 // 1, { rng = nj.rng(seed) }) * 0.1, 32000))
    return path
  end

  local function listen_with(seed)
    model = tiny_model.new(seed)
    encoder = spy(model.audio_tower.encoder)
    model.audio_tower.encoder = encoder
  end

  before_each(function()
    folder = temporary.folder()
    dir = folder .. "/features"
    listen_with(1)
    clips = {}
    for i, seconds in ipairs { 1.0, 0.5, 1.5 } do
      local id = ("c%d.wav"):format(i)
      clips[i] = { id = id, path = sound(id, seconds, i), captions = { "rain" } }
    end
  end)
  after_each(function() temporary.remove(folder) end)

  local function open(more)
    local o = { model = model }
    for key, value in pairs(more or {}) do o[key] = value end
    return assert(nj.features(dir, o))
  end
  -- How many sounds the encoder heard while f ran.
  local function heard(f)
    local before = encoder.calls
    f()
    return encoder.calls - before
  end
  local function all(more) return open(more):all(clips) end

  it("gives what model:audio hears", function()
    for _, dtype in ipairs { "float16", "float32" } do
      local set = all { dtype = dtype }
      assert.equal(3, #set)
      for i, clip in ipairs(clips) do
        local want = model:audio({ clip.path })[1]
        local got = set:encode(model, i)
        local exact = dtype == "float32"
        assert.is_true(want.vector:allclose(got.vector, { rtol = 0, atol = exact and 0 or 2e-3 }))
        assert.equal(want.frames.shape[1], set:get(i).frames.shape[1])
        assert.near(want.seconds, got.seconds, 1e-9)
        assert.near(want.frame_times[1][2], set:get(i).step, 1e-9)
      end
    end
  end)

  it("computes each file once, in this run and the next", function()
    local first
    assert.equal(3, heard(function() first = all() end))
    assert.equal(0, heard(function()
      local store = open()
      local set = store:all(clips)
      assert.same({ hits = 3, misses = 0, damaged = 0 }, store:stats())
      for i = 1, 3 do -- the numbers of the first run, bit for bit
        assert.equal(first:get(i).frames:bytes(), set:get(i).frames:bytes())
        assert.equal(first:get(i).clip:bytes(), set:get(i).clip:bytes())
        assert.equal(first:get(i).step, set:get(i).step)
      end
    end))
  end)

  it("reads ahead, and cuts what is too long, to the bits of each file by itself", function()
    for i = 4, 24 do
      local id = ("c%d.wav"):format(i)
      clips[i] = { id = id, path = sound(id, 0.2 + i % 3, i), captions = { "rain" } }
    end
    clips[25] = { id = "again", path = clips[24].path, captions = { "rain" } }
    temporary.write(clips[7].path, "no sound")
    local set
    assert.equal(23, heard(function() set = all { max_seconds = 1.2 } end))
    assert.equal(24, #set)
    assert.equal("c7.wav", set.failures[1].id)
    dir = folder .. "/others"
    local store = open { max_seconds = 1.2 }
    for i, clip in ipairs(set.clips) do
      local own = assert(store:get(clip.path))
      assert.equal(own.frames:bytes(), set:get(i).frames:bytes())
      assert.equal(own.clip:bytes(), set:get(i).clip:bytes())
      assert.equal(own.seconds, set:get(i).seconds)
      assert.is_true(own.seconds <= 1.2)
    end
  end)

  it("goes on where it stopped", function()
    local store = open()
    assert.error_matches(function()
      store:all(clips, { progress = function(done) if done == 2 then error "interrupted!" end end })
    end, "interrupted!")
    assert.equal(2, encoder.calls)
    assert.equal(1, heard(all))
  end)

  it("hears again what changed, and only that", function()
    all()
    sound("c2.wav", 0.7, 9)
    assert.equal(1, heard(all))
    assert.equal(0, heard(all))
    assert.equal(3, heard(function() all { max_seconds = 0.4 } end))
    assert.equal(3, heard(function() all { dtype = "float32" } end))
    listen_with(2) -- other weights
    assert.equal(3, heard(all))
    model.audio_tower.front_end = nj.audio.mel { preset = "panns", mels = 16, hop = 320 }
    assert.equal(3, heard(all))
    listen_with(1) -- what was computed with the first is there still
    assert.equal(0, heard(all))
    nj.no_grad(function() encoder:state()["conv_block1.conv1.weight"][{ 1, 1, 1, 1 }] = 0.5 end)
    assert.equal(3, heard(all))
  end)

  it("knows a file by its bytes under another name", function()
    all { check = "content" }
    for _, clip in ipairs(clips) do
      local moved = clip.path:gsub("%.wav$", "-moved.wav")
      assert(os.rename(clip.path, moved))
      clip.path = moved
    end
    assert.equal(0, heard(function() all { check = "content" } end))
    assert.equal(3, heard(all))
  end)

  it("notices damaged entries, whatever the damage", function()
    local want = all()
    local names = assert(fs.files(dir))
    assert.equal(3, #names)
    local whole = assert(fs.read(fs.join(dir, names[1])))
    local rng = nj.rng(3)
    for i = 1, 30 do
      local at = rng:integer(1, #whole)
      local damaged
      if i <= 10 then
        damaged = whole:sub(1, at - 1)
      elseif i <= 25 then
        damaged = whole:sub(1, at - 1) .. string.char(whole:byte(at) ~ (1 << rng:integer(0, 7)))
          .. whole:sub(at + 1)
      else
        damaged = ("\0"):rep(at)
      end
      temporary.write(fs.join(dir, names[1]), damaged)
      local store, set = open(), nil
      local calls = heard(function() set = store:all(clips) end)
      local stats = store:stats()
      -- A space that became another space in the header changes nothing.
      assert.is_true(calls == 1 and stats.damaged == 1 or calls == 0 and stats.hits == 3)
      for k = 1, 3 do assert.equal(want:get(k).frames:bytes(), set:get(k).frames:bytes()) end
    end
    assert.equal(0, heard(all))
  end)

  it("gives batches, padded and masked, from memory or from the disk", function()
    local in_memory = open():all(clips)
    local on_disk = open():all(clips, { memory_mb = 0 })
    assert.equal(0, heard(function()
      local a, b = in_memory:take { 3, 1, 2, 3 }, on_disk:take { 3, 1, 2, 3 }
      local n = in_memory:get(3).frames.shape[1]
      assert.same({ 4, n, 8 }, a.frames.shape)
      assert.same({ 4, 8 }, a.clip.shape)
      assert.is_true(a.frames:equal(b.frames))
      assert.is_true(a.mask:equal(b.mask))
      for row, i in ipairs { 3, 1, 2, 3 } do
        local own = in_memory:get(i)
        local m = own.frames.shape[1]
        assert.is_true(own.frames:equal(a.frames[{ row, { 1, m } }]))
        assert.is_true(own.clip:equal(a.clip[row]))
        assert.equal(m, a.mask[row]:to "int64":sum():item())
      end
      -- The head hears the same in a batch as alone.
      local batch = model.head:audio(a)
      assert.is_true(batch.clip[2]:allclose(on_disk:encode(model, 1).vector, { atol = 1e-6 }))
    end))
  end)

  it("computes anew what someone removed in the meantime, and says when it cannot", function()
    local set = open():all(clips, { memory_mb = 0 })
    assert.equal(3, open():clear())
    assert.equal(1, heard(function() set:get(2) end))
    os.remove(clips[1].path)
    assert.error_matches(function() set:get(1) end, "features: c1.wav: .*c1.wav")
  end)

  it("leaves out what cannot be read, and says so", function()
    temporary.write(clips[2].path, "no sound")
    clips[4] = { id = "none", captions = { "a" } }
    clips[5] = { id = "gone.wav", path = folder .. "/gone.wav", captions = { "a" } }
    assert(nj.audio.write(folder .. "/empty.wav", nj.zeros(0), 32000))
    clips[6] = { id = "empty.wav", path = folder .. "/empty.wav", captions = { "a" } }
    local set = all()
    assert.equal(2, #set)
    assert.equal("c3.wav", set.clips[2].id)
    local said = {}
    for i, failure in ipairs(set.failures) do said[i] = failure.id end
    assert.same({ "c2.wav", "none", "gone.wav", "empty.wav" }, said)
    assert.equal("no sound file", set.failures[2].message)
    assert.matches("gone.wav", set.failures[3].message)
    assert.equal("features of 2 clips; 4 could not be read", tostring(set))
  end)

  it("answers although it cannot write", function()
    local store = open()
    temporary.remove(dir)
    temporary.write(dir, "a file where the folder was")
    local found, hit = store:get(clips[1].path)
    assert.same({ 8 }, found.clip.shape)
    assert.is_false(hit)
    assert.is_string(store:stats().unwritten.message)
    local none, message, code = nj.features(dir, { model = model })
    assert.is_nil(none)
    assert.matches("^features: ", message)
    assert.equal("EIO", code)
  end)

  it("takes an encoder by itself, in training or not, and leaves it as it was", function()
    local net = nj.encoders.mobilenet { width = 0.1, classes = 0, rng = nj.rng(1) }
    net:train()
    local store = assert(nj.features(dir, { encoder = net }))
    local found = assert(store:get(clips[1].path))
    assert.equal(net:width(), found.frames.shape[2])
    assert.is_true(net:is_training())
    assert.near(net:stride() * 320 / 32000, found.step, 1e-9)
  end)

  it("says what is wrong with its options", function()
    local function message(options)
      local ok, text = pcall(nj.features, dir, options)
      assert.is_false(ok)
      return (text:gsub("^[^:]+:%d+: ", ""))
    end
    assert.equal("features: option 'model' is required (or 'encoder')", message {})
    assert.equal("features: give 'model', or 'encoder' and 'front_end', not both",
      message { model = model, front_end = model.audio_tower.front_end })
    assert.equal("features: option 'model' must have an audio tower, a table has none",
      message { model = {} })
    assert.matches("features: option 'dtype' must be one of 'float16', 'float32'",
      message { model = model, dtype = "bfloat16" }, 1, true)
  end)
end)

describe("nj.features, in memory", function()
  it("collects what a loader gives, epochs after each other, and gives batches", function()
    local folder = temporary.folder()
    local dataset = require "nightjar.data.dataset"
    local list = {}
    for i, seconds in ipairs { 0.5, 1.0, 0.7 } do
      local path = ("%s/%d.wav"):format(folder, i)
      assert(nj.audio.write(path, nj.randn(seconds * 32000 // 1, { rng = nj.rng(i) }) * 0.1, 32000))
      list[i] = { id = path, path = path, captions = { "a" } }
    end
    local tower = tiny_model.new().audio_tower
    tower.encoder:train()
    local loader = nj.data.loader(dataset.new { name = "d", split = "all", clips = list },
      { batch = 2, shuffle = false, last = "keep", front_end = tower.front_end })
    local done = {}
    local pool = nj.features.collect(tower.encoder, loader,
      { epochs = 2, progress = function(n) done[#done + 1] = n end })
    assert.same({ 2, 3, 5, 6 }, done)
    assert.is_false(tower.encoder:is_training())
    assert.equal(6, #pool)
    assert.equal(list[3].id, pool.clips[6].id)
    local longest = pool.lengths:max():item()
    assert.equal(longest, pool.frames.shape[2])
    local a = pool:take { 1, 4 }
    assert.equal(pool.lengths(1), a.frames.shape[2]) -- cut to the longest that was taken
    assert.is_true(a.clip[1]:equal(a.clip[2]))
    local both = nj.features.join { pool, pool }
    assert.equal(12, #both)
    assert.is_true(both:take({ 8 }).frames:equal(pool:take({ 2 }).frames))
    for _, bad in ipairs { { {}, "features.join: nothing to put together" },
      { { pool, 255 }, "features.join: list[2] must be a pool, with frames, clip, lengths and clips" },
      { { {} }, "features.join: list[1] must be a pool, with frames, clip, lengths and clips" },
      { { { frames = pool.clip, clip = pool.clip, lengths = pool.lengths, clips = {} } },
        "features.join: list[1].frames must be of three dimensions, got (6, " } } do
      assert.error_matches(function() nj.features.join(bad[1]) end, bad[2], nil, true)
    end
    loader:close()
    temporary.remove(folder)
  end)
end)

describe("rounding to float16", function()
  it("is what a file does, at every magnitude", function()
    local path = os.tmpname()
    for seed, scale in ipairs { 1e-9, 3e-8, 1e-6, 6e-5, 1e-3, 1, 1e3, 1e4 } do
      local x = nj.randn(2000, { rng = nj.rng(seed) }) * scale
      local rounded = half(x)
      assert(nj.store.save(path, { x = x, rounded = rounded }, {}, { dtype = "float16" }))
      local read = assert(nj.store.load(path)).tensors
      assert.is_true(read.x:equal(rounded))
      assert.is_true(read.rounded:equal(rounded))
    end
    os.remove(path)
  end)
end)
