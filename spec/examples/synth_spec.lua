local fs = require "nightjar.fs"
local nj = require "nightjar"
local signal = require "examples.synth.signal"
local synth = require "examples.synth.sounds"
local temporary = require "spec.support.temporary"

describe("examples.synth", function()
  for _, kind in ipairs(synth.names()) do
    it("makes " .. kind, function()
      local wave = synth.make(kind, { seed = 3, seconds = 1.5 })
      assert.same({ 48000 }, wave.shape)
      assert.equal("float32", wave.dtype)
      assert.is_false(wave.requires_grad)
      assert.is_true(wave:isfinite():all())
      local peak = wave:abs():max():item()
      assert.is_true(peak > 0.3 and peak <= 0.81, peak)
      assert.is_true(wave:square():mean():item() > 1e-6)
    end)
  end

  it("makes the same sound of the same seed, and others of others", function()
    for _, kind in ipairs { "rain", "dog", "siren" } do
      local one = synth.make(kind, { seed = 1, seconds = 1 })
      assert.is_true(one:equal(synth.make(kind, { seed = 1, seconds = 1 })))
      assert.is_false(one:equal(synth.make(kind, { seed = 2, seconds = 1 })))
    end
  end)

  -- Where the power of a sound lies, as a fraction.
  local function share(wave, low, high)
    local inside = signal.band(wave, low, high)
    return inside:square():mean():item() / wave:square():mean():item()
  end

  it("puts the power of each sound where it belongs", function()
    local function make(kind) return synth.make(kind, { seed = 5, seconds = 3 }) end
    assert.is_true(share(make "wind", 20, 600) > 0.7)
    assert.is_true(share(make "thunder", 20, 500) > 0.7)
    assert.is_true(share(make "siren", 500, 1600) > 0.7)
    assert.is_true(share(make "crickets", 3800, 5400) > 0.5)
    assert.is_true(share(make "alarm_clock", 1700, 9000) > 0.8)
    assert.is_true(share(make "rain", 1000, 15000) > 0.5)
    assert.is_true(share(make "dog", 300, 2000) > 0.7)
  end)

  it("writes one file of each kind, called by it", function()
    local dir = temporary.folder()
    finally(function() temporary.remove(dir) end)
    local rows = assert(synth.write_all(dir .. "/sounds", { seconds = 0.8 }))
    local files = fs.files(dir .. "/sounds", { extensions = { "wav" } })
    assert.equal(#synth.names(), #rows)
    assert.equal(#rows, #files)
    local order = {}
    for i, row in ipairs(rows) do
      order[i] = row.kind
      assert.equal(row.kind .. ".wav", row.file)
      local info = assert(nj.audio.info(dir .. "/sounds/" .. row.file))
      assert.equal("PCM_16", info.encoding)
      assert.equal(32000, info.rate)
      assert.equal(1, info.channels)
    end
    assert.same(synth.names(), order)
    assert.equal("file", fs.kind(dir .. "/sounds/what-is-what.csv"))
  end)

  it("says what it cannot make or write", function()
    assert.has_error(function() synth.make "unicorn" end, "synth: no kind 'unicorn'")
    local ok, message, code = synth.write_all("/proc/nowhere")
    assert.is_nil(ok)
    assert.matches("/proc/nowhere", message)
    assert.equal("EIO", code)
  end)
end)

describe("examples.synth.signal", function()
  it("filters as it is told", function()
    local rng = nj.rng(1)
    local noise = signal.noise(rng, 2)
    local shaped = signal.shape(noise, { { 1000, 0 }, { 2000, -20 }, { 8000, -20 } })
    local function power(x, low, high)
      return 10 * math.log(signal.band(x, low, high):square():mean():item(), 10)
    end
    assert.is_true(math.abs(power(shaped, 300, 900) - power(noise, 300, 900)) < 1)
    assert.is_true(math.abs(power(shaped, 3000, 6000) - power(noise, 3000, 6000) + 20) < 1)
  end)
  it("makes tones of the right frequency, however long", function()
    local tone = signal.tone(1000, 3)
    for _, at in ipairs { 1, 50001, 96000 } do
      local want = math.sin(2 * math.pi * 1000 * (at - 1) / signal.rate)
      assert.is_true(math.abs(tone[at] - want) < 1e-4)
    end
  end)
  it("draws curves through their points", function()
    local curve = signal.curve({ { 0, 1 }, { 0.5, 3 }, { 1, 0 } }, 1)
    assert.is_true(math.abs(curve[1] - 1) < 0.02)
    assert.is_true(math.abs(curve[16000] - 3) < 0.02)
    assert.is_true(math.abs(curve[24000] - 1.5) < 0.02)
  end)
  it("cuts what lies outside when it adds", function()
    local wave = signal.silence(0.01)
    signal.add(wave, nj.ones(320), -0.005)
    signal.add(wave, nj.ones(320), 0.0075, 2)
    signal.add(wave, nj.ones(320), 5)
    assert.equal(1, wave[1])
    assert.equal(1, wave[160])
    assert.equal(0, wave[161])
    assert.equal(0, wave[240])
    assert.equal(2, wave[241])
    assert.equal(2, wave[320])
  end)
end)
