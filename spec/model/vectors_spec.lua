-- Vectors of sounds in files for other programs.
local csv = require "nightjar.data.csv"
local fs = require "nightjar.fs"
local json = require "dkjson"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

describe("model:save_vectors", function()
  local folder, model, paths, clips, gone
  setup(function()
    folder = temporary.folder()
    model = tiny_model.new()
    paths = {}
    for i, seconds in ipairs { 1, 5.5 } do
      paths[i] = ("%s/a, %d.wav"):format(folder, i)
      assert(nj.audio.write(paths[i], sound.noise_tensor(math.floor(seconds * 32000), i, 0.3), 32000))
    end
    gone = folder .. '/a "gone".wav'
    table.insert(paths, 2, gone)
    clips = model:audio(paths)
  end)
  teardown(function() temporary.remove(folder) end)

  -- (row, path, from, to) expected of a file.
  local function expected(segments)
    local rows = {}
    for _, clip in ipairs(clips) do
      for i, time in ipairs(not clip.error and (segments and clip.times or { { 0, clip.seconds } })
        or {}) do
        rows[#rows + 1] = { path = clip.path, from = time[1], to = time[2],
          vector = segments and clip.segments[i] or clip.vector }
      end
    end
    return rows
  end

  local function check_names(path, rows)
    local list = assert(csv.read(path))
    local at, failed = 0, 0
    for _, line in ipairs(list) do
      if line.row == "" then
        failed = failed + 1
        assert.equal(gone, line.path)
        assert.equal(clips[2].error, line.error)
      else
        at = at + 1
        assert.equal(tostring(at), line.row)
        assert.equal(rows[at].path, line.path)
        assert.near(rows[at].from, tonumber(line.from), 1e-6)
        assert.near(rows[at].to, tonumber(line.to), 1e-6)
        assert.equal("", line.error)
      end
    end
    assert.equal(#rows, at)
    assert.equal(1, failed)
  end

  local function matrix(rows)
    local list = {}
    for i, row in ipairs(rows) do list[i] = row.vector end
    return nj.stack(list, 1)
  end

  for _, segments in ipairs { false, true } do
    local what = segments and " of windows" or ""
    it("writes .npy" .. what, function()
      local path, rows = folder .. "/v.npy", expected(segments)
      local report = assert(model:save_vectors(path, paths, { segments = segments }))
      local bytes = assert(fs.read(path))
      assert.equal("\x93NUMPY\1\0", bytes:sub(1, 8))
      local dict, at = string.unpack("<s2", bytes, 9)
      assert.equal(129, at)
      assert.matches(("^{'descr': '<f4', 'fortran_order': False, 'shape': %%(%d, 12%%), } +\n$")
        :format(#rows), dict)
      assert.equal(matrix(rows):bytes(), bytes:sub(129))
      assert.equal(folder .. "/v.sounds.csv", report.names)
      check_names(report.names, rows)
      assert.same({ #rows, 12, 2 }, { report.rows, report.dim, report.sounds })
      assert.near(6.5, report.seconds, 1e-6)
      assert.same({ { path = gone, error = clips[2].error, code = "ENOTFOUND" } }, report.failed)
    end)

    it("writes .safetensors" .. what, function()
      local path, rows = folder .. "/v.safetensors", expected(segments)
      assert(model:save_vectors(path, paths, { segments = segments }))
      local content = assert(nj.store.load(path))
      assert.is_true(sound.same(matrix(rows), content.tensors.vectors))
      assert.same({ format = "nightjar vectors", model = "tiny", sounds = "v.sounds.csv" },
        content.metadata)
      check_names(folder .. "/v.sounds.csv", rows)
    end)

    it("writes .csv and .jsonl" .. what, function()
      local rows = expected(segments)
      local report = assert(model:save_vectors(folder .. "/v.csv", paths, { segments = segments }))
      assert.is_nil(report.names)
      local list, columns = assert(csv.read(folder .. "/v.csv"))
      assert.equal(16, #columns)
      local at = 0
      for _, line in ipairs(list) do
        if line.error ~= "" then
          assert.equal(gone, line.path)
        else
          at = at + 1
          local values = {}
          for i = 1, 12 do values[i] = tonumber(line["v" .. i]) end
          assert.equal(rows[at].path, line.path)
          assert.is_true(sound.same(rows[at].vector, nj.tensor(values)))
        end
      end
      assert.equal(#rows, at)
      assert(model:save_vectors(folder .. "/v.jsonl", paths, { segments = segments }))
      at = 0
      for text in io.lines(folder .. "/v.jsonl") do
        local line = assert(json.decode(text))
        if line.error then
          assert.same({ path = gone, error = clips[2].error, code = "ENOTFOUND" }, line)
        else
          at = at + 1
          assert.equal(rows[at].path, line.path)
          assert.is_true(sound.same(rows[at].vector, nj.tensor(line.vector)))
        end
      end
      assert.equal(#rows, at)
    end)
  end

  it("writes an empty matrix for no sounds", function()
    local report = assert(model:save_vectors(folder .. "/none.safetensors", function() end))
    assert.equal(0, report.rows)
    assert.same({ 0, 12 }, nj.store.load(folder .. "/none.safetensors").tensors.vectors.shape)
  end)

  it("leaves the old file, and nothing else, when it does not come to the end", function()
    local path = temporary.write(folder .. "/deep/v.npy", "old")
    assert.error_matches(function()
      model:save_vectors(path, function() error("no more", 0) end)
    end, "no more")
    assert.error_matches(function()
      model:save_vectors(path, paths, { progress = function() error("stopped", 0) end })
    end, "stopped")
    assert.same({ "v.npy" }, fs.files(folder .. "/deep"))
    assert.equal("old", fs.read(path))
    local ok, message, code = model:save_vectors(folder .. "/nowhere/v.npy", paths)
    assert.is_nil(ok)
    assert.matches("nowhere/v.npy", message)
    assert.equal("EIO", code)
    -- A table of names that cannot be written: a folder has its name.
    assert(fs.make_folders(folder .. "/deep/w.sounds.csv"))
    ok, message, code = model:save_vectors(folder .. "/deep/w.npy", paths)
    assert.is_nil(ok)
    assert.matches("w.sounds.csv", message)
    assert.equal("EIO", code)
    assert.same({ "v.npy" }, fs.files(folder .. "/deep"))
  end)

  it("refuses what makes no sense", function()
    local function refuses(text, ...)
      local given = table.pack(...)
      assert.error_matches(function()
        model:save_vectors(table.unpack(given, 1, given.n))
      end, text, nil, true)
    end
    refuses("model:save_vectors: 'v.txt' must end in .npy, .safetensors, .csv or .jsonl", "v.txt", {})
    refuses("model:save_vectors: argument 1 (path) must be a string", 5, {})
    refuses("model:save_vectors: argument 2 (sounds) must be", "v.npy", "a.wav")
    refuses("model:save_vectors: unknown option 'segment' (did you mean 'segments'?)", "v.npy", {},
      { segment = true })
  end)
end)
