local nj = require "nightjar"
local near = require "spec.support.near"

local function parameter(values)
  return nj.tensor(values, { grad = true })
end

local function backward(x, grad)
  (x * nj.tensor(grad)):sum():backward()
end

describe("optimisers", function()
  it("sgd takes steps by hand", function()
    local x = parameter { 1, 2 }
    local o = nj.optim.sgd({ x }, { lr = 0.1, momentum = 0.5, weight_decay = 0.1 })
    backward(x, { 1, 0 })
    o:step()
    near({ 1 - 0.11, 2 - 0.02 }, x:detach(), { atol = 1e-6 })
    o:zero_grad()
    assert.is_nil(x.grad)
    o:step() -- without a gradient nothing changes, not even the momentum
    near({ 0.89, 1.98 }, x:detach(), { atol = 1e-6 })
    local y = parameter { 1 }
    o = nj.optim.sgd({ y }, { lr = 1, momentum = 0.5, nesterov = true })
    backward(y, { 1 })
    o:step() -- g + 0.5 g
    near({ -0.5 }, y:detach(), { atol = 1e-6 })
  end)

  it("multiply gradients by a scale", function()
    local x, y = parameter { 3 }, parameter { 3 }
    backward(x, { 4 })
    backward(y, { 1 })
    nj.optim.sgd({ x }, { lr = 0.1 }):step(0.25)
    nj.optim.sgd({ y }, { lr = 0.1 }):step()
    assert.are.equal(y:item(), x:item())
  end)

  it("work in float64", function()
    local x = nj.tensor({ 1 }, { dtype = "float64", grad = true })
    local o = nj.optim.adamw({ x }, { lr = 1e-3 })
    x:square():sum():backward()
    o:step()
    near(1 - 1e-5 - 1e-3, x:item(), { atol = 1e-10 })
  end)

  it("give groups their own options", function()
    local slow, fast = parameter { 1 }, parameter { 1 }
    local o = nj.optim.sgd({ { params = { slow }, lr = 0.01 }, { params = { { "f", fast } } } },
      { lr = 1 })
    assert.are.equal(0.01, o.groups[1].lr)
    assert.are.equal(1, o.groups[2].base_lr)
    backward(slow, { 1 })
    backward(fast, { 1 })
    nj.schedule.constant { warmup = 2 }:apply(o, 1, 1)
    o:step()
    near({ 1 - 0.005 }, slow:detach(), { atol = 1e-7 })
    near({ 0.5 }, fast:detach(), { atol = 1e-7 })
    local names = {}
    for p in o:parameters() do names[#names + 1] = p.name end
    assert.are.same({ "g1.p1", "f" }, names)
  end)

  it("take a model's parameters", function()
    local x = parameter { 1 }
    local model = { parameters = function() return { { name = "w", tensor = x } } end }
    local o = nj.optim.adam(model)
    assert.are.equal("adam, 1 parameters (1 numbers), lr 0.001", tostring(o))
  end)

  it("skip frozen parameters", function()
    local x, frozen = parameter { 1 }, nj.tensor { 5 }
    local o = nj.optim.adam { x, frozen }
    local loss = (x * frozen):sum()
    loss:backward()
    o:step()
    assert.are.equal(5, frozen:item())
  end)

  for _, make in ipairs { "adam", "adamw", "bert_adam", "sgd" } do
    it(make .. " goes on from a saved state, bit for bit", function()
      local function fresh()
        local list = { { "w", parameter { 1, -2, 3 } }, { "b", parameter { 0.5 } } }
        return list, nj.optim[make](list, { lr = 0.1, amsgrad = make == "adam" or nil,
          momentum = make == "sgd" and 0.9 or nil })
      end
      local function steps(list, o, from, to)
        for step = from, to do
          o:zero_grad()
          for _, p in ipairs(list) do ((p[2] * step):sin() * p[2]):sum():backward() end
          o.groups[1].lr = 0.1 / step
          o:step()
        end
      end
      local list, o = fresh()
      steps(list, o, 1, 6)
      local again, p = fresh()
      steps(again, p, 1, 3)
      local saved = p:state_dict()
      assert.are.equal(make, saved.kind)
      local third, q = fresh()
      nj.no_grad(function()
        for i = 1, 2 do third[i][2]:copy_(again[i][2]:detach()) end
      end)
      q:load_state_dict(saved)
      assert.are.equal(0.1 / 3, q.groups[1].lr)
      steps(third, q, 4, 6)
      for i = 1, 2 do assert.are.same(list[i][2]:totable(), third[i][2]:totable()) end
    end)
  end

  it("say what was wrong", function()
    local x = parameter { 1 }
    local function fails(message, f, ...)
      local arguments = table.pack(...)
      assert.error_matches(function()
        f(table.unpack(arguments, 1, arguments.n))
      end, message, 1, true)
    end
    fails("adam: unknown option 'weight_dekay' (did you mean 'weight_decay'?)", nj.optim.adam,
      { x }, { weight_dekay = 1 })
    fails("adam: option 'beta1' must be a number in [0, 1), got 1", nj.optim.adam, { x },
      { beta1 = 1 })
    fails("sgd: option 'lr' is required (a number)", nj.optim.sgd, { x })
    fails("sgd: group 1: nesterov needs a momentum and no dampening", nj.optim.sgd, { x },
      { lr = 1, nesterov = true })
    fails("adam: none of the parameters requires grad", nj.optim.adam, { nj.tensor { 1 } })
    fails("adam: none of the parameters requires grad", nj.optim.adam, {})
    fails("adam: 'p1' and 'p2' are the same tensor", nj.optim.adam, { x, x })
    fails("adam: two parameters are named 'w'", nj.optim.adam,
      { { "w", x }, { "w", parameter { 2 } } })
    fails("adam: parameter 2 must be a tensor or a { name, tensor }, got a integer", nj.optim.adam,
      { x, 7 })
    fails("adam: parameters must be a model or a list of tensors, got a nil", nj.optim.adam)
    fails("adam: parameters must be a list, got key 'w'", nj.optim.adam, { w = x })
    fails("adam: group 2 has no 'params'", nj.optim.adam, { { params = { x } }, { lr = 1 } })
    fails("adam: group 1: unknown option 'larning_rate'", nj.optim.adam,
      { { params = { x }, larning_rate = 1 } })
    local o = nj.optim.adam({ { "w", x } })
    fails("adam: load_state_dict: the state is of sgd", o.load_state_dict, o, { kind = "sgd" })
    fails("adam: load_state_dict: the state has a parameter 'v', the optimiser has none of that "
      .. "name", o.load_state_dict, o,
      { kind = "adam", groups = { {} }, steps = { v = 1 }, tensors = {} })
    fails("adam: load_state_dict: tensor 'exp_avg.w' is missing", o.load_state_dict, o,
      { kind = "adam", groups = { {} }, steps = { w = 1 }, tensors = {} })
    fails("adam: load_state_dict: tensor 'exp_avg.w' has shape (2), expected (1)",
      o.load_state_dict, o, { kind = "adam", groups = { {} }, steps = { w = 1 },
        tensors = { ["exp_avg.w"] = nj.zeros(2) } })
    fails("optimizer:step: argument 1 (scale) must be a number, got 'x'", o.step, o, "x")
  end)
end)

describe("clip", function()
  it("scales all gradients by one factor, and only when they are too large", function()
    local x, y = parameter { 0, 0 }, parameter { 0 }
    backward(x, { 3, 0 })
    backward(y, { 4 })
    near(5, nj.optim.clip.total_norm { x, y }, { atol = 1e-6 })
    assert.are.equal(5.0, nj.optim.clip.norm({ x, y }, 10))
    near({ 3, 0 }, x.grad, { atol = 0 })
    nj.optim.clip.norm({ x, y }, 1)
    near({ 0.6, 0 }, x.grad, { atol = 1e-6 })
    near({ 0.8 }, y.grad, { atol = 1e-6 })
  end)

  it("by value, and parameters without a gradient", function()
    local x, y = parameter { 0, 0 }, parameter { 0 }
    backward(x, { 3, -0.5 })
    nj.optim.clip.value({ x, y }, 1)
    near({ 1, -0.5 }, x.grad, { atol = 0 })
    assert.are.equal(0, nj.optim.clip.norm({ y }, 1))
  end)

  it("says what was wrong", function()
    assert.error_matches(function() nj.optim.clip.norm({}, 0) end,
      "clip.norm: argument 2 (max_norm) must be a number above 0, got 0", 1, true)
    assert.error_matches(function() nj.optim.clip.value(nil, 1) end,
      "clip.value: parameters must be a model or a list of tensors, got a nil", 1, true)
  end)
end)
