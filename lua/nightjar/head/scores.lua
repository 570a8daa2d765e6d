--- A head's second half: the similarity of every text with every clip, level by level.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local tags = require "nightjar.head.tags"

local scores = {}

local function one_vector(texts, clips) return texts:matmul(clips:transpose(1, 2)) end

-- Token-wise similarity of two sets of tokens, as the head's options say.
local function token_wise(self, texts, clips, o)
  local kind = self.o.hci.interaction:find "attention$" and "attention" or "max"
  o.kind = kind
  if kind == "attention" then o.temperature = self.o.hci.attention_temperature end
  return core.hci.interact(texts, clips, o)
end

local function caption_scores(self, t, a)
  local kind = self.o.ac.matching.kind
  if kind == "tags" then return tags.scores(self, t, a.caption) end
  if a.caption then return one_vector(t.sentence, a.caption) end
  if kind == "best" then
    return core.hci.interact(t.sentence:unsqueeze(2), a.captions, { clip_mask = a.caption_mask,
      kind = "max", direction = "text" })
  end
  return token_wise(self, t.words, a.captions, { text_mask = t.word_mask,
    clip_mask = a.caption_mask, text_weights = t.word_weights })
end

local function check(side, given, key, level)
  if given[key] == nil then
    error(("head:similarity: the %s level needs '%s' of head:%s"):format(level, key, side), 4)
  end
end

--- Similarities of all texts (rows) and clips (columns), for each level that is switched on.
---
--- Clip: the cosine of clip and sentence. Segment and frame: nj.hci.interact of segments and
--- phrases, of frames and words. Caption: of the query and the clip's captions; `captioned` (clips)
--- says which clips have any, and is nil when all have. Columns of clips without captions hold
--- nothing of meaning in `caption`: fuse and loss pass over them.
---@param t table what head:text gave
---@param a table what head:audio gave
---@return table levels clip, segment, frame, caption: (Bt, Ba) each; captioned
function scores.similarity(self, t, a)
  opts.arg("head:similarity", 1, "texts", t, "table")
  opts.arg("head:similarity", 2, "clips", a, "table")
  local on, levels = self.o.on, {}
  if on.clip then
    check("text", t, "sentence", "clip")
    check("audio", a, "clip", "clip")
    levels.clip = one_vector(t.sentence, a.clip)
  end
  if on.segment then
    check("text", t, "phrases", "segment")
    check("audio", a, "segments", "segment")
    levels.segment = token_wise(self, t.phrases, a.segments, { text_mask = t.phrase_mask,
      clip_mask = a.segment_mask, text_weights = t.phrase_weights,
      clip_weights = a.segment_weights })
  end
  if on.frame then
    check("text", t, "words", "frame")
    check("audio", a, "frames", "frame")
    levels.frame = token_wise(self, t.words, a.frames, { text_mask = t.word_mask,
      clip_mask = a.frame_mask, text_weights = t.word_weights, clip_weights = a.frame_weights })
  end
  if self.o.ac and self.o.ac.matching then
    levels.captioned = a.captioned
    -- A batch in which no clip has captions has no caption level.
    if a.caption or a.captions then levels.caption = caption_scores(self, t, a) end
  end
  return levels
end

return scores
