-- Commands that are started in a folder that somebody has removed.
describe("a working folder that is gone", function()
  local child = require "spec.support.child"
  local lfs = require "lfs"
  local temporary = require "spec.support.temporary"

  for _, arguments in ipairs { { "index", "." }, { "search", "dog" }, { "info", "x.wav" }, { "info", "." },
    { "verify" }, { "prune" }, { "eval", "." }, { "classify", ".", "--labels", "dog" },
    { "embed", ".", "--out", "x.npy" } } do
    it("is an error of nightjar " .. table.concat(arguments, " "), function()
      local folder = temporary.folder()
      local code, _, message = child.capture(("cd %s && rmdir %s && env %s"):format(folder, folder,
        child.command(lfs.currentdir() .. "/bin/nightjar", table.unpack(arguments))))
      assert.equal(1, code, message)
      assert.matches("nightjar: ", message, 1, true)
      assert.is_nil(message:find "attempt to", message)
      assert.is_nil(message:find "%.lua:%d+:", message)
    end)
  end
end)
