-- No command and no function changes what it reads: bytes, times, modes and the listing of folders are
-- the same before and after, whatever the files hold.
local fault = require "njfault"
local nj = require "nightjar"
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local lfs = require "lfs"
local stubs = require "docs.stubs"
local suite = require "spec.torture.suite"
local temporary = require "spec.support.temporary"
local tiny_captioner = require "spec.support.tiny_captioner"

describe("reading", function()
  local world, folder, out, model_file
  local names, tried = {}, 0

  -- ---- what there is to read ----

  local function database(sql)
    local path = out .. "/made.db"
    temporary.write(path, "")
    assert(fault.query(path, sql))
    local bytes = fs.read(path)
    os.remove(path)
    return bytes
  end

  local function contents()
    local garbage, rng = {}, nj.rng(7)
    for i = 1, 3000 do garbage[i] = string.char(rng:integer(0, 255)) end
    garbage = table.concat(garbage)
    local library, model, wav = fs.read(world.path), fs.read(model_file), suite.wav(1)
    local half = function(bytes) return bytes:sub(1, #bytes // 2) end
    assert(tiny_captioner.new():save(out .. "/captioner.safetensors"))
    local captioner = fs.read(out .. "/captioner.safetensors")
    return {
      ["empty"] = "", ["garbage"] = garbage, ["text"] = ("a dog barks\n"):rep(40), ["newline"] = "\n",
      ["sound"] = wav, ["cut sound"] = half(wav), ["long sound"] = wav .. garbage,
      ["model"] = model, ["cut model"] = half(model), ["captioner"] = captioner,
      ["library"] = library, ["cut library"] = half(library), ["head of a library"] = library:sub(1, 100),
      ["blank library"] = library:sub(1, 100) .. ("\0"):rep(#library - 100),
      ["no tables"] = database "CREATE TABLE t(x); DROP TABLE t",
      ["other tables"] = database "CREATE TABLE t(x); INSERT INTO t VALUES(1)",
      ["no library"] = "SQLite format 3\0" .. garbage,
      ["object"] = '{"a": [1, 2', ["table"] = "file,caption\na.wav,a dog\nb.wav,\n",
    }
  end

  local ENDINGS = suite.long and { "wav", "njl", "safetensors", "csv", "json", "pth", "mp3", "txt" }
    or { "wav", "njl", "safetensors" }

  setup(function()
    world = suite.world(2)
    out = world.folder .. "/out"
    folder = world.folder .. "/files"
    model_file = world.folder .. "/tiny.safetensors"
    assert(lfs.mkdir(out))
    assert(world.model:save(model_file))
    do
      local lib <close> = assert(world:open())
      assert(lib:add(world.sounds))
    end
    for what, bytes in pairs(contents()) do
      for _, ending in ipairs(ENDINGS) do
        local name = ("%s.%s"):format(what, ending)
        names[#names + 1] = name
        temporary.write(folder .. "/" .. name, bytes)
      end
      -- A folder whose library it is.
      temporary.write(("%s/in/%s/.nightjar.njl"):format(folder, what), bytes)
      temporary.write(("%s/in/%s/a.wav"):format(folder, what), suite.wav(3))
      names[#names + 1] = "in/" .. what
    end
    assert(lfs.mkdir(folder .. "/in/nothing"))
    names[#names + 1] = "in/nothing"
    table.sort(names)
  end)
  teardown(function()
    suite.figure("reading: %d calls on %d files and folders; nothing changed", tried, #names)
    world:remove()
  end)

  -- ---- what must stay ----

  -- Everything about a tree but the time of its last reading, a line each.
  local function listing(root)
    local pipe <close> = assert(io.popen(("find %s -printf '%%P %%y %%s %%T@ %%C@ %%m %%i\\n' | sort")
      :format(child.quoted(root))))
    return pipe:read "a"
  end

  local function bytes_of(root)
    local list = {}
    for _, name in ipairs(names) do
      local path = root .. "/" .. name
      list[name] = fs.kind(path) == "file" and nj.digest(fs.read(path)) or ""
    end
    return list
  end

  local function different(before, after)
    local there, lines = {}, {}
    for line in before:gmatch "[^\n]+" do there[line] = true end
    for line in after:gmatch "[^\n]+" do
      if not there[line] then lines[#lines + 1] = "now:    " .. line end
      there[line] = nil
    end
    for line in pairs(there) do lines[#lines + 1] = "before: " .. line end
    table.sort(lines)
    return table.concat(lines, "\n")
  end

  -- Calls f for every file; nothing may change. What it returns or raises is not the question here.
  local function untouched(what, f)
    local bytes, before, sounds = bytes_of(folder), listing(folder), listing(world.sounds)
    local function check(name)
      local after = listing(folder)
      assert(before == after, ("%s changed files%s:\n%s"):format(what, name or "",
        before ~= after and different(before, after)))
    end
    for _, name in ipairs(names) do
      tried = tried + 1
      pcall(f, folder .. "/" .. name)
      if suite.long then check(", reading " .. name) end
    end
    collectgarbage() -- what a finalizer does is the call's doing, too
    check()
    assert.same(bytes, bytes_of(folder), what)
    assert.equal(sounds, listing(world.sounds), what)
  end

  -- ---- the command line ----

  local function nightjar(...) return suite.nightjar("/dev/null", ...) end

  local function target(ending) return ("%s/out%d.%s"):format(out, tried, ending) end

  -- Command lines that read one file or folder, by command. What they write goes elsewhere.
  local invocations = {
    index = {
      function(p) return "index", p, "--library", target "njl", "--model", model_file end,
      function(p) return "index", world.sounds, "--library", target "njl", "--model", p end,
    },
    search = {
      function(p) return "search", "a dog", p, "--model", model_file end,
      function(p) return "search", "a dog", p end,
      function(p) return "search", "a dog", world.sounds, "--library", p, "--model", model_file end,
      function(p) return "search", "a dog", world.sounds, "--model", p end,
      function(p) return "search", "--json", "--sound", p, world.sounds, "--model", model_file end,
    },
    train = {
      function(p) return "train", p:find "%.json$" and p or folder .. "/none.json" end,
    },
    eval = {
      function(p) return "eval", model_file, "--data", "folder", "--root", p end,
      function(p) return "eval", p, "--data", "folder", "--root", world.sounds end,
      function(p) return "eval", model_file, "--data", "esc50", "--root", p end,
      function(p) return "eval", model_file, "--data", "clotho", "--root", p end,
    },
    classify = {
      function(p) return "classify", p, "--labels", "dog,rain", "--model", model_file end,
      function(p) return "classify", folder .. "/sound.wav", "--labels-file", p, "--model", model_file end,
      function(p) return "classify", folder .. "/sound.wav", "--labels", "dog,rain", "--model", p end,
    },
    caption = {
      function(p) return "caption", p, "--model", out .. "/captioner.safetensors" end,
      function(p) return "caption", folder .. "/sound.wav", "--model", p end,
      function(p) return "caption", folder .. "/sound.wav", "--model", model_file, "--vocabulary", p end,
    },
    embed = {
      function(p) return "embed", p, "--out", target "npy", "--model", model_file end,
      function(p) return "embed", "--list", p, "--out", target "csv", "--model", model_file end,
      function(p) return "embed", folder .. "/sound.wav", "--out", target "npy", "--model", p end,
    },
    info = {
      function(p) return "info", p end,
      function(p) return "info", "--json", p end,
      function(p) return "info", "--tensors", p end,
    },
    convert = {
      function(p) return "convert", p, target "safetensors" end,
      function(p) return "convert", model_file, target "safetensors", "--vocabulary", p end,
    },
    verify = {
      function(p) return "verify", p end,
      function(p) return "verify", "--json", p end,
    },
    finetune = {
      function(p)
        return "finetune", p, "--model", model_file, "--out", target "safetensors", "--epochs", "1"
      end,
      function(p) return "finetune", world.sounds, "--model", p, "--out", target "safetensors" end,
      function(p)
        return "finetune", world.sounds, "--captions", p, "--model", model_file, "--out",
          target "safetensors", "--epochs", "1"
      end,
    },
    prune = { function(p) return "prune", "--dry-run", p end },
  }

  it("by any command changes nothing", function()
    local _, help = child.capture(child.command("bin/nightjar", "--help"))
    for command in help:match("Commands:\n(.*)"):gmatch "\n?   (%l+) " do
      if command ~= "help" then
        assert(invocations[command], ("no command line for '%s' here"):format(command))
      end
    end
    for command, lines in pairs(invocations) do
      if help:find("\n   " .. command .. " ") then
        for i, line in ipairs(lines) do
          untouched(("%s %d"):format(command, i), function(path) return nightjar(line(path)) end)
        end
      end
    end
  end)

  -- ---- functions ----

  -- Functions that take a path in order to write there.
  local writers = {
    ["nightjar.audio.write"] = true, ["nightjar.store.save"] = true, ["nightjar.log.open"] = true,
    ["nightjar.data.csv.write"] = true, ["nightjar.features.open"] = true, ["nightjar.data.cache"] = true,
    ["nightjar.experiment.features"] = true, ["nightjar.files.create"] = true,
  }
  -- Options without which a function does not get far.
  local options = {
    ["nightjar.library.open"] = function() return { model = world.model, read_only = true } end,
    ["nightjar.train.load_weights"] = function() return world.model end,
    ["nightjar.captioner.load"] = function() return nil end,
  }
  local PLACES = { path = true, dir = true, root = true, file = true, paths = true }

  -- Every function of the stubs that takes a place first.
  it("by any function changes nothing", function()
    local found = 0
    for _, class in ipairs((stubs.read "types/nightjar.lua")) do
      local module = nj
      for part in class.name:gsub("^nightjar%.?", ""):gmatch "[^.]+" do
        module = type(module) == "table" and module[part] or nil
      end
      for _, f in ipairs(class.functions) do
        local first, name = f.params[1], class.name .. "." .. f.name
        if module and not f.method and first and PLACES[first.name] and not writers[name]
          and first.type:find "^string" then
          found = found + 1
          local make = options[name]
          untouched(name, function(path)
            local result = module[f.name](first.type:find "%[%]" and { path } or path, make and make())
            if type(result) == "table" and name == "nightjar.library.open" then
              pcall(result.search, result, "a dog")
              pcall(result.sounds, result)
              pcall(result.clips, result)
              pcall(tostring, result)
              result:close()
            end
          end)
        end
      end
    end
    assert(found >= 12, found)
  end)

  it("by a model, a library or a reader changes nothing", function()
    local model = world.model
    untouched("model:audio", function(path) return model:audio { path } end)
    untouched("model:stream", function(path)
      local next_clip, _, _, _ <close> = model:stream { path }
      return next_clip()
    end)
    untouched("model:classify", function(path) return model:classify({ path }, { "dog", "rain" }) end)
    untouched("model:similarity", function(path) return model:similarity({ "a dog" }, { path }) end)
    untouched("reader", function(path)
      local reader <close> = nj.audio.reader()
      reader:submit(path)
      return reader:next()
    end)
    untouched("lib:like", function(path)
      local lib <close> = assert(world:open { read_only = true })
      return lib:like(path)
    end)
    untouched("lib:add", function(path)
      local lib <close> = assert(nj.library.open(target "njl", { model = model }))
      return lib:add(path)
    end)
    untouched("fs", function(path)
      fs.read(path)
      fs.files(path)
      fs.stat(path)
    end)
  end)

  -- Nor does it need to: a folder that nobody may write to is searched like another.
  it("needs no leave to write", function()
    local mine = child.capture "id -u" == 0 and select(2, child.capture "id -u"):match "%d+" ~= "0"
    local as = mine and "" or "setpriv --reuid=65534 --regid=65534 --clear-groups "
    if not mine and child.capture "setpriv --reuid=65534 --regid=65534 --clear-groups true" ~= 0 then
      return pending "needs setpriv to be another user than root"
    end
    local place = temporary.folder()
    local library = temporary.write(place .. "/.nightjar.njl", fs.read(world.path))
    temporary.write(place .. "/01.wav", suite.wav(1))
    os.execute(("chmod 555 %s; chmod 444 %s"):format(child.quoted(place), child.quoted(library)))
    local before = listing(place)
    for _, line in ipairs { { "search", "a dog", place }, { "info", library },
      { "search", "--sound", place .. "/01.wav", place } } do
      if line[1] == "search" then table.move({ "--model", model_file }, 1, 2, #line + 1, line) end
      local code, _, err = child.capture(as .. "env " .. child.command("bin/nightjar", table.unpack(line)))
      assert.equal(0, code, table.concat(line, " ") .. ": " .. err)
      assert.equal(before, listing(place))
    end
    os.execute("chmod 755 " .. child.quoted(place))
    temporary.remove(place)
  end)
end)
