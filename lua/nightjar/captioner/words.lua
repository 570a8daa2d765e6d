--- The words of a captioner: its tokeniser, and which tokens are what.
local core = require "nightjar.core"

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

--- A tokeniser whose [CLS] begins and whose [SEP] ends a caption, with the ids that generation needs.
---@param vocabulary string[]
---@return table { tokenizer, bos, eos, pad, forbid, content }: forbid: ids that are no words; content:
---  ids of whole words that a caption has little reason to say twice
function words.new(vocabulary)
  local tokenizer = assert(core.text.wordpiece(vocabulary))
  local ids = tokenizer:special_ids()
  if not (ids.cls and ids.sep and ids.pad and ids.unk) then
    error("captioner: the vocabulary needs the tokens [PAD], [UNK], [CLS] and [SEP]", 0)
  end
  local common = {}
  for word in FUNCTION_WORDS:gmatch "%S+" do common[word] = true end
  local content = {}
  for id, token in ipairs(vocabulary) do
    if token:find "^[%w\128-\255]" and not common[token] then content[#content + 1] = id - 1 end
  end
  return {
    tokenizer = tokenizer, bos = ids.cls, eos = ids.sep, pad = ids.pad,
    forbid = { ids.cls, ids.pad, ids.unk, ids.mask },
    content = content,
  }
end

return words
