--- What validation data tell a trained model beyond its best epoch: how scores become probabilities.
local calibration = require "nightjar.model.calibration"
local core = require "nightjar.core"
local of_rows = require "nightjar.model.rows"

local judge = {}

--- The most clips that scores are judged against.
judge.BANK = 300

--- Places of at most BANK of n clips, evenly drawn.
---@param n integer
---@return integer[]
function judge.places(n)
  local drawn, count = {}, math.min(judge.BANK, n)
  for i = 1, count do drawn[i] = (i - 1) * n // count + 1 end
  return drawn
end

--- What clips mean the same: a caption of one is then no wrong answer for the other.
---@param clip nightjar.Clip
---@return string
function judge.meaning(clip) return clip.group or clip.label or clip.id end

-- Rows of matches for some of the texts: as many, evenly drawn, as make PAIRS pairs with all clips.
local PAIRS = 200000

local function matches_of(owners, meanings)
  local texts = math.max(1, math.min(#owners, PAIRS // math.max(1, #meanings)))
  local rows, matches = {}, {}
  for k = 1, math.min(texts, #owners) do
    local t = (k - 1) * #owners // texts + 1
    local wanted, row, positives = {}, {}, 0
    for _, own in ipairs(owners[t]) do wanted[meanings[own]] = true end
    for n, meaning in ipairs(meanings) do
      row[n] = wanted[meaning] == true
      positives = positives + (row[n] and 1 or 0)
    end
    if positives < #meanings then rows[#rows + 1], matches[#matches + 1] = t, row end
  end
  return rows, matches
end

--- Fits a model's calibration: against a bank of training clips, on captions and clips of validation data;
--- of the fused similarities where the model compares more than clip and sentence.
---@param model nightjar.Model
---@param bank nightjar.Tensor (M, D) rows of training clips (see model/rows.lua)
---@param S nightjar.Similarity of captions (rows) and clips of the validation data
---@param owners integer[][] for each row, the clips that it is a caption of
---@param meanings string[] of the clips: those that mean the same as an owner match, too
---@return table? calibration nil where there is nothing to tell right from wrong
function judge.calibrate(model, bank, S, owners, meanings)
  local rows, matches = matches_of(owners, meanings)
  if #rows == 0 or bank.shape[1] < 2 then return nil end
  local vectors, index = {}, core.tensor(rows, { dtype = "int64" })
  for n, sound in ipairs(S.source.sounds) do vectors[n] = sound.vector end
  local levels = model.head:levels()
  local several = #levels > 1 or levels[1] ~= "clip"
  local fused = several and S:fuse().scores:index_select(1, index) or nil
  local more
  if of_rows.tagged(model) then
    local backgrounds, known = {}, {}
    model.calibration, fused = { bank = bank }, fused:clone()
    for k, t in ipairs(rows) do
      local scale
      backgrounds[k], scale, known[k] = of_rows.background(model, S.source.encoded[t])
      fused[k]:div_(scale)
    end
    more = { backgrounds = core.stack(backgrounds, 1), known = known, trim = 0.1 }
  end
  return calibration.fit(bank, S.source.encoded.vectors:index_select(1, index), core.stack(vectors, 1),
    matches, fused, more)
end

return judge
