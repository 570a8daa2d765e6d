-- Random texts for property tests: from a seed, so that a failure can be seen again.
local nj = require "nightjar"

local random_text = {}

-- Ranges that the tokenizers treat in ways of their own.
local ranges = {
  { 0x20, 0x7E }, { 0x61, 0x7A }, { 0x61, 0x7A }, { 0x20, 0x20 }, { 0x41, 0x5A }, { 0x30, 0x39 },
  { 0xA0, 0x24F }, { 0x300, 0x36F }, { 0x391, 0x3C9 }, { 0x410, 0x44F }, { 0x5D0, 0x5EA },
  { 0x904, 0x94D }, { 0xE01, 0xE30 }, { 0x1E00, 0x1EFF }, { 0x2000, 0x206F }, { 0x3000, 0x30FF },
  { 0x4E00, 0x4EFF }, { 0xAC00, 0xAD00 }, { 0xF900, 0xF9FF }, { 0xFF01, 0xFF5E },
  { 0x1F300, 0x1F64F }, { 0x20000, 0x20020 }, { 0x0, 0x1F },
}

---@param rng userdata
---@param most integer characters
---@return string valid UTF-8
function random_text.utf8(rng, most)
  local parts = {}
  local home = ranges[rng:integer(1, #ranges)]
  for i = 1, rng:integer(0, most) do
    local range = rng:integer(1, 3) > 1 and home or ranges[rng:integer(1, #ranges)]
    parts[i] = utf8.char(rng:integer(range[1], range[2]))
  end
  return table.concat(parts)
end

---@param rng userdata
---@param most integer bytes
---@return string any bytes, many of them the kind that UTF-8 is made of
function random_text.bytes(rng, most)
  local parts = {}
  for i = 1, rng:integer(0, most) do
    local kind = rng:integer(1, 4)
    local byte
    if kind == 1 then byte = rng:integer(0, 255)
    elseif kind == 2 then byte = rng:integer(0x80, 0xBF)
    elseif kind == 3 then byte = rng:integer(0xC0, 0xFF)
    else byte = rng:integer(0x20, 0x7E) end
    parts[i] = string.char(byte)
  end
  return table.concat(parts)
end

---@param seed integer
---@param n integer
---@param most integer
---@param kind? "utf8"|"bytes"
---@return string[]
function random_text.list(seed, n, most, kind)
  local rng, list = nj.rng(seed), {}
  for i = 1, n do
    list[i] = random_text[kind or "utf8"](rng, most)
  end
  return list
end

return random_text
