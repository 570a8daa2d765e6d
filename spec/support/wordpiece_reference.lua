-- A slow WordPiece trainer for lines of ASCII letters, digits and punctuation: it counts every pair
-- again after every merge. The specs compare nj.text.train_wordpiece with it.

local function words_of(line)
  local words = {}
  for stretch in line:lower():gmatch("%S+") do
    local word = ""
    for c in stretch:gmatch(".") do
      if c:match("%p") then
        if word ~= "" then words[#words + 1] = word end
        words[#words + 1] = c
        word = ""
      else
        word = word .. c
      end
    end
    if word ~= "" then words[#words + 1] = word end
  end
  return words
end

local function count_words(lines)
  local list, count = {}, {}
  for _, line in ipairs(lines) do
    for _, word in ipairs(words_of(line)) do
      if not count[word] then
        count[word] = 0
        list[#list + 1] = word
      end
      count[word] = count[word] + 1
    end
  end
  return list, count
end

-- The alphabet, most frequent characters first, cut to `most`, then by code point.
local function alphabet_of(list, count, most)
  local seen, characters = {}, {}
  for _, word in ipairs(list) do
    for c in word:gmatch(".") do
      if not seen[c] then
        seen[c] = 0
        characters[#characters + 1] = c
      end
      seen[c] = seen[c] + count[word]
    end
  end
  table.sort(characters, function(a, b)
    if seen[a] ~= seen[b] then return seen[a] > seen[b] end
    return a < b
  end)
  characters = table.move(characters, 1, math.min(most, #characters), 1, {})
  table.sort(characters)
  return characters
end

local function count_pairs(spelled, count)
  local pairs_seen = {}
  for word, symbols in pairs(spelled) do
    for i = 1, #symbols - 1 do
      local left = pairs_seen[symbols[i]] or {}
      pairs_seen[symbols[i]] = left
      left[symbols[i + 1]] = (left[symbols[i + 1]] or 0) + count[word]
    end
  end
  return pairs_seen
end

local function most_frequent(pairs_seen)
  local best, left, right = 0, nil, nil
  for a, row in pairs(pairs_seen) do
    for b, n in pairs(row) do
      local better = n > best or n == best and (a < left or a == left and b < right)
      if better then
        best, left, right = n, a, b
      end
    end
  end
  return best, left, right
end

local function merge(spelled, left, right, merged)
  for word, symbols in pairs(spelled) do
    local out, i = {}, 1
    while i <= #symbols do
      if symbols[i] == left and symbols[i + 1] == right then
        out[#out + 1] = merged
        i = i + 2
      else
        out[#out + 1] = symbols[i]
        i = i + 1
      end
    end
    spelled[word] = out
  end
end

---@param lines string[] ASCII
---@param options {size: integer, min_frequency: integer, alphabet: integer, specials: string[]}
---@return string[] tokens
local function train(lines, options)
  local tokens, id = {}, {}
  local function add(token)
    if not id[token] then
      tokens[#tokens + 1] = token
      id[token] = #tokens
    end
    return id[token]
  end
  for _, token in ipairs(options.specials) do add(token) end
  local list, count = count_words(lines)
  local characters = alphabet_of(list, count, options.alphabet)
  for _, c in ipairs(characters) do add(c) end
  for _, c in ipairs(characters) do
    if not c:match("%p") then add("##" .. c) end
  end
  local spelled = {}
  for _, word in ipairs(list) do
    local symbols, known = {}, true
    for at = 1, #word do
      local symbol = id[(at > 1 and "##" or "") .. word:sub(at, at)]
      known = known and symbol ~= nil
      symbols[at] = symbol
    end
    if known then spelled[word] = symbols end
  end
  while #tokens < options.size do
    local best, left, right = most_frequent(count_pairs(spelled, count))
    if best < options.min_frequency then break end
    merge(spelled, left, right, add(tokens[left] .. tokens[right]:sub(3)))
  end
  return tokens
end

return { train = train }
