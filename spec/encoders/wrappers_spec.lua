-- Names of tensors as PyTorch's wrappers leave them.
local nj = require "nightjar"
local wrappers = require "nightjar.encoders.wrappers"

describe("wrappers' levels", function()
  it("inside a name go, those that lead it stay as its prefix", function()
    for name, plain in pairs {
      ["conv.weight"] = "conv.weight",
      ["module.conv.weight"] = "module.conv.weight",
      ["module._orig_mod.conv.weight"] = "module._orig_mod.conv.weight",
      ["encoder.module.conv.weight"] = "encoder.conv.weight",
      ["module.encoder._orig_mod.layer.module.conv.weight"] = "module.encoder.layer.conv.weight",
      ["layers.0._checkpoint_wrapped_module.fc.bias"] = "layers.0.fc.bias",
      ["a._fsdp_wrapped_module._orig_mod.b"] = "a.b",
      ["a.module"] = "a.module", -- a tensor of that name
      ["a.modules.b"] = "a.modules.b",
    } do
      assert.equal(plain, wrappers.name(name))
    end
  end)

  it("stay where they tell two tensors apart", function()
    local tensors = { ["a.b"] = 1, ["a.module.b"] = 2 }
    assert.equal(tensors, wrappers.tensors(tensors))
  end)

  it("do not hinder reading weights, whichever part was wrapped", function()
    local options = { width = 8, layers = 2, heads = 2, feed_forward = 16, vocabulary = 20, positions = 12,
      rng = nj.rng(1) }
    local source = nj.encoders.bert(options)
    local wrapped = {}
    for name, tensor in pairs(source:state()) do
      wrapped["text.module." .. name:gsub("^(encoder%.layer%.%d+%.)", "%1_orig_mod.")] = tensor
    end
    options.kind, options.rng = "bert", nil
    for _, prefix in ipairs { false, "text.", "text.module." } do
      local net, about = assert(nj.encoders.from({ encoder = options },
        { checkpoint = wrapped, prefix = prefix or nil }))
      assert.equal(0, #about.report.missing)
      assert.equal(0, #about.report.skipped)
      for name, tensor in pairs(net:state()) do assert.is_true(tensor:equal(source:state()[name])) end
    end
  end)
end)
