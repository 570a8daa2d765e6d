-- What names hold never reaches a terminal as an escape sequence.
describe("output of the command line", function()
  local output = require "nightjar.cli.output"

  local function printed(value)
    local stdout, kept = io.stdout, {}
    io.stdout = { write = function(_, ...) kept[#kept + 1] = table.concat { ... } end } -- luacheck: ignore
    local ok, problem = pcall(output.print, value)
    io.stdout = stdout -- luacheck: ignore
    assert(ok, problem)
    return table.concat(kept)
  end

  it("replaces control sequences, and keeps colours and line breaks", function()
    assert.equal("a\u{FFFD}]0;title\u{FFFD}b\n", printed "a\27]0;title\7b")
    assert.equal("\27[1mx\27[0m\ny\n", printed "\27[1mx\27[0m\ny")
    assert.equal("caf\u{FFFD}\n", printed "caf\xe9")
  end)

  it("fails with 130 after an interrupt, else with 1", function()
    local complain = output.complain
    output.complain = function() end
    local codes = {}
    for i, text in ipairs { "interrupted!", "x.lua:3: interrupted!", "interrupted!\nstack traceback:\n\t…",
      "no such file", "interrupted.wav: no such file", "interrupted!: no such file",
      "interrupted! or not" } do codes[i] = output.fail(text) end
    output.complain = complain
    assert.same({ 130, 130, 130, 1, 1, 1, 1 }, codes)
  end)
end)
