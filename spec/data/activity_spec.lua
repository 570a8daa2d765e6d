local activity = require "nightjar.data.activity"
local core = require "nightjar.core"
local temporary = require "spec.support.temporary"

-- Levels of a clip: stretches of { seconds, dB }.
local function levels(...)
  local out = {}
  for _, stretch in ipairs { ... } do
    for _ = 1, math.floor(stretch[1] * 100 + 0.5) do out[#out + 1] = stretch[2] end
  end
  return out
end

local function near(want, got) assert.is_true(math.abs(want - got) < 1e-9, got .. " ~ " .. want) end

describe("activity.of_levels", function()
  it("trims silence at both ends", function()
    local found = activity.of_levels(levels({ 0.5, -120 }, { 2, -20 }, { 2.5, -120 }))
    near(0.5, found.from)
    near(2.5, found.to)
    near(5, found.duration)
    near(-20, found.level)
  end)
  it("finds separate events, with some room around each", function()
    local found = activity.of_levels(
      levels({ 0.5, -60 }, { 0.3, -15 }, { 1, -60 }, { 0.4, -20 }, { 2, -60 }))
    assert.equal(2, #found.events)
    near(0.47, found.events[1].from)
    near(0.92, found.events[1].to)
    near(1.77, found.events[2].from)
    near(2.32, found.events[2].to)
  end)
  it("joins what is parted by less than 0.15 s", function()
    local found = activity.of_levels(
      levels({ 0.5, -60 }, { 0.3, -15 }, { 0.1, -60 }, { 0.4, -20 }, { 2, -60 }))
    assert.equal(1, #found.events)
  end)
  it("does not let two events share their room", function()
    local found = activity.of_levels(
      levels({ 0.5, -60 }, { 0.3, -15 }, { 0.16, -60 }, { 0.4, -20 }, { 2, -60 }))
    assert.equal(2, #found.events)
    assert.is_true(found.events[1].to <= found.events[2].from + 0.13)
  end)
  it("takes a steady sound as one event", function()
    local found = activity.of_levels(levels { 5, -30 })
    assert.equal(1, #found.events)
    near(0, found.events[1].from)
    near(5, found.events[1].to)
    near(-30, found.level)
  end)
  it("finds no clicks of under 0.03 s among events", function()
    local found = activity.of_levels(
      levels({ 1, -60 }, { 0.02, -15 }, { 1, -60 }, { 0.4, -15 }, { 1, -60 }))
    assert.equal(1, #found.events)
  end)
  it("measures the level of what stands out, not of the pauses", function()
    local found = activity.of_levels(levels({ 1, -90 }, { 1, -20 }, { 8, -90 }))
    assert.is_true(math.abs(found.level + 20) < 1)
  end)
  it("gives nil for silence and for nothing", function()
    assert.is_nil(activity.of_levels(levels { 3, -90 }))
    assert.is_nil(activity.of_levels {})
  end)
  it("holds for random levels", function()
    local rng = core.rng(8)
    for _ = 1, 300 do
      local list = {}
      for i = 1, rng:integer(1, 200) do list[i] = rng:uniform(-120, 0) end
      local found = activity.of_levels(list)
      if found then
        assert.is_true(0 <= found.from and found.from < found.to)
        assert.is_true(found.to <= found.duration + 1e-9)
        assert.is_true(#found.events >= 1)
        for k, event in ipairs(found.events) do
          assert.is_true(found.from <= event.from + 1e-9 and event.from < event.to)
          assert.is_true(event.to <= found.to + 1e-9)
          if k > 1 then assert.is_true(found.events[k - 1].to < event.to) end
        end
      end
    end
  end)
end)

describe("activity.finder", function()
  local dir
  local rate = 16000
  before_each(function() dir = temporary.folder() end)
  after_each(function() temporary.remove(dir) end)

  local function write(name, from, to, seconds)
    local samples = {}
    for i = 1, seconds * rate do
      local t = (i - 1) / rate
      samples[i] = (t >= from and t < to) and 0.5 * math.sin(2 * math.pi * 440 * t) or 0
    end
    local path = dir .. "/" .. name
    assert(core.audio.write(path, core.tensor(samples), rate))
    return path
  end

  it("looks into files", function()
    local finder = activity.finder()
    local found = assert(finder:of(write("a.wav", 0.5, 1.25, 2)))
    assert.is_true(math.abs(found.from - 0.5) < 0.02 and math.abs(found.to - 1.25) < 0.02)
    assert.is_true(math.abs(found.level - 20 * math.log(0.5 / math.sqrt(2), 10)) < 1)
    assert.is_true(math.abs(found.peak - 0.5) < 0.02)
    assert.is_false((finder:of(write("silent.wav", 9, 9, 1))))
  end)

  it("remembers from run to run, until the file changes", function()
    local path, store = write("a.wav", 0.5, 1.25, 2), dir .. "/memory/activity.tsv"
    local finder = activity.finder { path = store }
    local found = finder:of(path)
    finder:of(write("silent.wav", 9, 9, 1))
    assert(finder:save())
    local again = activity.finder { path = store }
    assert.same(found, again.stored[path].found)
    assert.is_false(again.stored[dir .. "/silent.wav"].found)
    assert.same(found, again:of(path))
    assert.is_false(again.changed)
    write("a.wav", 0.2, 0.7, 3)
    local third = activity.finder { path = store }
    found = third:of(path)
    assert.is_true(math.abs(found.from - 0.2) < 0.02)
    assert.is_true(third.changed)
  end)

  it("passes over damaged lines and other versions", function()
    local path, store = write("a.wav", 0.5, 1.25, 2), dir .. "/activity.tsv"
    local finder = activity.finder { path = store }
    local found = finder:of(path)
    assert(finder:save())
    local text = assert(io.open(store)):read "a"
    for _, damaged in ipairs {
      "", "x", text:sub(1, -20) .. "\n", text:gsub("%d\t", "x\t"),
      text:gsub("activity 1", "activity 0"),
      text .. "\0\1\2\nzzz\t1 2\t3\n",
    } do
      temporary.write(store, damaged)
      assert.same(found, activity.finder({ path = store }):of(path))
    end
  end)

  it("reports what cannot be read", function()
    local finder = activity.finder()
    local found, message, code = finder:of(dir .. "/none.wav")
    assert.is_nil(found)
    assert.matches("none.wav", message)
    assert.equal("ENOTFOUND", code)
    found, message, code = finder:of(temporary.write(dir .. "/bad.wav", "this is no sound"))
    assert.is_nil(found)
    assert.matches("bad.wav", message)
    assert.is_string(code)
  end)
end)
