--- Captions from a grammar: what happens in a sound, said in many ways.
---
---     captions.of("dog")                       { "a dog barks", "a dog is barking", … }
---     captions.describe({ class = "dog" }, rng)
---     captions.describe({ kind = "then", { class = "dog", count = 2 }, { class = "rain" } }, rng)
---         "a dog barks twice, followed by rain falling", { { text = "a dog barks twice",
---         event = …, first = 1, last = 17 }, … }
---
--- A description is an event or a structure of events:
---   { class=, count=?, single=?, level=? }
---       one kind of sound; count: how often it is heard, when that is known; single: true when it
---       is heard exactly once; level: "loud" or "faint"
---   { kind = "then", a, b, … }
---       one after the other; up to four parts, each a description
---   { kind = "with", a, b, background=? }
---       at the same time; background: true when b is the fainter and goes on longer
---   { kind = "over", bed, part, background=? }
---       the bed goes on while the part (an event or a "then") happens
local core = require "nightjar.core"
local english = require "nightjar.data.esc50_grammar.english"
local lexicon = require "nightjar.data.esc50_grammar.lexicon"
local opts = require "nightjar.opts"
local templates = require "nightjar.data.esc50_grammar.templates"

local captions = {}

-- ---- one event ----

local usual = {
  loud = { say = { "loudly", "very loudly", "noisily" }, name = { "loud", "very loud", "noisy" } },
  faint = { say = { "faintly", "quietly", "softly" }, name = { "faint", "quiet", "soft" } },
}
local far_away = {
  say = { "in the distance", "far away", "far off" },
  name = { "distant", "far-off" },
}

local function number_marked(text)
  local mark = text:match "^[+~]"
  return mark and text:sub(2) or text, mark == "+", mark == "~"
end

-- Adverbs and adjectives go with short verbs only: "barks loudly", not "cuts wood with a saw
-- loudly".
local function is_short(verb)
  return not verb:gsub("^be ", ""):find " "
end

-- Every (subject, verb) of a class; short_only where one with a short verb exists.
local function clauses_of(entry, event, participle)
  local all, short = {}, {}
  for _, say in ipairs(entry.say) do
    local subject, plural, no_participle = number_marked(say[1])
    if not (participle and no_participle) then
      for i = 2, #say do
        local clause = { subject = subject, plural = plural, verb = say[i] }
        all[#all + 1] = clause
        if is_short(say[i]) then short[#short + 1] = clause end
      end
    end
  end
  local marked = event.level or event.count or event.single
  return marked and #short > 0 and short or all
end

-- The words that follow a verb for loudness, count and distance, in that order.
local function tail(entry, event, rng, far_allowed)
  local words, place = {}, nil
  if event.level then
    local own = entry[event.level]
    if event.level == "faint" and entry.far and far_allowed and rng:uniform() < 0.4 then
      place = rng:choice(far_away.say)
    else
      words[1] = rng:choice((own or usual[event.level]).say)
    end
  end
  local count = event.count
  if count and count > 1 then
    local many = { english.number(count) .. " times" }
    if count == 2 then many[2], many[3] = "twice", "twice" end
    if count >= 4 then many[2], many[3] = "several times", "repeatedly" end
    words[#words + 1] = rng:choice(many)
  elseif event.single and rng:uniform() < 0.3 then
    words[#words + 1] = "once"
  end
  words[#words + 1] = place
  return #words > 0 and " " .. table.concat(words, " ") or ""
end

local forms = {}

-- A clause: "a dog barks loudly", "a dog is barking".
function forms.c(entry, event, rng, far_allowed)
  local clause = rng:choice(clauses_of(entry, event, false))
  local counted = (event.count or 1) > 1 or event.single
  local verb
  if not counted and rng:uniform() < 0.25 then
    verb = (clause.plural and "are " or "is ") .. english.participle(clause.verb)
  else
    verb = english.present(clause.verb, clause.plural)
  end
  return clause.subject .. " " .. verb .. tail(entry, event, rng, far_allowed)
end

-- A noun phrase with a participle: "a dog barking loudly".
function forms.p(entry, event, rng, far_allowed)
  local clause = rng:choice(clauses_of(entry, event, true))
  return clause.subject .. " " .. english.participle(clause.verb)
    .. tail(entry, event, rng, far_allowed)
end

local function adjective(entry, event, rng)
  if not event.level then return nil end
  if event.level == "faint" and entry.far and rng:uniform() < 0.4 then
    return (rng:choice(far_away.name))
  end
  local own = entry[event.level]
  return (rng:choice((own or usual[event.level]).name))
end

local function counted_name(entry, event, rng)
  local many = adjective(entry, event, rng)
  many = many and many .. " " .. entry.count[2] or entry.count[2]
  if event.count == 2 and rng:uniform() < 0.25 then return "a couple of " .. many end
  if event.count >= 4 and rng:uniform() < 0.5 then return "several " .. many end
  return english.number(event.count) .. " " .. many
end

-- A noun phrase for the sound: "a loud dog bark", "two knocks on a door". The second value is true
-- when it is plural.
function forms.n(entry, event, rng, _, plain)
  if (event.count or 1) > 1 and entry.count then return counted_name(entry, event, rng), true end
  if event.single and entry.count and rng:uniform() < 0.5 then
    return english.with_adjective("a " .. entry.count[1], adjective(entry, event, rng)), false
  end
  local names = entry.names
  if plain then
    names = {}
    for _, name in ipairs(entry.names) do
      if not name:find "^the " then names[#names + 1] = name end
    end
  end
  local name, plural = number_marked((rng:choice(names)))
  return english.with_adjective(name, adjective(entry, event, rng)), plural
end

-- Either of the two noun phrases.
function forms.g(entry, event, rng, far_allowed)
  return rng:uniform() < 0.6 and forms.p(entry, event, rng, far_allowed)
    or (forms.n(entry, event, rng))
end

-- What can follow "the sound of": not "the sound of the barking of a dog".
function forms.b(entry, event, rng, far_allowed)
  return rng:uniform() < 0.5 and forms.p(entry, event, rng, far_allowed)
    or (forms.n(entry, event, rng, far_allowed, true))
end

-- "a dog can be heard barking"
function forms.h(entry, event, rng, far_allowed)
  local clause = rng:choice(clauses_of(entry, event, true))
  return ("%s can be heard %s%s"):format(clause.subject, english.participle(clause.verb),
    tail(entry, event, rng, far_allowed))
end

-- "there is barking", "there are dog barks"
function forms.e(entry, event, rng)
  local name, plural = forms.n(entry, event, rng, false, true)
  return (plural and "there are " or "there is ") .. name
end

-- What is typed into a search box.
function forms.t(entry, event, rng)
  if event.level or (event.count or 1) > 1 then return (forms.n(entry, event, rng)) end
  return (rng:choice(entry.tags))
end

-- ---- structures ----

local function shape_of(description)
  local kind = description.kind
  if kind == nil then return "event" end
  if kind == "then" then return "then_" .. #description end
  if kind == "with" then return description.background and "background" or "with" end
  if kind == "over" then return description.background and "over_background" or "over" end
  return nil
end

local function check(description, fname)
  if type(description) ~= "table" then
    error(("%s: a description must be a table, got %s"):format(fname, type(description)), 0)
  end
  local shape = shape_of(description)
  if shape == "event" then
    if not lexicon[description.class] then
      local names = captions.classes()
      error(("%s: no class '%s'%s"):format(fname, tostring(description.class),
        opts.hint(description.class, names)), 0)
    end
    if description.level and not usual[description.level] then
      error(("%s: a level must be 'loud' or 'faint', got '%s'"):format(fname,
        tostring(description.level)), 0)
    end
    return
  end
  if not templates.alone[shape] then
    error(("%s: no structure '%s' of %d parts"):format(fname, tostring(description.kind),
      #description), 0)
  end
  if description.kind ~= "then" and #description ~= 2 then
    error(("%s: '%s' takes two parts, got %d"):format(fname, description.kind, #description), 0)
  end
  for _, part in ipairs(description) do check(part, fname) end
end

-- Appends a description's text to out.pieces and the phrases of its events to out.phrases. A nil
-- form is the outermost call: the description stands for the whole caption.
local function say(description, form, plain, rng, out)
  if description.kind == nil and form then
    local event = description
    if plain and event.level then event = { class = event.class, count = event.count } end
    local text = forms[form](lexicon[event.class], event, rng, not plain)
    out.phrases[#out.phrases + 1] = {
      text = text, event = description, class = description.class,
      first = out.length + 1, last = out.length + #text,
    }
    out.pieces[#out.pieces + 1] = text
    out.length = out.length + #text
    return
  end
  local shape = shape_of(description)
  local list = form and templates.inside[shape][form] or templates.alone[shape]
  local parts = description.kind and description or { description }
  for _, piece in ipairs((rng:choice(list))) do
    if type(piece) == "string" then
      out.pieces[#out.pieces + 1] = piece
      out.length = out.length + #piece
    else
      say(parts[piece.part], piece.form, piece.plain or plain, rng, out)
    end
  end
end

local function describe(description, rng, style)
  local out = { pieces = {}, phrases = {}, length = 0 }
  say(description, nil, false, rng, out)
  local text = table.concat(out.pieces)
  if style == "sentence" then
    text = text:sub(1, 1):upper() .. text:sub(2) .. "."
    for _, phrase in ipairs(out.phrases) do phrase.text = text:sub(phrase.first, phrase.last) end
  end
  return text, out.phrases
end

--- One caption for a description, and its phrases: which characters speak of which event. Phrases
--- are in the order of the text; every event has exactly one.
---@param description table see the top of this file
---@param rng nightjar.Rng advanced
---@param options? { style?: "plain"|"sentence" } plain (default): no capital, no full stop
---@return string text
---@return { text: string, class: string, event: table, first: integer, last: integer }[] phrases
---  first and last are 1-based inclusive byte positions in the text
function captions.describe(description, rng, options)
  local o = opts.check("captions.describe", options, {
    style = { type = "string", default = "plain", one_of = { "plain", "sentence" } },
  })
  local ok, message = pcall(check, description, "captions.describe")
  if not ok then error(message, 2) end
  opts.arg("captions.describe", 2, "rng", rng, "nightjar.Rng")
  return describe(description, rng, o.style)
end

--- Several captions for a description, all different.
---@param description table
---@param n integer
---@param rng nightjar.Rng
---@param options? table as in captions.describe
---@return string[] texts n of them, or fewer when the grammar has no more to say
---@return table[] phrases one list for each text
function captions.several(description, n, rng, options)
  opts.arg("captions.several", 1, "description", description, "table")
  opts.arg("captions.several", 2, "n", n, { type = "integer", min = 0, max = 10000 })
  opts.arg("captions.several", 3, "rng", rng, "nightjar.Rng")
  local texts, phrases, seen = {}, {}, {}
  for _ = 1, n * 30 do
    if #texts == n then break end
    local text, parts = captions.describe(description, rng, options)
    if not seen[text] then
      seen[text] = true
      texts[#texts + 1], phrases[#phrases + 1] = text, parts
    end
  end
  return texts, phrases
end

--- The classes the lexicon knows, sorted.
---@return string[]
function captions.classes()
  local names = {}
  for name in pairs(lexicon) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- Every plain caption of a class, the usual one first: clauses, participles, names and tags.
---@param class string
---@return string[]
function captions.of(class)
  local ok, message = pcall(check, { class = class }, "captions.of")
  if not ok then error(message, 2) end
  local entry, out, seen = lexicon[class], {}, {}
  local function add(text)
    if not seen[text] then
      seen[text] = true
      out[#out + 1] = text
    end
  end
  for _, clause in ipairs(clauses_of(entry, {}, false)) do
    add(clause.subject .. " " .. english.present(clause.verb, clause.plural))
  end
  for _, clause in ipairs(clauses_of(entry, {}, true)) do
    add(clause.subject .. " " .. english.participle(clause.verb))
  end
  for _, name in ipairs(entry.names) do add((number_marked(name))) end
  for _, tag in ipairs(entry.tags) do add(tag) end
  return out
end

--- Lines with every word the grammar can say: what a tokeniser is trained on when there is no other
--- text. Deterministic.
---@return string[]
function captions.vocabulary()
  local lines = {}
  local rng = core.rng(1)
  local classes = captions.classes()
  for i, class in ipairs(classes) do
    for _, text in ipairs(captions.of(class)) do lines[#lines + 1] = text end
    local other = classes[i % #classes + 1]
    for _, level in ipairs { "loud", "faint" } do
      local marked = { class = class, level = level }
      for _, events in ipairs {
        { kind = "with", marked, { class = other } },
        { kind = "with", background = true, { class = other }, marked },
        { kind = "then", marked, { class = other } },
        { kind = "then", marked, { class = other }, { class = class } },
      } do
        for _, text in ipairs((captions.several(events, 5, rng))) do lines[#lines + 1] = text end
      end
    end
    if lexicon[class].count then
      for count = 2, 5 do
        local event = { class = class, count = count }
        for _, text in ipairs((captions.several(event, 4, rng))) do lines[#lines + 1] = text end
      end
    end
  end
  return lines
end

captions.lexicon = lexicon

return captions
