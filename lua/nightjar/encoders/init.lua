--- Networks: the constructors of the C side, and architectures by name.
---
---     local net, about = assert(nj.encoders.from("mn04", { checkpoint = "mn04_as_mAP_432.pt" }))
---     local front_end = nj.audio.mel(about.front_end)
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local checkpoint = require "nightjar.encoders.checkpoint"
local named = require "nightjar.encoders.named"
local wrappers = require "nightjar.encoders.wrappers"

local encoders = {}
for name, value in pairs(core.encoders) do encoders[name] = value end

--- The names of the architectures that nightjar has descriptors of, sorted.
---@return string[]
function encoders.names() return named.list() end

local function descriptor_of(what)
  if type(what) == "string" then return named.read(what) end
  local d = opts.check("encoders.from", what, {
    name = "string", family = "string", encoder = { type = "table", required = true },
    front_end = "table", classes = "string", source = "string", variants = "table",
  }, 4)
  d.name = d.name or d.encoder.kind
  return d
end

--- What the repository that wrote these tensors does otherwise; it is told by a name in them.
local function variant_of(d, tensors)
  for _, variant in ipairs(tensors and d.variants or {}) do
    for name in pairs(tensors) do
      if name:find(variant.has, 1, true) then return variant end
    end
  end
  return {}
end

--- Makes a network from a descriptor: the name of one, or a table such as
--- `{ encoder = { kind = "mobilenet", width = 0.4 }, front_end = { preset = "efficientat" } }`.
--- With a checkpoint its weights are read; the report says what became of every tensor.
---@param what string|table
---@param options? table `checkpoint`: a path, or tensors by name; `prefix` of the names in it (found
---  when left out); `partial` (false): tensors may be missing or have other shapes, which stay as
---  drawn; `encoder`: options that replace the descriptor's; `rng`: draws the weights
---@return any|nil net
---@return table|string about { name, encoder, front_end, classes, report = { prefix, used, skipped =
---  {{ name, why }}, missing, mismatched } }; or a message
---@return string? code ENOTFOUND, EFORMAT (the checkpoint is of another network), …
function encoders.from(what, options)
  local o = opts.check("encoders.from", options, {
    checkpoint = "string|table", prefix = "string", partial = { type = "boolean", default = false },
    encoder = "table", rng = "any",
  })
  opts.arg("encoders.from", 1, "descriptor", what, "string|table")
  local d = descriptor_of(what)
  local make = core.encoders[d.encoder.kind]
  if not make or d.encoder.kind == "mean_pool" then
    error(("encoders.from: no encoder is called '%s'"):format(tostring(d.encoder.kind)), 2)
  end
  local tensors, path = o.checkpoint, ""
  if type(tensors) == "table" then opts.tensors("encoders.from: option 'checkpoint'", tensors) end
  if type(tensors) == "string" then
    path = tensors .. ": "
    local file, message, code = core.store.load(tensors)
    if not file then return nil, message, code end
    tensors = file.tensors
  end
  tensors = tensors and wrappers.tensors(tensors)
  local settings, variant = { rng = o.rng }, variant_of(d, tensors)
  for _, source in ipairs { d.encoder, variant.encoder or {}, o.encoder or {} } do
    for key, value in pairs(source) do settings[key] = value end
  end
  if tensors and not o.partial then settings.rng = false end -- nothing drawn would stay
  local net = make(settings)
  local about = { name = d.name, encoder = net:descriptor(), front_end = variant.front_end or d.front_end,
    classes = d.classes }
  if not tensors then return net, about end
  about.report = checkpoint.apply(net, tensors, o.prefix)
  local problem = not o.partial and checkpoint.problem(about.report)
  if problem then
    return nil, ("%sthese weights are not those of %s: %s"):format(path, d.name, problem), "EFORMAT"
  end
  return net, about
end

return encoders
