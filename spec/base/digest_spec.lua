local nj = require "nightjar"

describe("nj.digest", function()
  it("gives 32 digits that stay the same", function()
    assert.equal(32, #nj.digest())
    assert.matches("^%x+$", nj.digest("a", nj.zeros(3)))
    assert.equal(nj.digest("abc"), nj.digest("abc"))
    local x = nj.randn({ 4, 3 }, { rng = nj.rng(1) })
    assert.equal(nj.digest(x), nj.digest(x:clone()))
    assert.equal(nj.digest(x:transpose(1, 2):contiguous()), nj.digest(x:transpose(1, 2)))
  end)

  it("tells values, types, shapes and orders apart", function()
    local x = nj.zeros(2, 3)
    local y = nj.zeros(2, 3)
    y[2][3] = 1e-30
    local seen = {}
    for _, digest in ipairs { nj.digest(), nj.digest(""), nj.digest("", ""), nj.digest("a", "b"),
      nj.digest("b", "a"), nj.digest("ab"), nj.digest("ab", ""), nj.digest(x), nj.digest(y),
      nj.digest(nj.zeros(3, 2)), nj.digest(nj.zeros(6)), nj.digest(x:to "int32"),
      nj.digest(x:double()), nj.digest(x, x), nj.digest(nj.zeros(0)), nj.digest(nj.zeros(0, 2)) } do
      assert.is_nil(seen[digest])
      seen[digest] = true
    end
  end)

  it("takes nothing else", function()
    assert.error_matches(function() nj.digest("a", 3) end,
      "digest: expected strings and tensors, got a number as argument 2")
    assert.error_matches(function() nj.digest(nil) end, "got a nil as argument 1")
  end)
end)
