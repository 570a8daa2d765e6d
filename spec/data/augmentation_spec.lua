local data = require "nightjar.data"
local likeness = require "nightjar.data.likeness"
local nj = require "nightjar"
local temporary = require "spec.support.temporary"

describe("nightjar.data.likeness", function()
  local function alike(measure, a, b)
    return likeness[measure](likeness.words(a), likeness.words(b))
  end
  it("has words without case and punctuation", function()
    assert.same({ "a", "dogs", "bark", "é" }, likeness.words "A dog's bark, É!")
  end)
  it("is Jaccard's index of the sets of words", function()
    assert.equal(1, alike("jaccard", "A dog barks.", "barks a dog, a dog"))
    assert.equal(0.5, alike("jaccard", "a dog barks", "a dog sleeps"))
    assert.equal(0, alike("jaccard", "a", "b"))
    assert.equal(0, alike("jaccard", "", "b"))
    assert.equal(1, alike("jaccard", "", "!"))
  end)
  it("is one less the edits", function()
    assert.equal(1, alike("edit", "A dog barks.", "a dog barks"))
    assert.near(2 / 3, alike("edit", "a dog barks", "a dog sleeps"), 1e-12)
    assert.equal(0.75, alike("edit", "a dog barks loudly", "a dog barks"))
    assert.equal(0.75, alike("edit", "a dog barks", "a dog barks loudly"))
    assert.near(1 / 3, alike("edit", "barks a dog", "a barks dog"), 1e-12)
    assert.equal(0, alike("edit", "", "b"))
    assert.equal(1, alike("edit", "", ""))
  end)
end)

describe("nj.data.augmentation", function()
  local dir, set, captions

  local function clips()
    return data.dataset.new {
      name = "Two", split = "train", extra = 5, clips = {
        { id = "x", captions = { "a dog barks", "a loud dog" }, label = "dog" },
        { id = "y", captions = { "rain falls" } },
        { id = "z", captions = { "wind" } },
      },
    }
  end

  before_each(function()
    dir = temporary.folder()
    set = clips()
    temporary.write(dir .. "/c.jsonl",
      '{"id": "x", "captions": ["A dog barks!", "a puppy yaps", "puppy yaps", "an animal calls"]}\n'
      .. '{"id": "y", "captions": ["water runs", "a car passes"]}\n'
      .. '{"id": "other", "captions": ["nothing"]}\n')
    captions = assert(data.generated(dir .. "/c.jsonl"))
  end)

  local function kept(added, id)
    local out = {}
    for i, caption in ipairs(added:of(id)) do out[i] = caption.text end
    return out
  end

  it("drops near-duplicates of the ground truth and of each other", function()
    local added = data.augmentation(set, captions, { threshold = 0.6 })
    assert.same({ "a puppy yaps", "an animal calls" }, kept(added, "x"))
    assert.same({ "water runs", "a car passes" }, kept(added, "y"))
    assert.same({}, added:of "z")
    local report = added:report()
    assert.same({
      id = "x", text = "A dog barks!", source = "c", reason = "known", like = "a dog barks",
      likeness = 1.0,
    }, report.dropped[1])
    assert.equal("repeated", report.dropped[2].reason)
    assert.equal("a puppy yaps", report.dropped[2].like)
    assert.same({ 3, 2, 6, 4, 0, 1, 1, 0 }, { report.clips, report.with, report.captions,
      report.kept, report.unheard, report.known, report.repeated, report.surplus })
  end)

  it("measures by edits when asked, or not at all", function()
    local added = data.augmentation(set, captions, { measure = "edit", threshold = 0.6 })
    assert.same({ "a puppy yaps", "an animal calls" }, kept(added, "x"))
    added = data.augmentation(set, captions, { measure = "none" })
    assert.equal(4, #added:of "x")
  end)

  local function by_text(scores)
    return function(clip, texts)
      local out = {}
      for i, text in ipairs(texts) do out[i] = assert(scores[text], clip.id .. text) end
      return out
    end
  end
  local scores = {
    ["A dog barks!"] = 0.9, ["a puppy yaps"] = 0.3, ["puppy yaps"] = 0.4, ["an animal calls"] = 0.1,
    ["water runs"] = 0.2, ["a car passes"] = 0 / 0,
  }

  it("keeps what fits the sound, the best first", function()
    local added = data.augmentation(set, captions, {
      scores = by_text(scores), min_score = 0.2, threshold = 0.6,
    })
    -- The better of two near-duplicates stays; a score of nan is no score.
    assert.same({ "puppy yaps" }, kept(added, "x"))
    assert.same({ "water runs" }, kept(added, "y"))
    assert.equal(0.4, added:of("x")[1].score)
    local report = added:report()
    assert.same({ 2, 1, 1 }, { report.unheard, report.known, report.repeated })
  end)

  it("takes scores as a tensor, as lists by id, and as tensors of a function", function()
    local want = { "A dog barks!", "puppy yaps", "a puppy yaps" }
    local options = { measure = "none", min_score = 0.2 }
    options.scores = nj.tensor { { 0.9, 0.3, 0.4, 0.1 }, { 0.2, -1, 7, 7 }, { 7, 7, 7, 7 } }
    assert.same(want, kept(data.augmentation(set, captions, options), "x"))
    options.min_score = 0.19
    assert.same({ "water runs" }, kept(data.augmentation(set, captions, options), "y"))
    options.scores = { x = { 0.9, 0.3, 0.4, 0.1 }, y = { 0.2, -1 } }
    assert.same(want, kept(data.augmentation(set, captions, options), "x"))
    options.scores = function(clip) return nj.tensor(options.by_id[clip.id]) end
    local by_id = { x = { 0.9, 0.3, 0.4, 0.1 }, y = { 0.2, -1 } }
    options.scores = function(clip) return nj.tensor(by_id[clip.id]) end
    assert.same(want, kept(data.augmentation(set, captions, options), "x"))
  end)

  it("keeps the best n: by score, else by log-probability, else the first", function()
    local added = data.augmentation(set, captions, { best = 1, threshold = 0.6 })
    assert.same({ "a puppy yaps" }, kept(added, "x"))
    assert.equal(2, added:report().surplus)
    added = data.augmentation(set, captions, { best = 1, scores = by_text(scores) })
    assert.same({ "puppy yaps" }, kept(added, "x"))
    temporary.write(dir .. "/p.csv", "id,caption,logprob\ny,low,-2\ny,high,-1\n")
    added = data.augmentation(set, assert(data.generated(dir .. "/p.csv")), { best = 1 })
    assert.same({ "high" }, kept(added, "y"))
    assert.equal(-1.0, added:of("y")[1].logprob)
  end)

  it("mixes at its rate, the same each time", function()
    local added = data.augmentation(set, captions, { rate = 0.3, seed = 5 })
    local generated, own, seen = 0, {}, {}
    for epoch = 1, 2000 do
      local text, is_generated = added:draw(set.clips[1], epoch)
      if is_generated then generated = generated + 1 else own[text] = true end
      seen[epoch] = text
    end
    assert.is_true(math.abs(generated / 2000 - 0.3) < 0.04, generated)
    assert.same({ ["a dog barks"] = true, ["a loud dog"] = true }, own)
    for epoch = 1, 50 do assert.equal(seen[epoch], (added:draw(set.clips[1], epoch))) end
    local other = data.augmentation(set, captions, { rate = 0.3, seed = 6 })
    local same = 0
    for epoch = 1, 200 do
      if other:draw(set.clips[1], epoch) == seen[epoch] then same = same + 1 end
    end
    assert.is_true(same < 150)
    assert.same({ "wind", false }, { added:draw(set.clips[3], 1) })
    assert.is_nil(added:draw({ id = "q", captions = {} }, 1))
    assert.equal(true, select(2, added:draw({ id = "y", captions = {} }, 1)))
  end)

  it("gives a data set to mix from", function()
    local mixed = data.augmentation(set, captions, { rate = 0.5 }):dataset()
    assert.equal("nightjar.Dataset", getmetatable(mixed).__name)
    assert.equal(5, mixed.extra)
    assert.same({ "a dog barks", "a loud dog" }, mixed.clips[1].captions)
    assert.same({ "a puppy yaps", "puppy yaps", "an animal calls" }, mixed.clips[1].generated)
    assert.equal(0.5, mixed.clips[1].generated_rate)
    assert.equal("dog", mixed.clips[1].label)
    assert.is_nil(mixed.clips[3].generated)
    assert.is_nil(set.clips[1].generated)
  end)

  it("gives a data set with the pairs appended", function()
    local more = data.augmentation(set, captions):dataset { mode = "append" }
    assert.same({ "rain falls", "water runs", "a car passes" }, more.clips[2].captions)
    assert.equal(8 + 1, more:counts().captions)
    assert.same({ "rain falls" }, set.clips[2].captions)
  end)

  it("prints", function()
    local text = tostring(data.augmentation(set, captions, {
      scores = by_text(scores), min_score = 0.2, threshold = 0.6, best = 2,
    }):report())
    assert.equal(([[
3 clips, 6 generated captions; 2 clips have a kept one; drawn with probability 0.25
least similarity 0.2; near-duplicates: jaccard of at least 0.6; best 2 a clip

          captions      %
kept             2  33.33
unheard          2  33.33   similarity to the sound below the least
known            1  16.67   near-duplicate of the clip's own captions
repeated         1  16.67   near-duplicate of a better generated one
surplus          0   0.00   beyond the best of the clip]]), text)
    local none = data.dataset.new { name = "None", split = "train", clips = {} }
    assert.truthy(tostring(data.augmentation(none, captions)):find "0 clips, 0 generated")
  end)

  it("refuses scores that do not fit", function()
    local function failing(options, message)
      assert.has_error(function() data.augmentation(set, captions, options) end, message)
    end
    failing({ min_score = 0.5 }, "augmentation: option 'min_score' needs 'scores'")
    failing({ scores = nj.zeros(3, 2) }, "augmentation: option 'scores' has shape (3, 2), expected "
      .. "(3, K) with K of at least 4, the captions of x")
    failing({ scores = nj.zeros(2, 9) }, "augmentation: option 'scores' has shape (2, 9), expected "
      .. "(3, K) with K of at least 4, the captions of x")
    failing({ scores = function() return { 1 } end },
      "augmentation: option 'scores' gave 1 numbers for x, expected 4 numbers")
    failing({ scores = function() return 1 end },
      "augmentation: option 'scores' gave a number for x, expected 4 numbers")
    failing({ scores = {} }, "augmentation: option 'scores' has nothing for x")
    failing({ scores = { x = { 1, 2, 3, "4" } } }, "augmentation: a score of x is a string")
    failing({ threshold = 0 },
      "augmentation: option 'threshold' must be a number in (0, 1], got 0")
    failing({ rates = 0.1 }, "augmentation: unknown option 'rates' (did you mean 'rate'?)")
    assert.has_error(function() data.augmentation({}, captions) end,
      "augmentation: argument 1 (data) must be a nightjar.Dataset, got a table")
  end)

  it("feeds the loader", function()
    for i, clip in ipairs(set.clips) do
      clip.path = dir .. "/" .. i .. ".wav"
      assert(nj.audio.write(clip.path, nj.zeros(800), 8000))
    end
    set.clips[3].captions = {}
    local mixed = data.augmentation(set, captions, { rate = 0.5 }):dataset()
    local loader <close> = data.loader(mixed, { batch = 2, rate = 8000, seed = 3 })
    local own, generated = 0, 0
    for epoch = 1, 40 do
      for batch in loader:batches(epoch) do
        for i, clip in ipairs(batch.clips) do
          local k = batch.caption_numbers[i]
          assert.equal(clip.captions[k] or clip.generated[k - #clip.captions], batch.captions[i])
          if k > #clip.captions then generated = generated + 1 else own = own + 1 end
        end
      end
    end
    assert.equal(80, own + generated)
    assert.is_true(generated > 20 and generated < 60, generated)
  end)
end)
