-- A real Ctrl-C while `nightjar index` is at work.
describe("Ctrl-C", function()
  local child = require "spec.support.child"
  local sound = require "spec.support.sound"
  local temporary = require "spec.support.temporary"
  local tiny_model = require "spec.support.tiny_model"

  local folder, model

  setup(function()
    folder = temporary.folder()
    model = folder .. "/tiny.njm"
    assert(tiny_model.new():save(model))
  end)
  teardown(function() temporary.remove(folder) end)

  it("ends nightjar index with 130", function()
    local bytes = sound.wav(sound.noise(32000, 1, 0.3))
    for i = 1, 3000 do temporary.write(("%s/sounds/%d.wav"):format(folder, i), bytes) end
    -- The shell gives its number to the program.
    local pipe = assert(io.popen("echo $$; exec env " .. child.command("bin/nightjar", "index",
      folder .. "/sounds", "--model", model, "--library", folder .. "/x.njl") .. " 2>&1 < /dev/null"))
    local number = pipe:read "n"
    pipe:read "l"
    -- It is at work once its library is there; the first line of progress may come when all is done.
    local fs = require "nightjar.fs"
    local limit = os.time() + 60
    while not fs.kind(folder .. "/x.njl") do
      assert(os.time() < limit, "no library was made")
      os.execute "sleep 0.02"
    end
    assert(os.execute(("kill -INT %d"):format(number)))
    local rest = pipe:read "a"
    local _, how, status = pipe:close()
    assert.same({ "exit", 130 }, { how, status }, rest)
    assert.matches("nightjar: interrupted!", rest, 1, true)
    assert.is_nil(rest:find("interrupted!.*interrupted!"))
  end)

  it("is not what a file's name says", function()
    local output, status = child.run("bin/nightjar", "info", folder .. "/interrupted!.wav")
    assert.matches("interrupted!.wav", output, 1, true)
    assert.equal(1, status)
  end)
end)
