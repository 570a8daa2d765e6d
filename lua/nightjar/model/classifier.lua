--- Zero-shot classification: a sound is given to the label whose prompts are most similar to it. The
--- labels' prompts are encoded once, and then serve any number of sounds.
---
--- Several prompts of one label are taken together in one of two ways:
---   vectors   the mean of the prompts' sentence vectors, of unit length again, stands for the label
---             in the clip level. Finer levels compare words and phrases, which have no mean over
---             prompts: there it is the mean of the prompts' similarities
---   scores    at every level the mean of the prompts' similarities
--- The levels are then fused as the model fuses them.
---
--- Probabilities are a softmax over the labels of similarity / temperature: exactly one label is
--- right. With `multi_label` each label is judged by itself: by the model's calibration, or, where
--- `bias` is given, by the logistic function of (similarity - bias) / temperature.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local networks = require "nightjar.networks"
local prediction = require "nightjar.model.prediction"
local progress = require "nightjar.progress"
local prompts_of = require "nightjar.model.prompts"
local rows_of = require "nightjar.model.rows"
local similarity = require "nightjar.model.similarity"

local Classifier = { __name = "nightjar.Classifier" }
Classifier.__index = Classifier

local classifier = {}

local RULES = {
  templates = "string|table|function",
  ensemble = { type = "string", default = "vectors", one_of = { "vectors", "scores" } },
  temperature = { type = "number", above = 0 },
  multi_label = { type = "boolean", default = false },
  bias = "number",
  weights = "table",
}

-- The temperature of the fused similarity: that of the levels' losses, on the scale on which they
-- are fused, weighed as they are.
local function temperature_of(head, weights)
  local f = head.fusion
  if f.normalize == "temperature" then return 1 end
  local sum, total = 0, 0
  for _, level in ipairs(head:levels()) do
    local w = level ~= "caption" and (weights or f.weights)[level] or 0
    local deviation = f.normalize == "z" and f.statistics[level] and f.statistics[level].deviation
    sum = sum + w * head:temperature(level) / (deviation or 1)
    total = total + w
  end
  return total > 0 and sum / total or head:temperature()
end

-- Each label's place among the prompts of all: { first, last }.
local function spans_of(entries)
  local texts, spans, even = {}, {}, #entries[1].prompts
  for i, entry in ipairs(entries) do
    spans[i] = { #texts + 1, #texts + #entry.prompts }
    for _, prompt in ipairs(entry.prompts) do texts[#texts + 1] = prompt end
    if #entry.prompts ~= even then even = nil end
  end
  return texts, spans, even
end

-- Means over each label's rows: (labels, n) of (prompts, n).
local function means(self, S)
  if self.even == 1 then return S end
  if self.even then return S:reshape(#self.spans, self.even, S.shape[2]):mean(2) end
  local rows = {}
  for i, span in ipairs(self.spans) do rows[i] = S[{ span }]:mean(1) end
  return core.stack(rows, 1)
end

--- Makes a classifier; see Model:classifier.
---@param model table
---@param labels table
---@param options? table
---@param fname? string what messages begin with
---@param level? integer of errors
function classifier.new(model, labels, options, fname, level)
  fname, level = fname or "model:classifier", level or 3
  opts.arg(fname, 1, "labels", labels, "table", level + 1)
  local o = opts.check(fname, options, RULES, level + 1)
  local entries = prompts_of.of(fname, labels, o.templates, level + 1)
  if o.multi_label and not o.bias and not model.calibration then
    error(fname .. ": multi_label asks for a calibrated model, or for 'bias', the similarity at "
      .. "which a label is as likely as not", level)
  elseif o.bias and not o.multi_label then
    error(fname .. ": 'bias' goes with multi_label; labels that exclude each other have none", level)
  end
  local self = { model = model, multi_label = o.multi_label, bias = o.bias, weights = o.weights,
    ensemble = o.ensemble, labels = {}, prompts = {} }
  for i, entry in ipairs(entries) do self.labels[i], self.prompts[i] = entry.label, entry.prompts end
  local texts
  texts, self.spans, self.even = spans_of(entries)
  self.texts = model:encode_texts(texts)
  local mean = networks.infer(model:parts(), means, self, self.texts.vectors)
  self.vectors = mean:normalize(-1)
  local own = not o.weights and model.classification
  self.temperature = o.temperature or own and own.temperature or temperature_of(model.head, o.weights)
  return setmetatable(self, Classifier)
end

-- Levels of the labels with clips (labels, n) each, out of those of the prompts.
local function levels_of(self, clips)
  local by_prompt = self.model:similarity(self.texts, clips):levels()
  local out = {}
  for name, S in pairs(by_prompt) do out[name] = name == "captioned" and S or means(self, S) end
  if self.ensemble == "vectors" and out.clip and #clips > 0 then
    local vectors = {}
    for i, clip in ipairs(clips) do vectors[i] = clip.vector end
    out.clip = self.vectors:matmul(core.stack(vectors, 1):transpose(1, 2))
  end
  return out
end

local function compare(self, clips)
  local by_level = levels_of(self, clips)
  return by_level, self.model.head:fuse(by_level, self.weights):detach()
end

-- The encoded prompts of a label.
local function prompts_of_label(self, i)
  local list, span = {}, self.spans[i]
  for row = span[1], span[2] do list[#list + 1] = self.texts[row] end
  return list
end

-- Each label by itself: (labels, 1).
local function independent(self, clip, fused)
  if self.bias then return ((fused - self.bias) / self.temperature):sigmoid() end
  local judged = self.model.calibration.of == "similarity" and fused
    or self.vectors:matmul(clip.vector):unsqueeze(2)
  local rows = {}
  for i = 1, #self.labels do
    rows[i] = self.model:probabilities(rows_of.tagged(self.model) and prompts_of_label(self, i)
      or self.vectors[i], judged[i])
  end
  return core.stack(rows, 1)
end

local function is_encoded(item) return type(item) == "table" and item.vector ~= nil end

local function list_of(sounds)
  if type(sounds) ~= "table" or is_encoded(sounds) or opts.type_name(sounds) == "nightjar.Tensor" then
    return { sounds }
  end
  return sounds
end

--- The similarity of labels (rows) and sounds (columns), with its levels.
---@param sounds (string|any)[]|table[] as for Model:classify
---@return any? similarity nil when a sound cannot be read
---@return string? message
---@return string? code
function Classifier:similarity(sounds)
  sounds = list_of(sounds)
  local clips, names = {}, {}
  for i, sound in ipairs(sounds) do
    clips[i] = is_encoded(sound) and sound or self.model:audio({ sound })[1]
    if clips[i].error then
      return nil, "classifier:similarity: " .. clips[i].error, clips[i].code or "EIO"
    end
    names[i] = type(sound) == "string" and sound or clips[i].label or clips[i].path
      or ("clip %d"):format(i)
  end
  local by_level, fused = networks.infer(self.model:parts(), compare, self, clips)
  return similarity.new(fused, self.labels, names, { levels = by_level, head = self.model.head },
    { rows = "labels", columns = "clips" })
end

-- What is said of one encoded sound.
local function predict(self, clip, about)
  local by_level, fused = compare(self, { clip })
  local probabilities = self.multi_label and independent(self, clip, fused)
    or (fused / self.temperature):softmax(1)
  local there, entries = {}, {}
  for name, S in pairs(by_level) do
    local said = name ~= "captioned"
      and (name ~= "caption" or not by_level.captioned or by_level.captioned(1) ~= 0)
    if said then there[name] = S end
  end
  for i, label in ipairs(self.labels) do
    local levels = {}
    for name, S in pairs(there) do levels[name] = S(i, 1) end
    entries[i] = { label = label, probability = probabilities(i, 1), score = fused(i, 1),
      levels = levels }
  end
  return prediction.new(entries, about)
end

-- Encoded clips, one after the other: files behind one are read while it is encoded.
local function clips_of(self, sounds, captions)
  for _, sound in ipairs(sounds) do
    if is_encoded(sound) then
      local function next_clip(_, i)
        i = i + 1
        if i > #sounds then return nil end
        local known = sounds[i]
        return i, is_encoded(known) and known or self.model:audio({ known },
          { captions = captions and { captions[i] } })[1]
      end
      return next_clip, nil, 0
    end
  end
  return self.model:stream(sounds, { captions = captions })
end

local CLASSIFY = {
  top = { type = "integer", min = 1 }, progress = progress.rule, captions = "table",
}

--- Says which labels sounds have. Each sound is encoded and compared by itself, and then forgotten:
--- memory does not grow with their number, and no sound changes what is said of another.
---@param sounds string|any|(string|any)[] paths, waveforms (L) at the model's rate, or what
---  Model:audio gave; one of them, or a list
---@param options? table `top`: how many labels of each sound (all); `progress`: function(done,
---  total); `captions`: string[][], see Model:audio
---@return table predictions a list in the order given; each lists { label, probability, score,
---  levels }, best first, and has label, probability, path, seconds; or error and code, for a sound
---  that could not be read. See nightjar.Prediction
function Classifier:classify(sounds, options)
  local o = opts.check("classifier:classify", options, CLASSIFY)
  sounds = list_of(sounds)
  if o.captions and #o.captions ~= #sounds then
    error(("classifier:classify: captions of %d sounds for %d"):format(#o.captions, #sounds), 2)
  end
  local list, parts = {}, self.model:parts()
  local report = progress.report(o.progress, { label = "classifying" })
  local function add(i, clip, path)
    if clip.error then
      list[i] = prediction.failed(clip, path)
    else
      list[i] = networks.infer(parts, predict, self, clip,
        { path = path, seconds = clip.seconds, top = o.top })
    end
    report(i, #sounds)
  end
  for i, clip in clips_of(self, sounds, o.captions) do
    add(i, clip, type(sounds[i]) == "string" and sounds[i] or clip.path)
  end
  return prediction.list(list)
end

-- The mean of -log p(label of the clip) over clips, at a temperature. columns: scores of each clip.
local function surprise(columns, targets, temperature)
  local sum = 0
  for i, scores in ipairs(columns) do
    local most, total = -math.huge, 0
    for _, s in ipairs(scores) do most = math.max(most, s) end
    for _, s in ipairs(scores) do total = total + math.exp((s - most) / temperature) end
    sum = sum + math.log(total) - (scores[targets[i]] - most) / temperature
  end
  return sum / #columns
end

-- Where a function with one minimum between two numbers has it, by golden section.
local function minimum(f, low, high)
  local ratio = (math.sqrt(5) - 1) / 2
  local a, b = high - ratio * (high - low), low + ratio * (high - low)
  local at_a, at_b = f(a), f(b)
  while high - low > 1e-4 do
    if at_a <= at_b then
      high, b, at_b = b, a, at_a
      a = high - ratio * (high - low)
      at_a = f(a)
    else
      low, a, at_a = a, b, at_b
      b = low + ratio * (high - low)
      at_b = f(b)
    end
  end
  return (low + high) / 2
end

local RANGE = math.log(100)

--- Finds the temperature at which the labels of sounds that training never saw are most probable
--- (temperature scaling: Guo et al., "On calibration of modern neural networks", 2017), and keeps
--- it. The order of labels stays as it is. `model.classification = { temperature = … }` keeps it in
--- the model and its file: other classifiers of it begin there.
---@param sounds (string|any)[]|table[] as for classify
---@param labels string[] the label of each
---@return table? result temperature, before (the temperature until now), nll, nll_before: mean
---  negative log-likelihoods; nil when a sound cannot be read
---@return string? message
---@return string? code
function Classifier:fit(sounds, labels)
  opts.arg("classifier:fit", 1, "sounds", sounds, "table")
  opts.arg("classifier:fit", 2, "labels", labels, "table")
  if self.multi_label then error("classifier:fit: labels judged by themselves have no softmax", 2) end
  if #sounds == 0 or #labels ~= #sounds then
    error(("classifier:fit: %d labels for %d sounds"):format(#labels, #sounds), 2)
  end
  local place, targets = {}, {}
  for i, label in ipairs(self.labels) do place[label] = i end
  for i, label in ipairs(labels) do
    targets[i] = place[label]
    if not targets[i] then
      error(("classifier:fit: label %d, '%s', is none of the classifier's"):format(i,
        tostring(label)), 2)
    end
  end
  local S, message, code = self:similarity(sounds)
  if not S then return nil, message, code end
  local columns = S.scores:transpose(1, 2):totable()
  local function of(log_temperature) return surprise(columns, targets, math.exp(log_temperature)) end
  local before = math.log(self.temperature)
  local best = minimum(of, before - RANGE, before + RANGE)
  self.temperature = math.exp(best)
  return { temperature = self.temperature, before = math.exp(before), nll = of(best),
    nll_before = of(before) }
end

--- Words of the prompts that the model's training never showed, each once.
---@return string[]
function Classifier:unknown_words()
  local list, seen = {}, {}
  for _, prompt in ipairs(self.texts.texts) do
    for _, word in ipairs(self.model:unknown_words(prompt)) do
      if not seen[word] then
        seen[word] = true
        list[#list + 1] = word
      end
    end
  end
  return list
end

local PRINTED = 20

function Classifier:__len() return #self.labels end

function Classifier:__tostring()
  local lines, width = {}, 0
  local shown = math.min(#self.labels, PRINTED)
  for i = 1, shown do width = math.max(width, utf8.len(self.labels[i]) or #self.labels[i]) end
  for i = 1, shown do
    local label, prompts = self.labels[i], self.prompts[i]
    lines[i] = ("%4d  %s%s  %s%s"):format(i, label,
      (" "):rep(width - (utf8.len(label) or #label)), prompts[1],
      #prompts > 1 and (" (and %d more)"):format(#prompts - 1) or "")
  end
  local how = self.multi_label and (self.bias and "each by itself" or "each by itself, calibrated")
    or ("one of them, temperature %.3g"):format(self.temperature)
  lines[#lines + 1] = ("[%d labels%s, %d prompts, mean of %s; %s]"):format(#self.labels,
    shown < #self.labels and (", %d shown"):format(shown) or "", #self.texts, self.ensemble, how)
  return table.concat(lines, "\n")
end

--- A classifier that is made, asked and forgotten; see Model:classify.
---@param model table
---@param sounds any
---@param labels table
---@param options? table
function classifier.classify(model, sounds, labels, options)
  local rules = {}
  for _, known in ipairs { RULES, CLASSIFY } do
    for key, rule in pairs(known) do rules[key] = rule end
  end
  opts.arg("model:classify", 1, "sounds", sounds, { type = "any" }, 4)
  opts.arg("model:classify", 2, "labels", labels, "table", 4)
  local o, making, asking = opts.check("model:classify", options, rules, 4), {}, {}
  for key in pairs(RULES) do making[key] = o[key] end
  for key in pairs(CLASSIFY) do asking[key] = o[key] end
  return classifier.new(model, labels, making, "model:classify", 4):classify(sounds, asking)
end

return classifier
