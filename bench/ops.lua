-- Elementwise operations, reductions, sorting and the optimiser, beside straightforward C loops on
-- one thread (bench/reference_ops.c). "one thread" is nightjar on one thread too.
return function(case, nj, reference)
  local threads = nj.threads()

  local function one_thread(f)
    return function()
      nj.threads(1)
      f()
      nj.threads(threads)
    end
  end

  local function compare(name, work, f, loop)
    case(name, {
      { "nightjar", f },
      { "nightjar, one thread", one_thread(f) },
      { "C loop", loop },
      work = work, unit = "Melem/s",
    })
  end

  for _, n in ipairs { 4096, 1 << 20 } do
    local a, b = nj.randn(n), nj.randn(n)
    local out, positive, mask = nj.zeros(n), a:abs(), a:gt(0)
    local size = ("(%d)"):format(n)
    compare("add " .. size, n, function() return a + b end, reference.add(n))
    compare("add_ " .. size, n, function() out:copy_(a):add_(b) end, reference.add(n))
    compare("relu " .. size, n, function() return a:relu() end, reference.relu(n))
    compare("exp " .. size, n, function() return a:exp() end, reference.exp(n))
    compare("log " .. size, n, function() return positive:log() end, reference.log(n))
    compare("tanh " .. size, n, function() return a:tanh() end, reference.tanh(n))
    compare("sigmoid " .. size, n, function() return a:sigmoid() end, reference.sigmoid(n))
    compare("gelu " .. size, n, function() return a:gelu() end, reference.gelu(n))
    compare("where " .. size, n, function() return nj.where(mask, a, b) end, reference.where(n))
  end

  for _, shape in ipairs { { 64, 64 }, { 1024, 1024 }, { 32768, 64 }, { 64, 32768 }, { 100000, 7 } } do
    local rows, columns = shape[1], shape[2]
    local n, x = rows * columns, nj.randn(rows, columns)
    local row, column = nj.randn(columns), nj.randn(rows, 1)
    local size = ("(%d, %d)"):format(rows, columns)
    compare("add row " .. size, n, function() return x + row end, reference.add_row(rows, columns))
    compare("add column " .. size, n, function() return x + column end,
      reference.add_column(rows, columns))
    compare("transpose " .. size, n, function() return x:t():clone() end,
      reference.transpose(rows, columns))
    compare("sum " .. size, n, function() return x:sum() end, reference.sum(rows, columns))
    compare("sum of rows " .. size, n, function() return x:sum(2) end,
      reference.sum_rows(rows, columns))
    compare("sum of columns " .. size, n, function() return x:sum(1) end,
      reference.sum_columns(rows, columns))
    compare("max of rows " .. size, n, function() return x:max(2) end,
      reference.max_rows(rows, columns))
    compare("variance of rows " .. size, n, function() return x:var(2) end,
      reference.variance_rows(rows, columns))
  end

  local keys = nj.randn(64, 4096)
  compare("sort (64, 4096)", 64 * 4096, function() return keys:sort(2) end,
    reference.sort_rows(64, 4096))
  compare("topk 10 of (64, 4096)", 64 * 4096, function() return keys:topk(10) end,
    reference.sort_rows(64, 4096))

  local n = 1 << 20
  local p, g, m, v = nj.randn(n), nj.randn(n), nj.zeros(n), nj.ones(n)
  local options = { lr = 1e-3, weight_decay = 0.01, decoupled = true, step = 1 }
  compare("AdamW (1048576)", n, function() nj.optim_kernels.adam(p, g, m, v, nil, options) end,
    reference.adam(n))

  case("random numbers (1048576)", {
    { "uniform", function() return nj.rand(n) end },
    { "normal", function() return nj.randn(n) end },
    { "dropout", function() return p:dropout(0.5) end },
    work = n, unit = "Melem/s",
  })
end
