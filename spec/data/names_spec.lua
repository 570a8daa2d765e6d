local names = require "nightjar.data.names"

describe("names.clean", function()
  for name, words in pairs {
    ["Dog_Bark-03.final.wav"] = "dog bark",
    ["carHornHonk.ogg"] = "car horn honk",
    ["0001.wav"] = "",
    ["br Woodsy Ambiance2"] = "woodsy ambiance",
    ["RAIN on window (stereo) take 2.flac"] = "rain on window",
    ["Don't.mp3"] = "dont",
    ["Glocken läuten.wav"] = "glocken läuten",
    [""] = "", ["..."] = "", ["a.b"] = "",
    ["dog dog Dog.wav"] = "dog",
  } do
    it(("makes '%s' of '%s'"):format(words, name), function()
      assert.equal(words, names.clean(name))
    end)
  end
end)
