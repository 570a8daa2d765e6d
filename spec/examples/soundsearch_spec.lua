-- examples/evaluate_soundsearch.lua, as a process of its own.
local child = require "spec.support.child"
local nj = require "nightjar"
local sound = require "spec.support.sound"
local temporary = require "spec.support.temporary"
local tiny_model = require "spec.support.tiny_model"

describe("examples/evaluate_soundsearch.lua", function()
  it("finds sounds by names that several share", function()
    local folder = temporary.folder()
    local model_file = folder .. "/tiny.safetensors"
    assert(tiny_model.new():save(model_file))
    local lines, names = {}, { "dog bark", "dog bark", "theremin", "rain theremin f", "a b" }
    for i, name in ipairs(names) do
      temporary.write(("%s/audio/%d.wav"):format(folder, i), sound.wav(sound.noise(8000 * i, i, 0.3)))
      lines[i] = ('{"file": "audio/%d.wav", "text": "%s", "set": "%s"}'):format(i, name, i < 5 and "x" or "y")
    end
    temporary.write(folder .. "/manifest.jsonl", table.concat(lines, "\n") .. "\n")
    local out = child.run("examples/evaluate_soundsearch.lua", "--sounds", folder, "--model", model_file,
      "--bootstrap", "0")
    -- By hand: set x has three names; names count by the best of their sounds.
    local model = tiny_model.new()
    local paths = {}
    for i = 1, 4 do paths[i] = ("%s/audio/%d.wav"):format(folder, i) end
    local S = model:similarity({ "dog bark", "theremin", "rain theremin f" }, paths).scores
    local members, hits, ap = { { 1, 2 }, { 3 }, { 4 } }, 0, 0
    for q, list in ipairs(nj.metrics.ranks(S, members)) do
      if math.min(table.unpack(list)) < 1 then hits = hits + 1 end
      ap = ap + nj.metrics.average_precision(S, members)[q]
    end
    local x = out:match "x: 4 sounds, 3 names\n\n(.-)\ny: 1 sounds, 1 names"
    assert(x, out)
    local value, chance = x:match "all names %(3%) +value +chance\nR@1 +(%S+) +(%S+)\n"
    assert.equal(("%.2f"):format(100 * hits / 3), value)
    assert.equal(("%.2f"):format(100 * (0.5 + 0.25 + 0.25) / 3), chance)
    assert.equal(("%.2f"):format(100 * ap / 3), (x:match "\nmAP +(%S+)"))
    for _, part in ipairs { "all words known %(1%)", "some words known %(1%)", "no word known %(1%)" } do
      assert.matches(part, x)
    end
    assert.matches("all sets: 5 sounds, 4 names\n", out, 1, true)
    temporary.remove(folder)
  end)
end)
