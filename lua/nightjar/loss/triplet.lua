--- Triplet losses on a batch's similarities: a pair must score higher than its negatives by a
--- margin.
---
---   sum       Σ_{j≠i} [m + S_ij − S_ii]₊, over all negatives, both directions, over B
---             (bi-directional ranking loss)
---   max       the same with the hardest negative only (VSE++, Faghri et al. 2018)
---   weighted  polynomial weights of positive and hardest negative (universal weighting metric
---             learning, Wei et al. 2020, with the constants of XinhaoMei/audio-text_retrieval)
---
--- Pairs of the same clip (equal ids) are never negatives of each other.
local pairs_of = require "nightjar.loss.pairs"
local opts = require "nightjar.opts"

local triplet = {}

local function rules(margin)
  return { margin = { type = "number", default = margin, min = 0 }, ids = "table|tensor" }
end

-- 1 where (i, j) is no negative: the diagonal and pairs of the same clip.
local function not_negative(fname, ids, size)
  if not ids then return pairs_of.off_diagonal(size):eq(0) end
  local numbers = pairs_of.numbered(fname, ids, size, 4)
  return pairs_of.same(numbers, numbers)
end

-- The hinge of every negative, 0 elsewhere; anchors are the rows (dim 2) or the columns (dim 1).
local function hinges(S, dim, margin, excluded)
  local positive = pairs_of.diagonal(S, dim)
  return (S - positive + margin):relu():masked_fill(excluded, 0)
end

--- Sum over all negatives.
---@param S nightjar.Tensor (B, B) cosine similarities, rows audio, columns text
---@param options? { margin?: number, ids?: any[] } margin defaults to 0.2
---@return nightjar.Tensor scalar
function triplet.sum(S, options)
  local size = pairs_of.check_square("triplet_sum", S)
  local o = opts.check("triplet_sum", options, rules(0.2))
  local excluded = not_negative("triplet_sum", o.ids, size)
  return (hinges(S, 2, o.margin, excluded):sum() + hinges(S, 1, o.margin, excluded):sum()) / size
end

--- Hardest negative of each row and of each column.
---@param S nightjar.Tensor (B, B) cosine similarities, rows audio, columns text
---@param options? { margin?: number, ids?: any[] } margin defaults to 0.2
---@return nightjar.Tensor scalar
function triplet.max(S, options)
  local size = pairs_of.check_square("triplet_max", S)
  local o = opts.check("triplet_max", options, rules(0.2))
  local excluded = not_negative("triplet_max", o.ids, size)
  local function hardest(dim) return hinges(S, dim, o.margin, excluded):max(dim):sum() end
  return (hardest(2) + hardest(1)) / size
end

-- Σ over anchors of [0.2p² − 0.7p + 0.5]₊ + [0.9n² − 0.4n + 0.03]₊.
local function polynomials(S, dim, margin, excluded)
  local p = pairs_of.diagonal(S, dim)
  local candidate = (S + margin):gt(p) * excluded:eq(0)
  local n = S:masked_fill(candidate:eq(0), -math.huge):max(dim, { keepdim = true })
  -- An anchor that has no such negative, or whose pair is all but identical, does not count.
  local skipped = n:eq(-math.huge):logical_or(p:ge(1 - 1e-5))
  n = n:masked_fill(skipped, 0)
  local pull = (p:square() * 0.2 - p * 0.7 + 0.5):relu()
  local push = (n:square() * 0.9 - n * 0.4 + 0.03):relu()
  return (pull + push):masked_fill(skipped, 0):sum()
end

--- Polynomial weights of the positive p and of the hardest negative n among those with n + m > p.
--- An anchor without such a negative, or with p ≥ 1 − 1e-5, adds nothing.
---@param S nightjar.Tensor (B, B) cosine similarities, rows audio, columns text
---@param options? { margin?: number, ids?: any[] } margin defaults to 0.2
---@return nightjar.Tensor scalar
function triplet.weighted(S, options)
  local size = pairs_of.check_square("triplet_weighted", S)
  local o = opts.check("triplet_weighted", options, rules(0.2))
  local excluded = not_negative("triplet_weighted", o.ids, size)
  return (polynomials(S, 2, o.margin, excluded) + polynomials(S, 1, o.margin, excluded)) / size
end

return triplet
