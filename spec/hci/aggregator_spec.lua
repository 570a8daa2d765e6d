local nj = require "nightjar"
local near = require "spec.support.near"
local network = require "spec.support.network"
local shared = require "spec.support.shared"

local kinds = { "cluster", "dpc", "window", "attention" }

local function make(kind, options)
  local o = { kind = kind, width = 8, heads = 2, hidden = 12, tokens = 3, rng = nj.rng(5) }
  for key, value in pairs(options or {}) do o[key] = value end
  if options and options.no_tokens then o.tokens, o.no_tokens = nil, nil end
  return network.scramble(nj.hci.aggregator(o), 7)
end

local function random(shape, seed, dtype)
  return nj.randn(shape, { rng = nj.rng(seed), dtype = dtype })
end

-- Two full items, one with a hole and an end, one of two tokens, one of nothing.
local mask = nj.tensor({
  { 1, 1, 1, 1, 1, 1, 1 }, { 1, 1, 0, 1, 1, 0, 0 }, { 1, 1, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, 0, 0 },
}, { dtype = "int64" })

describe("nj.hci.aggregator", function()
  it("gives the reference's soft clusters, assignment and gradients", function()
    local want = shared.golden "08_aggregation"
    if not want then return pending "needs ../shared" end
    for _, case in ipairs { "m4", "m3", "m1" } do
      local net = nj.hci.aggregator { width = 32, heads = 4, tokens = tonumber(case:sub(2)) }
      local report = net:load(want, "w." .. case .. ".")
      assert.same({}, report.missing)
      assert.same({}, report.mismatched)
      local x = want["X." .. case]:clone():requires_grad_()
      local tokens, present, assignment = net(x, want["mask." .. case])
      near(want["Y." .. case], tokens:detach(), { atol = 5e-6 }, case)
      near(want["assign." .. case], assignment:detach(), { atol = 2e-6 }, case)
      assert.is_true(present:equal(nj.ones(present.shape, { dtype = "uint8" })));
      (tokens * want["R." .. case]):sum():backward()
      near(want["grad." .. case .. ".X"], x.grad, { atol = 3e-5 }, case)
      local checked = 0
      for name, parameter in pairs(net:state()) do
        near(want["grad." .. case .. "." .. name], parameter.grad, { atol = 4e-5 }, name)
        checked = checked + 1
      end
      assert.equal(13, checked)
    end
  end)

  for _, kind in ipairs(kinds) do
    describe(kind, function()
      it("has the gradients of differences, with masks", function()
        local net = make(kind, { dtype = "float64" })
        network.gradients(net, function(x) return (net(x, mask)) end,
          { random({ 4, 7, 8 }, 1, "float64") })
        if kind == "cluster" or kind == "attention" then -- assignments carry gradients too
          local x = random({ 4, 7, 8 }, 2, "float64"):requires_grad_()
          local _, _, assignment = net(x, mask)
          assignment:square():sum():backward()
          assert.is_true(x.grad:abs():sum():item() > 0)
        end
      end)

      it("gives float32 what float64 has", function()
        local single, double = make(kind), make(kind, { dtype = "float64" })
        double:load(single:state())
        local x = random({ 4, 7, 8 }, 3)
        local a, _, share_a = single(x, mask)
        local b, _, share_b = double(x:to "float64", mask)
        near(b:detach(), a:detach():to "float64", { atol = 1e-5 })
        near(share_b:detach(), share_a:detach():to "float64", { atol = 1e-5 })
      end)

      it("reads nothing under the mask, NaN included, and gives it no gradient", function()
        local net = make(kind)
        local x = random({ 4, 7, 8 }, 4)
        local dirty = x:clone()
        for b = 1, 4 do
          for n = 1, 7 do
            if mask[b][n] == 0 then dirty[b][n] = nj.full({ 8 }, b == 2 and 0 / 0 or 1e30) end
          end
        end
        dirty:requires_grad_()
        local tokens, present, assignment = net(dirty, mask)
        local clean, same, shares = net(x, mask)
        assert.equal(clean:detach():bytes(), tokens:detach():bytes())
        assert.equal(shares:detach():contiguous():bytes(), assignment:detach():contiguous():bytes())
        assert.is_true(same:equal(present))
        tokens:square():sum():backward()
        near(nj.zeros(4, 7, 8), dirty.grad * mask:eq(0):to "float32":unsqueeze(3), { atol = 0 })
        assert.is_true(dirty.grad[1]:abs():sum():item() > 0)
      end)

      it("gives zeros to an item without a valid token", function()
        local tokens, present, assignment = make(kind)(random({ 4, 7, 8 }, 5), mask)
        assert.equal(0, tokens[4]:detach():abs():sum():item())
        assert.equal(0, assignment[4]:detach():abs():sum():item())
        assert.same({ 0, 0, 0 }, present[4]:totable())
        assert.equal(0, (make(kind)(nj.zeros(2, 0, 8))):detach():abs():sum():item())
        assert.same({ 0, 3, 8 }, make(kind)(nj.zeros(0, 4, 8)).shape)
      end)

      it("gives an item of a batch what it has alone", function()
        local net, x = make(kind), random({ 4, 7, 8 }, 6)
        local tokens, present, assignment = net(x, mask)
        for b = 1, 4 do
          local one = { { b, b } }
          local alone, there, shares = net(x[one], mask[one])
          assert.equal(tokens[one]:detach():contiguous():bytes(), alone:detach():bytes())
          assert.is_true(present[one]:equal(there))
          assert.equal(assignment[one]:detach():contiguous():bytes(),
            shares:detach():contiguous():bytes())
        end
        -- Without the padding: other sums, the same values.
        local short = net(x[{ { 3, 3 }, { 1, 2 } }])
        near(tokens[{ { 3, 3 } }]:detach(), short:detach(), { atol = 1e-5 })
      end)

      it("assigns valid tokens whole", function()
        local _, present, assignment = make(kind)(random({ 4, 7, 8 }, 7), mask)
        local rows = assignment:detach():sum(3)
        if kind == "attention" then -- there it is the outputs that are whole
          near(present:to "float32", assignment:detach():sum(2), { atol = 1e-6 })
        else
          near(mask:to "float32", rows, { atol = 1e-6 })
        end
      end)

      it("gives the same bits for any number of threads", function()
        local net = make(kind, { width = 32, hidden = 64, tokens = 6 })
        local x = random({ 16, 20, 32 }, 8):requires_grad_()
        local some = nj.randint(0, 1, { 16, 20 }, { rng = nj.rng(1) })
        network.same_bits(function() return network.pass(net, (net(x, some)), x) end)
      end)

      it("survives failing memory", function()
        local x = random({ 4, 7, 8 }, 9):requires_grad_()
        network.survives(function()
          local net = nj.hci.aggregator { kind = kind, width = 8, heads = 2, hidden = 4,
            tokens = 3, dropout = 0.1, rng = nj.rng(1) }
          net:train()
          local tokens, _, assignment = net(x, mask, { rng = nj.rng(2) });
          (tokens:square():sum() + assignment:sum()):backward()
          x:zero_grad()
        end)
      end)

      it("takes a share of each item's tokens", function()
        local net = make(kind, { ratio = 0.5, tokens = 4 })
        local tokens, present = net(random({ 4, 7, 8 }, 10), mask)
        assert.same({ 4, 4, 8 }, tokens.shape)
        assert.same({ { 1, 1, 1, 1 }, { 1, 1, 0, 0 }, { 1, 0, 0, 0 }, { 0, 0, 0, 0 } },
          present:totable())
        near(nj.zeros(2, 8), tokens:detach()[{ 2, { 3, 4 } }], { atol = 0 })
      end)

      it("rebuilds from its descriptor", function()
        local net = make(kind, { ratio = 0.5, seed = 3, neighbours = 2, overlap = 0.25 })
        local d = net:descriptor()
        assert.equal(kind, d.kind)
        assert.equal(3, d.tokens)
        assert.equal(0.5, d.ratio)
        local other = nj.hci.aggregator(d)
        assert.same({}, other:load(net:state()).missing)
        local x = random({ 4, 7, 8 }, 11)
        assert.equal((net(x, mask)):detach():bytes(), (other(x, mask)):detach():bytes())
        assert.matches("^aggregator network", tostring(net))
      end)
    end)
  end

  describe("cluster", function()
    it("is the mean of its tokens with one slot; attention is not", function()
      local x = random({ 2, 5, 8 }, 1)
      local mean = make("cluster", { tokens = 1, plain = true })(x)
      near(x:mean(2, { keepdim = true }), mean:detach(), { atol = 1e-6 })
      local pooled, _, shares = make("attention", { tokens = 1, plain = true })(x)
      assert.is_true(near.max_abs(x:mean(2, { keepdim = true }), pooled:detach()) > 0.01)
      near(x:transpose(2, 3):matmul(shares:detach()):transpose(2, 3), pooled:detach(),
        { atol = 1e-6 })
    end)

    it("is what its formula says, without self-attention", function()
      local net = make("cluster", { plain = true })
      local x = random({ 2, 5, 8 }, 2)
      local slots = net:state().slots:detach()
      local a = (x:matmul(slots:transpose(1, 2)) / math.sqrt(8)):softmax(3)
      local y = a:transpose(2, 3):matmul(x) / a:sum(2):unsqueeze(3)
      local tokens, _, assignment = net(x)
      near(a, assignment:detach(), { atol = 1e-6 })
      near(y, tokens:detach(), { atol = 1e-6 })
    end)

    it("gives numbers when every token avoids a slot", function()
      local net = make("cluster", { plain = true })
      nj.no_grad(function() net:state().slots:copy_(net:state().slots:detach() * 0) end)
      nj.no_grad(function() net:state().slots[2] = nj.full({ 8 }, -1e4) end)
      local x = (random({ 1, 4, 8 }, 3):abs() + 0.1):requires_grad_()
      local tokens, _, assignment = net(x)
      assert.equal(0, assignment:detach()[1][1][2])
      assert.is_true(tokens:detach():isfinite():all())
      tokens:square():sum():backward()
      assert.is_true(x.grad:isfinite():all())
    end)
  end)

  describe("window", function()
    local function windows(options, n, valid)
      local x = nj.arange(1, n, { dtype = "float32" }):reshape(1, n, 1)
      local tokens, present, assignment = nj.hci.aggregator(options)(x,
        valid and nj.tensor({ valid }, { dtype = "int64" }))
      return tokens:reshape(tokens:numel()):totable(), present[1]:totable(), assignment[1]
    end

    it("means equal runs of the valid tokens", function()
      local o = { kind = "window", width = 1, heads = 1, tokens = 3 }
      assert.same({ 1.5, 3.5, 5.5 }, (windows(o, 6)))
      assert.same({ 1, 2.5, 4 }, (windows(o, 4)))
      local values, present = windows(o, 6, { 0, 1, 0, 1, 0, 0 })
      assert.same({ 2, 4, 0 }, values)
      assert.same({ 1, 1, 0 }, present)
      assert.same({}, nj.hci.aggregator(o):parameters())
    end)

    it("reaches into its neighbours", function()
      local o = { kind = "window", width = 1, heads = 1, tokens = 3, overlap = 0.5 }
      local values, _, assignment = windows(o, 6)
      near({ 2, 3.5, 5 }, values, { atol = 1e-6 })
      near({ 1, 0, 0 }, assignment[1], { atol = 0 })
      near({ 0.5, 0.5, 0 }, assignment[3], { atol = 0 })
    end)

    it("counts by ratio alone", function()
      local o = { kind = "window", width = 1, heads = 1, ratio = 0.25 }
      assert.same({ 2.5, 6.5 }, (windows(o, 8)))
      assert.same({ 1 }, (windows(o, 1)))
      o.ratio = 0.1 -- three tenths of thirty are three
      assert.equal(3, #windows(o, 30))
    end)
  end)

  describe("dpc", function()
    -- Density peaks as they are defined, slowly.
    local function slow(x, n, clusters, k)
      local d, density, score = {}, {}, {}
      local largest = 0
      for i = 1, n do
        d[i] = {}
        for j = 1, n do
          d[i][j] = math.sqrt((x[i] - x[j]):square():mean():item())
          largest = math.max(largest, d[i][j])
        end
      end
      for i = 1, n do
        local row = { table.unpack(d[i]) }
        table.sort(row)
        local sum = 0
        for j = 1, k do sum = sum + row[j] ^ 2 end
        density[i] = math.exp(-sum / k)
      end
      for i = 1, n do
        local delta = largest
        for j = 1, n do
          if density[j] > density[i] then delta = math.min(delta, d[i][j]) end
        end
        score[i] = delta * density[i]
      end
      local order, centre = {}, {}
      for i = 1, n do order[i] = i end
      table.sort(order, function(a, b) return score[a] > score[b] end)
      for c = 1, clusters do centre[order[c]] = true end
      local cluster = {}
      for i = 1, n do
        local best, of, number = math.huge, nil, 0
        for j = 1, n do
          if centre[j] then
            number = number + 1
            local distance = i == j and -1 or d[i][j]
            if distance < best and (i == j or not centre[i]) then best, of = distance, number end
          end
        end
        cluster[i] = of
      end
      return cluster
    end

    it("clusters as density peaks do", function()
      local net = make("dpc", { tokens = 4, neighbours = 3 })
      local p = net:state()
      nj.no_grad(function()
        p["ctm.conv.conv.weight"]:zero_()
        p["ctm.norm.weight"]:fill_(1)
        p["ctm.norm.bias"]:zero_()
      end)
      for seed = 1, 8 do
        local x = random({ 1, 12, 8 }, seed)
        local _, _, assignment = net(x)
        local want = slow(nj.nn.layer_norm(x):to "float64"[1], 12, 4, 3)
        for i = 1, 12 do
          assert.equal(1, assignment[1][i][want[i]], ("seed %d, token %d"):format(seed, i))
        end
      end
    end)

    it("merges by exp(score) and attends with scores as logits", function()
      local net = make("dpc", { tokens = 2, width = 4, heads = 2, neighbours = 2 })
      local p, nn = {}, nj.nn
      for name, tensor in pairs(net:state()) do p[name] = tensor:detach() end
      local x = random({ 1, 5, 4 }, 3)
      local padded = nj.cat({ nj.zeros(1, 1, 4), x, nj.zeros(1, 1, 4) }, 2)
      local mixed = x
      for tap = 1, 3 do
        mixed = mixed + padded[{ {}, { tap, tap + 4 } }]:matmul(
          p["ctm.conv.conv.weight"][{ {}, {}, tap }]:transpose(1, 2))
      end
      local h = nn.layer_norm(mixed, p["ctm.norm.weight"], p["ctm.norm.bias"])
      local score = nn.linear(h, p["ctm.score.weight"], p["ctm.score.bias"])
      local tokens, _, assignment = net(x)
      local w = assignment:detach() * score:exp()
      local merged = w:transpose(2, 3):matmul(h) / w:sum(2):unsqueeze(3)
      local function norm(t) return nn.layer_norm(t, p["block.norm1.weight"], p["block.norm1.bias"]) end
      local function heads(t, first)
        local weight, bias = p["block.attn.kv.weight"], p["block.attn.kv.bias"]
        if not first then weight, bias, first = p["block.attn.q.weight"], p["block.attn.q.bias"], 1 end
        local rows = { { first, first + 3 } }
        return nn.linear(t, weight[rows], bias[rows]):reshape(1, t.shape[2], 2, 2):transpose(2, 3)
      end
      local logits = heads(norm(merged)):matmul(heads(norm(h), 1):transpose(3, 4)) / math.sqrt(2)
      local share = (logits + score:reshape(1, 1, 1, 5)):softmax(4)
      local attended = share:matmul(heads(norm(h), 5)):transpose(2, 3):reshape(1, 2, 4)
      local want = merged + nn.linear(attended, p["block.attn.proj.weight"], p["block.attn.proj.bias"])
      near(want, tokens:detach(), { atol = 1e-5 })
    end)

    it("breaks ties by its seed alone", function()
      local x = nj.ones(2, 9, 8)
      local function shares(seed)
        local _, _, assignment = make("dpc", { seed = seed, tokens = 5 })(x)
        return assignment:contiguous():bytes()
      end
      assert.equal(shares(1), shares(1))
      local other = false
      for seed = 2, 9 do other = other or shares(seed) ~= shares(1) end
      assert.is_true(other)
    end)
  end)

  it("drops out while training only, by the generator given", function()
    local net, x = make("cluster", { dropout = 0.5 }), random({ 2, 5, 8 }, 1)
    local still = (net(x)):detach():bytes()
    net:train()
    local a = (net(x, nil, { rng = nj.rng(1) })):detach():bytes()
    assert.equal(a, (net(x, nil, { rng = nj.rng(1) })):detach():bytes())
    assert.not_equal(a, (net(x, nil, { rng = nj.rng(2) })):detach():bytes())
    net:eval()
    assert.equal(still, (net(x)):detach():bytes())
  end)

  it("says what is wrong", function()
    local function message(text, f, ...)
      local arguments = table.pack(...)
      assert.error_matches(function() f(table.unpack(arguments, 1, arguments.n)) end, text, nil, true)
    end
    local new = nj.hci.aggregator
    message("aggregator: option 'width' is required", new, { tokens = 2 })
    message("aggregator: tokens or ratio is required", new, { width = 8 })
    message("aggregator: this kind learns its outputs and needs tokens", new,
      { width = 8, ratio = 0.5 })
    message("aggregator: 3 heads do not divide a width of 8", new,
      { width = 8, tokens = 2, heads = 3 })
    message("aggregator: unknown option 'token' (did you mean 'tokens'?)", new, { token = 3 })
    message("aggregator: option 'ratio' must be", new, { width = 8, ratio = 2 })
    message("aggregator: option 'dtype' must be 'float32' or 'float64', got 'int64'", new,
      { width = 8, tokens = 2, dtype = "int64" })
    local net = make "cluster"
    message("aggregator: expected tokens (batch, tokens, 8), got (2, 3, 7)", net, nj.zeros(2, 3, 7))
    message("aggregator: expected tokens (batch, tokens, 8), got (8)", net, nj.zeros(8))
    message("aggregator: expected float32 or float64 tokens, got int64", net,
      nj.zeros({ 2, 3, 8 }, { dtype = "int64" }))
    message("aggregator: expected a mask (2, 3), got (2, 4)", net, nj.zeros(2, 3, 8), nj.ones(2, 4))
    message("layer_norm: weight is float32, the input float64", net,
      nj.zeros({ 2, 3, 8 }, { dtype = "float64" }))
  end)
end)
