-- busted --helper: the suite under a collector that never rests (NIGHTJAR_GC=stress), or under the
-- generational one (NIGHTJAR_GC=generational).
local mode = assert(os.getenv "NIGHTJAR_GC", "set NIGHTJAR_GC to stress or generational")

if mode == "generational" then
  collectgarbage "generational"
else
  assert(mode == "stress", "NIGHTJAR_GC: expected stress or generational, got " .. mode)
  -- A pause of 0 starts the next cycle as soon as one ends; steps of 2^9 bytes keep it moving
  -- between any two allocations of note.
  collectgarbage("incremental", 0, 400, 9)
end

return true
