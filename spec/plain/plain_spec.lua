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

  it("are valid throughout JSON, whose fields are in order", function()
    assert.equal('{"a":{"c":1},"b":["\\ufffd"]}', plain.encode { b = { "\xff" }, a = { c = 1 } })
    assert.equal('{"step":1,"a":2,"b":null}', plain.encode({ b = json.null, a = 2, step = 1 },
      { first = { "event", "step" } }))
    assert.equal("{}", plain.encode(setmetatable({}, { __jsontype = "object" })))
    local many, mixed = {}, {}
    for i = 1, 50 do many[#many + 1] = ("key %02d"):format(i) end
    for _, key in ipairs(many) do mixed[key] = { [100] = "x", [3] = "y", z = 1 } end
    local at = 0
    local text = plain.encode(mixed)
    for _, key in ipairs(many) do
      local found = assert(text:find(('"%s":{"3":"y","100":"x","z":1}'):format(key), 1, true))
      assert.is_true(found > at)
      at = found
    end
  end)

  it("come back exactly where only nightjar reads them", function()
    local exact = require "nightjar.train.exact"
    local state = { name = "caf\xe9", rate = 0.1 }
    assert.same(state, exact.decode(exact.encode(state)))
  end)

  it("are no formulas in the CSV of a matrix", function()
    for text, want in pairs {
      ["=1+1"] = "'=1+1", ["+x"] = "'+x", ["-x"] = "'-x", ["@x"] = "'@x", ["\tx"] = "'\tx", ["\rx"] = "'\rx",
      ["-1.5"] = "-1.5", ["+3"] = "+3", ["a=b"] = "a=b", ["a-b"] = "a-b", [""] = "", ["-1,5"] = "'-1,5",
    } do assert.equal(want, plain.cell(text)) end
    local text = nj.plot.csv.matrix({ { -1.5 } }, { "=cmd()" }, { "@a" })
    assert.equal(",'@a\r\n'=cmd(),-1.5\r\n", text)
  end)

  it("leave SVG well-formed", function()
    local text = nj.plot.svg.matrix({ { 1 } }, { "a\0\27\xff<b>" }, { "c\1" })
    assert.truthy(utf8.len(text))
    assert.is_nil(text:find "[%z\1-\8\11-\31]")
    assert.truthy(text:find("&lt;b&gt;", 1, true))
  end)
end)
