--- Clips of videos as AudioCaps names them, by the video and the second where they begin, and the files that
--- downloaders make of them.
local plain = require "nightjar.plain"

local youtube = {}

--- The columns that name such a clip.
youtube.columns = { "youtube_id", "start_time" }

--- What a clip is called.
---@param row table<string, string> youtube_id, start_time
---@return string
function youtube.id(row) return row.youtube_id .. "_" .. row.start_time end

--- What downloaders call its file, without extensions.
---@param row table<string, string> youtube_id, start_time, and audiocap_id where there is one
---@return string[]
function youtube.names(row)
  local start, from = row.start_time, plain.number(row.start_time) or 0
  local whole = ("%d"):format(from // 1)
  local to = ("%d"):format(from // 1 + 10)
  local names = {}
  for _, stem in ipairs { row.youtube_id, "Y" .. row.youtube_id } do
    for _, name in ipairs {
      stem .. "_" .. start,
      stem .. "_" .. whole,
      stem .. "_" .. whole .. "_" .. to,
      require("nightjar.core").system.format("%s_%.3f_%.3f", stem, from, from + 10),
      ("%s_%d_%d"):format(stem, from * 1000 // 1, (from + 10) * 1000 // 1),
      ("%s_%d"):format(stem, from * 1000 // 1),
      stem,
    } do
      names[#names + 1] = name
    end
  end
  names[#names + 1] = row.audiocap_id
  return names
end

return youtube
