--- LuaFileSystem without the global variable `lfs` that its C code sets when it is loaded: a host may forbid
--- new globals (strict.lua and its kin), and a library has no business to make any.
if package.loaded.lfs == nil then
  local before = rawget(_G, "lfs")
  if before == nil then rawset(_G, "lfs", false) end -- there already, so that a host's __newindex is not asked
  local ok, problem = pcall(require, "lfs")
  rawset(_G, "lfs", before)
  if not ok then error(problem, 0) end
end
return require "lfs"
