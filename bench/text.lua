-- Tokenising and training on captions: Clotho's where ../shared is, else made-up ones. The
-- references are the same algorithms written straightforwardly in Lua, for ASCII text.
local bpe_reference = require "spec.support.bpe_reference"
local shared = require "spec.support.shared"
local wordpiece_reference = require "spec.support.wordpiece_reference"

local function captions(nj)
  local csv = shared.read "data/captions/clotho/development_captions.csv"
  local list = {}
  for line in (csv or ""):gmatch "[^\n]+" do
    local text = line:match "^[^,]*%.wav,([^,\"]+)," or line:match '^[^,]*%.wav,"([^"]+)",'
    if text and not text:find "[\x80-\xff]" then list[#list + 1] = text end
  end
  local rng = nj.rng(1)
  local words = { "a", "the", "dog", "barks", "rain", "falls", "loudly", "while", "birds", "sing" }
  while #list < 10000 do
    local parts = {}
    for i = 1, rng:integer(6, 18) do parts[i] = rng:choice(words) end
    list[#list + 1] = table.concat(parts, " ") .. "."
  end
  return list
end

-- WordPiece by lower, gmatch and sub.
local function naive_wordpiece(vocabulary)
  local id = {}
  for i, token in ipairs(vocabulary) do id[token] = i - 1 end
  local function encode_word(word, ids)
    local first, before = 1, #ids
    while first <= #word do
      local last, found = #word, nil
      while last >= first do
        found = id[(first > 1 and "##" or "") .. word:sub(first, last)]
        if found then break end
        last = last - 1
      end
      if not found then
        for i = #ids, before + 1, -1 do ids[i] = nil end
        ids[before + 1] = id["[UNK]"]
        return
      end
      ids[#ids + 1] = found
      first = last + 1
    end
  end
  return function(text)
    local ids = { id["[CLS]"] }
    for word in text:lower():gsub("%p", " %0 "):gmatch "%S+" do encode_word(word, ids) end
    ids[#ids + 1] = id["[SEP]"]
    return ids
  end
end

-- GPT-2's way for letters, spaces and punctuation, without a cache of words.
local function naive_bpe(tok)
  local rank, id, char = {}, {}, bpe_reference.alphabet()
  for i, merge in ipairs(tok:merges()) do rank[merge] = i end
  for i, token in ipairs(tok:vocabulary()) do id[token] = i - 1 end
  return function(text)
    local ids = {}
    local function word(bytes)
      local symbols = {}
      for i = 1, #bytes do symbols[i] = char[bytes:byte(i)] end
      for _, symbol in ipairs(bpe_reference.merge(symbols, rank)) do ids[#ids + 1] = id[symbol] end
    end
    local at = 1
    while at <= #text do
      local _, last = text:find("^ ?%a+", at)
      if not last then _, last = text:find("^ ?%d+", at) end
      if not last then _, last = text:find("^ ?[^%s%w]+", at) end
      if not last then _, last = text:find("^%s+", at) end
      word(text:sub(at, last))
      at = last + 1
    end
    return ids
  end
end

local function each(list, encode)
  return function()
    for i = 1, #list do encode(list[i]) end
  end
end

return function(case, nj)
  local all = captions(nj)
  local some = table.move(all, 1, 2000, 1, {})
  local few = table.move(all, 1, 300, 1, {})
  local path = shared.path "data/text/bert-base-uncased/vocab.txt"
  local tok = assert(nj.text.wordpiece(path or nj.text.train_wordpiece(all, { size = 8000 })))
  local naive = naive_wordpiece(tok:vocabulary())
  for _, text in ipairs(some) do
    assert(table.concat(naive(text), " ") == table.concat(tok:ids(text), " "), text)
  end
  case("WordPiece, 2000 captions", {
    { "nightjar, batch", function() tok:batch(some) end },
    { "nightjar, one by one", each(some, function(text) tok:ids(text) end) },
    { "Lua", each(some, naive) },
    work = 2000, unit = "kcaptions/s",
  })
  case(("WordPiece, batches of 32 from %d captions"):format(#all), {
    { "nightjar", function()
      for i = 1, #all - 31, 32 do tok:batch(table.move(all, i, i + 31, 1, {}), { max = 30 }) end
    end },
    work = #all // 32 * 32, unit = "kcaptions/s",
  })
  local vocab = shared.path "data/text/gpt2/encoder.json"
  local merges = shared.path "data/text/gpt2/vocab.bpe"
  if vocab and merges then
    local gpt2 = assert(nj.text.bpe(vocab, merges))
    local naive_gpt2 = naive_bpe(gpt2)
    for _, text in ipairs(few) do
      assert(table.concat(naive_gpt2(text), " ") == table.concat(gpt2:ids(text), " "), text)
    end
    case("byte-level BPE, 300 captions", {
      { "nightjar, batch", function() gpt2:batch(few) end },
      { "nightjar, one by one", each(few, function(text) gpt2:ids(text) end) },
      { "Lua", each(few, naive_gpt2) },
      work = 300, unit = "kcaptions/s",
    })
  end
  local options = { size = 1000, min_frequency = 2, alphabet = 1000, specials = { "[UNK]" } }
  case("training WordPiece, 300 captions to 1000 tokens", {
    { "nightjar", function() nj.text.train_wordpiece(few, options) end },
    { "Lua, counting anew", function() wordpiece_reference.train(few, options) end },
    work = 300, unit = "kcaptions/s",
  })
  local many = {}
  for i = 1, 50000 do many[i] = all[(i - 1) % #all + 1] end
  case("training WordPiece, 50000 captions to 30522 tokens", {
    { "nightjar", function() nj.text.train_wordpiece(many, { min_frequency = 1 }) end },
    work = 50000, unit = "kcaptions/s",
  })
  local texts = table.concat(all, "\n")
  case(("normalize, %.1f MB of captions"):format(#texts / 1e6), {
    { "nightjar, NFC", function() nj.text.normalize(texts) end },
    { "Lua, lower", function() texts:lower() end },
    work = #texts, unit = "MB/s",
  })
end
