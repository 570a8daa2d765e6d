-- Captioners of others: what their files hold becomes what their authors' code computes.
local captioners = require "spec.support.captioners"
local decoding = require "spec.support.decoding"
local json = require "dkjson"
local near = require "spec.support.near"
local network = require "spec.support.network"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local torch_file = require "spec.support.torch_file"

local words, tokens = captioners.conette_words()

local function convnext()
  local net = nj.encoders.convnext { depths = { 1, 1, 2, 1 }, widths = { 4, 6, 8, 12 }, mels = 224,
    classes = 3, rng = nj.rng(1) }
  return network.scramble(network.trained(net, 3), 4, 0.3)
end

local encoder = convnext()

-- CoNeTTE as its authors' Hugging Face model saves it.
local function whole()
  local all = captioners.conette_decoder("model.", 12)
  for name, tensor in pairs(encoder:state()) do
    all["preprocessor.encoder." .. name:gsub("gamma$", "scale_layer")] = tensor:detach()
  end
  all["preprocessor.encoder.bn0.num_batches_tracked"] = nj.zeros({}, { dtype = "int64" })
  all["preprocessor.encoder.spectrogram_extractor.stft.conv_real.weight"] = nj.zeros(2)
  all["_extra_state_"] = nj.zeros({ 5 }, { dtype = "uint8" })
  return all
end

local function state_of(list)
  local itos, stoi = {}, {}
  for i, token in ipairs(list) do itos[tostring(i - 1)], stoi[token] = token, i - 1 end
  return { _type_ = "txt", tokenizer = { itos = itos, stoi = stoi, hparams = { level = "word" } } }
end

local names = { words = "model.decoder.emb_layer.", layers = "model.decoder.layers.",
  out = "model.decoder.classifier." }

-- What the authors' code makes of frames: memory, and logits of ids over it.
local function reference(t, frames)
  local memory = nj.nn.linear(frames, t["model.projection.2.weight"],
    t["model.projection.2.bias"]):relu()
  return memory, function(ids, m) return captioners.decode(t, names, captioners.sizes, ids, m) end
end

local function mels(n) return nj.randn({ n, 130, 224 }, { rng = nj.rng(8) }) end

describe("CoNeTTE's checkpoints", function()
  local folder, config
  setup(function()
    folder = temporary.folder()
    config = temporary.write(folder .. "/config.json", json.encode { nhead = 8, beam_size = 3,
      min_pred_size = 3, max_pred_size = 20, task_names = captioners.tasks,
      tokenizer_state = state_of(words) })
  end)
  teardown(function() temporary.remove(folder) end)

  it("become captioners that compute what their authors' code computes", function()
    local all = whole()
    local captioner, report = assert(nj.captioner.from_checkpoint(all, { vocabulary = config }))
    assert.equal("CoNeTTE: ConvNeXt of width 4 + decoder of 2 layers", report.title)
    assert.same({ "conette", "" }, { report.family, report.prefix })
    local skipped = {}
    for i, s in ipairs(report.skipped) do skipped[i] = s.name .. ": " .. s.why end
    assert.same({
      "_extra_state_: a pickle of the vocabulary; give the file that has it as text",
      "model.decoder.pos_encoding.pos_embedding: sines, worked out",
      "preprocessor.encoder.bn0.num_batches_tracked: a counter that only training's averages need",
      "preprocessor.encoder.spectrogram_extractor.stft.conv_real.weight: the front-end: nj.audio.mel "
        .. "computes it",
    }, skipped)
    assert.same({ {}, {} }, { report.missing, report.mismatched })
    local n = 0
    for _ in pairs(all) do n = n + 1 end
    assert.equal(n - 4, #report.used)
    assert.same(tokens, captioner.vocabulary)

    local frames = captioner:listen(mels(2))
    near((encoder(mels(2))):detach(), frames:detach(), { atol = 0 })
    local memory, logits = reference(all, frames:detach())
    local ids = nj.tensor({ { #words, 9, 8, 20, 4 } }, { dtype = "int64" })
    for b = 1, 2 do
      local at = { { b, b } }
      near(logits(ids, memory[at]):detach(), captioner.decoder(ids, frames[at]):detach(),
        { atol = 1e-4, rtol = 1e-4 })
    end
  end)

  it("find captions as its beam search does, for each task", function()
    local all = whole()
    local captioner = assert(nj.captioner.from_checkpoint(all, { vocabulary = config }))
    local frames = captioner:listen(mels(2)):detach()
    local memory, logits = reference(all, frames)
    local once, lengths = {}, {}
    for id = 0, #tokens - 1 do
      if (id < 4 or id > 6) and id ~= 2 then once[#once + 1] = id end
    end
    for i, task in ipairs { "clotho", "macs" } do
      local bos = i == 1 and #words or #words + 2
      local o = { bos = bos, eos = 2, beam = 3, n = 3, min = 3, max = 20, once = once,
        forbid = { bos }, renormalize = true, narrowing = true }
      local lists = captioner:caption(frames, { n = 3, task = i > 1 and task or nil })
      for b = 1, 2 do
        local want = decoding.beam(logits, memory[{ { b, b } }], nil, o)
        for k = 1, 3 do
          assert.same(want[k].ids, lists[b][k].ids)
          near(want[k].score, lists[b][k].score, { atol = 1e-4 })
          local said = {}
          for _, id in ipairs(want[k].ids) do
            if id > 3 and id < #words then said[#said + 1] = tokens[id + 1] end
          end
          assert.equal(table.concat(said, " "), lists[b][k].text)
          lengths[#lengths + 1] = #want[k].ids
        end
      end
    end
    assert(math.min(table.unpack(lengths)) > 3 and math.max(table.unpack(lengths)) < 20)
  end)

  it("are read from files, saved, and converted", function()
    local all = whole()
    local path = folder .. "/model.safetensors"
    assert(nj.store.save(path, all))
    local captioner, report = assert(nj.captioner.load(path, { vocabulary = config, task = "audiocaps" }))
    assert.equal("model", captioner.name)
    assert.equal("conette", report.family)
    local wav = temporary.write(folder .. "/a.wav", sound.wav(sound.noise(64000, 1, 0.3)))
    local want = captioner:caption(wav)
    assert.is_true(#want[1][1].ids >= 3)
    assert.same(want, assert(nj.captioner.load(path, { vocabulary = config })):caption(wav,
      { task = "audiocaps" }))
    local saved = folder .. "/captioner.safetensors"
    assert(captioner:save(saved))
    local twin = assert(nj.captioner.load(saved))
    assert.same(captioner:descriptor(), twin:descriptor())
    assert.same(want, twin:caption(wav))
    assert.same("convnext", twin:descriptor().audio.encoder.kind)
  end)

  it("of Lightning hold their words, and take frames or an encoder", function()
    local p, entries = torch_file.pickle, {}
    local tensors, n, data = captioners.conette_decoder("", 12), 0, {}
    local names_in_order = {}
    for name in pairs(tensors) do names_in_order[#names_in_order + 1] = name end
    table.sort(names_in_order)
    for _, name in ipairs(names_in_order) do
      local x = tensors[name]:contiguous()
      local kind = ({ float32 = "FloatStorage", int64 = "LongStorage", uint8 = "ByteStorage" })[x.dtype]
      entries[#entries + 1] = name
      entries[#entries + 1] = p.tensor(tostring(n), x.shape, { kind = kind, numel = x:numel() })
      data["data/" .. n], n = x:bytes(), n + 1
    end
    local itos = {}
    for i, token in ipairs(tokens) do itos[#itos + 1], itos[#itos + 2] = i - 1, token end
    entries[#entries + 1] = "tokenizers.0._extra_state"
    entries[#entries + 1] = p.dict { "_type_", "txt", "tokenizer", p.dict { "itos", p.dict(itos) } }
    data["data.pkl"] = p.file(p.dict { "hyper_parameters", p.dict { "nhead", 4, "beam_size", 2 },
      "state_dict", p.dict(entries) })
    local path = temporary.write(folder .. "/last.ckpt", torch_file.zip(data))

    local captioner, report = assert(nj.captioner.load(path))
    assert.equal("CoNeTTE: decoder of 2 layers", report.title)
    assert.equal("state_dict/", report.prefix)
    assert.same(tokens, captioner.vocabulary)
    assert.same({ 4, 2 }, { captioner.decoder:descriptor().heads, captioner.generation.beam })
    assert.is_nil(captioner.audio_tower)
    local frames = encoder(mels(1)):detach()
    local list = captioner:caption(frames)
    local hearing = assert(nj.captioner.load(path, { encoder = encoder }))
    assert.same(list, hearing:caption(hearing:listen(mels(1)):detach()))
    local wrong, message, code = nj.captioner.load(path,
      { encoder = nj.encoders.mobilenet { width = 0.1 } })
    assert.same({ nil, "EFORMAT" }, { wrong, code })
    assert.equal(path .. ": this is CoNeTTE: decoder of 2 layers, whose decoder takes frames of width "
      .. "12, but the encoder gives 96", message)
  end)

  it("take words as lists, lines, JSON", function()
    local all = whole()
    local want = assert(nj.captioner.from_checkpoint(all, { vocabulary = config })):descriptor().words
    local function same(vocabulary)
      local captioner = assert(nj.captioner.from_checkpoint(all, { vocabulary = vocabulary }))
      assert.same(tokens, captioner.vocabulary)
      assert.same(want, captioner:descriptor().words)
    end
    same(tokens)
    same(words)
    same(temporary.write(folder .. "/words.txt", table.concat(words, "\r\n") .. "\n"))
    same(temporary.write(folder .. "/list.json", json.encode(tokens)))
    same(temporary.write(folder .. "/stoi.json", json.encode(state_of(tokens).tokenizer.stoi)))
    same(temporary.write(folder .. "/state.json", json.encode(state_of(tokens))))
  end)

  it("without the mask of repetitions may repeat; without tasks begin with <bos>", function()
    local all = whole()
    all["model.forbid_rep_mask"], all["model.task_id_to_token_id"] = nil, nil
    local plain = table.move(words, 1, #words, 1, {})
    for i = 1, 7 do plain[#words + i] = "w" .. i end
    local captioner = assert(nj.captioner.from_checkpoint(all, { vocabulary = plain }))
    assert.equal(1, captioner.words.bos)
    assert.is_true(captioner.generation.repeat_words)
    assert.is_nil(captioner:descriptor().words.tasks)
  end)

  it("are trained on", function()
    local captioner = assert(nj.captioner.from_checkpoint(whole(), { vocabulary = config })):train()
    local loss = captioner:loss({ mel = mels(2), captions = { "a dog barks", "rain falls" } },
      { rng = nj.rng(1), task = "macs" })
    loss:backward()
    for _, p in ipairs(captioner:parameters()) do
      local unused = p.name:find "head_audioset" or p.name:find "encoder%.norm%."
      assert.equal(not unused, p.tensor.grad ~= nil, p.name)
    end
  end)

  it("say what is wrong with them", function()
    local function fails(text, code, change, options)
      local all = whole()
      if change then change(all) end
      local captioner, message, got = nj.captioner.from_checkpoint(all,
        options or { vocabulary = config })
      assert.is_nil(captioner)
      assert.equal(text, message)
      assert.equal(code, got)
    end
    local title = "this is CoNeTTE: ConvNeXt of width 4 + decoder of 2 layers"
    fails(title .. "; its words are in a file of their own: nj.captioner.load(path, { vocabulary = "
      .. "'config.json' }), or one token a line", "EARG", nil, {})
    fails(title .. ", but its weights do not fit: 1 missing: model.decoder.layers.1.norm2.weight",
      "EFORMAT",
      function(all) all["model.decoder.layers.1.norm2.weight"] = nil end)
    fails(title .. ", but its weights do not fit: 1 mismatched: model.out.bias: expected (39), got (4)",
      "EFORMAT", function(all) all["model.decoder.classifier.bias"] = nj.zeros(4) end)
    fails(title .. ", but 'model.projection.2.weight' is missing or no matrix", "EFORMAT",
      function(all) all["model.projection.2.weight"] = nj.zeros(4) end)
    fails(title .. " with 39 words, but the vocabulary has 2 tokens", "EFORMAT",
      function(all) all["model.task_id_to_token_id"] = nil end, { vocabulary = { "a", "b" } })
    fails(title .. ", which has no task called 'sounds'", "EARG", nil,
      { vocabulary = config, task = "sounds" })
    fails(title .. ", but decoder: 3 heads do not divide a width of 16", "EFORMAT", nil,
      { vocabulary = config, decoder = { heads = 3 } })
    fails(title .. ", but ConvNeXt of width 4: 'bn0.weight' has 2 dimensions, not 1", "EFORMAT",
      function(all) all["preprocessor.encoder.bn0.weight"] = nj.zeros(2, 2) end)
    local unfit = table.move(tokens, 1, #tokens, 1, {})
    unfit[3] = "<end>"
    fails(title .. ", but captioner: words.eos: the vocabulary has no token '<eos>'", "EFORMAT", nil,
      { vocabulary = unfit })
    local _, message = nj.captioner.from_checkpoint({ w = nj.zeros(2) }, { vocabulary = config })
    assert.equal("these are weights, but neither a nightjar captioner nor a captioner of a known family",
      message)
    _, message = nj.captioner.from_checkpoint(encoder:state(), { vocabulary = config })
    assert.equal("this is ConvNeXt of width 4, no captioner; nj.encoders.from reads it", message)
    _, message = nj.model.from_checkpoint(whole(), { vocabulary = config })
    assert.equal(title .. ", a captioner; nj.captioner.load reads it", message)
    assert.error_matches(function()
      nj.captioner.from_checkpoint(whole(), { vocabular = config })
    end, "captioner.load: unknown option 'vocabular' (did you mean 'vocabulary'?)", nil, true)
  end)

  it("with words that cannot be read are refused", function()
    local function fails(text, code, content)
      local path = folder .. "/broken.json"
      if content then temporary.write(path, content) else path = folder .. "/none.json" end
      local captioner, message, got = nj.captioner.from_checkpoint(whole(), { vocabulary = path })
      assert.is_nil(captioner)
      assert.matches(text, message, 1, true)
      assert.equal(code, got)
    end
    fails("none.json", "ENOTFOUND")
    fails("this is no JSON", "EFORMAT", "{ 1")
    for _, content in ipairs { "{}", "[1, 2]", '{"itos": {"0": "a", "2": "b"}}', '{"a": 1, "b": 1}',
      '{"itos": {"0": 5}}', '{"tokenizer_state": {"tokenizer": {"itos": {}}}}', '{"-1": "a"}' } do
      fails("there is no vocabulary in it", "EFORMAT", content)
    end
  end)

  it("with parts missing are read when asked", function()
    local all = whole()
    all["model.decoder.layers.1.norm2.weight"] = nil
    all["model.decoder.classifier.bias"] = nj.zeros(4)
    local captioner, report = nj.captioner.from_checkpoint(all, { vocabulary = config, partial = true })
    assert(captioner, report)
    assert.same({ "model.decoder.layers.1.norm2.weight" }, report.missing)
    assert.equal(1, #report.mismatched)
  end)
end)

describe("ACT's checkpoints", function()
  local P = "model/"
  local vit = network.scramble(network.trained(nj.encoders.vit { width = 8, layers = 2, heads = 2,
    hidden = 12, classes = 9, rng = nj.rng(1) }, 3), 4, 0.3)
  local act_names = { words = P .. "word_emb.", layers = P .. "transformer_decoder.layers.",
    out = P .. "dec_fc." }

  local function whole_act()
    local all, list = captioners.act_decoder(P, 9)
    for name, tensor in pairs(vit:state()) do all[P .. "encoder." .. name] = tensor:detach() end
    all[P .. "encoder.bn0.num_batches_tracked"] = nj.zeros({}, { dtype = "int64" })
    return all, list
  end

  local function load_act()
    local all, list = whole_act()
    -- heads of 8 channels, which no shape tells
    local captioner, report = nj.captioner.from_checkpoint(all, { vocabulary = list,
      audio = { heads = 2 } })
    return assert(captioner, report), all, report
  end

  -- What the encoder says of 500 log-mel frames, the class token first.
  local function scores(mel)
    local frames, clip = vit(mel)
    return vit:logits(nj.cat({ clip:unsqueeze(2), frames }, 2)):detach()
  end

  it("become captioners that compute what their authors' code computes", function()
    local captioner, all, report = load_act()
    assert.equal("ACT: ViT of width 8 + decoder of 2 layers", report.title)
    local skipped = {}
    for i, s in ipairs(report.skipped) do skipped[i] = s.name .. ": " .. s.why end
    assert.same({ "model/encoder.bn0.num_batches_tracked: a counter that only training's averages need",
      "model/pos_encoder.pe: sines, worked out" }, skipped)
    local n = 0
    for _ in pairs(all) do n = n + 1 end
    assert.equal(n - 2, #report.used)
    local mel = nj.randn({ 2, 500, 64 }, { rng = nj.rng(8) })
    local frames = captioner:listen(mel):detach()
    assert.same({ 2, 126, 9 }, frames.shape)
    near(scores(mel), frames, { atol = 1e-5 })
    local memory = nj.nn.linear(frames, all[P .. "encoder_linear.weight"],
      all[P .. "encoder_linear.bias"]):relu()
    local o = { bos = 0, eos = 7, beam = 3, n = 3, max = 30, forbid = { 0 } }
    for b, list in ipairs(captioner:caption(frames, { n = 3, max = 8 })) do
      o.max = 8
      local want = decoding.beam(function(ids, m)
        return captioners.decode(all, act_names, captioners.sizes, ids, m)
      end, memory[{ { b, b } }], nil, o)
      for k = 1, 3 do
        assert.same(want[k].ids, list[k].ids)
        near(want[k].score, list[k].score, { atol = 1e-4 })
      end
    end
  end)

  it("hear short sounds with silence up to 10 s, longer ones in pieces", function()
    local captioner, folder = load_act(), temporary.folder()
    for seconds, pieces in pairs { [2] = 1, [10] = 1, [15] = 2 } do
      local samples = sound.noise(32000 * seconds, seconds, 0.3)
      local path = temporary.write(folder .. "/a.wav", sound.wav(samples))
      local wave = assert(nj.audio.decode(path, { rate = 32000 }))
      local memory = {}
      local fe = nj.audio.mel { preset = "act" }
      for i = 1, pieces do
        local first = (i - 1) * 8 * 32000
        local piece = wave[{ { first + 1, math.min(wave.shape[1], first + 320000) } }]
        piece = piece:pad { { 0, 320000 - piece.shape[1] } }
        memory[i] = scores(fe(piece):unsqueeze(1))
      end
      local want = captioner:caption(nj.cat(memory, 2))
      local got = captioner:caption(path)
      assert.equal(want[1][1].text, got[1][1].text)
      near(want[1][1].logprob, got[1][1].logprob, { atol = 1e-3 })
    end
    assert(captioner:save(folder .. "/act.safetensors"))
    local twin = assert(nj.captioner.load(folder .. "/act.safetensors"))
    assert.same(captioner:descriptor(), twin:descriptor())
    assert.same(captioner:caption(folder .. "/a.wav"), twin:caption(folder .. "/a.wav"))
    temporary.remove(folder)
  end)

  it("are trained on", function()
    local captioner = load_act():train()
    captioner:loss({ mel = nj.randn({ 2, 500, 64 }, { rng = nj.rng(8) }),
      captions = { "a dog barks", "birds sing" } }, { rng = nj.rng(1) }):backward()
    for _, p in ipairs(captioner:parameters()) do assert.is_not_nil(p.tensor.grad, p.name) end
  end)
end)
