-- What must not change a bit: the number of threads; the rest of the batch. What may change only the
-- last ones: the instruction set.
local child = require "spec.support.child"
local nj = require "nightjar"
local nn = nj.nn

-- name → {hash, numbers}
local function digest(environment)
  local pipe = assert(io.popen(environment .. " " .. child.command "spec/support/network_digest.lua"
    .. " 2>&1"))
  local lines, count, text = {}, 0, pipe:read "a"
  pipe:close()
  for line in text:gmatch "[^\n]+" do
    local name, hash, numbers = line:match "^([^\t]+)\t(%x+)\t(.*)$"
    if name then
      local values = {}
      for v in numbers:gmatch "%S+" do values[#values + 1] = tonumber(v) end
      lines[name], count = { hash, values }, count + 1
    end
  end
  return lines, count, text
end

local isas = {}
for _, isa in ipairs { "portable", "avx2", "avx512" } do
  local pipe = io.popen("NIGHTJAR_ISA=" .. isa .. " " .. child.command("-e", "require 'nightjar'")
    .. " > /dev/null 2>&1")
  if pipe:close() then isas[#isas + 1] = isa end
end

describe("the bits of network operations", function()
  for _, isa in ipairs(isas) do
    it("are the same for any number of threads: " .. isa, function()
      local one, count, text = digest("NIGHTJAR_THREADS=1 NIGHTJAR_ISA=" .. isa)
      assert.equal(18, count, text)
      for _, threads in ipairs { 2, 3 } do
        local more = digest(("NIGHTJAR_THREADS=%d NIGHTJAR_ISA=%s"):format(threads, isa))
        for name, line in pairs(one) do
          assert.equal(line[1], more[name][1], ("%s with %d threads"):format(name, threads))
        end
      end
    end)
  end

  it("differ little between instruction sets", function()
    local want = digest("NIGHTJAR_ISA=" .. isas[1])
    for i = 2, #isas do
      local got = digest("NIGHTJAR_ISA=" .. isas[i])
      for name, line in pairs(want) do
        for k, v in ipairs(line[2]) do
          local off = math.abs(v - got[name][2][k])
          assert.is_true(off <= 1e-4 * math.abs(v) + 1e-9, ("%s, %s, number %d: %g and %g"):format(name,
            isas[i], k, v, got[name][2][k]))
        end
      end
    end
  end)

  local rng = nj.rng(4)
  local function random(...) return nj.randn({ ... }, { rng = rng }) end

  -- f of a batch (along dimension 1) equals f of each part alone.
  local function independent(f, x, sizes)
    local y = f(x)
    for _, n in ipairs(sizes or { 1, 2, x.shape[1] }) do
      for first = 1, x.shape[1] - n + 1, math.max(1, x.shape[1] // 7) do
        local part = { { first, first + n - 1 } }
        assert.is_true(y[part]:equal(f(x[part])), ("%d from %d on"):format(n, first))
      end
    end
  end

  it("of rows do not depend on the other rows: matmul and linear", function()
    for _, s in ipairs { { 64, 64 }, { 33, 7 }, { 300, 130 }, { 5, 1000 }, { 768, 20 }, { 64, 1 } } do
      local w, b = random(s[2], s[1]), random(s[2])
      local sizes = { 1, 2, 3, 5, 18, 97 }
      independent(function(x) return nn.linear(x, w, b) end, random(203, s[1]), sizes)
      independent(function(x) return x:matmul(w:t()) end, random(203, s[1]), sizes)
    end
    local keys = random(20, 6, 40, 30)
    local x = random(20, 6, 50, 40)
    local y = x:matmul(keys)
    for i = 1, 20, 6 do
      assert.is_true(y[i]:equal(x[i]:matmul(keys[i])))
      assert.is_true(y[i][2][{ { 7, 9 } }]:equal(x[i][2][{ { 7, 9 } }]:matmul(keys[i][2])))
    end
  end)

  it("of an image do not depend on the other images: convolutions and pools", function()
    for _, c in ipairs { { 16, 20, 3, 1, 9, 7 }, { 17, 70, 3, 1, 16, 15 }, { 90, 16, 3, 1, 8, 20 },
      { 1, 16, 3, 1, 40, 64 }, { 70, 130, 3, 1, 4, 3 },
      { 24, 40, 1, 1, 9, 5 }, { 30, 30, 3, 30, 12, 5 }, { 12, 8, 2, 4, 7, 7 } } do
      local ci, co, k, groups, h, w = table.unpack(c)
      local weight, bias = random(co, ci // groups, k, k), random(co)
      independent(function(x)
        return nn.conv2d(x, weight, bias, { padding = k // 2, groups = groups })
      end, random(7, ci, h, w))
    end
    independent(function(x) return nn.avg_pool2d(x, 2) end, random(7, 5, 9, 6))
    independent(function(x) return nn.max_pool2d(x, 2) end, random(7, 5, 9, 6))
  end)

  it("of rows do not depend on the other rows: softmax, layer_norm, normalize", function()
    independent(function(x) return x:softmax(2) end, random(60, 77))
    independent(function(x) return x:log_softmax(2) end, random(60, 77))
    independent(function(x) return x:normalize(2) end, random(60, 77))
    local w, b = random(77), random(77)
    independent(function(x) return nn.layer_norm(x, w, b) end, random(60, 77))
  end)
end)
