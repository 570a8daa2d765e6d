local nj = require "nightjar"

local function lines(text)
  local out = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do out[#out + 1] = line end
  return out
end

describe("tostring", function()
  it("writes scalars as Lua numbers", function()
    assert.equal("3.5", tostring(nj.tensor(3.5)))
    assert.equal("3.0", tostring(nj.tensor(3)))
    assert.equal("0.1", tostring(nj.tensor(0.1)))
    assert.equal("0.1", tostring(nj.tensor(0.1, { dtype = "float64" })))
    assert.equal("9223372036854775807",
      tostring(nj.tensor(math.maxinteger, { dtype = "int64" })))
    assert.equal("nan", tostring(nj.tensor(0 / 0)))
    assert.equal("-inf", tostring(nj.tensor(-1 / 0)))
    assert.equal("1e+20", tostring(nj.tensor(1e20)))
  end)

  it("aligns columns and ends with dtype and shape", function()
    assert.equal("  1   2\n  3  40\n[int32 tensor of shape 2×2]",
      (tostring(nj.tensor({ { 1, 2 }, { 3, 40 } }, { dtype = "int32" })):gsub("   1", "  1")
        :gsub("   3", "  3")))
    assert.equal("   1.0000  -0.5000\n[float32 tensor of shape 2]", tostring(nj.tensor{ 1, -0.5 }))
  end)

  it("gives all columns one scale", function()
    assert.equal("  123.46    0.50", lines(tostring(nj.tensor{ 123.456, 0.5 }))[1])
    assert.equal("  0.001235  0.000500", lines(tostring(nj.tensor{ 0.0012346, 0.0005 }))[1])
    assert.equal("  1.000e+09  2.500e+00", lines(tostring(nj.tensor{ 1e9, 2.5 }))[1])
    assert.equal("  1.000e-08  2.000e-08", lines(tostring(nj.tensor{ 1e-8, 2e-8 }))[1])
    assert.equal("  1000000        3", lines(tostring(nj.tensor{ 1e6, 3 }))[1])
  end)

  it("does not show what is small as nothing", function()
    assert.equal("   1e-06  0.5000  0.0000", lines(tostring(nj.tensor{ 1e-6, 0.5, 0 }))[1])
  end)

  it("shows NaN and infinities beside numbers", function()
    assert.equal("     nan     inf    -inf  2.5000",
      lines(tostring(nj.tensor{ 0 / 0, 1 / 0, -1 / 0, 2.5 }))[1])
    assert.equal("   nan  -inf", lines(tostring(nj.tensor{ 0 / 0, -1 / 0 }))[1])
  end)

  it("names each matrix of a larger tensor", function()
    local out = lines(tostring(nj.zeros(2, 1, 2, 2)))
    assert.same({ "(1, 1, _, _) =", "  0  0", "  0  0", "(2, 1, _, _) =", "  0  0", "  0  0",
      "[float32 tensor of shape 2×1×2×2]" }, out)
  end)

  it("cuts wide matrices into columns that fit the terminal", function()
    local out = lines(tostring(nj.linspace(0, 1, 60):reshape(3, 20)))
    assert.equal("columns 1 to 9", out[1])
    assert.equal("columns 19 to 20", out[9])
    for _, line in ipairs(out) do assert.is_true(utf8.len(line) <= 80) end
    for _, line in ipairs(lines(tostring(nj.linspace(0, 1, 900)))) do
      assert.is_true(utf8.len(line) <= 80)
    end
  end)

  it("summarises large tensors", function()
    local out = lines(tostring(nj.linspace(0, 1, 5000):reshape(50, 100)))
    assert.equal(8, #out)
    assert.equal("  0.0000  0.0002  0.0004  …  0.0194  0.0196  0.0198", out[1])
    assert.matches("^ +…", out[4])
    assert.equal("  0.0000  0.0002  0.0004  …  0.9996  0.9998  1.0000",
      lines(tostring(nj.linspace(0, 1, 5000)))[1])
    local deep = lines(tostring(nj.zeros(9, 9, 9, 9, 9, 9, 9, 9)))
    assert.is_true(#deep < 2000)
    assert.is_true(#tostring(nj.zeros(1):expand(2 ^ 30, 2 ^ 30)) < 2000)
  end)

  it("summarises what would take many lines, however few its elements", function()
    assert.same({ "  0  0  0  …  0  0  0", "[float32 tensor of shape 1×960]" },
      lines(tostring(nj.zeros(1, 960))))
    assert.equal(2, #lines(tostring(nj.zeros(1, 2048))))
    assert.is_true(#lines(tostring(nj.zeros(300, 1, 3))) < 20)
    assert.equal("columns 1 to 26", lines(tostring(nj.zeros(4, 100)))[1]) -- few lines: all of it
    assert.equal(20, #lines(tostring(nj.zeros(19, 20))))
    assert.equal("columns 1 to 26", lines(nj.zeros(1, 960):format { threshold = 4000 })[1])
  end)

  it("tells of emptiness and gradients", function()
    assert.equal("[float32 tensor of shape 0×3, empty]", tostring(nj.zeros(0, 3)))
    local x = nj.tensor({ 1 }, { grad = true })
    assert.matches("shape 1, requires grad%]$", tostring(x))
    assert.matches("shape 1, grad by clone%]$", tostring(x:clone()))
  end)

  it("does not fail on freed tensors", function()
    local x = nj.zeros(2)
    x:free()
    assert.equal("[freed tensor]", tostring(x))
  end)
end)

describe("format", function()
  it("takes width, digits, threshold and edge", function()
    local x = nj.linspace(0, 1, 12)
    assert.matches("^  0%.00  0%.09\n", x:format{ width = 14, digits = 2 })
    assert.equal("  0  …  1", lines(x:format{ threshold = 10, edge = 1 })[1])
    assert.has_error(function() x:format{ width = 0 } end)
    assert.has_error(function() x:format{ digits = 40 } end)
    assert.has_error(function() x:format{ wdth = 10 } end)
  end)
end)

describe("concatenation", function()
  it("writes single values shortly", function()
    assert.equal("loss 0.69315", "loss " .. nj.tensor(0.693147))
    assert.equal("2 of 3", nj.tensor(2) .. " of " .. nj.tensor({ 3 }, { dtype = "int32" }))
    assert.equal("nan!", nj.tensor(0 / 0) .. "!")
    assert.equal("x =   1  2\n[float32 tensor of shape 2]", "x = " .. nj.tensor{ 1, 2 })
    assert.has_error(function() return nj.tensor(1) .. {} end)
  end)
end)
