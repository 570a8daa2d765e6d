-- How fresh networks get their weights, and that nothing is drawn where all will be loaded.
local nj = require "nightjar"
local network = require "spec.support.network"
local temporary = require "spec.support.temporary"
local tiny_captioner = require "spec.support.tiny_captioner"
local tiny_model = require "spec.support.tiny_model"

-- Networks of every kind, and a parameter of each that is drawn.
local kinds = {
  convnet = { nj.encoders.convnet, { channels = { 4, 4 }, mels = 16 }, "conv_block1.conv1.weight" },
  mobilenet = { nj.encoders.mobilenet, { width = 0.1, mels = 16 }, "features.0.0.weight" },
  resnet = { nj.encoders.resnet, { blocks = { 1, 1, 1, 1 }, width = 2, channels = 2, mels = 64 },
    "conv_block1.conv1.weight" },
  htsat = { nj.encoders.htsat, { width = 4, depths = { 1, 1, 1, 1 }, heads = { 1, 2, 4, 8 } },
    "patch_embed.proj.weight" },
  convnext = { nj.encoders.convnext, { depths = { 1, 1, 1, 1 }, widths = { 1, 2, 2, 2 } } },
  codebook = { nj.hci.codebook, { width = 8, codes = 5 } },
  bert = { nj.encoders.bert, { vocabulary = 9, width = 8, layers = 1, heads = 2 },
    "embeddings.word_embeddings.weight" },
  gpt2 = { nj.encoders.gpt2, { vocabulary = 9, width = 8, layers = 1, heads = 2 }, "wte.weight" },
  projection = { nj.encoders.projection, { input = 6, output = 5 }, "0.weight" },
  aggregator = { nj.hci.aggregator, { kind = "cluster", tokens = 3, width = 8 } },
  token_weights = { nj.hci.token_weights, { width = 8 } },
  decoder = { nj.ac.decoder, { vocabulary = 9, width = 8, layers = 1, heads = 2, memory_width = 6 } },
  interaction = { nj.ac.interaction, { width = 8, layers = 1, heads = 2 } },
  caption_pool = { nj.ac.caption_pool, { kind = "transformer", width = 8, layers = 1, heads = 2 } },
}

local function with(options, rng)
  local out = { rng = rng }
  for key, value in pairs(options) do out[key] = value end
  return out
end

local function largest(net)
  local most = 0
  for _, p in ipairs(net:parameters()) do
    if #p.tensor.shape > 1 then most = math.max(most, p.tensor:abs():max():item()) end
  end
  return most
end

describe("initial weights", function()
  for name, kind in pairs(kinds) do
    it("of " .. name .. " are drawn by rng, and stay zero with rng = false", function()
      local make, options = kind[1], kind[2]
      local before = nj.default_rng():state()
      local zero = make(with(options, false))
      assert.same(before, nj.default_rng():state())
      assert.equal(0, largest(zero))
      local function weights(seed)
        local bytes = {}
        for i, p in ipairs(make(with(options, nj.rng(seed))):parameters()) do bytes[i] = p.tensor:bytes() end
        return table.concat(bytes)
      end
      assert.equal(weights(1), weights(1))
      assert.not_equal(weights(1), weights(2))
      assert.is_true(largest(make(with(options, nj.rng(1)))) > 0)
      if kind[3] then assert(zero:state()[kind[3]], kind[3]) end
    end)
  end

  it("are the numbers that single draws give, wherever the generator stands", function()
    local rng, one = nj.rng(5), nj.rng(5)
    rng:uniform()
    one:uniform()
    local net = nj.encoders.bert { vocabulary = 41, width = 7, heads = 1, layers = 0, positions = 3, rng = rng }
    local words = net:state()["embeddings.word_embeddings.weight"]
    for i = 1, 41 do
      for j = 1, 7 do
        local float = string.unpack("f", string.pack("f", 0.02 * one:normal()))
        assert.equal(i > 1 and float or 0, words(i, j)) -- the first is padding
      end
    end
  end)

  it("have the same bits for any number of threads", function()
    network.same_bits(function()
      return nj.encoders.projection { input = 230, output = 401, rng = nj.rng(3) }:state()["0.weight"]:bytes()
        .. nj.encoders.bert { vocabulary = 5000, width = 16, layers = 0, heads = 1, rng = nj.rng(4) }
          :state()["embeddings.word_embeddings.weight"]:bytes()
    end)
  end)
end)

describe("models from files", function()
  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  -- The rng that a reader of files has its model made with.
  local function asked(reader, path, make)
    local seen
    assert(reader.load(path, function(descriptor, options)
      seen = options
      return make(descriptor, options)
    end))
    return seen
  end

  it("are made without drawing weights", function()
    local model, captioner = tiny_model.new(), tiny_captioner.new()
    assert(model:save(folder .. "/model.safetensors"))
    assert(captioner:save(folder .. "/captioner.safetensors"))
    assert.same({ rng = false },
      asked(require "nightjar.model.file", folder .. "/model.safetensors", nj.model.new))
    assert.same({ rng = false },
      asked(require "nightjar.captioner.file", folder .. "/captioner.safetensors", nj.captioner.new))
    local zero = nj.model(tiny_model.descriptor(), { rng = false })
    for _, part in ipairs(zero:parts()) do assert.equal(0, largest(part.net)) end
  end)
end)
