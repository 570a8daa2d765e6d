--- Checkpoints of whole retrieval systems with random weights at tiny widths, in the layouts that their
--- authors' code writes.
local nj = require "nightjar"
local reference = require "spec.support.bpe_reference"

local checkpoints = {}

checkpoints.wordpiece = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "bark", "##s",
  "rain", "fall", "##ing", "loud", "##ly", "." }

--- Bytes, a merge, and RoBERTa's special tokens in front as its vocabulary has them.
function checkpoints.bpe(specials)
  local char = reference.alphabet()
  local vocabulary = table.move(specials, 1, #specials, 1, {})
  for byte = 0, 255 do vocabulary[#vocabulary + 1] = char[byte] end
  local merges = { "d o", "do g", char[32] .. " b" }
  for _, merge in ipairs(merges) do vocabulary[#vocabulary + 1] = (merge:gsub(" ", "")) end
  return vocabulary, merges
end

checkpoints.roberta_specials = { "<s>", "<pad>", "</s>", "<unk>", "<mask>" }

local function filled(net, seed)
  nj.no_grad(function()
    for _, list in ipairs { net:parameters(), net:buffers() } do
      for i, p in ipairs(list) do
        local noise = nj.rand(p.tensor.shape, { rng = nj.rng(seed * 1000 + i) })
        if p.name:find "running_var" then
          p.tensor:copy_(noise * (p.name:find "^bn0" and 900 or 1) + 0.5)
        elseif p.name:find "running_mean" then
          p.tensor:copy_(noise - (p.name:find "^bn0" and 40 or 0.5))
        elseif p.name:find "norm%d?%.weight" or p.name:find "Norm.weight" then
          p.tensor:copy_(noise + 0.5)
        else
          p.tensor:copy_((noise - 0.5) * 0.6)
        end
      end
    end
  end)
  return net
end

function checkpoints.htsat(fit, fusion, frames)
  return filled(nj.encoders.htsat { width = 4, depths = { 2, 2, 1, 1 }, heads = { 1, 2, 2, 4 },
    window = 2, mels = 32, side = 64, fit = fit, fusion = fusion, frames = frames, rng = false }, 1)
end

function checkpoints.cnn14(last_pool, classes, frames)
  local pools = { 2, 2, 2, 2, 2, last_pool }
  return filled(nj.encoders.convnet { channels = { 2, 3, 3, 4, 4, 5 }, pool_time = pools,
    pool_mel = pools, mels = 64, classes = classes, frames = frames, rng = false }, 2)
end

function checkpoints.cnn10()
  return filled(nj.encoders.convnet { channels = { 2, 3, 4, 5 }, pool_time = { 2, 2, 2, 2 },
    pool_mel = { 2, 2, 2, 2 }, mels = 64, rng = false }, 8)
end

function checkpoints.resnet()
  return filled(nj.encoders.resnet { width = 2, blocks = { 3, 4, 6, 3 }, channels = 6, mels = 32,
    rng = false }, 3)
end

function checkpoints.text(options)
  local o = { width = 8, layers = 2, heads = 2, feed_forward = 12, positions = 40, rng = false }
  for key, value in pairs(options) do o[key] = value end
  return filled(nj.encoders.bert(o), 4)
end

function checkpoints.gpt2(options)
  local o = { width = 8, layers = 2, heads = 2, feed_forward = 12, positions = 40, rng = false }
  for key, value in pairs(options) do o[key] = value end
  return filled(nj.encoders.gpt2(o), 7)
end

function checkpoints.projection(form, input, hidden, seed)
  return filled(nj.encoders.projection { form = form, input = input, hidden = hidden, output = 6,
    rng = nj.rng(1) }, seed)
end

--- MGA-CLAP: its parts, and its tensors under `prefix`. HTS-AT of width 4, or CNN14.
function checkpoints.mga(kind, prefix)
  local c = { text = checkpoints.text { vocabulary = 15 } }
  c.audio = kind == "htsat" and checkpoints.htsat("stretch", nil, "values")
    or checkpoints.cnn14(1, nil, "neighbours")
  c.frames = checkpoints.projection("norm_mlp", kind == "htsat" and 32 or 5, 6, 5)
  c.words = checkpoints.projection("norm_mlp", 8, 6, 6)
  c.codes = nj.randn({ 9, 6 }, { rng = nj.rng(77) }) * 800
  c.all = { [prefix .. "codebook"] = c.codes, [prefix .. "temp"] = nj.tensor { 0.06 }:reshape {} }
  checkpoints.add(c.all, prefix .. "audio_encoder.audio_enc.", c.audio)
  checkpoints.add(c.all, prefix .. "text_encoder.text_encoder.", c.text)
  checkpoints.add(c.all, prefix .. "frame_proj.", c.frames)
  checkpoints.add(c.all, prefix .. "word_proj.", c.words)
  return c
end

--- Its authors' way from projected tokens (B, N, D) to vectors of unit length; `mask` multiplies.
function checkpoints.mga_pool(tokens, codes, mask)
  local fits = tokens:matmul(codes:transpose(1, 2)) / math.sqrt(codes.shape[2])
  if mask then fits = fits * mask:unsqueeze(3) end
  return (fits / 1000):max(2):sparsemax(2):matmul(codes):normalize(-1)
end

--- Adds the tensors of a network to a checkpoint, under a prefix; `rename` turns names into theirs.
function checkpoints.add(all, prefix, net, rename)
  for name, tensor in pairs(net:state()) do
    local x = tensor:detach()
    local block, kind = name:match "^(.*)%.attn%.qkv%.(.*)$"
    if rename and block then
      local n = x.shape[1] // 3
      for i, part in ipairs { "query", "key", "value" } do
        all[("%s%s.attention.self.%s.%s"):format(prefix, block, part, kind)] =
          x[{ { (i - 1) * n + 1, i * n } }]:contiguous()
      end
    else
      all[prefix .. (rename and rename(name) or name)] = x
    end
  end
  return all
end

--- Hugging Face's names of HTS-AT's tensors.
function checkpoints.hugging_face(name)
  for _, rule in ipairs { { "^bn0%.", "batch_norm." }, { "%.norm1%.", ".layernorm_before." },
    { "%.norm2%.", ".layernorm_after." }, { "%.attn%.proj%.", ".attention.output.dense." },
    { "%.attn%.relative", ".attention.self.relative" },
    { "%.mlp%.fc1%.", ".intermediate.dense." }, { "%.mlp%.fc2%.", ".output.dense." } } do
    name = name:gsub(rule[1], rule[2])
  end
  return name
end

return checkpoints
