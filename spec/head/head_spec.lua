local nj = require "nightjar"
local near = require "spec.support.near"

local AUDIO, TEXT, DIM = 6, 5, 8

local function make(more)
  local o = { audio_width = AUDIO, text_width = TEXT, dim = DIM, rng = nj.rng(1) }
  for key, value in pairs(more or {}) do o[key] = value end
  return nj.head(o)
end

local SEGMENTS = { kind = "cluster", tokens = 3, heads = 2 }

local function hci(more)
  local o = { segments = SEGMENTS, phrases = { kind = "cluster", tokens = 2, heads = 2 } }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

local function mask(lengths, n)
  local rows = {}
  for b, length in ipairs(lengths) do
    rows[b] = {}
    for i = 1, n do rows[b][i] = i <= length and 1 or 0 end
  end
  return nj.tensor(rows, { dtype = "uint8" })
end

local function noise(shape, seed) return nj.randn(shape, { rng = nj.rng(seed) }) end

-- Four clips and four texts as encoders would give them.
local function features()
  return {
    audio = { frames = noise({ 4, 7, AUDIO }, 1), mask = mask({ 7, 3, 5, 1 }, 7),
      clip = noise({ 4, AUDIO }, 2) },
    text = { words = noise({ 4, 5, TEXT }, 3), mask = mask({ 2, 5, 1, 3 }, 5),
      sentence = noise({ 4, TEXT }, 4) },
  }
end

local function captions(counts)
  return noise({ #counts, 3, DIM }, 5):normalize(-1), mask(counts, 3)
end

local function with(given, more)
  local out = {}
  for key, value in pairs(given) do out[key] = value end
  for key, value in pairs(more) do out[key] = value end
  return out
end

local KINDS = {
  levels = { hci = hci() },
  aggregate = { hci = hci { top = "aggregate" } },
  max = { hci = hci { interaction = "max" } },
  attention = { hci = hci { interaction = "attention", projections = "shared" } },
  frames = { hci = hci { levels = { "frame", "clip" } } },
  segments = { hci = hci { levels = { "segment" },
    segments = { kind = "window", tokens = 2 }, phrases = { kind = "dpc", ratio = 0.5 } } },
  codebook = { projection = "norm_mlp", hci = hci { levels = { "clip", "frame" }, top = "codebook",
    codebook = { codes = 16, temperature = 0.5 } } },
  codes_of_levels = { hci = hci { top = "codebook", projections = "shared",
    codebook = { codes = 12, temperature = 0.3, word_floor = true } },
    ac = { interaction = { heads = 2, layers = 1 }, matching = { kind = "best" } } },
  matching = { ac = { matching = true } },
  both = { hci = hci(), ac = { interaction = { heads = 2, layers = 1 },
    matching = { kind = "transformer", heads = 2, layers = 1 }, alpha = "learn" } },
  best = { hci = hci { levels = { "clip", "frame" } }, ac = { matching = { kind = "best" } } },
  tokens = { hci = hci { levels = { "clip" } }, ac = { matching = { kind = "tokens" } } },
  interaction = { ac = { interaction = { heads = 2, layers = 1 } } },
}

local function similarity(head, f, more)
  return head:similarity(head:text(f.text), head:audio(with(f.audio, more or {})))
end

local function with_captions(head)
  if not head.o.ac then return {} end
  local list, there = captions { 2, 0, 3, 1 }
  return { captions = list, caption_mask = there }
end

describe("nj.head", function()
  it("is the plain model without hci and ac, bit for bit", function()
    local head, f = make(), features()
    local a, t = head:audio(f.audio), head:text(f.text)
    local audio = head.nets["audio.projection"](f.audio.clip):normalize(-1)
    local text = head.nets["text.projection"](f.text.sentence):normalize(-1)
    local levels = head:similarity(t, a)
    assert.are.equal(text:matmul(audio:transpose(1, 2)):bytes(), levels.clip:bytes())
    assert.are.equal(levels.clip:bytes(), head:fuse(levels):bytes())
    local total, parts = head:loss(levels, { ids = { 1, 2, 1, 3 } })
    local want = nj.loss.nt_xent(audio:matmul(text:transpose(1, 2)),
      { ids = { 1, 2, 1, 3 }, temperature = nj.tensor(math.log(0.07)):exp() })
    near(want, total, { atol = 1e-5 })
    assert.are.equal(total:item(), parts.clip:item())
    assert.are.same({ "clip" }, head:levels())
    local names = {}
    for i, p in ipairs(head:parameters()) do names[i] = p.name end
    assert.are.same({ "audio.projection.0.weight", "audio.projection.0.bias",
      "audio.projection.2.weight", "audio.projection.2.bias", "text.projection.0.weight",
      "text.projection.0.bias", "text.projection.2.weight", "text.projection.2.bias",
      "log_temperature" }, names)
  end)

  it("gives every level that is switched on, of unit length", function()
    local head, f = make(KINDS.levels), features()
    local a, t = head:audio(f.audio), head:text(f.text)
    assert.are.same({ 4, DIM }, a.clip.shape)
    assert.are.same({ 4, 3, DIM }, a.segments.shape)
    assert.are.same({ 4, 7, DIM }, a.frames.shape)
    assert.are.same({ 4, 7, 3 }, a.segment_assignment.shape)
    assert.are.same({ 4, 2, DIM }, t.phrases.shape)
    assert.are.same({ 4, 5, DIM }, t.words.shape)
    for _, x in ipairs { a.clip, a.segments, a.frames, t.sentence, t.phrases, t.words } do
      near(nj.ones_like(x:norm(-1)), x:norm(-1), { atol = 1e-5 })
    end
    local levels = head:similarity(t, a)
    assert.are.same({ 4, 4 }, levels.segment.shape)
    assert.is_nil(levels.caption)
    assert.are.same({ "clip", "segment", "frame" }, head:levels())
  end)

  -- ½ (Σ_p ω_p max_q E_pq + Σ_q ω_q max_p E_pq) of a text and a clip of these many tokens; with
  -- attention the maximum is a mean by the softmax of E / 0.1.
  local function token_wise(a, t, i, j, words, frames, attention)
    local function best(E, dim)
      if attention then return ((E * 10):softmax(dim) * E):sum(dim) end
      return (E:max(dim))
    end
    local E = t.words[{ i, { 1, words } }]:matmul(a.frames[{ j, { 1, frames } }]:transpose(1, 2))
    local function mean(values, weights, row, n)
      if not weights then return values:mean() end
      return (values * weights[{ row, { 1, n } }]):sum()
    end
    return (mean(best(E, 2), t.word_weights, i, words)
      + mean(best(E, 1), a.frame_weights, j, frames)) * 0.5
  end

  for _, interaction in ipairs { "max", "weighted", "weighted_attention" } do
    it("compares frames and words as the formula says: " .. interaction, function()
      local head = make { hci = hci { levels = { "frame", "clip" }, interaction = interaction,
        attention_temperature = 0.1 } }
      local f = features()
      local a, t = head:audio(f.audio), head:text(f.text)
      assert.are.equal(interaction ~= "max", t.word_weights ~= nil)
      local attention = interaction == "weighted_attention"
      local got = head:similarity(t, a).frame
      local words, frames = { 2, 5, 1, 3 }, { 7, 3, 5, 1 }
      for i = 1, 4 do
        for j = 1, 4 do
          near(token_wise(a, t, i, j, words[i], frames[j], attention), got[{ i, j }], { atol = 1e-5 })
        end
      end
    end)
  end

  it("weighs tokens unless it is told otherwise", function()
    local head = make { hci = hci { levels = { "frame" } } }
    assert.is_truthy(head.nets["text.word_weights"])
  end)

  it("does not see what lies behind the end of a clip or of a text", function()
    for name, options in pairs(KINDS) do
      local head, f = make(options), features()
      local more = with_captions(head)
      local want = similarity(head, f, more)
      for _, side in ipairs { "audio", "text" } do
        local key = side == "audio" and "frames" or "words"
        local behind = f[side].mask:eq(0):unsqueeze(3)
        f[side][key] = f[side][key]:masked_fill(behind, 1e3)
      end
      if more.captions then
        more.captions = more.captions:masked_fill(more.caption_mask:eq(0):unsqueeze(3), 7)
      end
      local got = similarity(head, f, more)
      for level, S in pairs(want) do
        if level == "caption" then S, got[level] = S[{ {}, { 3, 4 } }], got[level][{ {}, { 3, 4 } }] end
        near(S, got[level], { atol = 1e-5 }, name .. " " .. level)
      end
    end
  end)

  it("gives a clip and a text the same scores whatever stands beside them", function()
    for name, options in pairs(KINDS) do
      local head, f = make(options), features()
      local more = with_captions(head)
      local whole = similarity(head, f, more)
      local one = { audio = { clip = f.audio.clip[{ { 3, 3 } }], mask = f.audio.mask[{ { 3, 3 } }],
        frames = f.audio.frames[{ { 3, 3 } }] },
        text = { words = f.text.words[{ { 2, 2 } }], mask = f.text.mask[{ { 2, 2 } }],
          sentence = f.text.sentence[{ { 2, 2 } }] } }
      if more.captions then
        more = { captions = more.captions[{ { 3, 3 } }],
          caption_mask = more.caption_mask[{ { 3, 3 } }] }
      end
      local alone = similarity(head, one, more)
      for level, S in pairs(alone) do
        near(S, whole[level][{ { 2, 2 }, { 3, 3 } }], { atol = 1e-6 }, name .. " " .. level)
      end
    end
  end)

  it("sends gradients to every parameter", function()
    for name, options in pairs(KINDS) do
      local head, f = make(options), features()
      head:train()
      local levels = similarity(head, f, with_captions(head))
      head:loss(levels, { ids = { 1, 2, 3, 4 } }):backward()
      for _, p in ipairs(head:parameters()) do
        local grad = p.tensor.grad
        -- Without the clip level nothing is learnt about clip and sentence vectors.
        local of_clips = p.name == "log_temperature" or p.name:find "%.projection%."
        if head.o.on.clip or not of_clips then
          assert(grad, name .. ": " .. p.name .. " has no gradient")
          assert(grad:isfinite():all(), name .. ": " .. p.name .. " has a bad gradient")
        end
      end
    end
  end)

  it("comes back from its descriptor and its state", function()
    for name, options in pairs(KINDS) do
      local head, f = make(options), features()
      local more = with_captions(head)
      local again = nj.head(with(head:descriptor(), { rng = nj.rng(2) }))
      assert.are.same({}, again:load(head:state()))
      assert.are.same(head:descriptor(), again:descriptor())
      local want, got = similarity(head, f, more), similarity(again, f, more)
      for level, S in pairs(want) do
        assert(S:bytes() == got[level]:bytes(), name .. " " .. level)
      end
    end
  end)

  it("makes clips and sentences by one codebook", function()
    for _, floor in ipairs { false, true } do
      local options = { codes = 16, temperature = 0.5, word_floor = floor }
      local head, f = make { hci = hci { top = "codebook", codebook = options } }, features()
      local book = head.nets.codebook
      assert.is_nil(head.nets["audio.projection"])
      f.audio.clip, f.text.sentence = nil, nil
      local a, t = head:audio(f.audio), head:text(f.text)
      local frames = head.nets["audio.frame_projection"](f.audio.frames)
      local words = head.nets["text.word_projection"](f.text.words)
      near(book(frames, f.audio.mask):normalize(-1), a.clip, { atol = 1e-6 })
      near(book(words, f.text.mask, { floor = floor }):normalize(-1), t.sentence, { atol = 1e-6 })
      assert.is_truthy(a.segments and t.phrases)
      -- A text without words: its first token, or, with a floor, the mean of all codes.
      local none = head:text { words = f.text.words, mask = f.text.mask * 0 }
      local want = floor and book:state().codes:mean(1) or book(words[{ {}, { 1, 1 } }])[2]
      near(want:normalize(-1):detach(), none.sentence[2]:detach(), { atol = 1e-6 })
      -- What fills clips up makes them, too, where the caller says so.
      local filled = head:audio(with(f.audio, { clip_mask = nj.ones(4, 7) }))
      near(book(frames):normalize(-1), filled.clip, { atol = 1e-6 })
      near(a.frames, filled.frames, { atol = 0 })
      assert.equal(f.audio.mask:bytes(), filled.frame_mask:bytes())
    end
  end)

  it("says what a state lacks", function()
    local head = make(KINDS.frames)
    local state = head:state()
    state["log_temperature.frame"] = nil
    state["audio.frame_projection.0.bias"] = nil
    state["text.projection.0.bias"] = nj.zeros(3)
    local problems = head:load(state)
    table.sort(problems)
    assert.are.same({ "mismatched text.projection.0.bias: expected (8), got (3)",
      "missing audio.frame_projection.0.bias", "missing log_temperature.frame" }, problems)
  end)

  it("holds temperatures that are given, and learns the others", function()
    local head = make { temperature = 0.1,
      hci = hci { temperature = { frame = 0.02, clip = "learn" } } }
    near(0.1, head:temperature(), { rtol = 1e-6 })
    near(0.1, head:temperature "segment", { rtol = 1e-6 })
    near(0.02, head:temperature "frame", { rtol = 1e-6 })
    local learnt = {}
    for _, p in ipairs(head:parameters()) do learnt[p.name] = true end
    assert.is_true(learnt["log_temperature"] and learnt["log_temperature.segment"])
    assert.is_nil(learnt["log_temperature.frame"])
    assert.is_truthy(head:state()["log_temperature.frame"])
    assert.error_matches(function() head:temperature "caption" end, "head: no level 'caption'")
  end)

  it("moves every level by a clip's captions, and leaves clips without any alone", function()
    local head, f = make { hci = hci(), ac = { interaction = { heads = 2, layers = 1 } } }, features()
    local list, there = captions { 2, 0, 3, 1 }
    local none = head:audio(f.audio)
    local some = head:audio(with(f.audio, { captions = list, caption_mask = there }))
    for _, key in ipairs { "clip", "segments", "frames" } do
      near(none[key][2], some[key][2], { atol = 1e-6 }, key)
      assert(near.max_abs(none[key][1], some[key][1]) > 1e-5, key)
    end
    -- The encoder's own vector moves as far as the gate says.
    head.scalar.clip_gate:detach():fill_(0)
    near(make({ hci = hci() }):audio(f.audio).clip,
      head:audio(with(f.audio, { captions = list, caption_mask = there })).clip, { atol = 1e-6 })
    head.scalar.clip_gate:detach():fill_(0.1)
    -- Nor does it matter to a clip without captions whether others have some.
    local alone = head:audio { frames = f.audio.frames[{ { 2, 2 } }],
      mask = f.audio.mask[{ { 2, 2 } }], clip = f.audio.clip[{ { 2, 2 } }] }
    near(alone.clip, some.clip[{ { 2, 2 } }], { atol = 1e-6 })
  end)

  it("scores captions by each kind of matching", function()
    local list, there = captions { 2, 1, 3, 1 }
    local f = features()
    local function scores(kind)
      local head = make { ac = { matching = { kind = kind } } }
      local t = head:text(f.text)
      local a = head:audio(with(f.audio, { captions = list, caption_mask = there }))
      assert.is_nil(a.captioned)
      return head:similarity(t, a).caption, t
    end
    local best, t = scores "best"
    local mean = scores "mean"
    for j, n in ipairs { 2, 1, 3, 1 } do
      local own = list[{ j, { 1, n } }]
      near(t.sentence:matmul(own:transpose(1, 2)):max(2), best[{ {}, j }], { atol = 1e-5 })
      near(t.sentence:matmul(own:mean(1):normalize(-1)), mean[{ {}, j }], { atol = 1e-5 })
    end
  end)

  it("gives segments that differ before anything was learnt", function()
    local function likeness(scale)
      local head = nj.head { audio_width = 32, text_width = 32, dim = 32, rng = nj.rng(1),
        hci = { levels = { "segment" }, segments = { kind = "cluster", tokens = 4 },
          token_scale = scale } }
      local x = nj.randn({ 2, 20, 32 }, { rng = nj.rng(2) })
      local segments = head:audio({ frames = x, clip = x[{ {}, 1 }] }).segments
      return segments:matmul(segments:transpose(2, 3)):mean():item()
    end
    assert.is_true(likeness(0) > 0.98, likeness(0))
    assert.is_true(likeness(1) < 0.99, likeness(1))
    assert.is_true(likeness(4) < 0.95, likeness(4))
  end)

  it("puts single results together as a batch", function()
    for name, options in pairs(KINDS) do
      local head, f = make(options), features()
      local more = with_captions(head)
      local want = similarity(head, f, more)
      local audio, text = {}, {}
      for i, frames in ipairs { 7, 3, 5, 1 } do
        local given = { frames = f.audio.frames[{ { i, i }, { 1, frames } }],
          clip = f.audio.clip[{ { i, i } }] }
        if more.captions and i ~= 2 then
          given.captions = more.captions[{ { i, i } }]
          given.caption_mask = more.caption_mask[{ { i, i } }]
        end
        audio[i] = head:audio(given)
        local words = ({ 2, 5, 1, 3 })[i]
        text[i] = head:text { words = f.text.words[{ { i, i }, { 1, words } }],
          sentence = f.text.sentence[{ { i, i } }] }
      end
      -- Clustering by ratio depends on the length that a batch is padded to.
      if name ~= "segments" then
        local got = head:similarity(head:collate_text(text), head:collate_audio(audio))
        near(head:fuse(want), head:fuse(got), { atol = 1e-5 }, name)
      end
    end
  end)

  it("learns from features that were computed once", function()
    for _, options in ipairs { KINDS.levels, KINDS.codebook } do
      local head = make(options)
      local f = features()
      local result = nj.train {
        model = head, optimizer = nj.optim.adamw(head, { lr = 0.02 }), max_steps = 30,
        batches = { f }, step = function(batch)
          return (head:loss(similarity(head, batch)))
        end,
      }
      assert.is_true(result.loss < 1, "loss " .. result.loss)
      assert.is_false(head:is_training())
    end
  end)

  it("says what was wrong", function()
    local f = features()
    local function fails(message, call) assert.has_error(call, message) end
    fails("head: option 'hci.levels': option 'level' must be one of 'clip', 'segment', 'frame', "
      .. "got 'frames' (did you mean 'frame'?)", function()
      make { hci = { levels = { "frames" } } }
    end)
    fails("head: option 'hci.levels' is empty", function() make { hci = { levels = {} } } end)
    fails("head: option 'hci.temperature' must be 'learn' or a number above 0, got 'learnt'",
      function() make { hci = { temperature = "learnt" } } end)
    fails("head: option 'ac.alpha' must be 'learn' or a number in [0, 1], got 2",
      function() make { ac = { alpha = 2 } } end)
    fails("head: option 'ac.matching.layers' goes with kind 'transformer', not with 'mean'",
      function() make { ac = { matching = { layers = 2 } } } end)
    fails("head: option 'hci.codebook' goes with top = \"codebook\", not with \"encoder\"",
      function() make { hci = { codebook = { codes = 4 } } } end)
    fails("head: option 'hci.codebook' has a width, but that is the head's 'dim'",
      function() make { hci = { top = "codebook", codebook = { width = 4 } } } end)
    fails("head: option 'hci.codebook': unknown option 'code' (did you mean 'codes'?)",
      function() make { hci = { top = "codebook", codebook = { code = 4 } } } end)
    fails("head: option 'hci.codebook': option 'codes' must be an integer in [1, 1048576], got 0",
      function() make { hci = { top = "codebook", codebook = { codes = 0 } } } end)
    fails("head: option 'hci': option 'top' must be one of 'encoder', 'aggregate', 'codebook', got 'codebok' "
      .. "(did you mean 'codebook'?)", function() make { hci = { top = "codebok" } } end)
    fails("head: unknown option 'hic' (did you mean 'hci'?)", function() make { hic = {} } end)
    local head = make(KINDS.frames)
    fails("head:audio: option 'frames' is required ((B, N, C))",
      function() head:audio { clip = f.audio.clip } end)
    fails("head:audio: 'frames' must have shape (B, N, 6), got (4, 6)",
      function() head:audio { frames = f.audio.clip, clip = f.audio.clip } end)
    fails("head:audio: 'mask' must have shape (4, 7), got (4, 5)", function()
      head:audio { frames = f.audio.frames, mask = f.text.mask, clip = f.audio.clip }
    end)
    fails("head:text: give 'words', 'sentence' or both", function() head:text {} end)
    fails("head:similarity: the frame level needs 'words' of head:text", function()
      head:similarity({ sentence = head:text(f.text).sentence }, head:audio(f.audio))
    end)
    fails("head:collate_audio: nothing to put together", function() head:collate_audio {} end)
  end)

  it("prints what it is", function()
    assert.matches("head of 8 dimensions: clip, frame %(%d+ parameters%)",
      tostring(make(KINDS.frames)))
  end)
end)
