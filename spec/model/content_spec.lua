local content = require "nightjar.model.content"

describe("nightjar.model.content", function()
  it("tells words that can name a sound from those that cannot", function()
    for _, word in ipairs { "dog", "Rain", "ringing", "snores" } do assert.is_true(content.names(word)) end
    for _, word in ipairs { "a", "The", "IS", "while", "then" } do assert.is_false(content.names(word)) end
  end)
end)
