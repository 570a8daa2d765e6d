--- Comparison of tensors, tables and numbers in specs.
---
---     near(want, got, { atol = 1e-5, rtol = 1e-5 })
---
--- Shapes must agree; |want - got| <= atol + rtol * |want| everywhere; NaN equals NaN, infinities
--- equal themselves. Fails with the worst place and both values there.
local near = {}

local function is_tensor(x) return type(x) == "userdata" end

-- Values in row-major order, and the shape as text. Nested tables are walked, tensors unpacked.
local function flatten(x)
  if type(x) == "number" then return { x }, "()" end
  if is_tensor(x) then
    local shape = table.concat(x.shape, "×")
    if x.ndim == 0 then return { x:item() }, "()" end
    return x:reshape(x:numel()):totable(), shape
  end
  local values, sizes = {}, {}
  local function walk(t, depth)
    if type(t) ~= "table" then
      values[#values + 1] = t
      return
    end
    assert(sizes[depth] == nil or sizes[depth] == #t, "ragged table")
    sizes[depth] = #t
    for i = 1, #t do walk(t[i], depth + 1) end
  end
  walk(x, 1)
  return values, table.concat(sizes, "×")
end

local function differ(want, got)
  if want ~= want or got ~= got then return (want ~= want and got ~= got) and 0 or math.huge end
  if want == got then return 0 end
  return math.abs(want - got)
end

--- The largest absolute difference, and the 1-based place in row-major order where it is.
---@return number worst
---@return integer place
function near.max_abs(want, got)
  local a, shape_a = flatten(want)
  local b, shape_b = flatten(got)
  if shape_a ~= shape_b then
    error(("shapes differ: want %s, got %s"):format(shape_a, shape_b), 2)
  end
  local worst, place = 0, 0
  for i = 1, #a do
    local d = differ(a[i], b[i])
    if d > worst then worst, place = d, i end
  end
  return worst, place
end

return setmetatable(near, {
  __call = function(_, want, got, tolerance, label)
    tolerance = tolerance or {}
    local atol, rtol = tolerance.atol or 1e-6, tolerance.rtol or 0
    local a, shape_a = flatten(want)
    local b, shape_b = flatten(got)
    label = label and label .. ": " or ""
    if shape_a ~= shape_b then
      error(("%sshapes differ: want %s, got %s"):format(label, shape_a, shape_b), 2)
    end
    local worst, place = 0, nil
    for i = 1, #a do
      local d = differ(a[i], b[i])
      local allowed = atol + rtol * math.abs(a[i])
      if d > allowed and d / math.max(allowed, 1e-300) > worst then
        worst, place = d / math.max(allowed, 1e-300), i
      end
    end
    if place then
      error(("%selement %d of %s: want %.9g, got %.9g (%.3g times the tolerance)"):format(
        label, place, shape_a, a[place], b[place], worst), 2)
    end
    return true
  end,
})
