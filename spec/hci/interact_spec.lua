-- nj.hci.interact: fine-grained similarity, beside the plain formula made of tensor operations.
local near = require "spec.support.near"
local nj = require "nightjar"
local shared = require "spec.support.shared"

local interact = nj.hci.interact
local inf = math.huge
local rng = nj.rng(31)

local function random(...) return nj.randn({ ... }, { rng = rng }) end

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

-- (B, N) of zeros and ones with at least one 1 a row, scattered.
local function random_mask(b, n)
  local mask = nj.rand({ b, n }, { rng = rng }):gt(0.4)
  mask[{ {}, { 1 + n // 2 } }] = 1
  return mask
end

local function softmax_mean(x, dim, temperature)
  local a = (x / temperature):softmax(dim)
  return (a * x:masked_fill(x:eq(-inf), 0)):sum(dim)
end

-- One direction by its definition. e: (own, tokens, others, tokens) with -inf where masked.
local function direction(e, mask, weights, options)
  local r
  if options.kind == "attention" then
    local t = options.temperature or 0.01
    r = softmax_mean(e, 4, t)
    if not weights then
      local hidden = r:masked_fill(mask:eq(0):reshape(mask.shape[1], mask.shape[2], 1), -inf)
      return softmax_mean(hidden, 2, t)
    end
  else
    r = e:max(4)
  end
  local valid = mask:to(e.dtype)
  weights = weights and weights * valid or valid / valid:sum(2, { keepdim = true })
  return (r * weights:reshape(mask.shape[1], mask.shape[2], 1)):sum(2)
end

-- The operation out of products and maxima, holding all four dimensions. Every item has a token.
local function composed(texts, clips, options)
  options = options or {}
  local bt, nw, d = table.unpack(texts.shape)
  local ba, nf = clips.shape[1], clips.shape[2]
  local text_mask = options.text_mask or nj.ones({ bt, nw }, { dtype = "uint8" })
  local clip_mask = options.clip_mask or nj.ones({ ba, nf }, { dtype = "uint8" })
  local e = texts:reshape(bt * nw, d):matmul(clips:reshape(ba * nf, d):transpose(1, 2))
    :reshape(bt, nw, ba, nf)
  local no_word = text_mask:eq(0):reshape(bt, nw, 1, 1)
  local no_frame = clip_mask:eq(0):reshape(1, 1, ba, nf)
  local by_text = direction(e:masked_fill(no_frame, -inf), text_mask, options.text_weights, options)
  local by_clip = direction(e:masked_fill(no_word, -inf):permute(3, 4, 1, 2), clip_mask,
    options.clip_weights, options):transpose(1, 2)
  if options.direction == "text" then return by_text end
  if options.direction == "clip" then return by_clip end
  return (by_text + by_clip) * 0.5
end

-- Every combination of the options, with masks and weights or without.
local function variants(bt, nw, ba, nf)
  local out = {}
  for _, kind in ipairs { "max", "attention" } do
    for _, towards in ipairs { "both", "text", "clip" } do
      for _, masked in ipairs { false, true } do
        for _, weighted in ipairs { false, true } do
          out[#out + 1] = { kind = kind, direction = towards,
            temperature = kind == "attention" and 0.3 or nil,
            text_mask = masked and random_mask(bt, nw) or nil,
            clip_mask = masked and random_mask(ba, nf) or nil,
            text_weights = weighted and random(bt, nw) or nil,
            clip_weights = weighted and random(ba, nf) or nil }
        end
      end
    end
  end
  return out
end

describe("nj.hci.interact", function()
  it("is the plain formula, for all options and many sizes", function()
    for _, s in ipairs { { 1, 1, 1, 1, 1 }, { 3, 5, 4, 7, 6 }, { 7, 20, 5, 32, 33 },
      { 2, 250, 2, 300, 5 }, { 40, 9, 30, 17, 16 } } do
      local bt, nw, ba, nf, d = table.unpack(s)
      local texts, clips = random(bt, nw, d), random(ba, nf, d)
      for _, options in ipairs(variants(bt, nw, ba, nf)) do
        near(composed(texts, clips, options), interact(texts, clips, options),
          { atol = 2e-5, rtol = 1e-5 }, options.kind .. ", " .. options.direction)
      end
    end
  end)

  it("reads any layout and integer masks of any dtype", function()
    local texts, clips = random(4, 6, 3):permute(3, 1, 2), random(5, 6, 7)[{ {}, {}, { 1, -1, 2 } }]
    clips = clips:permute(1, 3, 2):contiguous():permute(1, 3, 2)
    texts, clips = texts[{ {}, {}, { 1, 4 } }], clips[{ {}, {}, { 1, 4 } }]
    local mask = random_mask(3, 4)
    near(composed(texts, clips, { text_mask = mask }),
      interact(texts, clips, { text_mask = mask:to "int64" }), { atol = 1e-5 })
    assert.is_true(interact(texts, clips, { text_mask = mask })
      :equal(interact(texts, clips, { text_mask = mask:to "int32" * -7 })))
  end)

  it("weights words and frames as golden TI and WTI do", function()
    local tensors, about = shared.golden "08_interaction"
    if not tensors then return pending "needs ../shared" end
    local function compare(name, got)
      near(tensors[name], got, { atol = 10 * about.tolerance[name].f32_vs_f64_max_abs + 1e-9 }, name)
    end
    for _, case in ipairs { "full", "ragged", "all_negative", "single_token" } do
      local text_mask, clip_mask = tensors["mask_t." .. case], tensors["mask_a." .. case]
      local leaves = { T = tensors["T." .. case], A = tensors["A." .. case],
        wt = tensors["wt." .. case], wa = tensors["wa." .. case] }
      for _, weighted in ipairs { false, true } do
        local name = weighted and "wti" or "ti"
        for key, x in pairs(leaves) do leaves[key] = x:detach():clone():requires_grad_(true) end
        local options = { text_mask = text_mask, clip_mask = clip_mask }
        if weighted then
          options.text_weights = leaves.wt:masked_fill(text_mask:eq(0), -inf):softmax(2)
          options.clip_weights = leaves.wa:masked_fill(clip_mask:eq(0), -inf):softmax(2)
        end
        local S = interact(leaves.T:normalize(3), leaves.A:normalize(3), options)
        compare(("S_%s.%s"):format(name, case), S:detach())
        S:backward(tensors["G." .. case])
        for key, x in pairs(leaves) do
          local wanted = ("grad_%s.%s.%s"):format(name, case, key)
          if tensors[wanted] then compare(wanted, x.grad) end
        end
      end
    end
  end)

  it("gives the gradients of the plain formula", function()
    for _, options in ipairs(variants(9, 25, 8, 12)) do
      local grads = {}
      for i, f in ipairs { composed, interact } do
        local leaves = { nj.randn({ 9, 25, 7 }, { rng = nj.rng(2) }),
          nj.randn({ 8, 12, 7 }, { rng = nj.rng(3) }), options.text_weights, options.clip_weights }
        local own = {}
        for key, value in pairs(options) do own[key] = value end
        for k = 1, 4 do
          leaves[k] = leaves[k] and leaves[k]:to("float64"):requires_grad_(true) or false
        end
        own.text_weights, own.clip_weights = leaves[3] or nil, leaves[4] or nil
        local g = nj.randn({ 9, 8 }, { rng = nj.rng(4), dtype = "float64" })
        f(leaves[1], leaves[2], own):backward(g)
        grads[i] = {}
        for k, leaf in ipairs(leaves) do
          grads[i][k] = leaf and (leaf.grad or nj.zeros_like(leaf:detach()))
        end
      end
      for k, want in ipairs(grads[1]) do
        if want then
          near(want, grads[2][k], { atol = 1e-12, rtol = 1e-9 },
            ("input %d, %s, %s"):format(k, options.kind, options.direction))
        end
      end
    end
  end)

  it("keeps clips apart whose frames together fill whole vectors", function()
    local before = nj.threads()
    nj.threads(2)
    for _, frames in ipairs { { 300, 4 }, { 257, 15 }, { 260, 12 } } do
      local mask = nj.zeros({ 2, 300 }, { dtype = "uint8" })
      for j, n in ipairs(frames) do mask[{ j, { 1, n } }] = 1 end
      local texts, clips = random(3, 180, 33), random(2, 300, 33)
      local grads = {}
      for i, dtype in ipairs { "float64", "float32" } do
        local t, c = texts:to(dtype):requires_grad_(true), clips:to(dtype):requires_grad_(true)
        interact(t, c, { kind = "attention", temperature = 3, clip_mask = mask }):sum():backward()
        grads[i] = { t.grad, c.grad }
      end
      near(grads[1][1], grads[2][1]:double(), { atol = 1e-4 })
      near(grads[1][2], grads[2][2]:double(), { atol = 1e-4 })
    end
    nj.threads(before)
  end)

  it("scores 0, without a gradient, where an item has no token", function()
    for _, kind in ipairs { "max", "attention" } do
      local texts, clips = random(3, 4, 5), random(2, 6, 5)
      local weights = nj.full({ 3, 4 }, 0.25)
      texts[2], clips[{ 1, { 5, 6 } }], weights[2] = 0 / 0, 0 / 0, 0 / 0
      local text_mask, clip_mask = nj.ones({ 3, 4 }, { dtype = "uint8" }), random_mask(2, 6)
      text_mask[2], clip_mask[{ 1, { 5, 6 } }] = 0, 0
      for _, x in ipairs { texts, clips, weights } do x:requires_grad_(true) end
      local S = interact(texts, clips, { kind = kind, text_mask = text_mask, clip_mask = clip_mask,
        text_weights = weights })
      assert.same({ 0, 0 }, S:detach()[2]:totable())
      assert.is_true(S:detach()[1]:abs():min():item() > 0)
      S:sum():backward()
      for _, x in ipairs { texts, clips, weights } do
        assert.equal(0, x.grad:isnan():sum():item())
      end
      assert.equal(0, texts.grad[2]:abs():sum():item() + weights.grad[2]:abs():sum():item())
      assert.equal(0, clips.grad[{ 1, { 5, 6 } }]:abs():sum():item())
      assert.is_true(texts.grad[1]:abs():sum():item() > 0)
    end
  end)

  it("works on nothing", function()
    for _, kind in ipairs { "max", "attention" } do
      local function shape(...) return interact(nj.zeros(...), nj.zeros(2, 3, 4), { kind = kind }).shape end
      assert.same({ 0, 2 }, shape(0, 3, 4))
      assert.same({ { 0, 0 } }, interact(nj.zeros(1, 0, 4), nj.zeros(2, 3, 4), { kind = kind }):totable())
      assert.same({ { 0, 0 } }, interact(nj.zeros(1, 2, 0), nj.zeros(2, 3, 0), { kind = kind }):totable())
      for _, s in ipairs { { 0, 3, 4, 2, 3 }, { 2, 0, 4, 2, 3 }, { 2, 3, 0, 2, 3 }, { 2, 3, 4, 0, 3 },
        { 2, 3, 4, 2, 0 } } do
        local texts = nj.zeros({ s[1], s[2], s[3] }):requires_grad_(true)
        local clips = nj.zeros({ s[4], s[5], s[3] }):requires_grad_(true)
        interact(texts, clips, { kind = kind }):sum():backward()
        assert.same(texts.shape, texts.grad.shape)
        assert.same(clips.shape, clips.grad.shape)
      end
    end
  end)

  it("lets NaN through", function()
    for _, kind in ipairs { "max", "attention" } do
      for _, dtype in ipairs { "float32", "float64" } do
        local texts, clips = random(3, 4, 5):to(dtype), random(4, 21, 5):to(dtype)
        texts[{ 2, 3, 1 }] = 0 / 0
        clips[{ 3, 20, 5 }] = 0 / 0
        local bad = interact(texts, clips, { kind = kind }):isnan()
        assert.same({ { 0, 0, 1, 0 }, { 1, 1, 1, 1 }, { 0, 0, 1, 0 } }, bad:totable())
        texts:requires_grad_(true)
        interact(texts, clips, { kind = kind }):sum():backward()
      end
    end
  end)

  it("has the same bits for a pair alone and among others, padded or not", function()
    for _, kind in ipairs { "max", "attention" } do
      local options = { kind = kind, text_mask = random_mask(23, 19), clip_mask = random_mask(31, 27) }
      local texts, clips = random(23, 19, 40), random(31, 27, 40)
      local S = interact(texts, clips, options)
      for k = 1, 12 do
        local i, j = 1 + k * 7 % 23, 1 + k * 11 % 31
        local alone = interact(texts[{ { i, i } }], clips[{ { j, j } }], { kind = kind,
          text_mask = options.text_mask[{ { i, i } }], clip_mask = options.clip_mask[{ { j, j } }] })
        assert.equal(S[i][j], alone[1][1])
        local words = options.text_mask[i]:nonzero():reshape(-1)
        local gathered = interact(texts[i]:index_select(1, words):unsqueeze(1), clips[{ { j, j } }],
          { kind = kind, clip_mask = options.clip_mask[{ { j, j } }] })
        assert.equal(S[i][j], gathered[1][1])
      end
    end
  end)

  it("has the same bits, gradients as well, for any number of threads", function()
    local before = nj.threads()
    for _, kind in ipairs { "max", "attention" } do
      local results = {}
      for k, threads in ipairs { 1, 2, 3 } do
        nj.threads(threads)
        local texts = nj.randn({ 33, 20, 24 }, { rng = nj.rng(5), grad = true })
        local clips = nj.randn({ 29, 32, 24 }, { rng = nj.rng(6), grad = true })
        local weights = nj.rand({ 29, 32 }, { rng = nj.rng(7) }):requires_grad_(true)
        local S = interact(texts, clips, { kind = kind, clip_weights = weights })
        S:backward(nj.randn({ 33, 29 }, { rng = nj.rng(8) }))
        results[k] = { S:detach(), texts.grad, clips.grad, weights.grad }
      end
      nj.threads(before)
      for k = 2, 3 do
        for i, want in ipairs(results[1]) do assert.is_true(want:equal(results[k][i])) end
      end
    end
  end)

  it("holds no four-dimensional tensor", function()
    local texts, clips = random(64, 20, 32):requires_grad_(true), random(64, 32, 32)
    collectgarbage()
    for _, kind in ipairs { "max", "attention" } do
      nj.memory { reset_peak = true }
      local before = nj.memory().live
      local S = interact(texts, clips, { kind = kind })
      assert.is_true(nj.memory().peak - before < 2.5e6, kind) -- the products are 10.5 MB
      assert.is_true(nj.memory().live - before < 0.5e6, kind) -- what waits for backward
      S:sum():backward()
      assert.is_true(nj.memory().peak - before < 6e6, kind)
    end
  end)

  it("gives memory back, and survives any failing request for it", function()
    local fail_after = require("nightjar.core")._fail_after
    local function leaf(...) return nj.randn({ ... }, { rng = nj.rng(1), grad = true }) end
    local function run(kind)
      local texts, clips, weights = leaf(3, 4, 5), leaf(2, 6, 5), leaf(3, 4)
      interact(texts, clips, { kind = kind, text_weights = weights,
        clip_mask = nj.ones({ 2, 6 }, { dtype = "uint8" }) }):sum():backward()
    end
    local function live()
      collectgarbage()
      collectgarbage()
      return nj.memory().live
    end
    for _, kind in ipairs { "max", "attention" } do
      run(kind)
      local before, failures = live(), 0
      repeat
        fail_after(failures)
        local ok, text = pcall(run, kind)
        fail_after(-1)
        if not ok then
          assert.matches("out of memory", text)
          failures = failures + 1
        end
        assert.is_true(failures < 1000)
      until ok
      assert.is_true(failures > 20)
      assert.equal(before, live())
    end
  end)

  it("refuses what does not fit", function()
    local texts, clips = nj.zeros(3, 4, 5), nj.zeros(2, 6, 5)
    local function refused(pattern, ...) assert.matches(pattern, message(interact, ...)) end
    refused("interact: widths differ: texts %(3, 4, 5%), clips %(2, 6, 7%)", texts, nj.zeros(2, 6, 7))
    refused("interact: expected texts of shape %(items, tokens, width%), got %(3, 4%)", nj.zeros(3, 4),
      clips)
    refused("interact: texts are float32, clips are float64", texts, clips:double())
    refused("interact: texts must be float32 or float64, got int64", texts:to "int64", clips:to "int64")
    refused("interact: text_mask must be %(3, 4%) for texts of shape %(3, 4, 5%), got %(4, 3%)", texts,
      clips, { text_mask = nj.ones({ 4, 3 }, { dtype = "uint8" }) })
    refused("interact: clip_mask must be of an integer dtype %(0 is padding%), got float32", texts, clips,
      { clip_mask = nj.ones(2, 6) })
    refused("interact: clip_weights must be %(2, 6%) for clips of shape %(2, 6, 5%), got %(2, 4%)", texts,
      clips, { clip_weights = nj.ones(2, 4) })
    refused("interact: text_weights must be float32 like the tokens, got float64", texts, clips,
      { text_weights = nj.ones({ 3, 4 }, { dtype = "float64" }) })
    refused("interact: temperature must be greater than 0, got 0", texts, clips, { temperature = 0 })
    refused("interact: option 'temperature' must be a number in", texts, clips, { temperature = -1 })
    refused("interact: option 'kind' must be one of max, attention; got 'mean'", texts, clips,
      { kind = "mean" })
    refused("interact: unknown option 'textmask' %(did you mean 'text_mask'%?%)", texts, clips,
      { textmask = 1 })
    refused("interact: option 'text_mask' must be a tensor, got number", texts, clips, { text_mask = 1 })
    local long = nj.zeros({ 1, 65537, 1 })
    assert.same({ { 0 } }, interact(long, nj.zeros(1, 1, 1)):totable())
    refused("interact: a text of 65537 tokens; with gradients at most 65536 are possible",
      long:requires_grad_(true), nj.zeros(1, 1, 1))
  end)
end)
