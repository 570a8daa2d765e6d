-- Byte-pair encoding as one would write it down: look at all neighbours, merge everywhere the pair
-- that comes first in the list, begin again. The specs compare nj.text.bpe with it.

---@param symbols string[] the word
---@param rank table<string, integer> "left right" -> place in the list
---@return string[]
local function merge(symbols, rank)
  while true do
    local best, left, right = math.huge, nil, nil
    for i = 1, #symbols - 1 do
      local r = rank[symbols[i] .. " " .. symbols[i + 1]]
      if r and r < best then
        best, left, right = r, symbols[i], symbols[i + 1]
      end
    end
    if not left then return symbols end
    local out, i = {}, 1
    while i <= #symbols do
      if symbols[i] == left and symbols[i + 1] == right then
        out[#out + 1] = left .. right
        i = i + 2
      else
        out[#out + 1] = symbols[i]
        i = i + 1
      end
    end
    symbols = out
  end
end

-- The printable character of each byte, as GPT-2 writes bytes in its files.
local function alphabet()
  local char, moved = {}, 0
  for byte = 0, 255 do
    if byte >= 33 and byte <= 126 or byte >= 161 and byte <= 172 or byte >= 174 then
      char[byte] = utf8.char(byte)
    else
      char[byte] = utf8.char(256 + moved)
      moved = moved + 1
    end
  end
  return char
end

return { merge = merge, alphabet = alphabet }
