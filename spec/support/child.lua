-- Programs that specs start: the same interpreter, modules and build as the spec itself.
local child = {}

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

child.quoted = quoted

---A shell command that runs lua5.4 with the given arguments (each quoted here).
---@param ... string
---@return string
function child.command(...)
  local words = { "LUA_PATH_5_4=" .. quoted(package.path), "LUA_CPATH_5_4=" .. quoted(package.cpath),
    "lua5.4" }
  for _, argument in ipairs { ... } do
    words[#words + 1] = quoted(argument)
  end
  return table.concat(words, " ")
end

---Runs lua5.4 with the arguments; stderr is part of the output.
---@param ... string
---@return string output
---@return integer exit_code
function child.run(...)
  local pipe = assert(io.popen(child.command(...) .. " 2>&1 < /dev/null"))
  local output = pipe:read "a"
  local _, _, code = pipe:close()
  return output, code
end

return child
