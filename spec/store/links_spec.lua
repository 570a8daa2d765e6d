describe("saving beside a link with the temporary file's name", function()
  local nj = require "nightjar"
  local lfs = require "lfs"
  local temporary = require "spec.support.temporary"

  it("leaves what the link names as it was", function()
    local folder = temporary.folder()
    local victim, path = folder .. "/victim", folder .. "/x.safetensors"
    local file <close> = assert(io.open(victim, "w"))
    file:write "precious"
    file:close()
    local stat = assert(io.open "/proc/self/stat")
    local pid = stat:read("a"):match "^%d+"
    stat:close()
    assert(lfs.link(victim, ("%s.%s.tmp"):format(path, pid), true))
    assert(nj.store.save(path, { x = nj.ones(2) }))
    local kept = assert(io.open(victim))
    assert.equal("precious", kept:read "a")
    kept:close()
    assert.equal(nil, (lfs.symlinkattributes(("%s.%s.tmp"):format(path, pid))))
  end)
end)
