--- BM25, the usual ranking of documents by the words that they share with a query (Robertson & others
--- 1994), as a reference that knows nothing but words: what a learned text encoder has to beat.
---
---     local index = nj.bm25({ "a dog barks", { "rain falls", "water drips on a roof" } })
---     print(index)                                 --> bm25: 2 documents, 9 words, …
---     local S = index:scores({ "dog in the rain" })  -- (queries, documents)
---     index:search("rain on a roof", 10)           --> { { document = 2, score = … }, … }
---
--- score(q, d) = Σ_w n(w, q) · idf(w) · f (k1 + 1) / (f + k1 (1 − b + b |d| / mean |d|)), f = n(w, d),
--- idf(w) = ln(1 + (N − n + ½) / (n + ½)), n the documents that have w. The 1 in the logarithm keeps
--- words that more than half of the documents have from counting against a document (with it the
--- least is 0; without it, "a" and "is" would be negative).
---
--- Words are runs of letters, digits and apostrophes in lower case; nothing is stemmed, no word is
--- left out. The index is inverted: a query touches the documents that share a word with it, and no
--- others.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

local Index = { __name = "nightjar.Bm25" }
Index.__index = Index

local function plain_words(text)
  local words, n = {}, 0
  for word in core.text.normalize(text, { form = "NFC", lower = true }):gmatch "[%w'\x80-\xFF]+" do
    n = n + 1
    words[n] = word
  end
  return words
end

local function words_of(self, text, what)
  local words = self.tokenize(text)
  if type(words) ~= "table" then
    error(("bm25: option 'tokenize' must give a list of words, gave a %s for %s")
      :format(type(words), what), 0)
  end
  return words
end

-- How often each word occurs in a document, and how many words there are.
local function count_words(self, document, number)
  local counts, total = {}, 0
  for _, text in ipairs(type(document) == "table" and document or { document }) do
    if type(text) ~= "string" then
      error(("bm25: document %d holds a %s, expected texts"):format(number, opts.type_name(text)), 0)
    end
    for _, word in ipairs(words_of(self, text, "document " .. number)) do
      counts[word] = (counts[word] or 0) + 1
      total = total + 1
    end
  end
  return counts, total
end

-- Posting lists of one word: { documents, what an occurrence of the word in a query adds }.
local function add_postings(self, counts, number)
  for word, count in pairs(counts) do
    local posting = self.postings[word]
    if not posting then
      posting = { documents = {}, weights = {} }
      self.postings[word] = posting
      self.words = self.words + 1
    end
    local n = #posting.documents + 1
    posting.documents[n], posting.weights[n] = number, count
  end
end

-- Turns counts into weights, once the mean length and the document frequencies are known.
local function weigh(self, lengths)
  local total = 0
  for _, length in ipairs(lengths) do total = total + length end
  self.mean_length = self.documents > 0 and total / self.documents or 0
  local k1, b = self.k1, self.b
  for _, posting in pairs(self.postings) do
    local n = #posting.documents
    local idf = math.log(1 + (self.documents - n + 0.5) / (n + 0.5))
    for i, document in ipairs(posting.documents) do
      local f = posting.weights[i]
      local length = lengths[document] / self.mean_length
      posting.weights[i] = idf * f * (k1 + 1) / (f + k1 * (1 - b + b * length))
    end
  end
end

--- Makes an index.
---@param documents (string|string[])[] each a text, or several that count as one: the captions of a
---  clip
---@param options? { k1?: number, b?: number, tokenize?: fun(text: string): string[] } k1: how soon
---  repetitions stop counting, default 1.2; b: how much long documents are held back, default 0.75;
---  tokenize: what words are, default runs of letters, digits and apostrophes in lower case
---@return nightjar.Bm25
local function bm25(documents, options)
  opts.arg("bm25", 1, "documents", documents, "table")
  local o = opts.check("bm25", options, {
    k1 = { type = "number", default = 1.2, min = 0, below = math.huge },
    b = { type = "number", default = 0.75, min = 0, max = 1 },
    tokenize = { type = "callable", default = plain_words },
  })
  local self = setmetatable({
    k1 = o.k1, b = o.b, tokenize = o.tokenize, postings = {}, words = 0, documents = #documents,
  }, Index)
  local lengths = {}
  for number, document in ipairs(documents) do
    local counts
    counts, lengths[number] = count_words(self, document, number)
    add_postings(self, counts, number)
  end
  weigh(self, lengths)
  return self
end

-- Scores of the documents that share a word with the query, by document.
local function accumulate(self, query)
  local scores = {}
  for _, word in ipairs(words_of(self, query, "a query")) do
    local posting = self.postings[word]
    if posting then
      local numbers, weights = posting.documents, posting.weights
      for i = 1, #numbers do
        local number = numbers[i]
        scores[number] = (scores[number] or 0) + weights[i]
      end
    end
  end
  return scores
end

--- Scores of every document for every query; 0 where no word is shared.
---@param queries string[]
---@return nightjar.Tensor (queries, documents) float32
function Index:scores(queries)
  opts.arg("scores", 1, "queries", queries, "table")
  if #queries == 0 or self.documents == 0 then
    return core.zeros({ #queries, self.documents })
  end
  local rows = {}
  for i, query in ipairs(queries) do
    opts.arg("scores", 1, ("queries[%d]"):format(i), query, "string")
    local scores, row = accumulate(self, query), {}
    for number = 1, self.documents do row[number] = scores[number] or 0 end
    -- Rows become tensors one by one: a table of all of them would be 16 bytes a number.
    rows[i] = core.tensor(row)
  end
  return core.stack(rows, 1)
end

--- The best documents for one query, those that share at least one word with it; ties by number.
---@param query string
---@param k? integer at most so many, default 10
---@return { document: integer, score: number }[]
function Index:search(query, k)
  opts.arg("search", 1, "query", query, "string")
  k = opts.arg("search", 2, "k", k, { type = "integer", min = 1, default = 10 })
  local found = {}
  for number, score in pairs(accumulate(self, query)) do
    found[#found + 1] = { document = number, score = score }
  end
  table.sort(found, function(x, y)
    if x.score ~= y.score then return x.score > y.score end
    return x.document < y.document
  end)
  return table.move(found, 1, math.min(k, #found), 1, {})
end

--- The number of documents.
function Index:__len() return self.documents end

function Index:__tostring()
  return ("bm25: %d documents, %d words, %.1f words a document (k1 %g, b %g)"):format(
    self.documents, self.words, self.mean_length, self.k1, self.b)
end

return bm25
