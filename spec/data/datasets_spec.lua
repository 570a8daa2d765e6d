local data = require "nightjar.data"
local fs = require "nightjar.fs"
local temporary = require "spec.support.temporary"

local shared = "../shared/data"
local has_shared = fs.kind(shared) == "directory"

local function needs_shared()
  if not has_shared then pending "needs ../shared/data" end
  return has_shared
end

describe("dataset", function()
  local function make()
    return data.dataset.new {
      name = "Three", split = "train",
      clips = {
        { id = "a", path = "a.wav", captions = { "one", "two" }, label = "x" },
        { id = "b", path = "b.wav", captions = {}, label = "y" },
        { id = "c", path = "c.wav", captions = { "two" }, label = "x" },
      },
      missing = { { id = "d", captions = { "gone" } } },
    }
  end

  it("walks over pairs", function()
    local seen = {}
    for clip, caption, k in make():pairs() do seen[#seen + 1] = clip.id .. k .. caption end
    assert.same({ "a1one", "a2two", "c1two" }, seen)
  end)
  it("counts and prints", function()
    local set = make()
    assert.same({ clips = 3, captions = 3, missing = 1, listed = 4, labels = 2 }, set:counts())
    assert.equal("Three (train): 3 clips, 3 captions, 2 labels; 1 of 4 listed have no sound file",
      tostring(set))
    assert.equal(3, #set)
    assert.same({ "one", "two" }, set:texts())
  end)
  it("takes subsets, and leaves itself as it was", function()
    local set = make()
    local part = set:subset(function(clip) return clip.label == "x" end, "x only")
    assert.equal("Three (x only): 2 clips, 3 captions, 1 label", tostring(part))
    assert.equal(3, #set)
    assert.equal(set.clips[3], part.clips[2])
  end)
  it("refuses two clips of one id", function()
    assert.has_error(function()
      data.dataset.new { name = "n", split = "s", clips = { { id = "a" }, { id = "a" } } }
    end, "dataset: clips 1 and 2 have the same id 'a'")
  end)
end)

describe("nj.data.esc50", function()
  local root = shared .. "/esc50"

  it("opens the real data set", function()
    if not needs_shared() then return end
    local all = assert(data.esc50(root))
    assert.same({ clips = 2000, captions = 10000, missing = 0, listed = 2000, labels = 50 },
      all:counts())
    assert.equal(50, #all.classes)
    local usual = {}
    for _, class in ipairs(all.classes) do usual[class.label] = class.caption end
    assert.equal("a dog barks", usual.dog)
    assert.equal("rain falls", usual.rain)
    local first = all.clips[1]
    assert.equal("1-100032-A-0", first.id)
    assert.equal("dog", first.label)
    assert.equal("a dog barks", first.captions[1])
    assert.equal("CC0", first.licence)
    assert.equal("100032", first.source)
  end)

  it("keeps the chosen licences", function()
    if not needs_shared() then return end
    local train = assert(data.esc50(root, { split = "train", licences = { "CC0", "CC-BY" } }))
    assert.is_true(#train < 1200 and #train > 900)
    for _, clip in ipairs(train.clips) do
      assert.is_true(clip.licence == "CC0" or clip.licence == "CC-BY")
      assert.is_true(clip.fold <= 3)
    end
  end)

  it("leaves out the three leaking clips of a strict test", function()
    if not needs_shared() then return end
    local plain = assert(data.esc50(root, { split = "test" }))
    local strict = assert(data.esc50(root, { split = "test", strict = true }))
    assert.equal(400, #plain)
    assert.equal(397, #strict)
    local left = {}
    for _, clip in ipairs(plain.clips) do left[clip.id] = true end
    for _, clip in ipairs(strict.clips) do left[clip.id] = nil end
    assert.same({ ["5-209698-A-38"] = true, ["5-234879-A-1"] = true, ["5-234879-B-1"] = true },
      left)
    -- Within folds 1 to 3 nothing leaks out, so a strict training set is whole.
    assert.equal(1200, #assert(data.esc50(root, { split = "train", strict = true })))
  end)

  it("shares no recording between strict splits", function()
    if not needs_shared() then return end
    local owner = {}
    for _, split in ipairs { "train", "val", "test" } do
      for _, clip in ipairs(assert(data.esc50(root, { split = split, strict = true })).clips) do
        assert.is_true(owner[clip.source] == nil or owner[clip.source] == split, clip.id)
        owner[clip.source] = split
      end
    end
  end)

  it("adds cleaned titles when asked", function()
    if not needs_shared() then return end
    local set = assert(data.esc50(root, { split = "train", titles = true }))
    assert.equal("rose bark", set.clips[1].captions[6])
  end)

  describe("on a small folder", function()
    local dir
    before_each(function()
      dir = temporary.folder()
      temporary.write(dir .. "/meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\n"
        .. "1-1-A-0.wav,1,0,dog,True,1,A\n4-2-A-10.wav,4,10,rain,True,2,A\n"
        .. "5-2-B-10.wav,5,10,rain,True,2,B\n")
      temporary.write(dir .. "/audio/1-1-A-0.flac", "")
      temporary.write(dir .. "/audio/5-2-B-10.wav", "")
      temporary.write(dir .. "/audio/5-2-B-10.ogg", "")
    end)
    after_each(function() temporary.remove(dir) end)

    it("finds sounds under other extensions, the least lossy first", function()
      local set = assert(data.esc50(dir))
      assert.equal(dir .. "/audio/1-1-A-0.flac", set.clips[1].path)
      assert.equal(dir .. "/audio/5-2-B-10.wav", set.clips[2].path)
    end)
    it("counts what is missing, and fails on it only when asked", function()
      local set = assert(data.esc50(dir))
      assert.equal("4-2-A-10", set.missing[1].id)
      assert.equal(1, set:counts().missing)
      assert.equal(3, #assert(data.esc50(dir, { missing = "keep" })))
      local none, message, code = data.esc50(dir, { missing = "error" })
      assert.is_nil(none)
      assert.equal("esc50: 1 of 3 clips have no sound file, the first is '4-2-A-10'", message)
      assert.equal("ENOTFOUND", code)
    end)
    it("needs the attribution only for what stands there", function()
      local none, message, code = data.esc50(dir, { licences = { "CC0" } })
      assert.is_nil(none)
      assert.matches("attribution.csv is missing, and the options 'licences' and 'titles' need it",
        message)
      assert.equal("ENOTFOUND", code)
    end)
    it("reports malformed tables", function()
      temporary.write(dir .. "/meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\na.wav,x,0,dog,True,1,A\n")
      local none, message = data.esc50(dir)
      assert.is_nil(none)
      assert.matches("'x' is no fold", message)
      temporary.write(dir .. "/meta/esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\na.wav,1,0,dgo,True,1,A\n")
      none, message = data.esc50(dir)
      assert.is_nil(none)
      assert.matches("unknown category 'dgo'", message)
    end)
    it("says when nothing is there", function()
      local none, message, code = data.esc50(dir .. "/nowhere")
      assert.is_nil(none)
      assert.matches("^esc50: csv: .*nowhere/meta/esc50.csv", message)
      assert.equal("ENOTFOUND", code)
    end)
  end)

  it("checks its options", function()
    assert.has_error(function() data.esc50("x", { fold = { 1 } }) end,
      "esc50: unknown option 'fold' (did you mean 'folds'?)")
    assert.has_error(function() data.esc50("x", { folds = { 6 } }) end,
      "esc50: option 'folds' holds 6; folds are 1 to 5")
    assert.has_error(function() data.esc50("x", { folds = { 1 }, split = "val" }) end,
      "esc50: give either 'split' or 'folds', not both")
    assert.has_error(function() data.esc50("x", { captions = "some" }) end,
      "esc50: option 'captions' must be a number or 'all', got 'some'")
  end)
end)

describe("nj.data.audiocaps", function()
  local root = shared .. "/captions/audiocaps"

  for split, want in pairs { train = { 49838, 49838 }, val = { 495, 2475 }, test = { 975,
    4875 } } do
    it("reads the official " .. split .. " captions", function()
      if not needs_shared() then return end
      local set = assert(data.audiocaps(root, { split = split, missing = "keep" }))
      assert.equal(want[1], #set)
      assert.equal(want[2], set:counts().captions)
      assert.equal(want[1], set:counts().missing)
    end)
  end

  it("tells the clips that vanished from the clips listed", function()
    if not needs_shared() then return end
    local dir = temporary.folder()
    finally(function() temporary.remove(dir) end)
    local listed = assert(data.audiocaps(root, { split = "test", missing = "keep" }))
    for i = 1, 957 do
      temporary.write(("%s/%s.wav"):format(dir, listed.clips[i].youtube_id), "")
    end
    local set = assert(data.audiocaps(root, { split = "test", audio = dir }))
    assert.equal("AudioCaps (test): 957 clips, 4785 captions; 18 of 975 listed have no sound file",
      tostring(set))
    assert.equal(18, #set.missing)
  end)

  it("finds clips under the names that downloads give them", function()
    local dir = temporary.folder()
    finally(function() temporary.remove(dir) end)
    local lines = { "audiocap_id,youtube_id,start_time,caption" }
    local names = {
      "test/ab_cd-1.wav", "audio/test/Yab_cd-2.flac", "waveforms/test/ab_cd-3_30.wav",
      "audio/Yab_cd-4_30.000_40.000.wav", "ab_cd-5_30_40.mp3", "test/ab_cd-6_30000_40000.ogg",
      "test/1007.wav",
    }
    for i, name in ipairs(names) do
      lines[#lines + 1] = ("%d,ab_cd-%d,30,caption %d"):format(1000 + i, i, i)
      temporary.write(dir .. "/" .. name, "")
    end
    lines[#lines + 1] = "9,ab_cd-9,30,gone"
    lines[#lines + 1] = "10,ab_cd-1,30,another of the first"
    temporary.write(dir .. "/test.csv", table.concat(lines, "\n"))
    local set = assert(data.audiocaps(dir, { split = "test" }))
    assert.equal(#names, #set)
    for i, name in ipairs(names) do assert.equal(dir .. "/" .. name, set.clips[i].path) end
    assert.same({ "caption 1", "another of the first" }, set.clips[1].captions)
    assert.equal("ab_cd-1_30", set.clips[1].id)
    assert.equal("ab_cd-9_30", set.missing[1].id)
  end)

  it("takes two segments of one video for two clips", function()
    local dir = temporary.folder()
    finally(function() temporary.remove(dir) end)
    temporary.write(dir .. "/val.csv",
      "audiocap_id,youtube_id,start_time,caption\n1,x,10,first\n2,x,20,second\n")
    temporary.write(dir .. "/val/x_10.wav", "")
    temporary.write(dir .. "/val/x_20.wav", "")
    local set = assert(data.audiocaps(dir, { split = "val" }))
    assert.equal(dir .. "/val/x_20.wav", set.clips[2].path)
  end)

  it("says what it looked for", function()
    local none, message, code = data.audiocaps("/nowhere", { split = "val" })
    assert.is_nil(none)
    assert.equal("audiocaps: no val.csv in /nowhere, nor in its folders dataset and csv", message)
    assert.equal("ENOTFOUND", code)
    assert.has_error(function() data.audiocaps("x", { split = "valid" }) end,
      "audiocaps: option 'split' must be one of 'train', 'val', 'test', got 'valid'")
    assert.error_matches(function() data.audiocaps("x") end, "option 'split' is required")
  end)
end)

describe("nj.data.clotho", function()
  local root = shared .. "/captions/clotho"

  for split, clips in pairs { development = 3839, validation = 1045, evaluation = 1045 } do
    it("reads the captions of " .. split, function()
      if not needs_shared() then return end
      local set = assert(data.clotho(root, { split = split, missing = "keep" }))
      assert.equal(clips, #set)
      assert.equal(clips * 5, set:counts().captions)
      assert.is_number(set.clips[1].duration)
    end)
  end

  it("keeps apart the four names that occur in two splits", function()
    if not needs_shared() then return end
    local ids, names, twice = {}, {}, 0
    for _, split in ipairs { "development", "validation", "evaluation" } do
      for _, clip in ipairs(assert(data.clotho(root, { split = split, missing = "keep" })).clips) do
        assert.is_nil(ids[clip.id])
        ids[clip.id] = true
        if names[clip.file_name] then twice = twice + 1 end
        names[clip.file_name] = true
      end
    end
    assert.equal(4, twice)
  end)

  it("reads the official form, with its own layout and odd names", function()
    local dir = temporary.folder()
    finally(function() temporary.remove(dir) end)
    temporary.write(dir .. "/clotho_captions_evaluation.csv",
      "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"
      .. 'rain "hard", 2.wav,A,B,C,D,E\n' .. '"a, b [1].wav",F,"G, h",I,J,K\ngone.wav,L,M,N,O,P\n')
    temporary.write(dir .. "/clotho_audio_evaluation/a, b [1].wav", "")
    local none, message = data.clotho(dir, { split = "evaluation" })
    assert.is_nil(none) -- the unquoted comma of the first row
    assert.matches("clotho_captions_evaluation.csv:2: expected 6 fields, got 7", message)
    temporary.write(dir .. "/clotho_captions_evaluation.csv",
      "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\n"
      .. '"a, b [1].wav",F,"G, h",I,J,K\ngone.wav,L,M,N,O,P\n')
    local set = assert(data.clotho(dir, { split = "evaluation" }))
    assert.equal("Clotho (evaluation): 1 clip, 5 captions; 1 of 2 listed have no sound file",
      tostring(set))
    assert.equal("evaluation/a, b [1].wav", set.clips[1].id)
    assert.same({ "F", "G, h", "I", "J", "K" }, set.clips[1].captions)
  end)

  it("reads the lower-case texts when asked", function()
    if not needs_shared() then return end
    local set = assert(data.clotho(root, { split = "validation", column = "text",
      missing = "keep" }))
    assert.equal("the person is rummaging through the pans while looking for something",
      set.clips[1].captions[1])
  end)

  it("says which columns it needs", function()
    local dir = temporary.folder()
    finally(function() temporary.remove(dir) end)
    temporary.write(dir .. "/validation_captions.csv", "fname,words\na.wav,b\n")
    local none, message, code = data.clotho(dir, { split = "validation" })
    assert.is_nil(none)
    assert.matches("expected the columns file_name, caption_1 … or fname, raw_text; there are "
      .. "'fname', 'words'", message)
    assert.equal("EFORMAT", code)
  end)
end)

describe("nj.data.folder", function()
  local dir
  before_each(function()
    dir = temporary.folder()
    for _, name in ipairs { "Dog_Bark-03.wav", "rain/0001.ogg", "rain/notes.txt", "carHorn.mp3" } do
      temporary.write(dir .. "/" .. name, "")
    end
  end)
  after_each(function() temporary.remove(dir) end)

  it("makes captions of names", function()
    local set = assert(data.folder(dir))
    local found = {}
    for clip, caption in set:pairs() do found[clip.id] = caption end
    assert.same({
      ["Dog_Bark-03.wav"] = "dog bark", ["rain/0001.ogg"] = "rain", ["carHorn.mp3"] = "car horn",
    }, found)
  end)

  it("reads a CSV with many rows a file", function()
    temporary.write(dir .. "/captions.csv", "\xEF\xBB\xBFfile,caption\r\nrain/0001,rain falls\r\n"
      .. '"Dog_Bark-03.wav","a dog  barks,\nloudly"\r\nrain/0001,it rains\r\ngone.wav,nothing\r\n')
    local set = assert(data.folder(dir, { csv = "captions.csv", split = "mine" }))
    assert.equal(2, #set)
    assert.same({ "rain falls", "it rains" }, set.clips[1].captions)
    assert.equal(dir .. "/rain/0001.ogg", set.clips[1].path)
    assert.same({ "a dog barks, loudly" }, set.clips[2].captions)
    assert.equal("gone.wav", set.missing[1].id)
    assert.equal("mine", set.split)
  end)

  it("takes other column names, caption_1 … caption_n, and labels", function()
    temporary.write(dir .. "/c.csv", "klass,sound,words\ndog,Dog_Bark-03.wav,woof\n")
    local set = assert(data.folder(dir, {
      csv = "c.csv", file_column = "sound", caption_column = "words", label_column = "klass",
    }))
    assert.equal("dog", set.clips[1].label)
    assert.same({ "woof" }, set.clips[1].captions)
    temporary.write(dir .. "/c.csv", "path,caption_1,caption_2,caption_3\ncarHorn.mp3,a,,c\n")
    set = assert(data.folder(dir, { csv = "c.csv" }))
    assert.same({ "a", "c" }, set.clips[1].captions)
  end)

  it("names the columns when it cannot guess them", function()
    temporary.write(dir .. "/c.csv", "sound,words\n")
    local none, message, code = data.folder(dir, { csv = "c.csv" })
    assert.is_nil(none)
    assert.equal(("folder: %s/c.csv: no file column; there are 'sound', 'words'"):format(dir),
      message)
    assert.equal("EFORMAT", code)
    none, message = data.folder(dir, { csv = "c.csv", file_column = "sounds" })
    assert.is_nil(none)
    assert.matches("no file column 'sounds'; there are 'sound', 'words'", message)
  end)

  for _, path in ipairs { "../secret.wav", "/etc/passwd", "a/../../b.wav", "x\0.wav", "C:\\x.wav" } do
    it(("does not follow %q out of the folder"):format(path), function()
      temporary.write(dir .. "/c.csv", "file,caption\ncarHorn.mp3,a\n" .. path .. ",b\n")
      local none, message, code = data.folder(dir, { csv = "c.csv" })
      assert.is_nil(none)
      assert.matches("c.csv:3: the path .* leaves the folder", message)
      assert.equal("EFORMAT", code)
    end)
  end

  it("names the line of a row that has no file, or contradicts another", function()
    local function message(text)
      temporary.write(dir .. "/c.csv", text)
      local none, why, code = data.folder(dir, { csv = "c.csv", split_column = "split" })
      assert.is_nil(none)
      assert.equal("EFORMAT", code)
      return (why:gsub("^.*c.csv:", ""))
    end
    assert.equal("3: no file name", message "file,caption,split\ncarHorn.mp3,a,train\n,b,train\n")
    assert.equal("4: 'carHorn.mp3' is in the split 'test' here and in 'train' on line 2",
      message "file,caption,split\ncarHorn.mp3,a,train\nx.wav,b,test\ncarHorn.mp3,c,test\n")
    assert.equal("2: expected 3 fields, got 2", message "file,caption,split\ncarHorn.mp3,a\n")
    assert.equal(" no split column 'split'; there are 'file', 'caption'", message "file,caption\na,b\n")
  end)

  it("finds clips of videos by the names that downloaders give them", function()
    local videos = temporary.folder()
    for _, name in ipairs { "aB-1_30.wav", "train/Y_x2_70_80.wav" } do
      temporary.write(fs.join(videos, name), "sound")
    end
    temporary.write(videos .. "/c.csv", "audiocap_id,youtube_id,start_time,caption\n1,aB-1,30,a dog\n"
      .. "2,_x2,70,rain\n3,aB-1,30,a hound\n4,gone,10,wind\n5,../../etc/passwd,0,x\n")
    local set = assert(data.folder(videos, { csv = "c.csv" }))
    assert.equal(2, #set.clips)
    assert.equal("aB-1_30", set.clips[1].id)
    assert.same({ "a dog", "a hound" }, set.clips[1].captions)
    assert.equal(fs.join(videos, "train/Y_x2_70_80.wav"), set.clips[2].path)
    assert.same({ 5, 6 }, { set.missing[1].line, set.missing[2].line })
    temporary.remove(videos)
  end)

  it("tells clips their split and the line that names them first", function()
    temporary.write(dir .. "/c.csv",
      "file,caption,part\nnone.wav,\"two\nlines\",val\ncarHorn.mp3,a,train\ncarHorn.mp3,b,train\n")
    local set = assert(data.folder(dir, { csv = "c.csv", split_column = "part" }))
    assert.equal("train", set.clips[1].split)
    assert.equal(4, set.clips[1].line)
    assert.equal(2, set.missing[1].line)
  end)

  it("follows paths elsewhere when allowed", function()
    local other = temporary.folder()
    finally(function() temporary.remove(other) end)
    temporary.write(other .. "/x.wav", "")
    temporary.write(dir .. "/c.csv", ("file,caption\n%s/x.wav,b\n"):format(other))
    local set = assert(data.folder(dir, { csv = "c.csv", outside = true }))
    assert.equal(other .. "/x.wav", set.clips[1].path)
  end)

  it("reports a malformed CSV with its line", function()
    temporary.write(dir .. "/c.csv", 'file,caption\ncarHorn.mp3,"a\n')
    local none, message = data.folder(dir, { csv = "c.csv" })
    assert.is_nil(none)
    assert.matches("^folder: csv: .*c.csv:2: a quoted field opens here and never closes", message)
  end)

  it("says when there is no folder", function()
    local none, message, code = data.folder(dir .. "/none")
    assert.is_nil(none)
    assert.matches("^folder: .*none is no folder", message)
    assert.equal("ENOTFOUND", code)
  end)
end)
