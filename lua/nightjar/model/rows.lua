--- What a library compares every sound by, before finer levels are read: one row of numbers a sound.
---
--- For most models that is the clip vector, and a text's similarity is the cosine. Where queries are matched
--- with
--- tags (head/tags.lua), the tags stand after the clip vector, and a text's similarity is the fusion of both:
--- words that a clip vector never learnt are found by the tags alone, so these have to be asked of every sound.
local core = require "nightjar.core"
local tags = require "nightjar.head.tags"

local rows = {}

--- Whether rows hold tags.
---@param model table
---@return boolean
function rows.tagged(model)
  local head = rawget(model, "head")
  local ac = head and head.o.ac
  return ac ~= nil and ac.matching ~= nil and ac.matching.kind == "tags"
end

--- Numbers of a row.
---@param model table
---@return integer
function rows.width(model)
  return model.dim + (rows.tagged(model) and model.audio_tower.tagger.classes or 0)
end

--- The row of a sound, (width).
---@param model table
---@param clip table what Model:audio gave
---@return any
function rows.row(model, clip)
  if not rows.tagged(model) then return clip.vector end
  return core.cat({ clip.vector, clip.levels.caption[1] }, 1)
end

--- A sound that is known by its row alone, as Model:similarity takes it.
---@param model table
---@param row any (width)
---@return table { vector (D), tags (classes) where rows hold them }
function rows.clip(model, row)
  if not rows.tagged(model) then return { vector = row } end
  return { vector = row[{ { 1, model.dim } }], tags = row[{ { model.dim + 1, -1 } }] }
end

--- Rows made ready to be asked often: cut into the parts that are multiplied.
---@param model table
---@param matrix any (N, width)
---@return table { clip (N, D), caption (N, classes) }
function rows.prepare(model, matrix)
  if not rows.tagged(model) then return { clip = matrix } end
  return { clip = matrix[{ {}, { 1, model.dim } }]:contiguous(),
    caption = matrix[{ {}, { model.dim + 1, -1 } }]:contiguous() }
end

--- Similarities of texts with all rows, level by level: clip and, where rows hold tags, caption, (Bt, N) each.
---@param model table
---@param t table levels of texts, as head:text gives them
---@param prepared table of rows.prepare
---@return table
function rows.levels(model, t, prepared)
  return { clip = t.sentence:matmul(prepared.clip:t()),
    caption = prepared.caption and tags.scores(model.head, t, prepared.caption) or nil }
end

--- The same as one number each, (N), of one text.
---@param model table
---@param text table one of Model:encode_texts
---@param prepared table of rows.prepare
---@return any
function rows.scores(model, text, prepared)
  local levels = rows.levels(model, text.levels, prepared)
  return (levels.caption and model.head:fuse(levels) or levels.clip)[1]
end

--- How well the levels know a text, from 0 to 1, and what the weights of its fused similarity sum to: 1, and
--- less where tags count less because it is known. What is judged is divided by that.
---@param model table
---@param text table one of Model:encode_texts
---@return number known
---@return number scale
function rows.known(model, text)
  local head = model.head
  if not head.known then return 0, 1 end
  local alpha, share = head:alpha(), tags.share(head, text.levels.sentence)(1, 1)
  return (1 - share) / (1 - head.o.ac.matching.least), alpha + (1 - alpha) * share
end

--- Similarities of a text with the bank of the model's calibration, (M); of several texts their mean.
---@param model table
---@param texts table one of Model:encode_texts, or a list of them
---@return any scores (M), on the scale of a text for which tags count in full
---@return number scale that what is judged is divided by
---@return number known
function rows.background(model, texts)
  local c = model.calibration
  c.prepared = c.prepared or rows.prepare(model, c.bank)
  local list, total, scale, known = texts.levels and { texts } or texts, nil, 0, 0
  for _, text in ipairs(list) do
    local scores = rows.scores(model, text, c.prepared)
    local k, s = rows.known(model, text)
    total, scale, known = total and total + scores or scores, scale + s, known + k
  end
  scale, known = scale / #list, known / #list
  return total / (#list * scale), scale, known
end

--- How much sounds are like one of them, (N): cosines, of clip vectors and, where rows hold tags, of these,
--- too, as their mean.
---@param row any (width)
---@param prepared table of rows.prepare
function rows.alike(model, row, prepared)
  local one = rows.prepare(model, row:unsqueeze(1))
  local cosine = prepared.clip:matmul(one.clip[1])
  if not prepared.caption then return cosine end
  return (cosine + prepared.caption:normalize(-1):matmul(one.caption:normalize(-1)[1])) * 0.5
end

return rows
