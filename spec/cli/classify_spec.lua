-- nightjar classify, as a process of its own.
local child = require "spec.support.child"
local json = require "dkjson"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

describe("nightjar classify", function()
  local folder, model, file, one, two

  -- Exit status, standard output, standard error.
  local function run(...)
    return child.capture(child.command("bin/nightjar", "classify", ...))
  end

  setup(function()
    folder = temporary.folder()
    file = folder .. "/model.safetensors"
    assert(tiny_model.new():save(file))
    model = assert(nj.load(file))
    one = temporary.write(folder .. "/sounds/one ß.wav", sound.wav(sound.noise(20000, 1, 0.3)))
    two = temporary.write(folder .. "/sounds/two.wav", sound.wav(sound.sine(30000, 900, 32000)))
  end)
  teardown(function() temporary.remove(folder) end)

  it("prints the labels of each file, and what the model never learnt", function()
    local code, out, err = run("--model", file, one, two, "--labels", "dog, rain,cat,theremin", "-k", "2")
    assert.equal(0, code, err)
    assert.matches("words new to the model: .*theremin", err)
    local want = model:classify({ one, two }, { "dog", "rain", "cat", "theremin" })
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(6, #lines)
    for i, path in ipairs { one, two } do
      assert.equal(path .. "  0:00.0–" .. (i == 1 and "0:00.6" or "0:00.9"), lines[3 * i - 2])
      for k = 1, 2 do
        local p = want[i][k]
        local full = math.floor(p.probability * 10 + 0.5)
        assert.equal(("  %s%s %4.0f %%  %s"):format(("█"):rep(full), ("·"):rep(10 - full),
          100 * p.probability, p.label), lines[3 * i - 2 + k])
      end
    end
  end)

  it("prints JSON of files and folders, with labels and prompts of a file", function()
    local labels = temporary.write(folder .. "/labels.txt",
      "dog\r\n\nrain\tit rain\train fall on the roof\ncat \n")
    local code, out, err = run("--model", file, folder .. "/sounds", folder .. "/none.wav",
      "--labels-file", labels, "--template", "a {}", "--template", "the {}", "--ensemble", "scores",
      "--temperature", "0.5", "--json")
    assert.equal(1, code)
    assert.matches("none.wav", err, 1, true)
    local got = assert(json.decode(out))
    assert.equal(3, #got)
    assert.equal("ENOTFOUND", got[3].code)
    assert.is_nil(got[3].labels)
    local want = model:classify({ one, two },
      { "dog", "cat", rain = { "it rain", "rain fall on the roof" } },
      { templates = { "a {}", "the {}" }, ensemble = "scores", temperature = 0.5 })
    for i = 1, 2 do
      assert.equal(want[i].path, got[i].file)
      assert.equal(3, #got[i].labels)
      for k, item in ipairs(got[i].labels) do
        assert.equal(want[i][k].label, item.label)
        for _, name in ipairs { "probability", "score" } do
          assert.is_true(math.abs(want[i][k][name] - item[name]) < 1e-6)
        end
        assert.is_number(item.levels.clip)
      end
    end
  end)

  it("uses the model that comes with nightjar, whose calibration judges each label", function()
    local code, out, err = run(two, "--labels", "dog,rain", "--multi-label", "--json")
    assert.equal(0, code, err)
    local want = assert(nj.load "nightjar-base"):classify({ two }, { "dog", "rain" },
      { multi_label = true })[1]
    for k, item in ipairs(assert(json.decode(out))[1].labels) do
      assert.is_true(math.abs(want[k].probability - item.probability) < 1e-6)
    end
  end)

  it("says what is wrong", function()
    local empty = temporary.write(folder .. "/empty.txt", "\n \n")
    for status, cases in pairs {
      [1] = {
        { "name the labels with --labels or --labels-file", "--model", file, one },
        { "there are no labels", "--model", file, one, "--labels", "," },
        { "there are no labels", "--model", file, one, "--labels-file", empty },
        { "the label 'dog' comes twice", "--model", file, one, "--labels", "dog,rain,dog" },
        { "none.txt", "--model", file, one, "--labels-file", folder .. "/none.txt" },
        { "no shipped model called 'nothing'", "--model", "nothing", one, "--labels", "dog" },
        { "the template 'x' has no {} for the label", "--model", file, one, "--labels", "dog",
          "--template", "x" },
        { "multi_label asks for a calibrated model", "--model", file, one, "--labels", "dog",
          "--multi-label" },
      },
      [2] = {
        { "missing argument 'files'", "--labels", "dog" },
        { "-k takes a number from 1, got '0'", one, "--labels", "dog", "-k", "0" },
        { "--temperature takes a number above 0, got '-1'", one, "--labels", "dog", "--temperature=-1" },
        { "can not be used together", one, "--labels", "dog", "--labels-file", empty },
      },
    } do
      for _, case in ipairs(cases) do
        local code, out, err = run(table.unpack(case, 2))
        assert.equal(status, code, case[1] .. "\n" .. err)
        assert.equal("", out)
        assert.matches(case[1], err, 1, true)
        assert.not_matches("%.lua:%d", err)
      end
    end
  end)
end)
