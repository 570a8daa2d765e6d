-- MGA-CLAP's checkpoints as models: what spec/model/checkpoint_spec.lua asks of all families is there.
local nj = require "nightjar"
local checkpoints = require "spec.support.checkpoints"
local near = require "spec.support.near"
local temporary = require "spec.support.temporary"

local TEXTS = { "a dog barks", "rain falling", "a dog loudly barks" }

local function options(kind)
  return { vocabulary = checkpoints.wordpiece, text = { heads = 2 },
    front_end = { mels = kind == "htsat" and 32 or 64, duration = kind == "htsat" and 1.2 or 4 },
    audio = kind == "htsat" and { side = 64 } or nil }
end

local function load(kind)
  local c = checkpoints.mga(kind, "model/")
  local model, report = assert(nj.model.from_checkpoint(c.all, options(kind)))
  return c, model, report
end

local function noise(n, seed) return nj.randn({ n }, { rng = nj.rng(seed) }) * 0.1 end

describe("a model of an MGA-CLAP checkpoint", function()
  for _, kind in ipairs { "htsat", "cnn14" } do
    it("compares clips and sentences by the codes, frames and words by themselves: " .. kind, function()
      local c, model = load(kind)
      local mel = nj.randn({ 3, 128, c.audio:descriptor().mels }, { rng = nj.rng(1) }) * 10 - 30
      local ids, mask = model.text_tower:tokenize(TEXTS)
      local a, t = model:audio_levels(mel), model:text_levels(ids, mask)
      local frames = c.frames((c.audio(mel)))
      near(frames:normalize(-1), a.frames, { atol = 2e-6 })
      near(checkpoints.mga_pool(frames, c.codes), a.clip, { atol = 2e-6 })
      near(c.words(c.text(ids, mask)):normalize(-1), t.words, { atol = 2e-6 })
      local levels = model.head:similarity(t, a)
      near(t.sentence:matmul(a.clip:transpose(1, 2)), levels.clip, { atol = 1e-6 })
      near(nj.hci.interact(t.words, a.frames, { text_mask = t.word_mask }), levels.frame, { atol = 1e-6 })
      -- What the authors retrieve by is the clip level alone.
      assert.equal(levels.clip:bytes(), model.head:fuse(levels):bytes())
      assert.same({ "clip", "frame" }, model.head:levels())
      assert.same({ codes = 9, temperature = 1000, word_floor = true },
        model:descriptor().hci.codebook)
    end)

    it("fills a short sound up, all of which makes its clip: " .. kind, function()
      local c, model = load(kind)
      local wave = noise(20000, 2)
      local fe = nj.audio.mel(model:descriptor().audio.front_end)
      local mel, own = fe:batch { wave }
      local want = checkpoints.mga_pool(c.frames((c.audio(mel))), c.codes)
      local got = model:audio({ wave })[1]
      near(want[1]:detach(), got.vector, { atol = 2e-6 })
      -- Its frames are those of the sound itself.
      local seconds = got.frame_times[1][2]
      assert.equal(math.ceil(20000 / 32000 / seconds - 1e-6), got.frames.shape[1])
      near(c.frames((c.audio(mel)))[{ 1, { 1, got.frames.shape[1] } }]:normalize(-1):detach(),
        got.frames, { atol = 2e-6 })
      -- As in a batch.
      near(got.vector, model:encode_audio(mel, own)[1]:detach(), { atol = 2e-6 })
      local a = model:audio_levels(mel, own)
      assert.equal(got.frames.shape[1], a.frame_mask:to "int64":sum():item())
      if kind == "htsat" then -- here it shows
        assert(near.max_abs(got.vector, model.head:audio({ frames = (c.audio(mel)),
          mask = a.frame_mask }).clip[1]:detach()) > 1e-5)
      end
    end)

    it("trains, and gives a clip and a text the bits they have alone: " .. kind, function()
      local c, model = load(kind)
      local mel = nj.randn({ 3, 128, c.audio:descriptor().mels }, { rng = nj.rng(3) }) * 10 - 30
      local ids, mask = model.text_tower:tokenize(TEXTS)
      local a, t = model:audio_levels(mel), model:text_levels(ids, mask)
      for i = 1, 3 do
        assert.equal(a.clip[i]:contiguous():bytes(),
          model:audio_levels(mel[{ { i, i } }]).clip[1]:contiguous():bytes())
        near(t.sentence[i]:detach(), model:text({ TEXTS[i] })[1], { atol = 1e-6 })
      end
      local loss, parts = model:loss({ mel = mel, ids = ids, mask = mask, groups = { 1, 2, 3 } },
        { loss = "hard_negative" })
      loss:backward()
      assert.equal(loss:item(), parts.clip:item()) -- the level of frames weighs nothing
      local without = {}
      for _, p in ipairs(model:parameters()) do
        if not p.tensor.grad then without[#without + 1] = p.name end
      end
      table.sort(without)
      local want = { "log_temperature.frame" }
      if kind == "htsat" then -- what the last block's values do not pass
        for _, name in ipairs { "attn.relative_position_bias_table", "mlp.fc1.bias", "mlp.fc1.weight",
          "mlp.fc2.bias", "mlp.fc2.weight" } do
          table.insert(want, #want, "audio.encoder.layers.3.blocks.0." .. name)
        end
      end
      assert.same(want, without)
    end)
  end

  it("finds and explains sounds, and counts all of its tensors", function()
    local _, model, report = load "htsat"
    assert.equal("MGA-CLAP: HTS-AT of width 4 + BERT", report.title)
    local used = {}
    for _, name in ipairs(report.used) do used[name] = true end
    for _, name in ipairs { "codebook", "temp", "frame_proj.0.weight", "frame_proj.4.bias",
      "word_proj.1.weight", "audio_encoder.audio_enc.layers.3.blocks.0.mlp.fc1.weight" } do
      assert.is_true(used["model/" .. name], name)
    end
    local S = model:similarity(TEXTS, { noise(30000, 4), noise(90000, 5) })
    assert.same({ 3, 2 }, S.clip.shape)
    assert.same({ 3, 2 }, S.frame.shape)
    local e = S:explain(1, 2)
    assert.equal("dog", e.words[2].text or e.words[2])
    local long = model:audio({ noise(90000, 5) })[1]
    near(1, long.vector:norm():item(), { atol = 1e-5 })
    assert.equal(#long.times, long.segments.shape[1])
    -- An empty text is the mean of all codes.
    local mean = model.head.nets.codebook:state().codes:detach():mean(1):normalize(-1)
    near(mean, model:text({ "" })[1], { atol = 1e-6 })
  end)

  it("says what is wrong with a checkpoint", function()
    local function fails(text, change, kind)
      local c = checkpoints.mga(kind or "htsat", "")
      change(c.all)
      local model, message, code = nj.model.from_checkpoint(c.all, options(kind or "htsat"))
      assert.is_nil(model)
      assert.equal(text, message)
      assert.equal("EFORMAT", code)
    end
    local title = "this is MGA-CLAP: HTS-AT of width 4 + BERT, but "
    fails(title .. "'codebook' must have shape (codes, 6), got (9, 5)",
      function(all) all.codebook = nj.zeros(9, 5) end)
    fails(title .. "'codebook' must have shape (codes, 6), got (6)",
      function(all) all.codebook = nj.zeros(6) end)
    fails(title .. "'codebook' must have shape (codes, 6), got (0, 6)",
      function(all) all.codebook = nj.zeros(0, 6) end)
    fails(title .. "'frame_proj.4.weight' is missing or no matrix",
      function(all) all["frame_proj.4.weight"] = nil end)
    fails(title .. "its weights do not fit: 1 missing: word_proj.3.bias",
      function(all) all["word_proj.3.bias"] = nil end)
    fails(title .. "'temp' is missing or no single number", function(all) all.temp = nil end)
    local resnet = checkpoints.resnet()
    fails("this is MGA-CLAP: ResNet38 + BERT, whose authors' code has no frames of a ResNet38 to compare "
      .. "with words", function(all)
      for name in pairs(all) do
        if name:find "^audio_encoder" then all[name] = nil end
      end
      checkpoints.add(all, "audio_encoder.audio_enc.", resnet)
    end)
  end)

  it("is converted, and told by the command line", function()
    local folder = temporary.folder()
    local c = checkpoints.mga("cnn14", "model/")
    local from, to, words = folder .. "/mga.safetensors", folder .. "/own.safetensors",
      folder .. "/vocab.txt"
    assert(nj.store.save(from, c.all))
    local file = assert(io.open(words, "w"))
    file:write(table.concat(checkpoints.wordpiece, "\n"), "\n")
    file:close()
    local function run(...)
      local handle = assert(io.popen(table.concat({ "lua5.4 bin/nightjar", ... }, " ") .. " 2>&1"))
      local out = handle:read "a"
      local ok = handle:close()
      return out, ok
    end
    assert.matches("MGA%-CLAP: CNN14 %+ BERT", (run("info", from)))
    local text, ok = run("convert", from, to, "--vocabulary", words)
    assert(ok, text)
    local model = assert(nj.load(to))
    assert.equal("codebook", model:descriptor().hci.top)
    assert.equal(9, model:descriptor().hci.codebook.codes)
    temporary.remove(folder)
  end)
end)
