-- Gradients against central differences in float64, and float32 against float64.
--
-- An entry of a table of cases (spec/ops/gradients/*.lua):
--   { "mul",                                -- its name in the report
--     function(a, b) return a * b end,      -- float tensors in, a tensor (or a table of them) out
--     shapes = { { 2, 3 }, { 3 } },         -- of its inputs
--     low = -2, high = 2,                   -- inputs are uniform in it (default -2, 2); or
--     values = function(nj, i, shape, rng) … end, -- gives float64 input i
--     any_shape = true,                     -- also 0-d, size-1 and empty shapes
--     layouts = false,                      -- not on transposed, strided and expanded inputs
--     fixed = { 2 },                        -- inputs that are no leaves: no gradient is asked for
--     eps = 1e-6, atol = 1e-6, rtol = 1e-5, -- of the differences
--     f32 = 1e-5,                           -- of float32, times 1 + the largest; false: skip
--   }
-- The function is called many times with the same inputs and must give the same result each time.
local nj = require "nightjar"
local gradcheck = {}


local function reversed(list)
  local out = {}
  for i = #list, 1, -1 do
    out[#out + 1] = list[i]
  end
  return out
end

-- Ways to lay out an input of a shape: each gives the shape of a contiguous leaf and the view of it
-- that the function sees. nil where the way does not apply.
local layouts = {
  contiguous = function(shape)
    return shape, function(leaf) return leaf end
  end,
  transposed = function(shape)
    if #shape < 2 then
      return nil
    end
    local order = {}
    for i = 1, #shape do
      order[i] = #shape - i + 1
    end
    return reversed(shape), function(leaf) return leaf:permute(table.unpack(order)) end
  end,
  strided = function(shape)
    if #shape < 1 or shape[#shape] == 0 then
      return nil
    end
    local wide = { table.unpack(shape) }
    wide[#wide] = wide[#wide] * 2
    local key = {}
    for i = 1, #shape do
      key[i] = {}
    end
    key[#key] = { 1, -1, 2 }
    return wide, function(leaf) return leaf[key] end
  end,
  expanded = function(shape)
    if #shape < 1 or shape[1] < 2 then
      return nil
    end
    local narrow = { table.unpack(shape) }
    narrow[1] = 1
    return narrow, function(leaf) return leaf:expand(shape) end
  end,
}

local function as_list(result)
  return type(result) == "table" and result or { result }
end

-- A number from any result: each output times weights that differ from place to place.
local function weighted_sum(result)
  local total
  for k, out in ipairs(as_list(result)) do
    local n = out:numel()
    local places = nj.arange(1, n, { dtype = out.dtype }):reshape(out.shape)
    local weights = (places * 0.7 + k):sin() + 0.3
    local part = (out * weights):sum()
    total = total and total + part or part
  end
  return total
end

local function make_leaf(entry, i, leaf_shape, rng)
  if entry.values then
    return entry.values(nj, i, leaf_shape, rng)
  end
  return nj.rand(leaf_shape, { dtype = "float64", rng = rng, low = entry.low or -2,
    high = entry.high or 2 })
end

local function is_fixed(entry, i)
  for _, fixed in ipairs(entry.fixed or {}) do
    if fixed == i then
      return true
    end
  end
  return false
end

-- Leaves of the dtype and the views of them that the function takes.
local function views_of(leaves, shown)
  local views = {}
  for i, leaf in ipairs(leaves) do
    views[i] = shown[i](leaf)
  end
  return views
end

local function value(entry, leaves, shown)
  return nj.no_grad(function()
    return weighted_sum(entry[2](table.unpack(views_of(leaves, shown)))):item()
  end)
end

local function gradients(entry, leaves, shown)
  for i, leaf in ipairs(leaves) do
    if not is_fixed(entry, i) then
      leaf:requires_grad_(true)
    end
  end
  local out = entry[2](table.unpack(views_of(leaves, shown)))
  weighted_sum(out):backward()
  local grads = {}
  for i, leaf in ipairs(leaves) do
    if not is_fixed(entry, i) then
      grads[i] = leaf.grad or nj.zeros_like(leaf)
    end
  end
  return grads, as_list(out)
end

local function check_differences(entry, leaves, shown, grads, label)
  local eps, atol, rtol = entry.eps or 1e-6, entry.atol or 1e-6, entry.rtol or 1e-5
  for i, leaf in ipairs(leaves) do
    if grads[i] then
      local flat, g = leaf:detach():view(leaf:numel()), grads[i]:reshape(leaf:numel())
      for j = 1, leaf:numel() do
        local at = flat[j]
        flat[j] = at + eps
        local above = value(entry, leaves, shown)
        flat[j] = at - eps
        local below = value(entry, leaves, shown)
        flat[j] = at
        local want = (above - below) / (2 * eps)
        local got = g[j]
        local close = math.abs(want - got) <= atol + rtol * math.abs(want) -- false for NaN
        if not close then
          error(("%s: gradient of input %d, element %d: differences give %.9g, backward %.9g")
            :format(label, i, j, want, got), 0)
        end
      end
    end
  end
end

local function largest(t)
  return t:numel() > 0 and t:abs():max():item() or 0
end

local function check_float32(entry, leaves, shown, grads, outs, label)
  local tolerance = entry.f32 == nil and 1e-5 or entry.f32
  if not tolerance then
    return
  end
  local singles = {}
  for i, leaf in ipairs(leaves) do
    singles[i] = leaf:detach():to "float32"
  end
  local grads32, outs32 = gradients(entry, singles, shown)
  local function compare(want, got, what)
    assert(got.dtype == "float32" or want.dtype ~= "float64",
      label .. ": " .. what .. " of float32 inputs is " .. got.dtype)
    local scale = 1 + largest(want:detach())
    local off = largest(want:detach() - got:detach():to "float64")
    local close = off <= tolerance * scale
    if not close then
      error(("%s: %s differs by %.3g between float32 and float64, of at most %.3g")
        :format(label, what, off, tolerance * scale), 0)
    end
  end
  for k, out in ipairs(outs) do
    compare(out, outs32[k], "result " .. k)
  end
  for i in pairs(grads) do
    compare(grads[i], grads32[i], "gradient " .. i)
  end
end

---Checks one entry with inputs of the given shapes in one layout; raises what is wrong.
function gradcheck.run(entry, shapes, layout)
  local label = ("%s %s, %s"):format(entry[1], layout, table.concat((function()
    local texts = {}
    for i, shape in ipairs(shapes) do
      texts[i] = "(" .. table.concat(shape, ", ") .. ")"
    end
    return texts
  end)(), " "))
  local rng = nj.rng(#entry[1] * 1000 + #layout)
  local leaves, shown = {}, {}
  for i, shape in ipairs(shapes) do
    local leaf_shape, show = layouts[layout](shape)
    if not leaf_shape then
      leaf_shape, show = layouts.contiguous(shape)
    end
    leaves[i], shown[i] = make_leaf(entry, i, leaf_shape, rng), show
  end
  local grads, outs = gradients(entry, leaves, shown)
  check_differences(entry, leaves, shown, grads, label)
  check_float32(entry, leaves, shown, grads, outs, label)
end

local SMALL = { {}, { 1 }, { 0 }, { 2, 0 }, { 1, 1, 3 } }

---Checks an entry in every layout and shape that applies.
function gradcheck.check(entry)
  local names = entry.layouts == false and { "contiguous" }
    or { "contiguous", "transposed", "strided", "expanded" }
  for _, layout in ipairs(names) do
    gradcheck.run(entry, entry.shapes, layout)
  end
  if entry.any_shape then
    for _, shape in ipairs(SMALL) do
      local shapes = {}
      for i = 1, #entry.shapes do
        shapes[i] = shape
      end
      gradcheck.run(entry, shapes, "contiguous")
    end
  end
end

return gradcheck
