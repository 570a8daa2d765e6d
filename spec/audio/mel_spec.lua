local nj = require "nightjar"
local shared = require "spec.support.shared"
local near = require "spec.support.near"
local sound = require "spec.support.sound"

-- Rows of a front-end's filter bank as tables.
local function bank(options) return nj.audio.mel(options):bank():totable() end

describe("nj.audio.mel: parity", function()
  it("with PANNs' torchlibrosa front-end", function()
    local golden, about = shared.golden "01_logmel"
    if not golden then return pending "needs ../shared" end
    local fe = nj.audio.mel { preset = "panns" }
    near(golden.melW, fe:bank(), { atol = 1e-8 }, "melW")
    local cases = 0
    for name, wave in pairs(golden) do
      local case = name:match "^wave%.(.*)"
      if case then
        local bound = about.tolerance["logmel." .. case].f32_vs_f64_max_abs
        near(golden["logmel." .. case], fe(wave), { atol = 10 * bound }, case)
        cases = cases + 1
      end
    end
    assert.equal(11, cases)
  end)

  it("with EfficientAT's front-end", function()
    local golden, about = shared.golden "05_mn04"
    if not golden then return pending "needs ../shared" end
    local fe = nj.audio.mel { preset = "efficientat" }
    near(golden.melbank, fe:bank(), { atol = 1e-5 }, "melbank")
    local cases = 0
    for clip, facts in pairs(about.clips) do
      local path = shared.path("data/" .. facts.audio)
      local wave = path and nj.audio.decode(path, { rate = 32000 })
      if wave then
        local mel = fe(wave)
        assert.same({ facts.frames, 128 }, mel.shape)
        assert.equal(facts.samples, wave:numel())
        local rows, means = mel:totable(), {}
        for b = 1, 128 do
          local sum = 0
          for t = 1, #rows do sum = sum + rows[t][b] end
          means[b] = sum / #rows
        end
        local key = "mel_band_mean." .. clip
        near(golden[key], means, { atol = 10 * about.tolerance[key].f32_vs_f64_max_abs }, key)
        key = "mel." .. clip
        if golden[key] then
          near(golden[key], mel:transpose(1, 2),
            { atol = 10 * about.tolerance[key].f32_vs_f64_max_abs }, key)
        end
        cases = cases + 1
      end
    end
    assert.is_true(cases >= 15)
  end)
end)

-- The front-end as its definition says, in double precision and without an FFT.
local function by_definition(o, wave)
  local n, pad = #wave, o.center and o.n_fft // 2 or 0
  local function at(i) -- 0-based sample of the padded wave
    if i < 0 or i >= n then
      if o.pad == "zero" or not o.center or n == 0 then return 0 end
      if n == 1 then return wave[1] end
      local period = 2 * n - 2
      i = i % period
      i = i < n and i or period - i
    end
    return wave[i + 1]
  end
  local window, left = {}, (o.n_fft - o.win_length) // 2
  for i = 0, o.n_fft - 1 do
    local k = i - left
    local span = o.periodic and o.win_length or o.win_length - 1
    window[i] = (k < 0 or k >= o.win_length) and 0 or 0.5 - 0.5 * math.cos(2 * math.pi * k / span)
  end
  local weights, rows = bank(o), {}
  local frames = o.center and 1 + n // o.hop or 1 + math.max(0, n - o.n_fft) // o.hop
  for t = 1, frames do
    local power = {}
    for k = 0, o.n_fft // 2 do
      local re, im = 0, 0
      for i = 0, o.n_fft - 1 do
        local x, angle = at((t - 1) * o.hop + i - pad) * window[i],
          2 * math.pi * (k * i % o.n_fft) / o.n_fft
        re, im = re + x * math.cos(angle), im - x * math.sin(angle)
      end
      power[k + 1] = (re * re + im * im) ^ (o.power / 2)
    end
    rows[t] = {}
    for b = 1, o.mels do
      local sum = 0
      for k = 1, #power do sum = sum + weights[b][k] * power[k] end
      rows[t][b] = sum
    end
  end
  return rows
end

describe("nj.audio.mel: every setting against its definition", function()
  local base = { rate = 8000, n_fft = 128, win_length = 128, hop = 50, mels = 10, fmin = 0,
    fmax = 4000,
    window = "hann", periodic = true, center = true, pad = "reflect", power = 2, scale = "slaney",
    norm = "slaney", log = "none" }
  local cases = {
    { "as it is", {} },
    { "zeros as padding", { pad = "zero" } },
    { "no padding", { center = false } },
    { "a short window", { win_length = 80 } },
    { "an odd short window", { win_length = 77 } },
    { "a symmetric window", { periodic = false } },
    { "magnitudes", { power = 1 } },
    { "no area norm", { norm = "none" } },
    { "HTK", { scale = "htk", norm = "none" } },
    { "HTK with area norm", { scale = "htk" } },
    { "Kaldi", { scale = "kaldi", norm = "none" } },
    { "a band", { fmin = 300, fmax = 3400 } },
    { "a transform of 100 samples", { n_fft = 100, win_length = 100 } },
    { "a transform of 127 samples", { n_fft = 127, win_length = 127 } },
    { "a transform of 24 samples", { n_fft = 24, win_length = 20, mels = 4 } },
    { "a hop beyond the window", { hop = 200 } },
  }
  local lengths = { 300, 65, 40, 3, 1, 0 }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local o = {}
      for k, v in pairs(base) do o[k] = v end
      for k, v in pairs(case[2]) do o[k] = v end
      local fe = nj.audio.mel(o)
      for _, n in ipairs(lengths) do
        local wave = sound.noise(n, n + 1)
        local want = by_definition(o, wave)
        local got = fe(n > 0 and nj.tensor(wave) or nj.zeros(0))
        assert.equal(#want, fe:frames(n))
        local largest = 0
        for _, row in ipairs(want) do
          for _, v in ipairs(row) do largest = math.max(largest, v) end
        end
        near(want, got, { atol = 2e-6 * largest + 1e-12, rtol = 5e-5 }, ("%d samples"):format(n))
      end
    end)
  end

  it("logarithms, floor, reference, affine end", function()
    local wave = sound.noise_tensor(700)
    local function with(more)
      local o = {}
      for k, v in pairs(base) do o[k] = v end
      for k, v in pairs(more) do o[k] = v end
      return nj.audio.mel(o)(wave):totable()
    end
    local x = with {}
    local function expect(more, f, tolerance)
      local want = {}
      for t, row in ipairs(x) do
        want[t] = {}
        for b, v in ipairs(row) do want[t][b] = f(v) end
      end
      near(want, with(more), { atol = tolerance or 2e-5 })
    end
    local function log10(v) return math.log(v, 10) end
    expect({ log = "db" }, function(v) return 10 * log10(math.max(v, 1e-10)) end)
    expect({ log = "db", amin = 0.01, ref = 4 },
      function(v) return 10 * log10(math.max(v, 0.01)) - 10 * log10(4) end)
    expect({ log = "ln", eps = 0.5 }, function(v) return math.log(v + 0.5) end)
    expect({ log = "log10", amin = 1e-3 }, function(v) return log10(math.max(v, 1e-3)) end)
    expect({ log = "ln", eps = 1e-5, add = 4.5, mul = 0.2 },
      function(v) return (math.log(v + 1e-5) + 4.5) * 0.2 end)
    local highest = -math.huge
    for _, row in ipairs(x) do for _, v in ipairs(row) do highest = math.max(highest,
      10 * log10(v)) end end
    expect({ log = "db", top_db = 6 },
      function(v) return math.max(10 * log10(math.max(v, 1e-10)), highest - 6) end)
  end)

  it("pre-emphasis and 16-bit rounding act on the samples", function()
    local wave = sound.noise(900, 5, 1.2)
    local filtered, rounded = {}, {}
    for i = 1, #wave - 1 do filtered[i] = wave[i + 1] - 0.97 * wave[i] end
    for i, v in ipairs(wave) do
      local q = math.max(-1, math.min(1, v)) * 32767
      rounded[i] = (q < 0 and math.ceil(q) or math.floor(q)) / 32767
    end
    local plain = nj.audio.mel(base)
    local o = { preemphasis = 0.97 }
    for k, v in pairs(base) do o[k] = v end
    near(plain(nj.tensor(filtered)), nj.audio.mel(o)(nj.tensor(wave)), { atol = 1e-5, rtol = 1e-5 })
    assert.equal(plain:frames(899), nj.audio.mel(o):frames(900))
    o.preemphasis, o.quantize = 0, true
    near(plain(nj.tensor(rounded)), nj.audio.mel(o)(nj.tensor(wave)), { atol = 1e-5, rtol = 1e-5 })
  end)
end)

describe("nj.audio.mel: properties", function()
  local fe = nj.audio.mel { preset = "panns" }

  it("twice the amplitude is 6.02 dB more", function()
    local quiet, loud = sound.noise(9000, 3, 0.25), sound.noise(9000, 3, 0.5)
    local a, b = fe(nj.tensor(quiet)):totable(), fe(nj.tensor(loud)):totable()
    for t, row in ipairs(a) do
      for m, v in ipairs(row) do assert.near(v + 20 * math.log(2, 10), b[t][m], 1e-4) end
    end
  end)

  it("a shift by one hop moves the inner frames by one, bit for bit", function()
    local x = sound.noise(32000 + 320, 4)
    local whole, later = nj.tensor(x), nj.tensor({ table.unpack(x, 321, 16321) })
    local a, b = fe(whole), fe(later)
    assert.is_true(sound.same(a:narrow(1, 4, 40), b:narrow(1, 3, 40)))
  end)

  it("a sine shows in the band that holds its frequency", function()
    local weights = fe:bank():totable()
    for _, hz in ipairs { 440, 2000, 9000 } do
      local rows = fe(nj.tensor(sound.sine(16000, hz, 32000))):totable()
      local best, loudest = nil, -math.huge
      for m, v in ipairs(rows[25]) do
        if v > loudest then best, loudest = m, v end
      end
      local bin, heaviest, weight = math.floor(hz / 31.25 + 0.5) + 1, nil, -1
      for m = 1, 64 do
        if weights[m][bin] > weight then heaviest, weight = m, weights[m][bin] end
      end
      assert.is_true(math.abs(best - heaviest) <= 1)
    end
  end)

  it("Slaney's norm gives every triangle an area of one", function()
    local weights = bank { n_fft = 16384, hop = 320, mels = 40 }
    for _, row in ipairs(weights) do
      local area = 0
      for _, w in ipairs(row) do area = area + w * 32000 / 16384 end
      assert.near(1, area, 0.01)
    end
  end)

  it("digital silence is exactly the floor", function()
    assert.equal(-100, fe:silence())
    for _, v in ipairs(fe(nj.zeros(5000)):reshape(-1):totable()) do assert.equal(-100, v) end
    local eat = nj.audio.mel { preset = "efficientat" }
    local want = nj.tensor { eat:silence() }:item()
    for _, v in ipairs(eat(nj.zeros(2000)):reshape(-1):totable()) do assert.equal(want, v) end
  end)

  it("NaN and infinite samples stay in the frames that see them", function()
    local x = sound.noise(20000, 8)
    x[10000] = 0 / 0
    local rows = fe(nj.tensor(x)):totable()
    for t, row in ipairs(rows) do
      local sees = math.abs((t - 1) * 320 - 9999) < 512
      for _, v in ipairs(row) do assert.equal(sees, v ~= v) end
    end
    x[10000] = math.huge
    rows = fe(nj.tensor(x)):totable()
    assert.is_true(rows[1][1] == rows[1][1] and rows[32][10] ~= rows[1][10])
  end)
end)

describe("nj.audio.mel: batches", function()
  local fe = nj.audio.mel { preset = "panns" }

  it("give the bits of their clips alone, whatever the number of threads", function()
    local threads, waves, alone = nj.threads(), {}, {}
    for i, n in ipairs { 32000, 700, 50001, 1, 320 * 64 } do
      waves[i] = sound.noise_tensor(n, i)
      alone[i] = fe(waves[i])
    end
    for _, count in ipairs { 1, 2, 5 } do
      nj.threads(count)
      local batch, lengths = fe:batch(waves)
      assert.same({ 5, 157, 64 }, batch.shape)
      assert.equal("int64", lengths.dtype)
      for i, wave in ipairs(waves) do
        local n = fe:frames(wave:numel())
        assert.equal(n, lengths:totable()[i])
        assert.is_true(sound.same(alone[i], batch:select(1, i):narrow(1, 1, n)))
        for t = n + 1, 157 do assert.equal(-100, batch:select(1, i):totable()[t][7]) end
      end
    end
    nj.threads(threads)
  end)

  it("from a tensor (clips, samples), of either float dtype and any strides", function()
    local x = nj.tensor { sound.noise(3000, 1), sound.noise(3000, 2), sound.noise(3000, 3) }
    local all = fe(x)
    assert.same({ 3, 10, 64 }, all.shape)
    for i = 1, 3 do assert.is_true(sound.same(fe(x:select(1, i)), all:select(1, i))) end
    assert.is_true(sound.same(all, fe(x:to "float64")))
    local columns = x:t():contiguous():t()
    assert.is_true(sound.same(all, fe(columns)))
    assert.same({ 0, 10, 64 }, fe(nj.zeros(0, 3000)).shape)
  end)

  it("apply top_db clip by clip", function()
    local act = nj.audio.mel { preset = "act" }
    local quiet, loud = sound.noise_tensor(16000, 1, 1e-4), sound.noise_tensor(16000, 2, 1)
    local batch = act:batch { quiet, loud }
    assert.is_true(sound.same(act(quiet), batch:select(1, 1)))
    assert.is_true(sound.same(act(loud), batch:select(1, 2)))
  end)
end)

describe("nj.audio.mel: as an object", function()
  it("knows frames and seconds", function()
    local fe = nj.audio.mel { preset = "panns" }
    assert.equal(1001, fe:frames(320000))
    assert.equal(1, fe:frames(0))
    assert.equal(1, fe:frames(319))
    assert.equal(2, fe:frames(320))
    assert.near(0, fe:seconds(1), 0)
    assert.near(0.01, fe:seconds(2), 1e-12)
    local free = nj.audio.mel { center = false }
    assert.near(512 / 32000, free:seconds(1), 1e-12)
    assert.equal(1, free:frames(10))
    assert.equal(1 + (32000 - 1024) // 320, free:frames(32000))
    assert.equal(1000, nj.audio.mel { preset = "efficientat" }:frames(320000))
    assert.equal(500, nj.audio.mel { preset = "act" }:frames(320000))
  end)

  it("rebuilds itself from its descriptor", function()
    local x = sound.noise_tensor(20000)
    for _, preset in ipairs { "panns", "htsat", "panns16k", "panns8k", "laion", "laion_fusion",
      "msclap2022",
      "msclap2023", "dcase", "act", "efficientat", "convnext" } do
      local fe = nj.audio.mel { preset = preset }
      local again = nj.audio.mel(fe:descriptor())
      assert.same(fe:descriptor(), again:descriptor())
      assert.is_true(sound.same(fe(x), again(x)), preset)
      assert.equal(fe:descriptor().rate, fe.rate)
    end
  end)

  it("presets hold the published numbers", function()
    local function has(preset, want)
      local d = nj.audio.mel { preset = preset }:descriptor()
      for k, v in pairs(want) do assert.equal(v, d[k], preset .. "." .. k) end
    end
    has("panns", { rate = 32000, n_fft = 1024, win_length = 1024, hop = 320, mels = 64, fmin = 50.0,
      fmax = 14000.0, scale = "slaney", norm = "slaney", log = "db", amin = 1e-10,
        periodic = true })
    has("panns16k", { rate = 16000, n_fft = 512, hop = 160, fmax = 8000.0 })
    has("laion", { rate = 48000, hop = 480, scale = "slaney", norm = "slaney", quantize = true })
    has("laion_fusion", { rate = 48000, hop = 480, scale = "htk", norm = "none", quantize = true })
    has("msclap2022", { rate = 44100, hop = 320, fmax = 14000.0 })
    has("msclap2023", { rate = 44100, hop = 320, fmax = 14000.0, bank_rate = 32000 })
    has("dcase", { rate = 44100, win_length = 1764, n_fft = 2048, hop = 882, log = "ln" })
    has("act", { rate = 32000, hop = 640, top_db = 80.0, drop_last = true })
    has("convnext", { rate = 32000, n_fft = 1024, hop = 320, mels = 224, fmin = 50.0, fmax = 14000.0 })
    has("efficientat", { win_length = 800, n_fft = 1024, periodic = false, scale = "kaldi",
      norm = "none",
      preemphasis = 0.97, mels = 128, fmax = 15000.0, log = "ln", eps = 1e-5, add = 4.5,
        mul = 0.2 })
  end)

  it("may take its bank from another rate, which otherwise follows", function()
    assert.equal(16000, nj.audio.mel { preset = "panns", rate = 16000, fmax = 8000 }.bank_rate)
    assert.equal(32000, nj.audio.mel { preset = "msclap2023", rate = 48000 }.bank_rate)
    local there, here = nj.audio.mel { preset = "msclap2023" }, nj.audio.mel { preset = "panns" }
    near(here:bank(), there:bank(), { atol = 0 })
    local x = sound.noise_tensor(5000)
    near(here(x), there(x), { atol = 0 })
    assert.near(320 / 44100, there:seconds(2), 1e-12)
    assert.error_matches(function() nj.audio.mel { bank_rate = 10 } end,
      "mel: bank_rate must be in [1000, 1000000] Hz, got 10", nil, true)
    assert.error_matches(function() nj.audio.mel { rate = 48000, bank_rate = 16000 } end,
      "mel: expected 0 <= fmin < fmax <= rate / 2 = 8000, got fmin 50 and fmax 14000", nil, true)
  end)

  it("prints and has fields", function()
    local fe = nj.audio.mel {}
    assert.equal("front-end(32000 Hz, n_fft 1024, window 1024, hop 320, "
      .. "64 slaney mels in 50.0 to 14000.0 Hz, db)",
      tostring(fe))
    assert.equal(320, fe.hop)
    assert.has_error(function() return fe.hopp end, "front-end has no field 'hopp'")
  end)

  it("a window of full length follows n_fft", function()
    assert.equal(2048, nj.audio.mel { n_fft = 2048 }.win_length)
    assert.equal(800, nj.audio.mel { preset = "efficientat", n_fft = 2048 }.win_length)
  end)

  it("says what is wrong with its options", function()
    local function fails(options, text)
      local ok, message = pcall(nj.audio.mel, options)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    fails({ hopp = 3 }, "mel: unknown option 'hopp' (did you mean 'hop'?)")
    fails({ preset = "pans" }, "preset")
    fails({ n_fft = 8 }, "mel: n_fft must be in [16, 32768], got 8")
    fails({ win_length = 2000 }, "mel: win_length must be in [1, n_fft = 1024], got 2000")
    fails({ hop = 0 }, "mel: hop must be in [1, 1000000], got 0")
    fails({ power = 3 }, "mel: power must be 1 or 2, got 3")
    fails({ mels = 0 }, "mel: mels must be in [1, 4096], got 0")
    fails({ fmin = 9000, fmax = 800 },
      "mel: expected 0 <= fmin < fmax <= rate / 2 = 16000, got fmin 9000 and fmax 800")
    fails({ rate = 16000 }, "fmax 14000")
    fails({ log = "ln", eps = 0 }, "mel: eps must be in (1e-37, 1e37), got 0")
    fails({ amin = -1 }, "mel: amin must be in (1e-37, 1e37), got -1")
    fails({ ref = 0 }, "mel: ref must be positive, got 0")
    fails({ log = "ln", top_db = 80 }, "mel: top_db needs log = 'db'")
    fails({ mul = 0 }, "mel: add and mul must be finite and mul not 0")
    fails({ fmin = 0 / 0 }, "fmin")
    fails({ preemphasis = 2 }, "mel: preemphasis must be in [-1, 1], got 2")
  end)

  it("says what is wrong with a wave", function()
    local fe = nj.audio.mel {}
    local function fails(text, f, ...)
      local ok, message = pcall(f, ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    fails("mel: expected a wave of shape (samples) or (clips, samples), got (1, 2, 3)", fe,
      nj.zeros(1, 2, 3))
    fails("mel: expected a float wave, got int64", fe, nj.zeros(9, { dtype = "int64" }))
    fails("mel: expected a wave of shape (samples), got (2, 9)", fe.batch, fe, { nj.zeros(2, 9) })
    fails("mel: item 2 of the batch must be a tensor, got number", fe.batch, fe, { nj.zeros(9), 4 })
    fails("the front-end is not differentiable", fe, nj.zeros(9, { grad = true }))
    fails("expected a list of 1 to 1000000 waves", fe.batch, fe, {})
  end)

  it("gives its memory back, and survives a lack of it", function()
    collectgarbage() collectgarbage()
    local before = nj.memory().live
    do
      local fe = nj.audio.mel { preset = "dcase", n_fft = 1800 }
      fe:batch { nj.zeros(30000), nj.zeros(100) }
      local x = nj.zeros(3000)
      for count = 0, 5 do
        nj._fail_after(count)
        pcall(fe, x)
        pcall(fe.batch, fe, { x, x })
        pcall(nj.audio.mel, { n_fft = 1800 })
        nj._fail_after(-1)
      end
    end
    collectgarbage() collectgarbage()
    assert.equal(before, nj.memory().live)
  end)
end)
