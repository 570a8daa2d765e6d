--- How much generated captions agree with references, word by word. Plain counts: no stemming, no
--- synonyms, no weights; for comparing captioners with each other, not with people.
local opts = require "nightjar.opts"

-- Words in lower case; punctuation is none.
local function words_of(text)
  local words = {}
  for word in text:lower():gmatch "[%w\128-\255']+" do words[#words + 1] = word end
  return words
end

-- How often each run of n words occurs, and how many there are.
local function runs(words, n)
  local counts, total = {}, 0
  for i = 1, #words - n + 1 do
    local run = table.concat(words, " ", i, i + n - 1)
    counts[run] = (counts[run] or 0) + 1
    total = total + 1
  end
  return counts, total
end

-- The F1 of two bags: the harmonic mean of the shares of each that the other holds.
local function f1(a, n_a, b, n_b)
  local common = 0
  for run, count in pairs(a) do common = common + math.min(count, b[run] or 0) end
  return n_a + n_b > 0 and 2 * common / (n_a + n_b) or 0
end

local function best(words, references, n)
  local counts, total = runs(words, n)
  local most = 0
  for _, reference in ipairs(references) do
    most = math.max(most, f1(counts, total, runs(reference, n)))
  end
  return most
end

local function is_one_of(words, references)
  local text = table.concat(words, " ")
  for _, reference in ipairs(references) do
    if table.concat(reference, " ") == text then return 1 end
  end
  return 0
end

local Result = {}
Result.__index = Result
Result.__name = "nightjar.CaptionMetrics"

function Result:__tostring()
  return ("%d captions: word F1 %.1f, bigram F1 %.1f, word for word a reference %.1f %%; %.1f words, "
    .. "%d different captions"):format(self.n, self.word_f1, self.bigram_f1, self.exact, self.words,
    self.distinct)
end

--- Compares one caption of each clip with the clip's references. Each caption is scored against the
--- reference that it agrees with best; means over clips, in percent.
---@param captions string[]
---@param references string[][] of each clip, one or more
---@return table { n, word_f1, bigram_f1, exact (word for word one of the references), words (mean
---  length), distinct (different captions) }; prints itself
return function(captions, references)
  opts.arg("metrics.captions", 1, "captions", captions, "table")
  opts.arg("metrics.captions", 2, "references", references, "table")
  if #captions ~= #references then
    error(("metrics.captions: %d captions, references of %d clips"):format(#captions, #references), 2)
  end
  local r = { n = #captions, word_f1 = 0, bigram_f1 = 0, exact = 0, words = 0, distinct = 0 }
  local seen = {}
  for i, caption in ipairs(captions) do
    if type(caption) ~= "string" or type(references[i]) ~= "table" or #references[i] == 0 then
      error(("metrics.captions: clip %d needs a caption and a list of references"):format(i), 2)
    end
    local words, against = words_of(caption), {}
    for k, reference in ipairs(references[i]) do against[k] = words_of(reference) end
    r.word_f1 = r.word_f1 + 100 * best(words, against, 1)
    r.bigram_f1 = r.bigram_f1 + 100 * best(words, against, 2)
    r.exact = r.exact + 100 * is_one_of(words, against)
    r.words = r.words + #words
    if not seen[caption] then r.distinct = r.distinct + 1 end
    seen[caption] = true
  end
  for _, key in ipairs { "word_f1", "bigram_f1", "exact", "words" } do
    r[key] = r.n > 0 and r[key] / r.n or 0 / 0
  end
  return setmetatable(r, Result)
end
