-- What `make` puts where, used as people use it: from another folder, with none of the variables that say
-- where modules are.
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local lfs = require "nightjar.lfs"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"

local HERE = lfs.currentdir()
local BUILD = os.getenv "NIGHTJAR_BUILD" or "build"
local CLEAN = "env -u MAKEFLAGS -u MAKELEVEL -u LUA_PATH_5_4 -u LUA_CPATH_5_4 -u LUA_PATH -u LUA_CPATH "
  .. "-u NIGHTJAR_BUILD "

-- Runs a command in a folder without this checkout's variables; fails with what it said.
local function run(folder, command)
  local code, out, err = child.capture(("cd %s && %s%s"):format(child.quoted(folder), CLEAN, command))
  assert.equal(0, code, out .. err)
  return out
end

local function version_by(folder, program)
  return run(folder, child.quoted(program) .. " --version")
end

describe("bin/nightjar", function()
  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  it("finds its modules through symbolic links, and links to links", function()
    if BUILD ~= "build" then pending "only the build of the checkout itself is beside it" return end
    assert(fs.make_folders(folder .. "/a/bin"))
    assert(fs.make_folders(folder .. "/b"))
    assert(lfs.link(HERE .. "/bin/nightjar", folder .. "/a/bin/nj", true))
    assert(lfs.link("../a/bin/nj", folder .. "/b/nightjar", true))
    local expected = nj._VERSION .. "\n"
    assert.equal(expected, version_by(folder, "a/bin/nj"))
    assert.equal(expected, version_by(folder, "./b/nightjar"))
    assert.equal(expected, version_by("/", folder .. "/b/nightjar"))
    assert.equal(expected, run(folder, "sh -c 'PATH=\"$PWD/b:$PATH\" nightjar --version'"))
    assert.equal(expected, run(HERE .. "/bin", "lua5.4 nightjar --version"))
  end)
end)

describe("make", function()
  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  local function make(arguments)
    if BUILD ~= "build" then return false end
    local code, out, err = child.capture(CLEAN .. "make -s " .. arguments)
    assert.equal(0, code, out .. err)
    return true
  end

  it("installs a program that finds its modules, wherever the tree stands", function()
    local prefix = folder .. "/my prefix"
    if not make("install-lua PREFIX=" .. child.quoted(prefix)) then
      pending "what is installed is the build of the checkout itself"
      return
    end
    assert.equal(nj._VERSION .. "\n", version_by("/", prefix .. "/bin/nightjar"))
    assert(os.rename(prefix, folder .. "/moved"))
    assert.equal(nj._VERSION .. "\n", version_by(folder, "moved/bin/nightjar"))
    assert(lfs.link(folder .. "/moved/bin/nightjar", folder .. "/link", true))
    assert.matches("nightjar%-base", run("/", child.quoted(folder .. "/link")
      .. " info " .. child.quoted(folder .. "/moved/share/lua/5.4/nightjar/models/nightjar-base.safetensors")))
  end)

  it("installs a C interface whose example compiles and runs, and the private headers stay", function()
    local prefix = folder .. "/c"
    if not make("install PREFIX=" .. child.quoted(prefix)) then
      pending "what is installed is the build of the checkout itself"
      return
    end
    local headers = assert(fs.files(prefix .. "/include"))
    assert.same({ "nightjar/nightjar.h", "nightjar/nightjar_lua.h" }, headers)
    local example = {}
    for line in io.lines(prefix .. "/include/nightjar/nightjar.h") do
      local code = line:match "^ %*     (.*)$" or line == " *" and #example > 0 and ""
      if code and #example < 60 and not (#example == 0 and not code:find "#include") then
        example[#example + 1] = code
      end
      if code == "}" then break end
    end
    temporary.write(folder .. "/example.c", table.concat(example, "\n") .. "\n")
    temporary.write(folder .. "/a.wav", sound.wav(sound.noise(32000, 1, 0.3), { rate = 32000 }))
    run(folder, ("sh -c 'export PKG_CONFIG_PATH=%s/lib/pkgconfig; gcc -std=c11 -Wall -Wextra -Werror "
      .. "-o example example.c $(pkg-config --cflags --libs nightjar)'"):format(prefix))
    assert.equal("101 frames of 64 bands\n", run(folder, "./example a.wav"))
    local code, _, err = child.capture(("cd %s && ./example none.wav"):format(child.quoted(folder)))
    assert.same({ 1, true }, { code, err:find "^ENOTFOUND: .*none%.wav" ~= nil }, err)
    if os.execute "command -v g++ > /dev/null" then
      temporary.write(folder .. "/a.cpp",
        "#include <nightjar.h>\nint main() { return nj_version() == nullptr; }\n")
      run(folder, ("g++ -Wall -Wextra -Werror -I%s/include/nightjar -fsyntax-only a.cpp"):format(prefix))
    end
  end)

  it("tells the program of folders that are not those of the prefix", function()
    if not make(("install-lua PREFIX=%s INST_LUADIR=%s INST_LIBDIR=%s"):format(folder .. "/p",
        folder .. "/elsewhere/lua", folder .. "/elsewhere/c")) then
      pending "what is installed is the build of the checkout itself"
      return
    end
    assert.equal(nj._VERSION .. "\n", version_by("/", folder .. "/p/bin/nightjar"))
  end)

  it("libnightjar.a comes with its nightjar.pc, which is good from any folder", function()
    os.remove "build/nightjar.pc"
    if not make "libnightjar.a" then pending "needs the build of the checkout itself" return end
    local flags = run(folder, "env PKG_CONFIG_PATH=" .. child.quoted(HERE .. "/build")
      .. " pkg-config --cflags --libs nightjar")
    local include, archive = flags:match "%-I(%S+/csrc/lua)", flags:match "(%S+libnightjar%.a)"
    assert.equal("file", fs.kind(include .. "/nightjar_lua.h"))
    assert.equal("file", fs.kind(archive))
  end)
end)
