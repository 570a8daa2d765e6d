-- examples/train_captioner.lua from end to end, over sixteen made sounds that look like ESC-50.
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local nj = require "nightjar"
local synth = require "examples.synth.sounds"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

-- Two clips of four classes in folds 1 and 4.
local function write_esc50(root)
  local rows = { "filename,fold,target,category,esc10,src_file,take" }
  local licences = { "filename,license" }
  assert(fs.make_folders(root .. "/audio"))
  local seed = 0
  for _, fold in ipairs { 1, 4 } do
    for target, class in ipairs { "dog", "cat", "rain", "wind" } do
      for take = 1, 2 do
        seed = seed + 1
        local name = ("%d-%d-%d.wav"):format(fold, 100 + seed, target)
        local wave = synth.make(class, { seed = seed, seconds = 2 })
        assert(nj.audio.write(root .. "/audio/" .. name, wave, 32000))
        rows[#rows + 1] = ("%s,%d,%d,%s,False,%d,A"):format(name, fold, target, class, 100 + seed)
        licences[#licences + 1] = name .. (take == 1 and ",CC0" or ",CC-BY")
      end
    end
  end
  temporary.write(root .. "/meta/esc50.csv", table.concat(rows, "\n") .. "\n")
  temporary.write(root .. "/meta/attribution.csv", table.concat(licences, "\n") .. "\n")
end

describe("examples/train_captioner.lua", function()
  local folder
  setup(function()
    folder = temporary.folder()
    write_esc50(folder .. "/esc50")
    assert(tiny_model.new():save(folder .. "/model.safetensors"))
  end)
  teardown(function() temporary.remove(folder) end)

  local function train(name, ...)
    return child.run("examples/train_captioner.lua", "--esc50", folder .. "/esc50", "--model",
      folder .. "/model.safetensors", "--run", folder .. "/" .. name, "--out",
      folder .. "/" .. name .. ".safetensors", "--scenes", "6", "--validate", "4", "--batch", "4",
      "--epochs", "2", "--width", "16", "--layers", "1", "--vocabulary", "200", ...)
  end

  it("trains over frames that it computes once, and goes on where it stopped", function()
    local output, code = train "frozen"
    assert.equal(0, code, output)
    assert.matches("6 steps (epochs)", output, 1, true)
    local captioner = assert(nj.captioner.load(folder .. "/frozen.safetensors"))
    assert.is_true(captioner.freeze_audio)
    local ears = assert(nj.load(folder .. "/model.safetensors")).audio_tower.encoder:state()
    for name, tensor in pairs(captioner.audio_tower.encoder:state()) do
      assert.equal(ears[name]:bytes(), tensor:bytes(), name)
    end
    local list = captioner:caption(folder .. "/esc50/audio/1-101-1.wav")[1]
    assert.equal("string", type(list[1].text))
    local before = assert(fs.read(folder .. "/frozen.safetensors"))
    output, code = train "frozen"
    assert.equal(0, code, output)
    assert.equal(before, assert(fs.read(folder .. "/frozen.safetensors")))
  end)

  it("trains the encoder with the decoder", function()
    local output, code = train("joint", "--joint")
    assert.equal(0, code, output)
    local captioner = assert(nj.captioner.load(folder .. "/joint.safetensors"))
    assert.is_false(captioner.freeze_audio)
    local ears = assert(nj.load(folder .. "/model.safetensors")).audio_tower.encoder:state()
    local mine = captioner.audio_tower.encoder:state()
    assert.not_equal(ears["conv_block1.conv1.weight"]:bytes(),
      mine["conv_block1.conv1.weight"]:bytes())
  end)
end)
