-- Experiments: what is run, what is run again, what is kept, and what the tables say.
describe("nj.experiment", function()
  local fs = require "nightjar.fs"
  local json = require "dkjson"
  local nj = require "nightjar"
  local temporary = require "spec.support.temporary"

  local folder, calls
  before_each(function()
    folder, calls = temporary.folder(), {}
  end)
  after_each(function() temporary.remove(folder) end)

  local function describe_one(more)
    local d = {
      name = "sizes", runs = folder .. "/runs", seeds = { 1, 2, 3 }, baseline = "small",
      configurations = { { name = "small", size = 1 }, { name = "large", size = 3, label = "la|rge" } },
      metrics = { { key = "both.R@1", label = "R@1" }, { key = "loss", digits = 2 } },
      command = "lua5.4 sizes.lua",
      run = function(config, seed)
        calls[#calls + 1] = config.name .. seed
        return { both = { ["R@1"] = 10 * config.size + seed }, loss = 1 / config.size, text = "x" }
      end,
    }
    for key, value in pairs(more or {}) do d[key] = value end
    return d
  end

  local function quiet(experiment, options)
    options = options or {}
    options.progress = false
    return experiment:run(options)
  end

  it("runs every configuration with every seed, seed after seed", function()
    local results = quiet(nj.experiment(describe_one()))
    assert.same({ "small1", "large1", "small2", "large2", "small3", "large3" }, calls)
    local row = results:row "large"
    assert.equal(3, row.runs)
    assert.near(32, row.estimates["both.R@1"].mean, 1e-12)
    assert.near(20, row.differences["both.R@1"].mean, 1e-12)
    assert.near(0, row.differences["both.R@1"].half, 1e-12)
    assert.is_nil(results:row("small").differences["both.R@1"])
  end)

  it("does not run again what is finished, under whatever name", function()
    quiet(nj.experiment(describe_one()))
    calls = {}
    quiet(nj.experiment(describe_one()))
    assert.same({}, calls)
    quiet(nj.experiment(describe_one { name = "other",
      configurations = { { name = "renamed", size = 3 }, { name = "small", size = 2 } },
      baseline = "small" }))
    assert.same({ "small1", "small2", "small3" }, calls)
    calls = {}
    quiet(nj.experiment(describe_one { setting = { steps = 2 } }))
    assert.equal(6, #calls) -- another setting makes all runs new
  end)

  it("goes on where it was stopped", function()
    local stop = true
    local d = describe_one()
    local run = d.run
    d.run = function(config, seed)
      if stop and config.name == "large" and seed == 2 then error "sizes.lua:3: interrupted!" end
      return run(config, seed)
    end
    assert.error_matches(function() quiet(nj.experiment(d)) end, "interrupted!")
    assert.same({ "small1", "large1", "small2" }, calls)
    stop, calls = false, {}
    local results = quiet(nj.experiment(d))
    assert.same({ "large2", "small3", "large3" }, calls)
    assert.equal(3, results:row("small").runs)
    assert.same({}, results.failures)
  end)

  it("records a run that fails, goes on, and tries it again when asked again", function()
    local broken = true
    local d = describe_one()
    local run = d.run
    d.run = function(config, seed)
      if broken and config.name == "large" and seed == 1 then error "no memory left" end
      return run(config, seed)
    end
    local results = quiet(nj.experiment(d))
    assert.equal(5, #calls)
    assert.equal(1, #results.failures)
    assert.equal("large", results.failures[1].name)
    assert.matches("no memory left", results.failures[1].error)
    assert.equal(2, results:row("large").runs)
    assert.matches("Failed: large, seed 1: .*no memory left", results:markdown())
    calls = {}
    assert.equal(1, #quiet(nj.experiment(d), { retry = false }).failures)
    assert.same({}, calls)
    broken = false
    assert.same({}, quiet(nj.experiment(d)).failures)
    assert.same({ "large1" }, calls)
  end)

  it("takes a run that gives no table for a failure", function()
    local results = quiet(nj.experiment(describe_one { run = function() return 3 end }))
    assert.equal(6, #results.failures)
    assert.matches("run gave a integer, not a table of metrics", results.failures[1].error)
    assert.matches("| small | – | baseline | – | 0 | – |", results:markdown(), 1, true)
  end)

  it("does a damaged record again", function()
    quiet(nj.experiment(describe_one()))
    local name = fs.files(folder .. "/runs")[1]
    temporary.write(folder .. "/runs/" .. name, '{ "key": "')
    calls = {}
    quiet(nj.experiment(describe_one()))
    assert.equal(1, #calls)
  end)

  it("gives results of what was done so far without doing anything", function()
    local experiment = nj.experiment(describe_one())
    assert.equal(0, experiment:results():row("small").runs)
    quiet(experiment, { seeds = { 2 }, only = function(config) return config.size == 1 end })
    calls = {}
    local results = experiment:results()
    assert.same({}, calls)
    assert.equal(1, results:row("small").runs)
    assert.equal(0, results:row("large").runs)
    assert.equal("experiment sizes: 2 configurations × 3 seeds", tostring(experiment))
  end)

  it("gives each run the generator of its seed", function()
    local drawn = {}
    quiet(nj.experiment(describe_one { run = function(_, seed, context)
      drawn[seed] = drawn[seed] or {}
      table.insert(drawn[seed], context.rng:uniform())
      context.notes = { key = context.key }
      return { loss = 1 }
    end }))
    assert.equal(drawn[1][1], drawn[1][2])
    assert.not_equal(drawn[1][1], drawn[2][1])
    local run = json.decode(fs.read(folder .. "/runs/" .. fs.files(folder .. "/runs")[1]))
    assert.equal(run.key, run.notes.key)
  end)

  it("keeps numbers that JSON has not out of its files", function()
    local results = quiet(nj.experiment(describe_one { run = function()
      return { both = { ["R@1"] = 0 / 0 }, loss = math.huge }
    end }))
    for _, name in ipairs(fs.files(folder .. "/runs")) do
      assert(json.decode(fs.read(folder .. "/runs/" .. name)))
    end
    assert.same({}, results.failures)
    assert.matches("| small | – | baseline | – | 3 |", results:markdown(), 1, true)
    local again = quiet(nj.experiment(describe_one()))
    assert.equal(3, again:row("small").runs)
  end)

  it("writes a Markdown table with its intervals, differences and command", function()
    local text = quiet(nj.experiment(describe_one { title = "Sizes",
      about = { "12 clips." } })):markdown()
    assert.matches("# Sizes\n\n| configuration | R@1 | difference | loss | runs | s a run |", text, 1,
      true)
    assert.matches("| small | 12.0 ± 2.5 | baseline | 1.00 ± 0.00 | 3 | 0 |", text, 1, true)
    assert.matches("| la\\|rge | 32.0 ± 2.5 | +20.0 ± 0.0 | 0.33 ± 0.00 | 3 | 0 |", text, 1, true)
    assert.matches("- 12 clips.\n", text, 1, true)
    assert.matches("Differences are to \"small\", paired by seed.", text, 1, true)
    assert.matches("6 runs took 0:00", text, 1, true)
    assert.matches("Made by `lua5.4 sizes.lua`.", text, 1, true)
  end)

  it("shows a loss against the baseline with its sign", function()
    local text = quiet(nj.experiment(describe_one { baseline = "large" })):markdown()
    assert.matches("| −20.0 ± 0.0 |", text, 1, true)
  end)

  it("writes JSON, Markdown and a drawing for each chart", function()
    local results = quiet(nj.experiment(describe_one { charts = { {},
      { kind = "lines", x = "size", suffix = "line" } } }))
    local paths = assert(results:write(folder .. "/out"))
    assert.same({ folder .. "/out/sizes.json", folder .. "/out/sizes.md", folder .. "/out/sizes.svg",
      folder .. "/out/sizes-line.svg" }, paths)
    local plain = assert(json.decode(fs.read(paths[1])))
    assert.same({ 11, 12, 13 }, plain.rows[1].values["both.R@1"])
    assert.near(12, plain.rows[1].estimates["both.R@1"].mean, 1e-12)
    assert.equal("lua5.4 sizes.lua", plain.command)
    local bars = fs.read(paths[3])
    assert.matches("^<svg ", bars)
    assert.matches("la|rge", bars, 1, true)
    assert.matches("32.0 ± 2.5", bars, 1, true)
    assert.matches("<polyline points=", fs.read(paths[4]), 1, true)
    local nothing, _, code = results:write(paths[1] .. "/under-a-file")
    assert.is_nil(nothing)
    assert.equal("EIO", code)
  end)

  it("makes configurations of all combinations", function()
    local list = nj.experiment.grid({ { "kind", { "a", "b" } }, { "tokens", { 2, 4 } } },
      { name = "base", width = 8 })
    assert.equal(4, #list)
    assert.same({ name = "a, 4", kind = "a", tokens = 4, width = 8 }, list[2])
    assert.error_matches(function() nj.experiment.grid { { "kind", {} } } end,
      "experiment.grid: axis 1 must be { key, { values } }", 1, true)
  end)

  it("refuses what makes no experiment", function()
    local function bad(more, message)
      assert.error_matches(function() nj.experiment(describe_one(more)) end, message, 1, true)
    end
    bad({ configurations = {} }, "experiment: no configurations")
    bad({ configurations = { { size = 1 } } }, "experiment: configuration 1 must be a table with a name")
    bad({ configurations = { { name = "small" }, { name = "small" } } },
      "experiment: configurations 1 and 2 are both named 'small'")
    bad({ baseline = "smal" }, "experiment: no configuration is named 'smal', the baseline (did you "
      .. "mean 'small'?)")
    bad({ metrics = {} }, "experiment: no metrics")
    bad({ seeds = { 1.5 } }, "experiment: seed 1 is 1.5; seeds are integers")
    bad({ sedes = { 1 } }, "unknown option 'sedes'")
    local results = quiet(nj.experiment(describe_one()))
    assert.error_matches(function() results:row "larg" end,
      "no configuration is named 'larg' (did you mean 'large'?)", 1, true)
    assert.error_matches(function() results:svg { kind = "lines" } end, "a chart of lines needs 'x'",
      1, true)
  end)
end)
