local core = require "nightjar.core"
local csv = require "nightjar.data.csv"
local temporary = require "spec.support.temporary"

-- A reader's source that hands out the text in pieces of n bytes.
local function pieces(text, n)
  local at = 1
  return function()
    if at > #text then return nil end
    local piece = text:sub(at, at + n - 1)
    at = at + n
    return piece
  end
end

local function read_all(reader)
  local rows, lines = {}, {}
  while true do
    local row, line = reader:read()
    if not row then return rows, line, lines end
    rows[#rows + 1], lines[#lines + 1] = row, line
  end
end

describe("csv.parse", function()
  local cases = {
    { "plain rows", "a,b\n1,2\n3,4\n", { { a = "1", b = "2" }, { a = "3", b = "4" } } },
    { "no line break at the end", "a,b\n1,2", { { a = "1", b = "2" } } },
    { "CRLF", "a,b\r\n1,2\r\n", { { a = "1", b = "2" } } },
    { "lone CR", "a,b\r1,2\r3,4", { { a = "1", b = "2" }, { a = "3", b = "4" } } },
    { "a byte-order mark", "\xEF\xBB\xBFa,b\n1,2\n", { { a = "1", b = "2" } } },
    { "a byte-order mark before a quote", '\xEF\xBB\xBF"a",b\n1,2\n', { { a = "1", b = "2" } } },
    { "quoted separators", 'a,b\n"1,5",2\n', { { a = "1,5", b = "2" } } },
    { "doubled quotes", 'a,b\n"say ""hi""",""""\n', { { a = 'say "hi"', b = '"' } } },
    { "line breaks in quotes", 'a,b\n"x\r\ny","\n"\n', { { a = "x\r\ny", b = "\n" } } },
    { "empty fields", 'a,b\n,\n"",\n', { { a = "", b = "" }, { a = "", b = "" } } },
    { "blank lines", "\n\na,b\n\n1,2\n\n\n", { { a = "1", b = "2" } } },
    { "a quote inside an unquoted field", 'a,b\n5" disk,2\n', { { a = '5" disk', b = "2" } } },
    { "spaces are kept", "a,b\n 1 , 2\n", { { a = " 1 ", b = " 2" } } },
    { "NUL bytes", "a,b\n\0,x\0y\n", { { a = "\0", b = "x\0y" } } },
    { "a header alone", "a,b\n", {} },
  }
  for _, case in ipairs(cases) do
    it("reads " .. case[1], function()
      assert.same(case[3], (csv.parse(case[2])))
      -- However the text arrives, the rows are the same.
      for n = 1, 4 do
        assert.same(case[3], (read_all(assert(csv.reader(pieces(case[2], n))))))
      end
    end)
  end

  it("returns the columns in order", function()
    local _, columns = csv.parse "b,a,c\n1,2,3"
    assert.same({ "b", "a", "c" }, columns)
  end)

  it("takes column names where there is no header", function()
    assert.same({ { x = "1", y = "2" } }, (csv.parse("1,2\n", { columns = { "x", "y" } })))
    assert.same({ { "1", "2" } }, (csv.parse("1,2\n", { header = false })))
  end)

  it("takes another separator", function()
    assert.same({ { a = "1,5", b = "2" } }, (csv.parse("a\tb\n1,5\t2\n", { separator = "\t" })))
    assert.same({ { a = "1", b = "2;3" } }, (csv.parse('a;b\n1;"2;3"\n', { separator = ";" })))
    assert.same({ { a = "1", b = "2" } }, (csv.parse("a|b\n1|2\n", { separator = "|" })))
  end)

  it("tells the line a row starts on", function()
    local reader = assert(csv.reader(pieces('a,b\n"x\ny",1\n\n2,3\n', 3)))
    local _, message, lines = read_all(reader)
    assert.is_nil(message)
    assert.same({ 2, 5 }, lines)
  end)
end)

describe("malformed CSV", function()
  local cases = {
    { 'a,b\n1,"x\ny', "csv: input:2: a quoted field opens here and never closes" },
    { 'a,b\n1,2\n"x"y,2\n',
      "csv: input:3: expected ',' or the end of the line after a closing quote, got \"y\"" },
    { "a,b\n1,2\n\n3\n", "csv: input:4: expected 2 fields, got 1" },
    { "a,b\n1,2,3\n", "csv: input:2: expected 2 fields, got 3" },
    { "a,b,a\n", "csv: input:1: columns 1 and 3 are both called 'a'" },
    { "", "csv: input:1: the file is empty; expected a header line" },
    { "\xEF\xBB\xBF", "csv: input:1: the file is empty; expected a header line" },
    { "\xFF\xFEa\0,\0", "csv: input:1: the text is UTF-16; save it as UTF-8" },
  }
  for i, case in ipairs(cases) do
    it("ends in an error with its line, case " .. i, function()
      local rows, message, code = csv.parse(case[1])
      assert.is_nil(rows)
      assert.equal(case[2], message)
      assert.equal("EFORMAT", code)
    end)
  end

  it("names the columns when a required one is missing", function()
    local rows, message = csv.parse("file,text\n", { required = { "file", "caption" } })
    assert.is_nil(rows)
    assert.equal("csv: input:1: no column 'caption' (there are: 'file', 'text')", message)
  end)

  it("stops a field that never ends before it fills the memory", function()
    local block = ("x"):rep(1000)
    for _, first in ipairs { 'a\n"', "a\n" } do
      local n, given = 0, false
      local reader = assert(csv.reader(function()
        n = n + 1
        if not given then
          given = true
          return first
        end
        return block
      end, { max_field = 5000 }))
      local row, message, code = reader:read()
      assert.is_nil(row)
      assert.matches("csv: input:2: a field is longer than 5000 bytes", message)
      assert.equal("EFORMAT", code)
      assert.is_true(n < 12)
    end
  end)

  it("passes on that reading failed", function()
    local rows, message, code = csv.read "/"
    assert.is_nil(rows)
    assert.matches("^csv: /: ", message)
    assert.equal("EIO", code)
    rows, message, code = csv.read "/nowhere/at/all.csv"
    assert.is_nil(rows)
    assert.matches("^csv: /nowhere/at/all.csv: ", message)
    assert.equal("ENOTFOUND", code)
  end)

  it("survives random bytes", function()
    local rng = core.rng(11)
    local alphabet = { "a", ",", '"', "\n", "\r", "\0", "\xFF", " ", '""', "\r\n" }
    for _ = 1, 3000 do
      local bytes = {}
      for i = 1, rng:integer(0, 40) do bytes[i] = rng:choice(alphabet) end
      local text = table.concat(bytes)
      local rows, message = csv.parse(text, { header = false })
      if not rows then assert.matches("^csv: input:%d+: ", message) end
    end
  end)
end)

describe("csv options", function()
  it("suggests the right name", function()
    assert.has_error(function() csv.parse("a", { seperator = ";" }) end,
      "csv.parse: unknown option 'seperator' (did you mean 'separator'?)")
  end)
  it("refuses separators that cannot separate", function()
    for _, separator in ipairs { "", "ab", '"', "\n", "a", "7" } do
      assert.error_matches(function() csv.parse("a", { separator = separator }) end,
        "option 'separator' must be one character")
    end
  end)
end)

describe("csv.write", function()
  local dir
  setup(function() dir = temporary.folder() end)
  teardown(function() temporary.remove(dir) end)

  it("writes what csv.read reads, for any fields", function()
    local rng = core.rng(5)
    local alphabet = {
      "a", "b", ",", '"', "\n", "\r", "\r\n", " ", "\t", ";", "é", "\xEF\xBB\xBF", "", "'",
    }
    local path = dir .. "/random.csv"
    for _ = 1, 200 do
      local width, rows = rng:integer(1, 5), {}
      for i = 1, rng:integer(0, 8) do
        rows[i] = {}
        for j = 1, width do
          local bytes = {}
          for k = 1, rng:integer(0, 6) do bytes[k] = rng:choice(alphabet) end
          rows[i][j] = table.concat(bytes)
        end
      end
      assert(csv.write(path, rows))
      assert.same(rows, (assert(csv.read(path, { header = false }))))
    end
  end)

  it("writes keyed rows under a header", function()
    local path = dir .. "/keyed.csv"
    local rows = { { a = "x", b = "1" }, { a = "y, z", b = "2" } }
    assert(csv.write(path, rows, { columns = { "b", "a" } }))
    local read, columns = csv.read(path)
    assert.same(rows, read)
    assert.same({ "b", "a" }, columns)
  end)

  it("leaves nothing behind when it cannot write", function()
    local ok, message, code = csv.write(dir .. "/no/such/folder.csv", {})
    assert.is_nil(ok)
    assert.matches("^csv: ", message)
    assert.equal("EIO", code)
  end)

  it("reads 50000 rows in under a second", function()
    local rows = {}
    for i = 1, 50000 do
      rows[i] = { tostring(i), "r1nicOVtvkQ", "130", i % 3 == 0 and "rain, then wind" or "rain" }
    end
    local path = dir .. "/large.csv"
    assert(csv.write(path, rows))
    local before = os.clock()
    local read = assert(csv.read(path, { header = false }))
    local seconds = os.clock() - before
    assert.equal(50000, #read)
    assert.equal("rain, then wind", read[49998][4])
    -- 0.2 s where this was written; machines are noisy, and a stressed collector is slow.
    if not os.getenv "NIGHTJAR_GC" then assert.is_true(seconds < 5, seconds .. " s") end
  end)

  describe("separator", function()
    local open_folder = require "nightjar.data.folder"
    local sound = require "spec.support.sound"

    it("is told by the header line", function()
      local folder = temporary.folder()
      for text, want in pairs {
        ["file,caption\na;b,c"] = ",", ["file;caption\na,b;c"] = ";", ["file\tcaption\r\n"] = "\t",
        ['"file";"a, or b"\n'] = ";", ['"a;b",c'] = ",", [""] = ",", ["file"] = ",",
      } do
        assert.equal(want, csv.separator(temporary.write(folder .. "/x.csv", text)), text)
      end
      assert.equal(",", csv.separator(folder .. "/none.csv"))
      temporary.remove(folder)
    end)

    it("may be a semicolon in a folder's captions", function()
      local folder = temporary.folder()
      temporary.write(folder .. "/dog.wav", sound.wav(sound.noise(1000)))
      temporary.write(folder .. "/c.csv", '\xEF\xBB\xBF"file";"caption"\r\n"dog.wav";"a dog, and rain"\r\n')
      local set = assert(open_folder(folder, { csv = "c.csv" }))
      assert.same({ "a dog, and rain" }, set.clips[1].captions)
      local none, message = open_folder(folder, { csv = "c.csv", separator = "," })
      assert.is_nil(none)
      assert.matches("c.csv:1:", message, 1, true)
      temporary.remove(folder)
    end)
  end)
end)
