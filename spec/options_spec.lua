-- nj.options lists the tables by which the C side reads options; types/ is compared with them, by name and
-- by type.
local nj = require "nightjar"
local stubs = require "docs.stubs"

describe("nj.options", function()
  local classes = {}
  for _, class in ipairs((stubs.read "types/nightjar.lua")) do
    classes[class.name] = class
  end

  -- Of a class of options and its parents: { [name] = type }, and which may be left out.
  local function fields_of(name, fields, optional)
    local class = assert(classes[name], name)
    for _, field in ipairs(class.fields) do
      local key = field.name:gsub("%?$", "")
      fields[key] = field.type
      optional[key] = field.name:find "%?$" ~= nil
    end
    if class.parent then
      fields_of(class.parent, fields, optional)
    end
    return fields, optional
  end

  -- The class of the last parameter of "encoders.bert" or "Encoder:generate".
  local function class_of(name)
    local owner, f = name:match "^(.-)[.:]?([%w_]+)$"
    local class = assert(classes["nightjar" .. (owner ~= "" and "." .. owner or "")], name)
    for _, known in ipairs(class.functions) do
      if known.name == f then
        return (known.params[#known.params].type:gsub("%?$", ""))
      end
    end
    error("no stub of " .. name)
  end

  local function type_of(option)
    if not option.names then
      return option.type
    end
    local names = {}
    for i, name in ipairs(option.names) do
      names[i] = ('"%s"'):format(name)
    end
    return table.concat(names, "|")
  end

  it("lists what each function takes", function()
    local names = nj.options()
    assert.is_true(#names >= 33)
    local by_name = {}
    for _, option in ipairs(nj.options "encoders.bert") do
      by_name[option.name] = option
    end
    assert.same({ name = "width", type = "integer", required = false, default = 768, low = 1, high = 65536 },
      by_name.width)
    assert.same({ name = "roberta", type = "boolean", required = false, default = false }, by_name.roberta)
    assert.is_true(by_name.feed_forward.derived)
    assert.is_nil(by_name.feed_forward.default)
    assert.error_matches(function() nj.options "encoders.brt" end, "no list of options for 'encoders.brt'")
  end)

  it("gives bounds that are checked", function()
    for _, name in ipairs(nj.options()) do
      local space, f = name:match "^(%w+)%.([%w_]+)$"
      if (space == "encoders" or space == "ac" or space == "hci") and f ~= "interact" then
        local given = {}
        for _, option in ipairs(nj.options(name)) do
          if option.required then
            given[option.name] = option.type == "integer[]" and { 4 } or 4
          end
        end
        for _, option in ipairs(nj.options(name)) do
          local wrong = option.type == "number" and option.high and option.high * 2 + 1
            or option.type == "integer" and option.low and option.low - 1
            or option.type == "boolean" and 1 or "no such name"
          local kept = given[option.name]
          given[option.name] = wrong
          assert.error_matches(function() nj[space][f](given) end, ("%%f[%%w_]%s: .*'%s'"):format(f,
            option.name))
          given[option.name] = kept
        end
      end
    end
  end)

  it("agrees with the stubs, by name and by type", function()
    local problems = {}
    -- Plain values that are read by other means.
    local extra = { kind = true, preset = true, forbid = true, once = true, dim = true, ignore = true,
      memory_mb = true, cache_mb = true }
    local function is_plain(type)
      return type == "integer" or type == "number" or type == "boolean" or type == "string"
        or type == "integer[]" or type:find '^"' ~= nil
    end
    for _, name in ipairs(nj.options()) do
      local fields, optional = fields_of(class_of(name), {}, {})
      for _, option in ipairs(nj.options(name)) do
        local wanted, got = type_of(option), fields[option.name]
        if got ~= wanted then
          problems[#problems + 1] = ("%s: option %s is %s, the stub says %s"):format(name, option.name,
            wanted, got)
        elseif optional[option.name] == option.required then
          problems[#problems + 1] = ("%s: whether %s may be left out"):format(name, option.name)
        end
        fields[option.name] = nil
      end
      for field, type in pairs(fields) do
        if is_plain(type) and not extra[field] then
          problems[#problems + 1] = ("%s has no option %s, but its stub has"):format(name, field)
        end
      end
    end
    table.sort(problems)
    assert(#problems == 0, "\n  " .. table.concat(problems, "\n  "))
  end)
end)
