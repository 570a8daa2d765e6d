std = "lua54"
max_line_length = 112 -- bytes: 100 columns with room for what is not ASCII
exclude_files = { "build*", "lua_modules", "types" }
files["spec/**/*.lua"] = { std = "lua54+busted" }
files["nightjar-*.rockspec"] = { std = "+rockspec" }
files[".luarocks/*.lua"] = { globals = { "rocks_provided" } }
