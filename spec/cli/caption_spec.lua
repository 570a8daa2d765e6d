-- nightjar caption, as a process of its own.
local captioners = require "spec.support.captioners"
local child = require "spec.support.child"
local json = require "dkjson"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_captioner = require "spec.support.tiny_captioner"
local tiny_model = require "spec.support.tiny_model"

describe("nightjar caption", function()
  local folder, model, one, two, captioner

  -- Exit status, standard output, standard error.
  local function run(...)
    return child.capture(child.command("bin/nightjar", "caption", ...))
  end

  setup(function()
    folder = temporary.folder()
    captioner = tiny_captioner.new { audio = tiny_model.descriptor().audio, name = "tiny" }
    captioner:load_audio(tiny_model.new())
    model = folder .. "/captioner.safetensors"
    assert(captioner:save(model))
    one = temporary.write(folder .. "/one ß.wav", sound.wav(sound.noise(20000, 1, 0.3)))
    two = temporary.write(folder .. "/two.wav", sound.wav(sound.sine(30000, 900, 32000)))
  end)
  teardown(function() temporary.remove(folder) end)

  it("prints a caption of each file", function()
    local code, out, err = run("--model", model, one, two)
    assert.equal(0, code, err)
    local want = captioner:caption { one, two }
    assert.equal(("%s\n  %.2f  %s\n%s\n  %.2f  %s\n"):format(one, math.exp(want[1][1].mean),
      want[1][1].text, two, math.exp(want[2][1].mean), want[2][1].text), out)
  end)

  it("uses the captioner that comes with nightjar", function()
    local code, out, err = run("--max", "12", two)
    assert.equal(0, code, err)
    assert.matches("two%.wav\n  %d%.%d%d  %a", out)
  end)

  it("prints JSON, goes on past files it cannot read, and says 1 then", function()
    local code, out, err = run("--model", model, "-n", "3", "--method", "nucleus", "--seed", "7",
      "--json", one, folder .. "/none.wav", two)
    assert.equal(1, code)
    assert.matches("none.wav", err, 1, true)
    local got = assert(json.decode(out))
    assert.equal("ENOTFOUND", got[2].code)
    local want = captioner:caption({ one, folder .. "/none.wav", two },
      { method = "nucleus", n = 3, rng = nj.rng(7) })
    for _, i in ipairs { 1, 3 } do
      assert.equal(3, #got[i].captions)
      for k, caption in ipairs(got[i].captions) do
        assert.equal(want[i][k].text, caption.text)
        assert.is_true(math.abs(want[i][k].logprob - caption.logprob) < 1e-9)
      end
    end
  end)

  it("says what is wrong", function()
    local deaf = folder .. "/deaf.safetensors"
    assert(tiny_captioner.new():save(deaf))
    local retrieval = folder .. "/model.safetensors"
    assert(tiny_model.new():save(retrieval))
    for status, cases in pairs {
      [1] = {
        { "no shipped model called 'nothing'", "--model", "nothing", one },
        { "this captioner takes frames", "--model", deaf, one },
        { "is a nightjar model, not a nightjar captioner", "--model", retrieval, one },
        { "greedy choice gives one caption", "--model", model, "--method", "greedy", "-n", "2", one },
        { "max must be in [1, 64]", "--model", model, "--max", "65", one },
      },
      [2] = {
        { "missing argument 'files'", "--model", model },
        { "--n takes a whole number from 1, got '0'", "-n", "0", one },
        { "option '--method'", "--method", "best", one },
      },
    } do
      for _, case in ipairs(cases) do
        local code, out, err = run(table.unpack(case, 2))
        assert.equal(status, code, err)
        assert.equal("", out)
        assert.matches(case[1], err, 1, true)
        assert.not_matches("%.lua:%d", err)
      end
    end
  end)

  it("is known to nightjar info", function()
    local out = child.run("bin/nightjar", "info", model)
    assert.matches("nightjar captioner 'tiny', 20 tokens, hears sound files", out, 1, true)
  end)

  it("reads a captioner of others with its words, and converts it", function()
    local net = nj.encoders.convnext { depths = { 1, 1, 1, 1 }, widths = { 4, 4, 4, 6 }, mels = 224,
      rng = nj.rng(1) }
    local all, path = captioners.conette_decoder("model.", 6), folder .. "/conette.safetensors"
    for name, x in pairs(net:state()) do all["preprocessor.encoder." .. name] = x:detach() end
    assert(nj.store.save(path, all))
    local list = captioners.conette_words()
    local words = temporary.write(folder .. "/words.txt", table.concat(list, "\n"))
    local options = { "--model", path, "--vocabulary", words }
    local conette = assert(nj.captioner.load(path, { vocabulary = words }))
    local function printed(task)
      local caption = conette:caption(one, { task = task })[1][1]
      return ("%s\n  %.2f  %s\n"):format(one, math.exp(caption.mean), caption.text)
    end
    local code, out, err = run(options[1], options[2], options[3], options[4], one)
    assert.equal(0, code, err)
    assert.equal(printed(), out)
    code, out = run(options[1], options[2], options[3], options[4], "--task", "macs", one)
    assert.equal(0, code)
    assert.equal(printed "macs", out)
    code, out, err = run(options[1], options[2], options[3], options[4], "--task", "sounds", one)
    assert.same({ 1, "" }, { code, out })
    assert.matches("this captioner has no task called 'sounds'", err, 1, true)
    code, out, err = run("--model", path, one)
    assert.same({ 1, "" }, { code, out })
    assert.matches("its words are in a file of their own", err, 1, true)

    local converted = folder .. "/converted.safetensors"
    local answer = io.popen(child.command("bin/nightjar", "convert", path, converted, "--vocabulary",
      words))
    out = answer:read "a"
    answer:close()
    assert.matches("a nightjar captioner of CoNeTTE: ConvNeXt of width 4 + decoder of 2 layers, 39 tokens",
      out, 1, true)
    code, out = run("--model", converted, one)
    assert.equal(0, code)
    assert.equal(printed(), out)
  end)
end)
