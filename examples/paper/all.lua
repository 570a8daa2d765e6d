#!/usr/bin/env lua5.4
--- Experiments 1 to 5 and 7, one after the other, with the same arguments. What they share is run once;
--- what was run before is not run again.
---
---   lua5.4 examples/paper/all.lua --root ESC-50 --mn04 mn04_as_mAP_432.pt
local folder = arg[0]:match "^(.*)/" or "."
package.path = folder .. "/?.lua;" .. package.path
for _, name in ipairs { "01_levels", "02_segments", "03_interaction", "04_captions", "05_sources",
  "07_longer" } do
  assert(loadfile(("%s/%s.lua"):format(folder, name)))()
end
