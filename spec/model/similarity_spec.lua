local nj = require "nightjar"
local similarity = require "nightjar.model.similarity"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

local function make()
  return similarity.new(nj.tensor { { 0.1, 0.9, 0.5 }, { -0.2, 0.3, 0 / 0 } },
    { "a dog barks", "rain, \"heavy\"" }, { "a.wav", "b<c>&.wav", "ç.wav" })
end

describe("similarity", function()
  it("ranks the clips of a text, by place or by words", function()
    local s = make()
    assert.equal(2, #s)
    local top = s:top("a dog barks", 2)
    assert.same({ "b<c>&.wav", "ç.wav" }, { top[1].clip, top[2].clip })
    assert.same({ 2, 3 }, { top[1].index, top[2].index })
    assert.is_near(0.9, top[1].score, 1e-6)
    assert.same(s:top(1, 3), s:top(-2, 3))
    assert.equal(3, #s:top(1, 99))
    assert.same({}, s:top(1, 0))
  end)

  it("names the text that was meant", function()
    assert.has_error(function() make():top "a dog bark" end,
      "similarity: no text 'a dog bark' (did you mean 'a dog barks'?)")
    assert.error_matches(function() make():top(3) end, "similarity: row 3 of a matrix with 2 texts")
  end)

  it("prints shaded, and says what it leaves out", function()
    local text = tostring(make())
    assert.matches("a dog barks .*░ 0.100 █ 0.900 ▓ 0.500", text)
    assert.matches("\n   2  b<c>&.wav\n", text, 1, true)
    assert.matches("[similarity of 2 texts × 3 clips]", text, 1, true)
    local texts, clips = {}, {}
    for i = 1, 40 do texts[i], clips[i] = ("text %d "):format(i):rep(9), "clip " .. i end
    text = tostring(similarity.new(nj.zeros(40, 40), texts, clips))
    assert.matches("[similarity of 40 texts × 40 clips, 30 × 12 shown]", text, 1, true)
    assert.matches("…", text, 1, true)
    assert.equal("[similarity of 0 texts × 3 clips]",
      tostring(similarity.new(nj.zeros(0, 3), {}, { "a", "b", "c" })))
  end)

  it("exchanges texts and clips", function()
    local t = make():transpose()
    assert.same({ 3, 2 }, t.scores.shape)
    assert.equal("a dog barks", t:top("a.wav", 1)[1].clip)
  end)

  it("saves CSV that can be read back, and SVG that is XML", function()
    local folder = temporary.folder()
    local s = make()
    assert(s:save(folder .. "/s.csv"))
    local rows = assert(nj.data.csv.read(folder .. "/s.csv"))
    assert.equal(2, #rows)
    assert.equal("0.899999976", rows[1]["b<c>&.wav"])
    assert.equal('rain, "heavy"', rows[2][""])
    assert(s:save(folder .. "/s.SVG"))
    local full = folder .. "/full.svg" -- the matrix is not there when the disk is full
    assert(require("nightjar.lfs").link("/dev/full", full, true))
    local ok, message, code = s:save(full)
    assert.same({ nil, "EIO" }, { ok, code })
    assert.matches("full.svg", message)
    local svg = assert(io.open(folder .. "/s.SVG", "rb")):read "a"
    assert.matches("^<svg xmlns", svg)
    assert.matches("b&lt;c&gt;&amp;.wav", svg, 1, true)
    local open, close = select(2, svg:gsub("<text[ >]", "")), select(2, svg:gsub("</text>", ""))
    assert.equal(open, close)
    assert.equal(2 + 3 + 6, open)
    assert.not_matches("nan</text>", svg)
    temporary.remove(folder)
  end)

  it("says where it cannot save", function()
    assert.error_matches(function() make():save "x.png" end,
      "similarity: save to a path that ends in .csv or .svg", nil, true)
    local ok, message, code = make():save "/no/such/folder/x.csv"
    assert.is_nil(ok)
    assert.matches("/no/such/folder/x.csv", message)
    assert.equal("EIO", code)
  end)

  it("comes from a model, of sounds or of what the model gave for them", function()
    local model = tiny_model.new()
    local x = nj.rand({ 32000 }, { rng = nj.rng(1) })
    local clips = model:audio { x, x }
    local s = model:similarity({ "a dog", "rain" }, clips)
    assert.same({ 2, 2 }, s.scores.shape)
    assert.same({ "clip 1", "clip 2" }, s.clips)
    assert.equal(s.scores:bytes(), model:similarity({ "a dog", "rain" }, { x, x }).scores:bytes())
    assert.same({ 2, 0 }, model:similarity({ "a", "b" }, {}).scores.shape)
    local S, message, code = model:similarity({ "a" }, { "none.wav" })
    assert.is_nil(S)
    assert.matches("none.wav", message, 1, true)
    assert.equal("ENOTFOUND", code)
    S, message, code = model:classifier({ "dog", "rain" }):similarity { "none.wav" }
    assert.is_nil(S)
    assert.matches("none.wav", message, 1, true)
    assert.equal("ENOTFOUND", code)
  end)
end)
