local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"
local temporary = require "spec.support.temporary"

local tiny = { name = "tiny", encoder = { kind = "mobilenet", width = 0.1, mels = 16, classes = 3 },
  front_end = { preset = "efficientat" } }

local function message(text, f) assert.error_matches(f, text, nil, true) end

describe("nj.encoders.from", function()
  it("knows the published architectures by name", function()
    local names = table.concat(nj.encoders.names(), " ")
    for _, name in ipairs { "mn04", "mn10", "mn40", "cnn6", "cnn10", "cnn14", "cnn14_16k",
      "resnet22", "resnet38", "resnet54", "htsat-tiny", "htsat-base", "htsat-large",
      "convnext-tiny" } do
      assert((" " .. names .. " "):find(" " .. name .. " ", 1, true), name)
    end
  end)

  it("makes each of them with the parameters that its paper counts", function()
    -- PANNs' README and EfficientAT's tables; the large ones were counted once by hand.
    for name, size in pairs { cnn6 = 4837455, cnn10 = 5219279, mn04 = 983599,
      ["convnext-tiny"] = 28222767 } do
      local net, about = nj.encoders.from(name, { rng = false })
      assert.equal(size, net:size())
      assert.same(net:descriptor(), about.encoder)
      assert.is_nil(about.report)
      assert(nj.audio.mel(about.front_end):descriptor().mels == about.encoder.mels)
    end
  end)

  it("makes a network of every descriptor, narrowed", function()
    for _, name in ipairs(nj.encoders.names()) do
      local _, about = nj.encoders.from(name, { rng = false, encoder =
        ({ mn = { width = 0.1 }, cn = { channels = { 1, 1, 1, 1, 1, 1 },
            pool_time = { 2, 2, 2, 2, 2, 1 }, pool_mel = { 2, 2, 2, 2, 2, 1 } },
          re = { width = 1, channels = 2 }, ro = { width = 16, heads = 1, layers = 1, vocabulary = 9 },
          be = { width = 16, heads = 1, layers = 1, vocabulary = 9 },
          co = { depths = { 1, 1, 1, 1 }, widths = { 1, 1, 1, 1 } },
          ht = { width = 4, heads = { 1, 2, 4, 8 }, depths = { 1, 1, 1, 1 } } })
        [name:sub(1, 2)] })
      assert.equal(name, about.name)
      if about.encoder.kind ~= "bert" then
        assert.equal("AudioSet", about.classes)
        assert.equal(about.encoder.mels, nj.audio.mel(about.front_end):descriptor().mels)
      end
    end
  end)

  it("draws nothing with rng = false, and draws by rng otherwise", function()
    local zero = nj.encoders.from(tiny, { rng = false }):state()
    assert.equal(0, zero["features.0.0.weight"]:abs():max():item())
    assert.equal(1, zero["features.0.1.weight"]:min():item())
    local function weight(seed)
      return nj.encoders.from(tiny, { rng = nj.rng(seed) }):state()["features.0.0.weight"]:bytes()
    end
    assert.equal(weight(1), weight(1))
    assert.not_equal(weight(1), weight(2))
  end)

  describe("with a checkpoint", function()
    local folder, source
    setup(function()
      folder = temporary.folder()
      source = nj.encoders.from(tiny, { rng = nj.rng(9) })
    end)
    teardown(function() temporary.remove(folder) end)

    local function prefixed(prefix, extra)
      local state = {}
      for name, tensor in pairs(source:state()) do state[prefix .. name] = tensor:detach() end
      for name, tensor in pairs(extra or {}) do state[name] = tensor end
      return state
    end

    it("says of every tensor what became of it", function()
      local counter = nj.zeros({}, { dtype = "int64" })
      local state = prefixed("model/net.audio.", {
        ["model/net.audio.features.0.1.num_batches_tracked"] = counter,
        ["model/net.audio.spectrogram_extractor.stft.conv_real.weight"] = nj.zeros(2),
        ["model/net.audio.strange"] = nj.zeros(2),
        ["model/net.text.weight"] = nj.zeros(2),
        ["features.0.0.weight"] = nj.zeros(1),
      })
      local net, about = assert(nj.encoders.from(tiny, { checkpoint = state }))
      assert.equal("model/net.audio.", about.report.prefix)
      assert.equal(#net:parameters() + #net:buffers(), #about.report.used)
      assert.same({}, about.report.missing)
      assert.same({}, about.report.mismatched)
      assert.same({
        { name = "features.0.0.weight", why = "not under 'model/net.audio.'" },
        { name = "model/net.audio.features.0.1.num_batches_tracked",
          why = "a counter that only training's averages need" },
        { name = "model/net.audio.spectrogram_extractor.stft.conv_real.weight",
          why = "the front-end: nj.audio.mel computes it" },
        { name = "model/net.audio.strange", why = "this network has no tensor of that name" },
        { name = "model/net.text.weight", why = "not under 'model/net.audio.'" },
      }, about.report.skipped)
      for name, tensor in pairs(net:state()) do
        assert.equal(source:state()[name]:bytes(), tensor:bytes(), name)
      end
    end)

    it("reads files, and passes over a classifier that was not asked for", function()
      local path = folder .. "/m.safetensors"
      assert(nj.store.save(path, prefixed ""))
      local net, about = assert(nj.encoders.from(tiny, { checkpoint = path,
        encoder = { classes = 0 } }))
      assert.equal("", about.report.prefix)
      assert.equal(4, #about.report.skipped)
      for _, s in ipairs(about.report.skipped) do
        assert.equal("a classifier, which this network was made without", s.why)
      end
      assert.equal(0, net:descriptor().classes)
      local _, text, code = nj.encoders.from(tiny, { checkpoint = folder .. "/none.safetensors" })
      assert.equal("ENOTFOUND", code)
      assert(text:find("none.safetensors", 1, true))
    end)

    it("refuses what is missing or of another shape, unless asked to take what fits", function()
      local state = prefixed ""
      state["features.2.block.0.1.bias"] = nil
      state["classifier.5.bias"] = nj.zeros(7)
      local net, text, code = nj.encoders.from(tiny, { checkpoint = state })
      assert.is_nil(net)
      assert.equal("EFORMAT", code)
      assert.equal("these weights are not those of tiny: 1 missing: features.2.block.0.1.bias; "
        .. "1 mismatched: classifier.5.bias: expected (3), got (7)", text)
      local taken, about = nj.encoders.from(tiny, { checkpoint = state, partial = true,
        rng = nj.rng(2) })
      assert.same({ "features.2.block.0.1.bias" }, about.report.missing)
      assert.same({ "classifier.5.bias: expected (3), got (7)" }, about.report.mismatched)
      assert.equal(source:state()["features.0.0.weight"]:bytes(),
        taken:state()["features.0.0.weight"]:bytes())
      local _, nothing = nj.encoders.from(tiny, { checkpoint = { other = nj.zeros(1) } })
      assert(nothing:find("missing: features.0.0.weight; ", 1, true), nothing)
      assert(nothing:find(" more$"), nothing)
    end)

    it("takes the prefix that it is told", function()
      local state = prefixed("a.", prefixed "b.")
      state["b.features.0.1.bias"] = state["b.features.0.1.bias"] + 1
      for _, prefix in ipairs { "a.", "b." } do
        local net, about = assert(nj.encoders.from(tiny, { checkpoint = state, prefix = prefix }))
        assert.equal(prefix, about.report.prefix)
        assert.equal(state[prefix .. "features.0.1.bias"]:bytes(),
          net:state()["features.0.1.bias"]:bytes())
      end
    end)

    it("pools CNN14's last block as the repository that wrote the file does", function()
      local narrow = { channels = { 1, 1, 1, 1, 1, 2 }, classes = 0 }
      local convnet = { kind = "convnet" }
      for key, value in pairs(narrow) do convnet[key] = value end
      local weights = nj.encoders.convnet(convnet):state()
      local function stride(prefix, extra)
        local state = { [extra or "epoch"] = nj.zeros(1) }
        for name, tensor in pairs(weights) do state[prefix .. name] = tensor:detach() end
        return assert(nj.encoders.from("cnn14", { checkpoint = state, encoder = narrow })):stride()
      end
      assert.equal(32, stride "")
      assert.equal(64, stride "audio_encoder.audio_enc.")
      assert.equal(64, stride "audio_enc.audio_enc.")
      assert.equal(32, stride("audio_encoder.audio_enc.", "codebook"))
    end)
  end)

  it("reads the names of old BERT files", function()
    local tiny_bert = { encoder = { kind = "bert", width = 4, heads = 1, layers = 1, vocabulary = 7 } }
    local weights = nj.encoders.from(tiny_bert, { rng = nj.rng(3) }):state()
    local state = { ["cls.predictions.bias"] = nj.zeros(7), ["bert.pooler.dense.bias"] = nj.zeros(4) }
    for name, tensor in pairs(weights) do
      name = name:gsub("LayerNorm%.weight$", "LayerNorm.gamma"):gsub("LayerNorm%.bias$",
        "LayerNorm.beta")
      state["bert." .. name] = tensor:detach()
    end
    state["bert.embeddings.LayerNorm.gamma"] = nj.tensor { 1, 2, 3, 4 }
    local net, about = assert(nj.encoders.from(tiny_bert, { checkpoint = state }))
    assert.same({ 1, 2, 3, 4 }, net:state()["embeddings.LayerNorm.weight"]:totable())
    assert.same({
      { name = "bert.pooler.dense.bias", why = "a pooler, which this network was made without" },
      { name = "cls.predictions.bias", why = "not under 'bert.'" },
    }, about.report.skipped)
  end)

  it("reads reference BERT and RoBERTa files", function()
    for _, name in ipairs { "bert", "roberta" } do
      local golden = shared.golden(("04_%s_small"):format(name))
      local config = shared.json(("golden/04_%s_small.config.json"):format(name))
      if not golden then return pending "needs ../shared" end
      local net = assert(nj.encoders.from({ encoder = { kind = "bert", roberta = name == "roberta",
        vocabulary = config.vocab_size, width = config.hidden_size,
        layers = config.num_hidden_layers, heads = config.num_attention_heads,
        feed_forward = config.intermediate_size, positions = config.max_position_embeddings } },
        { checkpoint = shared.path(("golden/04_%s_small.bin"):format(name)) }))
      local words = nj.no_grad(function()
        return net(golden.input_ids, golden.attention_mask, { types = golden.token_type_ids })
      end)
      local mask = golden.attention_mask:to "float32":unsqueeze(3) -- padding has no meaning
      near(golden["hidden.last"] * mask, words * mask, { atol = 5e-5 })
    end
  end)

  it("reads Hugging Face's names of HTS-AT, three matrices for one", function()
    local options = { kind = "htsat", width = 4, heads = { 1, 1, 2, 2 }, depths = { 2, 1, 1, 1 },
      window = 4, mels = 16, side = 32, patch = 1 }
    local source = nj.encoders.htsat(options)
    local state = {}
    local renames = { { "^bn0", "batch_norm" }, { "norm1", "layernorm_before" },
      { "norm2", "layernorm_after" }, { "attn%.proj", "attention.output.dense" },
      { "attn%.relative", "attention.self.relative" }, { "mlp%.fc1", "intermediate.dense" },
      { "mlp%.fc2", "output.dense" } }
    for name, tensor in pairs(source:state()) do
      tensor = tensor:detach()
      local theirs = name
      for _, rename in ipairs(renames) do theirs = theirs:gsub(rename[1], rename[2]) end
      theirs = "audio_model.audio_encoder." .. theirs
      if theirs:find "attn%.qkv" then
        local third = tensor.shape[1] // 3
        for i, part in ipairs { "query", "key", "value" } do
          state[theirs:gsub("attn%.qkv", "attention.self." .. part)] =
            tensor[{ { (i - 1) * third + 1, i * third } }]
        end
      else
        state[theirs] = tensor
      end
    end
    local net, about = assert(nj.encoders.from({ encoder = options }, { checkpoint = state }))
    assert.same({}, about.report.skipped)
    local x = nj.randn({ 1, 64, 16 }, { rng = nj.rng(1) })
    assert.equal((select(2, source(x))):bytes(), (select(2, net(x))):bytes())
  end)

  it("takes LAION-CLAP's habits for its HTS-AT", function()
    local narrow = { width = 4, heads = { 1, 1, 2, 2 }, depths = { 1, 1, 1, 1 }, classes = 0 }
    local weights = nj.encoders.from("htsat-tiny", { encoder = narrow }):state()
    local state = {}
    for name, tensor in pairs(weights) do state["audio_branch." .. name] = tensor:detach() end
    local net, about = assert(nj.encoders.from("htsat-tiny", { checkpoint = state,
      encoder = narrow }))
    assert.equal("repeat", net:descriptor().fit)
    assert.equal(48000, nj.audio.mel(about.front_end):descriptor().rate)
  end)

  it("says what is wrong", function()
    message("encoders.from: no architecture is called 'mn4' (did you mean 'mn04'?); there are ",
      function() nj.encoders.from "mn4" end)
    message("encoders.from: no architecture is called '../models/mn04'",
      function() nj.encoders.from "../models/mn04" end)
    message("encoders.from: no encoder is called 'nothing'",
      function() nj.encoders.from { encoder = { kind = "nothing" } } end)
    message("encoders.from: option 'encoder' is required", function() nj.encoders.from {} end)
    message("encoders.from: unknown option 'chekpoint' (did you mean 'checkpoint'?)",
      function() nj.encoders.from("mn04", { chekpoint = "x" }) end)
  end)
end)
