-- Every differentiable operation against finite differences. The tables are in spec/ops/gradients/,
-- one file a room, each returning a list of entries (see spec/support/gradcheck.lua).
local gradcheck = require "spec.support.gradcheck"
local nj = require "nightjar"

local function tables()
  local names = {}
  local pipe = assert(io.popen "ls spec/ops/gradients")
  for name in pipe:lines() do
    names[#names + 1] = name:match "^(.*)%.lua$"
  end
  pipe:close()
  return names
end

for _, name in ipairs(tables()) do
  describe("gradients of " .. name, function()
    for _, entry in ipairs(require("spec.ops.gradients." .. name)) do
      it(entry[1], function()
        local ok, message = pcall(gradcheck.check, entry)
        assert.is_true(ok, message)
      end)
    end
  end)
end

describe("gradcheck", function()
  -- y = 3x with the gradient of 2x
  local wrong = nj.autograd.custom{
    name = "wrong",
    forward = function(_, x) return x * 3 end,
    backward = function(_, g) return g * 2 end,
  }

  it("finds a wrong gradient", function()
    local ok, message = pcall(gradcheck.check, { "wrong", wrong, shapes = { { 2 } } })
    assert.is_false(ok)
    assert.matches("wrong contiguous, %(2%): gradient of input 1, element 1: differences give",
      message)
  end)

  it("finds a float32 result that differs from float64", function()
    local entry = { "off", shapes = { { 2 } } }
    entry[2] = function(x) return x.dtype == "float32" and x * 1.001 or x * 1 end
    local ok, message = pcall(gradcheck.check, entry)
    assert.is_false(ok)
    assert.matches("result 1 differs", message)
  end)
end)
