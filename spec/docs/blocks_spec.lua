-- Every code block of README and docs/ runs as it is printed: those of a page in their order, as one script,
-- and pasted into `lua5.4 -i`, where each line is a chunk of its own. Shell blocks run before what follows
-- them. A block under a comment `<!-- not run: WHY -->` only has to be correct Lua (or shell).
local child = require "spec.support.child"
local fs = require "nightjar.fs"
local lfs = require "nightjar.lfs"
local temporary = require "spec.support.temporary"

local HERE = lfs.currentdir()
local BUILD = os.getenv "NIGHTJAR_BUILD" or "build"

-- { language, text, line, why } of each fenced block of a page.
local function blocks_of(path)
  local blocks, block, why, n = {}, nil, nil, 0
  for line in io.lines(path) do
    n = n + 1
    local fence = line:match "^```(%S*)"
    if fence and not block then
      block = { language = fence, line = n, why = why, text = {} }
    elseif fence then
      block.text = table.concat(block.text, "\n") .. "\n"
      blocks[#blocks + 1], block = block, nil
    elseif block then
      block.text[#block.text + 1] = line
    end
    if line ~= "" or block then why = line:match "^<!%-%- not run: (.-) %-%->$" end
  end
  assert(not block, path .. ": a block does not end")
  return blocks
end

-- What runs of a page, as stages: shell text, or the Lua text of consecutive blocks.
local function stages_of(blocks)
  local stages = {}
  for _, block in ipairs(blocks) do
    if not block.why and (block.language == "lua" or block.language == "sh") then
      local last = stages[#stages]
      if last and last.language == block.language then
        last.text = last.text .. block.text
      else
        stages[#stages + 1] = { language = block.language, text = block.text }
      end
    end
  end
  return stages
end

local function pages()
  local list = { "README.md" }
  for name in lfs.dir "docs" do
    if fs.extension(name) == "md" then list[#list + 1] = "docs/" .. name end
  end
  table.sort(list)
  return list
end

describe("the blocks of", function()
  local folder, environment, made

  -- A folder that looks like a checkout with nightjar on the PATH, for what blocks write.
  local function scratch()
    local path = temporary.folder()
    for _, name in ipairs { "lua", "bin", "examples", "csrc", "models", "docs", BUILD } do
      assert(lfs.link(HERE .. "/" .. name, path .. "/" .. name, true))
    end
    return path
  end

  before_each(function()
    folder = scratch()
    environment = ("cd %s && env HOME=%s PATH=%s:\"$PATH\" NO_COLOR=1 LUA_PATH_5_4=%s LUA_CPATH_5_4=%s"):format(
      child.quoted(folder), child.quoted(folder), child.quoted(HERE .. "/bin"),
      child.quoted(("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(HERE, HERE)),
      child.quoted(("%s/%s/?.so;;"):format(HERE, BUILD)))
  end)
  after_each(function() temporary.remove(folder) end)
  teardown(function() if made then temporary.remove(fs.folder(made)) end end)

  -- The same sounds come of it for every page: they are made by the first, then copied.
  local MAKE_SOUNDS = "lua5.4 examples/make_sounds.lua sounds"
  local function shell(path, text)
    local from, to = text:find(MAKE_SOUNDS, 1, true)
    if from and made then
      text = text:sub(1, from - 1) .. ("cp -r %s sounds"):format(child.quoted(made)) .. text:sub(to + 1)
    end
    local file = temporary.write(folder .. "/.stage.sh", text)
    local code, out, err = child.capture(environment .. " bash -e " .. child.quoted(file))
    assert.equal(0, code, ("%s, shell:\n%s\n%s%s"):format(path, text, out, err))
    if from and not made then
      made = temporary.folder() .. "/sounds"
      local copy = ("cp -r %s %s"):format(child.quoted(folder .. "/sounds"), child.quoted(made))
      assert.equal(0, (child.capture(copy)))
    end
  end

  -- Runs the stages of a page; `lua` makes the command and its input from a script's path.
  local function run(path, command)
    local script = ""
    for _, stage in ipairs(stages_of(blocks_of(path))) do
      if stage.language == "sh" then
        shell(path, stage.text)
      else -- what earlier blocks made is there, as for a reader who pastes them all
        script = script .. stage.text
        local file = temporary.write(folder .. "/.stage.lua", script)
        local code, out, err = child.capture(environment .. " " .. command, file)
        assert.equal(0, code, ("%s:\n%s%s"):format(path, out, err))
        assert.is_nil(err:match "stdin:%d+:" or err:match "stack traceback", ("%s:\n%s"):format(path, err))
      end
    end
  end

  for _, path in ipairs(pages()) do
    local blocks = blocks_of(path)
    if #stages_of(blocks) > 0 then
      it(path .. " run in their order", function() run(path, "lua5.4 -") end)
      it(path .. " run pasted into lua5.4 -i", function() run(path, "lua5.4 -i") end)
    end
    it(path .. " are correct, and say why when they do not run", function()
      for _, block in ipairs(blocks) do
        local at = ("%s:%d: "):format(path, block.line)
        if block.language == "lua" then
          local ok, message = load(block.text, "=" .. path)
          assert(ok, at .. tostring(message))
          assert.is_nil(("\n" .. block.text):match "\nlocal ", at .. "a local is lost in lua5.4 -i")
        elseif block.language == "sh" then
          local file = temporary.write(folder .. "/.block.sh", block.text)
          assert.equal(0, (child.capture("bash -n " .. child.quoted(file))), at .. block.text)
        end
        if block.why then assert.is_true(#block.why > 5, at .. "say why it is not run") end
      end
    end)
  end
end)
