--- What every network is asked: gradients against differences, failing memory, threads, descriptors.
---
---     network.gradients(net, function(x) return net(x, mask) end, { x })   -- net made in float64
---     network.survives(function() … end)
---     network.same_bits(function() return net(x):bytes() end)
local nj = require "nightjar"
local fail_after = require("nightjar.core")._fail_after

local network = {}

-- A number from the results: each times weights that differ from place to place.
local function weighted_sum(results)
  local total
  for k, out in ipairs(results) do
    local places = nj.arange(1, out:numel(), { dtype = out.dtype }):reshape(out.shape)
    local part = (out * ((places * 0.7 + k):sin() + 0.3)):sum()
    total = total and total + part or part
  end
  return total
end

-- The entries of a tensor to look at: all of a small one, `most` of a large one, spread over it.
local function some(n, most)
  local list = {}
  local step = math.max(1, n // most)
  for i = 1, n, step do list[#list + 1] = i end
  return list
end

local function compare(name, leaf, loss, o)
  local flat = leaf:detach():view(leaf:numel())
  local g = (leaf.grad or nj.zeros_like(leaf:detach())):reshape(leaf:numel())
  for _, j in ipairs(some(leaf:numel(), o.most or 24)) do
    local at, eps = flat[j], o.eps or 1e-6
    flat[j] = at + eps
    local above = loss()
    flat[j] = at - eps
    local below = loss()
    flat[j] = at
    local want, got = (above - below) / (2 * eps), g[j]
    local close = math.abs(want - got) <= (o.atol or 1e-6) + (o.rtol or 1e-5) * math.abs(want)
    if not close then
      error(("%s, element %d: differences give %.9g, backward %.9g"):format(name, j, want, got), 0)
    end
  end
end

--- Compares the gradients of run's results in the float64 inputs and in all parameters of a float64
--- network with central differences.
---@param net userdata
---@param run fun(...): ... gives the float64 tensors to differentiate
---@param inputs userdata[] float64
---@param o? {most?: integer, eps?: number, atol?: number, rtol?: number, unused?: table<string, true>}
function network.gradients(net, run, inputs, o)
  o = o or {}
  for _, x in ipairs(inputs) do x:requires_grad_() end
  local function loss()
    return nj.no_grad(function()
      return weighted_sum { run(table.unpack(inputs)) }:item()
    end)
  end
  weighted_sum({ run(table.unpack(inputs)) }):backward()
  for i, x in ipairs(inputs) do compare("input " .. i, x, loss, o) end
  for _, p in ipairs(net:parameters()) do
    assert(p.tensor.dtype == "float64", p.name .. " is " .. p.tensor.dtype)
    assert((p.tensor.grad ~= nil) ~= (o.unused and o.unused[p.name] or false),
      p.name .. (p.tensor.grad and " has a gradient" or " has no gradient"))
    compare(p.name, p.tensor, loss, o)
  end
end

--- Fills parameters so that none is zero or one by construction.
function network.scramble(net, seed, scale)
  nj.no_grad(function()
    for i, p in ipairs(net:parameters()) do
      p.tensor:add_(nj.randn(p.tensor.shape, { dtype = p.tensor.dtype,
        rng = nj.rng((seed or 1) * 1000 + i) }) * (scale or 0.2))
    end
  end)
  return net
end

local function live()
  collectgarbage()
  collectgarbage()
  return nj.memory().live
end

--- Gives running statistics, and affine weights (all vectors, or those that `pick(name)` names), values as
--- training leaves them: none of them trivial.
function network.trained(net, seed, pick)
  nj.no_grad(function()
    for i, b in ipairs(net:buffers()) do
      local noise = nj.rand(b.tensor.shape, { rng = nj.rng(seed + i) })
      b.tensor:copy_(b.name:find "var" and noise + 0.5 or noise - 0.5)
    end
    for i, p in ipairs(net:parameters()) do
      if p.tensor.ndim == 1 and (not pick or pick(p.name)) then
        p.tensor:copy_(nj.rand(p.tensor.shape, { rng = nj.rng(seed + 50 + i) }) + 0.25)
      end
    end
  end)
  return net
end

--- Runs `run` with its requests for memory failing in turn, each of the first ones and a share of
--- the rest: it must raise "out of memory", and leave nothing behind.
function network.survives(run)
  run()
  local before = live()
  run()
  assert(before == live(), "memory is not given back")
  local n = 0
  repeat
    fail_after(n)
    local ok, text = pcall(run)
    fail_after(-1)
    if not ok then
      assert(tostring(text):find("out of memory", 1, true), tostring(text))
      n = n + 1 + n // 8 -- a failing request costs two full collections
    end
    assert(n < 5000, "fails for ever")
  until ok
  assert(n > 5, "hardly asks for memory")
  assert(before == live(), "memory is lost when a request fails")
end

--- `run` gives the same string with one thread as with two.
function network.same_bits(run)
  local before = nj.threads()
  nj.threads(1)
  local one = run()
  nj.threads(2)
  local two = run()
  nj.threads(before)
  assert(one == two, "bits depend on the number of threads")
end

--- Values of a tensor and of the gradients of its sum in all parameters, as bytes.
function network.pass(net, result, ...)
  for _, p in ipairs(net:parameters()) do p.tensor:zero_grad() end
  for _, x in ipairs { ... } do x:zero_grad() end;
  (result * (nj.arange(1, result:numel()):reshape(result.shape) * 0.7):sin()):sum():backward()
  local bytes = { result:detach():contiguous():bytes() }
  for _, p in ipairs(net:parameters()) do
    if p.tensor.grad then bytes[#bytes + 1] = p.tensor.grad:contiguous():bytes() end
  end
  for _, x in ipairs { ... } do bytes[#bytes + 1] = x.grad:contiguous():bytes() end
  return table.concat(bytes)
end

return network
