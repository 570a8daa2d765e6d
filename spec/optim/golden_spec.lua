-- Ten steps of each optimiser against torch's, see ../shared/golden/11_optimizer.json.
--
-- The reference's float32 run changed its start values in place: each configuration begins where
-- the float32 run of the one before ended, and p0 in the file is the end of the last. So each
-- starts here from the last step of the one before, known up to that run's own error; the first,
-- whose start is unknown, is compared from its second step on.
local nj = require "nightjar"
local near = require "spec.support.near"
local shared = require "spec.support.shared"

local golden, about = shared.golden "11_optimizer"
local NAMES = { "a", "b", "c" }
local ORDER = { "adamw_default", "adamw_wd02", "adam_default", "adam_l2", "adamw_amsgrad",
  "sgd_momentum", "adamw_clip1", "bertadam" }

local function tolerance(name)
  local t = about.tolerance[name]
  return { atol = math.max(10 * t.f32_vs_f64_max_abs, 2e-7 * t.max_magnitude) }
end

local function parameters(start)
  local list = {}
  for i, name in ipairs(NAMES) do
    list[i] = { name, golden[start .. "." .. name]:clone():requires_grad_() }
  end
  return list
end

local function check(config, step, list, start)
  for i, name in ipairs(NAMES) do
    local key = ("%s.step%d.%s"):format(config, step, name)
    if golden[key] then
      local allowed = tolerance(key)
      local of_start = about.tolerance[start .. "." .. name]
      allowed.atol = allowed.atol + (of_start and of_start.f32_vs_f64_max_abs or 0)
      near(golden[key], list[i][2]:detach(), allowed, key)
    end
  end
end

-- Gives each parameter a gradient, as backward would.
local function set_gradients(list, grads)
  local loss
  for i, name in ipairs(NAMES) do
    list[i][2]:zero_grad()
    local term = (list[i][2] * grads[name]):sum()
    loss = loss and loss + term or term
  end
  loss:backward()
end

local MAKE = {
  AdamW = function(list, c)
    return nj.optim.adamw(list, { lr = c.lr, beta1 = c.betas and c.betas[1],
      beta2 = c.betas and c.betas[2], eps = c.eps, weight_decay = c.weight_decay,
      amsgrad = c.amsgrad })
  end,
  Adam = function(list, c)
    return nj.optim.adam(list, { lr = c.lr, beta1 = c.betas[1], beta2 = c.betas[2], eps = c.eps,
      weight_decay = c.weight_decay })
  end,
  SGD = function(list, c) return nj.optim.sgd(list, { lr = c.lr, momentum = c.momentum }) end,
  BertAdam = function(list, c)
    return nj.optim.bert_adam(list, { lr = c.lr, beta1 = c.b1, beta2 = c.b2, eps = c.e,
      weight_decay = c.weight_decay, max_grad_norm = c.max_grad_norm }),
      nj.schedule.bert_warmup_cosine { steps = c.t_total, warmup = c.warmup }
  end,
}

describe("golden optimisers", function()
  if not golden then
    it("agree with torch", function() pending "needs ../shared" end)
    return
  end

  for k, config in ipairs(ORDER) do
    local c = about.configs[config]
    it(config, function()
      local start = k == 1 and "p0" or ORDER[k - 1] .. ".step10"
      local list = parameters(start)
      local optimizer, schedule = MAKE[c.cls](list, c)
      for step = 1, 10 do
        local grads = {}
        for _, name in ipairs(NAMES) do grads[name] = golden["grads." .. name][step] end
        set_gradients(list, grads)
        local norm = golden[("%s.norm%d"):format(config, step)]
        if norm then
          near(norm, { nj.optim.clip.norm(optimizer, 1) }, { atol = 0, rtol = 1e-6 })
        end
        if schedule then schedule:apply(optimizer, step, 1) end
        optimizer:step()
        if k == 1 and step == 1 then
          nj.no_grad(function()
            for i, name in ipairs(NAMES) do
              list[i][2]:copy_(golden[config .. ".step1." .. name])
            end
          end)
        end
        check(config, step, list, start)
      end
    end)
  end

  it("cover every configuration of the file", function()
    local count = 0
    for _ in pairs(about.configs) do count = count + 1 end
    assert.are.equal(#ORDER, count)
  end)

  it("clipping", function()
    local scales = { big = 1, small_norm_unclipped = 1e-3, max2 = 0.7 }
    for case, scale in pairs(scales) do
      local list, grads = parameters "p0", {}
      for _, name in ipairs(NAMES) do grads[name] = golden["p0." .. name] * scale end
      set_gradients(list, grads)
      local norm = nj.optim.clip.norm(list, about.clip_max_norm[case])
      near(golden[("clip.%s.norm"):format(case)], { norm }, { atol = 0, rtol = 1e-6 })
      for i, name in ipairs(NAMES) do
        local key = ("clip.%s.grad.%s"):format(case, name)
        near(golden[key], list[i][2].grad, tolerance(key), key)
      end
    end
  end)
end)
