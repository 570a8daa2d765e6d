local nj = require "nightjar.core"
assert(nj.memory().limit == 96 << 20)
return tostring(nj.rng(7):uniform())
