--- A captioner's methods that say what sounds hold: frames of sounds, captions of frames, their texts. They
--- become methods of nightjar.Captioner.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local progress = require "nightjar.progress"
local networks = require "nightjar.networks"
local tiles = require "nightjar.model.tiles"
local words = require "nightjar.captioner.words"

local generation = {}
local methods = {}

-- How captions are found; what a captioner's descriptor may hold of it.
generation.DEFAULTS = {
  method = { type = "string", one_of = { "greedy", "beam", "nucleus", "top_k" } },
  beam = { type = "integer", min = 1 },
  groups = { type = "integer", min = 1 },
  diversity = { type = "number", min = 0 },
  length_penalty = { type = "number", min = 0 },
  p = { type = "number", above = 0, max = 1 },
  k = { type = "integer", min = 1 },
  temperature = { type = "number", above = 0 },
  min = { type = "integer", min = 0 },
  max = { type = "integer", min = 1 },
  no_repeat = { type = "integer", min = 0 },
  repeat_words = "boolean",
  renormalize = "boolean",
  narrowing = "boolean",
}

local OPTIONS = {
  n = { type = "integer", min = 1 },
  unique = "boolean",
  task = "string",
  rng = "nightjar.Rng",
  mask = "tensor",
  batch = { type = "integer", min = 1 },
  progress = progress.rule,
}
for key, rule in pairs(generation.DEFAULTS) do OPTIONS[key] = rule end

-- What a call says, then what the captioner says, then this.
local usual = { method = "beam", n = 1, min = 1, repeat_words = true, unique = false, batch = 16 }

local function settings(self, options)
  local o = opts.check("captioner:caption", options, OPTIONS)
  local beam = o.beam
  for _, source in ipairs { self.generation, usual } do
    for key, value in pairs(source) do
      if o[key] == nil then o[key] = value end
    end
  end
  if not beam and o.beam then o.beam = math.max(o.beam, o.n) end
  return o
end

-- What decoder:generate takes.
local function generate_options(self, o)
  local bos = words.begins(self.words, o.task)
  local forbid = table.move(self.words.forbid, 1, #self.words.forbid, 2, { bos })
  local options = {
    bos = bos, eos = self.words.eos, forbid = forbid, max = o.max or self.max,
    once = not o.repeat_words and self.words.content or nil,
  }
  for _, key in ipairs { "method", "n", "beam", "groups", "diversity", "length_penalty", "p", "k",
    "temperature", "min", "no_repeat", "renormalize", "narrowing", "rng" } do
    options[key] = o[key]
  end
  if not o.unique or o.n == 1 then return options end
  options.n = 2 * o.n -- some will say the same
  if options.beam then options.beam = math.max(options.beam, options.n) end
  return options, o.n
end

--- The text of token ids: pieces joined, special tokens left out, no space before punctuation.
---@param ids integer[]
---@return string
function methods:text(ids)
  if self.words.text then return self.words.text(ids) end
  return self.tokenizer:decode(ids)
end

-- The first n captions of a list with texts that differ.
local function distinct(list, n)
  local seen, kept = {}, {}
  for _, caption in ipairs(list) do
    if not seen[caption.text] and #kept < n then
      seen[caption.text] = true
      kept[#kept + 1] = caption
    end
  end
  return kept
end

-- Captions of frames (B, N, C).
local function describe(self, frames, mask, options, unique)
  local clips = self.decoder:generate(frames, mask, options)
  for b, list in ipairs(clips) do
    for _, caption in ipairs(list) do caption.text = self:text(caption.ids) end
    if unique then clips[b] = distinct(list, unique) end
  end
  return clips
end

-- All that the encoder gives of a waveform: clip vector and frames of each tile.
local function heard_of(self, wave)
  local heard = {}
  for mel, own in tiles.of_wave(self.audio_tower, wave) do
    local lengths = core.tensor({ own }, { dtype = "int64" })
    heard[#heard + 1] = self:listen(mel:unsqueeze(1), lengths)[1]
  end
  return core.cat(heard, 1)
end

-- Frames (N, C) of a path or waveform, or nil, message, code.
local function frames_of(self, sound)
  local wave = sound
  if type(sound) == "string" then
    local message, code
    wave, message, code = core.audio.decode(sound, { rate = self.audio_tower.front_end.rate })
    if not wave then return nil, message, code end
  elseif opts.type_name(sound) ~= "nightjar.Tensor" or #sound.shape ~= 1 then
    error("captioner:caption: sounds are paths or waveforms (one dimension), got a "
      .. opts.type_name(sound), 0)
  end
  if wave.shape[1] == 0 then return nil, "the sound is empty", "EFORMAT" end
  local frames = self.clip_frame and heard_of(self, wave) or tiles.frames(self.audio_tower, wave)
  if not frames:isfinite():all() then
    return nil, "the sound holds NaN or infinite values", "EFORMAT"
  end
  return frames
end

-- Frames of several lengths as one tensor (B, N, C) with its mask.
local function stack(list)
  local longest, lengths = 0, {}
  for i, frames in ipairs(list) do
    lengths[i] = frames.shape[1]
    longest = math.max(longest, lengths[i])
  end
  local padded = {}
  for i, frames in ipairs(list) do
    padded[i] = frames:pad { { 0, longest - lengths[i] }, { 0, 0 } }
  end
  local places = core.arange(1, longest, { dtype = "int64" }):reshape(1, -1)
  local ends = core.tensor(lengths, { dtype = "int64" }):reshape(-1, 1)
  return core.stack(padded, 1), places:le(ends)
end

local function caption_sounds(self, sounds, o, options, unique)
  local results, waiting, places = {}, {}, {}
  local report = progress.report(o.progress, { label = "captioning" })
  local function flush()
    if #waiting == 0 then return end
    local frames, mask = stack(waiting)
    for i, list in ipairs(describe(self, frames, mask, options, unique)) do results[places[i]] = list end
    waiting, places = {}, {}
  end
  for i, sound in ipairs(sounds) do
    local frames, message, code = frames_of(self, sound)
    if frames then
      waiting[#waiting + 1], places[#places + 1] = frames, i
    else
      results[i] = { error = message, code = code }
    end
    if #waiting == o.batch then flush() end
    report(i, #sounds)
  end
  flush()
  return results
end

--- Captions of sounds, the best of each first.
---@param input any frames (B, N, C) with option `mask` (B, N); or a path, a waveform (L) at the
---  front-end's rate, or a list of these, for a captioner with an audio encoder
---@param options? table `method` ("beam"), `n` (1) captions a sound, `beam`, `groups`, `diversity`,
---  `length_penalty`, `p`, `k`, `temperature`, `min` (1) and `max` tokens, `no_repeat`,
---  `renormalize`, `narrowing`, `rng` as in decoder:generate; `repeat_words` (true): false lets no word
---  come twice but articles, prepositions and the like; `task`: what begins the captions, of a
---  captioner that has tasks; `unique` (false): captions of a sound differ in their texts (sampling
---  draws some twice; there may be fewer than n); `batch` (16) sounds at a time, which changes no
---  result; `progress`: true or function(done, total). A captioner's `generation` comes before these defaults
---@return table[] for each sound a list of { text, logprob (the sum over tokens), mean (per token),
---  score, finished, ids }, or { error = message, code = … } for one that could not be read
function methods:caption(input, options)
  local o = settings(self, options)
  local generate, unique = generate_options(self, o)
  if opts.type_name(input) == "nightjar.Tensor" and #input.shape == 3 then
    return networks.infer(self:parts(), describe, self, input, o.mask, generate, unique)
  end
  if o.mask then error("captioner:caption: a mask goes with frames (B, N, C)", 2) end
  if not self.audio_tower then
    error("captioner:caption: this captioner has no audio encoder; give frames (B, N, C), not a "
      .. opts.type_name(input), 2)
  end
  if type(input) ~= "table" then input = { input } end
  return networks.infer(self:parts(), caption_sounds, self, input, o, generate, unique)
end

generation.methods = methods
return generation
