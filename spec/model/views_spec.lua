-- Models whose encoder fuses several views of a long sound: LAION-CLAP at width 4, over windows of 0.64 s at
-- 48 kHz: 65 log-mels.
local nj = require "nightjar"
local checkpoints = require "spec.support.checkpoints"
local near = require "spec.support.near"
local tiny_model = require "spec.support.tiny_model"
local temporary = require "spec.support.temporary"

local RATE, WINDOW, FRAMES = 48000, 30720, 65

local function clap()
  local vocabulary, merges = checkpoints.bpe(checkpoints.roberta_specials)
  local audio = checkpoints.htsat("stretch", "aff_2d")
  local a = checkpoints.projection("mlp", 32, 6, 5)
  local all = {}
  checkpoints.add(all, "audio_branch.", audio)
  checkpoints.add(all, "text_branch.",
    checkpoints.text { vocabulary = #vocabulary, roberta = true, pooler = true })
  checkpoints.add(all, "audio_projection.", a)
  checkpoints.add(all, "text_projection.", checkpoints.projection("mlp", 8, 6, 6))
  all.logit_scale_a = nj.tensor(3.0)
  return assert(nj.model.from_checkpoint(all, { vocabulary = vocabulary, merges = merges,
    text = { heads = 2 }, audio = { side = 64 },
    front_end = { mels = 32, duration = WINDOW / RATE } })), audio, a
end

local function wave(n) return (nj.rand({ n }, { rng = nj.rng(n) }) * 2 - 1) * 0.3 end
local function quietly(f) return nj.no_grad(f) end
local plain = nj.audio.mel { preset = "laion_fusion", mels = 32 }

describe("views of a sound", function()
  local model, audio, a = clap()

  it("are four times the same where it is no longer than the window", function()
    for _, n in ipairs { 9000, WINDOW, WINDOW + 479 } do
      local x = wave(n)
      local seen, longer = model:views(x)
      assert.is_false(longer)
      assert.same({ 4, FRAMES, 32 }, seen.shape)
      local mel = model.audio_tower.front_end(x)
      for v = 1, 4 do assert.equal(mel:bytes(), seen[v]:contiguous():bytes()) end
    end
    assert.is_true(select(2, model:views(wave(WINDOW + 480))))
  end)

  it("are the whole, shrunk, and the middle of each third of where a piece may begin", function()
    for total, places in pairs {
      [66] = { 0, 1, 0 },   -- two places: one in each of the first two thirds, none in the last
      [67] = { 0, 1, 2 },
      [68] = { 0, 2, 3 },   -- four: {0, 1}, {2}, {3}
      [100] = { 5, 17, 29 }, -- 36: {0 … 11}, {12 … 23}, {24 … 35}
    } do
      local x = wave((total - 1) * 480)
      local mel = plain(x)
      assert.equal(total, mel.shape[1])
      local seen, longer = model:views(x)
      assert.is_true(longer)
      near(nj.nn.resize(mel:reshape(1, 1, total, 32), FRAMES, 32)[{ 1, 1 }], seen[1], { atol = 0 })
      for i, from in ipairs(places) do
        assert.equal(mel[{ { from + 1, from + FRAMES } }]:contiguous():bytes(),
          seen[i + 1]:contiguous():bytes())
      end
    end
  end)

  it("shrink bilinearly between the centres of pixels, without antialiasing", function()
    local x = wave(199 * 480)
    local mel, seen = plain(x), model:views(x)
    for _, t in ipairs { 0, 1, 30, 64 } do
      local at = (t + 0.5) * 200 / FRAMES - 0.5
      local low = math.max(0, math.floor(at))
      local share = math.max(0, at - low)
      near(mel[low + 1] * (1 - share) + mel[math.min(200, low + 2)] * share, seen[{ 1, t + 1 }],
        { atol = 1e-4 })
    end
  end)

  it("may be drawn, each piece from its third", function()
    local x = wave(99 * 480)
    local mel, starts = plain(x), {}
    for seed = 1, 40 do
      local seen = model:views(x, { rng = nj.rng(seed) })
      assert.equal(seen:bytes(), (model:views(x, { rng = nj.rng(seed) })):bytes())
      for i = 1, 3 do
        local found
        for from = 0, 35 do
          if mel[from + 1]:bytes() == seen[{ i + 1, 1 }]:bytes() then found = from end
        end
        assert(found >= (i - 1) * 12 and found < i * 12)
        starts[i * 100 + found] = true
      end
    end
    local count = 0
    for _ in pairs(starts) do count = count + 1 end
    assert(count > 18, count)
  end)

  it("make the clip vector of a longer sound; frames are those of tiles", function()
    local x = wave(70000)
    local seen = model:views(x)
    local _, clip = quietly(function() return audio(seen:unsqueeze(1)) end)
    local want = quietly(function() return a(clip):normalize(-1) end)[1]
    local got = model:audio({ x })[1]
    near(want, got.vector, { atol = 1e-6 })
    assert.equal(got.frames.shape[1], #got.frame_times)
    near(70000 / RATE, got.frame_times[#got.frame_times][2], { atol = 1e-9 })
    -- The first frames are those of the first window by itself.
    local first = model:audio({ x[{ { 1, WINDOW } }]:contiguous() })[1]
    near(first.frames[{ { 1, 3 } }], got.frames[{ { 1, 3 } }], { atol = 1e-6 })
  end)

  it("are not fused of a sound that fills no more than the window", function()
    for _, n in ipairs { 9000, WINDOW, WINDOW + 479 } do
      local x = wave(n)
      local mel = model.audio_tower.front_end(x):unsqueeze(1)
      local _, clip = quietly(function() return audio(mel) end)
      near(quietly(function() return a(clip):normalize(-1) end)[1], model:audio({ x })[1].vector,
        { atol = 1e-6 })
    end
  end)

  it("train in batches, where each clip is what it is alone", function()
    local waves, list, flags = { wave(70000), wave(9000), wave(50000) }, {}, {}
    for i, x in ipairs(waves) do
      local seen, longer = model:views(x)
      list[i], flags[i] = seen, longer and 1 or 0
    end
    local longer = nj.tensor(flags)
    local levels = quietly(function()
      return model:audio_levels(nj.stack(list, 1), nil, { longer = longer })
    end)
    for i, x in ipairs(waves) do
      assert.equal(model:audio({ x })[1].vector:bytes(), levels.clip[i]:contiguous():bytes())
    end
    local all = quietly(function() return model:encode_audio(nj.stack(list, 1)) end)
    assert.equal(levels.clip[1]:contiguous():bytes(), all[1]:contiguous():bytes())
    assert.not_equal(levels.clip[2]:contiguous():bytes(), all[2]:contiguous():bytes())

    model:train()
    local ids, mask = model.text_tower:tokenize { "a dog", "rain", "dog" }
    local total = model:loss({ mel = nj.stack(list, 1), longer = longer, ids = ids, mask = mask,
      groups = { 1, 2, 3 } }, { rng = nj.rng(1) })
    total:backward()
    for _, p in ipairs(model.audio_tower.encoder:parameters()) do
      assert(p.tensor.grad:isfinite():all(), p.name)
    end
    local w = model.audio_tower.encoder:state()["patch_embed.mel_conv2d.weight"]
    assert(w.grad:abs():max():item() > 0)
    model:eval()
  end)

  it("are kept in the model's file, and come from files of sound", function()
    local folder = temporary.folder()
    local twin_model = clap()
    local path = folder .. "/clap.safetensors"
    assert(twin_model:save(path))
    local twin = assert(nj.load(path))
    local x = wave(60000)
    assert.equal(twin_model:audio({ x })[1].vector:bytes(), twin:audio({ x })[1].vector:bytes())
    assert.equal("aff_2d", twin:descriptor().audio.encoder.fusion)
    local file = folder .. "/x.wav"
    assert(nj.audio.write(file, x, RATE, { encoding = "float" }))
    assert.equal((twin:views(x)):bytes(), (twin:views(file)):bytes())
    for _, jobs in ipairs { 0, 2 } do
      for _, clip in twin:stream({ file }, { jobs = jobs }) do
        assert.equal(twin:audio({ x })[1].vector:bytes(), clip.vector:bytes())
        assert.equal(twin:audio({ x })[1].frames:bytes(), clip.frames:bytes())
        assert.equal(file, clip.path)
      end
    end
    assert.equal("ENOTFOUND", twin:audio({ folder .. "/none.wav" })[1].code)
    assert.same({ "ENOTFOUND" }, { select(3, twin:views(folder .. "/none.wav")) })
    temporary.remove(folder)
  end)

  it("are put together from pieces of a wave, with the bits of the whole", function()
    local views = require "nightjar.model.views"
    for _, o in ipairs { {}, { hop = 331 }, { center = false, n_fft = 700 },
      { pad = "zero", quantize = false } } do
      local given = { preset = "laion_fusion", mels = 8, fill = "repeat", duration = 0.2 }
      for key, value in pairs(o) do given[key] = value end
      local fe = nj.audio.mel(given)
      for _, n in ipairs { 9600, 12000, 14401, 33333, 48000 } do
        local x, size, step, start = wave(n), 9600, 4811, 0
        local whole = views.whole(fe)
        while true do
          whole:add(x[{ { start + 1, math.min(n, start + size) } }], start)
          if start + size >= n then break end
          start = start + step
        end
        assert.equal(fe(x):bytes(), whole:finish():bytes())
      end
    end
  end)

  it("need an encoder that fuses them, and a window", function()
    local function refused(text, front_end)
      front_end.mels = 32
      assert.error_matches(function()
        nj.model { audio = { encoder = { kind = "htsat", width = 4, heads = { 1, 2, 2, 4 }, window = 2,
          mels = 32, side = 64, depths = { 1, 1, 1, 1 }, fusion = "aff_2d" }, front_end = front_end },
          text = { vocabulary = checkpoints.wordpiece, encoder = { kind = "bert", width = 8, heads = 2 } } }
      end, "model: audio.encoder fuses views" .. text, nil, true)
    end
    refused(" of sounds that are longer than a window, but audio.front_end has none (fill and duration)", {})
    refused(", which takes windows of 3328 samples or more; audio.front_end's has 3200",
      { fill = "pad", duration = 0.1 })
    refused(", which takes a front-end without top_db and drop_last",
      { fill = "pad", duration = 1, top_db = 80 })
    local m = nj.model(tiny_model.descriptor())
    assert.error_matches(function() m:views(wave(10)) end,
      "model:views: this model's encoder fuses no views", nil, true)
    assert.error_matches(function()
      m:audio_levels(nj.zeros(1, 4, 5, 64), nil, { longer = nj.zeros(1) })
    end, "model: views of a sound need an encoder that fuses them (fusion)", nil, true)
  end)
end)
