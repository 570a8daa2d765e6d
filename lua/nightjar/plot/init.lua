--- Drawings and tables: each function gives the text of a file.
---
---     nj.plot.svg.matrix(rows, row_labels, column_labels)
---     nj.plot.csv.matrix(rows, row_labels, column_labels)
---     nj.plot.chart.bars(bars, shared)
return setmetatable({}, {
  __index = function(self, name)
    if name ~= "csv" and name ~= "svg" and name ~= "chart" then return nil end
    local module = require("nightjar.plot." .. name)
    rawset(self, name, module)
    return module
  end,
})
