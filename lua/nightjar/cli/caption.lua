--- nightjar caption FILE…
local output = require "nightjar.cli.output"
local progress = require "nightjar.progress"

local command = { summary = "Say in words what sound files hold." }

local function integer(name, least)
  return function(text)
    local n = math.tointeger(tonumber(text))
    if not n or n < least then
      return nil, ("--%s takes a whole number from %d, got '%s'"):format(name, least, text)
    end
    return n
  end
end

function command.declare(parser)
  parser:argument("files", "The sound files."):argname("FILE"):args "+"
  parser:option("--model", "The captioner: a file, or the name of one that comes with nightjar.")
    :argname "FILE"
  parser:option("--vocabulary", "The words of a captioner of others: one a line, or CoNeTTE's config.json.")
    :argname "FILE"
  parser:option("--task", "What captions are to be like, of a captioner that has tasks, such as clotho.")
    :argname "NAME"
  parser:option("-n --n", "Captions of each file."):argname("K"):default("1")
    :convert(integer("n", 1))
  parser:option("--method", "How they are found: beam, greedy, nucleus or top_k (the last two draw).")
    :choices { "beam", "greedy", "nucleus", "top_k" }
  parser:option("--beam", "Hypotheses of the beam (default: 5, or K)."):argname("N")
    :convert(integer("beam", 1))
  parser:option("--seed", "Of what nucleus and top_k draw."):argname("N"):default("1")
    :convert(math.tointeger)
  parser:option("--max", "The most tokens of a caption."):argname("N"):convert(integer("max", 1))
  parser:flag("--no-repeat", "No word twice, but articles, prepositions and the like.")
  parser:flag("--json", "Print JSON for machines.")
end

local function print_captions(path, list)
  output.print(output.paint(path, "bold"))
  for _, caption in ipairs(list) do
    -- The geometric mean of its tokens' probabilities: 1 for a caption that could not be another.
    output.print(("  %s  %s"):format(output.paint(("%.2f"):format(math.exp(caption.mean)), "dim"),
      caption.text))
  end
end

local function as_json(path, list)
  if list.error then return { file = path, error = list.error, code = list.code } end
  local captions = {}
  for i, c in ipairs(list) do
    captions[i] = { text = c.text, logprob = c.logprob, mean = c.mean, finished = c.finished }
  end
  return { file = path, captions = captions }
end

function command.run(arguments)
  local nj = require "nightjar"
  local captioner, message, code = nj.captioner.load(arguments.model or "nightjar-captioner",
    arguments.vocabulary and { vocabulary = arguments.vocabulary })
  if not captioner and code == "ENOTFOUND" and not arguments.model then
    return output.fail("no captioner comes with this nightjar; name a file with --model "
      .. "(examples/train_captioner.lua trains one)")
  elseif not captioner then
    return output.fail(message)
  end
  if not captioner.audio_tower then
    return output.fail(("%s: this captioner takes frames; it has no audio encoder to read files with")
      :format(captioner.path))
  end
  if arguments.task and not (captioner.words.tasks or {})[arguments.task] then
    return output.fail(("%s: this captioner has no task called '%s'"):format(captioner.path,
      arguments.task))
  end
  local bar = progress.new { label = "listening", total = #arguments.files }
  local results = captioner:caption(arguments.files, {
    n = arguments.n, method = arguments.method, beam = arguments.beam, max = arguments.max,
    rng = nj.rng(arguments.seed), task = arguments.task,
    repeat_words = not arguments.no_repeat and captioner.generation.repeat_words ~= false,
    progress = function(done) bar:update(done) end,
  })
  bar:finish()
  local failed, all = false, {}
  for i, list in ipairs(results) do
    local path = arguments.files[i]
    all[i] = as_json(path, list)
    if list.error then
      failed = true
      output.complain(list.error)
    elseif not arguments.json then
      print_captions(path, list)
    end
  end
  if arguments.json then output.print_json(all) end
  return failed and 1 or 0
end

return command
