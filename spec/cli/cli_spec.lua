-- The command line, as processes of its own.
local nj = require "nightjar"
local checkpoints = require "spec.support.checkpoints"
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local json = require "dkjson"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"
local torch_file = require "spec.support.torch_file"

local RATE = 16000

local function wav(seed) return sound.wav(sound.noise(RATE // 2, seed, 0.3), { rate = RATE }) end

describe("nightjar", function()
  local folder, model_file, sounds

  -- Runs bin/nightjar; gives the exit status, standard output and standard error. `options`: env (a
  -- prefix of the command), input (for stdin), cwd.
  local function run(options, ...)
    local input = temporary.write(folder .. "/in.txt", options.input or "")
    local here = require("lfs").currentdir()
    local command = child.command(here .. "/bin/nightjar", ...)
    local build = here .. "/" .. (os.getenv "NIGHTJAR_BUILD" or "build")
    command = command:gsub("%./lua/", here .. "/lua/"):gsub("%./build/", build .. "/")
    if options.cwd then command = "cd " .. child.quoted(options.cwd) .. " && " .. command end
    return child.capture(("%s (%s)"):format(options.env or "", command), input)
  end

  setup(function()
    folder = temporary.folder()
    model_file = folder .. "/tiny.safetensors"
    assert(tiny_model.new():save(model_file))
    sounds = folder .. "/my söunds"
    for i = 1, 3 do temporary.write(("%s/sub dir/ß %d.wav"):format(sounds, i), wav(i)) end
    temporary.write(sounds .. "/broken.wav", "no sound at all")
  end)
  teardown(function() temporary.remove(folder) end)

  it("teaches", function()
    local code, out = run({}, "--help")
    assert.equal(0, code)
    for _, name in ipairs { "index", "search", "train", "eval", "classify", "caption", "info", "convert" } do
      assert.matches("\n   " .. name, out)
      local own, help = run({}, name, "--help")
      assert.equal(0, own)
      assert.matches("Usage: nightjar " .. name, help)
    end
    code, out = run({}, "--version")
    assert.same({ 0, nj._VERSION .. "\n" }, { code, out })
  end)

  it("says 2 when the command line is wrong, and how it is right", function()
    for _, arguments in ipairs { {}, { "serch" }, { "search" }, { "index", "x", "--nope" },
      { "search", "dog", ".", "-k", "0" }, { "search", "dog", ".", "-k", "many" },
      { "eval", "x", "--data", "esc51" }, { "eval", "x", "--order", "0" } } do
      local code, out, err = run({}, table.unpack(arguments))
      assert.equal(2, code, table.concat(arguments, " ") .. err)
      assert.equal("", out)
      local command = arguments[1] and arguments[1] ~= "serch" and " " .. arguments[1] or ""
      assert.matches("^nightjar: .*Usage: nightjar" .. command .. " %[", err)
    end
    local _, _, err = run({}, "search", "dog", ".", "-k", "0")
    assert.matches("-k takes a number from 1, got '0'", err, 1, true)
  end)

  it("refuses queries without a word as a wrong command line", function()
    for _, query in ipairs { "", "  ", "?!", "…" } do
      local code, out, err = run({}, "search", query, sounds)
      assert.same({ 2, "" }, { code, out })
      assert.matches("there is no word to look for in '" .. query .. "'", err, 1, true)
    end
  end)

  it("says 1 when it cannot do it, and why", function()
    local code, out, err = run({}, "index", folder .. "/none", "--model", model_file)
    assert.same({ 1, "" }, { code, out })
    assert.matches("none", err)
    code, out, err = run({}, "index", sounds, "--model", folder .. "/none.safetensors")
    assert.same({ 1, "" }, { code, out })
    assert.matches("^nightjar: .*none.safetensors", err)
    code, out, err = run({}, "search", "a dog", folder, "--model", model_file)
    assert.same({ 1, "" }, { code, out })
    assert.matches("no index here; make one with: nightjar index " .. folder, err, 1, true)
    code, out, err = run({}, "search", "a dog", folder .. "/none", "--model", model_file)
    assert.same({ 1, "", ("nightjar: %s/none: no such file or folder\n"):format(folder) },
      { code, out, err })
    code, out, err = run({}, "index", sounds, "--model", "no-such-model")
    assert.same({ 1, "" }, { code, out })
    assert.matches("no shipped model called 'no-such-model'", err, 1, true)
  end)

  it("indexes, again too, and searches", function()
    local code, out, err = run({}, "index", sounds, "--model", model_file)
    assert.equal(0, code, err)
    assert.matches("^3 added, 0 updated, 0 unchanged, 0 moved, 0 missing, 1 failed\n", out)
    assert.matches("nightjar: .*broken.wav", err)
    assert.equal("file", fs.kind(sounds .. "/.nightjar.njl"))
    code, out = run({ cwd = sounds }, "index", ".", "--json", "--model", model_file)
    assert.equal(0, code)
    local report = assert(json.decode(out))
    assert.same({ 0, 0, 4, 0 },
      { report.added, report.updated, report.unchanged, report.missing })
    code, out, err = run({}, "search", "a dog barks", sounds, "-k", "2", "--model", model_file)
    assert.equal(0, code, err)
    assert.matches("^a dog barks\n", out)
    assert.matches("\n  2  ", out)
    assert.not_matches("\n  3  ", out)
    assert.matches("/sub dir/ß %d%.wav", out)
    assert.not_matches("\27", out) -- no colours into a pipe
    assert.equal("", err)
    code, out = run({ cwd = sounds .. "/sub dir" }, "search", "rain", "..", "--model", model_file)
    assert.equal(0, code)
    assert.matches("%s%sß %d%.wav", out)
  end)

  it("answers in JSON, one query a line of standard input", function()
    local code, out = run({ input = "a dog\n\n  \nrain and zither\n" }, "search", "-", sounds,
      "--json", "--model", model_file)
    assert.equal(0, code)
    local answers = assert(json.decode(out))
    assert.equal(2, #answers)
    assert.same({ "a dog", "rain and zither" }, { answers[1].query, answers[2].query })
    assert.same({ "zither" }, answers[2].unknown)
    assert.equal(3, #answers[1].hits)
    for _, key in ipairs { "path", "score", "cosine", "from", "to", "seconds" } do
      assert.is_not_nil(answers[1].hits[1][key], key)
    end
    local path = sounds .. "/sub dir/ß 2.wav"
    code, out = run({}, "search", path, sounds, "--sound", "--json", "--model", model_file)
    assert.equal(0, code)
    assert.equal(path, json.decode(out)[1].hits[1].path)
  end)

  it("says where each word was heard, when the model knows", function()
    local fine, index = folder .. "/fine.safetensors", folder .. "/fine.njl"
    local descriptor = tiny_model.descriptor()
    descriptor.hci = { levels = { "clip", "frame" } }
    assert(nj.model(descriptor, { rng = nj.rng(3) }):save(fine))
    assert.equal(0, (run({}, "index", sounds, "--library", index, "--model", fine)))
    local query = "a dog barks while it rains on the roof and two old church bells ring"
    local code, out, err = run({}, "search", query, "--library", index, "-k", "1", "--model", fine)
    assert.same({ 0, "" }, { code, err })
    local words = out:match "%.wav\n     (.-)\n"
    local shown = 0
    for from, to, score in words:gmatch "%a+ 0:0(%d%.%d)–0:0(%d%.%d) %((%-?%d%.%d%d)%)" do
      assert.is_true(tonumber(from) <= tonumber(to) and math.abs(tonumber(score)) <= 1)
      shown = shown + 1
    end
    assert.equal(6, shown, out)
    assert.matches(", …$", words)
    assert.is_nil(words:find("while", 1, true)) -- which names no sound
    code, out = run({}, "search", query, "--library", index, "--json", "--model", fine)
    assert.equal(0, code)
    local hit = json.decode(out)[1].hits[1]
    assert.equal(15, #hit.words)
    assert.equal("dog", hit.words[2].word)
    for _, key in ipairs { "from", "to", "score" } do assert.is_number(hit.words[2][key]) end
    assert.is_number(hit.levels.frame)
    assert.is_number(hit.similarity)
  end)

  it("says what is empty, and asks nothing of nothing", function()
    local empty = folder .. "/empty"
    assert(fs.make_folders(empty))
    local code, out, err = run({}, "index", empty, "--model", model_file)
    assert.equal(1, code)
    assert.matches("^0 added", out)
    assert.matches("there are no sounds here", err)
    code, out = run({}, "search", "a dog", empty, "--model", model_file)
    assert.equal(1, code)
    assert.matches("the library is empty", out)
    code, out = run({ input = "" }, "search", "-", sounds, "--json", "--model", model_file)
    assert.equal(1, code)
    assert.same({}, json.decode(out))
  end)

  it("keeps the library where it is told, and refuses another model's", function()
    local file, other = folder .. "/elsewhere.njl", folder .. "/other.safetensors"
    assert(tiny_model.new(2):save(other))
    assert.equal(0, (run({}, "index", sounds, "--library", file, "--model", model_file)))
    local code, _, err = run({}, "search", "a dog", "--library", file, "--model", other)
    assert.equal(1, code)
    assert.matches("indexed with another model", err)
    assert.equal(0, (run({}, "index", sounds, "--library", file, "--model", other, "--rebuild")))
    assert.equal(0, (run({}, "search", "a dog", "--library", file, "--model", other)))
  end)

  it("tells what files hold", function()
    local library = sounds .. "/.nightjar.njl"
    local wanted = {
      [model_file] = { "nightjar model 'tiny', shared space of 12 dimensions", "archive" },
      [library] = { "sound library: 3 sounds, 1 that could not be read; 2 s of sound", "library" },
      [sounds .. "/sub dir/ß 1.wav"] = { "sound file", "sound" },
    }
    for path, want in pairs(wanted) do
      local code, out, err = run({}, "info", path)
      assert.equal(0, code, err)
      assert.matches(want[1], out, 1, true)
      code, out = run({}, "info", path, "--json")
      assert.equal(0, code)
      assert.equal(want[2], assert(json.decode(out)).kind)
    end
    local code, out = run({}, "info", model_file, "--tensors")
    assert.equal(0, code)
    assert.matches("audio.encoder.bn0.weight", out, 1, true)
    for _, path in ipairs { sounds .. "/broken.wav", folder .. "/none", folder } do
      local status, printed, err = run({}, "info", path)
      assert.same({ 1, "" }, { status, printed }, path)
      assert.matches("^nightjar: ", err)
      assert.not_matches("%.lua:%d", err)
    end
  end)

  it("makes nightjar models of others' whole models", function()
    local c = {}
    checkpoints.add(c, "audio_encoder.audio_enc.", checkpoints.cnn14(2))
    checkpoints.add(c, "text_encoder.text_encoder.", checkpoints.text { vocabulary = 15 })
    checkpoints.add(c, "audio_proj.", checkpoints.projection("mlp", 5, 6, 5))
    checkpoints.add(c, "text_proj.", checkpoints.projection("mlp", 8, 6, 6))
    c.temp = nj.ones(1)
    local path, target = folder .. "/w.safetensors", folder .. "/m.safetensors"
    local words = temporary.write(folder .. "/v.txt", table.concat(checkpoints.wordpiece, "\n") .. "\n")
    assert(nj.store.save(path, c))
    local code, out, err = run({}, "convert", path, target, "--vocabulary", words)
    assert.equal("", err)
    assert.equal(0, code)
    assert(out:find("a nightjar model of WavCaps: CNN14 + BERT, 6 dimensions", 1, true), out)
    local model = assert(nj.load(target))
    assert.equal(checkpoints.wordpiece[7], model.text_tower.vocabulary[7])
    code, out, err = run({}, "convert", path, target, "--vocabulary", words, "--half")
    assert.same({ 1, "" }, { code, out })
    assert(err:find("--half does not go with --vocabulary: a model is written whole", 1, true), err)
  end)

  it("tells and converts checkpoints of others", function()
    local p = torch_file.pickle
    local storage, target = string.pack("<ffff", 1, 2, 3, 70000), folder .. "/new.safetensors"
    local path = temporary.write(folder .. "/foreign.pth", torch_file.zip {
      ["data.pkl"] = p.file(p.dict { "epoch", 7, "model", p.dict { "module.w", p.tensor("0", { 2, 2 }),
        "module.b", p.tensor("0", { 2 }, { numel = 4 }) }, "optimizer", p.tensor("0", { 4 }) }),
      ["data/0"] = storage })
    local code, out, err = run({}, "info", path, "--tensors")
    assert.equal(0, code, err)
    assert.matches("torch: 3 tensors, 10 numbers", out, 1, true)
    assert.matches("family: none that nightjar knows", out, 1, true)
    assert.matches("  epoch: 7", out, 1, true)
    assert.matches("F32 +%(2, 2%)  model/module.w", out)
    code, out, err = run({}, "convert", path, target, "--select", "model/", "--strip-prefix",
      "model/module.", "--half")
    assert.equal(0, code, err)
    assert.matches("2 tensors, 6 numbers", out, 1, true)
    assert.matches("left out: 1 tensors", out, 1, true)
    assert.matches("renamed: 2 tensors", out, 1, true)
    assert.matches("too large for float16: w", out, 1, true)
    local file = assert(nj.store.load(target))
    assert.same({ { 1, 2 }, { 3, 70000 } }, file.tensors.w:totable())
    assert.same({ 1, 2 }, file.tensors.b:totable())
    assert.same({ epoch = "7" }, file.metadata)
    code, out = run({}, "convert", path, target, "--json")
    assert.equal(0, code)
    local done = assert(json.decode(out))
    assert.same({ 3, 0, 0, false }, { done.tensors, done.left_out, done.renamed, done.half })
    for _, case in ipairs { { { path, target, "--select", "none/" }, "none of 3 tensors begins with 'none/'" },
      { { folder .. "/none.pth", target }, "No such file" },
      { { path, folder .. "/no/such/folder" }, "cannot write" } } do
      code, out, err = run({}, "convert", table.unpack(case[1]))
      assert.same({ 1, "" }, { code, out })
      assert.matches(case[2], err, 1, true)
    end
  end)

  it("measures a folder with a CSV, and one without", function()
    temporary.write(sounds .. "/captions.csv",
      "file,caption\nsub dir/ß 1.wav,a dog barks\nsub dir/ß 2.wav,rain\nbroken.wav,wind\n")
    local code, out, err = run({}, "eval", sounds, "--captions", "captions.csv", "--model",
      model_file)
    assert.equal(0, code, err)
    assert.matches("2 clips, 2 captions", out)
    assert.matches("R@10", out)
    assert.matches("nightjar: .*broken.wav", err)
    code, out = run({}, "eval", sounds, "--captions", "captions.csv", "--json", "--model",
      model_file)
    assert.equal(0, code)
    local result = assert(json.decode(out))
    assert.equal(100, result.text_to_audio["R@5"])
    assert.equal(2, result.audio_to_text.queries)
    assert.is_nil(result.text_to_audio.ranks)
    assert.equal("broken.wav", result.failed[1].id)
    assert.equal(0, (run({}, "eval", sounds, "--model", model_file)))
    local hci_file, d = folder .. "/levels.safetensors", tiny_model.descriptor()
    d.hci = { levels = { "clip", "frame" } }
    assert(nj.model(d, { rng = nj.rng(1) }):save(hci_file))
    code, out = run({}, "eval", sounds, "--levels", "--model", hci_file)
    assert.equal(0, code)
    assert.matches("\nby the clip level alone\n.*\nby the frame level alone\n", out)
    code, out = run({}, "eval", sounds, "--levels", "--json", "--model", hci_file)
    assert.equal(0, code)
    local by_level = assert(json.decode(out)).levels
    assert.truthy(by_level.clip and by_level.frame and not by_level.segment)
    temporary.write(sounds .. "/split.csv", "file,caption,split\nsub dir/ß 1.wav,a dog,test\n")
    for _, case in ipairs { { "a folder has splits only by the column 'split' of a CSV", "--split", "x" },
      { "a folder's splits are train, validation and test, got 'x'", "--captions", "split.csv",
        "--split", "x" },
      { "its clips have no classes; name the column with --label-column", "--zero-shot" },
      { "labels are a column of a CSV of captions", "--label-column", "kind" },
      { "no label column 'kind'", "--captions", "captions.csv", "--label-column", "kind" } } do
      code, out, err = run({}, "eval", sounds, "--model", model_file, table.unpack(case, 2))
      assert.same({ 1, "" }, { code, out })
      assert.matches(case[1], err, 1, true)
    end
    code, out = run({}, "eval", sounds, "--captions", "split.csv", "--split", "test", "--json", "--model",
      model_file)
    assert.same({ 0, 1 }, { code, json.decode(out).clips })
    os.remove(sounds .. "/captions.csv")
    os.remove(sounds .. "/split.csv")
  end)

  it("measures a manifest", function()
    local lines = {}
    for i, text in ipairs { "a dog", "a dog", "rain" } do
      lines[i] = json.encode { file = ("sub dir/ß %d.wav"):format(i), text = text, set = "s",
        label = i < 3 and "dog" or "rain" }
    end
    lines[4] = json.encode { file = "broken.wav", text = "wind", label = "wind" }
    local path = temporary.write(sounds .. "/manifest.jsonl", table.concat(lines, "\n"))
    for _, case in ipairs { { path }, { sounds, "--data", "manifest" } } do
      local code, out, err = run({}, "eval", "--json", "--model", model_file, table.unpack(case))
      assert.equal(0, code, err)
      local result = assert(json.decode(out))
      assert.same({ 3, 2, 2, 3, "s", 3, "broken.wav" }, { result.clips, result.texts,
        result.text_to_audio.queries, result.audio_to_text.queries, result.sets[1].name,
        result.classes.clips, result.failed[1].id })
      assert.is_number(result.text_to_audio["mAP@16"])
      assert.is_nil(result.text_to_audio.ranks)
    end
    local code, out = run({}, "eval", path, "--model", model_file)
    assert.equal(0, code)
    assert.matches("mAP@16.*each set searched by itself.*classes by their names", out)
    code, out = run({}, "eval", path, "--zero-shot", "--json", "--model", model_file)
    assert.same({ 0, 3 }, { code, json.decode(out).clips })
    temporary.write(path, lines[1] .. "\n{")
    local bad, nothing, err = run({}, "eval", path, "--model", model_file)
    assert.same({ 1, "" }, { bad, nothing })
    assert.matches("manifest.jsonl:2: no JSON object", err, 1, true)
    os.remove(path)
  end)

  it("fine-tunes on a folder, and refuses what it cannot", function()
    local root, out = folder .. "/mine", folder .. "/mine.safetensors"
    for i, name in ipairs { "dog1", "dog2", "rain1", "rain2", "zither1", "zither2", "wind1", "wind2" } do
      temporary.write(("%s/%s.wav"):format(root, name), wav(i))
    end
    local code, text, err = run({}, "finetune", root, "--model", model_file, "--out", out, "--epochs", "1",
      "--batch", "2", "--test", "0")
    assert.equal(0, code, err)
    assert.matches("validation: 2 clips", text, 1, true)
    assert.matches("kept: ", text, 1, true)
    assert.is_table(assert(nj.load(out)))
    local split = assert(nj.data.csv.read(folder .. "/mine-run/split.csv"))
    assert.equal(8, #split)
    code, text, err = run({}, "finetune", folder .. "/none", "--model", model_file, "--out", out)
    assert.same({ 1, "" }, { code, text })
    assert.matches("none is no folder", err, 1, true)
    code = run({}, "finetune", root, "--test", "2")
    assert.equal(2, code)
  end)

  it("measures ESC-50's layout", function()
    local root, lines = folder .. "/esc", { "filename,fold,target,category,esc10,src_file,take" }
    for i, class in ipairs { "dog", "rain", "cat", "dog" } do
      local name = ("%d-%d-A-%d.wav"):format(i < 4 and 5 or 1, i, i)
      temporary.write(root .. "/audio/" .. name, wav(i))
      lines[#lines + 1] = ("%s,%d,%d,%s,False,%d,A"):format(name, i < 4 and 5 or 1, i, class, i)
    end
    temporary.write(root .. "/meta/esc50.csv", table.concat(lines, "\n") .. "\n")
    local code, out, err = run({}, "eval", root, "--data", "esc50", "--json", "--model", model_file)
    assert.equal(0, code, err)
    assert.equal(3, json.decode(out).clips)
    code, out = run({}, "eval", root, "--data", "esc50", "--split", "1", "--json", "--model",
      model_file)
    assert.same({ 0, 1 }, { code, json.decode(out).clips })
    code, out, err = run({}, "eval", root, "--data", "esc50", "--split", "9", "--model", model_file)
    assert.same({ 1, "" }, { code, out })
    assert.matches("a fold from 1 to 5, got '9'", err, 1, true)
  end)

  it("measures how well classes are told by their names", function()
    local root = folder .. "/classes"
    for i = 1, 3 do temporary.write(("%s/%d.wav"):format(root, i), wav(i)) end
    temporary.write(root .. "/c.csv", "file,caption,kind\n1.wav,x,dog\n2.wav,x,rain\n3.wav,x,dog\n")
    local function eval(...)
      return run({}, "eval", root, "--captions", "c.csv", "--label-column", "kind", "--zero-shot",
        "--model", model_file, ...)
    end
    local code, out, err = eval("--template", "a {}", "--template", "the {}", "--ensemble", "scores",
      "--json")
    assert.equal(0, code, err)
    local got = assert(json.decode(out))
    assert.same({ dog = { "a dog", "the dog" }, rain = { "a rain", "the rain" } }, got.prompts)
    local model = assert(nj.load(model_file))
    local right, taken = 0, { dog = { dog = 0, rain = 0 }, rain = { dog = 0, rain = 0 } }
    local labels = { "dog", "rain", "dog" }
    for i, p in ipairs(model:classify({ root .. "/1.wav", root .. "/2.wav", root .. "/3.wav" },
      { "dog", "rain" }, { templates = { "a {}", "the {}" }, ensemble = "scores" })) do
      if p.label == labels[i] then right = right + 1 end
      taken[labels[i]][p.label] = taken[labels[i]][p.label] + 1
    end
    assert.is_true(math.abs(100 * right / 3 - got.accuracy) < 1e-9)
    assert.same({ { taken.dog.dog, taken.dog.rain }, { taken.rain.dog, taken.rain.rain } }, got.confusion)
    code, out, err = eval()
    assert.equal(0, code, err)
    assert.matches("%[2 labels, %d+ prompts, mean of vectors;", out)
    assert.matches("\naccuracy ", out)
    if right < 3 then assert.matches("taken for another most often\n  %d of %d  %a+ as %a+", out) end
    for i = 1, 3 do temporary.write(("%s/%d.wav"):format(root, i), "no sound") end
    code, out, err = eval()
    assert.same({ 1, "" }, { code, out })
    assert.matches("nothing to classify: none of 3 clips could be read", err, 1, true)
  end)

  it("runs a training script with its arguments, and a configuration", function()
    local script = temporary.write(folder .. "/t.lua", "print(arg[1], ..., arg[0]:match '[^/]+$')")
    local code, out = run({}, "train", script, "seven")
    assert.same({ 0, "seven\tseven\tt.lua\n" }, { code, out })
    local err
    code, out, err = run({}, "train", folder .. "/none.lua")
    assert.same({ 1, "" }, { code, out })
    assert.matches("none.lua", err)
    code, out, err = run({}, "train", temporary.write(folder .. "/c.json", "{"))
    assert.same({ 1, "" }, { code, out })
    assert.matches("c.json", err)
    code, out, err = run({}, "train", temporary.write(folder .. "/c.json", '{"epoch": 1}'))
    assert.same({ 1, "" }, { code, out })
    assert.matches("unknown option 'epoch' (did you mean 'epochs'?)", err, 1, true)
    local d = tiny_model.descriptor()
    d.text.vocabulary = nil
    temporary.write(folder .. "/c.json", json.encode { out = folder .. "/mine.safetensors",
      run = folder .. "/run", epochs = 1, model = d, progress = false, vocabulary_size = 100,
      data = { { kind = "folder", root = sounds } }, loader = { batch = 2 } })
    code, out, err = run({}, "train", folder .. "/c.json")
    assert.equal(0, code, err)
    assert.matches("wrote .*mine.safetensors", out)
    assert(nj.load(folder .. "/mine.safetensors"))
  end)

  it("shows no colour where NO_COLOR or a pipe says so", function()
    if os.execute "command -v script > /dev/null 2>&1" then
      local here = require("lfs").currentdir()
      local command = child.command(here .. "/bin/nightjar", "search", "a dog", sounds, "--model",
        model_file)
      local function terminal(environment)
        local pipe = assert(io.popen(environment .. " script -qec " .. child.quoted(command)
          .. " /dev/null < /dev/null"))
        local out = pipe:read "a"
        pipe:close()
        return out
      end
      assert.matches("\27%[1ma dog", terminal "TERM=xterm NO_COLOR=")
      assert.not_matches("\27%[1m", terminal "TERM=xterm NO_COLOR=1")
      assert.not_matches("\27%[1m", terminal "TERM=dumb NO_COLOR=")
    end
  end)
end)
