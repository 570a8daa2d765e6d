--- Ranking the sounds of a library. The clip vectors of all sounds, one matrix, find candidates;
--- where the model has finer levels, these are compared with the text at every level, put in the
--- order of the fused similarity, and asked which of their seconds each word fits best.
local core = require "nightjar.core"
local explanation = require "nightjar.model.explanation"
local levels = require "nightjar.library.levels"
local paths = require "nightjar.library.paths"
local rows = require "nightjar.model.rows"
local transaction = require "nightjar.library.transaction"

local rank = {}

-- The rows of all sounds (see model/rows.lua); they are read again when this or another process has written.
local function matrix(lib, missing)
  local version, message, code = lib.catalogue:version()
  if not version then return nil, message, code end
  local cache = lib.cache
  if not cache or cache.version ~= version or cache.missing ~= missing then
    local vectors, ids, kind = lib.catalogue:vectors(missing)
    if not vectors then return nil, ids, kind end
    local width = rows.width(lib.model)
    if vectors.shape[1] > 0 and vectors.shape[2] ~= width then
      return nil, ("%s: its vectors have %d numbers, the model's %d; nightjar verify says more"):format(
        lib.path, vectors.shape[2], width), "EFORMAT"
    end
    cache = { version = version, missing = missing, ids = ids,
      rows = vectors.shape[1] > 0 and rows.prepare(lib.model, vectors) or nil }
    lib.cache = cache
  end
  return cache, cache.ids
end

--- The seconds of a sound that are most like the query.
local function best_window(sound, query)
  if sound.segments.shape[1] == 0 then return 0, sound.seconds end
  local best = sound.segments:matmul(query):argmax():item()
  return sound.times(best, 1), sound.times(best, 2)
end

local function hit_of(lib, sound, query)
  local from, to = best_window(sound, query)
  local vector = rows.clip(lib.model, sound.vector).vector
  return { id = sound.id, path = paths.absolute(lib.folder, sound.path), seconds = sound.seconds,
    missing = sound.missing, from = from, to = to, cosine = vector:matmul(query):item() }
end

--- The `count` best sounds, best first.
---@param lib table
---@param query any (D) what windows of the sounds are compared with
---@param count integer
---@param missing boolean also of missing files
---@param score fun(rows: table): any similarities of all rows, (N)
---@return table[]|nil list { { sound, hit }, … }
---@return string? message
---@return string? code
local function nearest(lib, query, count, missing, score)
  local cache, ids, code = matrix(lib, missing)
  if not cache then return nil, ids, code end
  local list = {}
  if not cache.rows then return list end
  local all = score(cache.rows)
  local similarities, places = all:topk(math.min(count, all.shape[1]))
  for i = 1, similarities.shape[1] do
    local sound, message, kind = lib.catalogue:get(math.tointeger(ids(places(i))))
    if not sound then return nil, message, kind end
    list[i] = { sound = sound, hit = hit_of(lib, sound, query), similarity = similarities(i) }
  end
  return list
end

-- Columns of one clip each, joined: S (1, n) by level. A clip without captions has no column in
-- "caption"; it gets a zero there, and a 0 in `captioned`.
local function join(columns)
  local out, captioned, some, all = {}, {}, false, true
  for i, column in ipairs(columns) do
    captioned[i] = column.caption and 1 or 0
    some, all = some or column.caption ~= nil, all and column.caption ~= nil
  end
  for _, name in ipairs { "clip", "segment", "frame", "caption" } do
    local list = {}
    for i, column in ipairs(columns) do
      list[i] = column[name] or name == "caption" and some and core.zeros(1, 1) or nil
    end
    if #list == #columns then out[name] = core.cat(list, 2) end
  end
  if some and not all then out.captioned = core.tensor(captioned, { dtype = "uint8" }) end
  return out
end

--- Each word's best seconds: { word, from, to, score }, … in the order of the text. a: the sound's
--- levels.
local function words_of(text, sound, a)
  local seconds = sound.seconds
  if not a.frames or a.frames.shape[2] == 0 then return nil end
  local times = {}
  for i = 1, a.frames.shape[2] do
    times[i] = { (i - 1) * a.step, math.min(seconds, i * a.step) }
  end
  times[#times][2] = seconds
  local why = explanation.of { text = text, label = sound.path,
    clip = { levels = {}, frames = a.frames[1], frame_times = times, seconds = seconds } }
  local words = {}
  for i, link in ipairs(why.links) do
    words[i] = { word = link.word, from = link.from, to = link.to, score = link.score }
  end
  return words
end

-- Similarities of the text with every candidate, level by level and fused: (1, n) each. One sound's
-- frames are in memory at a time, since those of hours are many; hits read theirs again.
local function compare(lib, text, candidates)
  local head, columns = lib.model.head, {}
  for i, candidate in ipairs(candidates) do
    local a, message, code = levels.read(lib.model, lib.catalogue, candidate.sound)
    if not a then return nil, message, code end
    columns[i] = head:similarity(text.levels, a)
  end
  local by_level = join(columns)
  return by_level, head:fuse(by_level)
end

--- Candidates in the order of the model's levels; fills in what their hits say of these.
local function refine(lib, text, candidates, k)
  local by_level, fused, code = compare(lib, text, candidates)
  if not by_level then return nil, fused, code end
  local similarity, places = fused[1]:topk(math.min(k, #candidates))
  local list = {}
  for i = 1, similarity.shape[1] do
    local place = math.tointeger(places(i))
    local candidate = candidates[place]
    local a, message, kind = levels.read(lib.model, lib.catalogue, candidate.sound)
    if not a then return nil, message, kind end
    local hit = candidate.hit
    hit.similarity, hit.levels = similarity(i), {}
    for name, S in pairs(by_level) do
      local there = name ~= "captioned"
        and (name ~= "caption" or not by_level.captioned or by_level.captioned(place) ~= 0)
      if there then hit.levels[name] = S(1, place) end
    end
    hit.words = words_of(text, candidate.sound, a)
    list[i] = candidate
  end
  return list
end

-- Hits with their scores: probabilities of a calibrated model when a text asked (an encoded one, or its
-- vector).
local function finish(lib, list, query)
  local hits, judged = {}, {}
  local fused = lib.model.calibration and lib.model.calibration.of == "similarity"
  for i, candidate in ipairs(list) do
    local hit = candidate.hit
    hits[i], judged[i] = hit, fused and hit.similarity or hit.cosine
  end
  local probabilities = query and #hits > 0
    and lib.model:probabilities(query, core.tensor(judged))
  for i, hit in ipairs(hits) do
    hit.score = probabilities and probabilities(i) or hit.similarity or hit.cosine
  end
  return hits
end

--- The sounds that fit a text best, see Library:search.
---@param lib table
---@param text string
---@param o table `k`, `candidates`: how many are compared at every level, `missing`
function rank.by_text(lib, text, o)
  return core.no_grad(function()
    local model, finer = lib.model, levels.finer(lib.model)
    local texts = finer and model:encode_texts(text)
    local query = (texts and texts.vectors or model:text(text))[1]
    local k = o.k
    local count = finer and math.max(k, o.candidates) or k
    if finer and not levels.by_clip(model) then count = math.maxinteger end
    local guard <close>, why, kind = transaction.read(lib.catalogue)
    if not guard then return nil, why, kind end
    local list, message, code = nearest(lib, query, count, o.missing, function(all)
      return texts and rows.scores(model, texts[1], all) or all.clip:matmul(query)
    end)
    if list and finer and #list > 0 then
      list, message, code = refine(lib, texts[1], list, k)
    end
    if not list then return nil, message, code end
    return finish(lib, list, rows.tagged(model) and texts[1] or query)
  end)
end

--- The sounds most like a sound.
---@param lib table
---@param clip table what Model:audio gave
---@param o table `k`, `missing`
function rank.by_sound(lib, clip, o)
  return core.no_grad(function()
    local guard <close>, why, kind = transaction.read(lib.catalogue)
    if not guard then return nil, why, kind end
    local row = rows.row(lib.model, clip)
    local list, message, code = nearest(lib, clip.vector, o.k, o.missing,
      function(all) return rows.alike(lib.model, row, all) end)
    if not list then return nil, message, code end
    for _, candidate in ipairs(list) do candidate.hit.cosine = candidate.similarity end
    return finish(lib, list)
  end)
end

return rank
