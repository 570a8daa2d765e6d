-- A model file as this version writes them is kept and must load in all that follow, with the same answers.
-- data/version1.safetensors and the scores below come from the model of `descriptor`, saved and measured by
-- 0.1.0: random weights (seed 7) at tiny widths, levels, captions and fusion.
local fs = require "nightjar.fs"
local near = require "spec.support.near"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local tiny_model = require "spec.support.tiny_model"

local FILE = "spec/model/data/version1.safetensors"
local TEXTS = { "a dog barks", "rain falling on the roof" }
local SCORES = { { 0.6360915, 0.6442139 }, { 0.5148201, 0.5182159 } }

local function descriptor()
  local d = tiny_model.descriptor()
  d.hci = { segments = { kind = "cluster", tokens = 3, heads = 2 },
    phrases = { kind = "cluster", tokens = 2, heads = 2 }, interaction = "weighted" }
  d.ac = { interaction = { heads = 2, layers = 1 }, matching = { kind = "mean" } }
  d.fusion = { weights = { clip = 1, segment = 2, frame = 3 }, alpha = 0.5 }
  return d
end

local function scores(model)
  local sounds = { sound.noise_tensor(64000, 1, 0.3), sound.noise_tensor(96000, 2, 0.3) }
  return model:similarity(TEXTS, sounds, { captions = { { "a cat", "rain falls" }, { "a dog" } } }).scores
end

describe("a model file of version 1", function()
  it("loads, and gives the scores that it gave", function()
    local model = assert(nj.load(FILE))
    assert.same({ clip = 1, segment = 2, frame = 3, caption = 1 }, model:descriptor().fusion.weights)
    near(nj.tensor(SCORES), scores(model), { atol = 1e-5 })
  end)

  it("is what is written today", function()
    local path = os.tmpname()
    assert(assert(nj.load(FILE)):save(path))
    assert.equal(assert(fs.read(FILE)), assert(fs.read(path)))
    os.remove(path)
  end)

  it("has the tensors of a model that is made anew", function()
    local wanted, got = nj.model(descriptor(), { rng = nj.rng(7) }):state(), assert(nj.load(FILE)):state()
    for name, tensor in pairs(wanted) do assert.same(tensor.shape, got[name].shape, name) end
    for name in pairs(got) do assert.is_not_nil(wanted[name], name) end
  end)
end)
