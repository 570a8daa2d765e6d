--- nightjar search TEXT [DIR]
local common = require "nightjar.cli.library"
local content = require "nightjar.model.content"
local output = require "nightjar.cli.output"

local command = { summary = "Find the sounds that a text describes." }

local function positive(text)
  local k = math.tointeger(tonumber(text))
  if not k or k < 1 then return nil, ("-k takes a number from 1, got '%s'"):format(text) end
  return k
end

function command.declare(parser)
  parser:argument("text", "What to look for, in words; - reads one query a line."):argname "TEXT"
  parser:argument("path", "The indexed folder (default: the nearest from here upwards)."):argname("DIR")
    :args("?")
  parser:option("-k --top", "How many to show."):argname("K"):default("5"):convert(positive)
  parser:flag("--sound", "TEXT is a sound file: find sounds like it.")
  parser:flag("--missing", "Show sounds, too, whose files are not there any more.")
  common.declare(parser)
end

--- From this probability on a hit is more likely right than wrong; from the lower one on it is worth
--- a listen.
local LIKELY, POSSIBLE = 0.5, 0.2

local function colour_of(score)
  return score >= LIKELY and "green" or score >= POSSIBLE and "yellow" or "dim"
end

-- What to think of the best hit, when that needs saying.
local function caution(score)
  if score >= LIKELY then return nil end
  return score >= POSSIBLE and "a possible match at best:"
    or "nothing here is a likely match; the nearest are:"
end

--- A path as short as it can be from here.
local function short(path)
  local here = (require("nightjar.lfs").currentdir() or "") .. "/"
  return #here > 1 and path:sub(1, #here) == here and path:sub(#here + 1) or path
end

-- How many words of a query a line has room for.
local MOST_WORDS = 6

-- The words that can name a sound; all when none can.
local function telling(words)
  local list = {}
  for _, word in ipairs(words) do
    if content.names(word.word) then list[#list + 1] = word end
  end
  return #list > 0 and list or words
end

--- Where a hit's words were heard, the strongest of them in the order of the query:
--- "dog 0:01.3–0:01.6 (0.47), barks …".
local function words_text(words)
  local strongest = {}
  words = telling(words)
  for i, word in ipairs(words) do strongest[i] = { word = word, place = i } end
  table.sort(strongest, function(a, b)
    if a.word.score ~= b.word.score then return a.word.score > b.word.score end
    return a.place < b.place
  end)
  local kept = table.move(strongest, 1, math.min(MOST_WORDS, #strongest), 1, {})
  table.sort(kept, function(a, b) return a.place < b.place end)
  for i, item in ipairs(kept) do
    local w = item.word
    kept[i] = ("%s %s–%s (%.2f)"):format(w.word, output.time(w.from), output.time(w.to), w.score)
  end
  return table.concat(kept, ", ") .. (#words > #kept and ", …" or "")
end

local function print_hits(query, hits, calibrated)
  output.print(output.paint(query, "bold"))
  if #hits == 0 then
    output.print("  the library is empty, or nothing in it can be searched (nightjar info says more)")
    return
  end
  if #hits.unknown > 0 then
    output.print(output.paint("  words new to the model: " .. table.concat(hits.unknown, ", "),
      "yellow"))
  end
  if hits.note then output.print(output.paint("  " .. hits.note .. ": the hits are guesses", "yellow")) end
  local warning = calibrated and not hits.note and caution(hits[1].score)
  if warning then output.print(output.paint("  " .. warning, "yellow")) end
  for rank, hit in ipairs(hits) do
    local clamped = math.max(0, math.min(1, hit.score))
    output.print(("  %d  %s %5s  %s  %s"):format(rank, output.paint(output.bar(clamped), colour_of(clamped)),
      calibrated and ("%.0f %%"):format(100 * clamped) or ("%.2f"):format(hit.score),
      ("%s–%s"):format(output.time(hit.from), output.time(hit.to)),
      short(hit.path) .. (hit.missing and " (missing)" or "")))
    if hit.words and #hit.words > 0 then
      output.print(output.paint("     " .. words_text(hit.words), "dim"))
    end
  end
end

local function queries(arguments)
  if arguments.text ~= "-" then return { arguments.text } end
  local list = {}
  for line in io.lines() do
    if line:find "%S" then list[#list + 1] = line end
  end
  return list
end

function command.run(arguments)
  local asked = queries(arguments)
  for _, query in ipairs(asked) do
    if not arguments.sound and not content.has_word(query) then
      output.complain(("there is no word to look for in '%s'"):format(query))
      return 2
    end
  end
  local path, lib, message
  path, message = common.find(arguments)
  if not path then return output.fail(message) end
  lib, message = common.open(arguments, path, { read_only = true })
  if not lib then return output.fail(message) end
  local answers = {}
  for _, query in ipairs(asked) do
    local search = arguments.sound and lib.like or lib.search
    local hits
    hits, message = search(lib, query, { k = arguments.top, missing = arguments.missing or false })
    if not hits then return output.fail(message) end
    hits.unknown = hits.unknown or {}
    if not arguments.json then
      print_hits(query, hits, lib.model.calibration ~= nil and not arguments.sound)
    end
    answers[#answers + 1] = { query = query, unknown = hits.unknown, note = hits.note,
      hits = { table.unpack(hits) } }
  end
  if arguments.json then output.print_json(answers) end
  local found = answers[1] and #answers[1].hits > 0
  lib:close()
  return found and 0 or 1
end

return command
