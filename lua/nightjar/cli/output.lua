--- Text for people and JSON for machines.
local interrupted = require "nightjar.interrupt"
local plain = require "nightjar.plain"
local system = require("nightjar.core").system

local output = {}

local COLOURS = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

--- true when a stream is a terminal that shows colour (NO_COLOR, https://no-color.org, turns it
--- off).
function output.colourful(stream)
  local off = os.getenv "NO_COLOR"
  return system.is_terminal(stream) and not (off and off ~= "") and os.getenv "TERM" ~= "dumb"
end

--- Text in a colour when standard output shows it.
function output.paint(text, colour)
  text = plain.lines(text)
  if not output.colourful(io.stdout) then return text end
  return ("\27[%sm%s\27[0m"):format(COLOURS[colour], text)
end

--- A line on standard output. What names, labels and captions hold of control characters is replaced;
--- the colours of `paint` stay.
function output.print(value)
  local parts = {}
  for text, colour in (tostring(value) .. "\27[0m"):gmatch "(.-)(\27%[%d*m)" do
    parts[#parts + 1] = plain.lines(text)
    parts[#parts + 1] = colour
  end
  parts[#parts] = nil
  io.stdout:write(table.concat(parts), "\n")
end

--- JSON with sorted keys; bytes of names that are not UTF-8 become U+FFFD, as JSON cannot hold them.
function output.print_json(value)
  print(plain.encode(value, { indent = true }))
end

--- A line on standard error.
function output.complain(text) io.stderr:write("nightjar: ", plain.lines(tostring(text)), "\n") end

--- Complains and gives the exit status of failure: 130, as shells have it, after Ctrl-C.
function output.fail(text)
  output.complain(text)
  return interrupted(text) and 130 or 1
end

--- Ten characters, more of them full the nearer a share is to 1.
function output.bar(share)
  local full = math.floor(share * 10 + 0.5)
  return ("█"):rep(full) .. ("·"):rep(10 - full)
end

--- 75.25 → "1:15.2"
function output.time(seconds)
  local minutes = seconds // 60
  return ("%d:%04.1f"):format(minutes, seconds - 60 * minutes)
end

return output
