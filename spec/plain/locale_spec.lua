-- What is written and hashed is the same under a locale that writes 0,5.
describe("a locale with a decimal comma", function()
  local nj = require "nightjar"
  local entries = require "nightjar.data.entries"
  local exact = require "nightjar.train.exact"
  local record = require "nightjar.experiment.record"
  local csv = require "nightjar.data.csv"

  local before

  before_each(function()
    before = os.setlocale(nil)
    if not os.setlocale "de_DE.UTF-8" and not os.setlocale "de_DE.utf8" then
      pending "needs the locale de_DE.UTF-8 (tools/deps.sh makes it)"
    end
  end)
  after_each(function() os.setlocale(before) end)

  -- The text as it is in the C locale.
  local function in_c(make)
    local here = os.setlocale(nil)
    os.setlocale "C"
    local text = make()
    os.setlocale(here)
    return text
  end

  local makers = {
    ["svg.matrix"] = function() return nj.plot.svg.matrix({ { 0.5, 1.25 } }, { "a" }, { "b", "c" }) end,
    ["csv.matrix"] = function() return nj.plot.csv.matrix({ { 0.5, 1.25 } }, { "a" }, { "b", "c" }) end,
    ["chart.bars"] = function()
      return nj.plot.chart.bars({ { label = "a", y = 0.5, low = 0.25, high = 0.75 } },
        { title = "t", value_label = "v" })
    end,
    ["csv.format"] = function() return csv.format { 0.5, "x", 3, 1e300 } end,
    ["record.line"] = function() return record.line { 0.5, a = 1.5 } end,
    ["entries.line"] = function() return entries.line { 0.5, a = 1.5 } end,
    ["exact.encode"] = function() return exact.encode { a = 0.1 } end,
    ["tensor"] = function() return tostring(nj.tensor { 0.5, 1.25 }) end,
  }
  for name, make in pairs(makers) do
    it("does not change " .. name, function() assert.equal(in_c(make), make()) end)
  end

  it("exact state comes back", function()
    assert.equal(0.1, exact.decode(exact.encode { a = 0.1 }).a)
  end)

  it("numbers are read as in the C locale", function()
    local plain = require "nightjar.plain"
    assert.equal(0.5, tonumber "0,5") -- what is to be kept out
    assert.is_nil(plain.number "0,5")
    assert.equal(0.5, plain.number "0.5")
    assert.equal(2, plain.number(2))
    assert.is_nil(plain.number(nil))
  end)

  it("changes nothing that the suites of readers and writers see", function()
    local child = require "spec.support.child"
    local output, status = child.run("-e", "assert(os.setlocale 'de_DE.UTF-8')", "tools/busted.lua", "-o",
      "plainTerminal", "spec/plot", "spec/log", "spec/plain/plain_spec.lua", "spec/data/csv_spec.lua",
      "spec/data/activity_spec.lua", "spec/data/manifest_spec.lua", "spec/data/generated_spec.lua")
    assert.equal(0, status, output)
    assert.matches("[1-9]%d+ successes / 0 failures / 0 errors", output)
  end)

  it("does not change the program's own locale", function()
    nj.system.format("%g", 0.5)
    assert.equal("0,5", ("%g"):format(0.5))
    assert.equal("0.5", nj.system.format("%g", 0.5))
  end)
end)
