local nj = require "nightjar"
local temporary = require "spec.support.temporary"

describe("nj.data.manifest", function()
  local folder
  setup(function()
    folder = temporary.folder()
    temporary.write(folder .. "/a/one.wav", "x")
    temporary.write(folder .. "/two.wav", "x")
  end)
  teardown(function() temporary.remove(folder) end)

  local function manifest(text) return temporary.write(folder .. "/manifest.jsonl", text) end

  it("reads captions or text, sets and labels, and joins lines of one file", function()
    local path = manifest('\239\187\191{"file": "a/one.wav", "captions": ["a  dog ", ""], '
      .. '"text": "unused", "set": "s"}\r\n'
      .. '\n{"file": "two.wav", "text": "rain", "label": "rain", "set": "t", "duration": 2.5, "other": [1]}\n'
      .. '{"file": "a/one.wav", "text": "barks", "label": "dog"}\n{"file": "gone.wav", "text": "wind"}')
    for _, given in ipairs { path, folder } do
      local set = assert(nj.data.manifest(given))
      assert.equal(2, #set.clips)
      assert.same({ "a dog", "barks" }, set.clips[1].captions)
      assert.same({ "a/one.wav", "s", "dog", 1 },
        { set.clips[1].id, set.clips[1].set, set.clips[1].label, set.clips[1].line })
      assert.same({ "rain", 2.5, folder .. "/two.wav" },
        { set.clips[2].captions[1], set.clips[2].duration, set.clips[2].path })
      assert.equal("gone.wav", set.missing[1].id)
    end
    assert.equal("two.wav", nj.data.manifest(path, { set = "t" }).clips[1].id)
    local set, message, code = nj.data.manifest(path, { set = "u" })
    assert.same({ "nil", "ENOTFOUND" }, { tostring(set), code })
    assert.matches("no line of 3 is of the set 'u'", message, 1, true)
  end)

  it("names the line that is wrong, and what is wrong with it", function()
    for _, case in ipairs {
      { '{"file": "two.wav"', "manifest.jsonl:1: no JSON object" },
      { '{"file": "two.wav"}\n[]', "manifest.jsonl:2: 'file' must name a sound file, got none" },
      { '{"file": 3}', "'file' must name a sound file, got a number" },
      { '{"file": "two.wav", "text": {"a": 1}}', "text must be text or a list of texts, got an object" },
      { '{"file": "two.wav", "captions": [3]}', "caption 1 must be text, got a number" },
      { '{"file": "two.wav", "text": true}', "text must be text or a list of texts, got a boolean" },
      { '{"file": "two.wav", "label": []}', "'label' must be text, got a table" },
      { '{"file": "two.wav", "label": "a"}\n{"file": "two.wav", "label": "b"}',
        "manifest.jsonl:2: 'two.wav' has the label 'b' here and 'a' on line 1" },
      { "\n \n", "no line names a sound" },
    } do
      local set, message = nj.data.manifest(manifest(case[1]))
      assert.is_nil(set)
      assert.matches(case[2], message, 1, true)
    end
    local set, message, code = nj.data.manifest(folder .. "/none.jsonl")
    assert.is_nil(set)
    assert.matches("none.jsonl", message, 1, true)
    assert.equal("ENOTFOUND", code)
  end)
end)
