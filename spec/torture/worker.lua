-- usage: lua5.4 spec/torture/worker.lua ROLE FOLDER [ARGUMENT…]
-- One process of the suites with several: it works on the library in FOLDER/sounds with the model in
-- FOLDER/tiny.safetensors. The last line is "done" when nothing went wrong.
--   index              opens and indexes
--   killed KIND AT     the same, killed at call AT of KIND (njfault)
--   calls              the same, counting: prints "KIND N" for each kind
--   write FIRST LAST   waits for FOLDER/go; indexes; changes sounds FIRST … LAST and indexes, 3 times
--   read               waits for FOLDER/go; searches until FOLDER/stop is there
local role, folder, first, last = ...
local fault = (role == "killed" or role == "calls") and require "njfault"
local nj = require "nightjar"
local lfs = require "lfs"

local model = assert(nj.load(folder .. "/tiny.safetensors"))
local sounds = folder .. "/sounds"
local library = sounds .. "/.nightjar.njl"

local function index()
  local lib <close> = assert(nj.library.open(library, { model = model }))
  local report = assert(lib:add(sounds))
  assert(#report.failed == 0, report.failed[1] and report.failed[1].error)
end

local function wait_for(name)
  local started = nj.system.clock()
  while not lfs.attributes(folder .. "/" .. name) do
    assert(nj.system.clock() - started < 60, "nobody said " .. name)
  end
end

local roles = {}

roles.index = index

function roles.killed()
  fault.arm(first, tonumber(last), "kill")
  index()
end

function roles.calls()
  fault.arm()
  index()
  local _, calls = fault.disarm()
  for kind, n in pairs(calls) do print(kind, n) end
end

function roles.write()
  wait_for "go"
  index()
  for round = 1, 3 do
    for i = tonumber(first), tonumber(last) do
      -- The other version of the sound takes its place whole, as programs save files.
      local name = ("%02d.wav"):format(i)
      local from <close> = assert(io.open(("%s/versions/%d/%s"):format(folder, round % 2 + 1, name), "rb"))
      local part = ("%s/%s.part"):format(sounds, name)
      local to <close> = assert(io.open(part, "wb"))
      assert(to:write(from:read "a"))
      to:close()
      assert(os.rename(part, sounds .. "/" .. name))
    end
    index()
  end
end

-- Every answer must be right: each hit's score is that of one of its sound's versions, and what was
-- found once stays.
function roles.read()
  local truth = dofile(folder .. "/truth.lua")
  local most, answers = 0, 0
  wait_for "go"
  repeat
    local stop = lfs.attributes(folder .. "/stop") ~= nil
    local lib, message, code = nj.library.open(library, { model = model, read_only = true })
    if not lib then
      -- It is not there yet, or still empty.
      assert(most == 0 and not stop and (code == "ENOTFOUND" or code == "EFORMAT"), message)
    else
      for query, scores in pairs(truth) do
        local hits = assert(lib:search(query, { k = 1000 }))
        for _, hit in ipairs(hits) do
          local right = false
          for _, score in ipairs(assert(scores[hit.path:match "[^/]+$"], hit.path)) do
            right = right or math.abs(score - hit.score) < 1e-5
          end
          assert(right, ("%s has score %s"):format(hit.path, hit.score))
        end
        assert(#hits >= most, ("%d sounds, once there were %d"):format(#hits, most))
        most, answers = #hits, answers + 1
      end
      lib:close()
    end
  until stop
  print(("answers %d"):format(answers))
end

roles[role]()
print "done"
