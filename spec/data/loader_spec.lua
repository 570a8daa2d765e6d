local core = require "nightjar.core"
local data = require "nightjar.data"
local temporary = require "spec.support.temporary"

local RATE = 16000

-- A folder of short tones and noises of dogs, rain and the like, as a data set.
local function write_clips(dir, classes, per_class)
  local clips = {}
  local rng = core.rng(3)
  for _, class in ipairs(classes) do
    for k = 1, per_class do
      local id = class .. k
      local seconds = 0.5 + 0.25 * k
      local wave = core.randn(math.floor(seconds * RATE), { rng = rng }) * 0.1
      local path = ("%s/%s.wav"):format(dir, id)
      assert(core.audio.write(path, wave, RATE))
      clips[#clips + 1] = {
        id = id, path = path, label = class,
        captions = { id .. " one", id .. " two", id .. " three" },
      }
    end
  end
  return data.dataset.new { name = "Tones", split = "train", clips = clips }
end

local function options(more)
  local o = {
    batch = 4, seed = 7, front_end = core.audio.mel { preset = "panns", rate = RATE, fmax = 7000 },
  }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

-- What matters of a batch, to be compared.
local function print_of(batch)
  local data_ = batch.mel or batch.wave
  return {
    captions = batch.captions, clip_ids = batch.clip_ids, lengths = batch.lengths:totable(),
    shape = data_.shape, sum = data_:sum():item(), first = data_[1]:totable(),
    number = batch.number,
  }
end

local function collect(loader, epoch, skip)
  local out = {}
  for batch in loader:batches(epoch, skip) do out[#out + 1] = print_of(batch) end
  return out
end

describe("nj.data.loader", function()
  local dir, set
  setup(function()
    dir = temporary.folder()
    set = write_clips(dir, { "dog", "rain", "siren", "engine" }, 5)
  end)
  teardown(function() temporary.remove(dir) end)

  it("goes over every clip once an epoch", function()
    local loader <close> = data.loader(set, options())
    assert.equal(5, #loader)
    for epoch = 1, 2 do
      local seen, batches = {}, 0
      for batch in loader:batches(epoch) do
        batches = batches + 1
        assert.equal(4, batch.mel.shape[1])
        assert.equal(64, batch.mel.shape[3])
        assert.equal(epoch, batch.epoch)
        assert.equal(batches, batch.number)
        for i, id in ipairs(batch.clip_ids) do
          assert.is_nil(seen[id])
          seen[id] = true
          assert.equal(batch.clips[i].captions[batch.caption_numbers[i]], batch.captions[i])
          assert.equal(batch.clips[i].label, batch.groups[i])
          local frames = batch.lengths[i]
          local seconds = 0.5 + 0.25 * tonumber(id:match "%d$")
          assert.equal(1 + math.floor(seconds * RATE) // 320, frames)
          assert.is_true(frames <= batch.mel.shape[2])
        end
      end
      assert.equal(5, batches)
    end
  end)

  it("shuffles by seed and epoch, and draws captions anew", function()
    local loader <close> = data.loader(set, options())
    local other <close> = data.loader(set, options())
    local third <close> = data.loader(set, options { seed = 8 })
    local first = collect(loader, 1)
    assert.same(first, collect(other, 1))
    assert.are_not.same(first[1].clip_ids, collect(loader, 2)[1].clip_ids)
    assert.are_not.same(first[1].clip_ids, collect(third, 1)[1].clip_ids)
    local captions = {}
    for epoch = 1, 8 do
      for batch in loader:batches(epoch) do
        for _, caption in ipairs(batch.captions) do captions[caption] = true end
      end
    end
    local n = 0
    for _ in pairs(captions) do n = n + 1 end
    assert.is_true(n > 50)
  end)

  it("keeps the order of the data set when not shuffling", function()
    local loader <close> = data.loader(set, options { shuffle = false, last = "keep", batch = 6 })
    local ids = {}
    for batch in loader:batches() do
      for _, id in ipairs(batch.clip_ids) do ids[#ids + 1] = id end
    end
    for i, clip in ipairs(set.clips) do assert.equal(clip.id, ids[i]) end
    assert.equal(20, #ids)
    assert.equal(4, #loader)
  end)

  it("goes over every pair when asked for all captions", function()
    local loader <close> = data.loader(set, options { captions = "all", last = "keep" })
    local seen, n = {}, 0
    for batch in loader:batches() do
      for _, caption in ipairs(batch.captions) do
        assert.is_nil(seen[caption])
        seen[caption] = true
        n = n + 1
      end
    end
    assert.equal(60, n)
  end)

  it("gives the same bits for any number of threads and batches ahead", function()
    local first
    for _, o in ipairs { { jobs = 1, ahead = 0 }, { jobs = 3, ahead = 5 }, { cache_mb = 0 } } do
      local loader <close> = data.loader(set, options(o))
      local got = collect(loader, 3)
      first = first or got
      assert.same(first, got)
    end
  end)

  it("goes on after any batch as if it had not stopped", function()
    local loader <close> = data.loader(set, options { augment = { gain = { -6, 6 } } })
    local whole = collect(loader, 2)
    for skip = 0, #whole do
      local rest = collect(loader, 2, skip)
      assert.equal(#whole - skip, #rest)
      for i, batch in ipairs(rest) do assert.same(whole[skip + i], batch) end
    end
  end)

  it("stores and restores where it stands", function()
    local loader <close> = data.loader(set, options())
    local whole = {}
    for epoch = 1, 3 do
      for _, batch in ipairs(collect(loader, epoch)) do whole[#whole + 1] = batch end
    end
    local fresh <close> = data.loader(set, options())
    local got, state = {}, nil
    local taken = 0
    for batch in fresh:batches() do
      got[#got + 1] = print_of(batch)
      taken = taken + 1
      state = fresh:state()
      if taken == 3 then break end
    end
    assert.same({ epoch = 1, batch = 3, items = 20, size = 4, seed = 7 }, state)
    local resumed <close> = data.loader(set, options())
    resumed:restore(state)
    while #got < #whole do
      for batch in resumed:batches() do got[#got + 1] = print_of(batch) end
    end
    assert.same(whole, got)
    assert.same({ epoch = 4, batch = 0, items = 20, size = 4, seed = 7 }, resumed:state())
    assert.has_error(function()
      local loader_of_others <close> = data.loader(set, options { batch = 5 })
      loader_of_others:restore(state)
    end, "loader:restore: the state is of a loader with size = 4, this one has 5")
  end)

  it("can be left early and begun again", function()
    local loader <close> = data.loader(set, options())
    local whole = collect(loader, 1)
    local abandoned = loader:batches(1)
    abandoned()
    assert.same(whole, collect(loader, 1))
    assert.error_matches(abandoned, "this iteration was ended by another one")
  end)

  it("tokenises captions", function()
    local words = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "two", "three" }
    for _, clip in ipairs(set.clips) do words[#words + 1] = clip.id end
    local vocabulary = core.text.wordpiece(words)
    local loader <close> = data.loader(set, options { tokenizer = vocabulary })
    for batch in loader:batches() do
      assert.equal("int64", batch.ids.dtype)
      assert.same({ 4, 4 }, batch.ids.shape)
      assert.same(batch.ids.shape, batch.mask.shape)
      for i, caption in ipairs(batch.captions) do
        local ids = batch.ids[i]:totable()
        for k, id in ipairs(vocabulary:ids(caption)) do assert.equal(id, ids[k]) end
      end
    end
  end)

  it("gives waves without a front end", function()
    local loader <close> = data.loader(set, { batch = 2, rate = RATE, shuffle = false })
    for batch in loader:batches() do
      assert.is_nil(batch.mel)
      assert.equal(2, batch.wave.shape[1])
      local wave = assert(core.audio.decode(batch.clips[1].path, { rate = RATE }))
      local got = batch.wave[1]:totable()
      for i, sample in ipairs(wave:totable()) do
        if math.abs(sample - got[i]) > 1e-4 then
          error(("sample %d: %g, %g"):format(i, sample, got[i]))
        end
      end
    end
  end)

  it("crops clips that are longer than wanted", function()
    for crop, want in pairs { start = 0, middle = 0.375, random = false } do
      local loader <close> = data.loader(set, {
        batch = 1, rate = RATE, shuffle = false, max_seconds = 1, crop = crop, cache = "float",
      })
      local number = 0
      for batch in loader:batches() do
        number = number + 1
        assert.is_true(batch.wave.shape[2] <= RATE)
        if number == 5 and want then
          local wave = assert(core.audio.decode(batch.clips[1].path, { rate = RATE }))
          local at = math.floor(want * RATE)
          assert.is_true(math.abs(wave[at + 1] - batch.wave[1][1]) < 1e-3)
        end
      end
    end
  end)

  it("leaves out what cannot be read, and lists it", function()
    local clips = table.move(set.clips, 1, 6, 1, {})
    clips[7] = {
      id = "bad", label = "dog", captions = { "bad" },
      path = temporary.write(dir .. "/bad.wav", "no sound at all"),
    }
    clips[8] = { id = "gone", label = "dog", captions = { "gone" }, path = dir .. "/gone.wav" }
    clips[9] = { id = "mute", label = "dog", captions = {}, path = dir .. "/dog1.wav" }
    local broken = data.dataset.new { name = "Broken", split = "train", clips = clips }
    warn "@off"
    local loader <close> = data.loader(broken, options { batch = 8 })
    local ids = {}
    for batch in loader:batches() do
      assert.equal(#batch.clip_ids, batch.mel.shape[1])
      assert.equal(#batch.clip_ids, batch.lengths.shape[1])
      for _, id in ipairs(batch.clip_ids) do ids[id] = true end
    end
    local n = 0
    for _ in pairs(ids) do n = n + 1 end
    assert.equal(6, n)
    assert.is_string(loader.failures.bad)
    assert.matches("gone.wav", loader.failures.gone)
    assert.matches("8 items in 1 batches of 8, seed 7; 1 clips without a caption are left out; "
      .. "2 items could not be read", tostring(loader))
    local strict <close> = data.loader(broken, options { batch = 8, on_error = "raise" })
    assert.error_matches(function() strict:batches()() end, "^loader: %a+: .*")
  end)

  it("trims silence around clips", function()
    local wave = core.zeros(RATE * 3)
    wave[{ { RATE, 2 * RATE } }] = 0.3
    local path = dir .. "/padded.wav"
    assert(core.audio.write(path, wave, RATE))
    local one = data.dataset.new {
      name = "One", split = "train", clips = { { id = "p", path = path, captions = { "p" } } },
    }
    local loader <close> = data.loader(one, { batch = 1, rate = RATE, trim = true })
    local batch = loader:batches()()
    assert.is_true(math.abs(batch.lengths:item() - RATE) < 0.03 * RATE)
  end)

  it("changes loudness and adds noise when asked", function()
    local plain <close> = data.loader(set, { batch = 1, rate = RATE, shuffle = false })
    local loud <close> = data.loader(set,
      { batch = 1, rate = RATE, shuffle = false, augment = { gain = { 6, 6 } } })
    local noisy <close> = data.loader(set,
      { batch = 1, rate = RATE, shuffle = false, augment = { noise = { 20, 20 } } })
    local function power(batch) return batch.wave:square():mean():item() end
    local a, b, c = plain:batches()(), loud:batches()(), noisy:batches()()
    assert.is_true(math.abs(10 * math.log(power(b) / power(a), 10) - 6) < 0.1)
    local difference = (c.wave - a.wave):square():mean():item()
    assert.is_true(math.abs(10 * math.log(power(a) / difference, 10) - 20) < 0.5)
  end)

  it("loads scenes, fixed or fresh", function()
    local scenes = data.scenes(set, { seed = 2, size = 8 })
    local loader <close> = data.loader(scenes, options())
    local one, two = {}, {}
    for batch in loader:batches(1) do
      for i, id in ipairs(batch.clip_ids) do
        one[id] = true
        local scene = batch.clips[i]
        assert.equal(1 + math.floor(scene.duration * RATE + 0.5) // 320, batch.lengths[i])
        assert.equal(scene.group, batch.groups[i])
      end
    end
    for batch in loader:batches(2) do
      for _, id in ipairs(batch.clip_ids) do two[id] = true end
    end
    assert.same(one, two)
    local fresh <close> = data.loader(scenes, options { fresh = true })
    for batch in fresh:batches(2) do
      for _, id in ipairs(batch.clip_ids) do assert.is_nil(one[id]) end
    end
  end)

  it("mixes several sources of items", function()
    local scenes = data.scenes(set, { size = 12 })
    local loader <close> = data.loader({ set, scenes }, options())
    assert.equal(8, #loader)
    local kinds = { clip = 0, scene = 0 }
    for batch in loader:batches() do
      for _, clip in ipairs(batch.clips) do
        local kind = clip.parts and "scene" or "clip"
        kinds[kind] = kinds[kind] + 1
      end
    end
    assert.same({ clip = 20, scene = 12 }, kinds)
  end)

  it("checks what it is given", function()
    assert.has_error(function() data.loader({ {} }, {}) end,
      "loader: argument 1 must be a data set, scenes, or a list of them, got a plain table")
    assert.has_error(function() data.loader(set, options { bach = 3 }) end,
      "loader: unknown option 'bach' (did you mean 'batch'?)")
    assert.has_error(function() data.loader(set, options { batch = 64 }) end,
      "loader: 20 items do not fill a batch of 64")
    assert.has_error(function() data.loader(set, options { augment = { gain = { 3, 1 } } }) end,
      "loader: augment: 'gain' must be { low, high } in dB")
  end)
end)

describe("scenes:render", function()
  local dir, set
  setup(function()
    dir = temporary.folder()
    set = write_clips(dir, { "dog", "rain", "siren", "engine" }, 3)
  end)
  teardown(function() temporary.remove(dir) end)

  it("is what the loader gives", function()
    local scenes = data.scenes(set, { size = 6 })
    local loader <close> =
      data.loader(scenes, { batch = 1, rate = RATE, shuffle = false, cache = "float" })
    local i = 0
    for batch in loader:batches() do
      i = i + 1
      local wave = assert(scenes:render(i, { rate = RATE }))
      assert.equal(wave.shape[1], batch.lengths:item())
      assert.is_true((wave - batch.wave[1]):abs():max():item() < 1e-6)
      assert.is_true(wave:abs():max():item() <= 0.981)
    end
  end)

  it("writes sound files", function()
    local scenes = data.scenes(set, { size = 2 })
    local path = dir .. "/scene.wav"
    assert(scenes:write(2, path, { rate = RATE }))
    local info = assert(core.audio.info(path))
    assert.equal(RATE, info.rate)
    assert.is_true(math.abs(info.seconds - scenes:get(2).duration) < 0.001)
  end)
end)
