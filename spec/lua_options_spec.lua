-- The options that Lua functions check (nj.opts) against the stubs, by name and by type. Each function is
-- called with a table that opts.check knows: it gives its rules in place of an error of the arguments.
require "nightjar"
local live = require "spec.support.live"
local opts = require "nightjar.opts"
local stubs = require "docs.stubs"

describe("options that Lua checks", function()
  local classes, aliases = {}, {}
  do
    local list, alias_list = stubs.read "types/nightjar.lua"
    for _, class in ipairs(list) do classes[class.name] = class end
    for _, text in ipairs(alias_list) do
      local name, type = text:match "^(%S+)%s+(.*)$"
      aliases[name] = type
    end
  end
  local metatables = live.metatables()

  -- "a|fun(x: string): b|{ c: d }" at its outermost bars; of a table's fields, at commas.
  local function split(text, separator)
    local parts, depth, from = {}, 0, 1
    for at = 1, #text do
      local c = text:sub(at, at)
      if c:find "[%(%[{<]" then depth = depth + 1 end
      if c:find "[%)%]}>]" then depth = depth - 1 end
      if c == separator and depth == 0 then
        parts[#parts + 1], from = text:sub(from, at - 1), at + 1
      end
    end
    parts[#parts + 1] = text:sub(from)
    return parts
  end

  local kind_of
  -- What a stub's type comes to in the words of opts.check: a set.
  local function kinds_of(type, into)
    into = into or {}
    for _, part in ipairs(split(type, "|")) do
      part = part:match "^%s*(.-)%??%s*$"
      local alias = aliases[part]
      if alias then kinds_of(alias, into) else into[kind_of(part)] = true end
      if part:find "^fun%(" then break end -- what follows belongs to its result
    end
    return into
  end

  function kind_of(part)
    if part:find '^"' then return part end
    if part:find "^fun%(" then return "function" end
    if part:find "%[%]$" or part:find "^{" or part:find "^table" then return "table" end
    if part == "true" or part == "false" then return "boolean" end
    if part == "nightjar.Tensor" then return "tensor" end
    if part:find "^nightjar%." and not metatables[part] and classes[part] then return "table" end
    return part
  end

  local function kinds_of_rule(rule)
    if type(rule) == "string" then rule = { type = rule } end
    local into = {}
    for kind in (rule.type or "any"):gmatch "[^|]+" do
      if kind == "string" and rule.one_of then
        for _, name in ipairs(rule.one_of) do into['"' .. name .. '"'] = true end
      else
        into[kind == "callable" and "function" or kind] = true
      end
    end
    return into
  end

  local function text_of(set)
    local list = {}
    for kind in pairs(set) do list[#list + 1] = kind end
    table.sort(list)
    return table.concat(list, "|")
  end

  -- { [name] = { type, optional } } of a class with its parents, or of "{ a?: b, c: d }"; nil of others.
  local function fields_of(type, into)
    into = into or {}
    local class = classes[type]
    if class then
      for _, field in ipairs(class.fields) do
        into[(field.name:gsub("%?$", ""))] = { type = field.type, optional = field.name:find "%?$" ~= nil }
      end
      return class.parent and fields_of(class.parent, into) or into
    end
    local inside = type:match "^{(.*)}$"
    if not inside then return nil end
    for _, field in ipairs(split(inside, ",")) do
      local name, mark, field_type = field:match "^%s*([%w_]+)(%??):%s*(.-)%s*$"
      if not name then return nil end
      into[name] = { type = field_type, optional = mark == "?" or field_type:find "%?$" ~= nil }
    end
    return into
  end

  local function argument_of(type)
    local first = split(type or "any", "|")[1]:gsub("%?$", "")
    if first:find '^"' then return first:sub(2, -2) end
    if first == "string" then return "vectors.npy" end
    if first == "integer" or first == "number" then return 1 end
    if metatables[first] then
      -- Of userdata no instance can be made here; functions that need one are not reached.
      return setmetatable({ clips = {} }, metatables[first])
    end
    return { clips = {} }
  end

  -- The rules by which a function checks its last parameter; nil where it does not use opts.check.
  local function rules_of(f, declared, self)
    local marker, found, check = {}, nil, opts.check
    local arguments, n = {}, 0
    if self then arguments[1], n = self, 1 end
    for i, param in ipairs(declared.params) do
      n = n + 1
      arguments[n] = i == #declared.params and marker or argument_of(param.type)
    end
    opts.check = function(fname, given, rules, level) -- luacheck: ignore
      if given == marker then
        found = rules
        error "found"
      end
      return check(fname, given, rules, level)
    end
    pcall(f, table.unpack(arguments, 1, n))
    opts.check = check -- luacheck: ignore
    return found
  end

  local function compare(name, rules, fields, problems)
    for key, rule in pairs(rules) do
      local field = fields[key]
      if not field then
        problems[#problems + 1] = ("%s: option '%s' has no stub"):format(name, key)
      else
        local kinds, stub_kinds = kinds_of_rule(rule), kinds_of(field.type)
        local names = text_of(stub_kinds)
        if kinds.string and names:find '"' then -- names that the function checks itself
          stub_kinds = kinds_of((field.type:gsub('"[^"]*"', "string")))
        end
        local wanted, stub = text_of(kinds), text_of(stub_kinds)
        if wanted ~= stub and wanted ~= "any" and stub ~= "any" then
          problems[#problems + 1] = ("%s: option '%s' is a %s, its stub says %s"):format(name, key,
            wanted, stub)
        end
        local required = type(rule) == "table" and rule.required == true
        if required == field.optional then
          problems[#problems + 1] = ("%s: option '%s' is %s"):format(name, key,
            required and "required, its stub says optional" or "optional, its stub says required")
        end
      end
    end
    for key in pairs(fields) do
      if rules[key] == nil then
        problems[#problems + 1] = ("%s: the stub has an option '%s', which is not taken"):format(name, key)
      end
    end
  end

  -- What these take is told in prose; the list may only get shorter.
  local IN_PROSE = {}
  for _, name in ipairs { "Experiment:run", "Head:audio", "Head:loss", "Head:text", "data.cache",
    "data.captions.several", "data.csv.open", "data.csv.parse", "data.csv.read", "data.loader",
    "experiment.features", "experiment.new", "metrics.alignment", "model.new" } do
    IN_PROSE[name] = true
  end

  -- The name and type of every function's options where opts.check was reached.
  local function each()
    local reached, problems, count = {}, {}, 0
    local function look(class_name, functions, self)
      local class = classes[class_name]
      for _, declared in ipairs(class and class.functions or {}) do
        local f, last = functions[declared.name], declared.params[#declared.params]
        local rules = f and last and last.type and rules_of(f, declared, self)
        if rules then
          local name = class_name:gsub("^nightjar%.", "") .. (self and ":" or ".") .. declared.name
          local fields = fields_of((last.type:gsub("%?$", "")))
          reached[name], count = true, count + 1
          if IN_PROSE[name] then
            if fields then problems[#problems + 1] = name .. ": is typed, and stands in the list of prose" end
          elseif fields then
            compare(name, rules, fields, problems)
          else
            problems[#problems + 1] = ("%s: its options are typed '%s'"):format(name, last.type)
          end
        end
      end
    end
    for name, functions in pairs(live.modules()) do look(name, functions) end
    for name, metatable in pairs(metatables) do
      look(name, live.methods(metatable), setmetatable({ clips = {} }, { __index = metatable.__index,
        __name = metatable.__name }))
    end
    return reached, problems, count
  end

  it("agree with the stubs, by name and by type", function()
    local reached, problems, count = each()
    for _, name in ipairs { "library.open", "Library:add", "Library:search", "Library:like", "Library:clips",
      "Library:prune", "Library:verify", "Model:audio", "Model:stream", "Model:save_vectors", "Model:loss",
      "Model:audio_levels", "Model:similarity", "Model:views", "model.from_checkpoint", "train.run",
      "finetune.run", "evaluate.open", "evaluate.run", "evaluate.search", "evaluate.order",
      "evaluate.alignment", "evaluate.classes", "evaluate.levels", "evaluate.similarity" } do
      if not reached[name] then problems[#problems + 1] = name .. ": opts.check was not reached" end
    end
    table.sort(problems)
    assert(#problems == 0, "\n  " .. table.concat(problems, "\n  "))
    assert.is_true(count >= 40, tostring(count))
  end)

  it("would not agree, were a key or a type another", function()
    local problems = {}
    compare("f", { k = "integer", mode = { type = "string", one_of = { "a", "b" } }, needed = {
      type = "number", required = true } }, { k = { type = "number", optional = true },
      mode = { type = '"a"|"c"', optional = true }, needed = { type = "number", optional = true },
      more = { type = "string", optional = true } }, problems)
    table.sort(problems)
    assert.same({ "f: option 'k' is a integer, its stub says number",
      "f: option 'mode' is a \"a\"|\"b\", its stub says \"a\"|\"c\"",
      "f: option 'needed' is required, its stub says optional",
      "f: the stub has an option 'more', which is not taken" }, problems)
  end)
end)
