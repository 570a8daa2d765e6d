local data = require "nightjar.data"
local english = require "nightjar.data.esc50_grammar.english"
local fake_clips = require "spec.support.fake_clips"
local lexicon = require "nightjar.data.esc50_grammar.lexicon"

local function make(split, options)
  options = options or {}
  options.activity = options.activity or fake_clips.finder()
  return data.scenes(fake_clips.dataset(split or "train", 4), options)
end

-- A scene as text, without the tables that make it.
local function flat(value, depth)
  if type(value) ~= "table" then return tostring(value) end
  local keys, out = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    if (depth or 0) < 6 then
      out[#out + 1] = tostring(key) .. "=" .. flat(value[key], (depth or 0) + 1)
    end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

describe("nj.data.scenes", function()
  it("makes a scene of its seed, split and number, whatever was asked before", function()
    local one, other = make(), make()
    local first = {}
    for i = 1, 60 do first[i] = flat(one:get(i)) end
    for i = 60, 1, -1 do assert.equal(first[i], flat(other:get(i))) end
    assert.are_not.equal(first[1], flat(make("train", { seed = 2 }):get(1)))
    assert.are_not.equal(first[1], first[2])
  end)

  it("does not depend on the order of the clips", function()
    local set = fake_clips.dataset("train", 4)
    local reversed = {}
    for i = #set.clips, 1, -1 do reversed[#reversed + 1] = set.clips[i] end
    local other = data.dataset.new { name = "Fake", split = "train", clips = reversed }
    local finder = fake_clips.finder()
    local a = data.scenes(set, { activity = finder })
    local b = data.scenes(other, { activity = finder })
    for i = 1, 40 do assert.equal(flat(a:get(i)), flat(b:get(i))) end
  end)

  it("draws only from its own split", function()
    for _, split in ipairs { "train", "val", "test" } do
      local scenes = make(split)
      for i = 1, 300 do
        local scene = assert(scenes:get(i))
        assert.equal(split, scene.split)
        for k, path in ipairs(scene.sources) do
          assert.matches("^/nowhere/" .. split .. "%-", path)
          assert.matches("^" .. split .. "%-", scene.clips[k])
        end
      end
    end
  end)

  it("has the asked numbers of sources, all of different classes", function()
    local scenes, seen = make(), { 0, 0, 0, 0 }
    for i = 1, 1000 do
      local scene = assert(scenes:get(i))
      local n, classes = #scene.sources, {}
      seen[n] = seen[n] + 1
      for _, event in ipairs(scene.events) do
        assert.is_nil(classes[event.class])
        classes[event.class] = true
      end
    end
    for n, share in ipairs { 0.25, 0.35, 0.25, 0.15 } do
      assert.is_true(math.abs(seen[n] / 1000 - share) < 0.06, n .. ": " .. seen[n])
    end
    local pairs_only = make("train", { sources = { 0, 1 } })
    for i = 1, 50 do assert.equal(2, #pairs_only:get(i).sources) end
  end)

  it("keeps parts inside their sources and the scene, and knows when they sound", function()
    local finder = fake_clips.finder()
    local scenes = make("train", { activity = finder })
    local lengths = 0
    for i = 1, 600 do
      local scene = assert(scenes:get(i))
      assert.is_true(scene.duration <= 10 + 1e-3 and scene.duration > 0.2)
      lengths = lengths + scene.duration
      assert.is_true(#scene.parts >= #scene.sources)
      for _, part in ipairs(scene.parts) do
        local found = finder:of(scene.sources[part.source])
        assert.is_true(part.onset >= 0 and part.from < part.to)
        assert.is_true(part.from >= found.from - 1e-3 and part.to <= found.to + 1e-3)
        assert.is_true(part.onset + part.to - part.from <= scene.duration + 1e-3)
        assert.is_true(part.gain > -80 and part.gain < 60)
      end
      for k, event in ipairs(scene.events) do
        assert.is_true(0 <= event.from and event.from < event.to)
        assert.is_true(event.to <= scene.duration + 1e-3)
        for j, interval in ipairs(event.intervals) do
          assert.is_true(interval.from < interval.to)
          if j > 1 then assert.is_true(interval.from >= event.intervals[j - 1].from) end
          -- Every interval lies within parts of its own source.
          local covered = false
          for _, part in ipairs(scene.parts) do
            covered = covered or (part.source == k and part.onset <= interval.from + 1e-3
              and interval.from < part.onset + part.to - part.from)
          end
          assert.is_true(covered)
        end
        if event.count then
          assert.equal("event", lexicon[event.class].kind)
          assert.equal(event.count, #event.intervals)
        end
      end
    end
    assert.is_true(lengths / 600 > 4 and lengths / 600 < 8)
  end)

  -- Whether the seconds are as the description says.
  local function check_order(node, events)
    if not node.kind then return events[node.index].from, events[node.index].to end
    local from, to
    local spans = {}
    for k, part in ipairs(node) do
      spans[k] = { check_order(part, events) }
      from = math.min(from or math.huge, spans[k][1])
      to = math.max(to or 0, spans[k][2])
    end
    for k = 2, #spans do
      if node.kind == "then" then
        -- Beds begin with their unit, so what comes next begins after the unit before has ended.
        assert.is_true(spans[k][1] >= spans[k - 1][2] - 1e-3)
      else
        local bed = node.kind == "with" and spans[2] or spans[1]
        local other = node.kind == "with" and spans[1] or spans[2]
        local both = math.min(bed[2], other[2]) - math.max(bed[1], other[1])
        assert.is_true(both >= 0.9 * (other[2] - other[1]))
      end
    end
    return from, to
  end

  it("tells the truth about what comes when", function()
    local scenes = make()
    for i = 1, 600 do
      local scene = assert(scenes:get(i))
      check_order(scene.description, scene.events)
    end
  end)

  it("marks as loud or faint only what is, and nothing faint under a bed", function()
    local scenes, marked = make(), 0
    for i = 1, 1000 do
      local scene = assert(scenes:get(i))
      for k, event in ipairs(scene.events) do
        if event.level then
          marked = marked + 1
          for j, other in ipairs(scene.events) do
            if j ~= k and event.level == "loud" then
              assert.is_true(event.gain_db >= other.gain_db + 4)
            elseif j ~= k and other.gain_db > -7 then
              assert.is_true(event.gain_db <= other.gain_db - 7)
            end
          end
        end
      end
    end
    assert.is_true(marked > 200)
  end)

  it("writes five different well-formed captions for each of 2000 scenes", function()
    local scenes = make()
    local all, total = {}, 0
    for i = 1, 2000 do
      local scene = assert(scenes:get(i))
      assert.equal(5, #scene.captions)
      assert.equal(5, #scene.phrases)
      local seen = {}
      for k, text in ipairs(scene.captions) do
        assert.is_nil(seen[text])
        seen[text], all[text] = true, true
        total = total + 1
        assert.is_nil(text:find "%u")
        assert.is_nil(text:find "  ")
        assert.is_nil(text:find "^%s")
        assert.is_nil(text:find "[%s,]$")
        assert.is_nil(text:find " ,")
        assert.is_nil(text:find "[^%a%d ,'%-]")
        for article, word in text:gmatch "%f[%a](an?) (%a[%w%-]*)" do
          assert.equal(english.article(word), article, text)
        end
        local phrases, told, last = scene.phrases[k], {}, 0
        assert.equal(#scene.events, #phrases)
        for _, phrase in ipairs(phrases) do
          assert.equal(phrase.text, text:sub(phrase.first, phrase.last))
          assert.is_true(phrase.first > last)
          last = phrase.last
          local event = scene.events[phrase.event]
          assert.is_nil(told[phrase.event])
          told[phrase.event] = true
          assert.equal(event.class, phrase.class)
          assert.equal(event.from, phrase.from)
          assert.equal(event.to, phrase.to)
          assert.equal(event.intervals, phrase.intervals)
        end
      end
    end
    local distinct = 0
    for _ in pairs(all) do distinct = distinct + 1 end
    assert.is_true(distinct > 0.75 * total, distinct .. " of " .. total)
  end)

  it("writes sentences when asked", function()
    local scenes = make("train", { style = "sentence", captions = 2 })
    for i = 1, 50 do
      local scene = scenes:get(i)
      assert.equal(2, #scene.captions)
      for k, text in ipairs(scene.captions) do
        assert.matches("^%u[^%.]*%.$", text)
        for _, phrase in ipairs(scene.phrases[k]) do
          assert.equal(phrase.text, text:sub(phrase.first, phrase.last))
        end
      end
    end
  end)

  it("groups scenes that mean the same", function()
    local scenes = make("train", { sources = { 1 } })
    local by_group = {}
    for i = 1, 300 do
      local scene = scenes:get(i)
      assert.equal(scene.events[1].class, scene.label)
      local known = by_group[scene.group]
      if known then
        assert.equal(known.events[1].class, scene.events[1].class)
        local function many(s) return (s.events[1].count or 1) > 1 and s.events[1].count or 1 end
        assert.equal(many(known), many(scene))
      end
      by_group[scene.group] = scene
    end
  end)

  it("becomes a data set", function()
    local set = assert(make():dataset(20))
    assert.equal(20, #set)
    assert.matches("^Fake scenes %(train%): 20 clips, 100 captions", tostring(set))
    assert.equal("train/1/7", set.clips[7].id)
  end)

  it("manages with few classes", function()
    local set = fake_clips.dataset("train", 2):subset(function(clip) return clip.label == "dog" end)
    local scenes = data.scenes(set, { activity = fake_clips.finder() })
    for i = 1, 30 do assert.equal("dog", scenes:get(i).events[1].class) end
    set = fake_clips.dataset("train", 2):subset(function(clip)
      return clip.label == "dog" or clip.label == "rain" or clip.label == "cow"
    end)
    scenes = data.scenes(set, { activity = fake_clips.finder() })
    for i = 1, 60 do assert.is_true(#scenes:get(i).events <= 3) end
  end)

  it("prints itself", function()
    assert.equal("Fake scenes (train): 1000 scenes of 1 to 4 sources, out of 200 clips of 50 "
      .. "classes, seed 1", tostring(make()))
    assert.equal(1000, #make())
  end)

  it("passes on that a source cannot be read", function()
    local scenes = make("train", { activity = {
      of = function() return nil, "no such file", "ENOTFOUND" end,
    } })
    local scene, message, code = scenes:get(1)
    assert.is_nil(scene)
    assert.matches("^scenes: clip 'train%-.*': no such file$", message)
    assert.equal("ENOTFOUND", code)
  end)

  it("checks what it is given", function()
    assert.has_error(function() data.scenes({}) end,
      "scenes: argument 1 (set) must be a nightjar.Dataset, got a table")
    assert.has_error(function() make("train", { sead = 1 }) end,
      "scenes: unknown option 'sead' (did you mean 'seed'?)")
    assert.has_error(function() make("train", { sources = {} }) end,
      "scenes: option 'sources' holds the weights of 1 to 4 sources")
    assert.has_error(function() make("train", { sources = { 0, 0 } }) end,
      "scenes: option 'sources' holds no weight above 0")
    local odd = data.dataset.new {
      name = "n", split = "s", clips = { { id = "x", path = "x", label = "yodel", captions = {} } },
    }
    assert.has_error(function() data.scenes(odd) end,
      "scenes: clip 'x' has the label 'yodel', which the lexicon does not know")
  end)
end)
