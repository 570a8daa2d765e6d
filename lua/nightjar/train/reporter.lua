--- What a run tells: the JSONL log, the progress bar, and a line an epoch.
local batches = require "nightjar.train.batches"
local log = require "nightjar.log"
local progress = require "nightjar.progress"

---@class nightjar.train.Reporter
local Reporter = {}
Reporter.__index = Reporter

local reporter = {}

--- The numbers of a nested table, under dotted names; lists are left out.
---@param values table
---@param prefix? string
---@param out? table<string, number>
---@return table<string, number>
function reporter.numbers(values, prefix, out)
  out, prefix = out or {}, prefix or ""
  for key, value in pairs(values) do
    if type(key) == "string" then
      if type(value) == "number" then
        out[prefix .. key] = value
      elseif type(value) == "table" then
        reporter.numbers(value, prefix .. key .. ".", out)
      end
    end
  end
  return out
end

local function make_bar(o, state)
  local per_epoch = batches.count(o.batches)
  local total = o.max_steps
  if per_epoch and o.epochs then
    local steps = o.epochs * math.ceil(per_epoch / o.accumulate)
    total = total and math.min(total, steps) or steps
  end
  return progress.report(o.progress, { total = total, label = "training", start = state.step })
end

--- Opens the log (after `keep` lines of an earlier run) and the bar.
---@param o table checked options
---@param state table
---@param keep integer? lines of the log to keep
---@return nightjar.train.Reporter
function reporter.new(o, state, keep)
  local self = setmetatable({ o = o, parts = {}, count = 0 }, Reporter)
  if o.log then
    local opened, message = log.open(o.log, { keep = keep })
    if not opened then error("train: cannot write the log: " .. message, 0) end
    self.log = opened
  end
  self.bar = make_bar(o, state)
  return self
end

--- Lines of the log so far; 0 without one.
---@return integer
function Reporter:lines() return self.log and self.log.lines or 0 end

--- Writes an entry, if there is a log.
---@param entry table
function Reporter:write(entry)
  if self.log then self.log:write(entry) end
end

--- One update was made.
---@param state table
---@param entry table numbers of the step: loss, lr, grad_norm, parts of the loss
function Reporter:stepped(state, entry)
  if state.step % self.o.log_every == 0 then
    local line = { event = "step", step = state.step, epoch = state.epoch, batch = state.batch }
    for key, value in pairs(entry) do line[key] = value end
    self:write(line)
  end
  if self.bar then self.bar:update(state.step, { loss = entry.loss, epoch = state.epoch }) end
end

--- An epoch ended.
---@param state table
---@param loss number mean over the epoch
---@param lr number
---@param results table<string, number>? what evaluation found
---@param metric number?
function Reporter:epoch(state, loss, lr, results, metric)
  local line = { event = "epoch", step = state.step, epoch = state.epoch, loss = loss, lr = lr,
    seconds = state.seconds, metric = results and metric or nil }
  if results then line.results = results end
  self:write(line)
  if not self.bar then return end
  local total = self.o.epochs and ("/%d"):format(self.o.epochs) or ""
  local text = ("epoch %d%s  loss %.4g  lr %.3g"):format(state.epoch, total, loss, lr)
  if results and metric then text = text .. ("  metric %.4g"):format(metric) end
  self.bar:message(text .. "  " .. progress.duration(state.seconds))
end

--- A line for people, above the bar.
---@param text string
function Reporter:say(text)
  if self.bar then self.bar:message(text) end
end

--- Ends the bar and closes the log.
function Reporter:close()
  if self.bar then self.bar:finish() end
  if self.log then self.log:close() end
end

return reporter
