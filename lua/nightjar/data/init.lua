--- nj.data: data sets, scenes made of them, captions, and the loader that feeds a network. Each
--- part is loaded when it is first used.
---
---     local train = assert(nj.data.esc50("ESC-50", { split = "train", licences = { "CC0" } }))
---     local scenes = nj.data.scenes(train, { seed = 1 })
---     local loader = nj.data.loader(scenes, { batch = 32, … })
local parts = {
  audiocaps = true, augmentation = true, cache = true, captions = true, clotho = true, csv = true,
  dataset = true, esc50 = true, folder = true, generated = true, loader = true, manifest = true,
  scenes = true, split = true,
}

return setmetatable({}, {
  __name = "nightjar.data",
  __index = function(self, name)
    if not parts[name] then return nil end
    local part = require("nightjar.data." .. name)
    rawset(self, name, part)
    return part
  end,
})
