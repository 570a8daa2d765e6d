--- What each class of sound is called: the words from which nightjar.data.captions makes sentences.
--- The classes are those of ESC-50 (Piczak 2015); the words are those that listeners write.
---
--- An entry holds
---   kind    "event": separate happenings that can be counted (a bark, a sneeze);
---           "series": a run of small sounds that is heard as one (typing, footsteps);
---           "steady": goes on (rain, an engine)
---   far     true where the source may well be far away, so that "in the distance" makes sense
---   say     { subject, verb, verb … } lists. Subjects carry their article; "+" marks a plural
---           one and "~" one that takes no participle ("it raining" is no phrase). Verbs are in
---           the base form, with what follows them ("go off"); passive ones start with "be"
---   names   noun phrases for the sound itself; "+" marks a plural one. An adjective must be able
---           to stand behind the article, or in front where there is none
---   tags    what people type into a search box
---   count   { singular, plural } of one happening, for "two dog barks" (events only, and only
---           those that do not come in quick series, as knocks and coughs do)
---   loud, faint   { say = adverbs, name = adjectives } where the usual ones do not fit
local lexicon = {}

-- ---- animals ----

lexicon.dog = {
  kind = "event", far = true,
  say = {
    { "a dog", "bark", "bark", "woof", "yap", "let out a bark" },
    { "a puppy", "bark", "yap" },
    { "a hound", "bark" },
  },
  names = { "barking", "a dog bark", "+dog barks", "the bark of a dog", "the barking of a dog" },
  tags = { "dog", "dog barking", "barking dog", "bark" },
  count = { "dog bark", "dog barks" },
}

lexicon.rooster = {
  kind = "event", far = true,
  say = {
    { "a rooster", "crow", "crow", "cry cock-a-doodle-doo" },
    { "a cockerel", "crow" },
    { "a cock", "crow" },
  },
  names = { "the crowing of a rooster", "a rooster call", "the crow of a cockerel" },
  tags = { "rooster", "rooster crowing", "cockerel", "cock-a-doodle-doo" },
  count = { "rooster call", "rooster calls" },
}

lexicon.pig = {
  kind = "series", far = false,
  say = {
    { "a pig", "oink", "grunt", "snort", "squeal" },
    { "a hog", "grunt", "snort" },
    { "+pigs", "oink", "grunt", "squeal" },
  },
  names = { "+pig grunts", "the grunting of a pig", "oinking", "the squealing of pigs" },
  tags = { "pig", "pig oinking", "pigs grunting", "oink" },
}

lexicon.cow = {
  kind = "event", far = true,
  say = {
    { "a cow", "moo", "moo", "low", "bellow" },
    { "a bull", "bellow" },
    { "a calf", "moo" },
  },
  names = { "mooing", "the moo of a cow", "the mooing of a cow", "the lowing of a cow" },
  tags = { "cow", "cow mooing", "moo", "cattle" },
  count = { "moo", "moos" },
}

lexicon.frog = {
  kind = "series", far = false,
  say = {
    { "a frog", "croak", "croak", "ribbit", "call" },
    { "a toad", "croak" },
    { "+frogs", "croak", "call" },
  },
  names = { "croaking", "the croaking of a frog", "+frog croaks", "+frog calls" },
  tags = { "frog", "frog croaking", "frogs", "croak" },
}

lexicon.cat = {
  kind = "event", far = false,
  say = {
    { "a cat", "meow", "meow", "mew", "miaow", "let out a meow" },
    { "a kitten", "meow", "mew" },
  },
  names = { "meowing", "a cat meow", "the meow of a cat", "the meowing of a cat" },
  tags = { "cat", "cat meowing", "meow", "kitten" },
  count = { "cat meow", "cat meows" },
}

lexicon.hen = {
  kind = "series", far = false,
  say = {
    { "a hen", "cluck", "cluck", "cackle" },
    { "a chicken", "cluck", "cackle", "squawk" },
    { "+hens", "cluck", "cackle" },
  },
  names = { "clucking", "the clucking of a hen", "+chicken clucks", "the cackle of a hen" },
  tags = { "hen", "chicken clucking", "hens", "cluck" },
}

lexicon.insects = {
  kind = "steady", far = false,
  say = {
    { "a fly", "buzz", "buzz around" },
    { "an insect", "buzz", "fly past" },
    { "+insects", "buzz", "hum", "swarm" },
    { "a bee", "buzz" },
    { "+bees", "buzz" },
  },
  names = { "the buzzing of insects", "the buzz of a fly", "insect buzzing", "+buzzing insects" },
  tags = { "insects", "fly buzzing", "bee buzzing", "buzzing insect", "mosquito" },
}

lexicon.sheep = {
  kind = "event", far = true,
  say = {
    { "a sheep", "bleat", "bleat", "baa" },
    { "a lamb", "bleat", "baa" },
    { "a goat", "bleat" },
  },
  names = { "bleating", "the bleating of a sheep", "the bleat of a sheep" },
  tags = { "sheep", "sheep bleating", "baa", "lamb" },
  count = { "bleat", "bleats" },
}

lexicon.crow = {
  kind = "event", far = true,
  say = {
    { "a crow", "caw", "caw", "croak", "call" },
    { "a raven", "caw" },
    { "+crows", "caw", "call" },
  },
  names = { "cawing", "the caw of a crow", "the cawing of a crow", "+crow calls" },
  tags = { "crow", "crow cawing", "caw", "raven" },
  count = { "caw", "caws" },
}

-- ---- nature ----

lexicon.rain = {
  kind = "steady", far = false,
  say = {
    { "rain", "fall", "fall", "pour down", "patter", "come down" },
    { "the rain", "fall", "patter down" },
    { "~it", "rain" },
    { "+raindrops", "patter", "fall" },
  },
  names = { "rain", "rainfall", "the patter of rain", "a rain shower", "falling rain" },
  tags = { "rain", "rain falling", "rainfall", "raining" },
  loud = { say = { "heavily", "hard" }, name = { "heavy", "loud" } },
  faint = { say = { "lightly", "gently", "softly" }, name = { "light", "gentle", "soft" } },
}

lexicon.sea_waves = {
  kind = "steady", far = false,
  say = {
    { "+waves", "crash", "break", "roll in", "wash ashore", "lap on the shore" },
    { "+sea waves", "crash", "break on the beach", "roll onto the shore" },
    { "+ocean waves", "crash", "wash onto the beach" },
    { "the sea", "roar", "surge" },
    { "surf", "break on the shore" },
  },
  names = { "+ocean waves", "+sea waves", "surf", "the crashing of waves", "the roar of the sea" },
  tags = { "sea waves", "waves", "ocean", "sea", "beach waves", "surf" },
  loud = { say = { "loudly", "heavily" }, name = { "loud", "heavy" } },
  faint = {
    say = { "gently", "softly", "in the distance" },
    name = { "gentle", "distant", "soft" },
  },
}

lexicon.crackling_fire = {
  kind = "steady", far = false,
  say = {
    { "a fire", "crackle", "crackle", "burn", "burn and crackle" },
    { "a campfire", "crackle", "burn" },
    { "wood", "burn and crackle", "crackle in the fire" },
    { "+flames", "crackle" },
  },
  names = { "a crackling fire", "the crackling of a fire", "the crackle of burning wood",
    "a campfire", "fire crackling" },
  tags = { "fire", "crackling fire", "campfire", "fireplace", "fire crackling" },
}

lexicon.crickets = {
  kind = "steady", far = true,
  say = {
    { "+crickets", "chirp", "chirp", "sing" },
    { "a cricket", "chirp" },
    { "+cicadas", "sing", "buzz" },
  },
  names = { "the chirping of crickets", "cricket song", "the song of crickets",
    "+chirping crickets" },
  tags = { "crickets", "crickets chirping", "cricket", "night insects" },
}

lexicon.chirping_birds = {
  kind = "steady", far = true,
  say = {
    { "+birds", "chirp", "sing", "tweet", "twitter" },
    { "a bird", "chirp", "sing", "tweet", "warble", "whistle" },
    { "+songbirds", "sing", "chirp" },
  },
  names = { "birdsong", "bird song", "the chirping of birds", "+bird calls",
    "the singing of birds" },
  tags = { "bird", "birds", "birds chirping", "birdsong", "bird singing" },
}

lexicon.water_drops = {
  kind = "series", far = false,
  say = {
    { "water", "drip", "drip", "drip slowly", "drip into a sink" },
    { "+water drops", "fall", "drip", "plop" },
    { "+drops of water", "fall" },
    { "a tap", "drip" },
    { "a faucet", "drip" },
  },
  names = { "dripping water", "+water drops", "the dripping of water", "a dripping tap",
    "+drips of water" },
  tags = { "water drops", "dripping water", "drip", "dripping tap", "water dripping" },
}

lexicon.wind = {
  kind = "steady", far = false,
  say = {
    { "wind", "blow", "blow", "howl", "gust", "whistle" },
    { "the wind", "blow", "howl", "roar" },
    { "a breeze", "blow" },
  },
  names = { "wind", "blowing wind", "the howling of the wind", "the roar of the wind",
    "+gusts of wind" },
  tags = { "wind", "wind blowing", "howling wind", "windy", "storm wind" },
  loud = { say = { "strongly", "hard" }, name = { "strong", "loud" } },
  faint = { say = { "gently", "softly", "lightly" }, name = { "gentle", "light", "soft" } },
}

lexicon.pouring_water = {
  kind = "steady", far = false,
  say = {
    { "water", "pour", "be poured", "be poured into a glass", "flow into a container" },
    { "someone", "pour water", "pour a drink", "fill a glass" },
    { "liquid", "be poured", "pour" },
    { "a glass", "be filled with water", "fill with water" },
  },
  names = { "pouring water", "the pouring of water", "the pouring of a drink", "water pouring" },
  tags = { "pouring water", "water pouring", "pouring a drink", "filling a glass" },
}

lexicon.toilet_flush = {
  kind = "steady", far = false,
  say = {
    { "a toilet", "flush", "flush", "be flushed" },
    { "someone", "flush a toilet", "flush the toilet" },
    { "water", "rush down a toilet", "gurgle down a toilet" },
  },
  names = { "a toilet flush", "the flushing of a toilet", "a flushing toilet" },
  tags = { "toilet flush", "toilet", "toilet flushing", "flush" },
}

lexicon.thunderstorm = {
  kind = "steady", far = true,
  say = {
    { "thunder", "rumble", "roll", "crash", "roar", "boom" },
    { "~it", "thunder" },
    { "a thunderstorm", "rage", "rumble" },
    { "a storm", "rumble" },
  },
  names = { "thunder", "a thunderstorm", "the rumble of thunder", "a clap of thunder",
    "rolling thunder" },
  tags = { "thunder", "thunderstorm", "thunder rumbling", "storm", "lightning storm" },
}

-- ---- people ----

lexicon.crying_baby = {
  kind = "series", far = false,
  say = {
    { "a baby", "cry", "cry", "wail", "scream", "bawl" },
    { "an infant", "cry", "wail" },
    { "a newborn", "cry" },
  },
  names = { "a crying baby", "the crying of a baby", "the cry of an infant" },
  tags = { "baby", "baby crying", "crying baby", "infant crying" },
}

lexicon.sneezing = {
  kind = "event", far = false,
  say = {
    { "someone", "sneeze" },
    { "a person", "sneeze", "let out a sneeze" },
    { "somebody", "sneeze" },
  },
  names = { "a sneeze", "sneezing", "the sneeze of a person" },
  tags = { "sneeze", "sneezing", "achoo", "person sneezing" },
  count = { "sneeze", "sneezes" },
}

lexicon.clapping = {
  kind = "steady", far = false,
  say = {
    { "+people", "clap", "clap", "applaud", "clap their hands" },
    { "an audience", "applaud", "clap" },
    { "a crowd", "applaud", "clap" },
  },
  names = { "applause", "clapping", "the applause of an audience", "the clapping of hands" },
  tags = { "clapping", "applause", "audience clapping", "hand claps" },
}

lexicon.breathing = {
  kind = "series", far = false,
  say = {
    { "someone", "breathe", "breathe in and out", "inhale and exhale", "pant" },
    { "a person", "breathe", "breathe deeply" },
    { "somebody", "breathe" },
  },
  names = { "breathing", "the breathing of a person", "human breathing", "+breaths" },
  tags = { "breathing", "breath", "person breathing", "heavy breathing" },
  loud = { say = { "loudly", "heavily" }, name = { "loud", "heavy" } },
  faint = { say = { "quietly", "softly" }, name = { "quiet", "soft" } },
}

lexicon.coughing = {
  kind = "event", far = false,
  say = {
    { "someone", "cough" },
    { "a person", "cough" },
    { "somebody", "cough" },
  },
  names = { "coughing", "a cough", "the coughing of a person" },
  tags = { "cough", "coughing", "person coughing" },
}

lexicon.footsteps = {
  kind = "series", far = false,
  say = {
    { "someone", "walk", "walk by", "walk along", "walk past" },
    { "a person", "walk", "walk across the floor", "walk around" },
    { "+footsteps", "sound", "echo", "approach", "pass by" },
    { "+feet", "step along", "walk" },
  },
  names = { "+footsteps", "the footsteps of a person", "walking", "+steps" },
  tags = { "footsteps", "walking", "steps", "person walking" },
}

lexicon.laughing = {
  kind = "series", far = false,
  say = {
    { "someone", "laugh", "laugh", "giggle", "chuckle" },
    { "a person", "laugh", "laugh out loud" },
    { "somebody", "laugh" },
  },
  names = { "laughter", "laughing", "a laugh", "the laughter of a person" },
  tags = { "laughing", "laughter", "laugh", "person laughing", "giggle" },
  loud = { say = { "loudly", "heartily" }, name = { "loud" } },
}

lexicon.brushing_teeth = {
  kind = "steady", far = false,
  say = {
    { "someone", "brush their teeth" },
    { "a person", "brush their teeth" },
    { "a toothbrush", "scrub", "brush teeth" },
    { "+teeth", "be brushed" },
  },
  names = { "the brushing of teeth", "toothbrushing", "tooth brushing" },
  tags = { "brushing teeth", "toothbrush", "teeth brushing" },
}

lexicon.snoring = {
  kind = "series", far = false,
  say = {
    { "someone", "snore", "snore", "snore in their sleep" },
    { "a person", "snore" },
    { "a sleeper", "snore" },
  },
  names = { "snoring", "the snoring of a person", "+snores", "the snores of a sleeper" },
  tags = { "snoring", "snore", "person snoring", "sleeping person" },
}

lexicon.drinking_sipping = {
  kind = "series", far = false,
  say = {
    { "someone", "drink", "sip a drink", "slurp a drink", "take a sip", "gulp down a drink" },
    { "a person", "drink", "sip from a cup", "slurp" },
    { "somebody", "drink" },
  },
  names = { "sipping", "slurping", "the slurping of a drink", "drinking", "+sips of a drink" },
  tags = { "drinking", "sipping", "slurp", "person drinking", "gulp" },
}

-- ---- inside the house ----

lexicon.door_wood_knock = {
  kind = "event", far = false,
  say = {
    { "someone", "knock on a door", "knock on a wooden door", "knock at the door" },
    { "a person", "knock on a door", "knock on wood" },
    { "somebody", "knock on the door" },
  },
  names = { "a knock on a door", "knocking", "+door knocks", "the knocking on a wooden door" },
  tags = { "knock", "door knock", "knocking on door", "knocking" },
}

lexicon.mouse_click = {
  kind = "event", far = false,
  say = {
    { "a mouse", "click", "be clicked" },
    { "a computer mouse", "click", "be clicked" },
    { "someone", "click a mouse" },
    { "a mouse button", "be clicked", "click" },
  },
  names = { "a mouse click", "+mouse clicks", "the clicking of a mouse",
    "the click of a computer mouse" },
  tags = { "mouse click", "computer mouse", "clicking", "mouse clicking" },
}

lexicon.keyboard_typing = {
  kind = "series", far = false,
  say = {
    { "someone", "type on a keyboard", "type", "type on a computer" },
    { "a person", "type on a keyboard", "type" },
    { "+keys", "clatter on a keyboard", "be pressed on a keyboard" },
    { "a keyboard", "clatter", "click" },
  },
  names = { "typing", "keyboard typing", "the clatter of a keyboard", "+keyboard clicks",
    "typing on a keyboard" },
  tags = { "keyboard", "typing", "keyboard typing", "computer keyboard" },
}

lexicon.door_wood_creaks = {
  kind = "series", far = false,
  say = {
    { "a door", "creak", "creak", "squeak", "creak open" },
    { "a wooden door", "creak", "squeak", "groan" },
    { "+hinges", "squeak", "creak" },
  },
  names = { "a creaking door", "the creak of a door", "the creaking of a wooden door",
    "a door creak" },
  tags = { "door creak", "creaking door", "squeaky door", "creak" },
}

lexicon.can_opening = {
  kind = "event", far = false,
  say = {
    { "a can", "be opened", "pop open", "be cracked open", "hiss open" },
    { "someone", "open a can", "crack open a can", "open a can of soda" },
    { "a soda can", "be opened", "pop open" },
    { "a drinks can", "be opened" },
  },
  names = { "the opening of a can", "the hiss of an opening can", "the pop of a can",
    "a can opening" },
  tags = { "can opening", "opening a can", "soda can", "beer can" },
}

lexicon.washing_machine = {
  kind = "steady", far = false,
  say = {
    { "a washing machine", "run", "spin", "hum", "rumble", "churn" },
    { "a washer", "run", "spin" },
    { "laundry", "be washed in a machine", "spin in a washing machine" },
  },
  names = { "a washing machine", "the hum of a washing machine", "the rumble of a washing machine",
    "a running washing machine" },
  tags = { "washing machine", "laundry machine", "washer", "washing machine spinning" },
}

lexicon.vacuum_cleaner = {
  kind = "steady", far = false,
  say = {
    { "a vacuum cleaner", "run", "hum", "whine", "roar" },
    { "a vacuum", "run", "whir" },
    { "a hoover", "hum", "run" },
    { "someone", "vacuum the floor", "vacuum" },
  },
  names = { "a vacuum cleaner", "the hum of a vacuum cleaner", "vacuuming",
    "the whine of a vacuum cleaner",
    "a running vacuum cleaner" },
  tags = { "vacuum cleaner", "vacuum", "vacuuming", "hoover" },
}

lexicon.clock_alarm = {
  kind = "series", far = false,
  say = {
    { "an alarm clock", "ring", "beep", "go off", "buzz" },
    { "an alarm", "go off", "beep", "ring", "sound" },
    { "a clock alarm", "beep", "ring" },
    { "an electronic alarm", "beep" },
  },
  names = { "an alarm", "an alarm clock", "the ringing of an alarm clock",
    "the beeping of an alarm",
    "+alarm beeps", "beeping" },
  tags = { "alarm clock", "alarm", "alarm beeping", "alarm ringing", "beep" },
}

lexicon.clock_tick = {
  kind = "series", far = false,
  say = {
    { "a clock", "tick", "tick", "tick away", "tick steadily" },
    { "a wall clock", "tick" },
    { "a watch", "tick" },
    { "a clock", "tick and tock" },
  },
  names = { "ticking", "the ticking of a clock", "a ticking clock", "the tick of a clock",
    "+clock ticks" },
  tags = { "clock", "clock ticking", "ticking clock", "tick tock", "ticking" },
}

lexicon.glass_breaking = {
  kind = "event", far = false,
  say = {
    { "glass", "break", "shatter", "smash" },
    { "a glass", "break", "shatter", "be smashed" },
    { "a window", "shatter", "be smashed", "break" },
    { "a bottle", "smash", "break" },
  },
  names = { "breaking glass", "the shattering of glass", "a glass smash",
    "the crash of breaking glass" },
  tags = { "glass breaking", "breaking glass", "glass shattering", "smash" },
  count = { "glass smash", "glass smashes" },
}

-- ---- outside, in town ----

lexicon.helicopter = {
  kind = "steady", far = true,
  say = {
    { "a helicopter", "fly", "fly overhead", "hover", "fly past", "whir" },
    { "a chopper", "fly overhead", "hover" },
    { "+helicopter blades", "whir", "chop", "beat" },
    { "+rotor blades", "whir", "beat" },
  },
  names = { "a helicopter", "the whir of a helicopter", "the chopping of rotor blades",
    "a hovering helicopter" },
  tags = { "helicopter", "helicopter flying", "chopper", "rotor blades" },
}

lexicon.chainsaw = {
  kind = "steady", far = true,
  say = {
    { "a chainsaw", "buzz", "roar", "rev", "run", "cut wood" },
    { "a chain saw", "run", "roar" },
    { "someone", "use a chainsaw", "cut wood with a chainsaw" },
  },
  names = { "a chainsaw", "the buzz of a chainsaw", "the roar of a chainsaw",
    "the revving of a chainsaw" },
  tags = { "chainsaw", "chain saw", "chainsaw cutting wood" },
}

lexicon.siren = {
  kind = "steady", far = true,
  say = {
    { "a siren", "wail", "wail", "sound", "blare", "scream" },
    { "a police siren", "wail", "sound" },
    { "an ambulance siren", "wail", "blare" },
    { "an emergency siren", "sound", "blare" },
    { "+sirens", "wail", "blare" },
    { "an emergency vehicle", "pass with its siren on" },
  },
  names = { "a siren", "a wailing siren", "the wail of a siren", "an emergency siren",
    "a police siren" },
  tags = { "siren", "police siren", "ambulance siren", "siren wailing", "fire engine siren" },
}

lexicon.car_horn = {
  kind = "event", far = true,
  say = {
    { "a car horn", "honk", "sound", "blare", "be honked" },
    { "a car", "honk", "honk its horn", "beep its horn", "toot" },
    { "a horn", "honk", "beep", "be honked" },
    { "a driver", "honk a horn", "sound the horn" },
  },
  names = { "a car horn", "honking", "the honk of a car", "the honking of a car horn",
    "the beep of a horn" },
  tags = { "car horn", "honk", "car honking", "horn" },
  count = { "honk of a car horn", "honks of a car horn" },
}

lexicon.engine = {
  kind = "steady", far = true,
  say = {
    { "an engine", "run", "idle", "hum", "rumble", "rev" },
    { "a car engine", "run", "idle", "rev" },
    { "a motor", "run", "hum", "rumble" },
    { "a vehicle", "idle" },
  },
  names = { "an engine", "the rumble of an engine", "the hum of a motor", "a running engine",
    "the revving of an engine", "engine noise" },
  tags = { "engine", "car engine", "motor", "engine running", "engine idling" },
}

lexicon.train = {
  kind = "steady", far = true,
  say = {
    { "a train", "pass", "pass by", "roll by", "rumble past", "clatter along the tracks" },
    { "a steam train", "chug along", "go by" },
    { "a railway train", "pass", "roll along the rails" },
    { "a locomotive", "go by", "chug past" },
  },
  names = { "a train", "a passing train", "the rumble of a train", "the clatter of a train" },
  tags = { "train", "train passing", "railway", "steam train", "locomotive" },
}

lexicon.church_bells = {
  kind = "steady", far = true,
  say = {
    { "+church bells", "ring", "ring", "toll", "chime", "peal" },
    { "a church bell", "ring", "toll", "chime" },
    { "+bells", "ring", "toll", "chime" },
    { "a bell", "ring", "toll", "chime" },
  },
  names = { "+church bells", "the ringing of church bells", "the tolling of a bell",
    "a ringing bell",
    "the chime of a church bell", "+bells" },
  tags = { "church bells", "bell", "bells ringing", "bell ringing", "church bell tolling" },
}

lexicon.airplane = {
  kind = "steady", far = true,
  say = {
    { "an airplane", "fly overhead", "fly past", "roar overhead", "take off" },
    { "a plane", "fly by", "fly overhead", "pass overhead" },
    { "an aircraft", "fly past", "fly over" },
    { "a jet", "fly past", "roar by" },
  },
  names = { "an airplane", "the roar of a plane", "a passing airplane",
    "the drone of an aircraft" },
  tags = { "airplane", "plane", "airplane flying", "jet", "aircraft" },
}

lexicon.fireworks = {
  kind = "series", far = true,
  say = {
    { "+fireworks", "explode", "go off", "bang", "crackle", "pop" },
    { "a firework", "explode", "go off", "burst" },
    { "+rockets", "explode" },
  },
  names = { "+fireworks", "the bang of fireworks", "the explosion of fireworks",
    "a fireworks display" },
  tags = { "fireworks", "fireworks exploding", "firecrackers", "firework display" },
}

lexicon.hand_saw = {
  kind = "series", far = false,
  say = {
    { "someone", "saw wood", "saw wood by hand", "cut wood with a hand saw" },
    { "a hand saw", "cut wood", "saw through wood", "rasp" },
    { "a saw", "cut wood", "cut through wood" },
    { "wood", "be sawn", "be cut with a saw" },
  },
  names = { "sawing", "the sawing of wood", "the rasp of a hand saw", "wood sawing" },
  tags = { "hand saw", "sawing wood", "saw", "sawing" },
}

return lexicon
