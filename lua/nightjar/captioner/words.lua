--- The words of a captioner: its tokeniser, and which tokens are what.
local opts = require "nightjar.opts"
local tokens = require "nightjar.model.tokens"

local words = {}

-- Words that sentences need again and again, whatever they are about.
local FUNCTION_WORDS = [[
  a an the this that these those some several many more another other
  and or but while as then than so before after until when where which who
  in on at of to from with without by for into onto over under above below between behind near
  against along around through across off out up down away back
  is are was were be been being am has have had do does did can could will would
  it its he his him she her they their them someone something there here not no
  one two three four five again
]]

local function common_words()
  local common = {}
  for word in FUNCTION_WORDS:gmatch "%S+" do common[word] = true end
  return common
end

-- Ids of whole words but those of `common`.
local function content_of(vocabulary, common)
  local content = {}
  for id, token in ipairs(vocabulary) do
    if token:find "^[%w\128-\255]" and not common[token] then content[#content + 1] = id - 1 end
  end
  return content
end

local function pieces(vocabulary)
  local tokenizer = tokens.make { vocabulary = vocabulary }
  local ids = tokenizer:special_ids()
  if not (ids.cls and ids.sep and ids.pad and ids.unk) then
    error("captioner: the vocabulary needs the tokens [PAD], [UNK], [CLS] and [SEP]", 0)
  end
  return {
    tokenizer = tokenizer, bos = ids.cls, eos = ids.sep, pad = ids.pad,
    forbid = { ids.cls, ids.pad, ids.unk, ids.mask },
    content = content_of(vocabulary, common_words()),
  }
end

-- ---- vocabularies of whole words ----

local function ids_by_token(vocabulary)
  local ids = {}
  for i, token in ipairs(vocabulary) do ids[token] = i - 1 end
  return function(token, what)
    return ids[token] or error(("captioner: words.%s: the vocabulary has no token '%s'"):format(what,
      tostring(token)), 0)
  end
end

-- Everything but eos and what may come twice.
local function once_of(vocabulary, repeatable, eos)
  local free, once = { [eos] = true }, {}
  for _, token in ipairs(repeatable) do free[token] = true end
  for i, token in ipairs(vocabulary) do
    if not free[token] then once[#once + 1] = i - 1 end
  end
  return once
end

local function texts(what, list)
  for _, token in ipairs(list) do opts.arg("captioner", 1, "words." .. what, token, "string") end
  return list
end

-- Words of a caption with spaces between them, but none before punctuation nor around hyphens.
local function joined(vocabulary, special)
  return function(ids)
    local said = {}
    for _, id in ipairs(ids) do
      if not special[id] then said[#said + 1] = vocabulary[id + 1] end
    end
    local text = table.concat(said, " "):gsub("%s+([,%.!%?;:\"'])", "%1"):gsub("%s*%-%s*", "-")
    return text:gsub(" +", " "):match "^%s*(.-)%s*$"
  end
end

local function whole(vocabulary, options)
  local o = opts.check("captioner: words", options, {
    bos = { type = "string", required = true }, eos = { type = "string", required = true },
    pad = "string", unk = "string", forbid = "table", repeatable = "table", tasks = "table",
    task = "string",
  })
  local id = ids_by_token(vocabulary)
  o.pad, o.unk = o.pad or o.eos, o.unk or o.eos
  local tasks, specials = {}, { o.bos, o.pad, o.unk }
  for name, token in pairs(o.tasks or {}) do
    tasks[name] = id(token, "tasks." .. tostring(name))
    specials[#specials + 1] = token
  end
  if o.task and not tasks[o.task] then
    error(("captioner: words.task: no task is called '%s'"):format(o.task), 0)
  end
  local first = o.task and o.tasks[o.task] or o.bos
  local special, forbid = { [id(o.eos, "eos")] = true }, {}
  for _, token in ipairs(texts("forbid", o.forbid or specials)) do
    forbid[#forbid + 1] = id(token, "forbid")
  end
  for _, token in ipairs(specials) do special[id(token, "specials")] = true end
  return {
    tokenizer = tokens.make { vocabulary = vocabulary, clean = "wavcaps", tokenizer = { cls = first,
      sep = o.eos, pad = o.pad, unk = o.unk, specials = specials, strip_accents = false } },
    bos = id(first, "bos"), eos = id(o.eos, "eos"), pad = id(o.pad, "pad"), forbid = forbid,
    content = o.repeatable and once_of(vocabulary, texts("repeatable", o.repeatable), o.eos)
      or content_of(vocabulary, common_words()),
    tasks = tasks, text = joined(vocabulary, special),
  }
end

--- A tokeniser whose first token begins and whose last ends a caption, with the ids that generation
--- needs. Without options the vocabulary is WordPiece's, with [CLS] and [SEP].
---@param vocabulary string[]
---@param options? table of a vocabulary of whole words: `bos`, `eos`, `pad` (eos), `unk` (eos), tokens;
---  `forbid`: tokens that no caption holds beside the one that it begins with (those, and tasks');
---  `repeatable`:
---  tokens that may come twice (articles, prepositions and the like); `tasks`: tokens by name that
---  begin captions in bos's place, `task`: the one that does so where a call names none
---@return table { tokenizer, bos, eos, pad, forbid, content, tasks, text }: forbid: ids that are no words;
---  content: ids that a caption has little reason to say twice; text: function(ids), nil: the
---  tokeniser's
function words.new(vocabulary, options)
  if options then return whole(vocabulary, options) end
  return pieces(vocabulary)
end

--- The token that begins a caption. Raises for a task that there is none of.
---@param of table what words.new gave
---@param task? string
---@return integer id
function words.begins(of, task)
  if not task then return of.bos end
  local id = (of.tasks or {})[task]
  if id then return id end
  local names = {}
  for name in pairs(of.tasks or {}) do names[#names + 1] = name end
  table.sort(names)
  error(("captioner: no task is called '%s'; there are %s"):format(task,
    #names > 0 and table.concat(names, ", ") or "none"), 0)
end

return words
