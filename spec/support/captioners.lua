--- Captioners of others with random weights at tiny widths, in the layouts that their authors' code
--- writes, and what they compute by definition, out of nj.nn's operations.
local nj = require "nightjar"

local captioners = {}

local function noise(shape, seed, scale)
  return nj.randn(shape, { rng = nj.rng(seed) }) * (scale or 1)
end

--- A torch.nn.TransformerDecoder's layers, under a prefix.
function captioners.layers(all, prefix, o)
  local d, seed = o.width, 100
  local function add(name, ...)
    seed = seed + 1
    all[prefix .. name] = noise({ ... }, seed, 1.2 / math.sqrt((select(-1, ...))))
  end
  for i = 0, o.layers - 1 do
    local at = i .. "."
    for _, part in ipairs { "self_attn.", "multihead_attn." } do
      add(at .. part .. "in_proj_weight", 3 * d, d)
      add(at .. part .. "in_proj_bias", 3 * d)
      add(at .. part .. "out_proj.weight", d, d)
      add(at .. part .. "out_proj.bias", d)
    end
    add(at .. "linear1.weight", o.inner, d)
    add(at .. "linear1.bias", o.inner)
    add(at .. "linear2.weight", d, o.inner)
    add(at .. "linear2.bias", d)
    for k = 1, 3 do
      seed = seed + 2
      all[prefix .. at .. "norm" .. k .. ".weight"] = noise({ d }, seed, 0.2) + 1
      all[prefix .. at .. "norm" .. k .. ".bias"] = noise({ d }, seed + 1, 0.2)
    end
  end
  return all
end

local function attend(t, at, x, source, heads, causal)
  local nn, d = nj.nn, x.shape[2]
  local w, b = t[at .. "in_proj_weight"], t[at .. "in_proj_bias"]
  local function project(y, k)
    local rows = { { (k - 1) * d + 1, k * d } }
    y = nn.linear(y, w[rows], b[rows])
    return y:reshape(y.shape[1], heads, d // heads):transpose(1, 2)
  end
  local q, k, v = project(x, 1), project(source, 2), project(source, 3)
  local scores = q:matmul(k:transpose(2, 3)) / math.sqrt(d // heads)
  if causal then
    local n = x.shape[1]
    local later = nj.arange(1, n):reshape(1, -1):gt(nj.arange(1, n):reshape(-1, 1))
    scores = scores:masked_fill(later, -math.huge)
  end
  local joined = scores:softmax(3):matmul(v):transpose(1, 2):reshape(x.shape[1], d)
  return nn.linear(joined, t[at .. "out_proj.weight"], t[at .. "out_proj.bias"])
end

--- Logits (1, T, V) of ids int64 (1, T) over memory (1, N, D): post-norm, GELU, sines, embeddings times
--- the root of their width. names: { words, layers, out }, prefixes of the tensors.
function captioners.decode(t, names, o, ids, memory)
  local nn, x = nj.nn, t[names.words .. "weight"]:index_select(1, ids[1] + 1) * math.sqrt(o.width)
  local places, d = {}, o.width
  for p = 0, ids.shape[2] - 1 do
    places[p + 1] = {}
    for i = 0, d - 1 do
      local angle = p / 10000 ^ ((i - i % 2) / d)
      places[p + 1][i + 1] = i % 2 == 0 and math.sin(angle) or math.cos(angle)
    end
  end
  x = x + nj.tensor(places)
  for i = 0, o.layers - 1 do
    local at = names.layers .. i .. "."
    local function norm(y, k)
      return nn.layer_norm(y, t[at .. "norm" .. k .. ".weight"], t[at .. "norm" .. k .. ".bias"])
    end
    x = norm(x + attend(t, at .. "self_attn.", x, x, o.heads, true), 1)
    x = norm(x + attend(t, at .. "multihead_attn.", x, memory[1], o.heads), 2)
    local inner = nn.linear(x, t[at .. "linear1.weight"], t[at .. "linear1.bias"]):gelu()
    x = norm(x + nn.linear(inner, t[at .. "linear2.weight"], t[at .. "linear2.bias"]), 3)
  end
  return nn.linear(x, t[names.out .. "weight"], t[names.out .. "bias"]):unsqueeze(1)
end

captioners.tasks = { "clotho", "audiocaps", "macs", "wavcaps_audioset_sl", "wavcaps_bbc_sound_effects",
  "wavcaps_freesound", "wavcaps_soundbible" }

--- Words as CoNeTTE's tokeniser numbers them, and with the tokens of its tasks behind.
function captioners.conette_words()
  local list = { "<pad>", "<bos>", "<eos>", "<unk>", "a", "the", "is" }
  for word in ("dog cat bird rain wind car door bell man woman child speaks barks sings falls blows "
    .. "rings slams drives engine water river crowd music plays"):gmatch "%S+" do
    list[#list + 1] = word
  end
  local all = table.move(list, 1, #list, 1, {})
  for _, task in ipairs(captioners.tasks) do all[#all + 1] = ("<bos_%s>"):format(task) end
  return list, all
end

captioners.sizes = { width = 16, layers = 2, heads = 8, inner = 24 }

--- CoNeTTE's decoder, below a prefix.
function captioners.conette_decoder(prefix, memory_width)
  local o, all = captioners.sizes, {}
  local words, tokens = captioners.conette_words()
  all[prefix .. "decoder.emb_layer.weight"] = noise({ #tokens, o.width }, 1, 0.5)
  all[prefix .. "decoder.pos_encoding.pos_embedding"] = nj.zeros(50, 1, o.width)
  all[prefix .. "decoder.classifier.weight"] = noise({ #tokens, o.width }, 2)
  all[prefix .. "decoder.classifier.bias"] = noise({ #tokens }, 3)
  local bias = all[prefix .. "decoder.classifier.bias"]
  bias[3] = 7 -- captions end
  bias[{ { 5, 7 } }] = -3 -- and do not go on with what may come again
  all[prefix .. "projection.2.weight"] = noise({ o.width, memory_width }, 4, 2 / math.sqrt(memory_width))
  all[prefix .. "projection.2.bias"] = noise({ o.width }, 5)
  captioners.layers(all, prefix .. "decoder.layers.", o)
  local once, ids = nj.ones({ #tokens }, { dtype = "uint8" }), {}
  for i = 5, 7 do once[i] = 0 end
  for i = #words + 1, #tokens do ids[#ids + 1] = i - 1 end
  all[prefix .. "forbid_rep_mask"] = once
  all[prefix .. "task_id_to_token_id"] = nj.tensor(ids, { dtype = "int64" })
  return all
end

--- ACT's decoder, below a prefix, and its words: those of captions in the order in which they came.
function captioners.act_decoder(prefix, memory_width)
  local o, all, words = captioners.sizes, {}, { "<sos>", "a", "dog", "barks", "and", "rain", "falls",
    "<eos>", "man", "speaks", "it's", "birds", "sing" }
  all[prefix .. "word_emb.weight"] = noise({ #words, o.width }, 1, 0.2)
  all[prefix .. "pos_encoder.pe"] = nj.zeros(50, 1, o.width)
  all[prefix .. "dec_fc.weight"] = noise({ #words, o.width }, 2)
  all[prefix .. "dec_fc.bias"] = noise({ #words }, 3)
  all[prefix .. "encoder_linear.weight"] = noise({ o.width, memory_width }, 4, 2 / math.sqrt(memory_width))
  all[prefix .. "encoder_linear.bias"] = noise({ o.width }, 5)
  captioners.layers(all, prefix .. "transformer_decoder.layers.", o)
  return all, words
end

return captioners
