-- Times nightjar beside references: `make bench`, or
--   lua5.4 bench/run.lua [--rounds=N] [--cpu] [--full] [--json] [--list] [NAME…]
-- NAME picks the files bench/NAME.lua, and cases whose name contains it; --full adds cases that take
-- minutes; --cpu counts processor time, which a busy machine changes less than the time that passes.
--
-- A file of bench/ returns function(case, nj, reference, full) and calls, for each thing it times,
--   case("softmax (4096, 512)", {
--     { "nightjar", function() … end },
--     { "C loop", reference.softmax(4096, 512) },
--     work = 4096 * 512, unit = "Melem/s",        -- optional: work per call, shown as a rate
--     note = function() return "…" end,           -- optional: a line about the case, after it ran
--   })
-- The contenders of a case are timed in turns (A B A B …), since machines change speed from second
-- to second: only the ratio inside one case means anything. It is the median over the rounds of
-- (time of the contender / time of nightjar): 2.0 means nightjar is twice as fast. A contender that works
-- in another process returns the processor time that it took there.
local system = require "system"

local options = { rounds = 15, cpu = false, full = false, json = false, list = false }
local names = {}
for _, argument in ipairs(arg) do
  local key, value = argument:match "^%-%-(%w+)=?(.*)$"
  if key == "rounds" then
    options.rounds = assert(math.tointeger(tonumber(value)), "--rounds=N")
  elseif key and options[key] ~= nil then
    options[key] = true
  elseif key then
    io.stderr:write("bench: unknown option ", argument, "\n")
    os.exit(2)
  else
    names[#names + 1] = argument
  end
end

local nj = require "nightjar"
local reference = require "bench_reference"

local now = system.monotime
local SAMPLE_S = 0.02 -- a sample repeats its function until it takes about this long

local prefix = { G = 1e9, M = 1e6, k = 1e3 }

local function median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  local middle = #sorted // 2
  return #sorted % 2 == 1 and sorted[middle + 1] or (sorted[middle] + sorted[middle + 1]) / 2
end

local function quantile(values, q)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  return sorted[math.max(1, math.ceil(q * #sorted))]
end

local function timed(run, repeats)
  local begin, clock, elsewhere = now(), os.clock(), nil
  for _ = 1, repeats do
    local seconds = run()
    if type(seconds) == "number" then
      elsewhere = (elsewhere or 0) + seconds
    end
  end
  local passed = options.cpu and (elsewhere or os.clock() - clock) or now() - begin
  return passed / repeats
end

local function calibrate(run)
  local once = timed(run, 1) -- caches and packed weights
  if once < 1 then
    once = timed(run, 1)
  end
  return math.max(1, math.min(100000, math.floor(SAMPLE_S / math.max(once, 1e-7))))
end

local function resident_mib()
  local file = io.open "/proc/self/status"
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  local peak = text:match "VmHWM:%s+(%d+)"
  return peak and tonumber(peak) / 1024
end

local function seconds_text(s)
  if s >= 1 then
    return ("%.3f s "):format(s)
  elseif s >= 1e-3 then
    return ("%.3f ms"):format(s * 1e3)
  end
  return ("%.2f us"):format(s * 1e6)
end

local function rate_text(contenders, seconds)
  if not contenders.work then
    return ""
  end
  local unit = contenders.unit or "/s"
  local scale = prefix[unit:sub(1, 1)] or 1
  return ("%10.1f %s"):format(contenders.work / seconds / scale, unit)
end

-- Times the contenders in turns. One list of seconds per contender.
local function measure(contenders)
  local repeats, samples = {}, {}
  for i, contender in ipairs(contenders) do
    repeats[i], samples[i] = calibrate(contender[2]), {}
  end
  for round = 1, options.rounds do
    for i, contender in ipairs(contenders) do
      collectgarbage()
      samples[i][round] = timed(contender[2], repeats[i])
    end
  end
  return samples
end

local results = {}

local function report(name, contenders, samples)
  local note = contenders.note and contenders.note()
  if not options.json then
    print(name)
  end
  for i, contender in ipairs(contenders) do
    local ratios = {}
    for round = 1, options.rounds do
      ratios[round] = samples[i][round] / samples[1][round]
    end
    local row = {
      case = name, contender = contender[1], median_s = median(samples[i]),
      low_s = quantile(samples[i], 0.1), high_s = quantile(samples[i], 0.9),
      times_nightjar = median(ratios), ratio_low = quantile(ratios, 0.1),
      ratio_high = quantile(ratios, 0.9), work = contenders.work, unit = contenders.unit,
      note = note,
    }
    results[#results + 1] = row
    if not options.json then
      local ratio = i == 1 and ""
        or ("  %.2fx [%.2f, %.2f]"):format(row.times_nightjar, row.ratio_low, row.ratio_high)
      print(("  %-28s %12s  [%s, %s] %s%s"):format(contender[1], seconds_text(row.median_s),
        seconds_text(row.low_s), seconds_text(row.high_s), rate_text(contenders, row.median_s),
        ratio))
    end
  end
  if note and not options.json then
    print("  " .. note)
  end
end

local function wanted(file, case)
  if #names == 0 then
    return true
  end
  for _, name in ipairs(names) do
    if file == name or case:find(name, 1, true) then
      return true
    end
  end
  return false
end

local function bench_files()
  local files = {}
  local pipe = assert(io.popen "ls bench/*.lua")
  for path in pipe:lines() do
    local name = path:match "bench/(.*)%.lua$"
    if name ~= "run" then
      files[#files + 1] = name
    end
  end
  pipe:close()
  return files
end

local function cpu()
  for line in io.lines "/proc/cpuinfo" do
    local model = line:match "^model name%s*:%s*(.*)"
    if model then
      return model
    end
  end
  return "unknown CPU"
end

if not options.json and not options.list then
  print(("%s, %s kernels, %d threads, %s"):format(cpu(), nj.isa, nj.threads(), reference.blas))
  print(("medians of %d interleaved rounds [10 %%, 90 %%]%s; Nx: that many times nightjar's time\n")
    :format(options.rounds, options.cpu and " of processor time" or ""))
end

for _, file in ipairs(bench_files()) do
  local function case(name, contenders)
    if not wanted(file, name) then
      return
    elseif options.list then
      print(file .. ": " .. name)
      return
    end
    report(name, contenders, measure(contenders))
  end
  assert(loadfile("bench/" .. file .. ".lua"))()(case, nj, reference, options.full)
end

if options.json then
  print(require("dkjson").encode({ results = results, peak_mib = resident_mib(), cpu = cpu(),
    isa = nj.isa, threads = nj.threads() }, { indent = true }))
elseif not options.list and resident_mib() then
  print(("\npeak resident memory of the whole run: %.0f MiB"):format(resident_mib()))
end
