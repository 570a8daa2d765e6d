local progress = require "nightjar.progress"

-- A stream and a clock of our own.
local function recorder()
  local r = { now = 0, text = "" }
  function r.write(self, ...) self.text = self.text .. table.concat { ... } end
  function r.flush() end
  function r.clock() return r.now end
  return r
end

describe("progress", function()
  it("gives durations", function()
    assert.are.equal("0:07", progress.duration(7.2))
    assert.are.equal("12:30", progress.duration(750))
    assert.are.equal("1:02:03", progress.duration(3723))
    assert.are.equal("?", progress.duration(math.huge))
  end)

  it("writes plain lines now and then where there is no terminal", function()
    local r = recorder()
    local bar = progress { total = 100, label = "indexing", stream = r, clock = r.clock,
      every = 10 }
    for i = 1, 40 do
      r.now = r.now + 0.5
      bar:update(i, { loss = 1 / i, hits = 3 })
    end
    bar:finish()
    bar:finish()
    assert.are.equal("indexing   20%  20/100  2.0/s  eta 0:40  hits 3  loss 0.05\n"
      .. "indexing   40%  40/100  2.0/s  eta 0:30  hits 3  loss 0.025\n"
      .. "indexing   40%  40/100  2.0/s  eta 0:30  hits 3  loss 0.025\n", r.text)
  end)

  it("redraws a bar on a terminal, messages above it", function()
    local r = recorder()
    local bar = progress { total = 4, stream = r, clock = r.clock, terminal = true, start = 1 }
    r.now = 1
    bar:update(2)
    assert.are.equal("\r 50%  ━━━━━━━━━━━━              2/4  1.0/s  eta 0:02\27[K", r.text)
    r.text = ""
    bar:update(3) -- too soon to redraw
    assert.are.equal("", r.text)
    bar:message "epoch 1"
    assert.are.equal("\r\27[Kepoch 1\n", r.text)
    r.text = ""
    bar:finish()
    assert.is_truthy(r.text:find("3/4", 1, true))
    assert.are.equal("\n", r.text:sub(-1))
  end)

  it("counts without a total", function()
    local r = recorder()
    local bar = progress { stream = r, clock = r.clock }
    r.now = 20
    bar:update(5)
    assert.are.equal("5  4.0s each  0:20\n", r.text)
  end)

  it("is one contract for all functions that take long: a function, true, or nothing", function()
    local calls = {}
    local report = progress.report(function(...) calls[#calls + 1] = { ... } end)
    report(1, 2, "a.wav")
    report:update(2)
    report:message "not for functions"
    report:finish()
    assert.same({ { 1, 2, "a.wav" }, { 2, 2 } }, calls)
    assert.equal(report, progress.report(report))

    local r = recorder()
    report = progress.report(true, { label = "work", stream = r, clock = r.clock })
    report(1, 2)
    r.now = 4
    report(2, 2)
    report:finish()
    assert.equal("work  100%  2/2  2.0s each  0:04\n", r.text)

    for _, nothing in ipairs { false, nil } do
      report = progress.report(nothing)
      report(1, 2)
      report:message "x"
      report:finish()
    end
  end)

  it("is the contract of every option of that name", function()
    local fs = require "nightjar.fs"
    for _, path in ipairs(assert(fs.files("lua", { extensions = { "lua" } }))) do
      local text = assert(fs.read("lua/" .. path))
      assert.is_nil(text:match 'progress = "[%l|]+"' or text:match "[^\n]*progress = { type[^\n]*", path)
    end
  end)

  it("refuses wrong options", function()
    assert.has_error(function() progress { totl = 3 } end,
      "progress: unknown option 'totl' (did you mean 'total'?)")
  end)
end)
