local nj = require "nightjar"
local sound = require "spec.support.sound"

-- Values that no function expects everywhere; some are legal somewhere.
local function oddities()
  return {
    [0] = nil, -1, 0, 1, 2.5, 0 / 0, math.huge, -math.huge, math.maxinteger, math.mininteger, "",
    "x", ("y"):rep(300), "\0", true, false, {}, { 1, 2 }, { {} }, { rate = {} }, { [1.5] = 1 },
    print, io.stdout, coroutine.create(print), nj.rng(1), nj.zeros(0), nj.zeros(3), nj.zeros(2, 3),
    nj.zeros(1, 2, 3, 4), nj.tensor(1), nj.zeros(4, { dtype = "int64" }), nj.zeros(2, 0),
    nj.tensor { 0 / 0, 1 / 0 }, nj.zeros(5, { dtype = "float64" }):requires_grad_(true),
    setmetatable({}, { __index = function() error "no" end }),
    setmetatable({}, { __len = function() return math.maxinteger end }),
    setmetatable({}, { __len = function() return -5 end }),
  }
end

-- Calls f with every oddity at every place of good arguments; each call returns or raises a text.
local function torment(name, f, good)
  for place = 1, #good + 1 do
    local odd = oddities()
    for i = 0, #odd do
      local arguments = table.pack(table.unpack(good))
      arguments[place] = odd[i]
      local ok, message = pcall(f, table.unpack(arguments, 1, math.max(place, #good)))
      assert.is_true(ok or type(message) == "string" or type(message) == "table", name)
    end
  end
end

describe("nj.audio and its objects given anything", function()
  local wave, wav
  before_each(function()
    wave = nj.tensor(sound.noise(600, 1))
    wav = sound.wav(sound.noise(600, 1))
  end)

  it("functions", function()
    torment("decode", nj.audio.decode, { "no such file.wav", { rate = 32000 } })
    torment("decode_bytes", nj.audio.decode_bytes, { wav, { rate = 32000 } })
    torment("decode_many", nj.audio.decode_many, { { "no such file.wav" }, {} })
    torment("info", nj.audio.info, { "no such file.wav" })
    torment("info_bytes", nj.audio.info_bytes, { wav })
    torment("write", nj.audio.write, { "/nowhere/at/all.wav", wave, 32000, {} })
    torment("resample", nj.audio.resample, { wave, 44100, 32000 })
    torment("spec_augment", nj.audio.spec_augment, { nj.zeros(20, 8), {} })
    torment("gain", nj.audio.gain, { wave, 3 })
    torment("mix", nj.audio.mix, { wave, wave, 3, {} })
    torment("shift", nj.audio.shift, { wave, 3, {} })
    torment("crop", nj.audio.crop, { wave, 100, {} })
    torment("mel", nj.audio.mel, { {} })
    torment("renderer", nj.audio.renderer, { { sources = {}, rate = 8000 } })
  end)

  it("each option of each function", function()
    local function options(name, call, keys)
      for key in keys:gmatch "%S+" do
        local odd = oddities()
        for i = 1, #odd do
          local ok, message = pcall(call, { [key] = odd[i] })
          assert.is_true(ok or type(message) == "string", name .. "." .. key)
        end
      end
    end
    options("decode_bytes", function(o) nj.audio.decode_bytes(wav, o) end,
      "rate from to channel max_seconds partial nonsense")
    options("spec_augment", function(o) nj.audio.spec_augment(nj.zeros(20, 8), o) end,
      "time_stripes time_width freq_stripes freq_width value lengths rng nonsense")
    options("mel", function(o) nj.audio.mel(o)(wave) end,
      "preset rate n_fft win_length hop window periodic center pad power mels fmin fmax scale norm "
      .. "log amin ref eps top_db preemphasis add mul quantize drop_last bank_rate fill duration nonsense")
    options("mel", function(o)
      o.fill = "repeat_pad"
      return nj.audio.mel(o)(wave)
    end, "rate n_fft hop preemphasis top_db drop_last")
    options("renderer", function(o)
      o.sources, o.rate = o.sources or { wave }, o.rate or 8000
      nj.audio.renderer(o):close()
    end, "sources front_end rate ahead jobs cache_mb cache whole partial nonsense")
    local r <close> = nj.audio.renderer { sources = { wave }, rate = 8000 }
    options("item", function(o)
      o.length = o.length or 0.1
      r:render { o }
    end, "length parts noise gain peak limit nonsense")
    options("part", function(o)
      o.source = o.source or 1
      r:render { { length = 0.1, parts = { o } } }
    end, "source onset from to duration loop level gain fade fade_in fade_out nonsense")
    options("noise", function(o) r:render { { length = 0.1, noise = o } } end,
      "colour level snr seed nonsense")
  end)

  it("methods", function()
    local fe = nj.audio.mel { rate = 8000, fmax = 4000, n_fft = 64, hop = 32, mels = 4 }
    torment("fe", fe, { wave })
    for _, name in ipairs { "batch", "frames", "seconds", "silence", "descriptor", "bank" } do
      torment(name, fe[name], { fe, name == "batch" and { wave } or 3 })
    end
    local r <close> = nj.audio.renderer { sources = { wave }, front_end = fe }
    local item = { length = 0.1, parts = { { source = 1 } } }
    local one = { render = { item }, submit = { item }, wave = item }
    for _, name in ipairs { "render", "submit", "next", "wave", "pending", "stats" } do
      torment(name, r[name], { r, one[name] })
      while r:pending() > 0 do r:next() end
    end
  end)

  it("tables that close the renderer while they are read", function()
    local r = nj.audio.renderer { sources = { wave }, rate = 8000 }
    local trap = setmetatable({}, { __index = function(_, key)
      r:close()
      return key == "length" and 0.1 or nil
    end })
    for _, method in ipairs { "submit", "render" } do
      local ok, message = pcall(r[method], r, { trap })
      assert.is_false(ok)
      assert.is_truthy(message:find "closed", message)
      r = nj.audio.renderer { sources = { wave }, rate = 8000 }
    end
  end)
end)
