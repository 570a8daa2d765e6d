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

-- Unicode's punctuation and signs that only join or end words; signs such as emoji are words.
local function is_punctuation(code)
  return code < 0xC0 and code ~= 0xAA and code ~= 0xB2 and code ~= 0xB3 and code ~= 0xB5 and code ~= 0xB9
    and code ~= 0xBA or code == 0xD7 or code == 0xF7 or code >= 0x2000 and code < 0x2070
    or code >= 0x3000 and code < 0x3004 or code >= 0x3008 and code < 0x3021 or code == 0x30FB
    or code >= 0xFE00 and code < 0xFE70 or code >= 0xFF01 and code < 0xFF10
    or code >= 0xFF1A and code < 0xFF21 or code >= 0xFF3B and code < 0xFF41
    or code >= 0xFF5B and code < 0xFF66 or code == 0x061F or code == 0x060C or code == 0x061B
    or code == 0x0964 or code == 0x0965 or code == 0x055A or code == 0x0589 or code == 0x05BE
    or code == 0xFEFF
end

--- Whether a text has a word in any script: a letter, a digit, or a sign such as an emoji, but not
--- punctuation alone.
---@param text string
---@return boolean
function content.has_word(text)
  if text:find "%w" then return true end
  if not text:find "[\128-\255]" then return false end
  if not utf8.len(text, 1, -1, true) then return true end -- no UTF-8: not for this function to judge
  for _, code in utf8.codes(text, true) do
    if code >= 0x80 and not is_punctuation(code) then return true end
  end
  return false
end

return content
