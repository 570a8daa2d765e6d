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

---Runs a shell command.
---@param command string
---@param input? string file that is its standard input; /dev/null when left out
---@return integer exit_code
---@return string stdout
---@return string stderr
function child.capture(command, input)
  local out, err = os.tmpname(), os.tmpname()
  local _, _, code = os.execute(("%s > %s 2> %s < %s"):format(command, quoted(out), quoted(err),
    quoted(input or "/dev/null")))
  local function text(path)
    local handle <close> = assert(io.open(path, "rb"))
    os.remove(path)
    return handle:read "a"
  end
  return code, text(out), text(err)
end

return child
