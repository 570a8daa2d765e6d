--- Retrieval of a whole data set with a model: what `nightjar eval` does.
local core = require "nightjar.core"
local data = require "nightjar.data"
local metrics = require "nightjar.metrics"
local opts = require "nightjar.opts"

local evaluate = {}

local function open_esc50(root, split)
  local fold = math.tointeger(tonumber(split))
  if fold and fold >= 1 and fold <= 5 then return data.esc50(root, { folds = { fold } }) end
  for _, known in ipairs { "train", "val", "test", "all" } do
    if split == known then return data.esc50(root, { split = split }) end
  end
  local message = "esc50: a split is train, val, test, all or a fold from 1 to 5, got '%s'"
  return nil, message:format(split), "EARG"
end

--- Opens a data set by the name of its kind.
---@param kind "folder"|"esc50"|"audiocaps"|"clotho"
---@param root string its folder
---@param options? { split?: string, captions?: string } split: of audiocaps and clotho; of esc50
---  train, val, test or a fold (5). captions: a CSV of captions, for folder
---@return table|nil dataset
---@return string? message
---@return string? code
function evaluate.open(kind, root, options)
  opts.arg("evaluate.open", 1, "kind", kind,
    { type = "string", one_of = { "folder", "esc50", "audiocaps", "clotho" } })
  local o = opts.check("evaluate.open", options, { split = "string", captions = "string" })
  if kind == "folder" then
    if o.split then return nil, "a folder has no splits", "EARG" end
    return data.folder(root, { csv = o.captions })
  end
  if o.captions then return nil, kind .. " has its own captions", "EARG" end
  if kind == "esc50" then return open_esc50(root, o.split or "5") end
  return data[kind](root, { split = o.split })
end

--- Vectors of clips as one matrix; clips whose sound cannot be read are left out.
---@param model table
---@param clips table[] with `path`
---@param progress? fun(done: integer, total: integer)
---@return any vectors (n, D), table[] kept, { id: string, error: string }[] failed
function evaluate.clips(model, clips, progress)
  opts.arg("evaluate.clips", 1, "model", model, "table")
  opts.arg("evaluate.clips", 2, "clips", clips, "table")
  opts.arg("evaluate.clips", 3, "progress", progress, { type = "callable", optional = true })
  local rows, kept, failed = {}, {}, {}
  for i, clip in ipairs(clips) do
    opts.arg("evaluate.clips", 2, "clips, an item", clip, "table")
    if clip.path then
      local result = model:audio({ clip.path })[1]
      if result.error then
        failed[#failed + 1] = { id = clip.id, error = result.error }
      else
        rows[#rows + 1], kept[#kept + 1] = result.vector, clip
      end
    end
    if progress then progress(i, #clips) end
  end
  return #rows > 0 and core.stack(rows, 1) or core.zeros(0, model.dim), kept, failed
end

--- Text→audio and audio→text retrieval over all captions of a data set.
---@param model table
---@param dataset table of nj.data
---@param options? table `bootstrap`, `seed`: see nj.metrics.retrieval; `progress`: function(done,
---  total)
---@return any|nil result a nj.metrics retrieval result
---@return table|string failed { id, error } of each clip that could not be read; or a message
---@return string? code
function evaluate.run(model, dataset, options)
  opts.arg("evaluate.run", 1, "model", model, "table")
  opts.arg("evaluate.run", 2, "dataset", dataset, "table")
  local o = opts.check("evaluate", options,
    { bootstrap = "integer", seed = "integer", progress = "function" })
  local vectors, kept, failed = evaluate.clips(model, dataset.clips, o.progress)
  local texts, clip_of = {}, {}
  for i, clip in ipairs(kept) do
    for _, caption in ipairs(clip.captions) do
      texts[#texts + 1], clip_of[#clip_of + 1] = caption, i
    end
  end
  if #texts == 0 then
    return nil, ("%s: nothing to evaluate: %d clips with sound, no captions"):format(
      dataset.name or "data set", #kept), "ENOTFOUND"
  end
  local scores = model:text(texts):matmul(vectors:transpose(1, 2))
  return metrics.retrieval(scores, { clip_of = clip_of, bootstrap = o.bootstrap, seed = o.seed }),
    failed
end

--- Text→audio with one prompt for each class, as zero-shot classification asks: mAP over classes.
---@param model table
---@param clips table[] with `path` and `label`
---@param prompts table<string, string[]> captions of each class; their vectors are averaged
---@return any result a nj.metrics classification result
function evaluate.classes(model, clips, prompts)
  opts.arg("evaluate.classes", 3, "prompts", prompts, "table")
  local vectors, kept = evaluate.clips(model, clips)
  local labels, rows, targets, index = {}, {}, {}, {}
  for label in pairs(prompts) do labels[#labels + 1] = label end
  table.sort(labels)
  for i, label in ipairs(labels) do
    index[label] = i
    rows[i] = model:text(prompts[label]):mean(1):normalize(-1)
  end
  for i, clip in ipairs(kept) do targets[i] = index[clip.label] end
  local scores = core.stack(rows, 1):matmul(vectors:transpose(1, 2))
  return metrics.classification(scores, { labels = targets, names = labels })
end

return evaluate
