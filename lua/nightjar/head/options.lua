--- The options of nj.head, checked and with their defaults filled in.
local opts = require "nightjar.opts"
local tags = require "nightjar.head.tags"

local options = {}

--- The levels of the two encoders' outputs, from the coarsest to the finest.
options.LEVELS = { "clip", "segment", "frame" }

local RULES = {
  audio_width = { type = "integer", required = true, min = 1, max = 65536 },
  text_width = { type = "integer", required = true, min = 1, max = 65536 },
  dim = { type = "integer", default = 256, min = 1, max = 65536 },
  projection = { type = "string", default = "mlp",
    one_of = { "linear", "mlp", "gated", "norm_mlp" } },
  temperature = { type = "number", default = 0.07, above = 0 },
  frame_width = { type = "integer", min = 1, max = 65536 },
  frame_gain = { type = "number", default = 1, above = 0 },
  hci = "table",
  ac = "table",
  fusion = "table",
  projections = "table",
  rng = "nightjar.Rng|boolean",
}

local HCI = {
  levels = { type = "table", default = options.LEVELS },
  segments = { type = "table", default = { kind = "cluster", tokens = 8 } },
  phrases = { type = "table", default = { kind = "cluster", tokens = 5 } },
  token_scale = { type = "number", default = 1, min = 0, below = math.huge },
  top = { type = "string", default = "encoder",
    one_of = { "encoder", "aggregate", "codebook" } },
  codebook = "table",
  interaction = { type = "string", default = "weighted",
    one_of = { "max", "weighted", "attention", "weighted_attention" } },
  attention_temperature = { type = "number", default = 0.01, above = 0 },
  projections = { type = "string", default = "separate", one_of = { "separate", "shared" } },
  temperature = { type = "string|number|table", default = "learn" },
  weights = { type = "table", default = {} },
}

local CODEBOOK = {
  codes = { type = "integer", default = 4096, min = 1, max = 1 << 20 },
  temperature = { type = "number", above = 0, below = math.huge },
  word_floor = { type = "boolean", default = false },
}

local AC = {
  interaction = "table|boolean",
  matching = "table|boolean",
  alpha = { type = "number|string", default = 0.73 },
}

local MATCHING = {
  kind = { type = "string", default = "mean", one_of = { "mean", "transformer", "best", "tokens", "tags" } },
  layers = { type = "integer", min = 1, max = 64 },
  heads = { type = "integer", min = 1, max = 1024 },
  positions = { type = "integer", min = 1, max = 65536 },
  dropout = { type = "number", min = 0, below = 1 },
}

local function check_levels(given)
  local wanted, out = {}, {}
  for i = 1, #given do
    local name = opts.check("head: option 'hci.levels'", { level = given[i] },
      { level = { type = "string", one_of = options.LEVELS } }, 0).level
    wanted[name] = true
  end
  for _, name in ipairs(options.LEVELS) do
    if wanted[name] then out[#out + 1] = name end
  end
  if #out == 0 then error("head: option 'hci.levels' is empty", 0) end
  return out
end

--- Weights by level, each at least 0; those left out weigh 1.
---@param what string for messages
---@param given table<string, number>
---@return table<string, number>
function options.level_weights(what, given)
  local rules = { caption = { type = "number", default = 1, min = 0, below = math.huge } }
  for _, name in ipairs(options.LEVELS) do
    rules[name] = { type = "number", default = 1, min = 0, below = math.huge }
  end
  return opts.check(what, given, rules, 0)
end

-- For each level "learn", or the number that its temperature is held at.
local function temperatures(given)
  local rule = { type = "number|string", above = 0 }
  local rules = { clip = rule, segment = rule, frame = rule, caption = rule }
  local per_level = given
  if type(given) ~= "table" then
    per_level = { clip = given, segment = given, frame = given, caption = given }
  end
  local out = opts.check("head: option 'hci.temperature'", per_level, rules, 0)
  for name in pairs(rules) do
    local t = out[name] or "learn"
    if type(t) == "string" and t ~= "learn" then
      error(("head: option 'hci.temperature' must be 'learn' or a number above 0, got '%s'"):format(
        t), 0)
    end
    out[name] = t
  end
  return out
end

-- Options of a network whose width is the head's.
local function check_network(name, given)
  if given and given.width ~= nil then
    error(("head: option '%s' has a width, but that is the head's 'dim'"):format(name), 0)
  end
end

-- The options of the codebook where clips and sentences come from one; nil elsewhere.
local function check_codebook(top, given)
  if top ~= "codebook" then
    if not given then return nil end
    error(("head: option 'hci.codebook' goes with top = \"codebook\", not with \"%s\""):format(top), 0)
  end
  check_network("hci.codebook", given)
  return opts.check("head: option 'hci.codebook'", given, CODEBOOK, 0)
end

local function check_hci(given)
  local o = opts.check("head: option 'hci'", given, HCI, 0)
  o.levels = check_levels(o.levels)
  check_network("hci.segments", o.segments)
  check_network("hci.phrases", o.phrases)
  o.codebook = check_codebook(o.top, o.codebook)
  temperatures(o.temperature)
  o.weights = options.level_weights("head: option 'hci.weights'", o.weights)
  return o
end

-- `true` turns a part on with its defaults, as an empty table does.
local function part(value)
  if value == true then return {} end
  return value or nil
end

local function check_ac(given)
  local o = opts.check("head: option 'ac'", given, AC, 0)
  o.interaction, o.matching = part(o.interaction), part(o.matching)
  check_network("ac.interaction", o.interaction)
  if o.matching and o.matching.kind == "tags" then
    local rules = { kind = "string" }
    for key, rule in pairs(tags.rules) do rules[key] = rule end
    o.matching = opts.check("head: option 'ac.matching'", o.matching, rules, 0)
  elseif o.matching then
    o.matching = opts.check("head: option 'ac.matching'", o.matching, MATCHING, 0)
    local transformer = o.matching.kind == "transformer"
    for _, key in ipairs { "layers", "heads", "positions", "dropout" } do
      if o.matching[key] and not transformer then
        error(("head: option 'ac.matching.%s' goes with kind 'transformer', not with '%s'"):format(
          key, o.matching.kind), 0)
      end
    end
  end
  local alpha = o.alpha
  local fits = alpha == "learn" or type(alpha) == "number" and alpha >= 0 and alpha <= 1
  if not fits then
    error(("head: option 'ac.alpha' must be 'learn' or a number in [0, 1], got %s"):format(
      tostring(alpha)), 0)
  end
  return o
end

--- Checks what nj.head is given. Raises messages that begin with "head: ".
---@param given table
---@return table o
function options.check(given)
  local o = opts.check("head", given, RULES, 0)
  o.frame_width = o.frame_width or o.audio_width
  o.has_hci = o.hci ~= nil
  o.hci = check_hci(o.hci or { levels = { "clip" } })
  o.ac = o.ac and check_ac(o.ac) or nil
  o.temperatures = temperatures(o.hci.temperature)
  o.from_tokens = o.hci.top ~= "encoder" -- clips and sentences are made of frames and words
  o.on = {}
  for _, name in ipairs(o.hci.levels) do o.on[name] = true end
  if o.frame_width ~= o.audio_width and (o.hci.projections == "shared" or o.hci.top == "codebook") then
    error("head: frames of a width of their own need hci.projections = \"separate\"", 0)
  end
  return o
end

return options
