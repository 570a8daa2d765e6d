--- A model small enough for specs: a few channels and a vocabulary of some thirty tokens, with
--- weights that training never saw.
local nj = require "nightjar"

local tiny_model = {}

tiny_model.vocabulary = {
  "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "dog", "bark", "##s", "##ing", "rain",
  "fall", "while", "it", "on", "roof", "bell", "ring", "cat", "me", "##ow", "wind", "blow", "and",
  "then", "two", "times", "loud", ".", ",",
}

--- What nj.model takes.
function tiny_model.descriptor()
  return {
    name = "tiny",
    audio = {
      front_end = { preset = "panns", mels = 16, hop = 640 },
      encoder = { kind = "convnet", mels = 16, channels = { 4, 6, 8 }, pool_time = { 2, 2, 2 },
        pool_mel = { 2, 2, 2 }, dropout = 0.1, time_width = 4, freq_width = 2 },
    },
    text = {
      vocabulary = tiny_model.vocabulary,
      encoder = { kind = "bert", width = 8, layers = 1, heads = 2, feed_forward = 16,
        positions = 32,
        types = 1, dropout = 0.1 },
    },
    dim = 12,
    provenance = { trained_by = "nobody" },
  }
end

--- A model; the same seed, the same weights.
function tiny_model.new(seed)
  local model = nj.model(tiny_model.descriptor(), { rng = nj.rng(seed or 1) })
  -- As after training: statistics that are not those of silence.
  nj.no_grad(function()
    for i, b in ipairs(model:buffers()) do
      local noise = nj.rand(b.tensor.shape, { rng = nj.rng(i) })
      local front = b.name:find "bn0"
      if b.name:find "var" then
        b.tensor:copy_(noise * (front and 200 or 1) + 0.5)
      else
        b.tensor:copy_(noise - (front and 40 or 0.5))
      end
    end
  end)
  return model
end

return tiny_model
