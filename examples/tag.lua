#!/usr/bin/env lua5.4
--- Tags sounds with a network that was trained on AudioSet, or measures it on ESC-50.
---
---   lua5.4 examples/tag.lua --weights mn04_as_mAP_432.pt --labels class_labels_indices.csv bark.wav …
---   lua5.4 examples/tag.lua --weights … --labels … --esc50 DIR [--fold 5]
---
--- The first prints each file's most probable tags. The second compares, for every clip of a fold, the
--- tags with its class: how often one of the class's AudioSet names comes first, or among the first
--- five, and how often the class whose names score highest is the clip's (classification).
local nj = require "nightjar"

local parser = require "argparse"("tag", "Tag sounds with an AudioSet network.")
parser:argument("sounds", "Sound files."):args "*"
parser:option("--weights", "The network's checkpoint."):argname("FILE"):count(1)
parser:option("--labels", "AudioSet's class_labels_indices.csv."):argname("FILE"):count(1)
parser:option("--network", "Its name, of nj.encoders.names()."):default "mn04"
parser:option("--esc50", "ESC-50's folder."):argname "DIR"
parser:option("--fold", "Which fold of it."):default("5"):convert(math.tointeger)
parser:option("--seconds", "Repeat sounds that are shorter."):default("0"):convert(tonumber)
parser:option("--top", "How many tags to print."):default("5"):convert(math.tointeger)
local options = parser:parse(arg)

local labels, index_of = {}, {}
for _, row in ipairs(assert(nj.data.csv.read(options.labels,
  { required = { "index", "display_name" } }))) do
  labels[tonumber(row.index) + 1] = row.display_name
  index_of[row.display_name] = tonumber(row.index) + 1
end
local net, about = assert(nj.encoders.from(options.network, { checkpoint = options.weights }))
local front_end = nj.audio.mel(about.front_end)
local rate = front_end:descriptor().rate

--- Probabilities of all classes: a tensor.
local function tag(path)
  local wave, message = nj.audio.decode(path, { rate = rate })
  if not wave then return nil, message end
  local n, least = wave.shape[1], math.floor(options.seconds * rate)
  if n > 0 and n < least then
    local copies = {}
    for i = 1, (least + n - 1) // n do copies[i] = wave end
    wave = nj.cat(copies, 1)[{ { 1, least } }]
  end
  return nj.no_grad(function()
    local mel = front_end(wave)
    if net:longest() then mel = mel[{ { 1, math.min(mel.shape[1], net:longest()) } }] end
    local _, clip, _, hidden = net(mel:unsqueeze(1), nil, { hidden = true })
    local read = about.encoder.kind == "htsat" and hidden[#hidden] or clip
    return (net:logits(read))[1]:sigmoid()
  end)
end

local function first(p, n)
  local values, places = p:topk(n)
  return values:totable(), places:totable()
end

for _, path in ipairs(options.sounds) do
  local p, message = tag(path)
  print(path .. (p and "" or ": " .. message))
  if p then
    local values, places = first(p, options.top)
    for i, place in ipairs(places) do print(("  %5.1f %%  %s"):format(100 * values[i], labels[place])) end
  end
end
if not options.esc50 then return end

--- The names that AudioSet has for ESC-50's classes; an empty list where it has none.
local names = {
  airplane = { "Aircraft", "Fixed-wing aircraft, airplane", "Propeller, airscrew", "Jet engine",
    "Aircraft engine" },
  breathing = { "Breathing", "Wheeze", "Gasp", "Pant" },
  brushing_teeth = { "Toothbrush", "Electric toothbrush" },
  can_opening = {},
  car_horn = { "Vehicle horn, car horn, honking", "Toot", "Air horn, truck horn" },
  cat = { "Cat", "Meow", "Purr", "Hiss", "Caterwaul" },
  chainsaw = { "Chainsaw" },
  chirping_birds = { "Bird", "Bird vocalization, bird call, bird song", "Chirp, tweet", "Squawk" },
  church_bells = { "Church bell", "Bell", "Change ringing (campanology)" },
  clapping = { "Clapping", "Applause" },
  clock_alarm = { "Alarm clock", "Alarm", "Beep, bleep", "Buzzer" },
  clock_tick = { "Tick-tock", "Tick", "Clock" },
  coughing = { "Cough", "Throat clearing" },
  cow = { "Cattle, bovinae", "Moo" },
  crackling_fire = { "Fire", "Crackle" },
  crickets = { "Cricket", "Insect" },
  crow = { "Crow", "Caw" },
  crying_baby = { "Baby cry, infant cry", "Crying, sobbing", "Whimper" },
  dog = { "Dog", "Bark", "Bow-wow", "Yip", "Howl", "Growling", "Whimper (dog)" },
  door_wood_creaks = { "Creak", "Squeak", "Door" },
  door_wood_knock = { "Knock", "Door" },
  drinking_sipping = {},
  engine = { "Engine", "Engine starting", "Idling", "Engine knocking", "Accelerating, revving, vroom",
    "Light engine (high frequency)", "Medium engine (mid frequency)",
    "Heavy engine (low frequency)" },
  fireworks = { "Fireworks", "Firecracker" },
  footsteps = { "Walk, footsteps", "Run" },
  frog = { "Frog", "Croak" },
  glass_breaking = { "Glass", "Shatter", "Breaking" },
  hand_saw = { "Sawing" },
  helicopter = { "Helicopter" },
  hen = { "Chicken, rooster", "Cluck", "Fowl" },
  insects = { "Insect", "Fly, housefly", "Bee, wasp, etc.", "Mosquito", "Buzz" },
  keyboard_typing = { "Computer keyboard", "Typing", "Typewriter" },
  laughing = { "Laughter", "Giggle", "Snicker", "Belly laugh", "Chuckle, chortle", "Baby laughter" },
  mouse_click = { "Clicking" },
  pig = { "Pig", "Oink" },
  pouring_water = { "Pour", "Trickle, dribble", "Liquid", "Fill (with liquid)",
    "Water tap, faucet" },
  rain = { "Rain", "Raindrop", "Rain on surface" },
  rooster = { "Chicken, rooster", "Crowing, cock-a-doodle-doo", "Fowl" },
  sea_waves = { "Waves, surf", "Ocean" },
  sheep = { "Sheep", "Bleat", "Goat" },
  siren = { "Siren", "Civil defense siren", "Police car (siren)", "Ambulance (siren)",
    "Fire engine, fire truck (siren)" },
  sneezing = { "Sneeze" },
  snoring = { "Snoring" },
  thunderstorm = { "Thunderstorm", "Thunder" },
  toilet_flush = { "Toilet flush" },
  train = { "Train", "Rail transport", "Railroad car, train wagon", "Train horn", "Train whistle",
    "Train wheels squealing" },
  vacuum_cleaner = { "Vacuum cleaner" },
  washing_machine = {},
  water_drops = { "Drip", "Raindrop" },
  wind = { "Wind", "Wind noise (microphone)", "Rustling leaves", "Howl (wind)" },
}

local columns, classes, without = {}, {}, {}
for class, list in pairs(names) do
  local places = {}
  for _, name in ipairs(list) do places[#places + 1] = index_of[name] end
  local into = #places > 0 and classes or without
  into[#into + 1] = class
  columns[class] = places
end
table.sort(classes)
table.sort(without)

--- The class whose names score highest.
local function classify(p)
  local best, most
  local all = p:totable()
  for _, class in ipairs(classes) do
    for _, place in ipairs(columns[class]) do
      if not most or all[place] > most then best, most = class, all[place] end
    end
  end
  return best
end

local counts, total = {}, { n = 0, one = 0, five = 0, right = 0 }
for _, class in ipairs(classes) do counts[class] = { n = 0, one = 0, five = 0, right = 0 } end
local clips = assert(nj.data.esc50(options.esc50, { folds = { options.fold } })).clips
local started = os.clock()
for _, clip in ipairs(clips) do
  local count = counts[clip.label]
  if count then
    local p = assert(tag(clip.path))
    local of_class = {}
    for _, place in ipairs(columns[clip.label]) do of_class[place] = true end
    local _, places = first(p, 5)
    local among = 0
    for i = 5, 1, -1 do
      if of_class[places[i]] then among = i end
    end
    local right = classify(p) == clip.label
    for _, c in ipairs { count, total } do
      c.n = c.n + 1
      c.one = c.one + (among == 1 and 1 or 0)
      c.five = c.five + (among > 0 and 1 or 0)
      c.right = c.right + (right and 1 or 0)
    end
  end
end
local seconds = os.clock() - started

local function line(what, c)
  print(("%-18s %5d %7.1f %7.1f %7.1f"):format(what, c.n, 100 * c.one / c.n, 100 * c.five / c.n,
    100 * c.right / c.n))
end
print(("%-18s %5s %7s %7s %7s"):format("class", "clips", "first", "top 5", "chosen"))
for _, class in ipairs(classes) do
  if counts[class].n > 0 then line(class, counts[class]) end
end
line("all", total)
print(("\nfirst, top 5: %% of clips whose class has a name among the first 1, 5 of %d tags."):format(
  #labels))
print(("chosen: %% of clips whose class's names score highest of %d classes."):format(#classes))
print(("Left out, AudioSet having no name for them: %s."):format(table.concat(without, ", ")))
print(("%.1f s of processor time, %.0f ms a clip with decoding"):format(seconds, 1000 * seconds / total.n))
