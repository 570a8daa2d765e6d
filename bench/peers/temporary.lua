-- The path of a file that lives as long as the run.
local folder

return function(name)
  if not folder then
    local path = os.tmpname()
    os.remove(path)
    assert(os.execute("mkdir " .. path))
    folder = setmetatable({ path = path }, { __gc = function() os.execute("rm -r " .. path) end })
  end
  return folder.path .. "/" .. name
end
