--- A scene as a wave, by the renderer that also feeds networks.
local core = require "nightjar.core"

--- The wave of a scene, or of any item with sources, parts, duration and limit.
---@param scene nightjar.Scene
---@param rate integer Hz
---@return nightjar.Tensor? wave (samples)
---@return string? message
---@return string? code
return function(scene, rate)
  local renderer <close> = core.audio.renderer {
    sources = scene.sources, rate = rate, jobs = 1, cache_mb = 0,
  }
  return renderer:wave { length = scene.duration, parts = scene.parts, limit = scene.limit }
end
