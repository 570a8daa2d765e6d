-- nightjar embed, as a process of its own.
local child = require "spec.support.child"
local csv = require "nightjar.data.csv"
local json = require "dkjson"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

describe("nightjar embed", function()
  local folder, model, file, one, two

  -- Exit status, standard output, standard error.
  local function run(input, ...)
    return child.capture(child.command("bin/nightjar", "embed", ...), input)
  end

  setup(function()
    folder = temporary.folder()
    file = folder .. "/model.safetensors"
    assert(tiny_model.new():save(file))
    model = assert(nj.load(file))
    one = temporary.write(folder .. "/sounds/one ß.wav", sound.wav(sound.noise(20000, 1, 0.3)))
    two = temporary.write(folder .. "/sounds/two.wav", sound.wav(sound.sine(130000, 900, 32000)))
  end)
  teardown(function() temporary.remove(folder) end)

  it("writes the vectors of a folder, with a bar", function()
    local out_file = folder .. "/v.safetensors"
    local code, out, err = run("/dev/null", "--model", file, folder .. "/sounds", "--out", out_file)
    assert.equal(0, code, err)
    assert.matches("embedding  100%%  2/2", err)
    assert.matches("^2 vectors of 12 numbers in .*/v.safetensors, their sounds in .*/v.sounds.csv\n",
      out)
    assert.matches("2 sounds, 5 s in", out)
    local clips = model:audio { one, two }
    local want = nj.stack({ clips[1].vector, clips[2].vector }, 1)
    assert.is_true(sound.same(want, nj.store.load(out_file).tensors.vectors))
    assert.equal(one, assert(csv.read(folder .. "/v.sounds.csv"))[1].path)
  end)

  it("takes a list of paths, and tells of those it cannot read", function()
    local list = temporary.write(folder .. "/list.txt", one .. "\r\n\n" .. folder .. "/none.wav\n" .. two)
    for _, how in ipairs { { list, "/dev/null" }, { "-", list } } do
      local code, out, err = run(how[2], "--model", file, "--list", how[1], "--segments", "--json",
        "--out", folder .. "/v.csv")
      assert.equal(0, code, err)
      assert.matches("nightjar: decode: cannot open '.*none.wav'", err)
      local report = assert(json.decode(out))
      local clips = model:audio { one, two }
      assert.equal(#clips[1].times + #clips[2].times, report.rows)
      assert.equal(2, report.sounds)
      assert.equal("ENOTFOUND", report.failed[1].code)
    end
  end)

  it("fails with a message", function()
    local function fails(status, text, ...)
      local code, _, err = run("/dev/null", ...)
      assert.equal(status, code, err)
      assert.matches(text, err, 1, true)
    end
    local out = folder .. "/x.npy"
    fails(2, "--out", one)
    fails(1, "name sound files or folders, or a --list of them", "--out", out)
    fails(1, "give files or --list, not both", one, "--list", "-", "--out", out)
    fails(1, "none.txt", "--list", folder .. "/none.txt", "--out", out)
    fails(1, "must end in .npy", "--model", file, one, "--out", folder .. "/x.txt")
    fails(1, "none.wav", "--model", file, folder .. "/none.wav", "--out", out)
    fails(1, "there are no sound files", temporary.folder(), "--out", out)
  end)
end)
