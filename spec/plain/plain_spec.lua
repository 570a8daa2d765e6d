describe("texts from outside", function()
  local nj = require "nightjar"
  local json = require "dkjson"
  local plain = require "nightjar.plain"

  it("lose escape sequences and line breaks on a terminal's line", function()
    assert.equal("a\u{FFFD}[31mb\u{FFFD}c", plain.text "a\27[31mb\nc")
    assert.equal("\u{FFFD}x", plain.text "\u{9B}x")
    assert.equal("Vögel\n\tü", plain.lines "Vögel\n\tü")
    assert.equal("\u{FFFD}]0;x", plain.lines "\27]0;x")
  end)

  it("are valid UTF-8 in JSON", function()
    local text = plain.json "caf\xe9 \"x\""
    assert.truthy(utf8.len(text))
    assert.equal("caf\u{FFFD} \"x\"", json.decode(text))
  end)

  it("are valid throughout a tree, whose keys are in order", function()
    local out, keys = plain.tree { b = { "\xff" }, a = { c = 1 } }
    assert.same({ b = { "\u{FFFD}" }, a = { c = 1 } }, out)
    assert.same({ "a", "b", "c" }, keys)
  end)

  it("leave SVG well-formed", function()
    local text = nj.plot.svg.matrix({ { 1 } }, { "a\0\27\xff<b>" }, { "c\1" })
    assert.truthy(utf8.len(text))
    assert.is_nil(text:find "[%z\1-\8\11-\31]")
    assert.truthy(text:find("&lt;b&gt;", 1, true))
  end)
end)
