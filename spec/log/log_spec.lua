local log = require "nightjar.log"

describe("log", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function text()
    local file = assert(io.open(path))
    local all = file:read "a"
    file:close()
    return all
  end

  it("writes an object a line, with the known keys first", function()
    local l = assert(log.open(path))
    l:write { zeta = 1, loss = 0.5, step = 3, event = "step", alpha = "a\nb" }
    assert.are.equal('{"event":"step","step":3,"loss":0.5,"alpha":"a\\nb","zeta":1}\n', text())
    l:write { loss = 0 / 0, bound = math.huge }
    assert.are.equal(2, l.lines)
    l:close()
    assert.are.equal('{"loss":null,"bound":null}', text():match "\n(.*)\n$")
    local entries = assert(log.read(path))
    assert.are.equal(2, #entries)
    assert.are.equal(3, entries[1].step)
  end)

  it("goes on after the lines it is told to keep", function()
    local l = assert(log.open(path))
    for i = 1, 5 do l:write { step = i } end
    l:close()
    local file = assert(io.open(path, "a"))
    file:write '{"step":6' -- the run was killed while it wrote
    file:close()
    assert.are.equal(5, #assert(log.read(path)))
    l = assert(log.open(path, { keep = 3 }))
    l:write { step = 4 }
    l:close()
    local steps = {}
    for i, entry in ipairs(assert(log.read(path))) do steps[i] = entry.step end
    assert.are.same({ 1, 2, 3, 4 }, steps)
    l = assert(log.open(path, { keep = 100 }))
    assert.are.equal(4, l.lines)
    l:close()
    log.open(path):close()
    assert.are.equal("", text())
  end)

  it("reports what cannot be", function()
    local l, message, code = log.open "/nowhere/at/all.jsonl"
    assert.is_nil(l)
    assert.is_truthy(message:find("/nowhere/at/all.jsonl", 1, true))
    assert.are.equal("EIO", code)
    l = assert(log.open(path))
    l:close()
    assert.has_error(function() l:write {} end, "log:write: the log is closed")
    local file = assert(io.open(path, "w"))
    file:write '{"a":1}\nnonsense\n'
    file:close()
    local entries, why, kind = log.read(path)
    assert.is_nil(entries)
    assert.is_truthy(why:find("line 2 is no JSON object", 1, true))
    assert.are.equal("EFORMAT", kind)
    assert.are.equal("ENOTFOUND", select(3, log.read "/nowhere/at/all.jsonl"))
  end)
end)
