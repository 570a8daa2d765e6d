-- Prints how long `require "nightjar"` takes in a fresh interpreter: the median of 21 processes,
-- less an interpreter that does nothing.
local times = {}
local function run(code)
  local at = {}
  for i = 1, 21 do
    local pipe = assert(io.popen("bash -c 'TIMEFORMAT=%R; time lua5.4 -e \"" .. code .. "\"' 2>&1"))
    at[i] = tonumber((pipe:read "a"):match "([%d.]+)%s*$")
    pipe:close()
  end
  table.sort(at)
  return at[11] * 1000
end
times.idle = run ""
times.nightjar = run "require [[nightjar]]"
print(("FIGURE require \"nightjar\": %.0f ms (interpreter alone: %.0f ms)")
  :format(times.nightjar - times.idle, times.idle))
