-- busted on the interpreter that runs this file, whatever the launcher of the distribution prefers.
table.insert(arg, 1, "--ignore-lua")
require "busted.runner" { standalone = false }
