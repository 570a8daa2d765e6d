-- Files are written under a temporary name beside their target and take its place whole or not at all.
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local lfs = require "lfs"
local nj = require "nightjar"
local temporary = require "spec.support.temporary"

local WRITERS = { -- name -> file name, function(path)
  ["nj.store.save"] = { "x.safetensors", function(path)
    return nj.store.save(path, { x = nj.ones(2) })
  end },
  ["nj.audio.write"] = { "x.wav", function(path)
    return nj.audio.write(path, nj.zeros(100), 16000)
  end },
  ["fs.write"] = { "x.txt", function(path) return fs.write(path, "text") end },
}

local function names(folder)
  local list = {}
  for name in lfs.dir(folder) do
    if name ~= "." and name ~= ".." then list[#list + 1] = name end
  end
  table.sort(list)
  return list
end

local function part(path, i) return ("%s.nightjar-%d.part"):format(path, i or 0) end

for name, writer in pairs(WRITERS) do
  describe(name, function()
    local folder, path, write, victim
    before_each(function()
      folder = temporary.folder()
      path, write = folder .. "/" .. writer[1], writer[2]
      victim = temporary.write(folder .. "/victim", "precious")
    end)
    after_each(function() temporary.remove(folder) end)

    it("never follows a link with the temporary file's name", function()
      local stat <close> = assert(io.open "/proc/self/stat")
      local pid = stat:read("a"):match "^%d+"
      -- The last two names are those of earlier versions.
      for _, planted in ipairs { part(path, 0), part(path, 1), path .. ".part",
        path .. "." .. pid .. ".tmp" } do
        assert(lfs.link(victim, planted, true))
      end
      local before = #names(folder)
      assert(write(path))
      assert.equal("precious", fs.read(victim))
      assert.equal(before + 1, #names(folder))
    end)

    it("replaces what a link names, and makes it where it is missing", function()
      assert(lfs.mkdir(folder .. "/real"))
      assert(lfs.link("real/" .. writer[1], path, true))
      assert(write(path))
      assert(write(path))
      assert.equal("link", lfs.symlinkattributes(path, "mode"))
      assert.same({ writer[1] }, names(folder .. "/real"))
      assert.same({ "real", "victim", writer[1] }, names(folder))
    end)

    it("refuses links in circles, and to what is no regular file", function()
      assert(lfs.link(path, path, true))
      local ok, message, code = write(path)
      assert.same({ nil, "EIO" }, { ok, code })
      assert.matches("symbolic links", message, 1, true)
      os.remove(path)
      assert(lfs.link("/dev/null", path, true))
      ok, message = write(path)
      assert.is_nil(ok)
      assert.matches("not a regular file", message, 1, true)
      assert.equal("char device", lfs.attributes("/dev/null", "mode"))
      assert.same({ "victim", writer[1] }, names(folder))
    end)

    it("follows no link of another user in a folder that all may write to", function()
      assert(lfs.mkdir(folder .. "/shared"))
      local target = folder .. "/shared/" .. writer[1]
      assert(lfs.link(victim, target, true))
      if not os.execute("chown -h 65534 " .. child.quoted(target) .. " 2> /dev/null") then
        return pending "needs root, to make another user's link"
      end
      assert(os.execute("chmod 1777 " .. child.quoted(folder .. "/shared")))
      local ok, message = write(target)
      assert.is_nil(ok)
      assert.matches("a link that another user put", message, 1, true)
      assert.equal("precious", fs.read(victim))
    end)

    it("removes what killed writers left, and not what a living one writes", function()
      temporary.write(part(path, 0), "stale")
      temporary.write(part(path, 7), "stale")
      temporary.write(path .. ".part", "somebody's own")
      temporary.write(part(folder .. "/other", 0), "of another target")
      local living <close> = assert(fs.writer(path))
      assert(living:write "later")
      temporary.write(part(path, 3), "stale")
      assert(write(path))
      assert.same({ "other.nightjar-0.part", "victim", writer[1], writer[1] .. ".nightjar-0.part",
        writer[1] .. ".part" }, names(folder))
      assert(living:commit())
      assert.equal("later", fs.read(path))
      assert.same({ "other.nightjar-0.part", "victim", writer[1], writer[1] .. ".part" }, names(folder))
    end)

    it("keeps permissions, and takes names as long as names can be", function()
      temporary.write(path, "old")
      assert(os.execute("chmod 600 " .. child.quoted(path)))
      assert(write(path))
      assert.equal("rw-------", lfs.attributes(path, "permissions"))
      local long = folder .. "/" .. ("ä"):rep((255 - #writer[1]) // 2) .. writer[1]
      assert(write(long))
      assert.equal("file", fs.kind(long))
    end)
  end)
end

describe("a new file", function()
  local folder, path
  before_each(function()
    folder = temporary.folder()
    path = folder .. "/x.txt"
  end)
  after_each(function() temporary.remove(folder) end)

  it("of a process that is killed leaves the old one; the next removes what is left", function()
    assert(fs.write(path, "old"))
    child.run("-e", ([[
      local fs = require "nightjar.fs"
      local w = assert(fs.writer(%q))
      assert(w:write(("x"):rep(1 << 20)))
      local stat <close> = io.open "/proc/self/stat"
      os.execute("kill -9 " .. stat:read("a"):match "^%%d+")]]):format(path))
    assert.same({ "x.txt", "x.txt.nightjar-0.part" }, names(folder))
    assert.equal("old", fs.read(path))
    assert(fs.write(path, "new"))
    assert.same({ "x.txt" }, names(folder))
    assert.equal("new", fs.read(path))
  end)

  it("of two writers at once is one of theirs, whole", function()
    local a, b = assert(fs.writer(path)), assert(fs.writer(path))
    for _ = 1, 1000 do
      assert(a:write "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
      assert(b:write "b")
    end
    assert(a:commit())
    assert.equal(("a"):rep(75000), fs.read(path))
    assert(b:commit())
    assert.equal(("b"):rep(1000), fs.read(path))
    assert.same({ "x.txt" }, names(folder))
  end)

  -- Four processes write the same file again and again, each its own content; readers see one of them.
  local function race(target, body, check)
    local script = temporary.write(folder .. "/script.lua", ([[
      local fs, nj = require "nightjar.fs", require "nightjar"
      local which, path = tonumber((...)), %q
      for _ = 1, 20 do assert(%s) end]]):format(target, body))
    local commands, waits = {}, {}
    for i = 1, 4 do
      commands[i] = ("%s & p%d=$!; "):format(child.command(script, tostring(i)), i)
      waits[i] = "wait $p" .. i
    end
    local ended = folder .. "/ended"
    local pipe = assert(io.popen(table.concat(commands) .. "{ " .. table.concat(waits, " && ") ..
      " && echo well; } 2>&1; touch " .. ended, "r"))
    local seen = 0
    repeat
      local over = fs.kind(ended)
      if fs.kind(target) then
        check()
        seen = seen + 1
      end
    until over
    assert.equal("well\n", pipe:read "a")
    pipe:close()
    assert(seen > 0)
    assert.same({ "ended", "script.lua", fs.name(target) }, names(folder))
  end

  it("of four processes at once is whole at any time", function()
    race(path, "fs.write(path, tostring(which):rep(200000))", function()
      local text = fs.read(path)
      assert.equal(text:sub(1, 1):rep(200000), text)
    end)
  end)

  it("of sound, of four processes at once, is whole at any time", function()
    local sound = folder .. "/x.wav"
    race(sound, "nj.audio.write(path, nj.full({ 16000 * which }, which / 8), 16000)", function()
      local x = assert(nj.audio.decode(sound))
      local which = x:size(-1) // 16000
      assert.equal(16000 * which, x:size(-1))
      assert.near(which / 8, x:min():item(), 1e-4)
      assert.near(which / 8, x:max():item(), 1e-4)
    end)
  end)

  it("that the disk has no room for leaves the old one and nothing else", function()
    for _, case in ipairs {
      { "x.txt", [[require "nightjar.fs".write(path, ("x"):rep(1 << 20))]] },
      { "x.safetensors", [[nj.store.save(path, { x = nj.ones(1 << 18) })]] },
      { "x.wav", [[nj.audio.write(path, nj.ones(1 << 19), 16000)]] },
      { "x.flac", [[nj.audio.write(path, nj.rand(1 << 19), 16000)]] },
      { "x.ogg", [[nj.audio.write(path, nj.rand(1 << 19), 16000)]] },
    } do
      local target = temporary.write(folder .. "/" .. case[1], "old")
      -- A file may have 100 KiB; writing beyond fails with EFBIG when the signal is ignored.
      local code, out, err = child.capture("sh -c " .. child.quoted("trap '' XFSZ; ulimit -f 200; " ..
        child.command("-e", ("local nj, path = require 'nightjar', %q\nprint(%s)"):format(target, case[2]))))
      assert.same({ 0, "" }, { code, err }, case[1])
      assert.matches("^nil\t.*EIO\n$", out, 1)
      assert.equal("old", fs.read(target), case[1])
      os.remove(target)
      assert.same({}, names(folder), case[1])
    end
  end)

  it("says where it cannot be written, and refuses wrong calls", function()
    local ok, message, code = fs.write(folder .. "/no/such/x.txt", "text")
    assert.same({ nil, "EIO" }, { ok, code })
    assert.equal(("cannot write '%s/no/such/x.txt': No such file or directory"):format(folder), message)
    assert.error_matches(function() nj.files.create "a\0b" end, "NUL")
    local w <close> = assert(nj.files.create(path))
    assert(w:write("ab", 1, "c"))
    assert.error_matches(function() w:write({}) end, "string expected")
    assert.error_matches(function() w:patch(2, "xyz") end, "within the 4 bytes written")
    assert.error_matches(function() w:patch(-1, "x") end, "expected a place from 0 on")
    assert(w:patch(1, "BB"))
    assert(w:write "d")
    assert(w:commit())
    assert.equal("aBBcd", fs.read(path))
    assert.error_matches(function() w:write "x" end, "was closed")
    w:discard()
    assert.equal("aBBcd", fs.read(path))
  end)
end)
