--- Tells Ctrl-C from other errors. The interpreter and the kernels raise it with the same text.

---@param problem any what was raised, or a message
---@return boolean
return function(problem)
  local line = tostring(problem):match "^[^\n]*" -- a traceback may follow
  return line == "interrupted!" or line:find ":%d+: interrupted!$" ~= nil
end
