-- Reads LuaCATS stubs (types/nightjar.lua): for the generated reference and for the spec that
-- compares the stubs with what is really there.
local stubs = {}

---@class stubs.Function
---@field name string
---@field method boolean      declared with a colon
---@field params {name: string, optional: boolean, type: string?, text: string?}[]
---@field returns {type: string, text: string}[]
---@field text string         its prose
---@field overloads string[]
---@field line integer

---@class stubs.Class
---@field name string         "nightjar.Tensor", "nightjar.audio"
---@field text string
---@field parent string?
---@field fields {name: string, type: string, text: string}[]
---@field operators string[]
---@field functions stubs.Function[]

-- Splits "integer[]|nil the rest" into type and text: a type ends at a space outside of brackets.
local function split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local c = text:sub(at, at)
    if c:find "[%(%[{<]" then
      depth = depth + 1
    elseif c:find "[%)%]}>]" then
      depth = depth - 1
    elseif c == " " and depth == 0 and not text:sub(1, at - 1):find "[:,|]$"
      and not text:find("^ *|", at) then
      break
    end
    at = at + 1
  end
  return text:sub(1, at - 1), text:sub(at + 1):gsub("^%s*", ""):gsub("^# *", "")
end

local function new_block()
  return { text = {}, params = {}, returns = {}, fields = {}, operators = {}, overloads = {} }
end

local function read_tag(block, tag, rest)
  if tag == "param" then
    local name, more = rest:match "^([%w_%.]+%??)%s*(.*)$"
    local type, text = split_type(more)
    block.params[#block.params + 1] = { name = (name:gsub("%?$", "")),
      optional = name:find "%?$" ~= nil, type = type, text = text }
  elseif tag == "return" then
    local type, text = split_type(rest)
    block.returns[#block.returns + 1] = { type = type, text = text }
  elseif tag == "class" then
    block.class, block.parent = rest:match "^([%w_%.]+)%s*:?%s*([%w_%.]*)"
  elseif tag == "field" then
    local name, more = rest:match "^(%b[])%s+(.*)$"
    if not name then
      name, more = rest:match "^([%w_]+%??)%s+(.*)$"
    end
    local type, text = split_type(more)
    block.fields[#block.fields + 1] = { name = name, type = type, text = text }
  elseif tag == "operator" then
    block.operators[#block.operators + 1] = rest
  elseif tag == "overload" then
    block.overloads[#block.overloads + 1] = rest
  elseif tag == "alias" then
    block.alias = rest
  end
end

local function read_function(block, class, name, separator, arguments, line)
  local documented, params = {}, {}
  for _, param in ipairs(block.params) do
    documented[param.name] = param
  end
  for argument in arguments:gmatch "[%w_%.]+" do
    params[#params + 1] = documented[argument] or { name = argument, optional = false }
  end
  table.insert(class.functions, { name = name, method = separator == ":", params = params,
    returns = block.returns, text = table.concat(block.text, "\n"), overloads = block.overloads,
    line = line })
end

---Reads a file of stubs.
---@param path string
---@return stubs.Class[] classes, in the file's order
---@return string[] aliases the text after each ---@alias
function stubs.read(path)
  local classes, aliases, by_variable = {}, {}, {}
  local block, number = new_block(), 0
  local function take_class(variable)
    local class = { name = block.class, parent = block.parent ~= "" and block.parent or nil,
      text = table.concat(block.text, "\n"), fields = block.fields, operators = block.operators,
      overloads = block.overloads, functions = {}, line = number }
    classes[#classes + 1] = class
    if variable then
      by_variable[variable] = class
    end
  end
  for line in io.lines(path) do
    number = number + 1
    local tag, rest = line:match "^%-%-%-@(%w+)%s*(.*)$"
    local prose = line:match "^%-%-%- ?(.*)$"
    local owner, separator, name, arguments = line:match "^function ([%w_%.]+)([%.:])([%w_]+)%((.-)%) end"
    local variable = line:match "^local ([%w_]+) = {}" or line:match "^([%w_%.]+) = {}"
    if tag then
      read_tag(block, tag, rest)
    elseif prose then
      block.text[#block.text + 1] = prose
    elseif owner then
      local class = by_variable[owner]
      if not class then
        error(("%s:%d: no ---@class before functions of %s"):format(path, number, owner))
      end
      read_function(block, class, name, separator, arguments, number)
      block = new_block()
    else
      if line:find "^function" then
        error(("%s:%d: a stub is one line: function name(arguments) end"):format(path, number))
      end
      if block.class then
        take_class(variable)
      elseif block.alias then
        aliases[#aliases + 1] = block.alias
      end
      block = new_block()
    end
  end
  if block.class then
    take_class()
  end
  return classes, aliases
end

return stubs
