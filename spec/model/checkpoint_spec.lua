local nj = require "nightjar"
local checkpoints = require "spec.support.checkpoints"
local near = require "spec.support.near"
local shared = require "spec.support.shared"
local temporary = require "spec.support.temporary"

local TEXTS = { "a dog barks", "rain falling", "a dog , loudly" }

local function add_all(parts)
  local all = {}
  for _, p in ipairs(parts) do checkpoints.add(all, p[1], p[2], p[3]) end
  return all
end

local function number(x) return nj.tensor { x }:reshape {} end


local function first(net, ids, mask) return (net(ids, mask))[{ {}, 1 }] end
local function pooled(net, ids, mask) return (select(2, net(ids, mask, { pooled = true }))) end

local cleaned = { "a dog barks", "rain falling", "a dog  loudly" }

-- Each case: the parts, the tensors in the authors' layout, what nj.load needs, and what must come.
local cases = {}

cases["WavCaps: HTS-AT of width 4 + BERT"] = function()
  local audio, text = checkpoints.htsat "stretch", checkpoints.text { vocabulary = 15 }
  local a, t = checkpoints.projection("mlp", 32, 6, 5), checkpoints.projection("mlp", 8, 6, 6)
  local all = add_all { { "model/audio_encoder.audio_enc.", audio },
    { "model/text_encoder.text_encoder.", text }, { "model/audio_proj.", a },
    { "model/text_proj.", t } }
  all["model/temp"] = number(0.05)
  all["model/audio_encoder.audio_enc.layers.0.blocks.1.attn_mask"] = nj.zeros(64, 4, 4)
  all["model/audio_encoder.audio_enc.audio_feats_extractor.mel_trans.stft.conv_real.weight"] = nj.zeros(2)
  all["optimizer/state/0/exp_avg"] = nj.zeros(3)
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "htsat", mels = 32,
    temperature = 0.05, family = "wavcaps", frames = 128, sentence = "cls", max = 30, pick = first,
    texts = cleaned, skipped = {
      "model/audio_encoder.audio_enc.audio_feats_extractor.mel_trans.stft.conv_real.weight: the "
        .. "front-end: nj.audio.mel computes it",
      "model/audio_encoder.audio_enc.layers.0.blocks.1.attn_mask: worked out from the window's size",
      "optimizer/state/0/exp_avg: not under 'model/': no part of the model" } }
end

-- As AudioSetCaps' models are stored.
cases["WavCaps: HTS-AT of width 4 + RoBERTa"] = function()
  local vocabulary, merges = checkpoints.bpe(checkpoints.roberta_specials)
  local audio = checkpoints.htsat "stretch"
  local text = checkpoints.text { vocabulary = #vocabulary, roberta = true }
  local a, t = checkpoints.projection("mlp", 32, 6, 5), checkpoints.projection("mlp", 8, 6, 6)
  local all = add_all { { "model/audio_encoder.audio_enc.", audio },
    { "model/text_encoder.text_encoder.", text }, { "model/audio_proj.", a },
    { "model/text_proj.", t } }
  all["model/temp"] = number(0.05)
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "htsat", mels = 32,
    temperature = 0.05, family = "wavcaps", frames = 128, sentence = "cls", max = 30, pick = first,
  -- BPE tells two spaces from one; cleaned texts have one.
    vocabulary = vocabulary, merges = merges, side = 64, skipped = {},
    texts = { "a dog barks", "rain falling", "a dog loudly" } }
end

cases["WavCaps: CNN14 + BERT"] = function()
  local audio, text = checkpoints.cnn14(2), checkpoints.text { vocabulary = 15 }
  local a, t = checkpoints.projection("mlp", 5, 6, 5), checkpoints.projection("mlp", 8, 6, 6)
  local all = add_all { { "audio_encoder.audio_enc.", audio }, { "text_encoder.text_encoder.", text },
    { "audio_proj.", a }, { "text_proj.", t } }
  all.temp = number(0.03)
  all["audio_encoder.audio_enc.fc1.weight"] = nj.zeros(5, 5)
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "panns", mels = 64,
    temperature = 0.03, family = "wavcaps", frames = 130, sentence = "cls", max = 30, pick = first,
    texts = cleaned,
    skipped = { "audio_encoder.audio_enc.fc1.weight: a classifier, which this network was made without" } }
end

-- Frames and words are mixed from the same codes; the text's mask leaves [CLS], [SEP] and padding out.
local function mga(kind, prefix)
  local c = checkpoints.mga(kind, prefix)
  c.preset, c.mels, c.temperature, c.family = "panns", 64, 0.06, "mga-clap"
  c.frames_in, c.fill, c.duration = 130, "pad", 10
  c.sentence, c.max, c.texts, c.skipped = "cls", 30, cleaned, {}
  if kind == "htsat" then
    c.preset, c.mels, c.frames_in, c.duration, c.side = "htsat", 32, 128, 1.2, 64
    c.all[prefix .. "audio_encoder.audio_enc.layers.1.blocks.1.attn_mask"] = nj.zeros(64, 4, 4)
    c.skipped = { prefix .. "audio_encoder.audio_enc.layers.1.blocks.1.attn_mask: worked out from the "
      .. "window's size" }
  end
  function c.clips(mel) return checkpoints.mga_pool(c.frames((c.audio(mel))), c.codes) end
  function c.sentences(ids, mask)
    local words = c.words(c.text(ids, mask)[{ {}, { 2, -1 } }])
    ids = ids[{ {}, { 2, -1 } }]
    return checkpoints.mga_pool(words, c.codes, (ids:ne(3) * ids:ne(0)):to "float32")
  end
  return c
end

cases["MGA-CLAP: HTS-AT of width 4 + BERT"] = function() return mga("htsat", "model/") end
cases["MGA-CLAP: CNN14 + BERT"] = function() return mga("cnn14", "") end

cases["audio-text_retrieval: ResNet38 + BERT"] = function()
  local audio, text = checkpoints.resnet(), checkpoints.text { vocabulary = 15 }
  local a, t = checkpoints.projection("mlp", 6, 12, 5), checkpoints.projection("mlp", 8, 12, 6)
  local all = add_all { { "audio_enc.audio_enc.", audio }, { "text_enc.bert_encoder.", text },
    { "audio_linear.", a }, { "text_linear.", t } }
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "panns", mels = 32,
    temperature = 0.07, family = "audio-text_retrieval", frames = 70, sentence = "cls", max = 40,
    pick = first, skipped = {} }
end

-- The only one whose projections differ in their hidden widths.
cases["audio-text_retrieval: CNN10 + BERT"] = function()
  local audio, text = checkpoints.cnn10(), checkpoints.text { vocabulary = 15 }
  local a, t = checkpoints.projection("mlp", 5, 6, 5), checkpoints.projection("mlp", 8, 12, 6)
  local all = add_all { { "audio_enc.audio_enc.", audio }, { "text_enc.bert_encoder.", text },
    { "audio_linear.", a }, { "text_linear.", t } }
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "panns", mels = 64,
    temperature = 0.07, family = "audio-text_retrieval", frames = 70, sentence = "cls", max = 40,
    pick = first, skipped = {} }
end

local function clap(hugging_face, fused)
  local vocabulary, merges = checkpoints.bpe(checkpoints.roberta_specials)
  local audio = checkpoints.htsat("stretch", fused and "aff_2d")
  local text = checkpoints.text { vocabulary = #vocabulary, roberta = true, pooler = true }
  local a, t = checkpoints.projection("mlp", 32, 6, 5), checkpoints.projection("mlp", 8, 6, 6)
  local function linear(name) return (name:gsub("^0", "linear1"):gsub("^2", "linear2")) end
  local all = hugging_face and add_all {
    { "audio_model.audio_encoder.", audio, checkpoints.hugging_face }, { "text_model.", text },
    { "audio_projection.", a, linear }, { "text_projection.", t, linear },
  } or add_all { { "state_dict/module.audio_branch.", audio }, { "state_dict/module.text_branch.", text },
    { "state_dict/module.audio_projection.", a }, { "state_dict/module.text_projection.", t } }
  local prefix = hugging_face and "" or "state_dict/module."
  all[prefix .. "logit_scale_a"], all[prefix .. "logit_scale_t"] = number(3), number(2)
  if not hugging_face then
    all[prefix .. "audio_transform.sequential.0.weight"] = nj.zeros(6, 6)
    all[prefix .. "text_branch.embeddings.position_ids"] = nj.zeros({ 1, 40 }, { dtype = "int64" })
  end
  local skipped = { prefix .. "logit_scale_t: texts and sounds share one temperature here, logit_scale_a" }
  if not hugging_face then
    table.insert(skipped, 1, prefix .. "audio_transform.sequential.0.weight: made for one of the losses "
      .. "in training; embeddings do not pass it")
    skipped[3] = prefix .. "text_branch.embeddings.position_ids: worked out from the text"
  end
  return { all = all, audio = audio, text = text, a = a, t = t, mels = 32,
    preset = fused and "laion_fusion" or "laion",
    temperature = math.exp(-3), family = hugging_face and "hf-clap" or "laion-clap", frames = 128,
    sentence = "pooler", max = 38, pick = pooled, vocabulary = vocabulary, merges = merges,
    skipped = skipped, side = 64,
    fill = "repeat_pad", duration = 1.2, quantize = not hugging_face }
end

cases["LAION-CLAP: HTS-AT of width 4 + RoBERTa"] = function() return clap(false) end
cases["Hugging Face ClapModel: HTS-AT of width 4 + RoBERTa"] = function() return clap(true) end

cases["LAION-CLAP: HTS-AT of width 4, fused + RoBERTa"] = function() return clap(false, true) end
cases["Hugging Face ClapModel: HTS-AT of width 4, fused + RoBERTa"] = function() return clap(true, true) end

cases["MS-CLAP: CNN14 + BERT"] = function()
  local audio, text = checkpoints.cnn14(1, 3), checkpoints.text { vocabulary = 15 }
  local a, t = checkpoints.projection("gated", 5, nil, 5), checkpoints.projection("gated", 8, nil, 6)
  local all = add_all { { "model/audio_encoder.base.", audio }, { "model/caption_encoder.base.", text },
    { "model/audio_encoder.projection.", a }, { "model/caption_encoder.projection.", t } }
  all["model/logit_scale"] = number(4)
  all["model/caption_encoder.base.pooler.dense.weight"] = nj.zeros(8, 8)
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "msclap2022", mels = 64,
    fill = "repeat", duration = 5,
    temperature = math.exp(-4), family = "ms-clap", frames = 130, sentence = "cls", max = 40,
    pick = first, embedding = true, skipped = { "model/caption_encoder.base.pooler.dense.weight: a "
      .. "pooler, which this network was made without" } }
end

cases["MS-CLAP: HTS-AT of width 4 + GPT-2"] = function()
  local vocabulary, merges = checkpoints.bpe { "!?", "<|endoftext|>" }
  local audio = checkpoints.htsat "stretch"
  local text = checkpoints.gpt2 { vocabulary = #vocabulary }
  local a, t = checkpoints.projection("gated", 32, nil, 5), checkpoints.projection("gated", 8, nil, 6)
  local all = add_all { { "model/audio_encoder.base.htsat.", audio },
    { "model/caption_encoder.base.", text }, { "model/audio_encoder.projection.", a },
    { "model/caption_encoder.projection.", t } }
  all["model/logit_scale"] = number(4)
  all["model/caption_encoder.base.h.0.attn.bias"] = nj.zeros(1, 1, 40, 40)
  return { all = all, audio = audio, text = text, a = a, t = t, preset = "msclap2023", mels = 32,
    fill = "repeat", duration = 0.9,
    temperature = math.exp(-4), family = "ms-clap", frames = 100, sentence = "last", max = 40,
    vocabulary = vocabulary, merges = merges, side = 64,
    tokenizer = { cls = false, sep = "<|endoftext|>", pad = "!" },
    texts = { "a dog barks ", "rain falling ", "a dog , loudly " }, -- a space, then the end
    pick = function(net, ids, mask)
      local words, rows = net(ids, mask), {}
      for i = 1, 3 do rows[i] = words[{ i, mask[i]:to "int64":sum():item() }] end
      return nj.stack(rows, 1)
    end,
    skipped = { "model/caption_encoder.base.h.0.attn.bias: the mask of words to come, worked out from "
      .. "the text" } }
end

local function options_of(c)
  return { vocabulary = c.vocabulary or checkpoints.wordpiece, merges = c.merges,
    text = { heads = 2 }, front_end = { mels = c.mels, duration = c.duration },
    audio = c.side and { side = c.side } }
end

describe("nj.load of another system's checkpoint", function()
  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  for title, make in pairs(cases) do
    it("is what its parts compose to: " .. title, function()
      local c = make()
      local path = folder .. "/model.safetensors"
      assert(nj.store.save(path, c.all))
      local model, report = assert(nj.load(path, options_of(c)))
      assert.equal(title, report.title)
      assert.equal(c.family, model.provenance.family)
      assert.same({}, report.missing)
      assert.same({}, report.mismatched)
      local skipped = {}
      for i, s in ipairs(report.skipped) do skipped[i] = s.name .. ": " .. s.why end
      assert.same(c.skipped, skipped)
      local count = 0
      for _ in pairs(c.all) do count = count + 1 end
      assert.equal(count, #report.used + #skipped)
      local d = model:descriptor()
      near(c.temperature, d.temperature, { rtol = 1e-6 })
      local front_end = nj.audio.mel { preset = c.preset, mels = c.mels, fill = c.fill,
        duration = c.duration, quantize = c.quantize }
      assert.same(front_end:descriptor(), d.audio.front_end)
      assert.equal(c.sentence, d.text.sentence)
      assert.equal(c.max, d.text.max)

      local mel = nj.randn({ 2, c.frames_in or c.frames, c.mels }, { rng = nj.rng(8) }) * 10 - 30
      local _, clip = c.audio(mel)
      if c.embedding then _, clip = c.audio:logits(clip) end
      near(c.clips and c.clips(mel) or c.a(clip):normalize(-1), model:encode_audio(mel),
        { atol = 2e-6 })

      local tokenizer = c.merges and nj.text.bpe(c.vocabulary, c.merges, c.tokenizer)
        or nj.text.wordpiece(checkpoints.wordpiece)
      local ids, mask = tokenizer:batch(c.texts or TEXTS)
      near(c.sentences and c.sentences(ids, mask) or c.t(c.pick(c.text, ids, mask)):normalize(-1),
        model:text(TEXTS), { atol = 2e-6 })

      -- A sound that fits one tile has the encoder's own clip vector, whatever becomes of its frames.
      local heard = model.audio_tower.front_end
      for _, samples in ipairs { 25001, 30001 } do
        local short = nj.randn({ samples }, { rng = nj.rng(samples) }) * 0.1
        near(model:encode_audio(heard(short):unsqueeze(1))[1], model:audio({ short })[1].vector,
          { atol = 2e-6 })
      end

      local wave = nj.randn({ 40000 }, { rng = nj.rng(9) }) * 0.1
      local own = folder .. "/own.safetensors"
      assert(model:save(own))
      local again = assert(nj.load(own))
      assert.same(d, again:descriptor())
      assert.equal(model:text(TEXTS):bytes(), again:text(TEXTS):bytes())
      local x, y = model:audio({ wave })[1], again:audio({ wave })[1]
      assert.is_nil(x.error)
      assert.equal(x.vector:bytes(), y.vector:bytes())
      assert.equal(x.segments:bytes(), y.segments:bytes())
      assert.same({}, model:unknown_words "")
      if c.family == "ms-clap" and c.merges then
        assert.equal("<|endoftext|>", tokenizer:tokens(c.texts[1])[#tokenizer:tokens(c.texts[1])])
        -- A "!" is padding, which does not count when the last token is found; a text that is cut loses
        -- its end.
        for _, text in ipairs { "a ! dog ! barks", ("a dog "):rep(30) } do
          local all = tokenizer:ids(text:gsub("!", "?") .. " ")
          for k, id in ipairs(all) do
            if tokenizer:id "?" == id then all[k] = tokenizer:id "!" end
          end
          local cut, counted = {}, 0
          for k = 1, math.min(#all, c.max) do
            cut[k] = all[k]
            if all[k] ~= tokenizer:id "!" then counted = counted + 1 end
          end
          local words = c.text(nj.tensor({ cut }, { dtype = "int64" }))
          near(c.t(words[{ { 1 }, counted }]):normalize(-1), model:text(text), { atol = 2e-6 })
        end
      end
      assert.equal("dog", model.text_tower:words("a dog")[2].text)
    end)
  end

  it("says what is missing, of another shape, or not there yet", function()
    local c = cases["WavCaps: CNN14 + BERT"]()
    local function fails(text, code, change, options)
      local all = {}
      for name, tensor in pairs(c.all) do all[name] = tensor end
      change(all)
      local model, message, got = nj.model.from_checkpoint(all, options or options_of(c))
      assert.is_nil(model)
      assert.equal(text, message)
      assert.equal(code, got)
    end
    local title = "this is WavCaps: CNN14 + BERT"
    fails(title .. "; its words are in files of their own: nj.load(path, { vocabulary = 'vocab.txt' })",
      "EARG", function() end, {})
    fails(title .. ", whose words are WordPiece: there are no merges", "EARG", function() end,
      { vocabulary = checkpoints.wordpiece, merges = {} })
    fails(title .. ", but its weights do not fit: 1 missing: text_proj.2.bias; 1 mismatched: "
      .. "audio_proj.0.bias: expected (6), got (5)", "EFORMAT", function(all)
      all["text_proj.2.bias"] = nil
      all["audio_proj.0.bias"] = nj.zeros(5)
    end)
    fails(title .. ", but 'temp' makes no temperature: -1.0", "EFORMAT",
      function(all) all.temp = number(-1) end)
    fails(title .. ", but 'temp' is missing or no single number", "EFORMAT",
      function(all) all.temp = nj.zeros(2) end)
    fails(title .. ", but CNN14: 'conv_block2.conv1.weight' has 1 dimensions, not 4", "EFORMAT",
      function(all) all["audio_encoder.audio_enc.conv_block2.conv1.weight"] = nj.zeros(3) end)
    fails(title .. " with 15 words, but the vocabulary has 16 tokens", "EFORMAT", function() end,
      { vocabulary = { "[UNK]", "[CLS]", "[SEP]", "[PAD]", "1", "2", "3", "4", "5", "6", "7", "8", "9",
        "10", "11", "12" }, text = { heads = 2 } })
    fails("this is PANNs CNN14, an encoder by itself; nj.encoders.from reads it", "EFORMAT",
      function(all)
        for name in pairs(all) do
          if not name:find "audio_enc" then all[name] = nil end
        end
      end)
    fails("these are weights, but neither a nightjar model nor a retrieval model of a known family",
      "EFORMAT", function(all)
        for name in pairs(all) do all[name] = nil end
        all.x = nj.zeros(2)
      end)
  end)

  it("takes what fits when asked to", function()
    local c = cases["WavCaps: CNN14 + BERT"]()
    c.all["text_proj.2.bias"] = nil
    local options = options_of(c)
    options.partial = true
    local _, report = assert(nj.model.from_checkpoint(c.all, options))
    assert.same({ "text_proj.2.bias" }, report.missing)
    -- What the file lacks is drawn.
    local name = "encoder.layer.1.output.dense.weight"
    c.all["text_encoder.text_encoder." .. name] = nil
    local model = assert(nj.model.from_checkpoint(c.all, options))
    assert.is_true(model.text_tower.encoder:state()[name]:abs():max():item() > 0)
  end)

  it("compares the filter bank that its authors' code computes with", function()
    local name = "state_dict/module.audio_branch.logmel_extractor.melW"
    local function load(title, bank, front_end)
      local c = cases[title]()
      c.all[name] = bank
      local options = options_of(c)
      for key, value in pairs(front_end or {}) do options.front_end[key] = value end
      local _, report = assert(nj.model.from_checkpoint(c.all, options))
      for _, s in ipairs(report.skipped) do
        if s.name == name then return s.why, report.front_end end
      end
    end
    local title = "LAION-CLAP: HTS-AT of width 4 + RoBERTa"
    local function bank(options)
      local o = { preset = "laion", mels = 32 }
      for key, value in pairs(options or {}) do o[key] = value end
      return nj.audio.mel(o):bank():transpose(1, 2):contiguous()
    end
    local why, differs = load(title, bank())
    assert.equal("the front-end: its filter bank is nj.audio.mel's", why)
    assert.is_nil(differs)
    why, differs = load(title, bank { fmax = 18000 })
    assert.equal(why, differs)
    assert.matches("^its filter bank differs from the front%-end's by up to %d+ %% of the largest weight: "
      .. "front_end = {…} is wanted$", differs)
    assert.is_nil(select(2, load(title, bank { fmax = 18000 }, { fmax = 18000 })))
    assert.equal("its filter bank has shape (257, 32), the front-end's (513, 32): front_end = {…} is wanted",
      select(2, load(title, bank { n_fft = 512 })))
    -- Fused models hold one that they do not use.
    why, differs = load("LAION-CLAP: HTS-AT of width 4, fused + RoBERTa", bank())
    assert.equal("the front-end: nj.audio.mel computes it", why)
    assert.is_nil(differs)
  end)

  it("finds torchlibrosa's own banks equal", function()
    local bank = require "nightjar.model.checkpoint.bank"
    for file, prefix in pairs { ["03_htsat_small.ckpt"] = "state_dict/sed_model.",
      ["02_cnn14_small.pth"] = "model/" } do
      local path = shared.path("golden/" .. file)
      if not path then return pending "needs ../shared" end
      local tensors = assert(nj.store.load(path)).tensors
      local name, differs = bank.compare(tensors, prefix, nj.audio.mel { preset = "panns" })
      assert.equal(prefix .. "logmel_extractor.melW", name)
      assert.is_nil(differs)
    end
  end)

  it("refuses other ways to fuse several views", function()
    local title = "LAION-CLAP: HTS-AT of width 4, fused + RoBERTa"
    local at = "state_dict/module.audio_branch."
    local function fails(kind, change)
      local c = cases[title]()
      change(c.all)
      local _, message, code = nj.model.from_checkpoint(c.all, options_of(c))
      assert.equal(("this is %s; of ways to fuse several views of a long sound there is aff_2d, which the "
        .. "published checkpoints have, and not this one's %s"):format(title, kind), message)
      assert.equal("EFORMAT", code)
    end
    local function drop(all, pattern)
      for name in pairs(all) do
        if name:find(pattern) then all[name] = nil end
      end
    end
    fails("iaff_2d", function(all)
      all[at .. "patch_embed.fusion_model.local_att2.0.weight"] = nj.zeros(1, 4, 1, 1)
    end)
    fails("daf_2d", function(all) drop(all, "fusion_model") end)
    fails("channel_map", function(all)
      drop(all, "fusion_model")
      drop(all, "mel_conv2d")
      all[at .. "patch_embed.proj.weight"] = nj.zeros(4, 4, 4, 4)
    end)
    fails("aff_1d", function(all)
      drop(all, "fusion_model")
      drop(all, "mel_conv2d")
      all[at .. "mel_conv1d.0.weight"] = nj.zeros(64, 64, 5)
      all[at .. "fusion_model.local_att.0.weight"] = nj.zeros(16, 64, 1)
    end)
  end)

  it("says which tensors of the fusion are missing or of another shape", function()
    local title = "LAION-CLAP: HTS-AT of width 4, fused + RoBERTa"
    local c = cases[title]()
    local at = "state_dict/module.audio_branch.patch_embed."
    c.all[at .. "fusion_model.local_att.4.running_var"] = nil
    c.all[at .. "mel_conv2d.bias"] = nj.zeros(5)
    local _, message = nj.model.from_checkpoint(c.all, options_of(c))
    assert.equal(("this is %s, but its weights do not fit: 1 missing: %sfusion_model.local_att.4."
      .. "running_var; 1 mismatched: patch_embed.mel_conv2d.bias: expected (4), got (5)"):format(title, at)
      :gsub("mismatched: patch", "mismatched: " .. at:sub(1, -13) .. "patch"), message)
  end)
end)
