--- Several networks under one roof: lists of { prefix = of their parameters' names, net = … } as one
--- set of parameters.
local core = require "nightjar.core"

local networks = {}

local function gather(list, method)
  local all = {}
  for _, part in ipairs(list) do
    for _, p in ipairs(part.net[method](part.net)) do
      all[#all + 1] = { name = part.prefix .. p.name, tensor = p.tensor }
    end
  end
  return all
end

--- Parameters in a fixed order: { {name = …, tensor = …}, … }.
---@param list {prefix: string, net: any}[]
---@return table[]
function networks.parameters(list) return gather(list, "parameters") end

--- Running statistics, as parameters gives parameters.
---@param list {prefix: string, net: any}[]
---@return table[]
function networks.buffers(list) return gather(list, "buffers") end

--- Every tensor by name, shared with the networks.
---@param list {prefix: string, net: any}[]
---@return table<string, any>
function networks.state(list)
  local state = {}
  for _, part in ipairs(list) do
    for name, tensor in pairs(part.net:state()) do state[part.prefix .. name] = tensor end
  end
  return state
end

--- Copies tensors into the networks. Raises when one is missing or has another shape.
---@param list {prefix: string, net: any}[]
---@param state table<string, any>
---@param what string what messages begin with: "captioner"
---@param level? integer error level; default 3, the caller of the function that calls this
function networks.load(list, state, what, level)
  local problems = {}
  local function note(kind, names, prefix)
    for _, name in ipairs(names) do problems[#problems + 1] = kind .. " " .. prefix .. name end
  end
  for _, part in ipairs(list) do
    local report = part.net:load(state, part.prefix)
    note("missing", report.missing, part.prefix)
    note("mismatched", report.mismatched, part.prefix)
  end
  if #problems == 0 then return end
  error(("%s: the weights do not fit: %s%s"):format(what,
    table.concat(problems, "; ", 1, math.min(5, #problems)),
    #problems > 5 and (" and %d more"):format(#problems - 5) or ""), level or 3)
end

--- Training mode, or with false inference mode.
---@param list {prefix: string, net: any}[]
---@param on? boolean (true)
function networks.train(list, on)
  for _, part in ipairs(list) do
    if on == false then part.net:eval() else part.net:train() end
  end
end

--- f(…) without recording gradients and with the networks in inference mode, in which the same input
--- always gives the same bits; training goes on as it was.
---@param list {prefix: string, net: any}[]
function networks.infer(list, f, ...)
  local training = {}
  for i, part in ipairs(list) do
    training[i] = part.net:is_training()
    part.net:eval()
  end
  local result = table.pack(pcall(core.no_grad, f, ...))
  for i, part in ipairs(list) do
    if training[i] then part.net:train() end
  end
  if not result[1] then error(result[2], 0) end
  return table.unpack(result, 2, result.n)
end

return networks
