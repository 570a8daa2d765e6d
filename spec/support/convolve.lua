-- Reference operations on images as plain Lua loops over float64, for specs.
local nj = require "nightjar"
local convolve = {}

-- The elements of a tensor as a flat table, with a function that finds (b, c, y, x).
local function open(x)
  local values = x:double():reshape(x:numel()):totable()
  local _, c, h, w = table.unpack(x.shape)
  return values, function(b, i, y, z) return ((b * c + i) * h + y) * w + z + 1 end
end

---conv2d by its definition. options as nj.nn.conv2d, pairs only.
function convolve.conv2d(x, w, bias, o)
  local xv, at = open(x)
  local wv, wat = open(w)
  local bv = bias and bias:double():totable()
  local batch, channels, height, width = table.unpack(x.shape)
  local out, per_group, kh, kw = table.unpack(w.shape)
  local function size(n, k, d)
    return (n + 2 * o.padding[d] - o.dilation[d] * (k - 1) - 1) // o.stride[d] + 1
  end
  local oh, ow = size(height, kh, 1), size(width, kw, 2)
  assert(per_group * o.groups == channels)
  local result = {}
  for b = 0, batch - 1 do
    for co = 0, out - 1 do
      local first = co // (out // o.groups) * per_group
      for oy = 0, oh - 1 do
        for ox = 0, ow - 1 do
          local sum = bv and bv[co + 1] or 0
          for ky = 0, kh - 1 do
            local y = oy * o.stride[1] - o.padding[1] + ky * o.dilation[1]
            for kx = 0, kw - 1 do
              local z = ox * o.stride[2] - o.padding[2] + kx * o.dilation[2]
              if y >= 0 and y < height and z >= 0 and z < width then
                for ci = 0, per_group - 1 do
                  sum = sum + xv[at(b, first + ci, y, z)] * wv[wat(co, ci, ky, kx)]
                end
              end
            end
          end
          result[#result + 1] = sum
        end
      end
    end
  end
  if #result == 0 then return nj.zeros({ batch, out, oh, ow }, { dtype = "float64" }) end
  return nj.tensor(result, { dtype = "float64" }):reshape(batch, out, oh, ow)
end

---Pools windows by a function of the list of the pixels inside the image and the count of the whole window.
function convolve.pool2d(x, o, reduce)
  local xv, at = open(x)
  local batch, channels, height, width = table.unpack(x.shape)
  local oh = (height + 2 * o.padding[1] - o.kernel[1]) // o.stride[1] + 1
  local ow = (width + 2 * o.padding[2] - o.kernel[2]) // o.stride[2] + 1
  local result = {}
  for b = 0, batch - 1 do
    for c = 0, channels - 1 do
      for oy = 0, oh - 1 do
        for ox = 0, ow - 1 do
          local window = {}
          for y = oy * o.stride[1] - o.padding[1], oy * o.stride[1] - o.padding[1] + o.kernel[1] - 1 do
            for z = ox * o.stride[2] - o.padding[2], ox * o.stride[2] - o.padding[2] + o.kernel[2] - 1 do
              if y >= 0 and y < height and z >= 0 and z < width then
                window[#window + 1] = xv[at(b, c, y, z)]
              end
            end
          end
          result[#result + 1] = reduce(window, o.kernel[1] * o.kernel[2])
        end
      end
    end
  end
  return nj.tensor(result, { dtype = "float64" }):reshape(batch, channels, oh, ow)
end

return convolve
