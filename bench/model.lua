-- Whole jobs of the small model (the sizes of examples/train_small.lua): one training step on a batch
-- of 32 clips of 5 s, and the vector of one clip from its log-mel.
local torch = dofile "bench/peers/torch.lua"

return function(case, nj)
  local vocabulary = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" }
  for i = #vocabulary + 1, 2000 do vocabulary[i] = ("w%d"):format(i) end
  local model = nj.model({
    audio = {
      front_end = { preset = "panns", hop = 640 },
      encoder = { kind = "convnet", channels = { 16, 32, 64, 128, 256 },
        pool_time = { 2, 2, 2, 2, 1 }, dropout = 0.1, time_stripes = 0, freq_stripes = 0 },
    },
    text = {
      vocabulary = vocabulary,
      encoder = { kind = "bert", width = 128, layers = 2, heads = 4, feed_forward = 256,
        positions = 64, types = 1, dropout = 0.1 },
    },
  })
  local rng = nj.rng(1)
  local mel = nj.randn(32, 251, 64, { rng = rng })
  local ids = nj.randint(5, 1999, { 32, 16 }, { rng = rng })
  local mask = nj.ones(32, 16, { dtype = "uint8" })
  local optimizer = nj.optim.adamw(model, { lr = 1e-3 })

  local function train_step()
    model:train()
    optimizer:zero_grad()
    local clips, texts = model:encode_audio(mel, nil, rng), model:encode_text(ids, mask, rng)
    local scores = clips:matmul(texts:transpose(1, 2)) / model.log_temperature:exp()
    nj.loss.nt_xent(scores, { temperature = 1 }):backward()
    nj.optim.clip.norm(model, 2)
    optimizer:step()
  end

  local one = mel[{ { 1, 1 } }]
  local function encode()
    model:eval()
    nj.no_grad(model.encode_audio, model, one)
  end

  local function against(name, job, run)
    local peer = torch(nj.threads(), job .. "()")
    case(name, { { "nightjar", run }, peer and { "PyTorch", peer } })
  end
  against("training step, 32 clips of 5 s", "train_step", train_step)
  against("vector of one clip of 5 s from its log-mel", "encode", encode)
end
