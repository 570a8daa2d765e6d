-- Drawings of means with intervals.
describe("nightjar.plot.chart", function()
  local chart = require "nightjar.plot.chart"

  local function count(text, what)
    local n = 0
    for _ in text:gmatch(what) do n = n + 1 end
    return n
  end

  local shared = { title = "A < B", value_label = "R@1 & more" }

  it("draws a bar and an interval for each mean, and marks the baseline", function()
    local svg = chart.bars({
      { label = "first", y = 10, low = 8, high = 12, marked = true }, { label = "second", y = 20 },
    }, shared)
    assert.equal(3, count(svg, "<rect ")) -- with the background
    assert.equal(1, count(svg, "stroke%-dasharray"))
    assert.matches("A &lt; B", svg, 1, true)
    assert.matches("R@1 &amp; more", svg, 1, true)
    assert.matches(">10.0 ± 2.0<", svg, 1, true)
    assert.matches(">20.0<", svg, 1, true)
    local width, height = svg:match 'width="(%d+)" height="(%d+)"'
    assert.is_true(tonumber(width) > 380 and tonumber(height) > 100)
    assert.is_nil(svg:find "nan")
  end)

  it("keeps what it draws inside its borders", function()
    local bars = {}
    for i = 1, 12 do
      bars[i] = { label = ("configuration number %d with a long name"):format(i), y = i * 7.3,
        low = i * 7, high = i * 7.6 }
    end
    local svg = chart.bars(bars, shared)
    local width = tonumber(svg:match 'width="(%d+)"')
    for x in svg:gmatch 'x[12]?="([%-%d.]+)"' do
      assert.is_true(tonumber(x) >= 0 and tonumber(x) <= width)
    end
  end)

  it("puts negative bars to the left of 0", function()
    local svg = chart.bars({ { label = "loss", y = -4, low = -5, high = -3 },
      { label = "gain", y = 4 } }, shared)
    local first, second = svg:match '<rect x="([%d.]+)".-<rect x="([%d.]+)"'
    assert.is_true(tonumber(first) < tonumber(second))
  end)

  it("draws a line for each series over the values of x", function()
    local svg = chart.lines({
      { label = "own", points = { { x = 4, y = 3 }, { x = 1, y = 1, low = 0.5, high = 1.5 } } },
      { label = "oracle", points = { { x = 1, y = 5 }, { x = 4, y = 9 } } },
    }, shared, "captions")
    assert.equal(2, count(svg, "<polyline "))
    assert.equal(4, count(svg, "<circle "))
    assert.matches(">captions<", svg, 1, true)
    assert.matches(">own<", svg, 1, true)
    local from, to = svg:match 'points="([%d.]+),[%d.]+ ([%d.]+),'
    assert.is_true(tonumber(from) < tonumber(to)) -- sorted by x
  end)

  it("bears no points, one point, and equal values", function()
    for _, svg in ipairs { chart.bars({}, shared), chart.lines({}, shared, "x"),
      chart.lines({ { label = "", points = { { x = 2, y = 2 } } } }, shared, "x"),
      chart.bars({ { label = "zero", y = 0, low = 0, high = 0 } }, shared) } do
      assert.matches("^<svg .*</svg>\n$", svg)
      assert.is_nil(svg:find "nan")
      assert.is_nil(svg:find "inf")
    end
  end)
end)
