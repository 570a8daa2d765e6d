local content = require "nightjar.model.content"

describe("nightjar.model.content", function()
  it("tells words that can name a sound from those that cannot", function()
    for _, word in ipairs { "dog", "Rain", "ringing", "snores" } do assert.is_true(content.names(word)) end
    for _, word in ipairs { "a", "The", "IS", "while", "then" } do assert.is_false(content.names(word)) end
  end)

  it("finds words in any script, and none in punctuation", function()
    for _, text in ipairs { "dog", "7", "собака", "犬", "ひ", "कुत्ता", "كلب", "🐕", "… é", "x²" } do
      assert.is_true(content.has_word(text), text)
    end
    for _, text in ipairs { "", "  ", "?!", "…", "—", "¿¡", "«»", "。、", "！？", "؟" } do
      assert.is_false(content.has_word(text), text)
    end
  end)
end)
