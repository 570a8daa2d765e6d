--- The model that fine-tuning begins with: one that there is, or a new one behind an encoder with weights of
--- others.
local core = require "nightjar.core"
local encoders = require "nightjar.encoders"
local models = require "nightjar.model"
local opts = require "nightjar.opts"

local rehearsal = require "nightjar.finetune.rehearsal"
local new_words = require "nightjar.finetune.words"

local start = {}

-- A vocabulary: its size (learnt from the texts), a file, or the words themselves.
local function words_of(given, texts)
  if math.type(given) == "integer" then
    return core.text.train_wordpiece(texts, { size = given, min_frequency = 1 })
  end
  local tokenizer, message, code = core.text.wordpiece(given)
  if not tokenizer then return nil, message, code end
  return tokenizer:vocabulary()
end

-- A text tower that knows nothing yet.
local function fresh_text(o, texts)
  local words, message, code = words_of(o.vocabulary or 2000, texts)
  if not words then return nil, message, code end
  local t = opts.check("finetune: option 'text'", o.text or {}, {
    width = { type = "integer", default = 128, min = 1 },
    layers = { type = "integer", default = 2, min = 0 },
    heads = { type = "integer", default = 4, min = 1 },
    feed_forward = { type = "integer", min = 1 },
    dropout = { type = "number", default = 0.1, min = 0, below = 1 },
    max = { type = "integer", default = 48, min = 2 },
  }, 0)
  return {
    vocabulary = words, sentence = "mean", max = t.max,
    encoder = { kind = "bert", width = t.width, layers = t.layers, heads = t.heads,
      feed_forward = t.feed_forward or 2 * t.width, positions = math.max(64, t.max), types = 1,
      dropout = t.dropout },
  }
end

-- The text tower of a model, to be put into another one: network, vocabulary and what goes with them.
local function text_of(tower)
  local d = tower:descriptor()
  d.encoder, d.vocabulary, d.merges = tower.encoder, tower.vocabulary, tower.merges
  return d
end

local function audio_of(tower)
  local d = tower:descriptor()
  d.encoder = tower.encoder
  return d
end

-- The encoder as nj.encoders.from reads it: without the classifier of what it was trained for.
local function new_model(o, texts)
  local e = opts.check("finetune: option 'encoder'", o.encoder, {
    name = { type = "string|table", required = true },
    checkpoint = { type = "string|table", required = true },
    prefix = "string",
  }, 0)
  local net, about, code = encoders.from(e.name, { checkpoint = e.checkpoint, prefix = e.prefix,
    encoder = { classes = 0 } })
  if not net then return nil, about, code end
  local text, message, why = fresh_text(o, texts)
  if not text then return nil, message, why end
  return models.new({
    name = o.name, dim = o.dim or 256, text = text, hci = o.hci,
    audio = { front_end = about.front_end, encoder = net },
    projection = { form = "mlp", dropout = o.dropout },
  }, { rng = core.rng(o.seed) })
end

-- Weights of one model that another has in the same shape.
local function shared_weights(from, to)
  local own, kept = to:state(), {}
  for name, tensor in pairs(from:state()) do
    if own[name] and table.concat(own[name].shape, ",") == table.concat(tensor.shape, ",") then
      kept[name] = tensor
    end
  end
  return kept
end

-- A model over the encoders of another, with other levels, another width or a text encoder of its own.
-- Levels that are new begin as drawn; so does the whole head where the width or the text encoder is new.
local function rebuilt(model, o, texts)
  local fresh = o.vocabulary ~= nil or o.text ~= nil
  local fresh_head = fresh or o.dim ~= nil and o.dim ~= model.dim
  local text, message, code
  if fresh then
    text, message, code = fresh_text(o, texts)
    if not text then return nil, message, code end
  else
    text = text_of(model.text_tower)
  end
  local d = model:descriptor()
  local built = models.new({ name = o.name, dim = o.dim or d.dim, projection = d.projection,
    temperature = d.temperature, audio = audio_of(model.audio_tower), text = text, hci = o.hci or d.hci,
    ac = d.ac }, { rng = core.rng(o.seed) })
  if not fresh_head then
    built:load_state(shared_weights(model, built), { missing = "keep" })
  end
  return { model = built, fresh_text = fresh, fresh_head = fresh_head }
end

--- Makes or loads the model.
---@param o table of nj.finetune: model or encoder; vocabulary, text, hci, dim, seed, name
---@param texts string[] the training captions
---@return table? start { model, fresh_text (its text encoder is new), fresh_head (so is all behind the
---  encoders), known (texts that it knew), words (those that its vocabulary was given) }
---@return string? message
---@return string? code
function start.make(o, texts)
  if (o.model == nil) == (o.encoder == nil) then
    error("finetune: give either 'model' (to go on with) or 'encoder' (to begin with)", 0)
  end
  if o.encoder then
    local model, message, code = new_model(o, texts)
    if not model then return nil, message, code end
    return { model = model, fresh_text = true, fresh_head = true, words = {}, known = {} }
  end
  local model = o.model
  if type(model) == "string" then
    local message, code
    model, message, code = models.load(o.model)
    if not model then return nil, message, code end
  end
  local begun = { model = model }
  if o.vocabulary or o.text or o.hci or o.dim then
    local made, message, code = rebuilt(model, o, texts)
    if not made then return nil, message, code end
    begun = made
  end
  begun.known = begun.fresh_text and {} or rehearsal.texts(begun.model)
  begun.words = {}
  return begun
end

--- Gives the model of start.make the words of the training captions that it lacks, and says what of its text
--- encoder is trained.
---@param begun table of start.make; its `words` are filled
---@param o table of nj.finetune
---@param texts string[]
---@return boolean with_text whether the text encoder is trained
function start.extend(begun, o, texts)
  local model = begun.model
  if begun.fresh_text then return true end
  if o.extend then begun.words = new_words.extend(model, texts) end
  new_words.adapt(model, o.unfreeze and #model.text_tower.vocabulary or #begun.words)
  return o.unfreeze or #begun.words > 0
end

return start
