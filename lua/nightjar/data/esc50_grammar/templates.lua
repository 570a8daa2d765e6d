--- How captions put events together. {1c} stands for part 1 in form c (see captions.lua: c clause,
--- p participle, n noun, g p or n, b after "the sound of", e "there is", h "can be heard", t tag);
--- a trailing "~" leaves out loudness and distance. The number in front is the template's weight.
local alone, inside = {}, {}

-- ---- a structure that is the whole caption ----

alone.event = [[
8 {1c}
3 {1p}
3 {1n}
2 the sound of {1b}
1 {1e}
1 {1n} can be heard
1 {1h}
1 you can hear {1b}
1 a recording of {1b}
2 {1t}
]]

alone.with = [[
4 {1c} while {2c}
3 {1c} as {2c}
2 {1c} and {2c}
2 while {2c}, {1c}
1 as {2c}, {1c}
2 {2c} while {1c}
2 {2c} as {1c}
2 {1g} and {2g}
1 {1n} and {2n}
1 {2n} and {1n}
1 {1g} with {2g}
1 {1c} over {2n}
1 {1c} amid {2n}
1 {1g} together with {2g}
1 {1g} along with {2g}
1 the sound of {1b} and {2b}
1 the sound of {1b} over {2b}
1 {1c} and {2c} at the same time
1 {1n} and {2n} at the same time
1 {1n} and {2n} can be heard together
1 {2n} can be heard while {1c}
1 {1n} mixed with {2n}
1 {1t} and {2t}
]]

alone.background = [[
4 {1c} with {2p~} in the background
2 {1c} while {2c~} in the background
2 {1c} as {2c~} in the background
2 {1g} with {2n~} in the background
2 {2c~} in the background as {1c}
2 {2c~} in the background while {1c}
1 in the background {2c~} while {1c}
1 {1c} against a background of {2n~}
2 {1c} while {2c}
1 {1c} as {2c}
1 while {2c}, {1c}
1 as {2c}, {1c}
1 {1g} over {2n}
1 {1g} and {2g}
]]

alone.then_2 = [[
4 {1c}, then {2c}
2 {1c}, and then {2c}
3 {1c} and then {2c}
3 {1c} before {2c}
2 {1c}, after which {2c}
3 {1c}, followed by {2g}
3 {1g} followed by {2g}
2 {1g}, followed by {2g}
2 {1g} and then {2g}
2 {1g}, then {2g}
2 after {1c}, {2c}
2 {2c} after {1c}
1 {2g} after {1g}
1 {1g} before {2g}
1 {2g} preceded by {1g}
2 first {1c}, then {2c}
1 first {1c}, and then {2c}
1 first {1g}, then {2g}
1 the sound of {1b} followed by {2g}
1 the sound of {1b} and then {2g}
1 {1c} and afterwards {2c}
1 {1c}, and later {2c}
1 before {2c}, {1c}
1 {1t}, then {2t}
1 {1t} followed by {2t}
]]

alone.then_3 = [[
4 {1c}, then {2c}, then {3c}
4 {1c}, then {2c}, and finally {3c}
2 {1c}, {2c}, and then {3c}
3 {1c}, followed by {2g} and then {3g}
2 {1g} followed by {2g} and then {3g}
2 {1g}, then {2g}, then {3g}
2 {1g}, then {2g}, and finally {3g}
2 first {1c}, then {2c}, and finally {3c}
1 first {1g}, then {2g}, then {3g}
2 after {1c}, {2c} and then {3c}
1 {1c} before {2c}, and then {3c}
1 {1c}, after which {2c} and then {3c}
1 the sound of {1b}, then {2g}, then {3g}
1 {1t}, then {2t}, then {3t}
]]

alone.then_4 = [[
4 {1c}, then {2c}, then {3c}, and finally {4c}
2 first {1c}, then {2c}, after that {3c}, and finally {4c}
3 {1g}, then {2g}, then {3g}, and finally {4g}
2 {1g}, followed by {2g}, then {3g}, and finally {4g}
2 {1c}, followed by {2g}, then {3g} and then {4g}
1 after {1c}, {2c}, then {3c} and finally {4c}
1 {1t}, then {2t}, then {3t}, then {4t}
]]

alone.over = [[
4 {1c} while {2c}
3 {1c} as {2c}
3 while {1c}, {2c}
2 as {1c}, {2c}
2 {2c}, all while {1c}
1 {2c}, with {1p} throughout
1 with {1p} throughout, {2c}
1 {2g} over {1n}
1 {2g}, with {1g} throughout
1 {2t} over {1t}
]]

alone.over_background = [[
3 {2c}, with {1p~} in the background
2 {2c} with {1n~} in the background
2 with {1p~} in the background, {2c}
2 {1c~} in the background while {2c}
2 {1c~} in the background as {2c}
1 in the background {1c~} while {2c}
2 while {1c}, {2c}
2 {1c} while {2c}
1 {1c} as {2c}
1 {2c}, all while {1c}
1 {2g}, with {1g} in the background
]]

-- ---- a structure inside a larger caption ----
-- It is said in the form that its place asks for; alternatives are parted by "|".
inside.with = {
  c = "{1c} while {2c}|{1c} as {2c}|{1c} and {2c}|{1c} with {2p}",
  g = "{1g} with {2g}|{1g} and {2g}|{1g} together with {2g}",
  t = "{1t} and {2t}|{1t} with {2t}",
}
inside.background = {
  c = "{1c} with {2p~} in the background|{1c} while {2c}|{1c} as {2c}",
  g = "{1g} with {2g~} in the background|{1g} with {2g}",
  t = "{1t} over {2t}",
}
inside.then_2 = {
  c = "{1c}, then {2c}|{1c} and then {2c}|{1c}, followed by {2g}",
  g = "{1g} followed by {2g}|{1g}, then {2g}|{1g} and then {2g}",
  t = "{1t}, then {2t}",
}
inside.then_3 = {
  c = "{1c}, then {2c}, and finally {3c}|{1c}, then {2c}, then {3c}",
  g = "{1g}, then {2g}, then {3g}|{1g} followed by {2g} and then {3g}",
  t = "{1t}, then {2t}, then {3t}",
}
inside.then_4 = {
  c = "{1c}, then {2c}, then {3c}, and finally {4c}",
  g = "{1g}, then {2g}, then {3g}, and finally {4g}",
  t = "{1t}, then {2t}, then {3t}, then {4t}",
}
inside.over = {
  c = "{2c} while {1c}|{2c}, all while {1c}",
  g = "{2g} over {1g}|{2g}, with {1g} throughout",
  t = "{2t} over {1t}",
}
inside.over_background = {
  c = "{2c} with {1p~} in the background|{2c} while {1c}",
  g = "{2g} with {1g~} in the background",
  t = "{2t} over {1t}",
}

-- A template as a list of texts and { part, form, plain }.
local function parse(template)
  local pieces, at = {}, 1
  for from, part, form, plain, to in template:gmatch "(){(%d)(%a)(~?)}()" do
    if from > at then pieces[#pieces + 1] = template:sub(at, from - 1) end
    pieces[#pieces + 1] = { part = tonumber(part), form = form, plain = plain == "~" }
    at = to
  end
  if at <= #template then pieces[#pieces + 1] = template:sub(at) end
  return pieces
end

for name, lines in pairs(alone) do
  local list = {}
  for weight, template in lines:gmatch "(%d+) ([^\n]+)" do
    local pieces = parse(template)
    for _ = 1, tonumber(weight) do list[#list + 1] = pieces end
  end
  alone[name] = list
end
-- The forms that have no template of their own inside a structure take the nearest one.
local nearest = { p = "g", n = "g", b = "g", h = "c", e = "c" }
for _, by_form in pairs(inside) do
  for form, alternatives in pairs(by_form) do
    local list = {}
    for template in alternatives:gmatch "[^|]+" do list[#list + 1] = parse(template) end
    by_form[form] = list
  end
  for form, other in pairs(nearest) do by_form[form] = by_form[other] end
end

return { alone = alone, inside = inside }
