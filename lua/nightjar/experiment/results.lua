--- What came of an experiment: estimates for each configuration and metric, and their forms as
--- JSON, Markdown and SVG.
local chart = require "nightjar.plot.chart"
local fs = require "nightjar.fs"
local format = require("nightjar.core").system.format
local plain = require "nightjar.plain"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local record = require "nightjar.experiment.record"
local statistics = require "nightjar.experiment.statistics"

local results = {}

local Results = {}
Results.__index = Results
Results.__name = "nightjar.ExperimentResults"

-- name → seed → record of a run that ended well; and the failures.
local function by_configuration(runs)
  local good, failures = {}, {}
  for _, run in ipairs(runs) do
    if run.record.metrics then
      good[run.name] = good[run.name] or {}
      good[run.name][run.seed] = run.record
    else
      failures[#failures + 1] = { name = run.name, seed = run.seed, error = run.record.error }
    end
  end
  return good, failures
end

local function values_of(records, key)
  local by_seed = {}
  for seed, run in pairs(records or {}) do by_seed[seed] = run.metrics[key] end
  return by_seed
end

local function in_order(by_seed, seeds)
  local list = {}
  for _, seed in ipairs(seeds) do
    if by_seed[seed] then list[#list + 1] = by_seed[seed] end
  end
  return list
end

local function metric_keys(good)
  local seen, keys = {}, {}
  for _, records in pairs(good) do
    for _, run in pairs(records) do
      for key in pairs(run.metrics) do
        if not seen[key] then
          seen[key] = true
          keys[#keys + 1] = key
        end
      end
    end
  end
  table.sort(keys)
  return keys
end

local function row_of(experiment, config, seeds, good, keys)
  local records = good[config.name] or {}
  local row = {
    name = config.name, label = config.label or config.name, configuration = config,
    estimates = {}, differences = {}, values = {}, runs = 0, seconds = 0, cpu_seconds = 0,
  }
  for _, run in pairs(records) do
    row.runs = row.runs + 1
    row.seconds = row.seconds + run.seconds
    row.cpu_seconds = row.cpu_seconds + (run.cpu_seconds or 0)
  end
  for _, key in ipairs(keys) do
    local by_seed = values_of(records, key)
    local list = in_order(by_seed, seeds)
    if #list > 0 then
      row.values[key] = list
      row.estimates[key] = statistics.estimate(list, experiment.confidence)
      if experiment.baseline and config.name ~= experiment.baseline then
        row.differences[key] = statistics.paired(by_seed,
          values_of(good[experiment.baseline], key), experiment.confidence)
      end
    end
  end
  return row
end

---@class nightjar.ExperimentResults
---@field rows table[] one for each configuration, in order: name, label, configuration, runs,
---  estimates[metric], differences[metric] (to the baseline, paired by seed), values[metric],
---  seconds and cpu_seconds (of all its runs)
---@field failures { name: string, seed: integer, error: string }[]
---@field experiment nightjar.Experiment

---@param experiment nightjar.Experiment
---@param configs table[]
---@param seeds integer[]
---@param runs { name: string, seed: integer, record: table }[]
---@return nightjar.ExperimentResults
function results.new(experiment, configs, seeds, runs)
  local good, failures = by_configuration(runs)
  local keys = metric_keys(good)
  local self = setmetatable({
    experiment = experiment, seeds = seeds, failures = failures, rows = {}, seconds = 0,
    cpu_seconds = 0, runs = 0,
  }, Results)
  for i, config in ipairs(configs) do
    local row = row_of(experiment, config, seeds, good, keys)
    self.rows[i] = row
    self.seconds, self.cpu_seconds = self.seconds + row.seconds, self.cpu_seconds + row.cpu_seconds
    self.runs = self.runs + row.runs
  end
  return self
end

--- The row of a configuration.
---@param name string
---@return table
function Results:row(name)
  local names = {}
  for _, row in ipairs(self.rows) do
    if row.name == name then return row end
    names[#names + 1] = row.name
  end
  error(("experiment: no configuration is named '%s'%s"):format(tostring(name),
    opts.hint(name, names)), 2)
end

-- ---- Markdown ----

local function number_text(value, digits, sign)
  if not value or value ~= value then return "–" end
  local text = (sign and "%+." or "%.") .. digits .. "f"
  return (format(text, value):gsub("^%-", "−"):gsub("^−(0%.?0*)$", "%1"))
end

local function estimate_text(estimate, digits, sign)
  if not estimate or estimate.n == 0 then return "–" end
  local mean = number_text(estimate.mean, digits, sign)
  if estimate.half ~= estimate.half then return mean end
  return mean .. " ± " .. number_text(estimate.half, digits)
end

results.estimate_text = estimate_text

local function cells_of(self, row)
  local cells = { (row.label:gsub("|", "\\|")) }
  for _, metric in ipairs(self.experiment.metrics) do
    cells[#cells + 1] = estimate_text(row.estimates[metric.key], metric.digits)
    if metric.difference and self.experiment.baseline then
      cells[#cells + 1] = row.name == self.experiment.baseline and "baseline"
        or estimate_text(row.differences[metric.key], metric.digits, true)
    end
  end
  cells[#cells + 1] = tostring(row.runs)
  cells[#cells + 1] = row.runs > 0 and format("%.0f", row.seconds / row.runs) or "–"
  return cells
end

local function label_of(self, name)
  for _, row in ipairs(self.rows) do
    if row.name == name then return row.label end
  end
  return name
end

local function head_of(self)
  local head, rule = { "configuration" }, { "---" }
  local function add(text) head[#head + 1], rule[#rule + 1] = text, "---:" end
  for _, metric in ipairs(self.experiment.metrics) do
    add(metric.label)
    if metric.difference and self.experiment.baseline then add("difference") end
  end
  add "runs"
  add "s a run"
  return head, rule
end

local function line(cells) return "| " .. table.concat(cells, " | ") .. " |" end

local function notes_of(self)
  local e = self.experiment
  local notes = {
    format("Mean ± half of the %g %% interval over seeds (Student's t, n − 1 degrees of freedom).",
      100 * e.confidence),
  }
  if e.baseline then
    notes[1] = notes[1] .. (" Differences are to \"%s\", paired by seed."):format(
      label_of(self, e.baseline))
  end
  for _, text in ipairs(e.about or {}) do notes[#notes + 1] = text end
  notes[#notes + 1] = ("%d runs took %s (%s of processor time)."):format(self.runs,
    progress.duration(self.seconds), progress.duration(self.cpu_seconds))
  if e.command ~= "" then notes[#notes + 1] = ("Made by `%s`."):format(e.command) end
  return notes
end

--- The table as Markdown, with what it was made of.
---@return string
function Results:markdown()
  local out = {}
  if self.experiment.title then
    out[#out + 1] = "# " .. self.experiment.title
    out[#out + 1] = ""
  end
  local head, rule = head_of(self)
  out[#out + 1], out[#out + 2] = line(head), line(rule)
  for _, row in ipairs(self.rows) do out[#out + 1] = line(cells_of(self, row)) end
  out[#out + 1] = ""
  for _, note in ipairs(notes_of(self)) do out[#out + 1] = "- " .. note end
  for _, failure in ipairs(self.failures) do
    out[#out + 1] = ("- Failed: %s, seed %d: %s"):format(failure.name, failure.seed,
      tostring(failure.error):match "^[^\n]*")
  end
  return table.concat(out, "\n") .. "\n"
end

Results.__tostring = Results.markdown

-- ---- JSON ----

-- Of the table's metrics; the values of all others are there too.
local function shown_only(self, by_metric)
  local out = {}
  for _, metric in ipairs(self.experiment.metrics) do out[metric.key] = by_metric[metric.key] end
  return out
end

--- Everything as plain tables: the values of each seed for every metric, estimates and differences
--- for those of the table, the command.
---@return table
function Results:plain()
  local e = self.experiment
  local rows = {}
  for i, row in ipairs(self.rows) do
    rows[i] = {
      name = row.name, label = row.label, configuration = row.configuration, runs = row.runs,
      seconds = row.seconds, cpu_seconds = row.cpu_seconds, values = row.values,
      estimates = shown_only(self, row.estimates),
      differences = shown_only(self, row.differences),
    }
  end
  return record.plain {
    name = e.name, title = e.title, baseline = e.baseline, seeds = self.seeds,
    confidence = e.confidence, command = e.command, about = e.about, setting = e.setting,
    metrics = e.metrics, rows = rows, failures = self.failures, seconds = self.seconds,
    cpu_seconds = self.cpu_seconds,
  }
end

-- ---- SVG ----

local function metric_of(self, key)
  for _, metric in ipairs(self.experiment.metrics) do
    if metric.key == key then return metric end
  end
  return { key = key, label = key, digits = 1 }
end

local function lines_of(self, description, metric)
  local series, by_name = {}, {}
  for _, row in ipairs(self.rows) do
    local x, estimate = row.configuration[description.x], row.estimates[metric.key]
    if type(x) == "number" and estimate then
      local name = description.series and tostring(row.configuration[description.series]) or ""
      if not by_name[name] then
        by_name[name] = { label = name, points = {} }
        series[#series + 1] = by_name[name]
      end
      table.insert(by_name[name].points, { x = x, y = estimate.mean, low = estimate.low,
        high = estimate.high })
    end
  end
  return series
end

--- A drawing of one metric: bars with intervals, or lines over a number of the configurations.
---@param description? { kind?: "bars"|"lines", metric?: string, x?: string, series?: string,
---  title?: string, x_label?: string }
---@return string svg
function Results:svg(description)
  local d = opts.check("experiment: svg", description, {
    kind = { type = "string", default = "bars", one_of = { "bars", "lines" } },
    metric = { type = "string", default = self.experiment.metrics[1].key },
    x = "string", series = "string", title = "string", x_label = "string", suffix = "string",
  })
  local metric = metric_of(self, d.metric)
  local shared = { title = d.title or self.experiment.title or self.experiment.name,
    value_label = metric.label, digits = metric.digits }
  if d.kind == "lines" then
    if not d.x then error("experiment: svg: a chart of lines needs 'x'", 2) end
    return chart.lines(lines_of(self, d, metric), shared, d.x_label or d.x)
  end
  local bars = {}
  for _, row in ipairs(self.rows) do
    local estimate = row.estimates[metric.key]
    if estimate then
      bars[#bars + 1] = { label = row.label, y = estimate.mean, low = estimate.low,
        high = estimate.high, marked = row.name == self.experiment.baseline }
    end
  end
  return chart.bars(bars, shared)
end

--- Writes name.json, name.md and a drawing for each chart: name.svg, name-suffix.svg.
---@param folder string made when it is missing
---@return string[]? paths
---@return string? message
---@return string? code
function Results:write(folder)
  opts.arg("experiment: write", 1, "folder", folder, "string")
  local ok, message, code = fs.make_folders(folder)
  if not ok then return nil, message, code end
  local e = self.experiment
  local files = {
    { ".json", plain.encode(self:plain(), { indent = true }) .. "\n" },
    { ".md", self:markdown() },
  }
  for _, description in ipairs(e.charts or { {} }) do
    local suffix = description.suffix and "-" .. description.suffix or ""
    files[#files + 1] = { suffix .. ".svg", self:svg(description) }
  end
  local paths = {}
  for i, file in ipairs(files) do
    paths[i] = fs.join(folder, e.name .. file[1])
    ok, message, code = fs.write(paths[i], file[2])
    if not ok then return nil, message, code end
  end
  return paths
end

return results
