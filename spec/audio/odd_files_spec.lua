-- Files that are odd, and common: joined, of other containers, of kinds that are not read.
local nj = require "nightjar"
local child = require "spec.support.child"
local shared = require "spec.support.shared"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"

local RATE = 32000

local folder
setup(function() folder = temporary.folder() end)
teardown(function() temporary.remove(folder) end)

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function mp3(n, hz, rate)
  local path = folder .. "/one.mp3"
  assert(nj.audio.write(path, nj.tensor(sound.sine(n, hz, rate or RATE)), rate or RATE))
  return read(path)
end

local function loudness(x) return (x * x):mean():item() end

describe("MP3 files that were joined", function()
  local a, b
  setup(function() a, b = mp3(50000, 440), mp3(30000, 880) end)

  local function joined(bytes, ...)
    local waves = {}
    for i, part in ipairs { ... } do waves[i] = assert(nj.audio.decode_bytes(part)) end
    local whole = nj.cat(waves, 1)
    local path = temporary.write(folder .. "/joined.mp3", bytes)
    for _, decode in ipairs {
      function(o) return nj.audio.decode_bytes(bytes, o) end,
      function(o) return nj.audio.decode(path, o) end,
    } do
      local x, info = assert(decode())
      assert.is_true(sound.same(whole, x))
      assert.equal(whole:numel(), info.frames)
      assert.is_false(info.cut)
      -- A range that lies in the last part, and one over the seam.
      assert.is_true(sound.same(whole:narrow(1, 48001, 8000), (assert(decode { from = 1.5, to = 1.75 }))))
    end
    assert.equal(whole:numel(), assert(nj.audio.info(path)).frames)
  end

  it("are read to the end", function()
    joined(a .. b, a, b)
    joined(a .. b .. a .. b, a, b, a, b)
  end)

  it("whatever tags and zeros lie between them", function()
    joined(a .. "ID3\4\0\0\0\0\0\10" .. ("\0"):rep(10) .. b, a, b)
    joined(a .. "TAG" .. ("x"):rep(125) .. b .. "TAG" .. ("x"):rep(125), a, b)
    joined(a .. ("\0"):rep(500) .. b, a, b)
  end)

  it("a tag or zeros behind one file are no second one", function()
    local whole = assert(nj.audio.decode_bytes(a))
    assert.equal(50000, whole:numel())
    for _, rest in ipairs { "TAG" .. ("x"):rep(125), ("\0"):rep(20000), ("words "):rep(900) } do
      assert.is_true(sound.same(whole, (assert(nj.audio.decode_bytes(a .. rest)))))
    end
  end)

  it("are cut where the last one is, and where another rate follows", function()
    for _, bytes in ipairs { a .. b:sub(1, #b // 2), a .. mp3(50000, 440, 44100) } do
      local x, message, code = nj.audio.decode_bytes(bytes)
      assert.is_nil(x)
      assert.matches("is cut", message)
      assert.equal("EFORMAT", code)
      local info
      x, info = assert(nj.audio.decode_bytes(bytes, { partial = true }))
      assert.is_true(info.cut)
      assert.is_true(sound.same((assert(nj.audio.decode_bytes(a))), x:narrow(1, 1, 50000)))
    end
  end)

  it("print nothing, cut or joined", function()
    for i, bytes in ipairs { a .. b, a:sub(1, #a // 2), a .. "TAG" .. ("x"):rep(125),
      a .. ("\0"):rep(20000) } do
      local path = temporary.write(folder .. "/quiet" .. i .. ".mp3", bytes)
      local output, code = child.run("-e", ([[require "nightjar".audio.decode(%q, { partial = true })]])
        :format(path))
      assert.same({ "", 0 }, { output, code })
    end
  end)
end)

describe("containers", function()
  it("BW64 is read as WAV is", function()
    local values = sound.noise(5000, 1)
    local path = temporary.write(folder .. "/a.wav", sound.bw64(values, RATE))
    local x, info = assert(nj.audio.decode(path))
    assert.is_true(sound.same((assert(nj.audio.decode_bytes(sound.wav(values)))), x))
    assert.same({ 5000, RATE, false }, { info.frames, info.rate, info.cut })
    assert.is_true(sound.same(x, (assert(nj.audio.decode_bytes(read(path))))))
    for _, bytes in ipairs { read(path), (read(path):gsub("^BW64", "RF64")) } do
      local none, message = nj.audio.decode_bytes(bytes:sub(1, 5000))
      assert.is_nil(none)
      assert.matches("is cut", message)
    end
  end)

  it("MP3 in WAV is what the frames are", function()
    local frames = mp3(50000, 440)
    local bytes = sound.mp3_in_wav(frames, RATE)
    local path = temporary.write(folder .. "/b.wav", bytes)
    local x, info = assert(nj.audio.decode(path))
    assert.is_true(sound.same((assert(nj.audio.decode_bytes(frames))), x))
    assert.is_true(sound.same(x, (assert(nj.audio.decode_bytes(bytes)))))
    assert.same({ "MP3", "MP3", false, 50000 }, { info.format, info.encoding, info.cut, info.frames })
    assert.matches("is cut", (select(2, nj.audio.decode_bytes(bytes:sub(1, #bytes // 2)))))
  end)

  it("MP3 of changing rate without a tag is not lost in silence", function()
    local tagged = mp3(50000, 440)
    local bare = tagged:sub((tagged:find("\xff\xfb", 100, true)))
    for _, bytes in ipairs { bare, sound.mp3_in_wav(bare, RATE) } do
      local x, message, code = nj.audio.decode_bytes(bytes)
      if x then
        assert.is_true(x:numel() >= 50000)
      else
        assert.matches("is cut or damaged", message)
        assert.equal("EFORMAT", code)
        assert.is_true(select(2, assert(nj.audio.decode_bytes(bytes, { partial = true }))).cut)
      end
    end
  end)
end)

describe("channels that cancel each other", function()
  local n = 3 * RATE
  local function stereo(factor, silent)
    local left, t = sound.noise(n, 3), {}
    for i = 1, n do
      local x = i <= (silent or 0) and 0 or left[i]
      t[2 * i - 1], t[2 * i] = x, factor * x
    end
    return sound.wav(t, { channels = 2 })
  end

  it("are not averaged to silence", function()
    for _, silent in ipairs { 0, 2 * RATE } do
      local bytes = stereo(-1, silent)
      local x, info = assert(nj.audio.decode_bytes(bytes))
      assert.is_true(info.cancelled)
      assert.is_true(sound.same((assert(nj.audio.decode_bytes(bytes, { channel = 1 }))), x))
      assert.is_true(sound.same(x:narrow(1, 80001, 8000),
        (assert(nj.audio.decode_bytes(bytes, { from = 2.5, to = 2.75 })))))
      assert.is_true(select(2, nj.audio.decode_bytes(bytes, { from = 2.5 })).cancelled)
    end
  end)

  it("others are averaged", function()
    for _, factor in ipairs { 1, 0, 0.5, -0.5, -0.7 } do
      local x, info = assert(nj.audio.decode_bytes(stereo(factor)))
      assert.is_false(info.cancelled)
      local left = assert(nj.audio.decode_bytes(stereo(factor), { channel = 1 }))
      assert.near(loudness(left) * ((1 + factor) / 2) ^ 2, loudness(x), 1e-4)
    end
    assert.is_false(select(2, nj.audio.decode_bytes(stereo(-1, n))).cancelled) -- silence
    assert.is_false(select(2, nj.audio.decode_bytes(stereo(-1), { channel = 2 })).cancelled)
  end)

  it("from a reader, tile by tile, the same", function()
    local bytes = stereo(-1, RATE)
    local path = temporary.write(folder .. "/anti.wav", bytes)
    local whole = assert(nj.audio.decode(path))
    for _, tile in ipairs { 8000, 20000, n } do
      local r <close> = nj.audio.reader { rate = RATE, tile = tile, step = tile }
      r:submit(path)
      local tiles = {}
      for rows in function() return (r:next()) end do tiles[#tiles + 1] = rows end
      assert.is_true(sound.same(whole, nj.cat(tiles, 1)))
    end
  end)
end)

describe("sounds of kinds that are not read", function()
  local kinds = {
    ["MP4 (AAC or ALAC)"] = "\0\0\0\x1cftypM4A \0\0\2\0",
    ["WMA"] = "\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    ["Matroska or WebM"] = "\x1a\x45\xdf\xa3",
    ["AAC"] = "\xff\xf1\x50\x80",
  }

  it("say what they are, and what to do", function()
    for kind, head in pairs(kinds) do
      local path = temporary.write(folder .. "/x.m4a", head .. ("\1\2\3"):rep(500))
      for _, read_it in ipairs { nj.audio.decode, nj.audio.info } do
        local x, message, code = read_it(path)
        assert.is_nil(x)
        assert.is_truthy(message:find(("'%s' is %s, which is not read; convert it, for example by "
          .. "ffmpeg -i x.m4a x.flac"):format(path, kind), 1, true), message)
        assert.equal("EUNSUPPORTED", code)
      end
    end
  end)
end)

describe("files of other programs", function()
  it("hold what they should", function()
    if not shared.path "data/fixtures_audio/odd/plain.wav" then return pending("needs ../shared") end
    local odd = shared.root .. "/data/fixtures_audio/odd/"
    local plain = assert(nj.audio.decode(odd .. "plain.wav"))
    assert.equal(88200, assert(nj.audio.decode(odd .. "double.mp3")):numel())
    assert.is_true(sound.same(plain, (assert(nj.audio.decode(odd .. "bw64.wav")))))
    assert.near(0.125, loudness(assert(nj.audio.decode(odd .. "mp3_in.wav"))), 0.02)
    assert.equal("EUNSUPPORTED", (select(3, nj.audio.decode(odd .. "aac.m4a"))))
  end)
end)
