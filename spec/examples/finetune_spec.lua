-- examples/finetune.lua from end to end, over made sounds: what it prints, what it refuses, and that
-- nightjar's commands use what it writes.
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local json = require "dkjson"
local nj = require "nightjar"
local synth = require "examples.synth.sounds"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local CAPTIONS = { dog = "a dog barks", rain = "rain falls on a roof", wind = "the wind blows" }

describe("examples/finetune.lua", function()
  local folder, sounds
  setup(function()
    folder = temporary.folder()
    sounds = folder .. "/sounds"
    assert(fs.make_folders(sounds))
    local rows, seed = { "file_name,caption_1,caption_2,split" }, 0
    for _, class in ipairs { "dog", "rain", "wind" } do
      for take = 1, 5 do
        seed = seed + 1
        local name = ("%s%d.wav"):format(class, take)
        assert(nj.audio.write(fs.join(sounds, name), synth.make(class, { seed = seed, seconds = 1 }), 32000))
        rows[#rows + 1] = ("%s,%s,loud %s,%s"):format(name, CAPTIONS[class], class,
          take <= 3 and "development" or take == 4 and "validation" or "evaluation")
      end
    end
    rows[#rows + 1] = "gone.wav,nothing,,development"
    temporary.write(folder .. "/captions.csv", table.concat(rows, "\n") .. "\n")
    assert(tiny_model.new():save(folder .. "/model.safetensors"))
  end)
  teardown(function() temporary.remove(folder) end)

  local function run(name, ...)
    return child.run("examples/finetune.lua", "--out", ("%s/%s.safetensors"):format(folder, name), "--features",
      folder .. "/features", "--epochs", "2", "--batch", "4", "--threads", "1", ...)
  end
  local function tune(name, ...)
    return run(name, "--model", folder .. "/model.safetensors", "--sounds", sounds, "--captions",
      folder .. "/captions.csv", ...)
  end

  it("writes a model that index, search and eval take, as it says", function()
    local output, code = tune("a", "--report", folder .. "/report.json", "--hci", "clip,frame", "--half")
    assert.equal(0, code, output)
    assert.matches("captions.csv:17: no sound file 'gone.wav'", output, 1, true)
    assert.matches("features: 0 read from the cache, 15 computed", output, 1, true)
    assert.matches("validation: 3 clips, 6 captions", output, 1, true)
    assert.matches("test: 3 clips, 6 captions", output, 1, true)
    assert.matches("before +after +%[95 %% CI%] +chance", output)
    local report = assert(json.decode((assert(fs.read(folder .. "/report.json")))))
    assert.same({ train = 9, validation = 3, test = 3 }, report.clips)
    local commands = 0
    for command, rest in output:gmatch "\n  nightjar (%l+) ([^\n]+)" do
      commands = commands + 1
      local line = child.command("bin/nightjar", command) .. " " .. rest
      local pipe = assert(io.popen(line .. " 2>&1 < /dev/null"))
      local said = pipe:read "a"
      assert.is_true(pipe:close(), command .. ": " .. said)
      if command == "eval" then
        local R = report.after.test.retrieval.text_to_audio["R@1"]
        assert.matches(("R@1 +%.2f"):format(R), said)
        assert.matches("3 clips, 6 captions", said, 1, true)
      end
    end
    assert.equal(3, commands)
  end)

  it("has the features in no time the second time, and nothing left to do the third", function()
    local output, code = tune("b", "--seed", "2")
    assert.equal(0, code, output)
    assert.matches("features: 15 read from the cache, 0 computed", output, 1, true)
    local before = assert(fs.read(folder .. "/b.safetensors"))
    output, code = tune("b", "--seed", "2")
    assert.equal(0, code, output)
    assert.equal(nj.digest(before), nj.digest((assert(fs.read(folder .. "/b.safetensors")))))
    local split = assert(fs.read(folder .. "/b-run/split.csv"))
    output, code = tune("b", "--seed", "3")
    assert.equal(1, code)
    assert.equal(split, assert(fs.read(folder .. "/b-run/split.csv")))
    assert.matches("holds another run: 'seed: 2' there, 'seed: 3' here", output, 1, true)
  end)

  it("draws a split where there is none, and keeps it", function()
    local output, code = run("c", "--model", folder .. "/model.safetensors", "--sounds", sounds, "--validation",
      "0.3")
    assert.equal(0, code, output)
    assert.matches("validation: 5 clips", output, 1, true) -- half of 15 · 0.3 = 4.5, rounded up
    local rows = assert(nj.data.csv.read(folder .. "/c-run/split.csv"))
    local count = {}
    for _, row in ipairs(rows) do count[row.split] = (count[row.split] or 0) + 1 end
    assert.same({ train = 10, validation = 5 }, count)
  end)

  it("begins a model behind an encoder of others", function()
    local net = nj.encoders.from("mn04", { rng = nj.rng(1), encoder = { classes = 2 } })
    local weights = folder .. "/mn04.safetensors"
    assert(nj.store.save(weights, net:state()))
    local output, code = run("d", "--encoder", "mn04", "--checkpoint", weights, "--sounds", sounds,
      "--captions", folder .. "/captions.csv", "--vocabulary", "60", "--text-width", "16",
      "--text-layers", "1", "--dim", "16", "--epochs", "1")
    assert.equal(0, code, output)
    local model = assert(nj.load(folder .. "/d.safetensors"))
    assert.equal("mobilenet", model.audio_tower.encoder:descriptor().kind)
    assert.equal(16, model.dim)
  end)

  it("says what is wrong in a line, with status 1", function()
    local function refused(text, ...)
      local output, code = run("e", ...)
      assert.equal(1, code, output)
      assert.matches("finetune: ", output, 1, true)
      assert.matches(text, output, 1, true)
      assert.is_nil(output:find("stack traceback", 1, true), output)
    end
    local function with_csv(text)
      return "--model", folder .. "/model.safetensors", "--sounds", sounds, "--captions",
        temporary.write(folder .. "/bad.csv", text)
    end
    refused("give either --model, to go on with, or --encoder", "--sounds", sounds)
    refused("--encoder needs --checkpoint", "--encoder", "mn04", "--sounds", sounds)
    refused("none is no folder", "--model", folder .. "/model.safetensors", "--sounds", folder .. "/none")
    refused("none.csv", "--model", folder .. "/model.safetensors", "--sounds", sounds, "--captions",
      folder .. "/none.csv")
    refused("bad.csv:3: expected 2 fields, got 3",
      with_csv "file,caption\ndog1.wav,a dog\nrain1.wav,rain, loud\n")
    refused("bad.csv:2: the path \"../x.wav\" leaves the folder", with_csv "file,caption\n../x.wav,a\n")
    refused("bad.csv:3: 'dog1.wav' is in the split 'test' here and in 'train' on line 2",
      with_csv "file,caption,split\ndog1.wav,a,train\ndog1.wav,b,test\n")
    refused("line 2, 'dog1.wav': the split is 'mine'", with_csv "file,caption,split\ndog1.wav,a,mine\n")
    refused("no clip has a sound file", with_csv "file,caption\nx.wav,a\n")
    refused("none.safetensors", "--model", folder .. "/none.safetensors", "--sounds", sounds)
    refused("no architecture is called 'mn4' (did you mean 'mn04'?)", "--encoder", "mn4", "--checkpoint",
      folder .. "/model.safetensors", "--sounds", sounds)
    refused("head: option 'hci.levels'", "--model", folder .. "/model.safetensors", "--sounds", sounds, "--hci",
      "words")
  end)
end)
