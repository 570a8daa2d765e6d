--- Experiments: a list of named configurations, each run with several seeds, that can stop anywhere
--- and go on, and end as tables with intervals.
---
---     local levels = nj.experiment {
---       name = "levels", baseline = "clip", seeds = { 1, 2, 3, 4, 5 },
---       configurations = { { name = "clip", levels = { "clip" } }, … },
---       metrics = { { key = "both.R@1", label = "R@1" } },
---       runs = "runs/levels",
---       run = function(configuration, seed, context) … return { both = { ["R@1"] = 31.2 } } end,
---     }
---     local results = levels:run()
---     print(results)                      -- a Markdown table
---     results:write "docs/results"        -- levels.json, levels.md, levels.svg
---
--- Each finished run is one JSON file, written whole and known by what it computes (configuration,
--- seed, setting; not by the configuration's name), so that an experiment that was stopped computes
--- only what is missing, and experiments with one folder share runs. A run that fails is recorded
--- with its error and the others go on. Ctrl-C ends the experiment; what was finished stays.
local core = require "nightjar.core"
local is_interrupt = require "nightjar.interrupt"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local random = require "nightjar.data.random"
local record = require "nightjar.experiment.record"
local results = require "nightjar.experiment.results"
local statistics = require "nightjar.experiment.statistics"

local experiment = {
  estimate = statistics.estimate,
  paired = statistics.paired,
  features = require "nightjar.experiment.features",
}

local Experiment = {}
Experiment.__index = Experiment
Experiment.__name = "nightjar.Experiment"

-- "text_to_audio.R@1" = … of nested tables of numbers; anything else is no metric.
local function flatten(metrics, prefix, out)
  for key, value in pairs(metrics) do
    local name = prefix .. tostring(key)
    if type(value) == "table" then
      flatten(value, name .. ".", out)
    elseif type(value) == "number" then
      out[name] = value
    end
  end
  return out
end

--- Every combination of the values of some keys, as configurations named after them.
---     nj.experiment.grid { { "kind", { "cluster", "window" } }, { "tokens", { 2, 4 } } }
---       → { name = "cluster, 2", kind = "cluster", tokens = 2 }, …
---@param axes { [1]: string, [2]: any[] }[] the last varies fastest
---@param base? table copied into each
---@return table[]
function experiment.grid(axes, base)
  opts.arg("experiment.grid", 1, "axes", axes, "table")
  opts.arg("experiment.grid", 2, "base", base, { type = "table", optional = true })
  local start = {}
  for key, value in pairs(base or {}) do start[key] = value end
  start.name = nil
  local list = { start }
  for i, axis in ipairs(axes) do
    local key, values = axis[1], axis[2]
    if type(key) ~= "string" or type(values) ~= "table" or #values == 0 then
      error(("experiment.grid: axis %d must be { key, { values } }"):format(i), 2)
    end
    local longer = {}
    for _, config in ipairs(list) do
      for _, value in ipairs(values) do
        local copy = {}
        for k, v in pairs(config) do copy[k] = v end
        local text = type(value) == "table" and record.line(value) or tostring(value)
        copy[key] = value
        copy.name = config.name and config.name .. ", " .. text or text
        longer[#longer + 1] = copy
      end
    end
    list = longer
  end
  return list
end

local function check_configurations(list, baseline)
  local seen = {}
  for i, config in ipairs(list) do
    if type(config) ~= "table" or type(config.name) ~= "string" then
      error(("experiment: configuration %d must be a table with a name"):format(i), 3)
    end
    if seen[config.name] then
      error(("experiment: configurations %d and %d are both named '%s'"):format(
        seen[config.name], i, config.name), 3)
    end
    seen[config.name] = i
  end
  if #list == 0 then error("experiment: no configurations", 3) end
  if baseline and not seen[baseline] then
    local names = {}
    for name in pairs(seen) do names[#names + 1] = name end
    error(("experiment: no configuration is named '%s', the baseline%s"):format(baseline,
      opts.hint(baseline, names)), 3)
  end
end

local function check_metrics(list)
  local out = {}
  for i, metric in ipairs(list) do
    if type(metric) == "string" then metric = { key = metric } end
    metric = opts.check("experiment: metric", metric, {
      key = { type = "string", required = true }, label = "string",
      digits = { type = "integer", default = 1, min = 0, max = 9 },
      difference = { type = "boolean", default = i == 1 },
    }, 4)
    metric.label = metric.label or metric.key
    out[i] = metric
  end
  if #out == 0 then error("experiment: no metrics", 3) end
  return out
end

-- The command that is running, as a reader would type it.
local function command_line()
  local list = rawget(_G, "arg")
  if type(list) ~= "table" or not list[0] then return nil end
  local parts = { "lua5.4", list[0] }
  for _, word in ipairs(list) do
    parts[#parts + 1] = word:find "^[%w%-_./=:,@+]+$" and word
      or "'" .. word:gsub("'", "'\\''") .. "'"
  end
  return table.concat(parts, " ")
end

local function traced(message)
  if is_interrupt(message) then return message end
  return debug.traceback(tostring(message), 2)
end

-- One run, done now: its record, or an error that ends the experiment.
local function perform(self, config, seed, key)
  local context = {
    key = key, rng = random.stream(seed, "experiment"), experiment = self.name,
    interrupted = is_interrupt,
  }
  local clock, cpu = core.system.clock(), os.clock()
  local ok, metrics = xpcall(self.run_one, traced, config, seed, context)
  local run = {
    key = key, configuration = config, seed = seed, setting = self.setting,
    seconds = core.system.clock() - clock, cpu_seconds = os.clock() - cpu,
    finished = os.date "!%Y-%m-%dT%H:%M:%SZ", nightjar = core.version,
  }
  if not ok then
    if is_interrupt(metrics) then error(metrics, 0) end
    run.error = metrics
  elseif type(metrics) ~= "table" then
    run.error = ("run gave a %s, not a table of metrics"):format(opts.type_name(metrics))
  else
    run.metrics, run.notes = flatten(metrics, "", {}), context.notes
  end
  return run
end

-- A record that counts as done. Failed runs are done again when they are asked for again.
local function finished(self, key, retry)
  local run = record.read(self.runs, key)
  if run and (run.metrics or not retry) then return run end
  return nil
end

--- Does the runs that are missing, seed after seed, and gives the results of all.
---@param options? { progress?: boolean|fun(done: integer, total: integer), retry?: boolean, seeds?: integer[],
---  only?: fun(configuration: table): boolean } progress: lines to standard error (default true); retry: runs
---  that failed before are done again (default true); seeds: these instead of the experiment's;
---  only: configurations for which it is false are left out
---@return nightjar.ExperimentResults
function Experiment:run(options)
  local o = opts.check("experiment:run", options, {
    progress = progress.shown,
    retry = { type = "boolean", default = true },
    seeds = { type = "table", default = self.seeds },
    only = "function",
  })
  local configs = {}
  for _, config in ipairs(self.configurations) do
    if not o.only or o.only(config) then configs[#configs + 1] = config end
  end
  local bar = progress.report(o.progress, { total = #configs * #o.seeds, label = self.name, every = 0 })
  local runs, done = {}, 0
  for _, seed in ipairs(o.seeds) do
    for _, config in ipairs(configs) do
      local key = record.key(config, seed, self.setting)
      local run = finished(self, key, o.retry)
      if not run then
        run = perform(self, config, seed, key)
        assert(record.write(self.runs, run))
        if run.error then
          bar:message(("%s, seed %d: failed: %s"):format(config.name, seed,
            run.error:match "^[^\n]*"))
        end
        bar:update(done + 1, { run = ("%s/%d"):format(config.name, seed) })
      end
      runs[#runs + 1] = { name = config.name, seed = seed, record = run }
      done = done + 1
    end
  end
  bar:finish()
  return results.new(self, configs, o.seeds, runs)
end

--- The results of what was done so far, without doing anything.
---@return nightjar.ExperimentResults
function Experiment:results()
  local runs = {}
  for _, seed in ipairs(self.seeds) do
    for _, config in ipairs(self.configurations) do
      local run = record.read(self.runs, record.key(config, seed, self.setting))
      if run then runs[#runs + 1] = { name = config.name, seed = seed, record = run } end
    end
  end
  return results.new(self, self.configurations, self.seeds, runs)
end

function Experiment:__tostring()
  return ("experiment %s: %d configurations × %d seeds"):format(self.name, #self.configurations,
    #self.seeds)
end

--- Describes an experiment. Nothing runs yet.
---@param options table
---  name            of its files
---  run             function(configuration, seed, context) → a table of metrics, nested as liked.
---                  context: rng (a generator of the seed), key, experiment; a table set as
---                  context.notes is kept with the run
---  configurations  a list of tables of plain values, each with a name (and a label for the tables)
---  metrics         what tables show: "text_to_audio.R@1", or { key =, label =, digits =,
---                  difference = (the difference to the baseline gets a column) }; the first one
---                  is drawn, and has its difference shown
---  runs            the folder of the runs' files
---  seeds           default { 1, 2, 3, 4, 5 }
---  setting         anything plain that all runs depend on: a change of it makes all runs new
---  baseline        the name of a configuration that all others are compared with
---  title           a line above the table
---  about           lines below it: data, clip counts
---  charts          what is drawn: { kind = "bars" } (default) or { kind = "lines", x = key of the
---                  configurations, series = key } with title =, metric =, suffix = (of the file)
---  confidence      of the intervals; default 0.95
---  command         that makes it again; default: the running one
---@return nightjar.Experiment
function experiment.new(options)
  local o = opts.check("experiment", options, {
    name = { type = "string", required = true },
    run = { type = "callable", required = true },
    configurations = { type = "table", required = true },
    metrics = { type = "table", required = true },
    runs = { type = "string", required = true },
    seeds = { type = "table", default = { 1, 2, 3, 4, 5 } },
    setting = { type = "any", default = "" },
    baseline = "string", title = "string", about = "table", charts = "table",
    confidence = { type = "number", default = 0.95, above = 0, below = 1 },
    command = { type = "string", default = command_line() or "" },
  })
  check_configurations(o.configurations, o.baseline)
  for i, seed in ipairs(o.seeds) do
    if math.type(seed) ~= "integer" then
      error(("experiment: seed %d is %s; seeds are integers"):format(i, tostring(seed)), 2)
    end
  end
  o.metrics = check_metrics(o.metrics)
  o.run_one, o.run = o.run, nil -- `run` is a method
  return setmetatable(o, Experiment)
end

return setmetatable(experiment, {
  __call = function(_, options) return experiment.new(options) end,
})
