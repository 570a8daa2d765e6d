local data = require "nightjar.data"
local shared = require "spec.support.shared"
local temporary = require "spec.support.temporary"

describe("nj.data.generated", function()
  local dir
  before_each(function() dir = temporary.folder() end)

  local function write(name, text)
    temporary.write(dir .. "/" .. name, text)
    return dir .. "/" .. name
  end

  -- The error of reading `text`, without the folder in front.
  local function failure(name, text, options)
    local set, message, code = data.generated(write(name, text), options)
    assert.is_nil(set)
    return (message:gsub(dir:gsub("%p", "%%%0") .. "/", "")), code
  end

  local function texts(set, id)
    local out = {}
    for i, caption in ipairs(set:of(id)) do out[i] = caption.text end
    return out
  end

  local function clips(names, fields)
    local list = {}
    for i, name in ipairs(names) do
      list[i] = { id = "test/" .. name, file_name = name, captions = {} }
    end
    fields = fields or {}
    return data.dataset.new {
      name = "Some", split = fields.split or "test", clips = list, missing = fields.missing,
    }
  end

  describe("CSV", function()
    it("reads one caption a row, several rows a clip", function()
      local set = assert(data.generated(write("own.csv",
        'file,caption\na.wav,"a dog, barking"\nb.wav,rain\na.wav,  a   dog\n')))
      assert.same({ "a dog, barking", "a dog" }, texts(set, "a.wav"))
      assert.same({ { text = "rain", source = "own" } }, set:of "b.wav")
      assert.same({ "a.wav", "b.wav" }, set:ids())
      assert.same({}, set:of "c.wav")
      assert.equal("own: 2 clips, 3 captions (1 to 2 a clip)", tostring(set))
      assert.equal(2, #set)
    end)
    it("reads caption_1 … caption_n, empty ones left out", function()
      local set = assert(data.generated(write("n.csv",
        "file_name,caption_1,caption_2,caption_3\na.wav,one,,three\n"), { source = "me" }))
      assert.same({ "one", "three" }, texts(set, "a.wav"))
      assert.equal("me", set:of("a.wav")[1].source)
      assert.equal(1, set.empty)
    end)
    it("sorts by log-probability", function()
      local set = assert(data.generated(write("p.csv",
        "clip,text,logprob\na,low,-3\na,high,-0.5\na,tie,-3\nb,none,\n")))
      assert.same({ "high", "low", "tie" }, texts(set, "a"))
      assert.equal(-0.5, set:of("a")[1].logprob)
      assert.is_nil(set:of("b")[1].logprob)
      assert.equal(3, set:counts().logprobs)
    end)
    it("takes the fields it is given", function()
      local path = write("odd.csv", "sound,zero,one,sure\nx.wav,none,some,0.5\n")
      local set = assert(data.generated(path, {
        file_field = "sound", caption_fields = { "one", "zero" },
      }))
      assert.same({ "some", "none" }, texts(set, "x.wav"))
      set = assert(data.generated(path, {
        file_field = "sound", caption_field = "zero", logprob_field = "sure",
      }))
      assert.same({ { text = "none", logprob = 0.5, source = "odd" } }, set:of "x.wav")
    end)
  end)

  describe("JSONL", function()
    it("reads lists with log-probabilities, and never the references", function()
      local set = assert(data.generated(write("c.jsonl",
        '{"fname": "a.wav", "best": "z", "beams": ["y", "z"], "beam_logprobs": [-2.0, -1.5], '
        .. '"references": ["human"]}\n\n')))
      assert.same({
        { text = "z", logprob = -1.5, source = "c" }, { text = "y", logprob = -2.0, source = "c" },
      }, set:of "a.wav")
    end)
    it("reads one text for each source, sorted by source", function()
      local set = assert(data.generated(write("s.jsonl",
        '{"fname": "a.wav", "captions": {"b/2": "two", "a/1": ["one", "uno"]}}\r\n')))
      assert.same({
        { text = "one", source = "a/1" }, { text = "uno", source = "a/1" },
        { text = "two", source = "b/2" },
      }, set:of "a.wav")
      assert.same({ ["a/1"] = 2, ["b/2"] = 1 }, set:counts().sources)
    end)
    it("reads objects with text and log-probability", function()
      local set = assert(data.generated(write("o.ndjson",
        '{"id": 17, "captions": [{"text": "lo", "logprob": -9}, {"caption": "hi", "score": -1, '
        .. '"source": "beam"}, {"text": ""}]}\n')))
      assert.is_nil(set:of("17")[3])
      assert.same({ { text = "hi", logprob = -1.0, source = "beam" },
        { text = "lo", logprob = -9.0, source = "o" } }, set:of "17")
    end)
  end)

  describe("JSON", function()
    it("reads a list of records", function()
      local set = assert(data.generated(write("l.json",
        '[\n {"file": "b", "caption": "one"},\n {"file": "a", "caption": ["two", "three"]}\n]\n')))
      assert.same({ "b", "a" }, set:ids())
      assert.same({ "two", "three" }, texts(set, "a"))
    end)
    it("reads an object keyed by file name, in its order", function()
      local set = assert(data.generated(write("m.json",
        '\xEF\xBB\xBF{"b.wav": "one", "a.wav": ["two", {"text": "three", "logprob": -1}], '
        .. '"c.wav": {"greedy": "four"}, "d.wav": {"captions": ["five"]}}')))
      assert.same({ "b.wav", "a.wav", "c.wav", "d.wav" }, set:ids())
      assert.same({ "two", "three" }, texts(set, "a.wav"))
      assert.same({ { text = "four", source = "greedy" } }, set:of "c.wav")
      assert.same({ "five" }, texts(set, "d.wav"))
    end)
    it("finds the records under a usual name, or under the name given", function()
      local text = '{"num": 1, "data": [{"id": "x", "caption": "here"}], '
        .. '"titles": {"y": ["there"]}}'
      assert.same({ "here" }, texts(assert(data.generated(write("d.json", text))), "x"))
      local set = assert(data.generated(write("d.json", text), { records = "titles" }))
      assert.same({ "there" }, texts(set, "y"))
    end)
  end)

  describe("joins", function()
    local lines = '{"fname": "a.wav", "caption": "one"}\n{"fname": "q/b.flac", "caption": "two"}\n'
      .. '{"fname": "c", "caption": "three"}\n'

    it("to clips by name, with or without folder and extension", function()
      local set = assert(data.generated(write("x.jsonl", lines), {
        dataset = clips { "a.wav", "b.wav", "d.wav" },
      }))
      assert.same({ "test/a.wav", "test/b.wav" }, set:ids())
      assert.same({ "c" }, set.unmatched)
      assert.equal("x: 2 clips, 2 captions (1 a clip); 1 records of no clip", tostring(set))
    end)
    it("in spite of space lost from the ends of names", function()
      local set = assert(data.generated(write("x.jsonl", '{"fname": " a.wav", "caption": "one"}'), {
        dataset = clips { "a.wav" },
      }))
      assert.same({ "one" }, texts(set, "test/a.wav"))
    end)
    it("to clips without a sound too", function()
      local set = assert(data.generated(write("x.jsonl", lines), {
        dataset = clips({}, { missing = { { id = "test/a.wav", file_name = "a.wav" } } }),
      }))
      assert.same({ "test/a.wav" }, set:ids())
    end)
    it("not to a name that two clips have", function()
      assert.equal("generated: x.jsonl:2: 'q/b.flac' is the name of more than one clip of Some",
        (failure("x.jsonl", lines, { dataset = clips { "b.wav", "b.mp3" } })))
    end)
    it("keys by split", function()
      local set = assert(data.generated(write("x.jsonl", lines), { split = "evaluation" }))
      assert.same({ "one" }, texts(set, "evaluation/a.wav"))
      local both = '{"fname": "a.wav", "subset": "%s", "caption": "%s"}\n'
      both = both:format("eval", "e") .. both:format("dev", "d")
      set = assert(data.generated(write("y.jsonl", both)))
      assert.same({ "evaluation/a.wav", "development/a.wav" }, set:ids())
      set = assert(data.generated(write("y.jsonl", both), { split = "evaluation" }))
      assert.same({ "evaluation/a.wav" }, set:ids())
      assert.equal(1, set.other_splits)
      set = assert(data.generated(write("y.jsonl", both), {
        dataset = clips({ "a.wav" }, { split = "development" }),
      }))
      assert.same({ "d" }, texts(set, "test/a.wav"))
    end)
  end)

  describe("sets", function()
    it("merge", function()
      local a = assert(data.generated(write("a.csv", "file,caption\nx,one\ny,two\n")))
      local b = assert(data.generated(write("b.csv", "file,caption\nz,three\nx,four\n")))
      local both = a:merge(b)
      assert.same({ "x", "y", "z" }, both:ids())
      assert.same({ { text = "one", source = "a" }, { text = "four", source = "b" } },
        both:of "x")
      assert.equal("a + b: 3 clips, 4 captions (1 to 2 a clip)", tostring(both))
      assert.same({ "one" }, texts(a, "x"))
      assert.has_error(function() a:merge(3) end,
        "merge: argument 1 must be a nightjar.Generated, got a integer")
    end)
    it("give lists of texts for a batch", function()
      local set = assert(data.generated(write("a.jsonl",
        '{"file": "x", "captions": {"p": "A dog.", "q": "a dog", "r": "a cat"}}')))
      assert.same({ { "A dog.", "a dog", "a cat" }, {} }, set:texts { "x", "none" })
      assert.same({ { "A dog.", "a cat" } }, set:texts({ { id = "x" } }, { unique = true }))
      assert.same({ { "A dog." } }, set:texts({ "x" }, { k = 1 }))
      assert.same({ { "a dog" } }, set:texts({ "x" }, { source = "q" }))
      assert.same({ {} }, set:texts(clips { "x" }))
    end)
    it("do not change when a list that they gave does", function()
      local set = assert(data.generated(write("a.csv", "file,caption\nx,one\n")))
      table.remove(set:of "x")
      table.remove(set:ids())
      assert.same({ "one" }, texts(set, "x"))
      assert.same({ "x" }, set:ids())
    end)
  end)

  describe("descriptions of a library", function()
    before_each(function()
      write("dogs/Big_Bark-01.wav", "")
      write("rain.wav", "")
      write("list.csv", "file,description\nrain.wav,Heavy rain on a tin roof\n")
    end)
    it("from its CSV", function()
      local set = assert(data.generated(dir, { csv = "list.csv", source = "library" }))
      assert.same({ { text = "Heavy rain on a tin roof", source = "library" } },
        set:of "rain.wav")
      assert.equal(1, #set)
    end)
    it("from its file names, joined to a data set", function()
      local set = assert(data.generated(dir, { dataset = assert(data.folder(dir)) }))
      assert.same({ "big bark" }, texts(set, "dogs/Big_Bark-01.wav"))
      assert.same({ "rain" }, texts(set, "rain.wav"))
    end)
    it("that are not there", function()
      local set, message, code = data.generated(dir, { csv = "none.csv" })
      assert.is_nil(set)
      assert.equal("ENOTFOUND", code)
      assert.truthy(message:find("none.csv", 1, true))
    end)
  end)

  describe("refuses", function()
    it("files that are not there, or of no known format", function()
      local set, message, code = data.generated(dir .. "/none.csv")
      assert.is_nil(set)
      assert.equal("ENOTFOUND", code)
      assert.truthy(message:find("none.csv", 1, true))
      message, code = failure("a.txt", "x")
      assert.equal("generated: a.txt: the name ends in none of .csv, .jsonl, .json (option "
        .. "'format' says what it is)", message)
      assert.equal("EFORMAT", code)
      assert.truthy(data.generated(write("b.txt", "file,caption\nx,y\n"), { format = "csv" }))
    end)

    local cases = {
      { "a.csv", "file,caption\nx,y\nz\n", "generated: a.csv:3: expected 2 fields, got 1" },
      { "a.csv", "file,words\nx,y\n", "generated: a.csv:2: no caption field; there are "
        .. "'file', 'words'" },
      { "a.csv", "thing,caption\nx,y\n", "generated: a.csv:2: no file field; there are "
        .. "'caption', 'thing'" },
      { "a.csv", "file,caption\n,y\n", "generated: a.csv:2: field 'file' holds no file name" },
      { "a.csv", "file,caption\nx,\xFF\n", "generated: a.csv:2: a caption is not UTF-8" },
      { "a.csv", "file,caption,logprob\nx,y,sure\n",
        'generated: a.csv:2: a log-probability is "sure", not a number' },
      { "a.csv", "file,caption,logprob\nx,y,1e999\n",
        'generated: a.csv:2: a log-probability is "1e999", not a number' },
      { "a.jsonl", '{"id": "x", "caption": "y"}\n{"id": \n', "generated: a.jsonl:2: " },
      { "a.jsonl", '{"id": "x", "caption": "y"} {}\n',
        "generated: a.jsonl:1: expected the end of the line after a JSON value" },
      { "a.jsonl", '\n["x"]\n', "generated: a.jsonl:2: expected a JSON object on every line" },
      { "a.jsonl", '{"id": "x", "caption": 3}\n',
        "generated: a.jsonl:1: a caption is a number, not a text" },
      { "a.jsonl", '{"id": "x", "captions": ["a", null]}\n',
        "generated: a.jsonl:1: a caption is null, not a text" },
      { "a.jsonl", '{"id": "x", "captions": ["a", ["b"]]}\n',
        "generated: a.jsonl:1: a caption is a table, not a text" },
      { "a.jsonl", '{"id": true, "caption": "a"}\n',
        "generated: a.jsonl:1: field 'id' holds no file name" },
      { "a.jsonl", '{"id": "x", "captions": ["a", "b"], "logprobs": [-1]}\n',
        "generated: a.jsonl:1: 2 captions but 1 log-probabilities" },
      { "a.jsonl", '{"id": "x", "captions": ["a"], "logprobs": ["b"]}\n',
        'generated: a.jsonl:1: a log-probability is "b", not a number' },
      { "a.json", "[\n{\"id\": \"x\", \"caption\": \"a\"},\n3\n]",
        "generated: a.json:3: expected a JSON object for every record" },
      { "a.json", "[\n{\"id\": \"x\", \"caption\": \"a\"}\n{}]",
        "generated: a.json:3: expected ',' or ']', got '{'" },
      { "a.json", "[\n{\"id\": \"x\",\n",  "generated: a.json:2: " },
      { "a.json", '["a"] x', "generated: a.json:1: expected the end of the file" },
      { "a.json", '"a"', "generated: a.json:1: expected a JSON list of records, or an object of "
        .. "them" },
      { "a.json", "", "generated: a.json:1: expected a JSON list of records, or an object of "
        .. "them" },
      { "a.json", '{"x" "y"}', "generated: a.json:1: expected ':' after \"x\"" },
      { "a.json", '{"x": 3}', "generated: a.json:1: a caption is a number, not a text" },
      { "a.json", "[" .. ("["):rep(300000), "generated: a.json:1: the text nests too deeply" },
    }
    for _, case in ipairs(cases) do
      it(("%s: %s"):format(case[1], case[2]:sub(1, 40):gsub("%c", " "):gsub("[\x80-\xFF]", "?")),
        function()
          local message, code = failure(case[1], case[2])
          assert.equal(case[3], message:sub(1, case[3]:find "%d: $" and #case[3] or -1))
          assert.equal("EFORMAT", code)
        end)
    end

    it("a field that is not there", function()
      assert.equal("generated: a.csv:2: no caption field 'words'; there are 'caption', 'file'",
        (failure("a.csv", "file,caption\nx,y\n", { caption_field = "words" })))
      assert.equal("generated: a.csv:2: no log-probability field 'p'; there are 'caption', 'file'",
        (failure("a.csv", "file,caption\nx,y\n", { logprob_field = "p" })))
      assert.equal("generated: a.csv:2: no caption field 'b'; there are 'caption', 'file'",
        (failure("a.csv", "file,caption\nx,y\n", { caption_fields = { "caption", "b" } })))
      assert.equal("generated: a.json:1: no 'b' in the outermost object",
        (failure("a.json", '{"a": "y"}', { records = "b" })))
    end)
    it("options that contradict each other or do not exist", function()
      assert.has_error(function()
        data.generated("x.csv", { caption_field = "a", caption_fields = { "a" } })
      end, "generated: give 'caption_field' or 'caption_fields', not both")
      assert.has_error(function() data.generated("x.csv", { dataset = {} }) end,
        "generated: option 'dataset' must be a nightjar.Dataset, got a table")
      assert.has_error(function() data.generated("x.csv", { splits = "a" }) end,
        "generated: unknown option 'splits' (did you mean 'split'?)")
    end)
  end)

  describe("the real files", function()
    local root = shared.root .. "/data/captions"
    local function real(name, options)
      if not shared.path("data/captions/generated/" .. name) then
        pending "needs ../shared/data"
        return nil
      end
      return assert(data.generated(root .. "/generated/" .. name, options))
    end

    it("CoNeTTE on Clotho", function()
      local evaluation = data.clotho(root .. "/clotho", { split = "evaluation", missing = "keep" })
      local set = real("conette_clotho_eval.jsonl", { dataset = evaluation })
      if not set then return end
      assert.equal("conette_clotho_eval: 1045 clips, 3135 captions (3 a clip), 3135 with a "
        .. "log-probability", tostring(set))
      local best = set:of("evaluation/Santa Motor.wav")[1]
      assert.equal("a person is using a saw to cut wood", best.text)
      assert.near(-1.33943, best.logprob, 1e-5)
      assert.same({}, set.unmatched)
    end)
    it("CoNeTTE on AudioCaps, whose clips have other file names", function()
      local test = data.audiocaps(root .. "/audiocaps", { split = "test", missing = "keep" })
      local set = real("conette_audiocaps_test.jsonl", { dataset = test })
      if not set then return end
      assert.equal(912, #set)
      assert.same({}, set.unmatched)
      assert.equal("an engine is running and a man is speaking", set:of("7fmOlUlwoNg_20")[1].text)
    end)
    it("six runs of one captioner", function()
      local set = real("jku_whisper_clotho_evaluation.jsonl", { split = "evaluation" })
      if not set then return end
      assert.equal(1045, #set)
      assert.same({ least = 6, most = 6, clips = 1045, captions = 6270 }, (function(n)
        return { least = n.least, most = n.most, clips = n.clips, captions = n.captions }
      end)(set:counts()))
      assert.same({ "A dog whimpers and then begins to bark." }, set:texts(
        { "evaluation/01 A pug struggles to breathe 1_14_2008.wav" },
        { source = "fancy-galaxy-115/beam_classic5" })[1])
    end)
    it("with names that lost a space", function()
      local validation = data.clotho(root .. "/clotho", { split = "validation", missing = "keep" })
      local set = real("jku_whisper_clotho_validation.jsonl", { dataset = validation })
      if not set then return end
      assert.equal(21, #set:of "validation/e ieio ieai.wav")
      assert.same({}, set.unmatched)
    end)
    it("human captions with paraphrases", function()
      local set = real "clotho_dev_plus_phi4.csv"
      if not set then return end
      assert.equal("clotho_dev_plus_phi4: 3839 clips, 38390 captions (10 a clip)", tostring(set))
    end)
  end)
end)
