local core = require "nightjar.core"
local data = require "nightjar.data"
local fs = require "nightjar.fs"
local temporary = require "spec.support.temporary"

describe("nj.data.cache", function()
  local dir, sound, fe
  before_each(function()
    dir = temporary.folder()
    sound = dir .. "/sound.wav"
    fe = core.audio.mel { preset = "panns" }
    assert(core.audio.write(sound, core.randn(32000, { rng = core.rng(1) }) * 0.1, 32000))
  end)
  after_each(function() temporary.remove(dir) end)

  local function entries() return fs.files(dir .. "/cache") end
  local function open(options)
    options = options or {}
    options.front_end = options.front_end or fe
    return assert(data.cache(dir .. "/cache", options))
  end
  local function same(a, b) return a:equal(b) end

  it("computes once", function()
    local want = fe(assert(core.audio.decode(sound, { rate = 32000 })))
    local cache = open()
    local mel, hit = cache:get(sound)
    assert.is_false(hit)
    assert.is_true(same(want, mel))
    mel, hit = cache:get(sound)
    assert.is_true(hit)
    assert.is_true(same(want, mel))
    mel, hit = open():get(sound)
    assert.is_true(hit)
    assert.is_true(same(want, mel))
    assert.same({ hits = 1, misses = 1, damaged = 0 }, cache:stats())
    assert.equal(1, #entries())
  end)

  it("computes again when the file changes", function()
    for _, check in ipairs { "stat", "content" } do
      local cache = open { check = check }
      cache:get(sound)
      assert(core.audio.write(sound, core.randn(16000, { rng = core.rng(2) }) * 0.1, 32000))
      local mel, hit = cache:get(sound)
      assert.is_false(hit)
      assert.equal(51, mel.shape[1])
      assert(core.audio.write(sound, core.randn(32000, { rng = core.rng(1) }) * 0.1, 32000))
    end
  end)

  it("knows a file by its bytes under another name", function()
    local cache = open { check = "content" }
    cache:get(sound)
    local copy = temporary.write(dir .. "/copy.wav", fs.read(sound))
    assert.is_true(select(2, cache:get(copy)))
    assert.is_false(select(2, open():get(copy)))
  end)

  it("keeps front-ends apart", function()
    open():get(sound)
    local other = open { front_end = core.audio.mel { preset = "panns", fmin = 60 } }
    assert.is_false(select(2, other:get(sound)))
    assert.equal(2, #entries())
  end)

  it("recomputes a damaged entry, whatever the damage", function()
    local want = open():get(sound)
    local entry = dir .. "/cache/" .. entries()[1]
    local whole = assert(fs.read(entry))
    local rng = core.rng(4)
    for i = 1, 60 do
      local damaged
      if i <= 30 then
        damaged = whole:sub(1, rng:integer(0, #whole - 1))
      elseif i <= 40 then
        -- The exponent of a number in the middle of the data.
        local at = #whole - 4 * rng:integer(1, 2000)
        damaged = whole:sub(1, at - 1) .. "\x45" .. whole:sub(at + 1)
      elseif i <= 50 then
        local at = rng:integer(1, 300) -- in the header
        damaged = whole:sub(1, at - 1) .. string.char(rng:integer(0, 255)) .. whole:sub(at + 1)
      else
        damaged = ("\0"):rep(rng:integer(0, 5000))
      end
      temporary.write(entry, damaged)
      local cache = open()
      local mel = assert(cache:get(sound))
      if damaged ~= whole then
        -- A changed byte of padding or of a key's order may leave the entry whole.
        assert.is_true(cache:stats().damaged == 1 or cache:stats().hits == 1)
      end
      assert.is_true(same(want, mel))
    end
    assert.is_true(select(2, open():get(sound)))
  end)

  it("answers although it cannot write", function()
    local cache = open()
    temporary.remove(dir .. "/cache")
    temporary.write(dir .. "/cache", "a file where the folder was")
    local mel, hit = cache:get(sound)
    assert.is_false(hit)
    assert.equal(101, mel.shape[1])
    assert.is_string(cache:stats().unwritten.message)
    local none, message, code = data.cache(dir .. "/cache", { front_end = fe })
    assert.is_nil(none)
    assert.matches("^cache: ", message)
    assert.equal("EIO", code)
  end)

  it("passes on what is wrong with a sound", function()
    local cache = open()
    local mel, message, code = cache:get(dir .. "/none.wav")
    assert.is_nil(mel)
    assert.matches("none.wav", message)
    assert.equal("ENOTFOUND", code)
    mel, message = cache:get(temporary.write(dir .. "/bad.wav", "bad"))
    assert.is_nil(mel)
    assert.matches("bad.wav", message)
  end)

  it("can be cleared", function()
    local cache = open()
    cache:get(sound)
    assert.equal(1, cache:clear())
    assert.same({}, entries())
  end)
end)
