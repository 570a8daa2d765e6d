--- A head's first half: what the encoders gave, into vectors of unit length for every level.
---
---     frames ─ projection ─ (captions' interaction) ─┬─ frames (─ codebook ─ clip)
---                                                    └─ aggregation ─ segments ─ (aggregation ─ clip)
---     words ─ projection ─┬─ words (─ codebook ─ sentence)
---                         └─ aggregation ─ phrases ─ (aggregation ─ sentence)
---     the encoder's own clip and sentence vectors ─ projection ─ clip, sentence
---
--- With the captions' interaction a clip vector of the encoder's moves by the mean of what the
--- captions changed in its frames, so that they reach every level; how far is learnt. The block ends
--- in a layer norm, whose outputs are larger than what a projection gives: at full measure they
--- would drown the encoder's vector from the start.
local core = require "nightjar.core"
local opts = require "nightjar.opts"
local tags = require "nightjar.head.tags"

local encode = {}

local function dims(t) return table.concat(t.shape, ", ") end

local function check_tokens(fname, key, x, mask, mask_key, width)
  if #x.shape ~= 3 or x.shape[3] ~= width then
    error(("%s: '%s' must have shape (B, N, %d), got (%s)"):format(fname, key, width, dims(x)), 3)
  end
  if mask and (#mask.shape ~= 2 or mask.shape[1] ~= x.shape[1] or mask.shape[2] ~= x.shape[2]) then
    error(("%s: '%s' must have shape (%d, %d), got (%s)"):format(fname, mask_key, x.shape[1],
      x.shape[2], dims(mask)), 3)
  end
end

local function check_vector(fname, key, x, width, batch)
  if #x.shape ~= 2 or x.shape[2] ~= width or batch and x.shape[1] ~= batch then
    error(("%s: '%s' must have shape (%s, %d), got (%s)"):format(fname, key, batch or "B", width,
      dims(x)), 3)
  end
end

local function needed(fname, key, value, what)
  if value == nil then error(("%s: option '%s' is required (%s)"):format(fname, key, what), 3) end
end

-- The mean of the tokens that are there; rows of which none is give zeros.
local function masked_mean(x, mask)
  if not mask then return x:mean(2) end
  local there = mask:to(x.dtype)
  local count = there:sum(2, { keepdim = true }):maximum(1)
  return x:masked_fill(mask:eq(0):unsqueeze(3), 0):sum(2) / count
end

-- A projection of frames or words: the level's own, or the clip's when they are shared.
local function project(self, own, shared, x, rng)
  local net = self.nets[own]
  if net then return net(x, { rng = rng }) end
  return self.nets[shared](x, { rng = rng })
end

-- Captions are part of the frames' interaction for every clip or for none, so that a clip's
-- vectors do not depend on whether its neighbours in the batch have captions.
local function interact(self, x, mask, o)
  local net = self.nets["ac.interaction"]
  if not net then return x end
  local captions, caption_mask = o.captions, o.caption_mask
  if not captions then
    captions = core.zeros({ x.shape[1], 1, self.dim }, { dtype = x.dtype })
    caption_mask = core.zeros({ x.shape[1], 1 }, { dtype = "uint8" })
  end
  return net(x, mask, captions, caption_mask, { rng = o.rng })
end

-- Tokens as slots want them. What a projection gives is small beside slots of N(0, 1): every frame
-- then divides itself evenly, and all segments are the same mean. Layer-normalised and scaled, tokens
-- choose slots from the first step on.
local function scaled(self, net, x)
  local kind = self.nets[net]:descriptor().kind
  if self.o.hci.token_scale == 0 or kind == "dpc" or kind == "window" then return x end
  return core.nn.layer_norm(x, nil, nil) * self.o.hci.token_scale
end

-- Aggregated tokens of unit length, and the rest, under the level's names.
local function aggregate(self, out, net, key, x, mask, rng)
  local tokens, token_mask, assignment = self.nets[net](scaled(self, net, x), mask, { rng = rng })
  out[key .. "s"] = tokens:normalize(-1)
  out[key .. "_mask"], out[key .. "_assignment"] = token_mask, assignment
  return tokens, token_mask
end

-- The last step: one vector out of the finest tokens below it.
local function top(self, net, tokens, mask, rng)
  return self.nets[net](tokens, mask, { rng = rng })[{ {}, 1 }]:normalize(-1)
end

-- Sentences out of words by the codebook. With a floor a text without any word is the mean of all codes,
-- as in MGA-CLAP's code; without one its first token stands for it, as elsewhere.
local function by_codes(self, words, mask, never_empty_mask)
  local floor = self.o.hci.codebook.word_floor
  local sentence = self.nets.codebook(words, floor and mask or never_empty_mask, { floor = floor })
  return sentence:normalize(-1)
end

local function add_weights(self, out, net, key, x, mask)
  local weights = self.nets[net]
  if weights then out[key .. "_weights"] = weights(x, mask) end
end

local AUDIO = {
  frames = "tensor", mask = "tensor", clip = "tensor", clip_mask = "tensor", captions = "tensor",
  caption_mask = "tensor", caption_words = "tensor", caption_word_mask = "tensor",
  tags = "tensor", tokens = { type = "boolean", default = false }, rng = "nightjar.Rng",
}

-- What a batch of captions must look like.
local function check_captions(self, o, batch)
  if not o.captions then return end
  check_tokens("head:audio", "captions", o.captions, o.caption_mask, "caption_mask", self.dim)
  if batch and o.captions.shape[1] ~= batch then
    error(("head:audio: captions of %d clips for %d clips"):format(o.captions.shape[1], batch), 3)
  end
end

local function check_audio(self, o)
  local batch = o.frames and o.frames.shape[1] or o.clip and o.clip.shape[1]
  if not batch then error("head:audio: give 'frames', 'clip' or both", 3) end
  if o.frames then
    check_tokens("head:audio", "frames", o.frames, o.mask, "mask", self.o.frame_width)
    check_tokens("head:audio", "frames", o.frames, o.clip_mask, "clip_mask", self.o.frame_width)
  end
  if o.clip then check_vector("head:audio", "clip", o.clip, self.o.audio_width, batch) end
  check_captions(self, o, batch)
  local on = self.o.on
  if on.segment or on.frame or self.nets["ac.interaction"] or self.o.from_tokens then
    needed("head:audio", "frames", o.frames, "(B, N, C)")
  end
  if on.clip and not self.o.from_tokens then
    needed("head:audio", "clip", o.clip, "(B, C), the encoder's own vectors of the clips")
  end
end

-- Frames in the shared space before and after the captions met them.
local function frames_of(self, o)
  local x = o.frames
  if not self.nets["audio.frame_projection"] and self.o.frame_gain ~= 1 then
    x = x * self.o.frame_gain
  end
  local plain = project(self, "audio.frame_projection", "audio.projection", x, o.rng)
  return plain, interact(self, plain, o.mask, o)
end

local function add_frames(self, a, o)
  local on = self.o.on
  local plain, x = frames_of(self, o)
  a.frames, a.frame_mask = x:normalize(-1), o.mask
  if on.frame then add_weights(self, a, "audio.frame_weights", "frame", x, o.mask) end
  local tokens, mask = x, o.mask
  if on.segment then
    tokens, mask = aggregate(self, a, "audio.segments", "segment", x, o.mask, o.rng)
    add_weights(self, a, "audio.segment_weights", "segment", tokens, mask)
  end
  if self.o.hci.top == "aggregate" then
    a.clip = top(self, "audio.top", tokens, mask, o.rng)
  elseif self.o.hci.top == "codebook" then
    a.clip = self.nets.codebook(x, o.clip_mask or o.mask):normalize(-1)
  end
  return self.nets["ac.interaction"] and masked_mean(x - plain, o.mask) or nil
end

-- 1 for clips that have a caption; nil when all have.
local function captioned(mask)
  if not mask then return nil end
  local there = mask:ne(0):any(2)
  if there:all() then return nil end
  return there:to "uint8"
end

-- A row of which nothing is valid has its first token made valid: what comes of it is finite, and
-- is not used.
local function never_empty(mask)
  local first = core.zeros_like(mask)
  first[{ {}, 1 }] = 1
  return core.where(mask:ne(0):any(2, { keepdim = true }), mask, first)
end

local function add_captions(self, a, o)
  local matching = self.o.ac and self.o.ac.matching
  if not matching then return end
  if matching.kind == "tags" then
    needed("head:audio", "tags", o.tags, "(B, classes), the tags of the sounds")
    tags.check("head:audio", o.tags, (a.clip or a.frames or o.tags).shape[1])
    a.caption = o.tags
    return
  end
  if not o.captions then
    a.captioned = core.zeros({ (a.clip or a.frames).shape[1] }, { dtype = "uint8" })
    return
  end
  a.captioned = captioned(o.caption_mask)
  local mask = o.caption_mask and never_empty(o.caption_mask)
  a.captions, a.caption_mask = o.captions, mask
  local pool = self.nets["ac.pool"]
  if pool then
    a.caption = pool(o.captions, mask, { rng = o.rng }):normalize(-1)
  elseif matching.kind == "tokens" and o.caption_words then
    check_tokens("head:audio", "caption_words", o.caption_words, o.caption_word_mask,
      "caption_word_mask", self.dim)
    a.captions = o.caption_words
    a.caption_mask = o.caption_word_mask and never_empty(o.caption_word_mask)
  end
end

--- Sounds in the shared space, all levels of unit length.
---@param given table
---  frames    (B, N, C) of the encoder; needed by every level but the clip's
---  mask      (B, N), 1 where a frame is sound and 0 where it is padding; none: all are sound
---  clip_mask (B, N), the frames that a codebook makes clips of, where these are more than the mask's: of
---            what fills a clip up, too
---  clip      (B, C) of the encoder; needed for the clip level unless that is made of frames
---  captions  (B, K, D) sentence vectors of each clip's captions (head:text(…).sentence), and
---            caption_mask (B, K); a clip may have none. caption_words (B, L, D) and
---            caption_word_mask (B, L): the words of all captions of a clip, for matching by tokens
---  tags      (B, classes) in [0, 1], where queries are matched with them
---  tokens    frames in the result even if no level needs them: through the clip's projection then
---  rng       generator for dropout, and for the ties of clustering
---@return table a clip (B, D); segments (B, M, D), segment_mask, segment_assignment (B, N, M),
---  segment_weights; frames (B, N, D), frame_mask, frame_weights; caption (B, D) or captions;
---  caption_mask; captioned (B), 1 for clips with captions. What the head's options leave out is nil
function encode.audio(self, given)
  local o = opts.check("head:audio", given, AUDIO)
  check_audio(self, o)
  local a, moved = {}, nil
  local on = self.o.on
  -- Frames that no level needs go through the clip's projection, where they fit it.
  local tokens = o.tokens and self.o.frame_width == self.o.audio_width
  if o.frames and (tokens or on.segment or on.frame or self.nets["ac.interaction"]
    or self.o.from_tokens) then
    moved = add_frames(self, a, o)
  end
  if o.clip and not self.o.from_tokens then
    local clip = self.nets["audio.projection"](o.clip, { rng = o.rng })
    if moved then clip = clip + moved * self.scalar.clip_gate end
    a.clip = clip:normalize(-1)
  end
  add_captions(self, a, o)
  return a
end

local TEXT = {
  words = "tensor", mask = "tensor", sentence = "tensor", weights = "tensor",
  tokens = { type = "boolean", default = false }, rng = "nightjar.Rng",
}

local function check_text(self, o)
  local batch = o.words and o.words.shape[1] or o.sentence and o.sentence.shape[1]
  if not batch then error("head:text: give 'words', 'sentence' or both", 3) end
  if o.words then
    check_tokens("head:text", "words", o.words, o.mask, "mask", self.o.text_width)
  end
  if o.sentence then
    check_vector("head:text", "sentence", o.sentence, self.o.text_width, batch)
  end
  local on, matching = self.o.on, self.o.ac and self.o.ac.matching
  local by_words = matching and (matching.kind == "tokens" or matching.kind == "tags")
  if on.segment or on.frame or by_words or self.o.from_tokens then
    needed("head:text", "words", o.words, "(B, W, C)")
  end
  if (on.clip or self.o.ac) and not self.o.from_tokens then
    needed("head:text", "sentence", o.sentence, "(B, C), the encoder's own vectors of the texts")
  end
  return on.segment or on.frame or by_words or self.o.from_tokens
end

-- Words as tags are asked for: names of tags are short sentences, and words go through their projection.
local function add_tag_words(self, t, o)
  local matching = self.o.ac and self.o.ac.matching
  if not matching or matching.kind ~= "tags" then return end
  needed("head:text", "weights", o.weights, "(B, W), how much each word says")
  t.tag_words = t.words
  t.tag_weights = tags.weights(o.weights, o.mask or o.weights:gt(0), matching.emphasis)
end

--- Texts in the shared space, all levels of unit length.
---@param given table
---  words     (B, W, C) of the encoder
---  mask      (B, W), 1 for words and 0 for padding and for special tokens
---  sentence  (B, C) of the encoder
---  weights   (B, W), how much each word says, where queries are matched with tags
---  tokens    words in the result even if no level needs them
---  rng       generator for dropout, and for the ties of clustering
---@return table t sentence (B, D); phrases (B, M, D), phrase_mask, phrase_assignment (B, W, M),
---  phrase_weights; words (B, W, D), word_mask, word_weights
function encode.text(self, given)
  local o = opts.check("head:text", given, TEXT)
  local with_words = check_text(self, o)
  local t = {}
  if o.words and (o.tokens or with_words) then
    local on = self.o.on
    local x = project(self, "text.word_projection", "text.projection", o.words, o.rng)
    local mask = o.mask and never_empty(o.mask)
    t.words, t.word_mask = x:normalize(-1), mask
    add_tag_words(self, t, o)
    if on.frame then add_weights(self, t, "text.word_weights", "word", x, mask) end
    local tokens, token_mask = x, mask
    if on.segment then
      tokens, token_mask = aggregate(self, t, "text.phrases", "phrase", x, mask, o.rng)
      add_weights(self, t, "text.phrase_weights", "phrase", tokens, token_mask)
    end
    if self.o.hci.top == "aggregate" then
      t.sentence = top(self, "text.top", tokens, token_mask, o.rng)
    elseif self.o.hci.top == "codebook" then
      t.sentence = by_codes(self, x, o.mask, mask)
    end
  end
  if o.sentence and not self.o.from_tokens then
    t.sentence = self.nets["text.projection"](o.sentence, { rng = o.rng }):normalize(-1)
  end
  return t
end

return encode
