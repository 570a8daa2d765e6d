--- A tiny model of whole words that matches queries with tags.
local nj = require "nightjar"

local tagged = {}

tagged.words = { "dog", "bark", "rain", "falling", "siren", "cat", "open", "door", "wood", "loud" }
tagged.names = { "Dog, bark", "Rain", "Siren", "Door" }

---@param options? table of the model, over the defaults
function tagged.model(options)
  local rng = nj.rng(5)
  local d = {
    name = "tiny", dim = 8, projection = { form = { audio = "mlp", text = "gated" }, hidden = 8 },
    audio = {
      front_end = { preset = "efficientat", fill = "repeat", duration = 2, gap = 0.2 },
      encoder = { kind = "mobilenet", width = 0.1, classes = #tagged.names },
      clip = "tags", tags = { names = tagged.names, window = 3, step = 1 },
    },
    text = { vocabulary = tagged.words, encoder = { kind = "words", width = 6 } },
    hci = { levels = { "clip", "frame" } },
    ac = { matching = { kind = "tags" }, alpha = 0.4 },
  }
  for key, value in pairs(options or {}) do d[key] = value end
  local model = nj.model(d, { rng = rng })
  model.text_tower.encoder:set(nj.randn(#tagged.words, 6, { rng = rng }):normalize(-1),
    nj.rand(#tagged.words, { rng = rng }) + 0.1)
  return model:eval()
end

--- A calibration over noise, so that scores are probabilities.
function tagged.calibrate(model)
  local rows = require "nightjar.model.rows"
  local bank = {}
  for i, clip in ipairs(model:audio { tagged.noise(1), tagged.noise(2), tagged.noise(3) }) do
    bank[i] = rows.row(model, clip)
  end
  model.calibration = { of = "similarity", bank = nj.stack(bank, 1), weights = { 1, 0.5, -1 } }
  return model
end

--- Noise of `seconds` at the model's rate.
function tagged.noise(seed, seconds)
  return nj.randn(math.floor((seconds or 1) * 32000), { rng = nj.rng(seed) }) * 0.1
end

return tagged
