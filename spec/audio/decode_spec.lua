local nj = require "nightjar"
local shared = require "spec.support.shared"
local near = require "spec.support.near"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local child = require "spec.support.child"
local mutate = require "spec.support.mutate"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function rms(values)
  local sum = 0
  for _, v in ipairs(values) do sum = sum + v * v end
  return math.sqrt(sum / #values)
end

-- Correlation of two lists over their common length.
local function correlation(a, b)
  local n, ab, aa, bb = math.min(#a, #b), 0, 0, 0
  for i = 1, n do ab, aa, bb = ab + a[i] * b[i], aa + a[i] * a[i], bb + b[i] * b[i] end
  return ab / math.sqrt(aa * bb)
end

local folder
setup(function() folder = temporary.folder() end)
teardown(function() temporary.remove(folder) end)

local function file(name, bytes) return temporary.write(folder .. "/" .. name, bytes) end

describe("nj.audio.decode: what it reads", function()
  it("16-bit, float and double WAV, exactly", function()
    local values = sound.noise(5000, 1, 0.9)
    local wave = assert(nj.audio.decode_bytes(sound.wav(values)))
    for i, v in ipairs(wave:totable()) do assert.equal(math.floor(values[i] * 32768) / 32768, v) end
    for _, format in ipairs { "f", "d" } do
      local x, info = nj.audio.decode_bytes(sound.wav(values, { format = format }))
      assert.is_true(sound.same(nj.tensor(values), x))
      assert.equal(format == "f" and "FLOAT" or "DOUBLE", info.encoding)
    end
  end)

  it("every format it writes, from files and from bytes alike", function()
    local x = nj.tensor(sound.sine(32000, 440, 32000))
    local lossless = { ["a.wav"] = true, ["a.flac"] = true, ["a.aiff"] = true, ["a.caf"] = true }
    for _, name in ipairs { "a.wav", "a.flac", "a.aiff", "a.caf", "a.ogg", "a.mp3" } do
      local path = folder .. "/" .. name
      assert(nj.audio.write(path, x, 32000))
      local wave, info = assert(nj.audio.decode(path))
      assert.equal(32000, info.rate)
      assert.is_true(sound.same(wave, (assert(nj.audio.decode_bytes(read(path))))), name)
      if lossless[name] then
        near(x, wave, { atol = 1 / 32768 }, name)
      else
        assert.is_true(math.abs(wave:numel() - 32000) <= 4608, name)
        assert.near(0.5 / math.sqrt(2), rms(wave:totable()), 0.02, name)
      end
    end
    assert(nj.audio.write(folder .. "/a.opus", nj.tensor(sound.sine(48000, 440, 48000)), 48000))
    local wave = assert(nj.audio.decode(folder .. "/a.opus"))
    assert.near(0.5 / math.sqrt(2), rms(wave:totable()), 0.02)
  end)

  it("the mean of the channels, or one of them", function()
    local l, r = sound.noise(1000, 1, 0.5), sound.noise(1000, 2, 0.5)
    local both, mean = {}, {}
    for i = 1, 1000 do
      both[2 * i - 1], both[2 * i], mean[i] = l[i], r[i], (l[i] + r[i]) / 2
    end
    local bytes = sound.wav(both, { channels = 2, format = "f" })
    near(mean, (nj.audio.decode_bytes(bytes)), { atol = 1e-7 })
    near(l, (nj.audio.decode_bytes(bytes, { channel = 1 })), { atol = 1e-7 })
    near(r, (nj.audio.decode_bytes(bytes, { channel = 2 })), { atol = 1e-7 })
    local _, message, code = nj.audio.decode_bytes(bytes, { channel = 3 })
    assert.equal("decode: '(bytes)' has 2 channels, channel 3 was asked for", message)
    assert.equal("EUNSUPPORTED", code)
  end)

  it("NaN and infinities as 0, counted", function()
    local values = sound.noise(100, 1)
    values[3], values[50], values[51] = 0 / 0, math.huge, -math.huge
    local x, info = nj.audio.decode_bytes(sound.wav(values, { format = "f" }))
    values[3], values[50], values[51] = 0, 0, 0
    near(values, x, { atol = 1e-7 })
    assert.equal(3, info.replaced)
    assert.equal(0, select(2, nj.audio.decode_bytes(sound.wav { 0, 0.5 })).replaced)
  end)

  it("values beyond 1 of float files as they are", function()
    near({ 3.5, -7 }, (nj.audio.decode_bytes(sound.wav({ 3.5, -7 }, { format = "f" }))),
      { atol = 0 })
  end)

  it("the same samples every time", function()
    local bytes = sound.wav(sound.noise(44100, 1), { rate = 44100 })
    local first = nj.audio.decode_bytes(bytes, { rate = 32000 })
    for _ = 1, 3 do assert.is_true(sound.same(first, (nj.audio.decode_bytes(bytes,
      { rate = 32000 })))) end
  end)

  it("the reference fixtures: one clip in six encodings", function()
    local original = shared.path "data/fixtures_audio/esc50v2_4-102844-A-49.wav"
    if not original then return pending "needs ../shared" end
    local prefix = original:gsub("%.wav$", "")
    local wav, info = assert(nj.audio.decode(original))
    assert.same({ 220500 }, wav.shape)
    assert.same({ 44100, 1, 220500, 5.0, "WAV", "PCM_16", false, 0 }, { info.rate, info.channels,
      info.frames,
      info.seconds, info.format, info.encoding, info.cut, info.replaced })
    assert.is_true(sound.same(wav, (assert(nj.audio.decode(prefix .. ".flac")))))
    local second = wav:narrow(1, 1, 44100)
    near(second, (assert(nj.audio.decode(prefix .. "_24bit.wav"))), { atol = 1e-6 })
    near(second, (assert(nj.audio.decode(prefix .. "_f32.wav"))), { atol = 1e-6 })
    local at32 = assert(nj.audio.decode(prefix .. "_stereo48k.wav", { rate = 32000 }))
    assert.same({ 32000 }, at32.shape)
    assert.is_true(correlation(at32:totable(),
      nj.audio.resample(second, 44100, 32000):totable()) > 0.99)
    local others = { ["esc50v1_4-102844-A.ogg"] = 5.0, ["silero_test.mp3"] = 2.5,
      ["silero_test.opus"] = 8.0 }
    for name, seconds in pairs(others) do
      local path = shared.path("data/fixtures_audio/" .. name)
      local x, about = assert(nj.audio.decode(path, { rate = 32000 }))
      assert.near(seconds, x:numel() / 32000, 0.1, name)
      assert.near(about.seconds, x:numel() / 32000, 1e-3, name)
      assert.is_true(sound.same(x, (assert(nj.audio.decode_bytes(read(path), { rate = 32000 })))))
      assert.is_true(rms(x:totable()) > 0.001)
    end
  end)
end)

describe("nj.audio.decode: rates and ranges", function()
  it("keeps a tone where it is, at any rate", function()
    for _, rate in ipairs { 8000, 11025, 16000, 22050, 44100, 48000, 96000, 37123 } do
      local bytes = sound.wav(sound.sine(rate, 1000, rate), { rate = rate, format = "f" })
      local x = assert(nj.audio.decode_bytes(bytes, { rate = 32000 }))
      assert.same({ 32000 }, x.shape)
      local want, got = sound.sine(32000, 1000, 32000), x:totable()
      for i = 2000, 30000 do assert.near(want[i], got[i], 2e-5) end
    end
  end)

  it("a range holds what the whole file has there", function()
    for _, case in ipairs { { "x.wav", 44100 }, { "x.flac", 48000 }, { "x.ogg", 44100 }, { "x.mp3",
      44100 },
      { "x.opus", 48000 }, { "y.wav", 32000 }, { "z.wav", 37123 } } do
      local path, rate = folder .. "/" .. case[1], case[2]
      assert(nj.audio.write(path, sound.noise_tensor(4 * rate, 3), rate))
      local whole = assert(nj.audio.decode(path, { rate = 32000 }))
      local n = whole:numel()
      for _, range in ipairs { { 0, 1 }, { 1.25, 2.5 }, { 2, 2.0001 }, { 3.9, 99 } } do
        local first = math.floor(range[1] * 32000 + 0.5)
        local last = math.min(math.floor(range[2] * 32000 + 0.5), n)
        local part = assert(nj.audio.decode(path, { rate = 32000, from = range[1], to = range[2] }))
        assert.equal(last - first, part:numel(), case[1])
        near(whole:narrow(1, first + 1, last - first), part, { atol = 2e-5 }, case[1] .. " from "
          .. range[1])
      end
    end
  end)

  it("refuses ranges that are none, and says where the file ends", function()
    local bytes = sound.wav(sound.noise(32000, 1))
    local x, message, code = nj.audio.decode_bytes(bytes, { from = 2 })
    assert.is_nil(x)
    assert.equal("decode: '(bytes)' ends at 1.000 s, before from = 2 s", message)
    assert.equal("ENOTFOUND", code)
    assert.has_error(function() nj.audio.decode_bytes(bytes, { from = 2, to = 1 }) end,
      "decode: expected 0 <= from < to in seconds, got from 2 to 1")
    assert.has_error(function() nj.audio.decode_bytes(bytes, { rat = 2 }) end,
      "decode_bytes: unknown option 'rat' (did you mean 'rate'?)")
    assert.is_false(pcall(nj.audio.decode_bytes, bytes, { rate = 10 }))
    assert.is_false(pcall(nj.audio.decode_bytes, bytes, { from = -1 }))
  end)

  it("refuses what is longer than max_seconds", function()
    local bytes = sound.wav(sound.noise(32000, 1))
    local _, message, code = nj.audio.decode_bytes(bytes, { max_seconds = 0.5 })
    assert.equal("decode: '(bytes)' is longer than 0.5 seconds; ask for a range by from and to, "
      .. "or raise max_seconds", message)
    assert.equal("EUNSUPPORTED", code)
    assert.equal(9600, nj.audio.decode_bytes(bytes, { max_seconds = 0.5, to = 0.3 }):numel())
  end)
end)

describe("nj.audio.info", function()
  it("tells what a header says, without decoding", function()
    local info = assert(nj.audio.info_bytes(sound.wav(sound.noise(22050, 1), { rate = 22050 })))
    assert.same({ rate = 22050, channels = 1, frames = 22050, seconds = 1.0, format = "WAV",
      encoding = "PCM_16", cut = false }, info)
    local path = folder .. "/info.flac"
    assert(nj.audio.write(path, nj.zeros(2, 1000), 16000))
    info = assert(nj.audio.info(path))
    assert.same({ 16000, 2, 1000, "FLAC" }, { info.rate, info.channels, info.frames, info.format })
    local _, message, code = nj.audio.info(folder .. "/none.wav")
    assert.equal("info: cannot open '" .. folder .. "/none.wav': No such file or directory",
      message)
    assert.equal("ENOTFOUND", code)
  end)
end)

describe("nj.audio.decode: files that are not what they should be", function()
  local function refused(bytes, text, code, options)
    local x, message, got = nj.audio.decode_bytes(bytes, options)
    assert.is_nil(x)
    assert.is_truthy(message:find(text, 1, true), message)
    assert.equal(code, got)
  end

  it("names what is missing, empty, foreign or no file", function()
    local _, message, code = nj.audio.decode(folder .. "/no such.wav")
    assert.equal("decode: cannot open '" .. folder .. "/no such.wav': No such file or directory",
      message)
    assert.equal("ENOTFOUND", code)
    _, message, code = nj.audio.decode(folder)
    assert.equal("decode: '" .. folder .. "' is a directory, not a file", message)
    assert.equal("EIO", code)
    _, message = nj.audio.decode "/dev/zero"
    assert.equal("decode: '/dev/zero' is a pipe or device, not a file", message)
    _, message, code = nj.audio.decode(file("empty.wav", ""))
    assert.equal("decode: '" .. folder .. "/empty.wav' is empty (0 bytes)", message)
    assert.equal("EFORMAT", code)
    refused("", "decode: '(bytes)' is empty (0 bytes)", "EFORMAT")
    refused("hello, this is a poem", "decode: '(bytes)' is not a sound file", "EFORMAT")
    refused("RIFF", "decode: '(bytes)' is damaged or of an unknown kind", "EFORMAT")
    refused(sound.wav {}, "decode: '(bytes)' holds no samples", "EFORMAT")
  end)

  it("a cut file is refused, or taken as far as it goes", function()
    local values = sound.noise(32000, 1)
    local wav = sound.wav(values)
    refused(wav:sub(1, #wav // 2),
      "is cut: it ends after 15989 frames, before its header or stream says", "EFORMAT")
    local x, info = assert(nj.audio.decode_bytes(wav:sub(1, #wav // 2), { partial = true }))
    assert.equal(15989, x:numel())
    assert.is_true(info.cut)
    for _, name in ipairs { "c.flac", "c.ogg", "c.aiff" } do
      local path = folder .. "/" .. name
      assert(nj.audio.write(path, sound.noise_tensor(160000, 1), 32000))
      local bytes = read(path)
      refused(bytes:sub(1, #bytes * 6 // 10), "is cut", "EFORMAT")
      x = assert(nj.audio.decode_bytes(bytes:sub(1, #bytes * 6 // 10), { partial = true }))
      assert.is_true(x:numel() > 60000 and x:numel() < 130000, name)
      -- A range that is there does not care.
      assert.equal(3200, nj.audio.decode_bytes(bytes:sub(1, #bytes * 6 // 10),
        { to = 0.1 }):numel())
    end
  end)

  it("streams of unknown length are not cut", function()
    local values = sound.noise(3000, 1)
    for _, claim in ipairs { 0xffffffff, 0xffffff00, 0x7fffffff, 0x7ffff000, 0x80000000 } do
      assert.equal(3000, nj.audio.decode_bytes(sound.wav(values, { claim = claim })):numel())
    end
  end)

  it("headers that claim the moon cost nothing", function()
    nj.memory { reset_peak = true }
    local before = nj.memory().live
    refused(sound.wav({ 0.5, 0.25 }, { claim = 0x6fffffff }), "is cut", "EFORMAT")
    -- A W64 file of 2^60 frames, and FLAC's largest count of 2^36 - 1.
    local w64 = "riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00" .. string.pack("<I8",
      1 << 61)
      .. "wave\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
      .. "fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a" .. string.pack("<I8I2I2I4I4I2I2",
        40, 1, 1, 32000,
        64000, 2, 16) .. "data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
          .. string.pack("<I8", 1 << 61)
      .. ("\1\2"):rep(50)
    local x, message = nj.audio.decode_bytes(w64)
    assert.is_true(x == nil and #message > 20 or x:numel() <= 64)
    assert(nj.audio.write(folder .. "/f.flac", sound.noise_tensor(3000, 1), 32000))
    local flac = read(folder .. "/f.flac")
    local moon = flac:sub(1, 21) .. string.char(flac:byte(22) | 0x0f) .. "\xff\xff\xff\xff"
      .. flac:sub(27)
    x = nj.audio.decode_bytes(moon)
    assert.is_nil(x)
    x = nj.audio.decode_bytes(moon, { partial = true, max_seconds = 1e6, to = 10 })
    assert.is_true(x == nil or x:numel() == 3000)
    collectgarbage()
    assert.is_true(nj.memory().peak - before < 8 * 1024 * 1024)
  end)

  it("rates and channel counts out of range", function()
    refused(sound.wav(sound.noise(100, 1), { rate = 3 }), "claims a sample rate of 3 Hz",
      "EUNSUPPORTED")
    refused(sound.wav(sound.noise(100, 1), { rate = 2000000 }),
      "claims a sample rate of 2000000 Hz",
      "EUNSUPPORTED")
    assert.is_nil((nj.audio.decode_bytes(sound.wav(sound.noise(100, 1), { channels = 0 }))))
    assert.is_nil((nj.audio.decode_bytes(sound.wav(sound.noise(100, 1), { channels = 65535 }))))
  end)

  it("hundreds of mutations of every format end in samples or in words", function()
    local seeds, kinds = nj.rng(11), { "m.wav", "m.flac", "m.ogg", "m.aiff", "m.opus", "m.caf" }
    collectgarbage() collectgarbage()
    local before, outcomes = nj.memory().live, { 0, 0 }
    for _, name in ipairs(kinds) do
      local path = folder .. "/" .. name
      assert(nj.audio.write(path, sound.noise_tensor(4800, 2), 48000))
      local bytes = read(path)
      for round = 1, 120 do
        local mutated = mutate(bytes, seeds, round)
        local partial = round % 3 == 0
        local x, message, code = nj.audio.decode_bytes(mutated, { rate = 16000, partial = partial,
          max_seconds = 600 })
        if x then
          outcomes[1] = outcomes[1] + 1
          assert.is_true(x:numel() >= 1)
        else
          outcomes[2] = outcomes[2] + 1
          assert.is_truthy(message:find("^decode: "), message)
          assert.is_truthy(({ EFORMAT = 1, EUNSUPPORTED = 1 })[code], code)
        end
      end
    end
    assert.is_true(outcomes[1] > 20 and outcomes[2] > 20)
    collectgarbage() collectgarbage()
    assert.equal(before, nj.memory().live)
  end)

  it("and so do those of MP3 files", function()
    -- In a program of its own: libmpg123 (under libsndfile) writes notes on damaged frames to
    -- stderr.
    local path = folder .. "/m.mp3"
    assert(nj.audio.write(path, sound.noise_tensor(4800, 2), 48000))
    local output, code = child.run("-e", ([[
      local nj, mutate = require "nightjar", require "spec.support.mutate"
      local file = assert(io.open("%s", "rb"))
      local bytes, seeds, read, refused = file:read "a", nj.rng(12), 0, 0
      for round = 1, 150 do
        local x, message, code = nj.audio.decode_bytes(mutate(bytes, seeds, round),
          { rate = 16000, partial = round %% 3 == 0, max_seconds = 600 })
        if x then read = read + 1 else refused = refused + 1 end
        assert(x and x:numel() >= 1 or message:find "^decode: " and (code == "EFORMAT"
          or code == "EUNSUPPORTED"))
      end
      assert(read > 20 and refused > 20)
      print "all accounted for"
    ]]):format(path))
    assert.equal(0, code, output)
    assert.is_truthy(output:find "all accounted for", output)
  end)

  it("a memory limit is an error, not a crash", function()
    local path = folder .. "/long.flac"
    assert(nj.audio.write(path, nj.zeros(4000000), 32000))
    collectgarbage()
    local limit = nj.memory().limit
    nj.memory { limit = nj.memory().live + 3000000 }
    local x, message, code = nj.audio.decode(path)
    nj.memory { limit = limit }
    assert.is_nil(x)
    assert.equal("decode: out of memory while reading '" .. path .. "'", message)
    assert.equal("ENOMEM", code)
    assert.equal(4000000, nj.audio.decode(path):numel())
    for count = 0, 8 do
      nj._fail_after(count)
      pcall(nj.audio.decode, path, { rate = 16000, to = 1 })
      nj._fail_after(-1)
    end
  end)
end)

describe("nj.audio.decode_many", function()
  it("gives waves in order, false and a message where a file fails", function()
    local paths = {}
    for i = 1, 9 do
      paths[i] = folder .. "/many" .. i .. ".wav"
      assert(nj.audio.write(paths[i], sound.noise_tensor(1000 * i, i), 44100))
    end
    paths[4] = folder .. "/missing.wav"
    local threads = nj.threads()
    for _, count in ipairs { 1, 3 } do
      nj.threads(count)
      local waves, errors = nj.audio.decode_many(paths, { rate = 32000 })
      assert.equal(9, #waves)
      for i = 1, 9 do
        if i ~= 4 then assert.is_true(sound.same((nj.audio.decode(paths[i], { rate = 32000 })),
          waves[i])) end
      end
      assert.is_false(waves[4])
      assert.same({ [4] = "decode: cannot open '" .. paths[4] .. "': No such file or directory" },
        errors)
    end
    nj.threads(threads)
    assert.same({ {}, {} }, { nj.audio.decode_many {} })
    assert.has_error(function() nj.audio.decode_many { "a", 3 } end,
      "decode_many: item 2 of the list must be a path, got number")
  end)
end)
