-- Several processes, and several coroutines, at one library.
local nj = require "nightjar"
local child = require "spec.support.child"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local SOUNDS = 24
local ROUNDS = tonumber(os.getenv "NIGHTJAR_ROUNDS") or 2

describe("a library that several use", function()
  local model, folder, file
  setup(function() model = tiny_model.new() end)
  before_each(function()
    folder = temporary.folder()
    file = folder .. "/lib.njl"
    for i = 1, SOUNDS do
      temporary.write(("%s/%d.wav"):format(folder, i), sound.wav(sound.noise(4000, i, 0.3),
        { rate = 16000 }))
    end
  end)
  after_each(function() temporary.remove(folder) end)

  -- Runs Lua texts side by side; gives what each printed.
  local function side_by_side(texts)
    local commands, outputs = {}, {}
    for i, text in ipairs(texts) do
      local script = temporary.write(("%s/run%d.lua"):format(folder, i), text)
      commands[i] = ("(%s > %s 2>&1) &"):format(child.command(script),
        child.quoted(("%s/out%d"):format(folder, i)))
    end
    os.execute(table.concat(commands, " ") .. " wait")
    for i = 1, #texts do
      local handle <close> = assert(io.open(("%s/out%d"):format(folder, i)))
      outputs[i] = handle:read "a"
    end
    return outputs
  end

  it("is indexed by two and searched by four at once", function()
    local prepare = ([[
      local nj = require "nightjar"
      nj.threads(1)
      local model = require("spec.support.tiny_model").new()
      local file, folder = %q, %q
    ]]):format(file, folder)
    local writer = prepare .. [[
      local lib = assert(nj.library.open(file, { model = model }))
      local r = assert(lib:add(folder))
      print(r.added, r.unchanged, #r.failed)]]
    local reader = prepare .. [[
      for _ = 1, 15 do
        local lib, message, code = nj.library.open(file, { model = model, read_only = true })
        if lib then
          assert(#assert(lib:search("a dog", { k = 99 })) <= 24)
          lib:close()
        else
          assert(code == "ENOTFOUND" or message:find "an empty file", message)
        end
      end
      print "read"]]
    for _ = 1, ROUNDS do
      os.remove(file)
      local out = side_by_side { writer, reader, writer, reader, reader, reader }
      local added = 0
      for i, text in ipairs(out) do
        if i == 1 or i == 3 then
          local own, unchanged, failed = text:match "^(%d+)\t(%d+)\t(%d+)\n$"
          assert(own, text)
          assert.same({ SOUNDS, 0 }, { own + unchanged, tonumber(failed) })
          added = added + own
        else
          assert.equal("read\n", text)
        end
      end
      assert.equal(SOUNDS, added) -- none was encoded twice
      local lib <close> = assert(nj.library.open(file, { model = model }))
      assert.equal(SOUNDS, #assert(lib:sounds()))
      assert.same({}, assert(lib:verify()).problems)
      assert.same({}, assert(lib.catalogue:claims()))
    end
  end)

  it("is left in order by a coroutine that is closed, or dropped", function()
    local lib <close> = assert(nj.library.open(file, { model = model }))
    local other <close> = assert(nj.library.open(file, { model = model, wait = 0 }))
    local function start()
      local thread = coroutine.create(function()
        return lib:add(folder, { progress = coroutine.yield })
      end)
      for _ = 1, 6 do assert(coroutine.resume(thread)) end
      return thread
    end
    local thread = start()
    assert.equal(0, #assert(other:search "a dog")) -- nothing is locked meanwhile
    assert.is_true(coroutine.close(thread))
    assert.same({}, assert(lib.catalogue:claims()))
    assert.equal(5, #assert(lib:sounds())) -- what was encoded stays
    start()
    collectgarbage()
    assert.is_false((other:remove(folder .. "/none.wav")))
    local report = assert(lib:add(folder))
    assert.same({ SOUNDS, 0 }, { report.added + report.unchanged, #report.failed })
    assert.same({}, assert(lib:verify()).problems)
  end)

  it("sees what others wrote", function()
    local lib <close> = assert(nj.library.open(file, { model = model }))
    local reader <close> = assert(nj.library.open(file, { model = model, read_only = true }))
    assert.equal(0, #assert(reader:search "a dog"))
    assert(lib:add(folder .. "/1.wav"))
    assert.equal(1, #assert(reader:search "a dog"))
    assert(lib:remove(folder .. "/1.wav"))
    assert.equal(0, #assert(reader:search "a dog"))
  end)

  it("says for how long it waited for one that does not end", function()
    local lib <close> = assert(nj.library.open(file, { model = model, wait = 0.2 }))
    local stuck <close> = assert(nj.catalogue(file))
    assert(stuck:begin())
    local told = 0
    local none, message, code = lib:add(folder, { waiting = function() told = told + 1 end })
    assert.same({ nil, "EBUSY" }, { none, code })
    assert.matches("another process is writing to it", message, 1, true)
    assert.equal(0, #assert(lib:search "a dog"))
    assert(stuck:rollback())
    assert.equal(SOUNDS, assert(lib:add(folder)).added)
  end)
end)
