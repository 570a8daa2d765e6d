--- Which family of models a checkpoint belongs to, told by the names and shapes of its tensors.
---
---     local info = assert(nj.store.info "HTSAT-BERT-FT-Clotho.pt")
---     local found = nj.families.recognise(info.entries)
---     print(found.title, found.prefix)             --> WavCaps: HTS-AT tiny + BERT    model/
---
--- The names are facts of the published checkpoints: PANNs (audioset_tagging_cnn, main.py), HTS-AT,
--- LAION-CLAP, Hugging Face's ClapModel, WavCaps, audio-text_retrieval, MGA-CLAP, MS-CLAP (CLAPWrapper.py),
--- EfficientAT, audioset-convnext-inf, CoNeTTE, ACT, BERT, RoBERTa, GPT-2.
local opts = require "nightjar.opts"
local wrappers = require "nightjar.encoders.wrappers"

local families = {}

-- ---- parts: what an encoder below some prefix is ----

--- The number of blocks N of "PREFIX + before + N + after".
local function count(has, prefix, before, after)
  local n = 0
  while has(prefix .. before .. n .. after) do n = n + 1 end
  return n
end

local HTSAT_SIZES = { [96] = "tiny", [128] = "base", [256] = "large" }

local parts = {}

--- How LAION-CLAP's HTS-AT fuses views of a long clip (clap_module/htsat.py calls it fusion_type), or nil.
local function fusion_type(has, prefix)
  local one = has(prefix .. "mel_conv1d.0.weight")
  local at = one and prefix or prefix .. "patch_embed."
  if not one and not has(at .. "mel_conv2d.weight") then
    local patch = has(at .. "proj.weight")
    return patch and patch[2] == 4 and "channel_map" or nil
  end
  local kind = has(at .. "fusion_model.local_att2.0.weight") and "iaff"
    or has(at .. "fusion_model.local_att.0.weight") and "aff" or "daf"
  return kind .. (one and "_1d" or "_2d")
end

function parts.htsat(has, prefix)
  local patch = has(prefix .. "patch_embed.proj.weight")
  if not patch or not (has(prefix .. "layers.0.blocks.0.attn.qkv.weight")
      or has(prefix .. "layers.0.blocks.0.attention.self.query.weight")) then
    return nil
  end
  local size = HTSAT_SIZES[patch[1]] or ("of width " .. patch[1])
  local classes = has(prefix .. "tscam_conv.weight")
  return "HTS-AT " .. size, {
    width = patch[1], classes = classes and classes[1],
    fusion = fusion_type(has, prefix),
  }
end

function parts.panns(has, prefix)
  local first = has(prefix .. "conv_block1.conv1.weight")
  local bank = has(prefix .. "bn0.weight")
  if not first or not bank then return nil end
  local classes = has(prefix .. "fc_audioset.weight")
  local details = { mel = bank[1], width = first[1], classes = classes and classes[1] }
  local function block(n, conv) return has(("%sconv_block%d.conv%d.weight"):format(prefix, n, conv)) end
  if has(prefix .. "resnet.layer1.0.conv1.weight") then
    local depth = has(prefix .. "resnet.layer1.0.conv3.weight") and 54
      or has(prefix .. "resnet.layer1.2.conv1.weight") and 38 or 22
    return "ResNet" .. depth, details
  elseif block(6, 2) then
    return "CNN14", details
  elseif block(4, 2) and not block(5, 1) then
    return "CNN10", details
  elseif block(4, 1) and not block(4, 2) and not block(5, 1) then
    return "CNN6", details
  end
end

function parts.mobilenet(has, prefix)
  local stem, last = has(prefix .. "features.0.0.weight"), has(prefix .. "features.16.0.weight")
  local head = has(prefix .. "classifier.5.weight")
  if not stem or not last or not has(prefix .. "features.15.block.3.0.weight") then return nil end
  local width = last[1] / 960
  return ("EfficientAT MobileNetV3 mn%02d"):format(math.floor(10 * width + 0.5)),
    { width = width, classes = head and head[1] }
end

local CONVNEXT_SIZES = { ["96/3,3,9,3"] = "tiny", ["96/3,3,27,3"] = "small",
  ["128/3,3,27,3"] = "base", ["192/3,3,27,3"] = "large" }

function parts.convnext(has, prefix)
  local stem, bank = has(prefix .. "downsample_layers.0.0.weight"), has(prefix .. "bn0.weight")
  local last = has(prefix .. "downsample_layers.3.1.weight")
  if not stem or not bank or not last then return nil end
  local depths = {}
  for i = 1, 4 do
    depths[i] = count(has, prefix, ("stages.%d."):format(i - 1), ".dwconv.weight")
    if depths[i] == 0 then return nil end
  end
  local size = CONVNEXT_SIZES[("%d/%s"):format(stem[1], table.concat(depths, ","))]
  local classes = has(prefix .. "head_audioset.weight")
  return "ConvNeXt " .. (size or ("of width " .. stem[1])),
    { mel = bank[1], width = last[1], depths = depths, classes = classes and classes[1] }
end

--- ACT's: patches of frames.
function parts.vit(has, prefix)
  local token, bank = has(prefix .. "cls_token"), has(prefix .. "bn0.weight")
  if not token or #token ~= 3 or not bank or not has(prefix .. "patch_embed.proj.weight") then
    return nil
  end
  local classes = has(prefix .. "mlp_head.1.weight")
  return "ViT of width " .. token[3], { mel = bank[1], width = token[3],
    layers = count(has, prefix, "blocks.layers.", ".0.fn.qkv.weight"),
    classes = classes and classes[1] }
end

--- BERT and RoBERTa, which differ in their token types.
function parts.bert(has, prefix)
  local words = has(prefix .. "embeddings.word_embeddings.weight")
  local types = has(prefix .. "embeddings.token_type_embeddings.weight")
  local places = has(prefix .. "embeddings.position_embeddings.weight")
  if not words or not types or not places
    or not has(prefix .. "encoder.layer.0.attention.self.query.weight") then
    return nil
  end
  return types[1] == 1 and "RoBERTa" or "BERT", {
    width = words[2], vocabulary = words[1], positions = places[1],
    layers = count(has, prefix, "encoder.layer.", ".attention.self.query.weight"),
    legacy_names = has(prefix .. "embeddings.LayerNorm.gamma") ~= nil,
  }
end

function parts.gpt2(has, prefix)
  local words, places = has(prefix .. "wte.weight"), has(prefix .. "wpe.weight")
  if not words or not places or not has(prefix .. "h.0.attn.c_attn.weight") then return nil end
  return "GPT-2", { width = words[2], vocabulary = words[1], positions = places[1],
    layers = count(has, prefix, "h.", ".attn.c_attn.weight") }
end

--- The first of several kinds that is below a prefix.
local function any(has, prefix, ...)
  for _, kind in ipairs { ... } do
    local title, details = parts[kind](has, prefix)
    if title then return { title = title, kind = kind, prefix = prefix, details = details } end
  end
end

-- ---- whole models: an audio part, a text part, and what tells them from others ----

--- `anchor`: a name that every checkpoint of the family has; what stands before it is the prefix.
--- `audio`, `text`: where the parts are. `needs`: more names. First match wins.
local whole = {
  { family = "laion-clap", title = "LAION-CLAP", anchor = "audio_projection.0.weight",
    audio = { "audio_branch." }, text = { "text_branch." }, needs = { "text_projection.0.weight" } },
  { family = "hf-clap", title = "Hugging Face ClapModel", anchor = "audio_projection.linear1.weight",
    audio = { "audio_model.audio_encoder." }, text = { "text_model." },
    needs = { "text_projection.linear1.weight" } },
  { family = "mga-clap", title = "MGA-CLAP", anchor = "codebook",
    audio = { "audio_encoder.audio_enc." }, text = { "text_encoder.text_encoder." },
    needs = { "frame_proj.0.weight", "word_proj.0.weight" } },
  { family = "wavcaps", title = "WavCaps", anchor = "audio_proj.0.weight",
    audio = { "audio_encoder.audio_enc." }, text = { "text_encoder.text_encoder." },
    needs = { "text_proj.0.weight" } },
  { family = "audio-text_retrieval", title = "audio-text_retrieval", anchor = "audio_linear.0.weight",
    audio = { "audio_enc.audio_enc." }, text = { "text_enc.bert_encoder." },
    needs = { "text_linear.0.weight" } },
  { family = "ms-clap", title = "MS-CLAP", anchor = "caption_encoder.projection.linear1.weight",
    audio = { "audio_encoder.base.", "audio_encoder.base.htsat." },
    text = { "caption_encoder.base.", "caption_encoder.base.transformer." },
    needs = { "audio_encoder.projection.linear1.weight" } },
}

-- ---- captioners: a decoder that writes, and the audio part in front of it where the file has one ----

--- `layer`: what a layer of the decoder has, N being its number; `words`: the embeddings.
local captioners = {
  { family = "conette", title = "CoNeTTE", anchor = "model.decoder.emb_layer.weight", decoder = "model.",
    audio = { "preprocessor.encoder." }, words = "decoder.emb_layer.weight",
    needs = { "projection.2.weight", "decoder.classifier.weight" }, layer = "decoder.layers." },
  { family = "conette", title = "CoNeTTE", anchor = "decoder.emb_layer.weight", decoder = "",
    words = "decoder.emb_layer.weight",
    needs = { "projection.2.weight", "decoder.classifier.weight" }, layer = "decoder.layers." },
  { family = "act", title = "ACT", anchor = "word_emb.weight", decoder = "", audio = { "encoder." },
    words = "word_emb.weight", needs = { "encoder_linear.weight", "dec_fc.weight" },
    layer = "transformer_decoder.layers." },
}

--- Encoders alone, by a name that each has.
local single = {
  { family = "htsat", kind = "htsat", anchor = "patch_embed.proj.weight" },
  { family = "panns", kind = "panns", anchor = "conv_block1.conv1.weight" },
  { family = "efficientat", kind = "mobilenet", anchor = "features.16.0.weight" },
  { family = "convnext", kind = "convnext", anchor = "downsample_layers.3.1.weight" },
  { family = "vit", kind = "vit", anchor = "blocks.layers.0.0.fn.qkv.weight" },
  { family = "bert", kind = "bert", anchor = "embeddings.word_embeddings.weight" },
  { family = "gpt2", kind = "gpt2", anchor = "wpe.weight" },
}

--- What stands before `anchor` in the first name that ends in it, whole levels only.
local function find_prefix(names, anchor)
  for _, name in ipairs(names) do
    local prefix = name:sub(1, -#anchor - 1)
    if name:sub(-#anchor) == anchor and (prefix == "" or prefix:find "[./]$") then return prefix end
  end
end

local function first_part(has, prefix, places, ...)
  for _, place in ipairs(places) do
    local part = any(has, prefix .. place, ...)
    if part then return part end
  end
end

local function match_whole(has, names, entry)
  local prefix = find_prefix(names, entry.anchor)
  if not prefix then return nil end
  for _, name in ipairs(entry.needs) do
    if not has(prefix .. name) then return nil end
  end
  local audio = first_part(has, prefix, entry.audio, "htsat", "panns")
  local text = first_part(has, prefix, entry.text, "bert", "gpt2")
  if not audio or not text then return nil end
  local fused = audio.details.fusion and ", fused" or ""
  return {
    family = entry.family, prefix = prefix, audio = audio, text = text,
    title = ("%s: %s%s + %s"):format(entry.title, audio.title, fused, text.title),
  }
end

local function match_captioner(has, names, entry)
  local prefix = find_prefix(names, entry.anchor)
  if not prefix then return nil end
  local below = prefix .. entry.decoder
  for _, name in ipairs(entry.needs) do
    if not has(below .. name) then return nil end
  end
  local words = has(below .. entry.words)
  local layers = count(has, below, entry.layer, ".multihead_attn.in_proj_weight")
  if layers == 0 or #words ~= 2 then return nil end
  local audio = entry.audio and first_part(has, prefix, entry.audio, "convnext", "vit")
  return {
    family = entry.family, prefix = prefix, audio = audio,
    decoder = { prefix = below, layers = layers, width = words[2], vocabulary = words[1] },
    title = ("%s: %sdecoder of %d layers"):format(entry.title,
      audio and audio.title .. " + " or "", layers),
  }
end

local function match_single(has, names, entry)
  local prefix = find_prefix(names, entry.anchor)
  local part = prefix and any(has, prefix, entry.kind)
  if not part then return nil end
  local family = part.title == "RoBERTa" and "roberta" or entry.family
  local title = entry.family == "panns" and "PANNs " .. part.title or part.title
  return { family = family, title = title, prefix = prefix, details = part.details }
end

--- Tensors by name as recognise takes them: what nj.store.info would give of a file that holds them.
---@param tensors table<string, any>
---@return {name: string, shape: integer[]}[] entries by name
function families.entries(tensors)
  opts.arg("families.entries", 1, "tensors", tensors, "table")
  opts.tensors("families.entries: argument 1 (tensors)", tensors)
  local entries = {}
  for name, tensor in pairs(tensors) do
    entries[#entries + 1] = { name = name, shape = tensor.shape }
  end
  table.sort(entries, function(a, b) return a.name < b.name end)
  return entries
end

--- The family of a checkpoint, or nil when it is none that nightjar knows.
---@param entries {name: string, shape: integer[]}[] as nj.store.info gives them
---@return table? { family, title, prefix }, and `details` of an encoder by itself; `audio` and `text`, the
---  parts of a retrieval model; `decoder`, and `audio` where it has one, of a captioner
function families.recognise(entries)
  opts.arg("families.recognise", 1, "entries", entries, "table")
  local shapes, names = {}, {}
  for i, entry in ipairs(entries) do
    opts.arg("families.recognise", 1, "entries, an item", entry, "table")
    opts.arg("families.recognise", 1, "entries, name of an item", entry.name, "string")
    opts.arg("families.recognise", 1, "entries, shape of an item", entry.shape, "table")
    local name = wrappers.name(entry.name)
    shapes[name] = entry.shape
    names[i] = name
  end
  local function has(name) return shapes[name] end
  for _, entry in ipairs(whole) do
    local found = match_whole(has, names, entry)
    if found then return found end
  end
  for _, entry in ipairs(captioners) do
    local found = match_captioner(has, names, entry)
    if found then return found end
  end
  for _, entry in ipairs(single) do
    local found = match_single(has, names, entry)
    if found then return found end
  end
end

return families
