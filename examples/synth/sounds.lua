--- Sounds made of arithmetic, for the demo and for tests: one synthesiser a file, each
--- function (rng, seconds) → wave.
---
---     local synth = require "examples.synth.sounds"
---     local wave = synth.make("rain", { seed = 3 })
---     assert(synth.write_all("sounds/"))
local nj = require "nightjar"
local fs = require "nightjar.fs"
local csv = require "nightjar.data.csv"
local signal = require "examples.synth.signal"

local synth = { rate = signal.rate }

--- The kinds of sound there are, sorted, with what a person would call each.
synth.kinds = {
  alarm_clock = "an alarm clock beeps", applause = "people applaud", baby = "a baby cries",
  birds = "birds sing", car_horn = "a car horn honks", cat = "a cat meows",
  chainsaw = "a chainsaw runs", church_bells = "church bells ring", clock_tick = "a clock ticks",
  crickets = "crickets chirp", dog = "a dog barks", door_knock = "someone knocks on a door",
  engine = "an engine idles", fire = "a fire crackles", footsteps = "someone walks",
  glass = "glass breaks", helicopter = "a helicopter flies", keyboard = "someone types",
  rain = "rain falls", sea_waves = "waves break on a beach", siren = "a siren wails",
  snoring = "someone snores", thunder = "thunder rolls", train = "a train passes",
  vacuum_cleaner = "a vacuum cleaner runs", water_drops = "water drips", wind = "the wind blows",
}

--- The names of the kinds, sorted.
---@return string[]
function synth.names()
  local names = {}
  for name in pairs(synth.kinds) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- One sound.
---@param kind string
---@param options? { seed?: integer, seconds?: number }
---@return nightjar.Tensor wave (samples) at synth.rate
function synth.make(kind, options)
  options = options or {}
  if not synth.kinds[kind] then error(("synth: no kind '%s'"):format(tostring(kind)), 2) end
  local number = 0
  for i, name in ipairs(synth.names()) do
    if name == kind then number = i end
  end
  local rng = nj.rng(options.seed or 1, number)
  return nj.no_grad(require("examples.synth." .. kind), rng, options.seconds or 5)
end

--- Writes one sound of each kind as 16-bit WAV, called by its kind: names help people, and nothing
--- in nightjar looks at them. what-is-what.csv says in a sentence what each is.
---@param dir string made when it is not there
---@param options? { seed?: integer, seconds?: number }
---@return { file: string, kind: string, text: string }[]? written
---@return string? message
---@return string? code
function synth.write_all(dir, options)
  options = options or {}
  local ok, message, code = fs.make_folders(dir)
  if not ok then return nil, message, code end
  local rows = {}
  for i, kind in ipairs(synth.names()) do
    local file = kind .. ".wav"
    ok, message, code = nj.audio.write(fs.join(dir, file), synth.make(kind, options), synth.rate)
    if not ok then return nil, message, code end
    rows[i] = { file = file, kind = kind, text = synth.kinds[kind] }
  end
  ok, message, code =
    csv.write(fs.join(dir, "what-is-what.csv"), rows, { columns = { "file", "kind", "text" } })
  if not ok then return nil, message, code end
  return rows
end

return synth
