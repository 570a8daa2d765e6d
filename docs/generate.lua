-- Writes docs/reference/*.md from types/nightjar.lua: one page per class or module, and an index.
package.path = "./?.lua;" .. package.path
local stubs = require "docs.stubs"

local folder = "docs/reference/"

local function signature(class, f)
  local names = {}
  for _, param in ipairs(f.params) do
    names[#names + 1] = param.optional and "[" .. param.name .. "]" or param.name
  end
  local owner = class.name
  if f.method then
    owner = class.name:match "([%w_]+)$":sub(1, 1):lower() .. class.name:match "([%w_]+)$":sub(2)
  elseif owner == "nightjar" then
    owner = "nj"
  else
    owner = owner:gsub("^nightjar%.", "nj.")
  end
  return ("%s%s%s(%s)"):format(owner, f.method and ":" or ".", f.name, table.concat(names, ", "))
end

local function escaped(text)
  return (text:gsub("|", "\\|"))
end

local function write_function(out, class, f)
  out:write("### `", signature(class, f), "`\n\n")
  if f.text ~= "" then
    out:write(f.text, "\n\n")
  end
  local listed = false
  for _, param in ipairs(f.params) do
    if param.type then
      listed = true
      out:write(("- `%s` (`%s`%s)%s\n"):format(param.name, param.type,
        param.optional and ", optional" or "", param.text ~= "" and ": " .. param.text or ""))
    end
  end
  for _, result in ipairs(f.returns) do
    listed = true
    local name, text = result.text:match "^(%S+)%s*(.*)$"
    out:write(("- returns `%s`"):format(result.type))
    if name then
      out:write(" `", name, "`", text ~= "" and ": " .. text or "")
    end
    out:write "\n"
  end
  out:write(listed and "\n" or "")
end

local function write_page(class)
  local file = class.name:gsub("^nightjar%.", "") .. ".md"
  local out = assert(io.open(folder .. file, "w"))
  out:write("# ", class.name, "\n\n<!-- made by `make docs` from types/nightjar.lua -->\n\n")
  if class.text ~= "" then
    out:write(class.text, "\n\n")
  end
  if class.parent then
    out:write("Also a `", class.parent, "`.\n\n")
  end
  if #class.fields > 0 then
    out:write "| field | type | |\n|---|---|---|\n"
    for _, field in ipairs(class.fields) do
      out:write(("| `%s` | `%s` | %s |\n"):format(escaped(field.name), escaped(field.type),
        escaped(field.text)))
    end
    out:write "\n"
  end
  if #class.operators > 0 then
    out:write "Operators: "
    local list = {}
    for i, operator in ipairs(class.operators) do
      list[i] = "`" .. operator .. "`"
    end
    out:write(table.concat(list, ", "), "\n\n")
  end
  for _, f in ipairs(class.functions) do
    write_function(out, class, f)
  end
  out:close()
  return file
end

os.execute("mkdir -p " .. folder .. " && rm -f " .. folder .. "*.md")
local classes = stubs.read "types/nightjar.lua"
local index = assert(io.open(folder .. "README.md", "w"))
index:write("# Reference\n\n<!-- made by `make docs` from types/nightjar.lua -->\n\n")
local count = 0
for _, class in ipairs(classes) do
  local file = write_page(class)
  count = count + #class.functions
  local first = class.text:match "^([^\n]*)" or ""
  index:write(("- [%s](%s)%s\n"):format(class.name, file, first ~= "" and ": " .. first or ""))
end
index:close()
print(("docs: %d pages, %d functions in %s"):format(#classes, count, folder))
