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
