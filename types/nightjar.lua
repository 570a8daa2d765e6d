---@meta nightjar
-- What nightjar offers, for editors (LuaLS) and for docs/reference: `make docs` turns this file
-- into pages, and spec/types_spec.lua compares it with what is really there.

---The namespace: `local nj = require "nightjar"`.
---@class nightjar
---@field _VERSION string "nightjar 0.1.0"
---@field version string "0.1.0"
---@field isa string the kernels in use: "avx512", "avx2" or "portable"; NIGHTJAR_ISA forces one
local nj = {}

---@class nightjar.MemoryOptions
---@field limit? integer bytes that tensors may hold; 0 lifts the limit
---@field reset_peak? boolean `peak` begins anew at `live`
---@field trim? boolean gives freed memory, kept for reuse, back to the system

---@class nightjar.MemoryReport
---@field live integer bytes in use
---@field peak integer the most that was in use
---@field cached integer bytes freed and kept for reuse
---@field limit integer 0: none
---@field allocations integer requests served so far

---The accounts of the memory outside of Lua's heap, after changing what the options ask for.
---@param options? nightjar.MemoryOptions
---@return nightjar.MemoryReport
function nj.memory(options) end

---The number of threads that kernels use; results do not depend on it. The environment variable
---NIGHTJAR_THREADS sets the first value, else it is one per core.
---@param n? integer 1 to 256
---@return integer
function nj.threads(n) end

---A generator of random numbers: the n-th number is a function of seed, stream and n alone.
---@param seed integer
---@param stream? integer independent sequences under one seed; 0 when left out
---@return nightjar.Rng
function nj.rng(seed, stream) end

---Restarts the generator that is used where none is given.
---@param seed integer
function nj.seed(seed) end

---A seeded generator of random numbers (Philox-4x32-10). Made by `nj.rng`.
---@class nightjar.Rng
local Rng = {}

---A number from [low, high), evenly.
---@param low? number 0 when left out
---@param high? number 1 when left out
---@return number
function Rng:uniform(low, high) end

---A number of the normal distribution.
---@param mean? number 0 when left out
---@param deviation? number 1 when left out
---@return number
function Rng:normal(mean, deviation) end

---An integer from low to high, both included, evenly.
---@param low integer
---@param high integer
---@return integer
function Rng:integer(low, high) end

---One item of a list.
---@param list any[]
---@return any item
---@return integer index
function Rng:choice(list) end

---Puts a list into random order, in place.
---@param list any[]
---@return any[] list
function Rng:shuffle(list) end

---Another generator, independent of this one and of its other children.
---@return nightjar.Rng
function Rng:split() end

---A copy that will draw the same numbers.
---@return nightjar.Rng
function Rng:clone() end

---Where the generator stands: three integers, for checkpoints.
---@return {seed: integer, stream: integer, counter: integer}
function Rng:state() end

---Goes back to a state.
---@param state {seed: integer, stream: integer, counter: integer}
---@return nightjar.Rng self
function Rng:restore(state) end
