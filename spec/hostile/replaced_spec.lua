--- What is no regular file stays what it is: every writer writes under another name first, and a rename
--- would put a file in the place of a device or a pipe.
local nj = require "nightjar"
local temporary = require "spec.support.temporary"

describe("writing to what is no regular file", function()
  local folder, pipe
  before_each(function()
    folder = temporary.folder()
    pipe = folder .. "/pipe.wav"
    assert(os.execute("mkfifo '" .. pipe .. "'"))
  end)
  after_each(function() temporary.remove(folder) end)

  local fs = require "nightjar.fs"
  local WRITERS = {
    ["nj.store.save"] = function() return nj.store.save(pipe, { x = nj.ones(2) }) end,
    ["nj.audio.write"] = function() return nj.audio.write(pipe, nj.zeros(100), 16000) end,
    ["fs.write"] = function() return fs.write(pipe, "text") end,
  }
  for name, write in pairs(WRITERS) do
    it("is refused, and nothing is replaced: " .. name, function()
      local ok, message, code = write()
      assert.is_nil(ok)
      assert.is_truthy(message:find("not a regular file", 1, true), message)
      assert.equal("EIO", code)
      assert.equal("named pipe", fs.kind(pipe))
    end)
  end
end)
