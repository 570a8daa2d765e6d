--- Captions from outside: what a captioner wrote about clips, or descriptions that a sound library
--- came with. One file, one set; sets of several captioners are merged.
---
---     local set = assert(nj.data.generated("conette_clotho_eval.jsonl", { split = "evaluation" }))
---     print(set)             --> conette_clotho_eval: 1045 clips, 3135 captions (3 a clip), …
---     for _, c in ipairs(set:of "evaluation/Santa Motor.wav") do print(c.text, c.logprob) end
---
--- Captions that have log-probabilities are sorted by them, the most probable first; others keep
--- the order of the file.
local dataset_folder = require "nightjar.data.folder"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"
local records = require "nightjar.data.records"

local Generated = { __name = "nightjar.Generated" }
Generated.__index = Generated

local file_fields = {
  "fname", "file_name", "filename", "file", "path", "audio", "audio_file", "wav", "audio_id",
  "clip", "id", "name", "youtube_id",
}
local caption_fields = {
  "captions", "beams", "titles", "predictions", "candidates", "caption", "title", "prediction",
  "candidate", "best", "text", "description", "sentence",
}
local logprob_fields = {
  "logprobs", "beam_logprobs", "log_probs", "lprobs", "logprob", "log_prob", "best_logprob",
}
local split_fields = { "split", "subset" }
local text_keys = { "text", "caption", "sentence" }
local logprob_keys = { "logprob", "log_prob", "lprob", "score" }

local split_names = {
  dev = "development", eval = "evaluation", val = "validation", valid = "validation",
  training = "train", testing = "test",
}

local function split_of(name) return split_names[name:lower()] or name:lower() end

local function bad(state, row, message, ...)
  state.message = ("generated: %s:%d: %s"):format(state.path, row.line, message:format(...))
  return nil
end

local function has(row, name)
  return type(row.fields) == "table" and row.fields[name] ~= nil
    and row.fields[name] ~= records.null
end

-- The first of the candidate names that the record has.
local function first_of(row, candidates)
  for _, name in ipairs(candidates) do
    if has(row, name) then return name end
  end
end

local function known_fields(row)
  local names = {}
  for name in pairs(row.fields) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return table.concat(names, "', '", 1, math.min(#names, 12)) .. (#names > 12 and "', …" or "")
end

-- The field of a record under the name the caller gave, or the usual names.
local function field(state, row, what, wanted, candidates)
  local name = wanted and (has(row, wanted) and wanted) or not wanted and first_of(row, candidates)
  if name then return name end
  return bad(state, row, "no %s field%s; there are '%s'", what,
    wanted and (" '" .. wanted .. "'") or "", known_fields(row))
end

-- caption_1, caption_2 … of a CSV row.
local function numbered(row)
  if type(row.fields) ~= "table" or row.fields.caption_1 == nil then return nil end
  local names, k = {}, 1
  while row.fields["caption_" .. k] ~= nil do
    names[k] = "caption_" .. k
    k = k + 1
  end
  return names
end

local function clean(state, row, text)
  if type(text) ~= "string" then
    return bad(state, row, "a caption is %s, not a text",
      text == records.null and "null" or "a " .. type(text))
  end
  if not utf8.len(text) then return bad(state, row, "a caption is not UTF-8") end
  return (text:gsub("%s+", " "):match "^ ?(.-) ?$")
end

local function finite(state, row, value)
  if value == nil or value == records.null or value == "" then return nil end
  local number = plain.number(value)
  if not number or number ~= number or number == math.huge or number == -math.huge then
    bad(state, row, "a log-probability is %s, not a number",
      type(value) == "string" and ("%q"):format(value) or tostring(value))
    return nil
  end
  return number + 0.0
end

-- Appends one caption to `out`; empty ones are counted and left out. False after an error.
local function add(state, row, out, text, logprob, source)
  local content = text
  if records.is_object(text) then
    for _, key in ipairs(text_keys) do
      if type(text[key]) == "string" then content = text[key] break end
    end
    for _, key in ipairs(logprob_keys) do
      if logprob == nil then logprob = text[key] end
    end
    if type(text.source) == "string" then source = text.source end
  end
  content = clean(state, row, content)
  if not content then return false end
  logprob = finite(state, row, logprob)
  if state.message then return false end
  if content == "" then
    state.empty = state.empty + 1
  else
    out[#out + 1] = { text = content, logprob = logprob, source = source or state.source }
  end
  return true
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- Captions out of one field's value: a text, a list, or an object with one entry for each source.
local function add_value(state, row, out, value, logprobs)
  if records.is_list(value) then
    if logprobs ~= nil and (not records.is_list(logprobs) or #logprobs ~= #value) then
      return bad(state, row, "%d captions but %s log-probabilities", #value,
        records.is_list(logprobs) and #logprobs or "no list of")
    end
    for k, item in ipairs(value) do
      if not add(state, row, out, item, logprobs and logprobs[k]) then return false end
    end
    return true
  end
  local one_text = not records.is_object(value)
  for _, key in ipairs(one_text and {} or text_keys) do one_text = one_text or value[key] ~= nil end
  if one_text then
    if records.is_list(logprobs) then logprobs = logprobs[1] end
    return add(state, row, out, value, logprobs)
  end
  for _, source in ipairs(sorted_keys(value)) do
    local item = value[source]
    for _, one in ipairs(records.is_list(item) and item or { item }) do
      if not add(state, row, out, one, nil, source) then return false end
    end
  end
  return true
end

-- All captions of one record, or nil with state.message set.
local function captions_of(state, row)
  local o, out = state.o, {}
  if row.key ~= nil and not (records.is_object(row.fields)
      and (o.caption_field or first_of(row, caption_fields))) then
    return add_value(state, row, out, row.fields) and out or nil
  end
  local names = o.caption_fields or not o.caption_field and numbered(row)
  if not names then
    local name = field(state, row, "caption", o.caption_field, caption_fields)
    if not name then return nil end
    names = { name }
  end
  local logprob = o.logprob_field
    and field(state, row, "log-probability", o.logprob_field, {})
    or not o.logprob_field and #names == 1 and first_of(row, logprob_fields)
  if state.message then return nil end
  for _, name in ipairs(names) do
    if row.fields[name] == nil then
      return bad(state, row, "no caption field '%s'; there are '%s'", name, known_fields(row))
    end
    local value = row.fields[name]
    if value ~= records.null
      and not add_value(state, row, out, value, logprob and row.fields[logprob] or nil) then
      return nil
    end
  end
  return out
end

local function file_of(state, row)
  if row.key ~= nil then return row.key end
  local name = field(state, row, "file", state.o.file_field, file_fields)
  local value = name and row.fields[name]
  if not name then return nil end
  if math.type(value) == "integer" then value = tostring(value) end
  if type(value) ~= "string" or value == "" or not utf8.len(value) then
    return bad(state, row, "field '%s' holds no file name", name)
  end
  return value
end

-- The split that a record says it belongs to; nil when it says none.
local function stated_split(state, row)
  local name = state.o.split_field or first_of(row, split_fields)
  local value = name and type(row.fields) == "table" and row.fields[name]
  return type(value) == "string" and value ~= "" and split_of(value) or nil
end

-- The names by which a record may mean a clip: in full, without folders, without extension, and
-- without the space that some lists have lost from the ends of file names.
local function names_for(name)
  local bare = fs.name(name)
  return { name, bare, "stem:" .. name, "stem:" .. fs.stem(bare), "trim:" .. bare:match "^%s*(.-)%s*$" }
end

-- Every name of a data set's clips → the clip, or false where two share it.
local function names_of(dataset)
  local index = {}
  local function enter(name, clip)
    if index[name] == nil then
      index[name] = clip
    elseif index[name] ~= clip then
      index[name] = false
    end
  end
  for _, list in ipairs { dataset.clips, dataset.missing } do
    for _, clip in ipairs(list) do
      for _, name in ipairs { clip.id, clip.file_name or clip.id, clip.path or clip.id } do
        for _, form in ipairs(names_for(name)) do enter(form, clip) end
      end
    end
  end
  return index
end

-- The clip of a name; false when several have it.
local function find_clip(index, name)
  for _, form in ipairs(names_for(name)) do
    if index[form] ~= nil then return index[form] end
  end
end

-- The id under which a record's captions are kept; nil, true when it belongs to another split or
-- to no clip of the data set; nil after an error.
local function id_of(state, row, name)
  local o = state.o
  local split = stated_split(state, row)
  if o.split and split and split ~= split_of(o.split) then
    state.other_splits = state.other_splits + 1
    return nil, true
  end
  if not state.index then
    local prefix = o.split or state.several_splits and split
    return prefix and prefix .. "/" .. name or name
  end
  local clip = find_clip(state.index, name)
  if clip then return clip.id end
  if clip == false then
    return bad(state, row, "'%s' is the name of more than one clip of %s", name, o.dataset.name)
  end
  state.unmatched[#state.unmatched + 1] = name
  return nil, true
end

local function several_splits(state, rows)
  local seen
  for _, row in ipairs(rows) do
    local split = stated_split(state, row)
    if split and seen and split ~= seen then return true end
    seen = split or seen
  end
  return false
end

-- The most probable first, if all say how probable they are; ties and others in their order.
local function sort_captions(list)
  local place = {}
  for k, caption in ipairs(list) do
    if not caption.logprob then return end
    place[caption] = k
  end
  table.sort(list, function(a, b)
    if a.logprob ~= b.logprob then return a.logprob > b.logprob end
    return place[a] < place[b]
  end)
end

local function new_set(fields)
  fields.order = fields.order or {}
  fields.by_id = fields.by_id or {}
  return setmetatable(fields, Generated)
end

local function gather(state, rows)
  local set = new_set { name = state.source }
  state.several_splits = not state.o.split and several_splits(state, rows)
  for _, row in ipairs(rows) do
    local name = file_of(state, row)
    local id, skipped
    if name then id, skipped = id_of(state, row, name) end
    if id then
      local captions = captions_of(state, row)
      if not captions then return nil end
      if not set.by_id[id] then
        set.by_id[id] = {}
        set.order[#set.order + 1] = id
      end
      table.move(captions, 1, #captions, #set.by_id[id] + 1, set.by_id[id])
    elseif not skipped then
      return nil
    end
  end
  for _, id in ipairs(set.order) do sort_captions(set.by_id[id]) end
  set.unmatched, set.empty, set.other_splits = state.unmatched, state.empty, state.other_splits
  return set
end

-- Descriptions that a library has: its CSV, or what its file names say.
local function from_folder(path, o)
  local clips, message, code = dataset_folder(path, {
    csv = o.csv, file_column = o.file_field, caption_column = o.caption_field, missing = "keep",
  })
  if not clips then return nil, "generated: " .. message, code end
  local set = new_set { name = o.source or fs.name(path), unmatched = {}, empty = 0,
    other_splits = 0 }
  local index = o.dataset and names_of(o.dataset)
  for _, clip in ipairs(clips.clips) do
    local found = not index and clip or find_clip(index, clip.id)
    if found then
      local id = o.split and not index and o.split .. "/" .. clip.id or found.id
      set.order[#set.order + 1], set.by_id[id] = id, {}
      for k, text in ipairs(clip.captions) do
        set.by_id[id][k] = { text = text, source = set.name }
      end
    else
      set.unmatched[#set.unmatched + 1] = clip.id
    end
  end
  return set
end

local rules = {
  format = { type = "string", one_of = { "csv", "jsonl", "json" } },
  file_field = "string", caption_field = "string", caption_fields = "table",
  logprob_field = "string", split_field = "string", records = "string", csv = "string",
  split = "string", dataset = "nightjar.Dataset", source = "string",
}

--- Reads captions that were made elsewhere.
---
--- Files: CSV with a header (caption, or caption_1 … caption_n; or one caption a row), JSONL (an
--- object a line), JSON (a list of objects; an object whose keys are file names; an object that
--- holds either under `data`, `annotations` …). Captions may be a text, a list of texts, a list of
--- objects { text=, logprob= }, or an object with one text for each source. Fields called
--- "references" and the like are never taken for captions.
---
--- A folder instead of a file: descriptions that a sound library has, from its CSV (option `csv`)
--- or, without one, from its file names (see nightjar.data.folder).
---
--- Ids: those of `dataset`'s clips, found by file name with or without folder and extension; without
--- a data set, "<split>/<file name>" when `split` is given or the file speaks of several splits, else
--- the file name as it is written. Records of other splits than `split` (default: the data set's)
--- are passed over.
---@param path string
---@param options? { format?: "csv"|"jsonl"|"json", file_field?: string, caption_field?: string,
---  caption_fields?: string[], logprob_field?: string, split_field?: string, split?: string,
---  dataset?: nightjar.Dataset, source?: string, records?: string, csv?: string } fields are
---  guessed where not given; source: what captions are said to come from when the file does not say
---  (default: the file's name without extension); records: the member of a JSON object that holds
---  the records
---@return nightjar.Generated? set .name, .unmatched (names that no clip of the data set has),
---  .empty (captions without a word), .other_splits (records passed over)
---@return string? message names the file and the line
---@return string? code
local function generated(path, options)
  opts.arg("generated", 1, "path", path, "string")
  local o = opts.check("generated", options, rules)
  if o.caption_field and o.caption_fields then
    error("generated: give 'caption_field' or 'caption_fields', not both", 2)
  end
  if o.dataset and not o.split and o.dataset.split ~= "all" then o.split = o.dataset.split end
  if fs.kind(path) == "directory" then return from_folder(path, o) end
  local format = o.format or records.format_of(path)
  if not format then
    return nil, ("generated: %s: the name ends in none of .csv, .jsonl, .json (option 'format' "
      .. "says what it is)"):format(path), "EFORMAT"
  end
  local rows, message, code = records.read(path, format, o.records)
  if not rows then return nil, "generated: " .. message, code end
  local state = {
    path = path, o = o, source = o.source or fs.stem(path), unmatched = {}, empty = 0,
    other_splits = 0, index = o.dataset and names_of(o.dataset),
  }
  local set = gather(state, rows)
  if not set then return nil, state.message, "EFORMAT" end
  return set
end

--- The captions of a clip, a new list; empty when there are none.
---@param id string
---@return { text: string, logprob: number?, source: string }[]
function Generated:of(id)
  local list = self.by_id[opts.arg("of", 1, "id", id, "string")] or {}
  return table.move(list, 1, #list, 1, {})
end

--- The clips that have a record, in the order of the file.
---@return string[]
function Generated:ids() return table.move(self.order, 1, #self.order, 1, {}) end

--- Texts alone, for every clip of a list: what a batch of captions is made of.
---@param clips nightjar.Dataset|(nightjar.Clip|string)[] a data set, clips or ids
---@param options? { k?: integer, unique?: boolean, source?: string } k: at most so many a clip, from
---  the first; unique: a text that a clip has already, but for case and punctuation, is left out;
---  source: only captions of this source
---@return string[][] lists one for each clip, empty where there is no caption
function Generated:texts(clips, options)
  opts.arg("texts", 1, "clips", clips, "table|nightjar.Dataset")
  local o = opts.check("texts", options, {
    k = { type = "integer", min = 1 }, unique = { type = "boolean", default = false },
    source = "string",
  })
  local out = {}
  for i, clip in ipairs(clips.clips or clips) do
    local seen, list = {}, {}
    for _, caption in ipairs(self:of(type(clip) == "table" and clip.id or clip)) do
      local form = caption.text:lower():gsub("[%p%s]+", " "):match "^ ?(.-) ?$"
      if not (o.unique and seen[form]) and not (o.source and caption.source ~= o.source)
        and #list < (o.k or math.huge) then
        list[#list + 1] = caption.text
      end
      seen[form] = true
    end
    out[i] = list
  end
  return out
end

--- A new set with the captions of this one and of others, in this order.
---@param ... nightjar.Generated
---@return nightjar.Generated
function Generated:merge(...)
  local names, out = {}, new_set { unmatched = {}, empty = 0, other_splits = 0 }
  for position, set in ipairs { self, ... } do
    if getmetatable(set) ~= Generated then
      error(("merge: argument %d must be a nightjar.Generated, got a %s"):format(position - 1,
        opts.type_name(set)), 2)
    end
    names[position] = set.name
    for _, id in ipairs(set.order) do
      if not out.by_id[id] then
        out.by_id[id] = {}
        out.order[#out.order + 1] = id
      end
      local list = out.by_id[id]
      table.move(set.by_id[id], 1, #set.by_id[id], #list + 1, list)
    end
    out.empty = out.empty + set.empty
    out.other_splits = out.other_splits + set.other_splits
    table.move(set.unmatched, 1, #set.unmatched, #out.unmatched + 1, out.unmatched)
  end
  out.name = table.concat(names, " + ")
  return out
end

--- How much there is: { clips=, captions=, least=, most= (captions a clip), logprobs= (captions that
--- have one), sources = { [name] = captions } }. Clips whose captions were all empty count.
---@return table
function Generated:counts()
  local counts = { clips = #self.order, captions = 0, logprobs = 0, sources = {} }
  for _, id in ipairs(self.order) do
    local list = self.by_id[id]
    counts.captions = counts.captions + #list
    counts.least = math.min(counts.least or #list, #list)
    counts.most = math.max(counts.most or #list, #list)
    for _, caption in ipairs(list) do
      if caption.logprob then counts.logprobs = counts.logprobs + 1 end
      counts.sources[caption.source] = (counts.sources[caption.source] or 0) + 1
    end
  end
  counts.least, counts.most = counts.least or 0, counts.most or 0
  return counts
end

function Generated:__len() return #self.order end

function Generated:__tostring()
  local n = self:counts()
  local text = ("%s: %d clips, %d captions (%s a clip)"):format(self.name, n.clips, n.captions,
    n.least == n.most and n.least or n.least .. " to " .. n.most)
  if n.logprobs > 0 then text = ("%s, %d with a log-probability"):format(text, n.logprobs) end
  if #self.unmatched > 0 then
    text = ("%s; %d records of no clip"):format(text, #self.unmatched)
  end
  return text
end

return generated
