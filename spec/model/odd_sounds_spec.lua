-- Sounds as they come: very short, silent, very loud, not a number.
local nj = require "nightjar"
local tagged = require "spec.support.tagged"

describe("a model with tags", function()
  local model = tagged.calibrate(tagged.model())
  local function check(clip, seconds)
    assert.is_nil(clip.error)
    assert.near(seconds, clip.seconds, 1e-9)
    assert.is_true(clip.vector:isfinite():all() and clip.frames:isfinite():all())
    for _, list in ipairs { clip.times, clip.frame_times } do
      for _, t in ipairs(list) do
        assert.is_true(0 <= t[1] and t[1] < t[2] and t[2] <= clip.seconds + 1e-9)
      end
      assert.equal(clip.seconds, list[#list][2])
    end
  end

  it("hears sounds of any length", function()
    for _, n in ipairs { 1, 320, 9600, 31680, 64001, 112000 } do
      local clip = model:audio({ tagged.noise(n, n / 32000) })[1]
      check(clip, n / 32000)
      assert.near(1, clip.vector:square():sum():item(), 1e-5)
      assert.is_nil(clip.silent)
    end
  end)

  it("hears very loud ones", function()
    for _, wave in ipairs { tagged.noise(1):sign(), tagged.noise(1) * 1e4 } do
      check(model:audio({ wave })[1], 1)
    end
  end)

  it("finds nothing in silence", function()
    for _, wave in ipairs { nj.zeros(1), nj.zeros(9600), nj.zeros(80000), tagged.noise(1) * 1e-4 } do
      local clip = model:audio({ wave })[1]
      check(clip, wave.shape[1] / 32000)
      assert.is_true(clip.silent)
      local S = model:similarity({ "dog barking", "rain" }, { clip })
      assert.near(0, S.scores:abs():max():item(), 1e-6)
      for _, level in ipairs { "clip", "frame", "caption" } do
        assert.near(0, S[level]:abs():max():item(), 1e-6)
      end
    end
    assert.is_nil(model:audio({ nj.cat({ nj.zeros(80000), tagged.noise(1) }, 1) })[1].silent)
  end)

  it("says which sound holds what is no number", function()
    local wave = tagged.noise(1)
    wave[{ { 100, 101 } }]:fill_(0 / 0)
    local clips = model:audio { tagged.noise(2), wave }
    assert.is_nil(clips[1].error)
    assert.same({ "sound 2: the sound holds NaN or infinite values", "EFORMAT" },
      { clips[2].error, clips[2].code })
  end)
end)
