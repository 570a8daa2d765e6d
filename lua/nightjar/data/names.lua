--- Words out of the names that people give to files and uploads.
local names = {}

-- Words of names that say nothing about the sound.
local empty_words = {
  wav = true, mp3 = true, ogg = true, flac = true, aif = true, aiff = true, wave = true,
  stereo = true, mono = true, loop = true, final = true, mix = true, edit = true, take = true,
  master = true, version = true, sfx = true, fx = true, snd = true, sample = true, audio = true,
  recording = true, rec = true, untitled = true, track = true, new = true, copy = true, zoom = true,
  www = true, com = true, sound = true, sounds = true, file = true, files = true,
}

--- Words for a sound out of a file name or title: "Dog_Bark-03.final.wav" gives "dog bark".
--- Separators and CamelCase become spaces; numbers, single letters, words such as "stereo" or
--- "take", and repetitions are left out. "" when nothing is left.
---@param name string
---@return string
function names.clean(name)
  local text = name:gsub("%.%w+$", function(ending)
    return #ending <= 5 and "" or ending
  end)
  text = text:gsub("'", ""):gsub("[%s%c%p]+", " ")
  text = text:gsub("(%l)(%u)", "%1 %2"):gsub("(%a)(%d)", "%1 %2"):gsub("(%d)(%a)", "%1 %2")
  local words, seen = {}, {}
  for word in text:gmatch "%S+" do
    word = word:lower()
    local letters = word:find "[%a\x80-\xFF]"
    -- A word with no vowel is an abbreviation ("br", "lg", "fx") or an identifier.
    local spoken = word:find "[aeiouy\x80-\xFF]"
    if letters and spoken and #word > 1 and not empty_words[word] and not seen[word] then
      seen[word] = true
      words[#words + 1] = word
    end
  end
  return table.concat(words, " ")
end

return names
