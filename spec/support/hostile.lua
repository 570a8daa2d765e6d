-- Hostile arguments, and what counts as a clear answer to them.
--
-- Half of the arguments come from a pool of values that break things; the other half follow the
-- types of the stubs (types/nightjar.lua), with hostile numbers, strings and option tables inside:
-- those get past the first check.
local stubs = require "docs.stubs"
local nj = require "nightjar"

local hostile = {}

local LIMIT = 256 << 20 -- bytes of tensors: what asks for more must say so

-- ---- the pool ----

local function deep(levels)
  local t = { 1 }
  for _ = 1, levels do
    t = { t }
  end
  return t
end

local cyclic = {}
cyclic[1] = cyclic

local raising = setmetatable({}, {
  __index = function() error "index raised" end,
  __len = function() error "len raised" end,
  __tostring = function() error "tostring raised" end,
  __call = function() error "call raised" end,
})

local integers = { 0, 1, 2, 3, 5, 7, -1, -2, -3, 17, 255, 256, 65537, 1 << 31,
  (1 << 31) - 1, -(1 << 31), 1 << 32,
  1 << 53, 1 << 62, math.maxinteger, math.mininteger, math.maxinteger - 1 }
local numbers = { 0.0, -0.0, 0.5, -1.5, 1e-300, 1e300, 2.0 ^ 53, 2.0 ^ 63, 0 / 0, 1 / 0, -1 / 0, 3.999999 }
local strings = { "", " ", "x", "sum", "float32", "int64", "mean", "none", "same", "a dog barks",
  "\0", "a\0b", "\255\254", "é",
  "\xE2\x82", "\xF4\x90\x80\x80", "%d%s%n", "../..", "/", "/dev/null", "/proc/self/mem", "missing.wav",
  ("x"):rep(70000), ("[CLS] "):rep(500), "-1", "1e999", "nan", "{}", "[1,2", "RIFF\255\255\255\255WAVE" }

local function tensors()
  local list = {
    function() return nj.zeros(0) end,
    function() return nj.zeros(0, 3) end,
    function() return nj.tensor(1.5) end,
    function() return nj.arange(1, 6):reshape(2, 3) end,
    function() return nj.randn(3, 4, { grad = true, rng = nj.rng(1) }) end,
    function() return nj.randn(2, 3, 8, 8, { rng = nj.rng(2) }) end,
    function() return nj.zeros(2, 3, { dtype = "int64" }) end,
    function() return nj.ones(2, 3, { dtype = "uint8" }) end,
    function() return nj.ones(4, { dtype = "float64" }) end,
    function() return nj.ones(3, 2):transpose(1, 2) end,
    function() return nj.ones(1, 4):expand(5, 4) end,
    function() return nj.full({ 2, 3 }, 0 / 0) end,
    function() return nj.full({ 3 }, 1 / 0) end,
    function() return nj.tensor({ -1, 99999999, 0 }, { dtype = "int64" }) end,
    function() return nj.tensor({ 1, 2, 0 }, { dtype = "int32" }) end,
    function() return nj.zeros(1, 1, 1, 1, 1, 1, 1, 1) end,
    function() return nj.randn(1, 3, { rng = nj.rng(3), grad = true }):square() end,
    function() return nj.randn(400, { rng = nj.rng(4) }) end,
    function() return nj.ones(1 << 20):narrow(1, 5, 11) end,
  }
  return list
end

local odd = {
  function() return nil end,
  function() return true end,
  function() return false end,
  function() return {} end,
  function() return { 1, 2, 3 } end,
  function() return { { 1, 2 }, { 3 } } end,
  function() return { 1, "x" } end,
  function() return { [1] = 1, [3] = 3 } end,
  function() return { unknown = 1 } end,
  function() return { dtype = "float16" } end,
  function() return { rng = 1 } end,
  function() return deep(300) end,
  function() return deep(20000) end,
  function() return cyclic end,
  function() return raising end,
  function() return function() error "callback raised" end end,
  function() return function() error { "not a text" } end end,
  function() return function(...) return ... end end,
  function() return function() end end,
  function() return coroutine.create(function() end) end,
  function() return io.stderr end,
  function() return nj.rng(5) end,
  function() return nj end,
}

local makers = tensors()

local function pick(rng, list)
  return (rng:choice(list))
end

local function any_value(rng)
  local kind = rng:integer(1, 10)
  if kind <= 2 then
    return pick(rng, integers)
  elseif kind == 3 then
    return pick(rng, numbers)
  elseif kind <= 5 then
    return pick(rng, strings)
  elseif kind <= 7 then
    return pick(rng, makers)()
  end
  return pick(rng, odd)()
end

-- ---- values by type ----

local classes = {} -- of option tables: name to fields
for _, class in ipairs((stubs.read "types/nightjar.lua")) do
  classes[class.name] = class
end

local value_of_type

local function table_of(rng, class)
  local t = {}
  for _, field in ipairs(class.fields) do
    if rng:uniform() < 0.4 then
      t[field.name:gsub("%?$", "")] = value_of_type(rng, field.type)
    end
  end
  return t
end

---@param factories table<string, fun(): any> class name to a function that makes a valid object
function value_of_type(rng, type, factories)
  if rng:uniform() < 0.12 then
    return any_value(rng)
  end
  type = type:gsub("%?$", "")
  local parts = {}
  for part in type:gmatch "[^|]+" do
    parts[#parts + 1] = part:match "^%s*(.-)%s*$"
  end
  type = pick(rng, parts) or "any"
  local element = type:match "^(.*)%[%]$"
  if element then
    local list = {}
    for i = 1, rng:integer(0, 4) do
      list[i] = value_of_type(rng, element, factories)
    end
    return list
  elseif type == "integer" then
    return rng:uniform() < 0.6 and rng:integer(-2, 9) or pick(rng, integers)
  elseif type == "number" then
    return rng:uniform() < 0.6 and rng:uniform(-2, 4) or pick(rng, numbers)
  elseif type == "boolean" then
    return rng:uniform() < 0.5
  elseif type:find '^"' then
    return (type:gsub('"', ""))
  elseif type:find "^string" or type == "nightjar.dtype" then
    return pick(rng, strings)
  elseif type == "nightjar.Tensor" then
    return pick(rng, makers)()
  elseif type:find "^fun" or type == "function" then
    return pick(rng, { function() error "callback raised" end, function(...) return ... end,
      function() return 1 end })
  elseif factories and factories[type] then
    return factories[type]()
  elseif classes[type] and #classes[type].fields > 0 then
    return table_of(rng, classes[type])
  end
  return any_value(rng)
end

---Arguments for a function: by its stub when it has one.
---@param rng nightjar.Rng
---@param stub stubs.Function?
---@param factories table<string, fun(): any>
---@return table packed with n
function hostile.arguments(rng, stub, factories)
  local arguments = { n = 0 }
  if stub and rng:uniform() < 0.7 then
    for _, param in ipairs(stub.params) do
      if param.optional and rng:uniform() < 0.4 then
        break
      end
      arguments.n = arguments.n + 1
      arguments[arguments.n] = value_of_type(rng, param.type or "any", factories)
    end
    if rng:uniform() < 0.1 and arguments.n > 0 then
      arguments.n = arguments.n - 1
    end
  else
    arguments.n = rng:integer(0, 4)
    for i = 1, arguments.n do
      arguments[i] = any_value(rng)
    end
  end
  return arguments
end

-- ---- judging ----

local function shown(value)
  local kind = type(value)
  if kind == "string" then
    return ("%q"):format(#value > 40 and value:sub(1, 40) .. "…" or value):gsub("\n", "n")
  elseif value == raising then
    return "{raises}"
  elseif kind == "userdata" and getmetatable(value).__name == "nightjar.Tensor" then
    return ("%s%s"):format(value.dtype, "(" .. table.concat(value.shape, ",") .. ")")
  elseif kind == "table" then
    local parts = {}
    for key, item in next, value do
      if #parts < 6 then
        parts[#parts + 1] = (type(key) == "string" and key .. "=" or "")
          .. (type(item) == "table" and "{…}" or shown(item))
      end
    end
    return "{" .. table.concat(parts, ", ") .. "}"
  elseif kind == "userdata" or kind == "function" or kind == "thread" then
    return kind
  end
  return tostring(value)
end

---@return string
function hostile.show(arguments)
  local parts = {}
  for i = 1, arguments.n do
    parts[i] = shown(arguments[i])
  end
  return "(" .. table.concat(parts, ", ") .. ")"
end

-- Errors that a callback or metamethod of ours raised pass through as they are.
local function is_our_own(message)
  return type(message) == "table" and message[1] == "not a text"
    or type(message) == "string" and message:find " raised" ~= nil
end

---Calls f and says what was wrong with its answer, or nil. A raised error must be a text that is
---not one of Lua's own complaints about its insides; nil must come with a message and a code.
---@return string?
function hostile.judge(f, arguments)
  nj.memory { limit = LIMIT }
  local begin = os.clock()
  local results = table.pack(pcall(f, table.unpack(arguments, 1, arguments.n)))
  local seconds = os.clock() - begin
  nj.memory { limit = LIMIT }
  if seconds > 10 then
    return ("took %.1f s of CPU time"):format(seconds)
  end
  if results[1] then
    if results[2] == nil and results.n >= 3 and results[3] ~= nil then
      if type(results[3]) ~= "string" or results[3] == "" then
        return "gave nil without a message"
      elseif results[4] ~= nil and not (type(results[4]) == "string" and results[4]:find "^E%u+$") then
        return "gave the code " .. tostring(results[4])
      end
    end
    return nil
  end
  local message = results[2]
  if is_our_own(message) then
    return nil
  elseif type(message) ~= "string" then
    return "raised a " .. type(message)
  end
  local bare = message:gsub("^[^\n]-:%d+: ", "")
  if bare:find "^attempt to " and not bare:find "a tensor with"
    or bare:find "bad argument #%d+ to '%?'" or bare:find "^stack overflow"
    or bare:find "for iterator" or bare:find "invalid value %(at index" or #bare < 8
    or bare:find "bad argument #%d+ to 'for " or bare:find "assertion failed!" then
    return "raised an unclear error: " .. message
  end
  return nil
end

return hostile
