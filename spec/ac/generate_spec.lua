-- decoder:generate against its definition (spec/support/decoding.lua) and PyTorch's golden results.
local nj = require "nightjar"
local child = require "spec.support.child"
local decoding = require "spec.support.decoding"
local near = require "spec.support.near"
local shared = require "spec.support.shared"

local function message(text, f)
  local ok, got = pcall(f)
  assert.is_false(ok)
  assert.equal(text, (tostring(got):gsub("^[^:]+:%d+: ", "")))
end

local BOS, EOS = 1, 2

local function options(o)
  local all = { bos = BOS, eos = EOS, max = 8 }
  for key, value in pairs(o or {}) do all[key] = value end
  return all
end

-- Five clips of ragged lengths, one of them without a valid frame.
local function clips()
  local memory = nj.randn({ 5, 6, 6 }, { rng = nj.rng(11) }) * 2
  local mask = nj.tensor { { 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 0, 0, 0 }, { 1, 0, 1, 0, 1, 0 },
    { 0, 0, 0, 0, 0, 0 }, { 1, 1, 1, 1, 0, 0 } }
  return memory, mask
end

local function one(memory, mask, b) return memory[{ { b, b } }], mask[{ { b, b } }] end

-- Compares with what beam search finds by its definition.
local function same_as_definition(net, o)
  local memory, mask = clips()
  local got = net:generate(memory, mask, o)
  assert.equal(5, #got)
  for b = 1, 5 do
    local m, k = one(memory, mask, b)
    local want = decoding.beam(net, m, k, o)
    assert.equal(math.min(o.n or 1, #want), #got[b])
    for i, caption in ipairs(got[b]) do
      assert.same(want[i].ids, caption.ids)
      near(want[i].logprob, caption.logprob, { atol = 1e-4 })
      near(want[i].score, caption.score, { atol = 1e-4 })
      assert.equal(want[i].finished, caption.finished)
    end
  end
end

local methods = {
  greedy = {},
  beam = { method = "beam", beam = 4, n = 3 },
  ["diverse beam"] = { method = "beam", beam = 6, groups = 3, n = 4 },
  nucleus = { method = "nucleus", p = 0.8, n = 3, temperature = 1.5 },
  top_k = { method = "top_k", k = 4, n = 3 },
}

describe("decoder:generate", function()
  for _, norm in ipairs { "pre", "post" } do
    it("chooses what the reference chooses, norm = " .. norm, function()
      local t, about = shared.golden "10_captioner"
      if not t then return pending "needs ../shared" end
      local h, state = about.hyper, {}
      local net = nj.ac.decoder { vocabulary = h.vocab, width = h.d, layers = h.layers,
        heads = h.heads, feed_forward = h.ff, norm = norm }
      for name, tensor in pairs(t) do
        local key = name:match("^w%." .. norm .. "%.(.*)")
        if key then state[key] = tensor end
      end
      net:load(state)
      local o, compared = { bos = h.bos, eos = h.eos, max = h.max_len }, 0
      for _, item in ipairs(about.decoding[norm]) do
        local at = { { item.item + 1, item.item + 1 } }
        local memory = t[item.memory][at]
        local mask = item.memory == "memory" and t.memory_mask[at] or nil
        o.method, o.beam, o.n = "greedy", nil, nil
        local greedy = net:generate(memory, mask, o)[1][1]
        assert.same(item.greedy.tokens, greedy.ids)
        near(item.greedy.logp, greedy.logprob, { atol = 1e-4 })
        o.method, o.beam, o.n = "beam", h.beam_size, h.beam_size
        if not item.unstable then
          for i, caption in ipairs(net:generate(memory, mask, o)[1]) do
            assert.same(item.beam_A[i].tokens, caption.ids)
            near(item.beam_A[i].score, caption.score, { atol = 1e-4 })
            compared = compared + 1
          end
        end
      end
      assert(compared >= 36, compared .. " beam hypotheses compared")
    end)
  end

  for _, o in ipairs {
    { beam = 3, n = 3 },
    { beam = 5, n = 2, length_penalty = 0 },
    { beam = 4, n = 4, length_penalty = 2, max = 12 },
    { beam = 4, n = 2, min = 3, no_repeat = 2 },
    { beam = 4, n = 4, no_repeat = 1 },
    { beam = 4, n = 4, forbid = { 0, 7 }, once = { 3, 4, 5 } },
    { beam = 6, groups = 3, n = 6 },
    { beam = 6, groups = 2, n = 3, diversity = 2, min = 2 },
    { beam = 4, groups = 4, n = 4, diversity = 0 },
    { beam = 4, n = 4, narrowing = true },
    { beam = 6, n = 6, groups = 2, narrowing = true },
    { beam = 3, n = 3, min = 3, once = { 3, 4, 5, 6 }, renormalize = true },
    { beam = 4, n = 4, min = 3, once = { 3, 4, 5, 6 }, forbid = { 0 }, renormalize = true,
      narrowing = true },
    { beam = 1 },
  } do
    local words = {}
    for key, value in pairs(o) do
      words[#words + 1] = key .. " = " .. (type(value) == "table" and "…" or tostring(value))
    end
    table.sort(words)
    it("searches as beam search is defined: " .. table.concat(words, ", "), function()
      o.method = "beam"
      same_as_definition(decoding.decoder(), options(o))
      same_as_definition(decoding.decoder { norm = "post", layers = 1, rng = nj.rng(8) }, options(o))
    end)
  end

  for name, o in pairs(methods) do
    it("says of each caption what teacher forcing says: " .. name, function()
      local net, memory, mask = decoding.decoder { position = "learned", frame_positions = true }, clips()
      for b, captions in ipairs(net:generate(memory, mask, options(o))) do
        local m, k = one(memory, mask, b)
        -- groups of a diverse beam may come to the same captions
        assert.is_true(#captions == (o.n or 1) or (o.groups and #captions >= o.n // 2))
        for i, caption in ipairs(captions) do
          near(decoding.logprob(net, caption.ids, m, k, BOS), caption.logprob, { atol = 1e-4 })
          near(caption.logprob / #caption.ids, caption.mean, { atol = 1e-12 })
          assert.equal(caption.ids[#caption.ids] == EOS, caption.finished)
          assert.is_true(caption.finished or #caption.ids == 8)
          assert.is_true(i == 1 or captions[i - 1].score >= caption.score)
        end
      end
    end)

    it("gives a clip the same bits whatever is beside it: " .. name, function()
      local net, memory, mask = decoding.decoder(), clips()
      local together = options(o)
      together.rng = nj.rng(5)
      local want, apart = net:generate(memory, mask, together), options(o)
      apart.rng = nj.rng(5) -- goes on from clip to clip
      local wide = nj.cat({ memory, nj.full({ 5, 3, 6 }, 7) }, 2)
      local hidden = nj.cat({ mask, nj.zeros(5, 3) }, 2)
      for b = 1, 5 do
        local m, k = one(wide, hidden, b)
        assert.same(want[b], net:generate(m, k, apart)[1])
      end
    end)

    it("does not depend on the number of threads: " .. name, function()
      local net, memory, mask = decoding.decoder(), clips()
      local threads, results = nj.threads(), {}
      for i, n in ipairs { 1, 2, 5 } do
        nj.threads(n)
        local all = options(o)
        all.rng = nj.rng(5)
        results[i] = net:generate(memory, mask, all)
      end
      nj.threads(threads)
      assert.same(results[1], results[2])
      assert.same(results[1], results[3])
    end)
  end

  it("is greedy with a beam of 1, with a nucleus of nothing, and with k = 1", function()
    local net, memory, mask = decoding.decoder(), clips()
    local greedy = net:generate(memory, mask, options())
    assert.same(greedy, net:generate(memory, mask, options { method = "beam", beam = 1 }))
    assert.same(greedy, net:generate(memory, mask, options { method = "nucleus", p = 1e-9 }))
    assert.same(greedy, net:generate(memory, mask, options { method = "top_k", k = 1 }))
    assert.same(greedy, net:generate(memory, mask,
      options { method = "top_k", k = 9, temperature = 1e-6 }))
  end)

  it("keeps the rules whatever the method", function()
    local net, memory, mask = decoding.decoder(), clips()
    local rules = { min = 3, no_repeat = 2, forbid = { 0, 5 }, once = { 6, 7, 8 } }
    for _, o in pairs(methods) do
      local all = options(rules)
      for key, value in pairs(o) do all[key] = value end
      for _, captions in ipairs(net:generate(memory, mask, all)) do
        for _, caption in ipairs(captions) do
          local before = {}
          for _, id in ipairs(caption.ids) do
            assert.is_true(decoding.allowed(before, id, all))
            before[#before + 1] = id
          end
        end
      end
    end
  end)

  it("ends a caption where the rules leave no token", function()
    local net = decoding.decoder { vocabulary = 4 }
    local got = net:generate(nj.zeros(1, 1, 6), nil,
      options { method = "beam", beam = 3, n = 3, forbid = { 0, 1, EOS }, no_repeat = 1 })
    assert.equal(1, #got[1])
    assert.same({ 3 }, got[1][1].ids)
    assert.is_false(got[1][1].finished)
    for _, method in ipairs { "greedy", "nucleus", "beam" } do
      local caption = net:generate(nj.zeros(1, 1, 6), nil,
        options { method = method, forbid = { 0, 1, 2, 3 } })[1][1]
      assert.same({ ids = {}, logprob = 0, mean = 0, score = 0, finished = false }, caption)
    end
  end)

  it("draws tokens as often as their probabilities say", function()
    local net = decoding.decoder()
    local memory = nj.randn({ 1, 3, 6 }, { rng = nj.rng(2) })
    local n, counts = 4000, {}
    local got = net:generate(memory, nil, options { method = "nucleus", p = 1, n = n, max = 1,
      rng = nj.rng(17) })[1]
    for _, caption in ipairs(got) do
      counts[caption.ids[1]] = (counts[caption.ids[1]] or 0) + 1
    end
    for id, logprob in ipairs(decoding.following(net, { BOS }, memory)) do
      local p = math.exp(logprob)
      local deviation = math.sqrt(p * (1 - p) / n)
      near(p, (counts[id - 1] or 0) / n, { atol = 4.5 * deviation + 1e-4 }, "token " .. id - 1)
    end
  end)

  it("draws from the likeliest only", function()
    local net = decoding.decoder()
    local memory = nj.randn({ 1, 3, 6 }, { rng = nj.rng(2) })
    local ranked = {}
    for id, logprob in ipairs(decoding.following(net, { BOS }, memory)) do
      ranked[id] = { id = id - 1, p = math.exp(logprob) }
    end
    table.sort(ranked, function(a, b) return a.p > b.p end)
    local function drawn(o)
      local seen, n = {}, 0
      o.n, o.max, o.rng = 600, 1, nj.rng(4)
      for _, caption in ipairs(net:generate(memory, nil, options(o))[1]) do
        if not seen[caption.ids[1]] then n = n + 1 end
        seen[caption.ids[1]] = true
      end
      return seen, n
    end
    local seen, n = drawn { method = "top_k", k = 3 }
    assert.equal(3, n)
    for i = 1, 3 do assert.is_true(seen[ranked[i].id]) end
    local p = ranked[1].p + ranked[2].p * 0.5 -- the second is needed to reach it
    seen, n = drawn { method = "nucleus", p = p }
    assert.equal(2, n)
    assert.is_true(seen[ranked[1].id] and seen[ranked[2].id])
  end)

  it("advances the generator only when it draws", function()
    local net, memory, mask = decoding.decoder(), clips()
    local rng = nj.rng(3)
    local before = rng:state()
    net:generate(memory, mask, options { method = "beam", rng = rng })
    assert.same(before, rng:state())
    local first = net:generate(memory, mask, options { method = "nucleus", p = 1, rng = rng })
    assert.not_same(before, rng:state())
    local second = net:generate(memory, mask, options { method = "nucleus", p = 1, rng = rng })
    assert.not_same(first, second)
  end)

  it("records nothing, and drops nothing out while training", function()
    local net, memory, mask = decoding.decoder { dropout = 0.5 }, clips()
    local want = net:generate(memory, mask, options())
    net:train()
    assert.same(want, net:generate(memory:requires_grad_(), mask, options()))
    local logits = net(nj.tensor({ { BOS } }, { dtype = "int64" }), memory[{ { 1, 1 } }])
    assert.is_true(logits.requires_grad)
    net:eval()
  end)

  it("takes no clips, and clips without frames", function()
    local net = decoding.decoder()
    assert.same({}, net:generate(nj.zeros(0, 4, 6), nil, options()))
    local none = net:generate(nj.zeros(2, 0, 6), nil, options())
    assert.same(none, net:generate(nj.zeros(2, 3, 6), nj.zeros(2, 3), options()))
  end)

  it("refuses what it cannot do", function()
    local net, memory = decoding.decoder(), nj.zeros(1, 2, 6)
    local function refuse(text, o)
      message("generate: " .. text, function() net:generate(memory, nil, options(o)) end)
    end
    message("generate: option 'bos' is required (an integer)",
      function() net:generate(memory, nil, { eos = 2 }) end)
    message("generate: option 'eos' is required (an integer)",
      function() net:generate(memory, nil, { bos = 2 }) end)
    refuse("option 'method' must be one of greedy, beam, nucleus, top_k; got 'sample'",
      { method = "sample" })
    refuse("unknown option 'beams' (did you mean 'beam'?)", { beams = 3 })
    refuse("bos 13 is outside the vocabulary of 13 (from 0)", { bos = 13 })
    refuse("forbidden token 99 is outside the vocabulary of 13 (from 0)", { forbid = { 1, 99 } })
    refuse("token in once -1 is outside the vocabulary of 13 (from 0)", { once = { -1 } })
    refuse("entry 2 of option 'forbid' must be a token id, got string", { forbid = { 1, "x" } })
    refuse("option 'once' must be a list of token ids, got number", { once = 3 })
    refuse("max must be in [1, 12], the decoder's positions, got 13", { max = 13 })
    refuse("min must be in [0, 7], below max, as the end counts as a token; got 8", { min = 8 })
    refuse("greedy choice gives one caption a clip, not 2; use beam, nucleus or top_k", { n = 2 })
    refuse("5 captions need a beam of at least as many, got 3",
      { method = "beam", beam = 3, n = 5 })
    refuse("3 groups do not divide a beam of 4", { method = "beam", beam = 4, groups = 3 })
    refuse("beam must be in [1, 4096], got 5000", { method = "beam", beam = 5000 })
    refuse("n must be in [1, 4096], got 5000", { method = "nucleus", n = 5000 })
    refuse("p must be in (0, 1], got 0", { method = "nucleus", p = 0 })
    refuse("the temperature must be above 0, got 0", { method = "nucleus", temperature = 0 })
    assert.error_matches(function()
      net:generate(memory, nil, options { method = "nucleus", p = 0 / 0 })
    end, "generate: option 'p' must be")
    message("generate: expected frames (batch, frames, 6), got (1, 2, 5)",
      function() net:generate(nj.zeros(1, 2, 5), nil, options()) end)
    message("generate: expected a mask (1, 2) of the frames, got (2, 2)",
      function() net:generate(memory, nj.zeros(2, 2), options()) end)
    message("generate: only float32 decoders generate, this one is float64", function()
      decoding.decoder { dtype = "float64" }:generate(memory:to "float64", nil, options())
    end)
    message("generate: the logits of token 1 of a caption are not finite numbers; is a weight or a "
      .. "frame NaN or infinite?", function()
      net:generate(nj.full({ 1, 2, 6 }, 0 / 0), nil, options())
    end)
    assert.error_matches(function()
      nj.encoders.projection { input = 2, output = 2 }:generate(memory, nil, options())
    end, "expected a decoder, got a projection")
  end)

  it("is interrupted by Ctrl-C, and goes on afterwards", function()
    local output, code = child.run("-e", [[
      local nj = require "nightjar"
      local pid = io.open("/proc/self/stat"):read "n"
      local net = nj.ac.decoder { vocabulary = 500, width = 64, positions = 512 }
      local memory = nj.randn(400, 30, 64)
      os.execute("(sleep 0.3; kill -INT " .. pid .. ") > /dev/null 2>&1 &")
      local ok, message
      pcall(function()
        ok, message = pcall(net.generate, net, memory, nil,
          { bos = 1, eos = 2, min = 511, max = 512, method = "beam", beam = 16 })
        for _ = 1, 100 do end -- the hook may strike here as well
      end)
      for _ = 1, 100 do end
      assert(not ok, "not interrupted")
      print(message)
      print(#net:generate(memory[{ { 1, 3 } }], nil, { bos = 1, eos = 2, max = 5 }))
    ]])
    assert.equal(0, code, output)
    assert.is_truthy(output:find "interrupted", output)
    assert.is_truthy(output:find "\n3\n", output)
  end)

  it("leaves nothing behind when memory runs out", function()
    if not nj._fail_after then return pending "needs failing allocations" end
    local net, memory, mask = decoding.decoder { layers = 1 }, clips()
    for _, o in ipairs { methods.nucleus, methods["diverse beam"] } do
      local all = options(o)
      all.max, all.once, all.rng = 3, { 4 }, nj.rng(1)
      net:generate(memory, mask, all)
      collectgarbage()
      collectgarbage()
      local before, n = nj.memory().live, 0
      repeat
        nj._fail_after(n)
        local ok, text = pcall(net.generate, net, memory, mask, all)
        nj._fail_after(-1)
        collectgarbage()
        if not ok then assert.matches("memory", text) end
        assert.equal(before, nj.memory().live, "after failing allocation " .. n)
        n = n + 1 + n // 8 -- a failing request costs two full collections
      until ok or n > 3000
      assert(n > 50 and n < 3000, "allocations: " .. n)
    end
  end)
end)
