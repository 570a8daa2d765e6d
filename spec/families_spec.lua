local nj = require "nightjar"

--- Entries as nj.store.info gives them, from name = shape.
local function entries(shapes)
  local names, list = {}, {}
  for name in pairs(shapes) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = { name = name, shape = shapes[name] } end
  return list
end

local function below(prefix, into, shapes)
  for name, shape in pairs(shapes) do into[prefix .. name] = shape end
  return into
end

local function htsat(width)
  return { ["patch_embed.proj.weight"] = { width, 1, 4, 4 }, ["tscam_conv.weight"] = { 527, 8 * width, 2, 3 },
    ["layers.0.blocks.0.attn.qkv.weight"] = { 3 * width, width } }
end

local function panns(blocks, convs)
  local t = { ["bn0.weight"] = { 64 }, ["fc_audioset.weight"] = { 527, 2048 } }
  for block = 1, blocks do
    for conv = 1, convs do t[("conv_block%d.conv%d.weight"):format(block, conv)] = { 64, 1, 3, 3 } end
  end
  return t
end

local function bert(types, layers)
  local t = { ["embeddings.word_embeddings.weight"] = { 30522, 768 },
    ["embeddings.token_type_embeddings.weight"] = { types, 768 },
    ["embeddings.position_embeddings.weight"] = { 512, 768 } }
  for i = 0, layers - 1 do
    t["encoder.layer." .. i .. ".attention.self.query.weight"] = { 768, 768 }
  end
  return t
end

local function convnext(width, depths)
  local t = { ["bn0.weight"] = { 224 }, ["head_audioset.weight"] = { 527, 8 * width },
    ["downsample_layers.0.0.weight"] = { width, 1, 4, 4 },
    ["downsample_layers.3.1.weight"] = { 8 * width, 4 * width, 2, 2 } }
  for i, depth in ipairs(depths) do
    for k = 0, depth - 1 do t[("stages.%d.%d.dwconv.weight"):format(i - 1, k)] = { width, 1, 7, 7 } end
  end
  return t
end

local gpt2 = { ["wte.weight"] = { 50257, 768 }, ["wpe.weight"] = { 1024, 768 },
  ["h.0.attn.c_attn.weight"] = { 768, 2304 } }

describe("nj.families.recognise", function()
  it("knows encoders alone, below any prefix", function()
    local resnet = panns(1, 1)
    resnet["resnet.layer1.0.conv1.weight"] = { 64, 64, 3, 3 }
    local deeper = below("", { ["resnet.layer1.2.conv1.weight"] = { 64, 64, 3, 3 } }, resnet)
    local bottleneck = below("", { ["resnet.layer1.0.conv3.weight"] = { 64, 64, 1, 1 } }, deeper)
    local mobilenet = { ["features.0.0.weight"] = { 8, 1, 3, 3 }, ["features.16.0.weight"] = { 384, 64, 1, 1 },
      ["features.15.block.3.0.weight"] = { 64, 384, 1, 1 }, ["classifier.5.weight"] = { 527, 512 } }
    local cases = {
      { panns(6, 2), "panns", "PANNs CNN14" }, { panns(4, 2), "panns", "PANNs CNN10" },
      { panns(4, 1), "panns", "PANNs CNN6" }, { resnet, "panns", "PANNs ResNet22" },
      { deeper, "panns", "PANNs ResNet38" }, { bottleneck, "panns", "PANNs ResNet54" },
      { htsat(96), "htsat", "HTS-AT tiny" }, { htsat(128), "htsat", "HTS-AT base" },
      { htsat(256), "htsat", "HTS-AT large" }, { htsat(12), "htsat", "HTS-AT of width 12" },
      { convnext(96, { 3, 3, 9, 3 }), "convnext", "ConvNeXt tiny" },
      { convnext(4, { 1, 1, 1, 1 }), "convnext", "ConvNeXt of width 4" },
      { mobilenet, "efficientat", "EfficientAT MobileNetV3 mn04" },
      { bert(2, 12), "bert", "BERT" }, { bert(1, 6), "roberta", "RoBERTa" }, { gpt2, "gpt2", "GPT-2" },
    }
    for _, prefix in ipairs { "", "model/", "state_dict/sed_model.", "bert." } do
      for _, case in ipairs(cases) do
        local found = nj.families.recognise(entries(below(prefix, {}, case[1])))
        assert.same({ case[2], case[3], prefix }, { found.family, found.title, found.prefix })
      end
    end
    local found = nj.families.recognise(entries(bert(2, 4)))
    assert.same({ width = 768, vocabulary = 30522, positions = 512, layers = 4, legacy_names = false },
      found.details)
  end)

  it("knows captioners by their decoders, with and without an audio part", function()
    local function decoder(prefix, into)
      below(prefix, into, { ["decoder.emb_layer.weight"] = { 4000, 256 },
        ["decoder.classifier.weight"] = { 4000, 256 }, ["projection.2.weight"] = { 256, 768 } })
      for i = 0, 5 do
        into[("%sdecoder.layers.%d.multihead_attn.in_proj_weight"):format(prefix, i)] = { 768, 256 }
      end
      return into
    end
    local all = below("preprocessor.encoder.", decoder("model.", {}), convnext(96, { 3, 3, 9, 3 }))
    local found = nj.families.recognise(entries(all))
    assert.same({ "conette", "CoNeTTE: ConvNeXt tiny + decoder of 6 layers", "" },
      { found.family, found.title, found.prefix })
    assert.same({ prefix = "model.", layers = 6, width = 256, vocabulary = 4000 }, found.decoder)
    assert.equal("preprocessor.encoder.", found.audio.prefix)
    found = nj.families.recognise(entries(decoder("state_dict/", {})))
    assert.same({ "CoNeTTE: decoder of 6 layers", "state_dict/", "state_dict/" },
      { found.title, found.prefix, found.decoder.prefix })
    assert.is_nil(found.audio)
    local act = below("encoder.", { ["word_emb.weight"] = { 4000, 512 },
      ["dec_fc.weight"] = { 4000, 512 }, ["encoder_linear.weight"] = { 512, 527 },
      ["transformer_decoder.layers.0.multihead_attn.in_proj_weight"] = { 1536, 512 } },
      { cls_token = { 1, 1, 768 }, ["bn0.weight"] = { 64 },
        ["patch_embed.proj.weight"] = { 768, 256 },
        ["blocks.layers.0.0.fn.qkv.weight"] = { 2304, 768 } })
    found = nj.families.recognise(entries(below("model/", {}, act)))
    assert.same({ "act", "ACT: ViT of width 768 + decoder of 1 layers", "model/" },
      { found.family, found.title, found.prefix })
    local without = decoder("", {})
    without["projection.2.weight"] = nil
    assert.is_nil(nj.families.recognise(entries(without)))
  end)

  it("knows whole models by both of their parts", function()
    local function whole(audio_prefix, audio, text_prefix, text, rest)
      local t = below(audio_prefix, {}, audio)
      below(text_prefix, t, text)
      for _, name in ipairs(rest) do t[name] = { 512, 512 } end
      return t
    end
    local clap = { "audio_projection.0.weight", "text_projection.0.weight" }
    local fused = whole("audio_branch.", htsat(96), "text_branch.", bert(1, 12), clap)
    fused["audio_branch.patch_embed.mel_conv2d.weight"] = { 96, 1, 4, 12 }
    local hf = { ["patch_embed.proj.weight"] = { 96, 1, 4, 4 },
      ["layers.0.blocks.0.attention.self.query.weight"] = { 96, 96 } }
    local wavcaps = { "audio_proj.0.weight", "text_proj.0.weight" }
    local cases = {
      { "laion-clap", "LAION-CLAP: HTS-AT tiny + RoBERTa",
        whole("audio_branch.", htsat(96), "text_branch.", bert(1, 12), clap) },
      { "laion-clap", "LAION-CLAP: HTS-AT tiny, fused + RoBERTa", fused },
      { "hf-clap", "Hugging Face ClapModel: HTS-AT tiny + RoBERTa",
        whole("audio_model.audio_encoder.", hf, "text_model.", bert(1, 12),
          { "audio_projection.linear1.weight", "text_projection.linear1.weight" }) },
      { "wavcaps", "WavCaps: HTS-AT tiny + BERT",
        whole("audio_encoder.audio_enc.", htsat(96), "text_encoder.text_encoder.", bert(2, 12), wavcaps) },
      { "wavcaps", "WavCaps: CNN14 + BERT",
        whole("audio_encoder.audio_enc.", panns(6, 2), "text_encoder.text_encoder.", bert(2, 12), wavcaps) },
      { "mga-clap", "MGA-CLAP: HTS-AT tiny + BERT",
        whole("audio_encoder.audio_enc.", htsat(96), "text_encoder.text_encoder.", bert(2, 12),
          { "codebook", "frame_proj.0.weight", "word_proj.0.weight" }) },
      { "audio-text_retrieval", "audio-text_retrieval: CNN14 + BERT",
        whole("audio_enc.audio_enc.", panns(6, 2), "text_enc.bert_encoder.", bert(2, 12),
          { "audio_linear.0.weight", "text_linear.0.weight" }) },
      { "ms-clap", "MS-CLAP: CNN14 + BERT",
        whole("audio_encoder.base.", panns(6, 2), "caption_encoder.base.", bert(2, 12),
          { "audio_encoder.projection.linear1.weight", "caption_encoder.projection.linear1.weight" }) },
      { "ms-clap", "MS-CLAP: HTS-AT tiny + GPT-2",
        whole("audio_encoder.base.htsat.", htsat(96), "caption_encoder.base.", gpt2,
          { "audio_encoder.projection.linear1.weight", "caption_encoder.projection.linear1.weight" }) },
    }
    for _, prefix in ipairs { "", "state_dict/module.", "model/" } do
      for _, case in ipairs(cases) do
        local found = assert(nj.families.recognise(entries(below(prefix, {}, case[3]))), case[2])
        assert.same({ case[1], case[2], prefix }, { found.family, found.title, found.prefix })
        local wrapped = {} -- a part of it by DataParallel, its layers by torch.compile
        for name, shape in pairs(case[3]) do
          wrapped[(name:gsub("^([^.]*%.)(.*)%.", "%1module.%2._orig_mod."))] = shape
        end
        found = assert(nj.families.recognise(entries(below(prefix, {}, wrapped))), case[2])
        assert.same({ case[1], case[2], prefix }, { found.family, found.title, found.prefix })
      end
    end
  end)

  it("takes tensors by name, in the order of their names", function()
    local tensors = { b = nj.ones(2, 3), a = nj.ones(4) }
    assert.same({ { name = "a", shape = { 4 } }, { name = "b", shape = { 2, 3 } } },
      nj.families.entries(tensors))
    assert.error_matches(function() nj.families.entries { "x" } end, "must be tensors by name")
  end)

  it("knows nothing about others", function()
    assert.is_nil(nj.families.recognise {})
    assert.is_nil(nj.families.recognise(entries { ["w"] = { 3 }, ["my_wpe.weight"] = { 3, 4 } }))
    assert.is_nil(nj.families.recognise(entries { ["wpe.weight"] = { 3, 4 } }))
    assert.is_nil(nj.families.recognise(entries { ["audio_projection.0.weight"] = { 3, 4 },
      ["text_projection.0.weight"] = { 3, 4 } }))
    assert.is_nil(nj.families.recognise(entries { ["conv_block1.conv1.weight"] = {}, ["bn0.weight"] = {} }))
  end)
end)
