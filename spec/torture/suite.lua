--- What the suites of this folder share: how long they run, and a small world to be damaged: sounds,
--- a model, a library of them, and the truth about each.
local fault = require "njfault"
local fs = require "nightjar.fs"
local lfs = require "lfs"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local suite = {}

--- NIGHTJAR_TORTURE=1 (make torture) runs the suites at full length, 0.1 a tenth of it (CI).
local share = tonumber(os.getenv "NIGHTJAR_TORTURE" or "") or 0
suite.long = share > 0

---@param short integer in `make test`, and at least
---@param long integer
function suite.rounds(short, long) return math.max(short, math.ceil(share * long)) end

--- A line for docs/reliability.md and for CI.
function suite.figure(text, ...)
  if suite.long then
    io.stdout:write("FIGURE ", text:format(...), "\n")
    io.stdout:flush()
  end
end

local RATE = 8000

local sink = { flush = function() end }
function sink.write() return sink end

--- Runs a command line in this process; nobody sees what it says, and standard input is a file.
---@return integer status; raises what the program raises
function suite.nightjar(input, ...)
  local cli = require "nightjar.cli"
  local old = { print = print, write = io.write, stdin = io.stdin, stdout = io.stdout, stderr = io.stderr }
  local file <close> = assert(io.open(input))
  rawset(_G, "print", function() end)
  rawset(io, "write", sink.write)
  rawset(io, "stdin", file)
  rawset(io, "stdout", sink)
  rawset(io, "stderr", sink)
  local done, status = pcall(cli.main, { ... })
  rawset(_G, "print", old.print)
  for name, value in pairs(old) do if name ~= "print" then rawset(io, name, value) end end
  if not done then error(status, 0) end
  return status
end

--- Writes a file, quickly.
function suite.put(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

--- Bytes of a WAV file, noise by seed.
---@param seconds? number a tenth
function suite.wav(seed, seconds)
  return sound.wav(sound.noise(math.floor(RATE * (seconds or 0.1)), seed, 0.3), { rate = RATE })
end

local World = {}
World.__index = World

suite.queries = { "a dog", "rain on the roof", "two bells ring" }

-- A model that compares texts with frames and segments, too.
local function model_with_levels()
  local descriptor = tiny_model.descriptor()
  local tokens = { kind = "cluster", tokens = 3 }
  descriptor.hci = { levels = { "clip", "segment", "frame" }, segments = tokens, phrases = tokens }
  return nj.model(descriptor, { rng = nj.rng(4) })
end

--- A folder with `n` sounds and the place of their library. `options`: `levels` (false): a model with
--- finer levels; `seconds` (0.1) of each sound.
function suite.world(n, options)
  options = options or {}
  local folder = temporary.folder()
  local world = setmetatable({ folder = folder, truth = {}, seconds = options.seconds or 0.1, missing = false,
    model = options.levels and model_with_levels() or tiny_model.new() }, World)
  world.sounds = folder .. "/sounds"
  world.path = world.sounds .. "/.nightjar.njl"
  for i = 1, n do world:write(("%02d.wav"):format(i), i) end
  world.texts = {}
  for i, query in ipairs(suite.queries) do world.texts[i] = world.model:text(query)[1] end
  return world
end

--- Writes a sound and learns what is true of it.
function World:write(name, seed)
  local path = temporary.write(self.sounds .. "/" .. name, suite.wav(seed, self.seconds))
  local clip = self.model:audio({ path })[1]
  self.truth[name] = self.truth[name] or {}
  self.truth[name][clip.vector:bytes()] = true -- a sound that changes has several vectors
end

function World:remove() temporary.remove(self.folder) end

local PARTS = { "", "-wal", "-shm", "-journal" }

--- Files of the library by ending.
function World:files()
  local files = {}
  for _, ending in ipairs(PARTS) do files[ending] = fs.read(self.path .. ending) end
  return files
end

--- Puts the library's files back; those that are not named go away.
function World:restore(files)
  for _, ending in ipairs(PARTS) do
    os.remove(self.path .. ending)
    if files[ending] then temporary.write(self.path .. ending, files[ending]) end
  end
end

local function hex(bytes)
  return ("X'%s'"):format(bytes:gsub(".", function(c) return ("%02X"):format(c:byte()) end))
end

-- Tables of earlier versions, as they were made.
local EARLIER = [[
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sounds(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
 mtime INTEGER NOT NULL, seconds REAL NOT NULL, error TEXT, vector BLOB);
CREATE TABLE segments(sound INTEGER PRIMARY KEY REFERENCES sounds(id) ON DELETE CASCADE,
 times BLOB NOT NULL, vectors BLOB NOT NULL);
PRAGMA application_id = 0x6e6a6c62;]]
local LEVELS = [[
CREATE TABLE IF NOT EXISTS levels(id INTEGER PRIMARY KEY, sound INTEGER NOT NULL REFERENCES sounds(id)
 ON DELETE CASCADE, name TEXT NOT NULL, step REAL NOT NULL, scales BLOB NOT NULL, codes BLOB NOT NULL,
 weights BLOB, UNIQUE(sound, name));]]

--- Makes the library one of an earlier version (1 or 2), with the sounds that lie in the folder. There
--- must be one of today's, for the model's mark.
function World:earlier(version)
  local mark = assert(fault.query(self.path, "SELECT value FROM meta WHERE key = 'model'"))[1][1]
  self:restore { [""] = "" }
  local sql = { "BEGIN;", EARLIER, version > 1 and LEVELS or "", ("PRAGMA user_version = %d;"):format(version),
    ("INSERT INTO meta VALUES('model', '%s');"):format(mark) }
  for i, name in ipairs(assert(fs.files(self.sounds))) do
    local path = self.sounds .. "/" .. name
    local clip, file = self.model:audio({ path })[1], lfs.attributes(path)
    sql[#sql + 1] = ("INSERT INTO sounds VALUES(%d, '%s', %d, %d, %.17g, NULL, %s);"):format(i, path, file.size,
      file.modification, clip.seconds, hex(clip.vector:bytes()))
    sql[#sql + 1] = ("INSERT INTO segments VALUES(%d, %s, %s);"):format(i, hex(nj.tensor(clip.times):bytes()),
      hex(clip.segments:bytes()))
  end
  sql[#sql + 1] = "COMMIT"
  assert(fault.query(self.path, table.concat(sql, "\n")))
end

function World:open(options)
  local o = { model = self.model }
  for key, value in pairs(options or {}) do o[key] = value end
  return nj.library.open(self.path, o)
end

local function name_of(path) return path:match "[^/]+$" end

--- The vectors of an open library by name, with those of files that are missing when `world.missing`;
--- raises when one is not what its sound has.
function World:state(lib)
  local state = {}
  for _, clip in ipairs(assert(lib:clips { missing = self.missing })) do
    local name, bytes = name_of(clip.path), clip.vector:bytes()
    local known = assert(self.truth[name], "a sound that never was: " .. name)
    assert(known[bytes], "a vector that is not that of " .. name)
    assert(not state[name], "a sound twice: " .. name)
    state[name] = bytes
  end
  return state
end

--- Whether hits are what the sounds of `state` deserve: all of the best, in their order, with their
--- cosines. Gives nil and what is wrong.
function World:right(hits, text, state, k)
  local best = {}
  for name, bytes in pairs(state) do
    best[#best + 1] = { name = name,
      cosine = nj.frombytes(bytes, { shape = { self.model.dim } }):matmul(text):item() }
  end
  table.sort(best, function(a, b) return a.cosine > b.cosine end)
  if #hits ~= math.min(k, #best) then
    return nil, ("%d hits of %d sounds, %d wanted"):format(#hits, #best, k)
  end
  for i, hit in ipairs(hits) do
    local expected = best[i]
    if hit.score ~= hit.score or math.abs(hit.score - expected.cosine) >= 1e-5 then
      return nil, ("hit %d has score %s, not %s"):format(i, hit.score, expected.cosine)
    end
    local bytes = state[name_of(hit.path)]
    local own = bytes and nj.frombytes(bytes, { shape = { self.model.dim } }):matmul(text):item()
    if not own or math.abs(own - hit.score) > 1e-5 then
      return nil, ("hit %d is %s, not %s"):format(i, hit.path, expected.name)
    end
    if not (0 <= hit.from and hit.from <= hit.to and hit.to <= hit.seconds + 1e-6
      and math.abs(hit.seconds - self.seconds) < 1e-6) then
      return nil, ("hit %d is at %s to %s of %s s"):format(i, hit.from, hit.to, hit.seconds)
    end
  end
  return true
end

--- Asks all queries. true when every answer is right, false and a message when one was refused;
--- raises when one is wrong.
function World:search(lib, state, k)
  k = k or 3
  for i, query in ipairs(suite.queries) do
    local hits, message, code = lib:search(query, { k = k, missing = self.missing })
    if not hits then
      assert(type(message) == "string" and type(code) == "string", "a refusal says why, with a code")
      return false, message
    end
    assert(self:right(hits, self.texts[i], state, k))
  end
  return true
end

-- Equal in everything, numbers to five places.
local function alike(a, b, where)
  if type(a) == "number" and type(b) == "number" then
    if a == b or math.abs(a - b) <= 1e-5 * math.max(1, math.abs(a)) then return true end
  elseif type(a) == "table" and type(b) == "table" then
    for key in pairs(b) do if a[key] == nil then return nil, ("%s.%s is missing"):format(where, key) end end
    for key, value in pairs(a) do
      -- A sound that is taken in again may get another id.
      if key ~= "id" then
        local ok, why = alike(value, b[key], ("%s.%s"):format(where, key))
        if not ok then return nil, why end
      end
    end
    return true
  elseif a == b then
    return true
  end
  return nil, ("%s is %s, not %s"):format(where, b, a)
end

--- Remembers the answers of a library that nothing happened to.
function World:remember(lib)
  self.answers = {}
  for i, query in ipairs(suite.queries) do self.answers[i] = assert(lib:search(query, { k = 100 })) end
end

--- Asks again. true when all answers are as remembered, in everything that they say; false and a
--- message when one was refused; raises when one is wrong.
function World:as_remembered(lib)
  for i, query in ipairs(suite.queries) do
    local hits, message, code = lib:search(query, { k = 100 })
    if not hits then
      assert(type(message) == "string" and type(code) == "string", "a refusal says why, with a code")
      return false, message
    end
    assert(alike(self.answers[i], hits, "hits"))
  end
  return true
end

--- What `after` has, `before` had or has, nothing else; nothing that both have is missing.
function suite.between(state, before, after)
  for name, bytes in pairs(state) do
    if bytes ~= before[name] and bytes ~= after[name] then
      return nil, name .. ": neither as it was nor as it is to be"
    end
  end
  for name, bytes in pairs(before) do
    if after[name] and not state[name] then return nil, name .. " is lost" end
    if after[name] == bytes and state[name] ~= bytes then return nil, name .. " changed" end
  end
  return true
end

function suite.same(a, b)
  for name, bytes in pairs(a) do if b[name] ~= bytes then return nil, name .. " differs" end end
  for name in pairs(b) do if not a[name] then return nil, name .. " is missing" end end
  return true
end

return suite
