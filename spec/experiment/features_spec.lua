-- Features of a frozen encoder: the same as the encoder gives, kept, and made anew when anything that
-- they were made of changes.
describe("nj.experiment.features", function()
  local dataset = require "nightjar.data.dataset"
  local fs = require "nightjar.fs"
  local nj = require "nightjar"
  local temporary = require "spec.support.temporary"

  local folder, path, source, encoder, front_end
  local function sound(name, seconds, seed)
    local file = fs.join(folder, name)
    assert(nj.audio.write(file, nj.randn(seconds * 8000 // 1, { rng = nj.rng(seed) }) * 0.1, 8000))
    return file
  end

  before_each(function()
    folder = temporary.folder()
    path = folder .. "/features/all.safetensors"
    local clips = {}
    for i, seconds in ipairs { 1.0, 0.5, 2.0 } do
      local id = "c" .. i .. ".wav"
      clips[i] = { id = id, path = sound(id, seconds, i), captions = { "a sound" } }
    end
    source = dataset.new { name = "Noise", split = "train", clips = clips }
    front_end = nj.audio.mel { rate = 8000, n_fft = 256, hop = 80, mels = 16, fmin = 0, fmax = 4000 }
    encoder = nj.encoders.convnet { channels = { 4, 6 }, mels = 16, rng = nj.rng(1) }
  end)
  after_each(function() temporary.remove(folder) end)

  local function make(more)
    local o = { source = source, encoder = encoder, front_end = front_end, batch = 2 }
    for key, value in pairs(more or {}) do o[key] = value end
    return assert(nj.experiment.features(path, o))
  end

  it("gives what the encoder gives, for every clip", function()
    local progress = {}
    local set = make { batch = 1, progress = function(done, total)
      progress[#progress + 1] = done .. "/" .. total
    end }
    assert.is_false(set.cached)
    assert.same({ "c1.wav", "c2.wav", "c3.wav" }, set.ids)
    assert.same({ "1/3", "2/3", "3/3" }, progress)
    assert.same({ 3, 6 }, set.clip.shape)
    assert.near(4 * 80 / 8000, set.seconds_per_frame, 1e-12)
    for i, clip in ipairs(source.clips) do
      local mel = front_end(assert(nj.audio.decode(clip.path, { rate = 8000 })))
      nj.no_grad(function()
        local frames, vector = encoder(mel:unsqueeze(1))
        local n = set.lengths(i)
        assert.equal(frames.shape[2], n)
        assert.is_true(frames[1]:allclose(set.frames[i][{ { 1, n }, {} }], { atol = 1e-5 }))
        assert.is_true(vector[1]:allclose(set.clip[i], { atol = 1e-5 }))
      end)
    end
  end)

  it("hears all that fills a short clip up, where the front-end does", function()
    local net = nj.encoders.htsat { width = 4, heads = { 1, 1, 2, 2 }, depths = { 1, 1, 1, 1 }, window = 4,
      mels = 16, side = 32, patch = 1, rng = nj.rng(2) }
    local fe = nj.audio.mel { rate = 8000, n_fft = 256, hop = 80, mels = 16, fmin = 0, fmax = 4000,
      fill = "repeat", duration = 0.6 }
    local set = make { encoder = net, front_end = fe, max_seconds = 0.6 }
    assert.near(0.6 / 8, set.seconds_per_frame, 1e-12)
    assert.same({ 8, 7, 8 }, set.lengths:totable())
    local wave = assert(nj.audio.decode(source.clips[2].path, { rate = 8000 }))
    nj.no_grad(function()
      local frames, vector = net(fe(wave):unsqueeze(1))
      assert.is_true(vector[1]:allclose(set.clip[2], { atol = 1e-5 }))
      assert.is_true(frames[1]:allclose(set.frames[2], { atol = 1e-5 }))
    end)
  end)

  it("is read from its file the next time", function()
    local first = make()
    local second = make()
    assert.is_true(second.cached)
    assert.is_true(first.frames:equal(second.frames))
    assert.is_true(first.lengths:equal(second.lengths))
    assert.same(first.ids, second.ids)
    assert.equal(first.seconds_per_frame, second.seconds_per_frame)
  end)

  it("is made anew for other weights, another front-end, other clips, and a broken file", function()
    make()
    assert.is_true(make().cached)
    encoder = nj.encoders.convnet { channels = { 4, 6 }, mels = 16, rng = nj.rng(2) }
    assert.is_false(make().cached)
    front_end = nj.audio.mel { rate = 8000, n_fft = 256, hop = 40, mels = 16, fmin = 0, fmax = 4000 }
    assert.is_false(make().cached)
    source = source:subset(function(_, i) return i < 3 end)
    assert.is_false(make().cached)
    sound("c1.wav", 1.5, 9)
    assert.is_false(make().cached)
    temporary.write(path, "no features")
    assert.is_false(make().cached)
    assert.is_true(make().cached)
  end)

  it("leaves out clips that cannot be read, and says so", function()
    temporary.write(source.clips[2].path, "no sound")
    local set = make()
    assert.same({ "c1.wav", "c3.wav" }, set.ids)
    assert.equal(1, #set.failures)
    assert.equal("c2.wav", set.failures[1].id)
    assert.same({ "c1.wav", "c3.wav" }, make().ids)
    assert.equal("c2.wav", make().failures[1].id)
    os.remove(path)
    assert.error(function() make { on_error = "raise" } end)
  end)

  it("refuses what is no data set, and folders that cannot be made", function()
    assert.error_matches(function()
      nj.experiment.features(path, { source = {}, encoder = encoder, front_end = front_end })
    end, "experiment.features: option 'source' must be a data set or scenes, got a table", 1, true)
    local nothing, message, code = nj.experiment.features(source.clips[1].path .. "/x/y.safetensors",
      { source = source, encoder = encoder, front_end = front_end })
    assert.is_nil(nothing)
    assert.matches("^experiment.features: ", message)
    assert.equal("EIO", code)
  end)
end)
