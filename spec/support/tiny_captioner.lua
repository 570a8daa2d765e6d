--- A captioner small enough for specs: it hears which of five things comes first and which second.
local nj = require "nightjar"

local tiny_captioner = {}

local names = { "dog", "cat", "bell", "bird", "horn" }
local verbs = { dog = "barks", cat = "meows", bell = "rings", bird = "sings", horn = "honks" }

local WIDTH = 6

function tiny_captioner.caption(first, second)
  local function clause(i) return ("a %s %s"):format(names[i], verbs[names[i]]) end
  return clause(first) .. ", then " .. clause(second)
end

tiny_captioner.vocabulary = {
  "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "then", ",", "dog", "cat", "bell", "bird",
  "horn", "bark", "##s", "me", "##ow", "ring", "sing", "honk",
}

--- Weights that training never saw.
function tiny_captioner.new(options)
  local descriptor = { vocabulary = tiny_captioner.vocabulary, memory_width = WIDTH, max = 16,
    decoder = { width = 16, layers = 1, heads = 2, feed_forward = 32 } }
  for key, value in pairs(options or {}) do descriptor[key] = value or nil end
  if descriptor.audio then descriptor.memory_width = nil end
  return nj.captioner(descriptor, { rng = nj.rng(2) })
end

--- n clips of 4 frames with a caption each; the last clip has only its first thing.
function tiny_captioner.batch(n, rng)
  local things = nj.randn({ #names, WIDTH }, { rng = nj.rng(77) }) * 2
  local frames, captions = nj.randn({ n, 4, WIDTH }, { rng = rng }) * 0.2, {}
  for i = 1, n do
    local first, second = rng:integer(1, #names), rng:integer(1, #names)
    for t = 1, 4 do frames[{ i, t }] = frames[{ i, t }] + things[t <= 2 and first or second] end
    captions[i] = tiny_captioner.caption(first, second)
  end
  return { frames = frames, captions = captions }
end

return tiny_captioner
