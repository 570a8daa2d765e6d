--- A table of word vectors as a network: ids of words into vectors (B, W, C), and the mean of a text's words,
--- weighted by how much each says.
---
--- Vectors are 8-bit quantised, a row at a time: value = (byte − 128) · scale of the row. A file's table is
--- mapped, so that of tens of thousands of words only those are read that texts ask for.
local core = require "nightjar.core"
local opts = require "nightjar.opts"

---@class nightjar.WordVectors
local Network = {}
Network.__index = Network
Network.__name = "nightjar.WordVectors"

local network = {}

--- A network of zeros, to be filled by load or by set.
---@param given table vocabulary: words in the table; width: of a vector
---@return nightjar.WordVectors
function network.new(given)
  local o = opts.check("words", given, {
    kind = "string", rng = "nightjar.Rng|boolean",
    vocabulary = { type = "integer", required = true, min = 1, max = 1 << 24 },
    width = { type = "integer", default = 100, min = 1, max = 65536 },
  })
  return setmetatable({ words = o.vocabulary, width = o.width, table = {}, training = false }, Network)
end

--- Fills the table.
---@param vectors any (V, C) float32
---@param weights any (V) how much each word says, of at least 0
function Network:set(vectors, weights)
  local largest = vectors:abs():max(2, { keepdim = true })
  local scale = largest:maximum(1e-12) / 127
  self.table = {
    vectors = ((vectors / scale):round() + 128):to "uint8", scale = scale:reshape(-1), weight = weights,
  }
  return self
end

function Network:descriptor() return { kind = "words", vocabulary = self.words, width = self.width } end

-- A table is no set of parameters: what is trained is added to it, see Network:adapt.
function Network:parameters()
  if not self.delta then return {} end
  return { { name = "delta", tensor = self.delta } }
end
function Network.buffers() return {} end

function Network:state()
  if not self.table.vectors then self:set(core.zeros(self.words, self.width), core.zeros(self.words)) end
  local state = {}
  for name, tensor in pairs(self.table) do state[name] = tensor end
  return state
end

--- Takes a table's tensors for its own, without copying them.
---@return { missing: string[], mismatched: string[], loaded: integer }
function Network:load(state, prefix)
  local shapes = { vectors = { self.words, self.width }, scale = { self.words }, weight = { self.words } }
  local report, taken = { missing = {}, mismatched = {}, loaded = 0 }, {}
  for _, name in ipairs { "vectors", "scale", "weight" } do
    local tensor, shape = state[prefix .. name], shapes[name]
    if not tensor then
      report.missing[#report.missing + 1] = name
    elseif #tensor.shape ~= #shape or tensor.shape[1] ~= shape[1] or tensor.shape[2] ~= shape[2]
      or (tensor.dtype == "uint8") ~= (name == "vectors") then
      report.mismatched[#report.mismatched + 1] = name
    else
      taken[name], report.loaded = tensor, report.loaded + 1
    end
  end
  if report.loaded == 3 then self.table = taken end
  return report
end

function Network:train(on) self.training = on ~= false return self end
function Network:eval() return self:train(false) end
function Network:is_training() return self.training end

--- Makes the vectors of the first `count` words trainable: a difference, zero at first, is added to each.
---@param count integer
---@return any delta (count + 1, C); its last row stays zero, for all other words
function Network:adapt(count)
  self.adapted = count
  self.delta = core.zeros({ count + 1, self.width }, { grad = true })
  return self.delta
end

-- Rows put before some of a table; all that stay keep their bits.
local function put_before(vectors, weights, t, from)
  local first = Network.set({}, vectors, weights).table
  local last = t.scale.shape[1]
  for name, tensor in pairs(first) do
    if name ~= "vectors" then tensor = tensor:to(t[name].dtype) end
    first[name] = from > last and tensor or core.cat({ tensor, t[name][{ { from, last } }] }, 1)
  end
  return first
end

--- Puts words before those of the table.
---@param vectors any (n, C) float32
---@param weights any (n)
function Network:extend(vectors, weights)
  self.table = put_before(vectors, weights, self.table, 1)
  self.words = self.words + vectors.shape[1]
  return self
end

--- Puts what was trained into the table.
function Network:settle()
  if not self.delta then return self end
  core.no_grad(function()
    local n = self.adapted
    local vectors = self:rows(core.arange(1, n, { dtype = "int64" })) + self.delta[{ { 1, n } }]
    self.table = put_before(vectors, self.table.weight[{ { 1, n } }], self.table, n + 1)
  end)
  self.delta, self.adapted = nil, nil
  return self
end

--- Vectors of the table, (n, C).
---@param ids any int64 (n), from 1
function Network:rows(ids)
  local t = self.table
  local bytes = t.vectors:index_select(1, ids):to "float32"
  return (bytes - 128) * t.scale:index_select(1, ids):to "float32":unsqueeze(2)
end

--- Words and what their texts say.
---@param ids any int64 (B, W), from 1
---@param mask any (B, W), 0 where there is no word
---@param options? table `rng` and `drop`: while training a word is left out with this probability
---@return any words (B, W, C)
---@return any sentence (B, C), the mean weighted by `weights`
---@return any weights (B, W) that sum to 1 over a text's words; 0 where there is none
function Network:__call(ids, mask, options)
  local b, w = ids.shape[1], ids.shape[2]
  local flat = ids:reshape(-1)
  local words = core.no_grad(self.rows, self, flat):reshape(b, w, self.width)
  if self.delta then
    local trained = core.where(ids:le(self.adapted), ids, self.adapted + 1)
    words = words + core.nn.embedding(self.delta, trained, { padding = self.adapted + 1 })
  end
  local weights = self.table.weight:index_select(1, flat):to "float32":reshape(b, w)
  local there = mask:ne(0):to "float32"
  local o = options or {}
  if self.training and o.drop then
    there = there * core.rand({ b, w }, { rng = o.rng }):gt(o.drop):to "float32"
      + there * 1e-6 -- never none at all
  end
  weights = weights * there
  weights = weights / weights:sum(2, { keepdim = true }):maximum(1e-12)
  local sentence = weights:unsqueeze(2):matmul(words):reshape(b, self.width)
  return words, sentence, weights
end

return network
