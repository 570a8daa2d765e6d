--- AudioCaps (Kim et al., NAACL 2019): ten-second clips of YouTube videos with human captions. The
--- official files are {train,val,test}.csv with the columns audiocap_id, youtube_id, start_time and
--- caption; the audio has to be collected by each user, so the folders and names differ, and clips
--- vanish. Read what `print(dataset)` counts: papers mostly test on 957 of the 975 test clips.
local csv = require "nightjar.data.csv"
local dataset = require "nightjar.data.dataset"
local fs = require "nightjar.fs"
local opts = require "nightjar.opts"
local plain = require "nightjar.plain"
local sounds = require "nightjar.data.sounds"
local youtube = require "nightjar.data.youtube"

local function first_file(paths)
  for _, path in ipairs(paths) do
    if fs.kind(path) == "file" then return path end
  end
end

--- Opens one split of AudioCaps.
---
--- The CSV is looked for as root/<split>.csv, root/dataset/<split>.csv, root/csv/<split>.csv; the
--- sounds directly in root/<split>, root/audio/<split>, root/waveforms/<split>, root/wavs/<split>,
--- root/audio and root, as <youtube_id>, Y<youtube_id>, <youtube_id>_<start> and the like, with any
--- extension that a decoder may know.
---@param root string
---@param options { split: "train"|"val"|"test", csv?: string, audio?: string,
---  missing?: "drop"|"keep"|"error" } csv, audio: the file and the folder, where they lie
---  elsewhere; missing: what happens to clips without a sound file (default "drop": they are
---  counted and listed in dataset.missing)
---@return nightjar.Dataset? dataset clip ids are "<youtube_id>_<start_time>"
---@return string? message
---@return string? code
return function(root, options)
  opts.arg("audiocaps", 1, "root", root, "string")
  local o = opts.check("audiocaps", options, {
    split = { type = "string", one_of = { "train", "val", "test" }, required = true },
    csv = "string",
    audio = "string",
    missing = { type = "string", default = "drop", one_of = { "drop", "keep", "error" } },
  })
  local split = o.split
  local path = o.csv or first_file {
    fs.join(root, split .. ".csv"),
    fs.join(root, "dataset", split .. ".csv"),
    fs.join(root, "csv", split .. ".csv"),
  }
  if not path then
    return nil, ("audiocaps: no %s.csv in %s, nor in its folders dataset and csv")
      :format(split, root), "ENOTFOUND"
  end
  local rows, message, code =
    csv.read(path, { required = { "youtube_id", "start_time", "caption" } })
  if not rows then return nil, "audiocaps: " .. message, code end
  local index = sounds.index(o.audio and { o.audio } or {
    fs.join(root, split), fs.join(root, "audio", split), fs.join(root, "waveforms", split),
    fs.join(root, "wavs", split), fs.join(root, "audio"), root,
  })
  local listed, by_id = {}, {}
  for _, row in ipairs(rows) do
    local id = row.youtube_id .. "_" .. row.start_time
    local clip = by_id[id]
    if not clip then
      clip = {
        id = id, captions = {}, youtube_id = row.youtube_id,
        start = plain.number(row.start_time), audiocap_ids = {},
        path = sounds.find(index, table.unpack(youtube.names(row))),
      }
      by_id[id] = clip
      listed[#listed + 1] = clip
    end
    clip.captions[#clip.captions + 1] = row.caption
    clip.audiocap_ids[#clip.audiocap_ids + 1] = row.audiocap_id
  end
  local clips, missing, why = sounds.sort_missing("audiocaps", listed, o.missing)
  if not clips then return nil, missing, why end
  return dataset.new {
    name = "AudioCaps", split = split, clips = clips, missing = missing, root = root,
  }
end
