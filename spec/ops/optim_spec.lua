-- The optimisers' kernels against the trajectories of reference code, and against formulas.
local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"

local kernels = nj.optim_kernels

local function message(fn, ...)
  local ok, text = pcall(fn, ...)
  assert.is_false(ok)
  return text
end

describe("optimiser kernels", function()
  local tensors, about = shared.golden "11_optimizer"

  -- The reference ran its configurations one after the other on the same parameters, in float32 and
  -- in float64 by turns, and p0 in the file is where the last one ended. So a trajectory begins
  -- near the end of the one before it; just where follows from its first step, which therefore
  -- proves nothing here. Steps 2, 3 and 10 do.
  local order = { "adamw_default", "adamw_wd02", "adam_default", "adam_l2", "adamw_amsgrad",
    "sgd_momentum" }

  local function step_options(config, step)
    local betas = config.betas or { 0.9, 0.999 }
    if config.cls == "SGD" then
      return { lr = config.lr, momentum = config.momentum, step = step }
    end
    return {
      lr = config.lr, beta1 = betas[1], beta2 = betas[2], eps = config.eps or 1e-8, step = step,
      weight_decay = config.weight_decay or (config.cls == "AdamW" and 0.01 or 0),
      decoupled = config.cls == "AdamW",
    }
  end

  local function steps(config, p, grads, last, after)
    local m, v = nj.zeros_like(p), nj.zeros_like(p)
    local vmax = config.amsgrad and nj.zeros_like(p) or nil
    for step = 1, last do
      local grad = grads[step]:to(p.dtype)
      if config.cls == "SGD" then
        kernels.sgd(p, grad, m, step_options(config, step))
      else
        kernels.adam(p, grad, m, v, vmax, step_options(config, step))
      end
      after(step)
    end
  end

  local function start_of(index, key)
    local config, grads = about.configs[order[index]], tensors["grads." .. key]
    local first = tensors[order[index] .. ".step1." .. key]:to "float64"
    local near_start = index > 1 and tensors[order[index - 1] .. ".step10." .. key]:to "float64"
      or first
    for _ = 1, 3 do -- each turn corrects what the decay of weights made of the last correction
      local moved = near_start:clone()
      steps(config, moved, grads, 1, function() end)
      near_start = near_start + (first - moved)
    end
    return near_start:to "float32"
  end

  for index, name in ipairs(order) do
    it("follow the trajectory " .. name, function()
      if not tensors then
        return pending "needs ../shared"
      end
      local checked = 0
      for _, key in ipairs { "a", "b", "c" } do
        local p = start_of(index, key)
        steps(about.configs[name], p, tensors["grads." .. key], 10, function(step)
          local at = name .. ".step" .. step .. "." .. key
          if tensors[at] then
            near(tensors[at], p, { atol = 10 * about.tolerance[at].f32_vs_f64_max_abs }, at)
            checked = checked + 1
          end
        end)
      end
      assert.equal(12, checked)
    end)
  end

  it("are the formulas, in float64", function()
    local p = nj.tensor({ 1, -2, 3 }, { dtype = "float64" })
    local g = nj.tensor({ 0.1, 0, -0.5 }, { dtype = "float64" })
    local m, v = nj.zeros_like(p), nj.zeros_like(p)
    local list, ms, vs = p:totable(), { 0, 0, 0 }, { 0, 0, 0 }
    for step = 1, 3 do
      kernels.adam(p, g, m, v, nil,
        { lr = 0.1, weight_decay = 0.01, step = step, grad_scale = 0.5 })
      for i = 1, 3 do
        local gi = g[i] * 0.5 + 0.01 * list[i]
        ms[i] = 0.9 * ms[i] + 0.1 * gi
        vs[i] = 0.999 * vs[i] + 0.001 * gi * gi
        list[i] = list[i] - 0.1 / (1 - 0.9 ^ step) * ms[i]
          / (math.sqrt(vs[i] / (1 - 0.999 ^ step)) + 1e-8)
      end
    end
    near(list, p, { atol = 1e-12 })
    local q, buffer = nj.tensor({ 1 }, { dtype = "float64" }), nj.zeros(1, { dtype = "float64" })
    local grad = nj.tensor({ 2 }, { dtype = "float64" })
    local options = { lr = 0.1, momentum = 0.9, dampening = 0.5, nesterov = true, step = 1 }
    kernels.sgd(q, grad, buffer, options) -- buffer 2, update 2 + 1.8
    near({ 1 - 0.38 }, q, { atol = 1e-12 })
    options.step = 2
    kernels.sgd(q, grad, buffer, options) -- buffer 1.8 + 1, update 2 + 2.52
    near({ 0.62 - 0.452 }, q, { atol = 1e-12 })
    kernels.sgd(q, grad, nil, { lr = 0.5 })
    near({ 0.168 - 1 }, q, { atol = 1e-12 })
  end)

  it("write through views and read any layout", function()
    local p, g = nj.randn(6, 5, { rng = nj.rng(1) }), nj.randn(5, 6, { rng = nj.rng(2) })
    local want = p - g:t() * 0.1
    local store = nj.zeros(5, 6)
    local view = store:t():copy_(p)
    kernels.sgd(view, g:t(), nil, { lr = 0.1 })
    assert.is_true(view:allclose(want))
    assert.is_true(store:t():equal(view))
  end)

  it("count their writes, so that an older graph is refused", function()
    local p = nj.ones(3, { grad = true })
    local loss = (p * p):sum()
    kernels.sgd(p, nj.ones(3), nil, { lr = 0.1 })
    assert.matches("was written to in place", message(loss.backward, loss))
  end)

  it("say what does not fit", function()
    local p, g = nj.ones(3), nj.ones(3)
    assert.matches("adam: the parameter has shape %(3%), its gradient %(2%)",
      message(kernels.adam, p, nj.ones(2), g, g, nil, {}))
    assert.matches("sgd: the parameter is float32, its gradient float64",
      message(kernels.sgd, p, g:to "float64", nil, {}))
    assert.matches("sgd: momentum needs a buffer",
      message(kernels.sgd, p, g, nil, { momentum = 0.9 }))
    assert.matches("adam: unknown option 'betas'",
      message(kernels.adam, p, g, g, g, nil, { betas = 1 }))
  end)

  it("measure the norm of all gradients in double", function()
    local wide = nj.tensor({ { 4, 0 } }, { dtype = "float64" })
    assert.equal(5, kernels.grad_norm{ nj.tensor{ 3 }, wide })
    assert.equal(0, kernels.grad_norm{})
    local many = nj.full({ 1000003 }, 0.1)
    local want = math.sqrt(1000003 * many[1] ^ 2)
    assert.is_true(math.abs(kernels.grad_norm{ many } / want - 1) < 1e-12)
    assert.matches("grad_norm: entry 2 is not a tensor", message(kernels.grad_norm, { many, 3 }))
  end)
end)
