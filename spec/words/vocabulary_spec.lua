local vocabulary = require "nightjar.words.vocabulary"

local words = { "dog", "bark", "run", "hope", "fly", "open", "door", "wood", "gun", "machine", "loud",
  "cafe", "8bit" }

local function entries(text)
  local v, list = vocabulary.new(words), {}
  for _, word in ipairs(v:split(text)) do
    local found = {}
    for k, entry in ipairs(word.entries) do found[k] = words[entry] end
    list[#list + 1] = word.text .. "=" .. (word.stop and "-" or table.concat(found, "+"))
  end
  return table.concat(list, " ")
end

describe("a vocabulary of whole words", function()
  it("finds words whatever their case and accents, and leaves words of grammar out", function()
    assert.equal("The=- DOG=dog barks=bark at=- the=- Café=cafe", entries "The DOG barks, at the Café!")
  end)

  it("falls back to the stem of an inflection", function()
    assert.equal("barking=bark running=run hoping=hope flies=fly dogs=dog louder=loud loudly=loud opened=open",
      entries "barking running hoping flies dogs louder loudly opened")
  end)

  it("splits names of files as people write them", function()
    assert.equal("Wood=wood Door=door Open02=open", entries "WoodDoor_Open02")
    assert.equal("machinegun=machine+gun doors=door", entries "machinegun-doors")
  end)

  it("names what it does not know, in any script, and takes punctuation for no word", function()
    assert.equal("собака= 犬= 🐶= plmove=", entries "собака — 犬 “🐶”, plmove …")
    assert.equal("", entries "?!… — «» 。")
    assert.equal("", entries "")
  end)

  it("gives the bytes of each word", function()
    local text = "a WoodDoor über"
    for _, word in ipairs(vocabulary.new(words):split(text)) do
      assert.equal(word.text, text:sub(word.from, word.to))
    end
  end)

  it("takes bytes that are no UTF-8", function()
    assert.has_no.errors(function() entries "dog \xff\xfe bark\x80" end)
  end)
end)
