--- Scores of all queries against all clips, at each level.
local nj = require "nightjar"
local Matcher = require "matcher"

local scoring = {}

local BLOCK = 256

-- Encodes a list in blocks and hands each to `visit`.
local function blocks(list, size, visit)
  for first = 1, #list, size do
    visit(table.move(list, first, math.min(first + size - 1, #list), 1, {}))
  end
end

--- The queries of groups, and the group of each.
function scoring.queries(groups, most)
  local texts, clip_of = {}, {}
  for i, group in ipairs(groups) do
    for q = 1, math.min(most or #group.queries, #group.queries) do
      texts[#texts + 1], clip_of[#clip_of + 1] = group.queries[q], i
    end
  end
  return texts, clip_of
end

--- The captions of groups from place `first` to `last`.
function scoring.documents(groups, first, last)
  local out = {}
  for i, group in ipairs(groups) do
    out[i] = table.move(group.documents, first, math.min(last, #group.documents), 1, {})
  end
  return out
end

--- Sentence vectors of queries.
function scoring.encode_queries(matcher, texts)
  local lists, out = {}, { sentences = {}, words = {} }
  for i, text in ipairs(texts) do lists[i] = matcher.ids(text) end
  blocks(lists, BLOCK, function(part)
    local words = matcher:words(part, "query")
    out.words[#out.words + 1] = words
    out.sentences[#out.sentences + 1] = matcher:sentences(words, "query")
  end)
  out.sentences = nj.cat(out.sentences, 1)
  return out
end

--- Captions of clips, K for each.
function scoring.encode_clips(matcher, documents)
  local clips, out = {}, { sentences = {}, tokens = {} }
  for i, texts in ipairs(documents) do
    clips[i] = {}
    for k, text in ipairs(texts) do clips[i][k] = matcher.ids(text) end
  end
  blocks(clips, BLOCK, function(part)
    local captions = matcher:captions(part, { tokens = true, sentences = true })
    out.sentences[#out.sentences + 1] = captions.sentences
    out.tokens[#out.tokens + 1] = captions.tokens
  end)
  out.sentences = nj.cat(out.sentences, 1)
  return out
end

--- Scores by sentence vectors (queries, clips): how = "mean", "best", or a function that pools
--- (n, K, D).
function scoring.by_sentence(queries, clips, how)
  if how ~= "best" then
    local pool = type(how) == "function" and how or Matcher.mean
    return queries.sentences:matmul(pool(clips.sentences):t())
  end
  local best
  for k = 1, clips.sentences.shape[2] do
    local S = queries.sentences:matmul(clips.sentences:select(2, k):t())
    best = best and best:maximum(S) or S
  end
  return best
end

--- Scores by words.
function scoring.by_tokens(queries, clips, direction)
  local rows = {}
  for i, words in ipairs(queries.words) do
    local row = {}
    for j, tokens in ipairs(clips.tokens) do row[j] = Matcher.interact(words, tokens, direction) end
    rows[i] = nj.cat(row, 2)
  end
  return nj.cat(rows, 1)
end

return scoring
