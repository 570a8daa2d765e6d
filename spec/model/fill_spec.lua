local nj = require "nightjar"
local checkpoints = require "spec.support.checkpoints"
local near = require "spec.support.near"

-- LAION-CLAP at width 4, over windows of 0.64 s at 48 kHz: 65 log-mels, stretched to 128, 4 frames of
-- 0.16 s. Its authors have 10 s, 1001 log-mels, 1024 and 32 frames.
local DURATION, RATE, STEP = 0.64, 48000, 0.16

local function clap()
  local vocabulary, merges = checkpoints.bpe(checkpoints.roberta_specials)
  local audio = checkpoints.htsat "stretch"
  local a = checkpoints.projection("mlp", 32, 6, 5)
  local all = {}
  checkpoints.add(all, "audio_branch.", audio)
  checkpoints.add(all, "text_branch.",
    checkpoints.text { vocabulary = #vocabulary, roberta = true, pooler = true })
  checkpoints.add(all, "audio_projection.", a)
  checkpoints.add(all, "text_projection.", checkpoints.projection("mlp", 8, 6, 6))
  all.logit_scale_a = nj.tensor(3.0)
  local model = assert(nj.model.from_checkpoint(all, { vocabulary = vocabulary, merges = merges,
    text = { heads = 2 }, audio = { side = 64 },
    front_end = { mels = 32, duration = DURATION } }))
  return model, audio, a
end

-- MS-CLAP 2022: CNN14, windows of 0.8 s at 44.1 kHz.
local function msclap()
  local audio, a = checkpoints.cnn14(1, 3), checkpoints.projection("gated", 5, nil, 5)
  local all = {}
  checkpoints.add(all, "audio_encoder.base.", audio)
  checkpoints.add(all, "caption_encoder.base.", checkpoints.text { vocabulary = 15 })
  checkpoints.add(all, "audio_encoder.projection.", a)
  checkpoints.add(all, "caption_encoder.projection.", checkpoints.projection("gated", 8, nil, 6))
  all.logit_scale = nj.tensor(4.0)
  local model = assert(nj.model.from_checkpoint(all, { vocabulary = checkpoints.wordpiece,
    text = { heads = 2 }, front_end = { duration = 0.8 } }))
  return model, audio, a
end

local function wave(n) return (nj.rand({ n }, { rng = nj.rng(n) }) * 2 - 1) * 0.3 end
local function quietly(f, ...)
  local arguments = table.pack(...)
  return nj.no_grad(function() return f(table.unpack(arguments, 1, arguments.n)) end)
end

-- What the front-end makes of a wave that was filled up by hand.
local function log_mel(model, x)
  local d = model.audio_tower.front_end:descriptor()
  d.fill, d.duration = "none", 0
  return nj.audio.mel(d)(x):unsqueeze(1)
end

describe("sounds that are shorter than their encoder's window", function()
  it("are repeated as waveforms, then stretched: LAION-CLAP", function()
    local model, audio, a = clap()
    local window = math.floor(DURATION * RATE)
    for _, n in ipairs { 9000, 15360, 30000, window } do
      local x, list = wave(n), {}
      for i = 1, window // n do list[i] = x end
      list[#list + 1] = nj.zeros(window - #list * n)
      local frames, clip = quietly(audio, log_mel(model, nj.cat(list, 1)))
      local got = model:audio({ x })[1]
      near(quietly(a, clip):normalize(-1)[1], got.vector, { atol = 1e-6 })
      local own = math.ceil((n // 480) / (STEP * 100))
      near(quietly(a, frames)[{ 1, { 1, own } }]:normalize(-1), got.frames, { atol = 1e-5 })
      assert.equal(own, #got.frame_times)
      for i, t in ipairs(got.frame_times) do
        near((i - 1) * STEP, t[1], { atol = 1e-9 })
        near(i == own and n / RATE or i * STEP, t[2], { atol = 1e-9 })
      end
    end
  end)

  it("are repeated and cut: MS-CLAP", function()
    local model, audio, a = msclap()
    local x, window = wave(15000), 35280
    local filled = nj.cat({ x, x, x[{ { 1, window - 30000 } }] }, 1)
    local _, clip = quietly(audio, log_mel(model, filled))
    local _, inner = quietly(audio.logits, audio, clip)
    local got = model:audio({ x })[1]
    near(quietly(a, inner):normalize(-1)[1], got.vector, { atol = 1e-6 })
    assert.same({ 2, 2 }, { got.frames.shape[1], #got.frame_times }) -- 0.34 s, 0.23 s a frame
    assert.equal(15000 / 44100, got.frame_times[2][2])
  end)

  it("give the same bits in a batch, where only their own frames count", function()
    for _, make in ipairs { clap, msclap } do
      local model = make()
      local tower = model.audio_tower
      local waves = { wave(9000), wave(1), wave(20000) }
      local mel, lengths = tower.front_end:batch(waves)
      local clips = quietly(model.encode_audio, model, mel, lengths)
      local _, mask = quietly(tower.features, tower, mel, lengths)
      for i, x in ipairs(waves) do
        local alone = model:audio({ x })[1]
        assert.equal(alone.vector:bytes(), clips[i]:contiguous():bytes())
        assert.equal(alone.frames.shape[1], mask[i]:to "int64":sum():item())
      end
      assert.same({ 0, model.dim }, quietly(model.encode_audio, model, mel[{ { 1, 0 } }],
        lengths[{ { 1, 0 } }]).shape)
    end
  end)
end)

describe("sounds that are longer than their encoder's window", function()
  it("are cut into tiles as long as it, the last one filled up", function()
    local model, audio, a = clap()
    -- Tiles of 4 frames share half of them; the second keeps all but the first.
    local n = math.floor(DURATION * RATE) + 10000
    local x = wave(n)
    local got = model:audio({ x })[1]
    local first = quietly(audio, log_mel(model, x[{ { 1, 30720 } }]))
    local rest = x[{ { 15361, n } }]
    local second = quietly(audio, log_mel(model, nj.cat({ rest, nj.zeros(30720 - (n - 15360)) }, 1)))
    local own = math.ceil(((n - 15360) // 480) / 16)
    local frames = nj.cat({ first[{ 1, { 1, 3 } }], second[{ 1, { 2, own } }] }, 1)
    near(quietly(a, frames):normalize(-1), got.frames, { atol = 1e-5 })
    near(quietly(a, frames:mean(1):unsqueeze(1)):normalize(-1)[1], got.vector, { atol = 1e-5 })
    assert.equal(frames.shape[1], #got.frame_times)
    near(n / RATE, got.frame_times[#got.frame_times][2], { atol = 1e-9 })
    assert(got.frame_times[#got.frame_times][1] < n / RATE)
  end)

  it("pad a batch of a convnet, whose shorter clips are filled up all the same", function()
    local model = msclap()
    local tower = model.audio_tower
    local waves = { wave(15000), wave(60000) }
    local mel, lengths = tower.front_end:batch(waves)
    assert.equal(188, mel.shape[2])
    local clips = quietly(model.encode_audio, model, mel, lengths)
    near(model:audio({ waves[1] })[1].vector, clips[1], { atol = 1e-6 })
  end)

  it("keep their window in the model's file", function()
    local model = clap()
    local folder = require("spec.support.temporary").folder()
    local path = folder .. "/clap.safetensors"
    assert(model:save(path))
    local twin = assert(nj.load(path))
    assert.equal("repeat_pad", twin.audio_tower.front_end.fill)
    assert.equal(model:audio({ wave(9000) })[1].vector:bytes(),
      twin:audio({ wave(9000) })[1].vector:bytes())
    require("spec.support.temporary").remove(folder)
  end)
end)
