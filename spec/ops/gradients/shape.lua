-- Operations that move elements. spec/tensor/gradient_spec.lua checks the same exactly.
local nj = require "nightjar"

local index = nj.tensor({ 3, 1, 1, 2, -1 }, { dtype = "int64" })
local columns = nj.tensor({ { 1, 4, 4 }, { 2, 2, 1 }, { -1, 1, 3 } }, { dtype = "int32" })
local mask = nj.tensor{ { true, false, true, true }, { false, false, true, false },
  { true, true, true, true } }

local entries = {
  { "clone", function(x) return x:clone() end, shapes = { { 2, 3 } }, any_shape = true },
  { "contiguous", function(x) return x:contiguous() end, shapes = { { 2, 3 } }, any_shape = true },
  { "cat", function(a, b) return nj.cat({ a, b, a }, 2) end, shapes = { { 2, 3 }, { 2, 1 } } },
  { "cat with an empty part", function(a, b) return nj.cat({ a, b }, 1) end,
    shapes = { { 2, 3 }, { 0, 3 } } },
  { "stack", function(a, b) return nj.stack({ a, b }, -1) end, shapes = { { 2, 3 }, { 2, 3 } } },
  { "split", function(x) return x:split({ 1, 3 }, 2) end, shapes = { { 2, 4 } } },
  { "scatter_add", function(x, y) return x:scatter_add(2, columns, y) end,
    shapes = { { 3, 4 }, { 3, 3 } } },
  { "scatter_add of a stretched source", function(x, y) return x:scatter_add(2, columns, y) end,
    shapes = { { 3, 4 }, { 3, 1 } } },
  { "index_add", function(x, y) return x:index_add(1, index, y) end,
    shapes = { { 3, 2 }, { 5, 2 } } },
  { "index_add of a stretched source", function(x, y) return x:index_add(1, index, y) end,
    shapes = { { 3, 2 }, { 2 } } },
  { "embedding", function(w) return nj.nn.embedding(w, columns) end, shapes = { { 4, 3 } } },
  { "meshgrid", function(a, b) return { nj.meshgrid(a, b) } end, shapes = { { 2 }, { 3 } } },
}

-- name, shape of the input, function
for _, case in ipairs{
  { "reshape", { 2, 6 }, function(x) return x:reshape(3, 4) end },
  { "flatten", { 2, 3, 2 }, function(x) return x:flatten(1, 2) end },
  { "unflatten", { 2, 6 }, function(x) return x:unflatten(2, { 2, 3 }) end },
  { "permute", { 2, 3, 4 }, function(x) return x:permute(3, 1, 2) end },
  { "transpose", { 2, 3, 4 }, function(x) return x:transpose(1, 3) end },
  { "movedim", { 2, 3, 4 }, function(x) return x:movedim(1, 3) end },
  { "narrow", { 3, 4 }, function(x) return x:narrow(2, 2, 2) end },
  { "select", { 3, 4 }, function(x) return x:select(1, -1) end },
  { "slice", { 3, 7 }, function(x) return x:slice(2, 2, 7, 2) end },
  { "index", { 3, 7, 2 }, function(x) return x[{ { 1, 3, 2 }, -2, {} }] end },
  { "index by tensors", { 2, 4, 3 }, function(x) return x[{ {}, index, 2 }] end },
  { "index by a mask", { 3, 4, 2 }, function(x) return x[mask] end },
  { "expand", { 3, 1 }, function(x) return x:expand(2, 3, 4) end },
  { "squeeze", { 3, 1, 2 }, function(x) return x:squeeze(2) end },
  { "unsqueeze", { 3, 2 }, function(x) return x:unsqueeze(2) end },
  { "diagonal", { 3, 4 }, function(x) return x:diagonal(1) end },
  { "unfold", { 2, 7 }, function(x) return x:unfold(2, 3, 2) end },
  { "flip", { 3, 4 }, function(x) return x:flip(1, 2) end },
  { "roll", { 3, 4 }, function(x) return x:roll(3, 2) end },
  { "tril", { 2, 3, 4 }, function(x) return x:tril(1) end },
  { "triu", { 3, 4 }, function(x) return x:triu(-1) end },
  { "tile", { 2, 3 }, function(x) return x:tile(2, 3, 2) end },
  { "repeat_interleave", { 2, 3 }, function(x) return x:repeat_interleave(3, 2) end },
  { "pad", { 2, 3 }, function(x) return x:pad({ { 1, 2 }, { 0, 1 } }, { value = 2 }) end },
  { "pad reflect", { 3, 4 }, function(x) return x:pad({ 2, 3 }, { mode = "reflect" }) end },
  { "pad replicate", { 2, 3 }, function(x) return x:pad({ 4 }, { mode = "replicate" }) end },
  { "pad circular", { 2, 3 }, function(x) return x:pad({ 2, 3 }, { mode = "circular" }) end },
  { "index_select", { 3, 4 }, function(x) return x:index_select(1, index) end },
  { "gather", { 3, 4 }, function(x) return x:gather(2, columns) end },
  { "masked_select", { 3, 1 }, function(x) return x:masked_select(mask) end },
} do
  entries[#entries + 1] = { case[1], case[3], shapes = { case[2] } }
end

return entries
