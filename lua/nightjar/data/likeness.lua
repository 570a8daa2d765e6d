--- How nearly two captions say the same in the same words, from 0 to 1. Case, punctuation and space
--- make no difference.
---   jaccard  distinct words that both have, over distinct words that either has; order is nothing
---   edit     1 − (words put in, taken out or replaced to make one of the other) / words of the
---            longer
--- Two captions without a word are the same.
local core = require "nightjar.core"

local likeness = {}

--- The words of a caption: lower case, without punctuation.
---@param text string
---@return string[]
function likeness.words(text)
  local words = {}
  local plain = core.text.normalize(text, { form = "NFC", lower = true }):gsub("'", "")
  for word in plain:gmatch "[%w\x80-\xFF]+" do words[#words + 1] = word end
  return words
end

--- By sets of words.
---@param a string[]
---@param b string[]
---@return number
function likeness.jaccard(a, b)
  local seen, both, either = {}, 0, 0
  for _, word in ipairs(a) do
    if not seen[word] then
      seen[word] = 1
      either = either + 1
    end
  end
  for _, word in ipairs(b) do
    if not seen[word] then
      seen[word] = 2
      either = either + 1
    elseif seen[word] == 1 then
      seen[word] = 2
      both = both + 1
    end
  end
  return either == 0 and 1 or both / either
end

--- By the edits from one to the other, counted in words.
---@param a string[]
---@param b string[]
---@return number
function likeness.edit(a, b)
  local longer = math.max(#a, #b)
  if longer == 0 then return 1 end
  local above = {}
  for j = 0, #b do above[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      row[j] = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i] == b[j] and 0 or 1))
    end
    above = row
  end
  return 1 - above[#b] / longer
end

return likeness
