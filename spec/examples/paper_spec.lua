-- The experiments of examples/paper at a size of seconds, on sounds that are made here and lie where
-- the real data sets have theirs.
describe("examples/paper", function()
  local child = require "spec.support.child"
  local csv = require "nightjar.data.csv"
  local fs = require "nightjar.fs"
  local json = require "dkjson"
  local nj = require "nightjar"
  local temporary = require "spec.support.temporary"

  local folder
  setup(function() folder = temporary.folder() end)
  teardown(function() temporary.remove(folder) end)

  local words = { "a dog barks", "rain is falling", "a bell rings", "people are talking",
    "an engine idles", "birds sing in a tree", "water runs", "a door is closed", "wind blows" }

  local function write_sound(path, seed)
    assert(fs.make_folders(fs.folder(path)))
    assert(nj.audio.write(path, nj.randn(8000, { rng = nj.rng(seed) }) * 0.1, 8000))
  end

  -- Clotho: <root>/clotho_captions_<split>.csv and <root>/<split>/*.wav.
  local function make_clotho(root)
    for s, split in ipairs { "development", "validation", "evaluation" } do
      local rows = {}
      for i = 1, 6 do
        local row = { file_name = ("%s sound %d.wav"):format(split, i) }
        for k = 1, 5 do row["caption_" .. k] = ("%s, %s"):format(words[i], words[(i + k) % 9 + 1]) end
        rows[i] = row
        write_sound(fs.join(root, split, row.file_name), 10 * s + i)
      end
      assert(csv.write(fs.join(root, ("clotho_captions_%s.csv"):format(split)), rows, { columns = {
        "file_name", "caption_1", "caption_2", "caption_3", "caption_4", "caption_5" } }))
    end
  end

  -- AudioCaps: <root>/<split>.csv and <root>/<split>/<youtube_id>_<start>.wav; a training clip has one
  -- caption, others have five rows.
  local function make_audiocaps(root)
    for s, split in ipairs { "train", "val", "test" } do
      local rows = {}
      for i = 1, 6 do
        local id = ("%s-%07d"):format(split:sub(1, 3), i)
        for k = 1, split == "train" and 1 or 5 do
          rows[#rows + 1] = { audiocap_id = #rows + 1, youtube_id = id, start_time = 10 * i,
            caption = ("%s and %s"):format(words[i], words[(i + k) % 9 + 1]) }
        end
        write_sound(fs.join(root, split, ("%s_%d.wav"):format(id, 10 * i)), 10 * s + i)
      end
      assert(csv.write(fs.join(root, split .. ".csv"), rows,
        { columns = { "audiocap_id", "youtube_id", "start_time", "caption" } }))
    end
  end

  local function run(script, data, ...)
    local out = fs.join(folder, "results")
    local output, code = child.run("examples/paper/" .. script, "--data", data, "--root",
      fs.join(folder, data), "--runs", fs.join(folder, "runs"), "--out", out, "--encoder", "small",
      "--encoders", "small", "--seeds", "2", "--steps", "2", "--batch", "4", "--captioner-steps", "2",
      ...)
    assert(code == 0, output)
    return output, function(name) return assert(json.decode(fs.read(fs.join(out, name)))) end
  end

  it("runs on Clotho's files, and does not run again what is done", function()
    make_clotho(fs.join(folder, "clotho"))
    local output, read = run("01_levels.lua", "clotho")
    assert.matches("| clip (baseline) |", output, 1, true)
    local results = read "clotho-01-levels-small.json"
    assert.equal(4, #results.rows)
    for _, row in ipairs(results.rows) do
      assert.equal(2, row.runs)
      assert.same({ 6, 6 }, row.values.clips)
      assert.same({ 30, 30 }, row.values.queries) -- all five captions of every clip ask
    end
    assert.same({}, results.failures)
    assert.matches("--data clotho", results.command, 1, true)
    local before = results.rows[1].values["fused.R@1"]
    run("01_levels.lua", "clotho", "--report")
    assert.same(before, read("clotho-01-levels-small.json").rows[1].values["fused.R@1"])
  end)

  it("runs on AudioCaps' files with captions of its own", function()
    make_audiocaps(fs.join(folder, "audiocaps"))
    local _, read = run("04_captions.lua", "audiocaps", "--only", "HCI")
    assert.error(function() read "audiocaps-04-captions.json" end) -- a part is no table
    run("04_captions.lua", "audiocaps")
    local results = read "audiocaps-04-captions.json"
    assert.same({}, results.failures)
    assert.equal(16, #results.rows)
    assert.is_number(results.rows[16].estimates["level.caption.R@1"].mean)
  end)

  it("says what is missing", function()
    local output, code = child.run("examples/paper/01_levels.lua", "--root", fs.join(folder, "none"),
      "--data", "clotho", "--runs", fs.join(folder, "runs2"), "--seeds", "2", "--out",
      fs.join(folder, "none"))
    assert.equal(1, code)
    assert.matches("clotho: no clotho_captions_development.csv", output, 1, true)
  end)
end)
