-- Sound in: log-mels, decoding and resampling. Rates are seconds of audio per second, on one thread
-- unless a case says otherwise.
local function noise(nj, n)
  local rng, values = nj.rng(1), {}
  for i = 1, n do
    values[i] = rng:uniform(-0.5, 0.5)
  end
  return nj.tensor(values)
end

return function(case, nj, reference)
  local threads = nj.threads()
  nj.threads(1)
  local seconds = 10
  for _, preset in ipairs { "panns", "efficientat", "laion", "dcase" } do
    local fe = nj.audio.mel { preset = preset }
    local wave = noise(nj, seconds * fe.rate)
    case(("mel %s, %d s"):format(preset, seconds), {
      { "nightjar", function() return fe(wave) end },
      { "C loop", reference.mel(seconds * fe.rate, fe.n_fft, fe.hop, fe.mels) },
      work = seconds, unit = "s/s",
    })
  end

  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  local wave = noise(nj, seconds * 44100)
  for _, name in ipairs { "x.wav", "x.flac", "x.ogg", "x.mp3" } do
    local path = folder .. "/" .. name
    assert(nj.audio.write(path, wave, 44100))
    case(("decode %s, %d s at 44.1 kHz"):format(name, seconds), {
      { "nightjar", function() return assert(nj.audio.decode(path)) end },
      { "libsndfile alone", reference.sndfile(path) },
      { "nightjar, to 32 kHz", function()
        return assert(nj.audio.decode(path, { rate = 32000 }))
      end },
      work = seconds, unit = "s/s",
    })
  end
  os.execute("rm -r " .. folder)

  case("resample 44.1 to 32 kHz, 10 s", {
    { "nightjar", function() return nj.audio.resample(wave, 44100, 32000) end },
    work = seconds, unit = "s/s",
  })
  nj.threads(threads)

  local fe, clips = nj.audio.mel {}, {}
  for i = 1, 16 do
    clips[i] = noise(nj, 320000)
  end
  local one_by_one = reference.mel(320000, 1024, 320, 64)
  case(("mel panns, 16 clips of 10 s on %d threads"):format(nj.threads()), {
    { "nightjar", function() return fe:batch(clips) end },
    { "C loop, one thread", function()
      for _ = 1, 16 do
        one_by_one()
      end
    end },
    work = 160, unit = "s/s",
  })
end
