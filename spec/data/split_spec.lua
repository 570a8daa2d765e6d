-- Parts for training, validation and test.
local data = require "nightjar.data"
local dataset = require "nightjar.data.dataset"

local function set_of(n, split)
  local clips = {}
  for i = 1, n do
    clips[i] = { id = ("c%d.wav"):format(i), path = "x", captions = { "a" }, line = i + 1,
      split = split and split[i] }
  end
  return dataset.new { name = "d", split = "all", clips = clips, root = "/r" }
end

local function ids(set)
  local list = {}
  for i, clip in ipairs(set.clips) do list[i] = clip.id end
  return list
end

describe("nj.data.split", function()
  it("goes by what clips say, in the words that data sets use", function()
    local train, validation, test = assert(data.split(set_of(6,
      { "development", "Train", "VAL", "valid", "evaluation", "test" })))
    assert.same({ "c1.wav", "c2.wav" }, ids(train))
    assert.same({ "c3.wav", "c4.wav" }, ids(validation))
    assert.same({ "c5.wav", "c6.wav" }, ids(test))
    assert.equal("d", train.name)
    assert.equal("validation", validation.split)
    train, validation, test = assert(data.split(set_of(1, { "eval" })))
    assert.same({ 0, 0, 1 }, { #train, #validation, #test })
  end)

  it("draws shares, the same for the same ids and seed, whatever the order", function()
    local train, validation, test = assert(data.split(set_of(20), { validation = 0.2, test = 0.1 }))
    assert.same({ 14, 4, 2 }, { #train, #validation, #test })
    local seen = {}
    for _, set in ipairs { train, validation, test } do
      for _, id in ipairs(ids(set)) do seen[id] = (seen[id] or 0) + 1 end
    end
    for i = 1, 20 do assert.equal(1, seen["c" .. i .. ".wav"]) end
    local _, again = data.split(set_of(20), { validation = 0.2, test = 0.1 })
    assert.same(ids(validation), ids(again))
    local turned = set_of(20)
    table.sort(turned.clips, function(a, b) return a.line > b.line end)
    _, again = data.split(turned, { validation = 0.2, test = 0.1 })
    local sorted = ids(again)
    table.sort(sorted)
    local want = ids(validation)
    table.sort(want)
    assert.same(want, sorted)
    _, again = data.split(set_of(20), { validation = 0.2, test = 0.1, seed = 2 })
    assert.not_same(want, ids(again))
    -- A share is at least one clip, unless it is nothing.
    train, validation, test = data.split(set_of(3), { validation = 0.01 })
    assert.same({ 2, 1, 0 }, { #train, #validation, #test })
  end)

  it("keeps takes of one sound together", function()
    local names = {}
    for _, sound in ipairs { "door", "Rain_", "a/door-", "hit " } do
      for take = 1, 4 do names[#names + 1] = ("%s%02d.wav"):format(sound, take) end
    end
    names[#names + 1], names[#names + 2], names[#names + 3] = "door_05b.wav", "1-100-A-0.wav", "bell.wav"
    local function part_of(options)
      local clips, part = {}, {}
      for i, id in ipairs(names) do clips[i] = { id = id, path = "x", captions = { "a" } } end
      for _, set in ipairs { data.split(dataset.new { name = "d", split = "all", clips = clips }, options) } do
        for _, clip in ipairs(set.clips) do part[clip.id] = set.split end
      end
      return part
    end
    local apart = false
    for seed = 1, 8 do
      local part, counts = part_of { validation = 0.3, test = 0.2, seed = seed }, {}
      for _, name in pairs(part) do counts[name] = (counts[name] or 0) + 1 end
      assert.is_true(counts.validation >= 3 and counts.test >= 2 and counts.train >= 5)
      for _, takes in ipairs { { "door01.wav", "door04.wav", "door_05b.wav" }, { "Rain_01.wav", "Rain_02.wav" },
        { "a/door-01.wav", "a/door-03.wav" }, { "hit 01.wav", "hit 04.wav" } } do
        for _, id in ipairs(takes) do assert.equal(part[takes[1]], part[id], id) end
      end
      local loose = part_of { validation = 0.3, seed = seed, together = false }
      apart = apart or loose["door01.wav"] ~= loose["door02.wav"]
    end
    assert.is_true(apart)
  end)

  it("names the clip and the line of what it does not understand", function()
    local none, message, code = data.split(set_of(2, { "train", "holdout" }))
    assert.is_nil(none)
    assert.equal("split: line 3, 'c2.wav': the split is 'holdout'; it should be train, validation or test",
      message)
    assert.equal("EFORMAT", code)
    none, message = data.split(set_of(2, { "train" }))
    assert.is_nil(none)
    assert.equal("split: line 3, 'c2.wav': no split, but other clips have one; it should be train, "
      .. "validation or test", message)
  end)
end)
