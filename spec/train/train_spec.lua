local nj = require "nightjar"
local near = require "spec.support.near"
local temporary = require "spec.support.temporary"

local function weight(values)
  return nj.tensor(values or { 4, -2 }, { grad = true })
end

-- Options of a run that brings w to the mean of its batches.
local function simple(w, more)
  local o = {
    parameters = { { "w", w } },
    optimizer = nj.optim.sgd({ { "w", w } }, { lr = 0.1 }),
    batches = { nj.tensor { 1, 1 }, nj.tensor { 3, 1 } },
    step = function(x) return (w - x):square():sum() end,
    epochs = 3,
  }
  for key, value in pairs(more or {}) do o[key] = value end
  return o
end

local function fails(message, options)
  assert.error_matches(function() nj.train(options) end, message, 1, true)
end

describe("train", function()
  local folder
  before_each(function() folder = temporary.folder() end)
  after_each(function() temporary.remove(folder) end)

  it("takes steps and tells what it did", function()
    local w = weight()
    local r = nj.train(simple(w, { epochs = 200 }))
    assert.are.equal(400, r.steps)
    assert.are.equal(200, r.epochs)
    assert.are.equal("epochs", r.stopped)
    assert.is_nil(r.resumed_from)
    -- the fixed point of the two steps: w = 0.8 (0.8 w + 0.2 · 1) + 0.2 · 3
    near({ (0.16 + 0.6) / 0.36, 1 }, w:detach(), { atol = 1e-5 })
  end)

  it("tells each step where it is", function()
    local seen, w = {}, weight()
    nj.train(simple(w, { epochs = 2, step = function(x, info)
      seen[#seen + 1] = ("%d.%d.%d"):format(info.epoch, info.batch, info.step)
      return (w - x):square():sum()
    end }))
    assert.are.same({ "1.1.1", "1.2.2", "2.1.3", "2.2.4" }, seen)
  end)

  it("averages the gradients of accumulated batches, also of an epoch's last few", function()
    local batches = {}
    for i = 1, 5 do batches[i] = nj.tensor { i, -i } end
    local a, b = weight(), weight()
    nj.train(simple(a, { epochs = 1, batches = batches, accumulate = 2 }))
    local groups = { { 1, 2 }, { 3, 4 }, { 5 } }
    nj.train(simple(b, { epochs = 1, batches = groups, step = function(list)
      local sum
      for _, i in ipairs(list) do
        local loss = (b - batches[i]):square():sum()
        sum = sum and sum + loss or loss
      end
      return sum / #list
    end }))
    near(b:detach(), a:detach(), { atol = 1e-6 })
  end)

  it("clips by norm and by value, and follows the schedule", function()
    local w = weight { 100, 0 }
    nj.train(simple(w, { epochs = 1, clip_grad = 1, schedule = nj.schedule.step { every = 1 },
      batches = { 1, 2 }, step = function() return (w * nj.tensor { 30, 40 }):sum() end,
      log = folder .. "/log" }))
    near({ 100 - 0.1 * 0.6 - 0.01 * 0.6, -0.1 * 0.8 - 0.01 * 0.8 }, w:detach(), { atol = 1e-5 })
    local lrs = {}
    for i, entry in ipairs(assert(nj.log.read(folder .. "/log"))) do
      lrs[i] = entry.lr
      if entry.event == "step" then near(50, entry.grad_norm, { atol = 1e-4 }) end
    end
    near({ 0.1, 0.01, 0.01 }, lrs, { atol = 1e-12 })
    w = weight { 0, 0 }
    nj.train(simple(w, { epochs = 1, clip_grad = { value = 2 }, batches = { 1, 2 }, accumulate = 2,
      step = function() return (w * nj.tensor { 30, 1 }):sum() end }))
    near({ -0.2, -0.1 }, w:detach(), { atol = 1e-6 })
  end)

  it("stops after max_steps, in the middle of an epoch, and goes on from there", function()
    local w, whole = weight(), weight()
    nj.train(simple(whole))
    local r = nj.train(simple(w, { max_steps = 3, checkpoint = folder }))
    assert.are.equal("max_steps", r.stopped)
    assert.are.equal(3, r.steps)
    w = weight()
    local function again(o)
      o.parameters, o.optimizer = { { "w", w } }, nj.optim.sgd({ { "w", w } }, { lr = 0.1 })
      o.step = function(x) return (w - x):square():sum() end
      return nj.train(simple(w, o))
    end
    r = again { checkpoint = folder, resume = true }
    assert.are.equal(3, r.resumed_from)
    assert.are.equal(6, r.steps)
    assert.are.same(whole:totable(), w:totable())
    -- a run that is over stays over
    assert.are.equal(6, again({ checkpoint = folder, resume = true }).steps)
    assert.are.equal(8, again({ checkpoint = folder, resume = true, epochs = 4 }).steps)
  end)

  it("switches the model between training and evaluation", function()
    local w, calls = weight(), {}
    local model = {
      parameters = function() return { { "w", w } } end,
      train = function(_, on) calls[#calls + 1] = on and "train" or "evaluate" end,
    }
    nj.train(simple(w, { model = model, epochs = 2, evaluate = function()
      calls[#calls + 1] = nj.grad_enabled() and "recording" or "measure"
      return 1
    end }))
    assert.are.same({ "train", "evaluate", "measure", "train", "evaluate", "measure", "train",
      "evaluate" }, calls)
  end)

  describe("with a metric", function()
    local function run(values, more)
      local w = weight()
      local o = simple(w, { epochs = #values,
        evaluate = function(info) return { inner = { score = values[info.epoch] } } end,
        metric = "inner.score", checkpoint = folder })
      for key, value in pairs(more or {}) do o[key] = value end
      return nj.train(o), w
    end

    it("keeps the best checkpoints and removes the rest", function()
      local r = run({ 1, 5, 3, 5, 4, 0 }, { keep_best = 2 })
      assert.are.equal(2, #r.best)
      assert.are.same({ 5.0, 2 }, { r.best[1].metric, r.best[1].epoch }) -- the first of equals
      assert.are.same({ 5.0, 4 }, { r.best[2].metric, r.best[2].epoch })
      local names = {}
      for name in require("lfs").dir(folder) do
        if name:find "^best" then names[#names + 1] = name end
      end
      table.sort(names)
      assert.are.same({ "best-epoch002-step000004.safetensors",
        "best-epoch004-step000008.safetensors" }, names)
      local w = weight { 0, 0 }
      assert(nj.train.load_weights(r.best[1].path, { { "w", w } }))
      local want = weight()
      nj.train(simple(want, { epochs = 2 }))
      assert.are.same(want:totable(), w:totable())
    end)

    it("in mode min, with a function, and without an evaluation by the loss", function()
      local r = run({ 3, 1, 2 }, { keep_best = 1, mode = "min",
        metric = function(results) return results.inner.score * 10 end })
      assert.are.equal(10, r.best[1].metric)
      r = nj.train(simple(weight(), { keep_best = 1, checkpoint = folder, overwrite = true }))
      assert.are.equal(3, r.best[1].epoch) -- the loss falls
      assert.are.equal(r.loss, r.best[1].metric)
    end)

    it("stops early, also when resumed", function()
      local values = { 1, 3, 2, 3, 2, 9 }
      local r = run(values, { early_stop = { patience = 2 } })
      assert.are.equal("early_stop", r.stopped)
      assert.are.equal(5, r.epochs)
      temporary.remove(folder)
      folder = temporary.folder()
      run(values, { epochs = 3, early_stop = { patience = 2 } })
      r = run(values, { early_stop = { patience = 2 }, resume = true })
      assert.are.equal(5, r.epochs)
      r = run(values, { early_stop = { patience = 2 }, resume = true })
      assert.are.equal("early_stop", r.stopped)
      assert.are.equal(10, r.resumed_from)
    end)

    it("feeds a plateau schedule", function()
      local s = nj.schedule.plateau { patience = 0 }
      run({ 2, 1, 1 }, { schedule = s })
      near(0.01, s:factor(1), { atol = 1e-12 })
    end)

    it("evaluates every so many epochs", function()
      local epochs = {}
      run({ 1, 2, 3, 4, 5 }, { evaluate_every = 2, evaluate = function(info)
        epochs[#epochs + 1] = info.epoch
        return { inner = { score = 1 } }
      end })
      assert.are.same({ 2, 4 }, epochs)
    end)
  end)

  it("logs steps, parts of the loss, epochs and results", function()
    local w = weight()
    nj.train(simple(w, { epochs = 1, log = folder .. "/log.jsonl", step = function(x)
      local loss = (w - x):square():sum()
      return loss, { half = loss / 2, name = "x" }
    end, evaluate = function() return { a = { b = 2.5, list = { 1, 2 } }, text = "no" } end }))
    local entries = assert(nj.log.read(folder .. "/log.jsonl"))
    assert.are.equal(3, #entries)
    local first = entries[1]
    assert.are.same({ "step", 1, 1, 1, 18.0, 9.0, "x", 0.1 }, { first.event, first.step,
      first.epoch, first.batch, first.loss, first.half, first.name, first.lr })
    assert.are.equal("epoch", entries[3].event)
    assert.are.same({ ["a.b"] = 2.5 }, entries[3].results)
    near((entries[1].loss + entries[2].loss) / 2, entries[3].loss, { atol = 1e-9 })
  end)

  it("shows its progress", function()
    local text = {}
    local stream = { write = function(_, ...) text[#text + 1] = table.concat { ... } end,
      flush = function() end }
    local bar = nj.progress { stream = stream, total = 6, label = "training" }
    nj.train(simple(weight(), { progress = bar }))
    text = table.concat(text)
    assert.matches("epoch 1/3  loss %d+%.%d+  lr 0%.1  0:00\n", text)
    assert.matches("training  100%%  6/6  .*  epoch 3  loss %d", text)
  end)

  describe("stops at what is not a number:", function()
    it("a loss, naming the step and the last good checkpoint", function()
      local w = weight()
      local o = simple(w, { checkpoint = folder, step = function(x, info)
        local loss = (w - x):square():sum()
        if info.step == 4 then loss = loss * (0 / 0) end
        return loss
      end })
      fails("train: the loss is nan at step 4 (epoch 2, batch 2); the last good checkpoint is "
        .. folder .. "/last.safetensors, of step 2", o)
      o.step = function(x) return (w - x):square():sum() * math.huge end
      o.overwrite = true
      fails("train: the loss is inf at step 1 (epoch 1, batch 1); no checkpoint was written yet", o)
    end)

    it("the norm of the gradient", function()
      local w = weight()
      fails("at step 1 (epoch 1, batch 1)", simple(w, {
        clip_grad = 1, step = function() return (w * 0):sqrt():sum() end }))
    end)

    it("weights, before they overwrite a good checkpoint", function()
      local w = weight()
      nj.train(simple(w, { epochs = 1, checkpoint = folder }))
      local function saved()
        return assert(nj.store.load(folder .. "/last.safetensors")).tensors["weight.w"]:totable()
      end
      local good = saved()
      fails("train: 'w' holds nan or infinity after step 4; no checkpoint was written over the "
        .. "last good one", simple(w, { checkpoint = folder, resume = true, step = function(x, info)
        local loss = (w - x):square():sum()
        -- the loss is fine, its gradient is not
        if info.step == 4 then loss = loss + (w * 0):sqrt():sum() end
        return loss
      end }))
      assert.are.same(good, saved())
    end)
  end)

  it("does not write over a run by mistake", function()
    nj.train(simple(weight(), { checkpoint = folder }))
    fails("train: " .. folder .. " holds a run already; give resume = true to go on with it, or "
      .. "overwrite = true to begin anew", simple(weight(), { checkpoint = folder }))
    local r = nj.train(simple(weight(), { checkpoint = folder, overwrite = true, epochs = 1 }))
    assert.are.equal(2, r.steps)
  end)

  it("refuses checkpoints that do not fit", function()
    nj.train(simple(weight(), { checkpoint = folder }))
    local last = folder .. "/last.safetensors"
    fails("train: 'weight.w' has shape (2) in " .. last .. ", expected (3)",
      simple(weight { 1, 2, 3 }, { checkpoint = folder, resume = true }))
    local other = weight()
    fails("train: " .. last .. " has no 'weight.v'", simple(other, { checkpoint = folder,
      resume = true, parameters = { { "v", other } } }))
    local file = assert(io.open(last, "w"))
    file:write "not a checkpoint"
    file:close()
    fails("train: cannot resume: ", simple(weight(), { checkpoint = folder, resume = true }))
    assert(nj.store.save(last, { a = nj.zeros(1) }, {}))
    fails("not a checkpoint of nj.train", simple(weight(), { checkpoint = folder, resume = true }))
    local list = { { "w", weight() } }
    assert.are.equal("EFORMAT", select(3, nj.train.load_weights(last, list)))
    assert.are.equal("ENOTFOUND", select(3, nj.train.load_weights(folder .. "/none", list)))
  end)

  it("passes on what step raises, as it is", function()
    local thing = {}
    local ok, err = pcall(nj.train, simple(weight(), { step = function() error(thing) end,
      log = folder .. "/log" }))
    assert.is_false(ok)
    assert.are.equal(thing, err)
  end)

  it("takes a loader, and asks it to begin where the run was", function()
    local asked = {}
    local list = { nj.tensor { 1, 1 }, nj.tensor { 2, 2 }, nj.tensor { 3, 3 } }
    local loader = setmetatable({ batches = function(_, epoch, skip)
      asked[#asked + 1] = epoch .. "+" .. skip
      local i = skip
      return function()
        i = i + 1
        return list[i]
      end
    end }, { __len = function() return 3 end })
    local w, whole = weight(), weight()
    nj.train(simple(whole, { batches = loader, epochs = 2 }))
    nj.train(simple(w, { batches = loader, max_steps = 2, epochs = 2, checkpoint = folder }))
    w = weight()
    nj.train(simple(w, { batches = loader, epochs = 2, checkpoint = folder, resume = true }))
    assert.are.same({ "1+0", "2+0", "1+0", "1+2", "2+0" }, asked)
    assert.are.same(whole:totable(), w:totable())
  end)

  it("counts the batches of a loader that leaves some out by their numbers", function()
    local skips = {}
    local loader = { batches = function(_, epoch, skip)
      skips[#skips + 1] = epoch .. "+" .. skip
      local i = skip
      return function()
        i = i + 1
        if i == 2 then i = 3 end -- batch 2 cannot be read
        if i <= 4 then return { number = i, x = nj.tensor { i, i } } end
      end
    end }
    local function run(more)
      local w = weight()
      more.batches, more.epochs = loader, 1
      more.step = function(batch) return (w - batch.x):square():sum() end
      nj.train(simple(w, more))
      return w:totable()
    end
    local whole = run {}
    run { max_steps = 2, checkpoint = folder }
    assert.are.same(whole, run { checkpoint = folder, resume = true })
    assert.are.same({ "1+0", "1+0", "1+3" }, skips)
  end)

  it("says what was wrong", function()
    local w = weight()
    local function wrong(message, more) fails(message, simple(w, more)) end
    wrong("train: unknown option 'epoch' (did you mean 'epochs'?)", { epoch = 1 })
    fails("train: option 'step' is required (a function)", { batches = { 1 },
      optimizer = nj.optim.sgd({ w }, { lr = 1 }) })
    wrong("train: option 'batches' must be a list of batches, a function (epoch) giving an "
      .. "iterator, or a loader, got an empty table", { batches = {} })
    wrong("train: the function 'batches' must give an iterator, got a table",
      { batches = function() return {} end })
    wrong("train: epoch 1 gave no batches", { batches = function() return function() end end })
    wrong("train: 'step' must give a loss of one element, got a nil", { step = function() end })
    wrong("train: 'step' must give a loss of one element, got shape (2)",
      { step = function() return w * 1 end })
    wrong("train: option 'clip_grad' must be a norm, { norm = … } or { value = … }",
      { clip_grad = {} })
    wrong("train: option 'clip_grad': unknown option 'nrom' (did you mean 'norm'?)",
      { clip_grad = { nrom = 1 } })
    wrong("train: keep_best needs option 'checkpoint', a folder", { keep_best = 1 })
    wrong("train: resume needs option 'checkpoint', a folder", { resume = true })
    wrong("train: early_stop needs option 'metric': which number of what 'evaluate' gives",
      { early_stop = { patience = 1 }, evaluate = function() return 1 end })
    wrong("train: the metric 'R@1' is not a number among the results of 'evaluate'",
      { early_stop = { patience = 1 }, metric = "R@1", evaluate = function() return { x = 1 } end })
    wrong("train: 'evaluate' must give a table of numbers, got a nil",
      { evaluate = function() end })
    wrong("train: the plateau schedule has mode 'min', but the metric has 'max'",
      { schedule = nj.schedule.plateau { mode = "min" }, mode = "max" })
    wrong("train: the optimiser updates 'w', which is neither in 'model' nor in 'parameters': "
      .. "checkpoints would miss it", { parameters = { weight() } })
    wrong("train: option 'rngs' must map names to generators, got a = a integer",
      { rngs = { a = 1 } })
    wrong("train: option 'metadata' must map strings to strings, got a = a number",
      { metadata = { a = 1 } })
    wrong("train: option 'model' must have a method 'parameters', a table has none", { model = {} })
    local o = simple(w)
    o.epochs = nil
    fails("train: option 'epochs' is required (or 'max_steps')", o)
  end)
end)
