local nj = require "nightjar"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"

local folder
setup(function() folder = temporary.folder() end)
teardown(function() temporary.remove(folder) end)

describe("nj.audio.write", function()
  it("keeps floats exactly when asked to, and every channel", function()
    local x = nj.tensor { sound.noise(1000, 1, 2), sound.noise(1000, 2, 2) }
    local path = folder .. "/x.wav"
    assert.is_true(nj.audio.write(path, x, 22050, { encoding = "float" }))
    local info = nj.audio.info(path)
    assert.same({ 22050, 2, 1000, "FLOAT" }, { info.rate, info.channels, info.frames,
      info.encoding })
    for c = 1, 2 do
      assert.is_true(sound.same(x:select(1, c):contiguous(), (nj.audio.decode(path,
        { channel = c }))))
    end
  end)

  it("clips what integers cannot hold, and writes NaN as 0", function()
    local path = folder .. "/clip.wav"
    assert(nj.audio.write(path, nj.tensor { 3, -3, 0 / 0, math.huge, 0.5 }, 8000))
    near({ 1, -1, 0, 0, 0.5 }, (nj.audio.decode(path)), { atol = 1 / 16384 })
  end)

  it("equal samples give equal files", function()
    local x = sound.noise_tensor(500, 1)
    for _, name in ipairs { "1.wav", "1.flac" } do
      local bytes = {}
      for i = 1, 2 do
        assert(nj.audio.write(folder .. "/" .. name, x, 32000, { encoding = name == "1.wav"
          and "float" or nil }))
        local file <close> = assert(io.open(folder .. "/" .. name, "rb"))
        bytes[i] = file:read "a"
      end
      assert.equal(bytes[1], bytes[2])
    end
  end)

  it("says what does not go", function()
    local x = nj.zeros(10)
    local function fails(text, ...)
      local ok, message = pcall(nj.audio.write, ...)
      assert.is_false(ok)
      assert.is_truthy(message:find(text, 1, true), message)
    end
    fails("write: 'x.txt' must end in .wav, .flac, .ogg, .opus, .aiff, .caf or .mp3", "x.txt", x,
      32000)
    fails("write: encoding must be pcm16,", "x.wav", x, 32000, { encoding = "pcm17" })
    fails("write: 'x.flac' cannot hold 1 channels at 32000 Hz encoded as vorbis", "x.flac", x,
      32000,
      { encoding = "vorbis" })
    fails("write: expected (samples) or (channels, samples), got (1, 2, 3)", "x.wav", nj.zeros(1, 2,
      3), 32000)
    fails("write: expected float samples, got int64", "x.wav", nj.zeros(3, { dtype = "int64" }),
      32000)
    fails("write: rate must be in [1, 655350] Hz, got 0", "x.wav", x, 0)
    local ok, message, code = nj.audio.write(folder .. "/no/such/x.wav", x, 32000)
    assert.is_nil(ok)
    assert.is_truthy(message:find("write: cannot write", 1, true), message)
    assert.equal("EIO", code)
    assert.is_nil(io.open("x.wav"))
  end)
end)
