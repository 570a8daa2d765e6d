--- The little grammar that captions need: third persons and participles of regular English verbs,
--- the article before a word, and number words.
local english = {}

-- Verbs of one syllable (and "rev", "whir") that double their last consonant before -ing.
local doubling = {}
local doubled = "chop chug clap cut drip drop hit hum lap let plop pop put rev rip run scrub sip "
  .. "sit snap spin step stop tap whir yap"
for verb in doubled:gmatch "%S+" do
  doubling[verb] = verb .. verb:sub(-1) .. "ing"
end

local third_persons = { be = "is", have = "has", go = "goes", ["do"] = "does", echo = "echoes" }
local participles = { be = "being" }

local function third(verb)
  if third_persons[verb] then return third_persons[verb] end
  if verb:find "[sxz]$" or verb:find "[cs]h$" then return verb .. "es" end
  if verb:find "[^aeiou]y$" then return verb:sub(1, -2) .. "ies" end
  return verb .. "s"
end

local function participle(verb)
  if participles[verb] then return participles[verb] end
  if doubling[verb] then return doubling[verb] end
  if verb:find "ie$" then return verb:sub(1, -3) .. "ying" end
  if verb:find "[^eoy]e$" then return verb:sub(1, -2) .. "ing" end
  return verb .. "ing"
end

-- Words that are verbs themselves after "and": "burn and crackle" becomes "burns and crackles".
local second_verbs = { crackle = true, exhale = true, tock = true }

local function inflect(phrase, form)
  local first, rest = phrase:match "^(%S+)(.*)$"
  rest = rest:gsub("( and )(%a+)", function(conjunction, word)
    return conjunction .. (second_verbs[word] and form(word) or word)
  end)
  return form(first) .. rest
end

--- A verb phrase in the simple present: "let out a bark" gives "lets out a bark".
---@param phrase string its first word is the verb in the base form
---@param plural boolean
---@return string
function english.present(phrase, plural)
  if not plural then return inflect(phrase, third) end
  return (phrase:gsub("^be ", "are "))
end

--- A verb phrase as a participle: "be opened" gives "being opened".
---@param phrase string
---@return string
function english.participle(phrase)
  return inflect(phrase, participle)
end

--- "a" or "an", by the sound the next word begins with.
---@param word string
---@return string
function english.article(word)
  word = word:lower()
  if word:find "^[aeio]" then
    return (word:find "^one%f[%A]" or word:find "^once%f[%A]") and "a" or "an"
  end
  if word:find "^u" then
    -- "a unit", "a user" and "a ukulele", yet "an urban", "an umbrella".
    return (word:find "^uni[^mn]" or word:find "^us[aeu]" or word:find "^uk") and "a" or "an"
  end
  if word:find "^hour" or word:find "^honest" or word:find "^heir" then return "an" end
  return "a"
end

--- A noun phrase with an adjective put behind its article ("a", "an" or "the"), or in front.
---@param phrase string
---@param adjective string? nil leaves the phrase, with its article put right
---@return string
function english.with_adjective(phrase, adjective)
  local article, rest = phrase:match "^(%a+) (.+)$"
  if article ~= "a" and article ~= "an" and article ~= "the" then article, rest = nil, phrase end
  if adjective then rest = adjective .. " " .. rest end
  if article == "a" or article == "an" then article = english.article(rest) end
  return article and article .. " " .. rest or rest
end

local numbers = { "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten" }

--- A number in words up to ten, in digits beyond.
---@param n integer
---@return string
function english.number(n)
  return numbers[n] or tostring(n)
end

return english
