local near = require "spec.support.near"
local nj = require "nightjar"
local nn = nj.nn

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- torch.nn.functional.interpolate (PyTorch 1.13, float64) of 1 4 2 8 5.
local known = {
  { "nearest", nil, { 1, 4, 8 }, { 1, 1, 4, 4, 2, 8, 8, 5 } },
  { "bilinear", false, { 2, 2, 6 }, { 1, 2.3125, 3.875, 2.625, 3.875, 7.625, 6.3125, 5 } },
  { "bilinear", true, { 1, 2, 5 },
    { 1, 2.714285714, 3.714285714, 2.571428571, 3.714285714, 7.142857143, 6.714285714, 5 } },
  { "bicubic", false, { 2.055555556, 2, 6.277777778 },
    { 0.721496582, 2.450927734, 4.007751465, 2.071105957, 3.683654785, 7.820007324, 6.773925781,
      4.721496582 } },
  { "bicubic", true, { 1, 2, 5 },
    { 1, 2.950437318, 3.915451895, 2.002915452, 3.495626822, 7.483965015, 7.370262391, 5 } },
}

describe("resize", function()
  it("agrees with known values along both directions", function()
    local row = nj.tensor { 1, 4, 2, 8, 5 }
    for _, case in ipairs(known) do
      local options = { mode = case[1], align_corners = case[2] }
      for i, size in ipairs { 3, 8 } do
        local want = case[2 + i]
        near(want, nn.resize(row:reshape(1, 1, 1, 5), 1, size, options):reshape(size), { atol = 1e-6 })
        near(want, nn.resize(row:reshape(1, 1, 5, 1), size, 1, options):reshape(size), { atol = 1e-6 })
        near(want, nn.resize(row:double():reshape(1, 1, 5, 1), size, 1, options):reshape(size),
          { atol = 1e-8 })
      end
    end
  end)

  it("works along one direction after the other, and leaves equal sizes alone", function()
    local x = nj.randn({ 2, 3, 7, 6 }, { rng = nj.rng(2), dtype = "float64" })
    for _, mode in ipairs { "bilinear", "bicubic" } do
      for _, align in ipairs { true, false } do
        local o = { mode = mode, align_corners = align }
        near(nn.resize(nn.resize(x, 7, 10, o), 4, 10, o), nn.resize(x, 4, 10, o), { atol = 1e-12 })
        near(x, nn.resize(x, 7, 6, o), { atol = 1e-12 })
      end
    end
    assert.is_true(nn.resize(x, 14, 6, { mode = "nearest" })[{ {}, {}, { 1, -1, 2 } }]:equal(x))
  end)

  it("has the same bits alone and in a batch, and in any layout", function()
    local x = nj.randn({ 3, 5, 7, 6 }, { rng = nj.rng(2) })
    local y = nn.resize(x, 9, 4, { mode = "bicubic" })
    assert.is_true(y[{ { 2, 2 } }]:equal(nn.resize(x[{ { 2, 2 } }], 9, 4, { mode = "bicubic" })))
    local last = x:permute(1, 3, 4, 2):contiguous():permute(1, 4, 2, 3)
    assert.is_true(y:equal(nn.resize(last, 9, 4, { mode = "bicubic" })))
  end)

  it("takes empty batches", function()
    assert.same({ 0, 2, 3, 4 }, nn.resize(nj.zeros(0, 2, 5, 5), 3, 4).shape)
  end)

  it("says what is wrong", function()
    local x = nj.zeros(1, 1, 3, 3)
    assert.matches("resize: expected images %(B, C, H, W%) that are not empty, got %(3, 3%)",
      message(nn.resize, nj.zeros(3, 3), 2, 2))
    assert.matches("resize: expected a size of at least 1 x 1, got 0 x 2", message(nn.resize, x, 0, 2))
    assert.matches("resize: align_corners means nothing with mode nearest",
      message(nn.resize, x, 2, 2, { mode = "nearest", align_corners = true }))
    assert.matches("resize: option 'mode' must be one of nearest, bilinear, bicubic; got 'cubic'",
      message(nn.resize, x, 2, 2, { mode = "cubic" }))
  end)
end)
