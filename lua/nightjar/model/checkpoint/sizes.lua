--- The options of encoders, read off the shapes of their tensors.
---
--- Each function takes `shape(name)`, the shape of a tensor below the encoder's prefix or nil, and
--- raises what is wrong with it. What no shape tells (the heads of a text encoder) follows the published
--- sizes.
local core = require "nightjar.core"

local sizes = {}

-- Size `k` of a tensor of `n` dimensions.
local function size(shape, name, k, n)
  local s = shape(name)
  if not s then error(("it has no '%s'"):format(name), 0) end
  if #s ~= n then error(("'%s' has %d dimensions, not %d"):format(name, #s, n), 0) end
  return s[k]
end

-- The number of names that exist, counting from 0.
local function count(shape, form)
  local n = 0
  while shape(form:format(n)) do n = n + 1 end
  return n
end

local function root(n, name)
  local r = math.floor(math.sqrt(n) + 0.5)
  if r * r ~= n then error(("'%s' is not of a square: %d"):format(name, n), 0) end
  return r
end

-- The image's side: masks of shifted windows have an entry for each window of the first stage.
local function side_of(shape, window, patch)
  local name = "layers.0.blocks.1.attn_mask"
  if not shape(name) then return 256 end
  return root(size(shape, name, 1, 3), name) * window * patch
end

function sizes.htsat(shape)
  local theirs = shape "layers.0.blocks.0.attention.self.query.weight" ~= nil -- Hugging Face's names
  local bias = "layers.%d.blocks.0."
    .. (theirs and "attention.self" or "attn") .. ".relative_position_bias_table"
  local norm = theirs and "layers.%d.blocks.%%d.layernorm_before.weight"
    or "layers.%d.blocks.%%d.norm1.weight"
  local depths, heads = {}, {}
  for i = 0, 3 do
    depths[i + 1] = count(shape, norm:format(i))
    heads[i + 1] = size(shape, bias:format(i), 2, 2)
  end
  local first = bias:format(0)
  local window = (root(size(shape, first, 1, 2), first) + 1) // 2
  local width = size(shape, "patch_embed.proj.weight", 1, 4)
  local patch = size(shape, "patch_embed.proj.weight", 3, 4)
  local inner = theirs and "layers.0.blocks.0.intermediate.dense.weight"
    or "layers.0.blocks.0.mlp.fc1.weight"
  return { kind = "htsat", width = width, depths = depths, heads = heads, window = window,
    patch = patch, side = side_of(shape, window, patch),
    mlp_ratio = size(shape, inner, 1, 2) / width,
    fusion = shape "patch_embed.mel_conv2d.weight" and "aff_2d" or nil,
    mels = size(shape, theirs and "batch_norm.weight" or "bn0.weight", 1, 1) }
end

local function resnet(shape)
  local blocks = {}
  for i = 1, 4 do blocks[i] = count(shape, ("resnet.layer%d.%%d.conv1.weight"):format(i)) end
  return { kind = "resnet", blocks = blocks, width = size(shape, "conv_block1.conv1.weight", 1, 4),
    bottleneck = shape "resnet.layer1.0.conv3.weight" ~= nil,
    channels = size(shape, "conv_block_after1.conv2.weight", 1, 4),
    mels = size(shape, "bn0.weight", 1, 1) }
end

--- CNN6, CNN10, CNN14 and the ResNets. `last_pool`: what the sixth block pools by.
function sizes.panns(shape, last_pool)
  local after = shape "fc_audioset.weight"
  local options
  if shape "resnet.layer1.0.conv1.weight" then
    options = resnet(shape)
  else
    local channels, pools = {}, {}
    while shape(("conv_block%d.conv1.weight"):format(#channels + 1)) do
      local i = #channels + 1
      channels[i] = size(shape, ("conv_block%d.conv1.weight"):format(i), 1, 4)
      pools[i] = i == 6 and last_pool or 2
    end
    options = { kind = "convnet", channels = channels, pool_time = pools, pool_mel = pools,
      mels = size(shape, "bn0.weight", 1, 1),
      kernel = size(shape, "conv_block1.conv1.weight", 3, 4),
      convolutions = shape "conv_block1.conv2.weight" and 2 or 1 }
  end
  options.classes = after and after[1] or 0
  return options
end

--- ConvNeXt. The stem's padding in time goes with its kernel; it makes the images of AudioSet's clips as
--- high as the pictures that the network was made for.
function sizes.convnext(shape)
  local stem = "downsample_layers.0.0.weight"
  local depths, widths = {}, { size(shape, stem, 1, 4) }
  for i = 1, 4 do
    depths[i] = count(shape, ("stages.%d.%%d.dwconv.weight"):format(i - 1))
    if i > 1 then widths[i] = size(shape, ("downsample_layers.%d.1.weight"):format(i - 1), 1, 4) end
  end
  local patch = { size(shape, stem, 3, 4), size(shape, stem, 4, 4) }
  local after = shape "head_audioset.weight"
  return { kind = "convnext", depths = depths, widths = widths, patch = patch,
    padding = patch[1] == 4 and 4 or patch[1] // 2, mels = size(shape, "bn0.weight", 1, 1),
    classes = after and after[1] or 0 }
end

--- ACT's Vision Transformer: heads of 64 channels.
function sizes.vit(shape)
  local width, mels = size(shape, "cls_token", 3, 3), size(shape, "bn0.weight", 1, 1)
  local wide = size(shape, "patch_embed.proj.weight", 2, 2)
  if mels < 1 or wide % mels ~= 0 then
    error("'patch_embed.proj.weight' takes no whole frames", 0)
  end
  local after = shape "mlp_head.1.weight"
  return { kind = "vit", width = width, mels = mels, patch = wide // mels,
    layers = count(shape, "blocks.layers.%d.0.fn.qkv.weight"),
    heads = width % 64 == 0 and width // 64 or 1,
    hidden = size(shape, "blocks.layers.0.1.fn.mlp.fc1.weight", 1, 2),
    positions = size(shape, "pos_embedding", 2, 3) - 1, classes = after and after[1] or 0 }
end

-- Every published text encoder but the smallest has heads of 64 channels.
local function heads_of(width) return width % 64 == 0 and width // 64 or 1 end

function sizes.bert(shape)
  local words = "embeddings.word_embeddings.weight"
  local types = size(shape, "embeddings.token_type_embeddings.weight", 1, 2)
  local width = size(shape, words, 2, 2)
  return { kind = "bert", vocabulary = size(shape, words, 1, 2), width = width, types = types,
    roberta = types == 1, heads = heads_of(width),
    positions = size(shape, "embeddings.position_embeddings.weight", 1, 2),
    layers = count(shape, "encoder.layer.%d.attention.self.query.weight"),
    feed_forward = size(shape, "encoder.layer.0.intermediate.dense.weight", 1, 2) }
end

function sizes.gpt2(shape)
  local width = size(shape, "wte.weight", 2, 2)
  return { kind = "gpt2", vocabulary = size(shape, "wte.weight", 1, 2), width = width,
    heads = heads_of(width), positions = size(shape, "wpe.weight", 1, 2),
    layers = count(shape, "h.%d.attn.c_attn.weight"),
    feed_forward = size(shape, "h.0.mlp.c_fc.weight", 2, 2) }
end

--- An encoder as a checkpoint's shapes say.
---@param found table what families.recognise gave
---@param part table { title, kind, prefix }
---@param own table its family's `encoder` options and `last_pool`
---@param given? table options of the caller, which come last
---@param tensors table<string, any>
---@param rng any what draws the weights, or false where all will be loaded
---@return any|nil net
---@return string? message
function sizes.encoder(found, part, own, given, tensors, rng)
  local function shape(name)
    local tensor = tensors[part.prefix .. name]
    return tensor and tensor.shape
  end
  local ok, options = pcall(sizes[part.kind], shape, own.last_pool)
  if not ok then return nil, ("this is %s, but %s: %s"):format(found.title, part.title, options) end
  local settings = {}
  for _, source in ipairs { options, own.encoder or {}, given or {} } do
    for key, value in pairs(source) do settings[key] = value end
  end
  settings.kind, settings.rng = options.kind, rng
  local made, net = pcall(core.encoders[options.kind], settings)
  if not made then return nil, ("this is %s, but %s"):format(found.title, net) end
  return net
end

return sizes
