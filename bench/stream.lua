-- Vectors of many files: model:stream, which reads ahead, beside the plain loop that decodes a file and
-- encodes it before it looks at the next. One model has the sizes of the one that comes with nightjar. With
-- --full the recording is of an hour. Rates are seconds of audio per second.
local RATE = 44100

local function tiny_vocabulary()
  local vocabulary = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }
  for i = #vocabulary + 1, 100 do vocabulary[i] = ("w%d"):format(i) end
  return vocabulary
end

local function make_model(nj, encoder)
  return nj.model({
    audio = encoder,
    text = {
      vocabulary = tiny_vocabulary(),
      encoder = { kind = "bert", width = 16, layers = 1, heads = 2, feed_forward = 16,
        positions = 64, types = 1 },
    },
  })
end

-- Peak of accounted memory of one run, above what was there, in MiB.
local function peak_of(nj, run)
  collectgarbage()
  collectgarbage()
  local before = nj.memory { reset_peak = true, trim = true }.live
  run()
  return (nj.memory().peak - before) / 1048576
end

return function(case, nj, _, full)
  local models = {
    { "nightjar-small", make_model(nj, {
      front_end = { preset = "panns", hop = 640 },
      encoder = { kind = "convnet", channels = { 16, 32, 64, 128, 256 },
        pool_time = { 2, 2, 2, 2, 1 }, dropout = 0.1, time_stripes = 0, freq_stripes = 0 },
    }) },
    { "mn04", make_model(nj, { encoder = (nj.encoders.from "mn04") }) },
  }
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local noise = nj.rand(RATE * 10, { rng = nj.rng(1) }) - 0.5

  local function contenders(model, paths, seconds)
    local rate = model.audio_tower.front_end.rate
    local function plain()
      for _, path in ipairs(paths) do
        local wave = assert(nj.audio.decode(path, { rate = rate }))
        assert(model:audio({ wave })[1].vector)
      end
    end
    local function stream(jobs)
      return function()
        for _, clip in model:stream(paths, { jobs = jobs }) do assert(clip.vector) end
      end
    end
    return {
      { "nightjar, model:stream", stream() },
      { "nightjar, jobs = 1", stream(1) },
      { "nightjar, jobs = 0", stream(0) },
      { "plain loop", plain },
      work = seconds, unit = "s/s",
      note = function()
        return ("peak memory: model:stream %.0f MiB, jobs = 0 %.0f MiB, plain loop %.0f MiB"):format(
          peak_of(nj, stream()), peak_of(nj, stream(0)), peak_of(nj, plain))
      end,
    }
  end

  for _, ending in ipairs { "wav", "ogg" } do
    local paths = {}
    for i = 1, 40 do
      paths[i] = ("%s/%d.%s"):format(folder, i, ending)
      local from = i * 1000
      assert(nj.audio.write(paths[i], noise[{ { from, from + RATE * 5 - 1 } }], RATE))
    end
    for _, m in ipairs(models) do
      case(("%s, 40 %s files of 5 s on %d threads"):format(m[1], ending, nj.threads()),
        contenders(m[2], paths, 200))
    end
  end

  local minutes = full and 60 or 5
  local long = folder .. "/long.wav"
  assert(nj.audio.write(long, noise:tile(6 * minutes), RATE))
  for _, m in ipairs(models) do
    case(("%s, a recording of %d minutes"):format(m[1], minutes),
      contenders(m[2], { long }, 60 * minutes))
  end
  os.execute("rm -r " .. folder)
end
