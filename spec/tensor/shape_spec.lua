local nj = require "nightjar"

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

local function counted(...) -- 1, 2, 3 … of the given shape
  local n = 1
  for _, size in ipairs{ ... } do n = n * size end
  return nj.arange(1, n):float():reshape{ ... }
end

describe("reshape", function()
  it("is a view where it can be and a copy elsewhere", function()
    local x = counted(2, 3)
    local y = x:reshape(3, -1)
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, y:totable())
    y[1][1] = 10
    assert.equal(10, x(1, 1))
    local z = x:t():reshape(6)
    assert.same({ 10, 4, 2, 5, 3, 6 }, z:totable())
    z[1] = 0
    assert.equal(10, x(1, 1))
    assert.same({ 1, 2, 1, 3 }, x:reshape(1, 2, 1, 3).shape)
    assert.same({ 0, 7 }, nj.zeros(0, 3):reshape(0, 7).shape)
    assert.same({}, nj.tensor{ 5 }:reshape({}).shape)
  end)

  it("views what strides allow and refuses the rest", function()
    local x = counted(2, 3, 4)
    local v = x:permute(2, 1, 3):view(3, 2, 2, 2)
    v[1] = 0
    assert.same({ 0, 0, 0, 0 }, x(2, 1):totable())
    assert.matches("view: %(24%) of a tensor of shape %(3, 2, 4%) .*needs a copy %(use reshape%)$",
      message(function() return x:permute(2, 1, 3):view(24) end))
    local part = counted(4, 6)[{ {}, { 1, 4 } }]
    assert.same({ 4, 2, 2 }, part:view(4, 2, 2).shape)
    assert.has_error(function() return part:view(16) end)
    assert.same(part:reshape(16):totable(), part:contiguous():view(16):totable())
  end)

  it("agrees with row-major order on random permuted views", function()
    local seed = 1
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return seed // 65536 % n + 1
    end
    local orders = { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 }, { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } }
    local targets =
      { { 24 }, { 4, 6 }, { 2, 12 }, { 2, 3, 4 }, { 3, 8 }, { 1, 24, 1 }, { 2, 2, 6 } }
    for _ = 1, 200 do
      local shape = ({ { 2, 3, 4 }, { 4, 1, 6 }, { 24, 1, 1 }, { 3, 4, 2 } })[random(4)]
      local x = counted(table.unpack(shape)):permute(orders[random(6)])
      local target = targets[random(#targets)]
      local want = nj.frombytes(x:bytes(), { shape = target }):totable()
      assert.same(want, x:reshape(target):totable())
      local ok, v = pcall(x.view, x, target)
      if ok then assert.same(want, v:totable()) end
    end
  end)

  it("says why not", function()
    local x = counted(2, 3)
    assert.matches("reshape: cannot make %(4%) of shape %(2, 3%) %(6 elements%)$",
      message(x.reshape, x, 4))
    assert.matches("reshape: cannot make %(4, %-1%) of shape", message(x.reshape, x, 4, -1))
    assert.matches("reshape: only one size may be %-1$", message(x.reshape, x, -1, -1))
    local none = nj.zeros(0)
    assert.has_error(function() none:reshape(0, 2 ^ 40, 2 ^ 40) end)
    assert.has_error(function() none:reshape(0, -1) end)
  end)
end)

describe("views", function()
  it("share storage and never copy", function()
    local x = counted(2, 3)
    for _, view in ipairs{
      x:t(), x:transpose(1, 2), x:permute(2, 1), x:movedim(1, 2), x:narrow(2, 1, 2), x:select(1, 1),
      x:slice(2, 1, 3, 2), x:unsqueeze(1), x:unsqueeze(1):squeeze(1), x:flatten(),
      x:unflatten(2, { 3, 1 }), x:diagonal(), x:expand(4, 2, 3), x:unfold(2, 2), x:view(6),
      x:split(1)[1], x:chunk(2, 2)[1], x:squeeze(),
    } do
      local before = x(1, 1)
      while view.ndim > 1 do view = view[1] end
      view[1] = before + 1
      assert.equal(before + 1, x(1, 1))
    end
  end)

  it("count writes through any of them", function()
    local x = nj.tensor({ 1, 2, 3 }, { grad = true })
    local y = x:clone()
    local z = y:to("float64"):clone()
    assert.is_true(z.requires_grad)
    assert.has_error(function() y[1] = 0 end) -- y is recorded
  end)

  it("permute, transpose and movedim", function()
    local x = counted(2, 3, 4)
    assert.same({ 4, 2, 3 }, x:permute(3, 1, 2).shape)
    assert.same({ 4, 2, 3 }, x:permute{ -1, 1, 2 }.shape)
    assert.equal(x(2, 3, 4), x:permute(3, 1, 2)(4, 2, 3))
    assert.same({ 2, 4, 3 }, x:t().shape)
    assert.same({ 3, 4, 2 }, x:movedim(1, 3).shape)
    assert.same({ 4, 2, 3 }, x:movedim(3, 1).shape)
    assert.equal(x(1, 2, 3), x:movedim(3, 1)(3, 1, 2))
    assert.matches("permute: dimension 1 appears twice$", message(x.permute, x, 1, 1, 2))
    assert.matches("permute: 2 dimensions named, the tensor has 3$", message(x.permute, x, 1, 2))
    assert.matches("dimension 4 is out of range for 3 dimensions", message(x.transpose, x, 1, 4))
    assert.matches("t: needs two dimensions, got shape %(3%)$", message(x.t, nj.zeros(3)))
  end)

  it("narrow, select and slice count from 1, or from the end", function()
    local x = counted(3, 4)
    assert.same({ { 2, 3 }, { 6, 7 }, { 10, 11 } }, x:narrow(2, 2, 2):totable())
    assert.same({ { 9, 10, 11, 12 } }, x:narrow(1, -1, 1):totable())
    assert.same({ 4, 8, 12 }, x:select(2, -1):totable())
    assert.same({ { 1, 3 }, { 5, 7 }, { 9, 11 } }, x:slice(2, 1, -1, 2):totable())
    assert.same({ 3, 0 }, x:narrow(2, 5, 0).shape)
    assert.matches("narrow: 3 entries from 3 on are out of range for dimension 2 of size 4",
      message(x.narrow, x, 2, 3, 3))
    assert.matches("select: index 5 is out of range for dimension 2 of size 4",
      message(x.select, x, 2, 5))
    assert.matches("slice: 1 to 5 is out of range", message(x.slice, x, 2, 1, 5))
    assert.has_error(function() x:narrow(1, math.maxinteger, math.maxinteger) end)
    assert.has_error(function() x:narrow(1, 1, -1) end)
    assert.has_error(function() x:narrow(1, math.mininteger, 1) end)
  end)

  it("expand, squeeze and unsqueeze", function()
    local x = counted(3, 1)
    assert.same({ { 1, 1 }, { 2, 2 }, { 3, 3 } }, x:expand(3, 2):totable())
    assert.same({ 2, 3, 5 }, x:expand(2, -1, 5).shape)
    assert.same({ 3, 4 }, x:expand_as(nj.zeros(3, 4)).shape)
    assert.same({ 3 }, x:squeeze(2).shape)
    assert.same({ 3, 1 }, x:squeeze(1).shape)
    assert.same({ 3 }, x:squeeze().shape)
    assert.same({ 3, 1, 1 }, x:unsqueeze(-1).shape)
    assert.same({ 1, 3, 1 }, x:unsqueeze(1).shape)
    assert.matches("expand: shape %(3, 1%) cannot stretch to %(2, 2%)$", message(x.expand, x, 2, 2))
    assert.matches("expand: shape", message(x.expand, x, -1, 3, 2))
    assert.has_error(function() x:expand(2 ^ 40, 3, 2 ^ 40) end)
  end)

  it("flatten and unflatten", function()
    local x = counted(2, 3, 4)
    assert.same({ 24 }, x:flatten().shape)
    assert.same({ 2, 12 }, x:flatten(2).shape)
    assert.same({ 6, 4 }, x:flatten(1, 2).shape)
    assert.same({ 1 }, nj.tensor(3):flatten().shape)
    assert.same({ 2, 3, 2, 2 }, x:unflatten(3, { 2, -1 }).shape)
    assert.matches("flatten: first dimension 3 comes after last 2$", message(x.flatten, x, 3, 2))
    assert.matches("unflatten: dimension 2 of size 3 cannot become %(2, 2%)$",
      message(x.unflatten, x, 2, { 2, 2 }))
  end)

  it("diagonal and unfold", function()
    local x = counted(3, 4)
    assert.same({ 1, 6, 11 }, x:diagonal():totable())
    assert.same({ 2, 7, 12 }, x:diagonal(1):totable())
    assert.same({ 9 }, x:diagonal(-2):totable())
    assert.same({ 0 }, x:diagonal(9).shape)
    assert.same({ 0 }, x:diagonal(math.mininteger).shape)
    assert.same({ { 1, 2 }, { 2, 3 }, { 3, 4 } }, nj.arange(4):unfold(1, 2):totable())
    assert.same({ { 1, 2 }, { 4, 5 } }, nj.arange(6):unfold(1, 2, 3):totable())
    assert.matches("unfold: windows of 5 do not fit dimension 1 of size 3",
      message(x.unfold, x, 1, 5))
    assert.matches("unfold: size and step must be positive", message(x.unfold, x, 1, 1, 0))
  end)
end)

describe("copies", function()
  it("clone and contiguous", function()
    local x = counted(2, 3)
    local y = x:clone()
    y[1][1] = 0
    assert.equal(1, x(1, 1))
    assert.is_false(x:t().is_contiguous)
    assert.is_true(x:t():contiguous().is_contiguous)
    assert.same(x:t():totable(), x:t():contiguous():totable())
  end)

  it("go tile by tile through large transposed layouts", function()
    for _, dtype in ipairs{ "uint8", "float32", "float64" } do
      local x = (counted(70, 97) % 251):to(dtype)
      local rows, columns = x:totable(), x:t():contiguous():totable()
      for i = 1, 70 do
        for j = 1, 97 do
          if rows[i][j] ~= columns[j][i] then error(("%s at %d, %d"):format(dtype, i, j)) end
        end
      end
      local y = (counted(3, 40, 5, 30) % 251):to(dtype)
      assert.same(y:bytes(), y:permute(1, 3, 4, 2):contiguous():permute(1, 4, 2, 3):bytes())
      assert.equal(y(2, 33, 4, 29), y:permute(1, 3, 4, 2):contiguous()(2, 4, 29, 33))
      local part = y[{ {}, { 2, 39 }, {}, { 3, 28 } }]
      assert.equal(part(3, 20, 1, 17), part:transpose(2, 4):contiguous()(3, 17, 1, 20))
    end
  end)

  it("convert: truncating, saturating, NaN to 0", function()
    local x = nj.tensor{ 1.9, -1.9, 300, 0 / 0, 1 / 0, -1 / 0 }
    assert.same({ 1, -1, 300, 0, math.maxinteger, math.mininteger }, x:to("int64"):totable())
    assert.same({ 1, 0, 255, 0, 255, 0 }, x:to("uint8"):totable())
    for name, dtype in pairs{ float = "float32", double = "float64", int = "int32",
      long = "int64", byte = "uint8" } do
      assert.equal(dtype, x[name](x).dtype)
    end
    assert.matches("unknown dtype 'half'", message(x.to, x, "half"))
  end)

  it("flip and roll", function()
    local x = counted(2, 3)
    assert.same({ { 6, 5, 4 }, { 3, 2, 1 } }, x:flip(1, 2):totable())
    assert.same({ { 3, 2, 1 }, { 6, 5, 4 } }, x:flip(-1):totable())
    assert.same({ { 3, 1, 2 }, { 6, 4, 5 } }, x:roll(1):totable())
    assert.same({ { 2, 3, 1 }, { 5, 6, 4 } }, x:roll(-4, 2):totable())
    assert.same({ { 4, 5, 6 }, { 1, 2, 3 } }, x:roll(1, 1):totable())
    assert.same({ 0, 3 }, nj.zeros(0, 3):flip(1):roll(1, 1).shape)
    assert.matches("flip: dimension 2 appears twice$", message(x.flip, x, 2, -1))
    assert.same(x:t():flip(1):totable(), x:flip(2):t():totable())
  end)

  it("tril and triu", function()
    local x = counted(3, 4)
    assert.same({ { 1, 0, 0, 0 }, { 5, 6, 0, 0 }, { 9, 10, 11, 0 } }, x:tril():totable())
    assert.same({ { 1, 2, 0, 0 }, { 5, 6, 7, 0 }, { 9, 10, 11, 12 } }, x:tril(1):totable())
    assert.same({ { 0, 2, 3, 4 }, { 0, 0, 7, 8 }, { 0, 0, 0, 12 } }, x:triu(1):totable())
    assert.same(x:totable(), x:triu(math.mininteger):totable())
    assert.same(nj.zeros(3, 4):totable(), x:triu(math.maxinteger):totable())
    assert.same({ { 1, 0 }, { 3, 4 } }, counted(2, 2, 2):tril()[1]:totable())
    assert.matches("tril: needs two dimensions", message(x.tril, nj.zeros(3)))
  end)

  it("tile and repeat_interleave", function()
    local x = counted(1, 2)
    assert.same({ { 1, 2, 1, 2 }, { 1, 2, 1, 2 } }, x:tile(2, 2):totable())
    assert.same({ { { 1, 2 } }, { { 1, 2 } } }, x:tile(2, 1, 1):totable())
    assert.same({ { 1, 2, 1, 2 } }, x:tile(2):totable())
    assert.same({ { 1, 1, 2, 2 } }, x:repeat_interleave(2, 2):totable())
    assert.same({ 1, 0 }, x:tile(0).shape)
    local y = x:tile(1, 1)
    y[1][1] = 5
    assert.equal(1, x(1, 1))
    assert.has_error(function() x:tile(2 ^ 62, 2 ^ 62) end)
    assert.has_error(function() x:repeat_interleave(-1) end)
  end)
end)

describe("pad", function()
  local x = counted(2, 3)

  it("with a constant, on the last dimensions", function()
    assert.same({ { 0, 1, 2, 3 }, { 0, 4, 5, 6 } }, x:pad{ { 1, 0 } }:totable())
    assert.same({ { 9, 9, 9 }, { 1, 2, 3 }, { 4, 5, 6 }, { 9, 9, 9 } },
      x:pad({ 1, 0 }, { value = 9 }):totable())
    local y = x:pad{}
    y[1][1] = 7
    assert.equal(1, x(1, 1))
    assert.same({ 2, 2 }, nj.zeros(0, 2):pad{ 1, 0 }.shape)
    assert.equal(-math.huge, x:pad({ { 1, 0 } }, { value = -math.huge })(1, 1))
  end)

  it("reflect, replicate and circular", function()
    local v = nj.tensor{ 1, 2, 3, 4 }
    assert.same({ 3, 2, 1, 2, 3, 4, 3 }, v:pad({ { 2, 1 } }, { mode = "reflect" }):totable())
    assert.same({ 1, 1, 1, 2, 3, 4, 4 }, v:pad({ { 2, 1 } }, { mode = "replicate" }):totable())
    assert.same({ 3, 4, 1, 2, 3, 4, 1 }, v:pad({ { 2, 1 } }, { mode = "circular" }):totable())
    assert.same({ { 2, 1, 2 }, { 4, 3, 4 }, { 2, 1, 2 } },
      counted(2, 2):pad({ { 0, 1 }, { 1, 0 } }, { mode = "reflect" }):totable())
  end)

  it("refuses what does not fit", function()
    assert.matches("pad: reflect padding by 3 and 0 does not fit size 3 of dimension 2$",
      message(x.pad, x, { { 3, 0 } }, { mode = "reflect" }))
    assert.matches("pad: amounts must not be negative", message(x.pad, x, { { -1, 0 } }))
    assert.matches("pad: width 1 must be an integer or {before, after}$",
      message(x.pad, x, { { 1 } }))
    assert.matches("pad: widths for 3 dimensions, the tensor has 2$",
      message(x.pad, x, { 1, 1, 1 }))
    assert.matches("option 'mode' must be one of", message(x.pad, x, { 1 }, { mode = "mirror" }))
    assert.has_error(function() x:pad{ { math.maxinteger, math.maxinteger } } end)
  end)
end)

describe("joining", function()
  local a, b = counted(2, 2), nj.tensor{ { 5, 6 } }

  it("cat along any dimension, promoting dtypes", function()
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, nj.cat{ a, b }:totable())
    assert.same({ { 1, 2, 1, 3 }, { 3, 4, 2, 4 } }, nj.cat({ a, a:t() }, -1):totable())
    assert.equal("float64", nj.cat{ a, b:double() }.dtype)
    assert.same({ 2, 2 }, nj.cat{ a, nj.zeros(0, 2) }.shape)
    assert.matches("cat: tensor 2 has shape %(3%), the first has %(2, 2%); they may differ in "
      .. "dimension 1 only$", message(nj.cat, { a, nj.zeros(3) }))
    assert.matches("cat: entry 2 must be a tensor, got number$", message(nj.cat, { a, 1 }))
    assert.matches("cat: needs a table of at least one tensor$", message(nj.cat, {}))
    assert.matches("cat: tensors of 0 dimensions cannot be joined %(use stack%)$",
      message(nj.cat, { nj.tensor(1) }))
  end)

  it("stack makes a dimension", function()
    assert.same({ 2, 2, 2 }, nj.stack{ a, a }.shape)
    assert.same({ { 1, 1 }, { 2, 2 } }, nj.stack({ a[1], a[1] }, 2):totable())
    assert.same({ 1, 2 }, nj.stack{ nj.tensor(1), nj.tensor(2) }:totable())
    assert.matches("stack: tensor 2 has shape %(1, 2%), the first has %(2, 2%)$",
      message(nj.stack, { a, b }))
  end)

  it("split and chunk come apart again", function()
    local x = counted(5, 2)
    local parts = x:split(2)
    assert.equal(3, #parts)
    assert.same({ 1, 2 }, parts[3].shape)
    assert.same(x:totable(), nj.cat(parts):totable())
    local columns = x:split({ 1, 1 }, 2)
    assert.same({ { 2 }, { 4 }, { 6 }, { 8 }, { 10 } }, columns[2]:totable())
    assert.equal(2, #x:chunk(2))
    assert.same({ 3, 2 }, x:chunk(2)[1].shape)
    assert.equal(5, #x:chunk(9))
    assert.matches("split: sizes sum to 4, dimension 1 has 5$", message(x.split, x, { 2, 2 }))
    assert.matches("split: size 2 does not fit what is left %(1 of 5%)$",
      message(x.split, x, { 4, 2 }))
  end)

  it("meshgrid", function()
    local u, v = nj.meshgrid(nj.arange(2), nj.arange(3))
    assert.same({ { 1, 1, 1 }, { 2, 2, 2 } }, u:totable())
    assert.same({ { 1, 2, 3 }, { 1, 2, 3 } }, v:totable())
  end)
end)

describe("taking by index", function()
  local x = counted(3, 4)

  it("index_select and index_add", function()
    assert.same({ { 9, 10, 11, 12 }, { 1, 2, 3, 4 } }, x:index_select(1, { 3, 1 }):totable())
    assert.same({ { 4 }, { 8 }, { 12 } }, x:index_select(2, { -1 }):totable())
    local index = nj.tensor({ 1, 1, 3 }, { dtype = "int32" })
    assert.same({ { 2 }, { 0 }, { 1 } }, nj.zeros(3, 1):index_add(1, index, 1):totable())
    assert.same({ { 3 }, { 0 }, { 4 } },
      nj.zeros(3, 1):index_add(1, index, nj.tensor{ { 1 }, { 2 }, { 4 } }):totable())
    assert.matches("index_select: index 4 is out of range for dimension 1 of size 3",
      message(x.index_select, x, 1, { 4 }))
    assert.has_error(function() x:index_select(1, nj.tensor{ 1.5 }) end)
  end)

  it("gather and scatter_add", function()
    local index = nj.tensor({ { 1, 4 }, { 2, 2 }, { -1, 1 } }, { dtype = "int64" })
    assert.same({ { 1, 4 }, { 6, 6 }, { 12, 9 } }, x:gather(2, index):totable())
    assert.same({ { 9, 2, 7, 4 } },
      x:gather(1, nj.tensor({ { 3, 1, 2, 1 } }, { dtype = "int64" })):totable())
    assert.same({ { 3 }, { 7 }, { 11 } }, x:gather(2, nj.full({ 1, 1 }, 3, { dtype = "int64" }))
      :totable())
    assert.same({ { 1, 0, 0, 1 }, { 0, 2, 0, 0 }, { 1, 0, 0, 1 } },
      nj.zeros(3, 4):scatter_add(2, index, 1):totable())
    assert.matches("gather: an index of shape %(2, 2%) does not fit %(3, 4%)",
      message(x.gather, x, 2, index[{ { 1, 2 } }]))
  end)

  it("masked_select broadcasts", function()
    assert.same({ 2, 4, 6, 8, 10, 12 },
      x:masked_select(nj.tensor{ false, true, false, true }):totable())
    assert.same({ 0 }, x:masked_select(nj.zeros(3, 4, { dtype = "uint8" })).shape)
    assert.matches("masked_select: shapes %(3, 4%) and %(3%) do not broadcast",
      message(x.masked_select, x, nj.zeros(3)))
  end)

  it("nonzero counts from 1", function()
    assert.same({ 2, 3 }, nj.tensor{ 0, 5, 0 / 0, 0 }:nonzero():totable())
    assert.same({ { 1, 2 }, { 2, 1 } }, nj.tensor{ { 0, 1 }, { 2, 0 } }:nonzero():totable())
    assert.same({ 0 }, nj.zeros(3):nonzero().shape)
  end)

  it("embedding", function()
    assert.same({ { 5, 6, 7, 8 }, { 1, 2, 3, 4 } }, nj.nn.embedding(x, { 2, 1 }):totable())
    assert.same({ 1, 2, 4 }, nj.nn.embedding(x, nj.tensor({ { 1, 3 } }, { dtype = "int64" })).shape)
    assert.same({ { 1, 2, 3, 4 } }, nj.nn.embedding(x, { 0 }, { base = 0 }):totable())
    assert.matches("embedding: index 4 is out of range", message(nj.nn.embedding, x, { 4 }))
    assert.matches("embedding: index 0 is out of range", message(nj.nn.embedding, x, { 0 }))
    assert.matches("embedding: index", message(nj.nn.embedding, x, { 3 }, { base = 0 }))
  end)
end)

describe("dtypes", function()
  it("all pass through every operation that only moves elements", function()
    for _, dtype in ipairs{ "uint8", "int32", "int64", "float32", "float64" } do
      local x = counted(2, 3):to(dtype)
      for _, y in ipairs{
        x:reshape(3, 2), x:t():reshape(6), x:flip(1), x:roll(1), x:tril(), x:tile(2, 2),
        x:pad{ 1 }, x:pad({ 1 }, { mode = "replicate" }), x:index_select(2, { 1 }),
        x:gather(1, nj.full({ 1, 3 }, 2, { dtype = "int64" })), x:masked_select(x), nj.cat{ x, x },
        nj.stack{ x, x }, x:clone(), x:t():contiguous(), x:index_add(1, { 1 }, x[{ { 1 } }]),
        x:scatter_add(1, nj.full({ 1, 3 }, 2, { dtype = "int64" }), x[{ { 1 } }]),
      } do
        assert.equal(dtype, y.dtype)
      end
    end
  end)
end)
