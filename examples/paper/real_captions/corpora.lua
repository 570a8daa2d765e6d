--- The captions of experiment 6: human ones of Clotho and AudioCaps, and what captioners wrote about
--- the same clips. No sound is needed.
---
--- A group is a clip with the texts about it: { id=, queries = {…}, documents = {…} }. Queries are
--- what people wrote; documents what a clip is found by. In training splits the two are drawn from
--- the same human captions; in the others documents are generated captions alone.
local nj = require "nightjar"

local corpora = {}

-- The systems whose captions of Clotho's evaluation split are there; the validation file has more.
local systems = {
  "fancy-galaxy-115/beam_classic5", "peach-bush-111/beam_classic5", "rose-lake-75/beam_classic10",
  "rose-lake-75/beam_classic5", "stilted-vortex-116/beam_classic5", "trim-snow-114/beam_classic5",
}

local function clotho(root, split)
  return assert(nj.data.clotho(root .. "/clotho", { split = split, missing = "keep" }))
end

local function generated(root, name, dataset)
  return assert(nj.data.generated(root .. "/generated/" .. name, { dataset = dataset }))
end

-- The captions of the systems that both splits have, in their order.
local function of_systems(set, id)
  local by_source, out = {}, {}
  for _, caption in ipairs(set:of(id)) do by_source[caption.source] = caption.text end
  for _, name in ipairs(systems) do out[#out + 1] = by_source[name] end
  return out
end

--- Clotho development: five human captions a clip and, for each, a paraphrase by a language model.
---@return table[] groups documents[k + 5] paraphrases documents[k]
function corpora.development(root)
  local set = clotho(root, "development")
  local paraphrases = generated(root, "clotho_dev_plus_phi4.csv", set)
  local groups = {}
  for i, clip in ipairs(set.clips) do
    local texts = {}
    for k, caption in ipairs(paraphrases:of(clip.id)) do texts[k] = caption.text end
    if #texts ~= 10 then texts = clip.captions end
    groups[i] = { id = clip.id, queries = clip.captions, texts = texts }
  end
  return groups
end

--- AudioCaps train: one caption a clip.
---@return table[]
function corpora.audiocaps_train(root)
  local set = assert(nj.data.audiocaps(root .. "/audiocaps", { split = "train", missing = "keep" }))
  local groups = {}
  for i, clip in ipairs(set.clips) do
    groups[i] = { id = clip.id, queries = clip.captions, texts = clip.captions }
  end
  return groups
end

--- Clotho validation: human captions, and all generated ones (`all`) or those of the six systems
--- that Clotho's evaluation split has too (`documents`).
---@return table[]
function corpora.validation(root)
  local set = clotho(root, "validation")
  local captions = generated(root, "jku_whisper_clotho_validation.jsonl", set)
  local all = captions:texts(set, { unique = true })
  local groups = {}
  for i, clip in ipairs(set.clips) do
    groups[i] = {
      id = clip.id, queries = clip.captions, documents = of_systems(captions, clip.id),
      all = all[i],
    }
  end
  return groups
end

--- Clotho evaluation: documents are the three beams of CoNeTTE, the most probable first, and the
--- six of the other captioner.
---@return table[]
function corpora.evaluation(root)
  local set = clotho(root, "evaluation")
  local conette = generated(root, "conette_clotho_eval.jsonl", set)
  local whisper = generated(root, "jku_whisper_clotho_evaluation.jsonl", set)
  local groups = {}
  for i, clip in ipairs(set.clips) do
    local documents = conette:texts({ clip.id })[1]
    local more = of_systems(whisper, clip.id)
    table.move(more, 1, #more, #documents + 1, documents)
    groups[i] = { id = clip.id, queries = clip.captions, documents = documents }
  end
  return groups
end

--- AudioCaps test: the clips that CoNeTTE has captions of, three beams each.
---@return table[]
---@return integer listed how many clips the split lists
function corpora.audiocaps_test(root)
  local set = assert(nj.data.audiocaps(root .. "/audiocaps", { split = "test", missing = "keep" }))
  local conette = generated(root, "conette_audiocaps_test.jsonl", set)
  local groups = {}
  for _, clip in ipairs(set.clips) do
    local documents = conette:texts({ clip.id })[1]
    if #documents > 0 then
      groups[#groups + 1] = { id = clip.id, queries = clip.captions, documents = documents }
    end
  end
  return groups, #set.clips
end

return corpora
