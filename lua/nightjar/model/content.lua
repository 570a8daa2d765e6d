--- Which words of a text can name a sound. Articles, prepositions, conjunctions and forms of "be" have vectors
--- as other words do, but where these fit best says nothing.
local content = {}

local function_words = {}
for word in ("a an the of in on at to by with and or then while as it its is are be being been was "
  .. "their his her from into over under after before which that there this some one other"):gmatch "%a+" do
  function_words[word] = true
end

--- Whether a word can name a sound.
---@param word string
---@return boolean
function content.names(word) return not function_words[word:lower()] end

return content
