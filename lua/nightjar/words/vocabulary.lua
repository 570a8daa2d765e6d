--- A vocabulary of whole words: what a text's words are, which of them are known, and under which entry.
---
--- Texts are split as BERT's basic tokeniser does (Unicode white space and punctuation; every CJK character
--- is a word), and at "_" and between a small and a capital letter, since names of files are written so:
--- "WoodDoor_Open02" is wood, door, open. Case and accents do not matter. Words of grammar ("the", "while")
--- carry no content and are left out. A word that the vocabulary lacks is looked up by its stem ("barkings",
--- "bark"), by its letters without digits ("open02") and as a compound of two known words ("dogbark").
local core = require "nightjar.core"

---@class nightjar.WordVocabulary
local Vocabulary = {}
Vocabulary.__index = Vocabulary
Vocabulary.__name = "nightjar.WordVocabulary"

local vocabulary = {}

--- Words of grammar, and the words that say only that there is a sound.
vocabulary.stop_words = {}
for word in ([[a an the of in on at and or with to is are it its by for from etc as be been being was were
  that this these those into some s t while then than there their them they he she his her i you we our my
  your can could has have had do does did not no so if but also which who what where when very just sound
  sounds sounding]]):gmatch "%a+" do
  vocabulary.stop_words[word] = true
end

--- A vocabulary.
---@param words string[] in lower case, without accents; the most frequent first
---@return nightjar.WordVocabulary
function vocabulary.new(words)
  local place = {}
  for i, word in ipairs(words) do place[word] = place[word] or i end
  return setmetatable({
    words = words, place = place,
    splitter = core.text.wordpiece({ "[PAD]", "[UNK]", "[CLS]", "[SEP]" }, {}),
  }, Vocabulary)
end

-- Whether a piece of a text is a word: any letter, digit or sign of any script but punctuation.
local function is_word(text)
  if text:find "[A-Za-z0-9]" then return true end
  if not text:find "[\128-\255]" then return false end
  for _, code in utf8.codes(text, true) do
    local punctuation = code < 0xC0 and code ~= 0xAA and code ~= 0xB5 and code ~= 0xBA
      or code == 0xD7 or code == 0xF7 or code >= 0x2000 and code < 0x2070
      or code >= 0x3000 and code < 0x3004 or code >= 0x3008 and code < 0x3021
      or code >= 0xFF00 and code < 0xFF10 or code >= 0xFE00 and code < 0xFE10
    if not punctuation then return true end
  end
  return false
end

-- "barks", "buses", "flies", "barking", "running", "hoping", "walked", "stopped", "louder", "loudly".
local SUFFIXES = {
  { "ies", { "y", "ie" } }, { "es", { "", "e" } }, { "s", { "" } }, { "ings", { "", "e" } },
  { "ing", { "", "e" } }, { "ied", { "y" } }, { "ed", { "", "e" } }, { "iest", { "y" } },
  { "est", { "", "e" } },
  { "ier", { "y" } }, { "er", { "", "e" } }, { "ers", { "", "e", "er" } }, { "ily", { "y" } }, { "ly", { "" } },
  { "ness", { "" } }, { "y", { "", "e" } },
}

local SHORTEST = 3 -- letters of a stem, and of each half of a compound

local function stem(place, word)
  for _, rule in ipairs(SUFFIXES) do
    local suffix, ends = rule[1], rule[2]
    if word:sub(-#suffix) == suffix then
      local base = word:sub(1, -#suffix - 1)
      for _, ending in ipairs(ends) do
        if #base + #ending >= SHORTEST and place[base .. ending] then return base .. ending end
      end
      local single = base:match "^(.*(.))%2$" -- "runn" of "running"
      if single and #single >= SHORTEST and place[single] then return single end
    end
  end
  return nil
end

-- The two known words that a word is written together from; the halves most alike in length are tried first.
local function compound(place, word)
  if #word < 2 * SHORTEST + 1 or word:find "[\128-\255]" then return nil end
  local middle = #word // 2
  for offset = 0, middle - SHORTEST do
    for _, cut in ipairs { middle - offset, middle + offset } do
      local a, b = word:sub(1, cut), word:sub(cut + 1)
      if #a >= SHORTEST and #b >= SHORTEST and place[a] and place[b] then return a, b end
    end
  end
  return nil
end

-- Entries under which a word is found, in its order; none when it is unknown.
local function entries(self, word)
  local place = self.place
  if place[word] then return { word } end
  local letters = word:gsub("%d+", " "):gsub("'s$", "")
  local list = {}
  for part in letters:gmatch "[^ ']+" do
    local known = place[part] and part or stem(place, part)
    if known then
      list[#list + 1] = known
    else
      local a, b = compound(place, part)
      list[#list + 1], list[#list + 2] = a, b
    end
  end
  return list
end

local function normal(text)
  return core.text.normalize(text, { form = "NFKC", casefold = true, strip_accents = true })
end

-- "WoodDoor" as two words; bytes keep their places because the splitter is asked for both halves apart.
local function camel_cuts(text)
  local cuts, at = {}, 1
  while true do
    local _, last = text:find("%l%u", at)
    if not last then break end
    cuts[#cuts + 1] = last
    at = last
  end
  return cuts
end

--- The words of a text in their order.
---@param text string
---@return { text: string, from: integer, to: integer, entries: integer[], stop: boolean }[] words: text as it
---is   written, bytes from … to, places in the vocabulary (none: unknown), stop: a word of grammar
function Vocabulary:split(text)
  local encoded, list = self.splitter:encode(text, { special = false }), {}
  for i in ipairs(encoded.tokens) do
    local from, to = encoded.offsets[i][1], encoded.offsets[i][2]
    local pieces, first = {}, from
    for _, cut in ipairs(camel_cuts(text:sub(from, to))) do
      pieces[#pieces + 1] = { first, from + cut - 2 }
      first = from + cut - 1
    end
    pieces[#pieces + 1] = { first, to }
    for _, piece in ipairs(pieces) do
      local written = text:sub(piece[1], piece[2])
      if is_word(written) then
        local word = normal(written)
        local stop = vocabulary.stop_words[word] or false
        local found = {}
        if not stop then
          for k, entry in ipairs(entries(self, word)) do found[k] = self.place[entry] end
        end
        list[#list + 1] = { text = written, from = piece[1], to = piece[2], entries = found, stop = stop }
      end
    end
  end
  return list
end

--- What of a word without entries would be looked up, were it in the vocabulary: its letters, without digits.
---@param word table of Vocabulary:split
---@return string? nil where there are no letters
function Vocabulary.key(word)
  local key = normal(word.text):gsub("'s$", ""):gsub("[%d']+", "")
  return key ~= "" and key or nil
end

function Vocabulary:__len() return #self.words end

vocabulary.Vocabulary = Vocabulary
return vocabulary
