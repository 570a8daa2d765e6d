-- A run killed or interrupted and resumed must end as one that was not: weights, optimiser and
-- generators bit for bit, and a log without gaps or repeats.
local child = require "spec.support.child"
local log = require "nightjar.log"
local temporary = require "spec.support.temporary"

local function outcome(output)
  return output:match "weights [^\n]+\nrandom [^\n]+"
end

-- What of a log must be the same: everything but time and the notes of resuming.
local function entries(folder)
  local out = {}
  for _, entry in ipairs(assert(log.read(folder .. "/log.jsonl"))) do
    if entry.event ~= "resume" then
      entry.seconds = nil
      out[#out + 1] = entry
    end
  end
  return out
end

describe("resume", function()
  local whole, log_of_whole
  local folder
  before_each(function() folder = temporary.folder() end)
  after_each(function() temporary.remove(folder) end)

  local function uninterrupted()
    if not whole then
      local own = temporary.folder()
      local output, code = child.run("spec/train/run.lua", own)
      assert(code == 0, output)
      whole, log_of_whole = assert(outcome(output), output), entries(own)
      temporary.remove(own)
    end
    return whole, log_of_whole
  end

  it("is not needed by a whole run, which is the same every time", function()
    local output = child.run("spec/train/run.lua", folder)
    local want = uninterrupted()
    assert.are.equal(want, outcome(output))
    assert.is_nil(output:find("resumed", 1, true))
  end)

  for _, at in ipairs { 1, 2, 7, 11, 12, 23, 44 } do
    it("after kill -9 in the middle of step " .. at, function()
      local output, code = child.run("spec/train/run.lua", folder, "kill", tostring(at))
      assert.is_true(code ~= 0)
      assert.is_nil(outcome(output))
      output, code = child.run("spec/train/run.lua", folder)
      assert.are.equal(0, code, output)
      local want, want_log = uninterrupted()
      assert.are.equal(want, outcome(output))
      -- every third step and each epoch's end (11, 22, 33) is saved; a checkpoint needs a step
      local saved = math.max((at - 1) // 3 * 3, (at - 1) // 11 * 11)
      assert.are.equal(saved > 0 and tostring(saved) or nil, output:match "resumed (%d+)")
      assert.are.same(want_log, entries(folder))
    end)
  end

  it("after Ctrl-C", function()
    local output, code = child.run("spec/train/run.lua", folder, "interrupt", "17")
    assert.are.equal(1, code)
    assert.is_truthy(output:find("interrupted!", 1, true), output)
    output = child.run("spec/train/run.lua", folder)
    assert.are.equal("15", output:match "resumed (%d+)")
    local want, want_log = uninterrupted()
    assert.are.equal(want, outcome(output))
    assert.are.same(want_log, entries(folder))
  end)

  it("after kill -9 at any moment, again and again", function()
    local output
    for attempt = 1, 60 do
      local seconds = 0.06 + attempt * 0.013 -- at another place each time
      local pipe = assert(io.popen(("timeout -s KILL %.3f env %s 2>&1"):format(seconds,
        child.command("spec/train/run.lua", folder, "slow"))))
      output = pipe:read "a"
      pipe:close()
      if outcome(output) then break end
    end
    local want, want_log = uninterrupted()
    assert.are.equal(want, outcome(output))
    assert.are.same(want_log, entries(folder))
  end)

  it("leaves the best checkpoints and no others", function()
    child.run("spec/train/run.lua", folder, "kill", "30")
    child.run("spec/train/run.lua", folder)
    local names = {}
    for name in require("lfs").dir(folder) do
      if name:find "^[^.]" then names[#names + 1] = name end
    end
    table.sort(names)
    assert.are.equal(4, #names, table.concat(names, " "))
    assert.are.equal("last.safetensors", names[3])
    assert.are.equal("log.jsonl", names[4])
    assert.matches("^best%-epoch%d+%-step%d+%.safetensors$", names[1])
  end)
end)
