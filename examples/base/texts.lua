--- Texts as the training wants them: tokens remembered, labels found in captions.
local nj = require "nightjar"
local vocabulary = require "nightjar.words.vocabulary"

local texts = {}

local Table = {}
Table.__index = Table

--- Remembers the tokens of every text that is asked for.
---@param tower table a word tower
function texts.table(tower) return setmetatable({ tower = tower, rows = {} }, Table) end

local function row_of(self, text)
  local row = self.rows[text]
  if not row then
    row = {}
    for _, word in ipairs(self.tower.known:split(text)) do
      for _, entry in ipairs(word.entries) do
        if #row < self.tower.max then row[#row + 1] = entry end
      end
    end
    row.key = table.concat(row, " ")
    self.rows[text] = row
  end
  return row
end

--- Whether a text has a word that is known.
function Table:says(text) return #row_of(self, text) > 0 end

--- Tokens of texts, and for each a key that texts of the same words share.
---@return any ids (B, W), any mask (B, W), string[] keys
function Table:batch(list)
  local ids, mask, keys, most = {}, {}, {}, 1
  for i, text in ipairs(list) do
    local row = row_of(self, text)
    keys[i], most = row.key, math.max(most, #row)
  end
  for i, text in ipairs(list) do
    local row = row_of(self, text)
    ids[i], mask[i] = {}, {}
    for k = 1, most do ids[i][k], mask[i][k] = row[k] or 1, row[k] and 1 or 0 end
  end
  return nj.tensor(ids, { dtype = "int64" }), nj.tensor(mask, { dtype = "uint8" }), keys
end

local function plain_words(text)
  local list = {}
  for word in text:lower():gmatch "[a-z]+" do
    if not vocabulary.stop_words[word] then list[#list + 1] = word end
  end
  return list
end

-- A word and what it may be a form of.
local function forms(word)
  local list = { word }
  if word:find "s$" then list[#list + 1] = word:sub(1, -2) end
  local base = word:match "^(.+)ing$"
  if base then
    list[#list + 1], list[#list + 2] = base, base .. "e"
    if #base > 2 and base:sub(-1) == base:sub(-2, -2) then list[#list + 1] = base:sub(1, -2) end
  end
  return list
end

--- A function that gives the places of those names all of whose words a text holds: "a dog is barking" holds
--- "Dog" and "Bark".
---@param names string[]
---@return fun(text: string): integer[]
function texts.finder(names)
  local wanted, by_word = {}, {}
  for i, name in ipairs(names) do
    wanted[i] = {}
    for _, word in ipairs(plain_words(name)) do
      wanted[i][word] = true
      by_word[word] = by_word[word] or {}
      table.insert(by_word[word], i)
    end
  end
  return function(text)
    local there, found, seen = {}, {}, {}
    for _, word in ipairs(plain_words(text)) do
      for _, form in ipairs(forms(word)) do there[form] = true end
    end
    for word in pairs(there) do
      for _, i in ipairs(by_word[word] or {}) do
        if not seen[i] then
          seen[i] = true
          local all = next(wanted[i]) ~= nil
          for needed in pairs(wanted[i]) do all = all and there[needed] end
          if all then found[#found + 1] = i end
        end
      end
    end
    table.sort(found)
    return found
  end
end

--- How much each word of a vocabulary says: the logarithm of how rare it is among captions.
---@param words string[]
---@param captions string[]
---@return any (V)
function texts.importance(words, captions)
  local count = {}
  for _, caption in ipairs(captions) do
    local seen = {}
    for _, word in ipairs(plain_words(caption)) do
      if not seen[word] then
        seen[word] = true
        count[word] = (count[word] or 0) + 1
      end
    end
  end
  local list = {}
  for i, word in ipairs(words) do
    list[i] = math.max(0.05, math.log((#captions + 1) / ((count[word] or 0) + 20)))
  end
  return nj.tensor(list)
end

--- The words of texts, each once, in the order in which a vocabulary has them; then the vocabulary's others.
---@param all string[] the vocabulary, the most frequent word first
---@param rows fun(): string? gives text after text
---@param most integer words in all, but for those of texts, which are all kept
---@return string[] words
---@return integer[] places in `all`
---@return integer count of those in texts
function texts.vocabulary(all, rows, most)
  local place, used = {}, {}
  for i, word in ipairs(all) do place[word] = place[word] or i end
  for text in rows do
    for _, word in ipairs(plain_words(text)) do
      if place[word] then used[place[word]] = true end
    end
  end
  local words, places = {}, {}
  for i, word in ipairs(all) do
    if used[i] then words[#words + 1], places[#places + 1] = word, i end
  end
  local count = #words
  for i, word in ipairs(all) do
    if not used[i] and i <= most then words[#words + 1], places[#places + 1] = word, i end
  end
  return words, places, count
end

return texts
