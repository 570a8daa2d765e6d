--- Order probes: does "A, then B" fit a sound in which A comes before B better than "B, then A" does?
local bootstrap = require "nightjar.metrics.bootstrap"
local captions = require "nightjar.data.captions"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local report = require "nightjar.metrics.report"

local order = {}

local OrderProbe = { __name = "nightjar.OrderProbe" }
OrderProbe.__index = OrderProbe

local TRIES = 50 -- scenes looked at for each that is asked for

-- The classes of a scene's two sounds in the order in which they are heard; nil where they overlap or there
-- are not two.
local function heard_in_order(scene)
  if #scene.events ~= 2 then return nil end
  local a, b = scene.events[1], scene.events[2]
  if b.from < a.from then a, b = b, a end
  if a.to > b.from or a.class == b.class then return nil end
  return a.class, b.class
end

local function text_of(template, a, b)
  local said = { a = captions.of(a)[1], b = captions.of(b)[1] }
  return (template:gsub("{([ab])}", said))
end

local RULES = {
  size = { type = "integer", default = 200, min = 1 },
  template = { type = "string", default = "{a}, then {b}" },
  bootstrap = bootstrap.rules.bootstrap, confidence = bootstrap.rules.confidence,
  seed = bootstrap.rules.seed, progress = progress.rule,
}

local function check(options)
  local o = opts.check("evaluate.order", options, RULES, 4)
  if not (o.template:find("{a}", 1, true) and o.template:find("{b}", 1, true)) then
    error(("evaluate.order: the template '%s' needs {a} for what comes first and {b} for what follows"):format(
      o.template), 3)
  end
  return o
end

-- What each probe came to: 100 for right, 0 for wrong, 50 for a tie.
local function ask(model, scenes, o)
  local values, margins, tried, rate = {}, {}, 0, model.audio_tower.front_end.rate
  while #values < o.size and tried < TRIES * o.size do
    tried = tried + 1
    local scene, message, code = scenes:get(tried)
    if not scene then return nil, message, code end
    local a, b = heard_in_order(scene)
    if a then
      local wave
      wave, message, code = scenes:render(tried, { rate = rate })
      if not wave then return nil, message, code end
      local S = model:similarity({ text_of(o.template, a, b), text_of(o.template, b, a) }, { wave }).scores
      local margin = S(1, 1) - S(2, 1)
      values[#values + 1] = margin > 0 and 100 or margin < 0 and 0 or 50
      margins[#margins + 1] = margin
      o.progress(#values, o.size)
    end
  end
  return values, margins, tried
end

--- See nj.evaluate.order, which checks the other arguments.
function order.run(model, scenes, options)
  local o = check(options)
  o.progress = progress.report(o.progress, { label = "scenes" })
  local values, margins, tried = ask(model, scenes, o)
  if not values then return nil, margins, tried end
  if #values == 0 then
    return nil, ("evaluate.order: in none of %d scenes one sound follows another"):format(tried), "ENOTFOUND"
  end
  local sum, margin, ties, sums, sizes = 0, 0, 0, {}, {}
  for i, value in ipairs(values) do
    sum, margin, ties = sum + value, margin + margins[i], ties + (value == 50 and 1 or 0)
    sums[i], sizes[i] = { value }, { 1 }
  end
  local result = { accuracy = sum / #values, margin = margin / #values, ties = ties, scenes = #values,
    tried = tried, template = o.template, chance = { accuracy = 50 }, confidence = o.confidence,
    resamples = o.bootstrap, seed = o.seed }
  if o.bootstrap > 0 then
    result.ci = bootstrap.means({ "accuracy" }, sums, sizes, bootstrap.counts(#values, o), o.confidence)
  end
  return setmetatable(result, OrderProbe)
end

--- The numbers as plain tables, for JSON.
---@return table
function OrderProbe:plain() return report.plain(self) end

function OrderProbe:__tostring()
  local head = ("%d scenes of two sounds, one after the other; \"%s\" against the other way round; %d ties, "
    .. "which count half"):format(self.scenes, self.template, self.ties)
  if self.resamples > 0 then
    head = ("%s\n%g %% intervals: percentile bootstrap, %d resamples of scenes, seed %d"):format(head,
      self.confidence * 100, self.resamples, self.seed)
  end
  return head .. "\n\n" .. report.table({ "", "value", report.interval_head(self), "chance" },
    { "order accuracy" }, function()
      return { self.accuracy, self.ci and self.ci.accuracy or false, self.chance.accuracy }
    end)
end

return order
